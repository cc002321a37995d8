//! The demo's own words, in English and German. One function per sentence, so that a word that is missing in one language does not
//! compile. What the planner says is English; [`Words::reason`] says the same in the reader's language.

use ridethrough_model::{Action, Millis, Op};
use ridethrough_sim::demo::{Scenario, Summary};

/// The reader's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::command) enum Lang {
    /// English
    #[default]
    En,
    /// German
    De,
}

impl Lang {
    /// As the environment says.
    pub(in crate::command) fn of_environment() -> Self {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let said = value("LC_ALL").or_else(|| value("LC_MESSAGES")).or_else(|| value("LANG")).unwrap_or_default();
        if said.starts_with("de") { Self::De } else { Self::En }
    }
}

/// Where the outage is, as the time line shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Mains,
    Riding,
    Saving,
    Waiting,
    Returning,
}

/// Sentences in one language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) Lang);

/// `say!(self, english, german)`, both as for `format!`.
macro_rules! say {
    ($words:expr, $en:literal, $de:literal) => {
        match $words.0 {
            Lang::En => format!($en),
            Lang::De => format!($de),
        }
    };
}

impl Words {
    pub(super) fn scene(self, scenario: Scenario) -> String {
        match scenario {
            Scenario::TwoRacks => say!(self, "two of three racks lose mains", "zwei von drei Racks verlieren das Netz"),
            Scenario::BothFail => say!(self, "every rack loses mains, for long", "alle Racks verlieren lange das Netz"),
            Scenario::Short => say!(self, "mains is away for 40 seconds", "das Netz ist 40 Sekunden weg"),
            Scenario::AgedBattery => {
                say!(self, "one battery holds half of what it says", "eine Batterie hält halb so lang, wie sie sagt")
            }
        }
    }
    pub(super) fn phase(self, phase: Phase) -> String {
        match phase {
            Phase::Mains => say!(self, "on mains", "am Netz"),
            Phase::Riding => say!(self, "riding through", "abwarten"),
            Phase::Saving => say!(self, "acting", "handeln"),
            Phase::Waiting => say!(self, "is mains stable?", "Netz stabil?"),
            Phase::Returning => say!(self, "returning", "Rückkehr"),
        }
    }
    pub(super) fn legend(self, phase: Phase) -> String {
        match phase {
            Phase::Mains => say!(self, "everything runs, everything is watched", "alles läuft, alles wird beobachtet"),
            Phase::Riding => say!(
                self,
                "most outages are over in seconds: nothing is touched yet",
                "die meisten Ausfälle dauern Sekunden: noch nichts anfassen"
            ),
            Phase::Saving => say!(
                self,
                "the unimportant stops, the critical moves, empty hosts go off",
                "Unwichtiges stoppt, Kritisches zieht um, leere Hosts gehen aus"
            ),
            Phase::Waiting => say!(
                self,
                "nothing more is stopped; mains must prove itself",
                "nichts wird mehr gestoppt; das Netz muss sich beweisen"
            ),
            Phase::Returning => say!(
                self,
                "hosts wake, VMs start in order, the moved go home",
                "Hosts wachen auf, VMs starten der Reihe nach, Umgezogene kehren heim"
            ),
        }
    }

    pub(super) fn on_battery(self, who: &str) -> String {
        say!(self, "Mains lost: {who} on battery", "Netzausfall: {who} auf Batterie")
    }
    pub(super) fn says_it_lasts(self, lasts: &str) -> String {
        say!(self, "with everything running it lasts {lasts}", "mit aller Last reicht sie {lasts}")
    }
    pub(super) fn rides(self, ride: Millis) -> String {
        say!(self, "Nothing is touched for {ride}", "{ride} lang wird nichts angefasst")
    }
    pub(super) fn rides_why(self) -> String {
        say!(self, "most outages are over by then", "die meisten Ausfälle sind bis dahin vorbei")
    }
    pub(super) fn acts(self, who: &str) -> String {
        say!(self, "Now it acts: {who}", "Jetzt wird gehandelt: {who}")
    }
    pub(super) fn acts_why(self, reason: &str) -> String {
        match self.0 {
            Lang::En => reason.to_owned(),
            Lang::De if reason.contains("ride-through") => "die Zeit des Abwartens ist um".to_owned(),
            Lang::De if reason.contains("waiting any longer") => {
                "länger warten ließe zu wenig Batterie zum sauberen Stoppen".to_owned()
            }
            Lang::De => format!("die USV meldet es ({reason})"),
        }
    }
    pub(super) fn plan(self, moves: usize, stops: usize) -> String {
        say!(
            self,
            "The plan: {moves} VMs move, {stops} shut down in your order",
            "Der Plan: {moves} VMs ziehen um, {stops} fahren in Ihrer Reihenfolge herunter"
        )
    }
    pub(super) fn plan_fits(self, fits: bool) -> String {
        if fits {
            say!(self, "all of it fits the battery, with a margin", "alles passt in die Batterie, mit Reserve")
        } else {
            say!(self, "it does not all fit the battery", "nicht alles passt in die Batterie")
        }
    }
    pub(super) fn stays(self, who: &str, until: &str) -> String {
        say!(
            self,
            "{who} runs on until its last safe moment, {until}",
            "{who} läuft weiter bis zum letzten sicheren Moment, {until}"
        )
    }
    pub(super) fn stays_why(self, reason: &str) -> String {
        match self.0 {
            Lang::De if reason.contains("USB dongle") => "kann nicht umziehen: in ihrem Host steckt ein USB-Dongle".to_owned(),
            Lang::De if reason.contains("on battery") => "kein Host mit sicherem Strom kann sie aufnehmen".to_owned(),
            Lang::De => reason.to_owned(),
            Lang::En => reason.split(';').next().unwrap_or(reason).to_owned(),
        }
    }
    pub(super) fn shut_down(self, who: &str, tier: &str) -> String {
        say!(self, "Tier {tier} shuts down: {who}", "Stufe {tier} fährt herunter: {who}")
    }
    pub(super) fn off(self, who: &str) -> String {
        say!(self, "Off: {who}", "Aus: {who}")
    }
    pub(super) fn gain(self, before: Millis, after: Millis) -> String {
        say!(
            self,
            "the weakest battery now lasts {after} instead of {before}",
            "die schwächste Batterie reicht nun {after} statt {before}"
        )
    }
    pub(super) fn moves(self, who: &str, to: &str) -> String {
        say!(self, "Moving while running, to {to}: {who}", "Ziehen im Betrieb um nach {to}: {who}")
    }
    pub(super) fn moved(self, who: &str, to: &str) -> String {
        say!(self, "On {to} now: {who}", "Jetzt auf {to}: {who}")
    }
    pub(super) fn moved_why(self) -> String {
        say!(self, "it never stopped running", "ohne Unterbrechung")
    }
    pub(super) fn host_down(self, who: &str) -> String {
        say!(self, "Empty, shuts down: {who}", "Leer, fährt herunter: {who}")
    }
    pub(super) fn host_off(self, who: &str) -> String {
        say!(self, "Host proven off: {who}", "Host nachweislich aus: {who}")
    }
    pub(super) fn host_off_why(self) -> String {
        say!(self, "its BMC says so; silence would be no proof", "sein BMC sagt es; Schweigen wäre kein Beweis")
    }
    pub(super) fn autostart_paused(self, who: &str) -> String {
        say!(self, "Autostart paused: {who}", "Autostart angehalten: {who}")
    }
    pub(super) fn autostart_back(self, who: &str) -> String {
        say!(self, "Autostart put back: {who}", "Autostart wieder wie vorher: {who}")
    }
    pub(super) fn forced(self, who: &str) -> String {
        say!(self, "Powered off at the last moment: {who}", "Im letzten Moment abgeschaltet: {who}")
    }
    pub(super) fn mains_back(self, who: &str) -> String {
        say!(self, "Mains is back: {who}", "Das Netz ist zurück: {who}")
    }
    pub(super) fn mains_back_why(self, stable: Millis) -> String {
        say!(
            self,
            "nothing more is stopped; it must stay for {stable} first",
            "nichts wird mehr gestoppt; es muss erst {stable} bleiben"
        )
    }
    pub(super) fn stable(self) -> String {
        say!(self, "Mains is stable: the return begins", "Das Netz ist stabil: die Rückkehr beginnt")
    }
    pub(super) fn stable_why(self) -> String {
        say!(
            self,
            "what starts now could be stopped cleanly again on today's charge",
            "was jetzt startet, ließe sich mit der jetzigen Ladung wieder sauber stoppen"
        )
    }
    pub(super) fn wakes(self, who: &str) -> String {
        say!(self, "Waking: {who}", "Wird geweckt: {who}")
    }
    pub(super) fn is_up(self, who: &str) -> String {
        say!(self, "Up again: {who}", "Wieder da: {who}")
    }
    pub(super) fn starts(self, who: &str, tier: &str) -> String {
        say!(self, "Tier {tier} starts: {who}", "Stufe {tier} startet: {who}")
    }
    pub(super) fn runs(self, who: &str) -> String {
        say!(self, "Running again: {who}", "Läuft wieder: {who}")
    }
    pub(super) fn goes_home(self, who: &str) -> String {
        say!(self, "Moving home: {who}", "Ziehen heim: {who}")
    }
    pub(super) fn is_home(self, who: &str) -> String {
        say!(self, "Home again: {who}", "Wieder daheim: {who}")
    }
    pub(super) fn returned(self, is_complete: bool) -> String {
        if is_complete {
            say!(self, "Everything runs as before", "Alles läuft wie vorher")
        } else {
            say!(self, "The outage is over, but not everything came back", "Der Ausfall ist vorbei, aber nicht alles ist zurück")
        }
    }
    pub(super) fn untouched(self) -> String {
        say!(self, "It is over, and nothing was touched", "Vorbei, und nichts wurde angefasst")
    }
    pub(super) fn failed(self, what: &str) -> String {
        say!(self, "Failed: {what}", "Gescheitert: {what}")
    }

    /// Why an action is there.
    pub(super) fn reason(self, action: &Action) -> String {
        let text = action.why.text.trim_end_matches('.').to_owned();
        let goal = text.rsplit("ts tier runs for ").next().and_then(|goal| goal.strip_suffix(" on battery if it can"));
        match &action.op {
            Op::ShutDownVm { .. } => match goal {
                Some(goal) => say!(
                    self,
                    "its tier was to run {goal} on battery; they are over",
                    "ihre Stufe sollte {goal} auf Batterie laufen; die sind um"
                ),
                None if self.0 == Lang::En => lower(&text),
                None if text.contains("at once") => "die USV verlangt es: alles auf einmal".to_owned(),
                None if text.contains("last safe moment") => "ihr letzter sicherer Moment ist da".to_owned(),
                None => "das Unwichtigste zuerst, damit die Batterie länger reicht".to_owned(),
            },
            Op::MoveVm { to, .. } if action.why.rule == "save critical VMs" => {
                say!(self, "{to} keeps its power and has room", "{to} behält Strom und hat Platz")
            }
            Op::MoveVm { .. } => say!(self, "where they ran before", "wo sie vorher liefen"),
            Op::ShutDownHost { .. } => say!(self, "an empty host only drains the battery", "ein leerer Host kostet nur Batterie"),
            Op::StopLoad { .. }
            | Op::StartLoad { .. }
            | Op::CallHook { .. }
            | Op::SuspendVm { .. }
            | Op::DisarmGuard { .. }
            | Op::RestoreGuard { .. } => text,
            Op::WakeHost { .. } => say!(self, "a second outage could be survived", "ein zweiter Ausfall wäre zu überstehen"),
            Op::StartVm { .. } => say!(self, "they ran before the outage", "sie liefen vor dem Ausfall"),
            Op::SetAutostart { enabled: false, .. } => {
                say!(
                    self,
                    "they are to come back in order, not by themselves",
                    "sie sollen der Reihe nach zurückkommen, nicht von selbst"
                )
            }
            Op::SetAutostart { .. } => say!(self, "as it was before the outage", "so war es vor dem Ausfall"),
            Op::PowerOffVm { .. } | Op::AbortMove { .. } | Op::AbortSuspend { .. } | Op::FinishMove { .. } => text,
        }
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The screen's short words.
impl Words {
    pub(super) fn speed(self, times: u64) -> String {
        match times {
            1 => say!(self, "real time", "Echtzeit"),
            times => say!(self, "{times} times as fast", "{times}-mal so schnell"),
        }
    }
    pub(super) fn lasts(self, time: Millis) -> String {
        say!(self, "lasts {time}", "reicht {time}")
    }
    pub(super) fn charging(self) -> String {
        say!(self, "charging", "lädt")
    }
    pub(super) fn empty(self) -> String {
        say!(self, "empty", "leer")
    }
    pub(super) fn mains(self) -> String {
        say!(self, "mains", "Netz")
    }
    pub(super) fn host_word(self, word: HostWord) -> String {
        match word {
            HostWord::Mains => self.mains(),
            HostWord::Battery => say!(self, "battery", "Batterie"),
            HostWord::GoingDown => say!(self, "going down", "fährt ab"),
            HostWord::Off => say!(self, "off", "aus"),
            HostWord::Booting => say!(self, "booting", "fährt hoch"),
            HostWord::Dark => say!(self, "no power", "stromlos"),
        }
    }
    pub(super) fn next(self) -> String {
        say!(self, "next", "als nächstes")
    }
    pub(super) fn next_stop(self, who: &str, at: &str) -> String {
        say!(self, "{at} tier {who} stops", "{at} Stufe {who} stoppt")
    }
    pub(super) fn next_last_safe(self, who: &str, at: &str) -> String {
        say!(self, "{at} last safe moment of {who}", "{at} letzter sicherer Moment: {who}")
    }
    pub(super) fn next_acts(self, at: &str) -> String {
        say!(self, "{at} it acts, unless mains is back", "{at} wird gehandelt, wenn das Netz nicht zurück ist")
    }
    pub(super) fn next_stable(self, at: &str) -> String {
        say!(self, "{at} mains counts as stable", "{at} gilt das Netz als stabil")
    }
    pub(super) fn counts(self, moved: usize, stopped: usize, lost: usize) -> String {
        say!(
            self,
            "moved {moved}   shut down {stopped}   lost {lost}",
            "umgezogen {moved}   heruntergefahren {stopped}   verloren {lost}"
        )
    }
    pub(super) fn leave(self) -> String {
        say!(self, "Ctrl-C ends", "Strg-C beendet")
    }
}

/// What a host is doing, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostWord {
    Mains,
    Battery,
    GoingDown,
    Off,
    Booting,
    Dark,
}

/// What it was good for, sentence by sentence, for somebody who sees this for the first time.
impl Words {
    pub(super) fn closing(self, summary: &Summary, stayed: &[String]) -> Vec<String> {
        let outage = Millis::from_secs(summary.outage_s).to_string();
        let mut lines = vec![say!(
            self,
            "Mains was away for {outage}. Nobody touched anything.",
            "Das Netz war {outage} weg. Niemand hat etwas angefasst."
        )];
        self.push_deeds(summary, stayed, &mut lines);
        self.push_balance(summary, &mut lines);
        lines
    }

    /// What was done, and what would have been.
    fn push_deeds(self, summary: &Summary, stayed: &[String], lines: &mut Vec<String>) {
        let Summary { vms_moved: moved, vms_stopped: stopped, hosts_stopped: hosts, vms_total: total, .. } = summary;
        if *moved > 0 {
            lines.push(say!(
                self,
                "{moved} critical VMs moved, while they ran, to the rack that kept its power.",
                "{moved} kritische VMs zogen im laufenden Betrieb in das Rack um, das Strom behielt."
            ));
        }
        if *stopped > 0 {
            lines.push(say!(
                self,
                "{stopped} VMs were shut down cleanly, the least important first.",
                "{stopped} VMs wurden sauber heruntergefahren, die unwichtigsten zuerst."
            ));
        }
        if *hosts > 0 {
            lines.push(say!(
                self,
                "{hosts} hosts were switched off as they emptied, so that the batteries lasted longer.",
                "{hosts} Hosts gingen aus, sobald sie leer waren, damit die Batterien länger reichen."
            ));
        }
        let at_first = Millis::from_secs(summary.battery_at_first_s).to_string();
        if summary.outage_s > summary.battery_at_first_s {
            lines.push(say!(
                self,
                "With everything left running, the weakest battery would have been empty after {at_first}.",
                "Wäre alles weitergelaufen, wäre die schwächste Batterie nach {at_first} leer gewesen."
            ));
        }
        if !stayed.is_empty() && *stopped > 0 {
            let names = stayed.join(", ");
            lines.push(say!(
                self,
                "{names} could not move. It ran on, as its last safe moment had not come.",
                "{names} konnte nicht umziehen. Sie lief weiter, denn ihr letzter sicherer Moment war noch nicht da."
            ));
        }
        if *moved == 0 && *stopped == 0 {
            lines.push(say!(
                self,
                "It was over before the ride-through was: all {total} VMs just ran on.",
                "Es war vor dem Ende des Abwartens vorbei: alle {total} VMs liefen einfach weiter."
            ));
        }
    }

    /// What it cost, and what was left.
    fn push_balance(self, summary: &Summary, lines: &mut Vec<String>) {
        let time = |secs: u64| Millis::from_secs(secs).to_string();
        let (duration, left) = (time(summary.duration_s), time(summary.battery_left_s));
        let (lost, percent) = (summary.vms_lost, summary.battery_left_percent);
        lines.push(match lost {
            0 => say!(
                self,
                "Not one VM was lost: none was running when its power ended, none was forced off.",
                "Keine VM ging verloren: keine lief, als ihr Strom endete, keine wurde hart abgeschaltet."
            ),
            _ => say!(
                self,
                "{lost} VMs were lost: they ran when their power ended, or had to be forced off.",
                "{lost} VMs gingen verloren: sie liefen, als ihr Strom endete, oder mussten hart abgeschaltet werden."
            ),
        });
        lines.push(say!(
            self,
            "When mains came back, the weakest battery still had {left} ({percent} %).",
            "Als das Netz zurückkam, hatte die schwächste Batterie noch {left} ({percent} %)."
        ));
        lines.push(if summary.is_everything_back {
            say!(
                self,
                "{duration} after mains was lost, everything ran where it had run before.",
                "{duration} nach dem Netzausfall lief alles wieder dort, wo es vorher lief."
            )
        } else {
            say!(self, "Not everything is back yet.", "Noch ist nicht alles zurück.")
        });
    }
    pub(super) fn closing_title(self) -> String {
        say!(self, "What you have seen", "Was Sie gesehen haben")
    }
    pub(super) fn closing_note(self) -> String {
        say!(
            self,
            "The site was simulated. What decided is the same code that runs your site.",
            "Der Standort war simuliert. Entschieden hat derselbe Code, der auch Ihren Standort schützt."
        )
    }
    pub(super) fn more(self) -> String {
        say!(self, "See also", "Sehen Sie auch")
    }
}
