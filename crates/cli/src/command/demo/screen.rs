//! The demo's picture: time line, battery curves, hosts with their VMs, what comes next, what happened and why. Fits 80 by 24,
//! uses more where there is more.

use super::pace::Pace;
use super::story::{Story, Told, clock};
use super::words::{HostWord, Phase, Words};
use crate::command::frame::{Ink, Row, column, wrap};
use ridethrough_model::{HostId, Millis, Milliwatts, UpsId, VmId};
use ridethrough_sim::demo::{Demo, MAINS_LOST_AT};
use ridethrough_sim::reality::{Doing, Host, HostState, Ups, Vm};
use std::collections::BTreeMap;

/// Columns left of the curves.
const LABEL: usize = 9;
/// Columns right of the curves.
const VALUES: usize = 30;
/// Where a host's VMs begin.
const CHIPS: usize = 23;
/// Rows at which the curves become two rows high.
const TALL: usize = 31;

/// What a column of the curves shows.
#[derive(Clone, Debug)]
struct Sample {
    at: Millis,
    phase: Phase,
    upses: BTreeMap<UpsId, (u32, bool)>,
}

/// What was seen so far.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    words: Words,
    pace: Pace,
    ends_at: Millis,
    homes: BTreeMap<VmId, HostId>,
    samples: Vec<Sample>,
    log: Vec<Told>,
}

/// No denser than this.
const SAMPLE_EVERY: Millis = Millis::from_secs(2);

impl Screen {
    pub(super) fn new(words: Words, pace: Pace, demo: &Demo) -> Self {
        let homes = demo.world.reality.vms.values().map(|vm| (vm.known.id.clone(), vm.known.host.clone())).collect();
        Self { words, pace, ends_at: demo.ends_at(), homes, samples: Vec::new(), log: Vec::new() }
    }

    /// Takes in what is now.
    pub(super) fn see(&mut self, demo: &Demo, phase: Phase, told: Vec<Told>) {
        self.log.extend(told);
        if self.samples.last().is_some_and(|last| demo.at() < last.at + SAMPLE_EVERY) {
            return;
        }
        let state = |ups: &Ups| (ups.battery.charge().0, !ups.has_mains);
        let upses = demo.world.reality.upses.iter().map(|(id, ups)| (id.clone(), state(ups))).collect();
        self.samples.push(Sample { at: demo.at(), phase, upses });
    }

    /// The picture.
    pub(super) fn rows(&self, demo: &Demo, story: &Story, width: usize, height: usize) -> Vec<Row> {
        let mut rows = vec![self.title(demo, width), Row::default()];
        rows.extend(self.curves(demo, width, if height >= TALL { 2 } else { 1 }));
        let mut legend = Row::default();
        legend.pad_to(LABEL, Ink::Plain).put(phase_ink(story.phase), self.words.legend(story.phase));
        rows.extend([legend, Row::default()]);
        rows.extend(demo.world.reality.hosts.iter().map(|(id, host)| self.host(demo, id, host)));
        rows.extend([Row::default(), self.next(demo, story, width), Row::default()]);
        let room = height.saturating_sub(rows.len() + 1);
        let log = self.log_rows(width, room);
        let blanks = room - log.len();
        rows.extend(log);
        rows.extend((0..blanks).map(|_| Row::default()));
        rows.push(self.foot(demo, width));
        rows
    }

    /// Time line and curves alone, to stay on the terminal afterwards.
    pub(super) fn picture(&self, demo: &Demo, width: usize) -> Vec<Row> {
        self.curves(demo, width, 2)
    }

    fn title(&self, demo: &Demo, width: usize) -> Row {
        let mut row = Row::default();
        row.put(Ink::Title, " RIDETHROUGH  ").put(Ink::TitleDim, self.words.scene(demo.scenario()));
        let right = format!("{}   {:>6} ", self.words.speed(self.pace.speed(demo.at())), clock(demo.at()));
        row.put_right(width, Ink::Title, &right);
        row
    }

    fn curves(&self, demo: &Demo, width: usize, tall: u32) -> Vec<Row> {
        let span = width.saturating_sub(LABEL + VALUES).max(20);
        let columns = self.columns(span);
        let mut line = Row::default();
        line.pad_to(LABEL, Ink::Plain);
        for (place, sample) in columns.iter().enumerate() {
            let is_now = sample.is_some() && columns.get(place + 1).is_none_or(Option::is_none);
            match sample {
                Some(sample) if is_now => line.put(phase_ink(sample.phase), "●"),
                Some(sample) => line.put(phase_ink(sample.phase), "━"),
                None => line.put(Ink::Faint, "·"),
            };
        }
        let phase = self.samples.last().map_or(Phase::Mains, |sample| sample.phase);
        line.put(Ink::Plain, "  ").put(phase_ink(phase), self.words.phase(phase));
        let mut rows = vec![line];
        let mut reality = demo.world.reality.clone();
        let drawn = reality.draw();
        for (id, ups) in &demo.world.reality.upses {
            for level in (0..tall).rev() {
                let mut row = Row::default();
                if level == 0 {
                    row.put(Ink::Strong, id.to_string());
                }
                row.pad_to(LABEL, Ink::Plain);
                for sample in &columns {
                    let (ink, text) = cell(sample.as_ref(), id, level, tall);
                    row.put(ink, text);
                }
                if level == 0 {
                    row.put(Ink::Plain, "  ");
                    self.values(&mut row, ups, drawn.get(id).copied().unwrap_or_default());
                }
                rows.push(row);
            }
        }
        rows.push(self.axis(span));
        rows
    }

    /// For each column of the curves the last sample in it, as far as there are any.
    fn columns(&self, span: usize) -> Vec<Option<Sample>> {
        let ends_at = self.ends_at.0.max(1);
        let mut columns: Vec<Option<Sample>> = vec![None; span];
        for sample in &self.samples {
            let place = usize::try_from(sample.at.0 * span as u64 / ends_at).unwrap_or(0).min(span - 1);
            columns[place] = Some(sample.clone());
        }
        let mut last = None;
        let known = columns.iter().rposition(Option::is_some).map_or(0, |place| place + 1);
        for column in columns.iter_mut().take(known) {
            match column {
                Some(sample) => last = Some(sample.clone()),
                None => column.clone_from(&last),
            }
        }
        columns
    }

    fn values(&self, row: &mut Row, ups: &Ups, load: Milliwatts) {
        let charge = ups.battery.charge().0 / 10_000;
        let ink = if ups.has_mains { Ink::Good } else { battery_ink(ups.battery.charge().0) };
        row.put(ink, format!("{charge:>3} %  "));
        let stated = ups.battery.stated(load);
        let what = match (ups.has_mains, ups.has_output) {
            (true, _) if charge < 100 => self.words.charging(),
            (true, _) => self.words.mains(),
            (false, true) => self.words.lasts(stated),
            (false, false) => self.words.empty(),
        };
        row.put(if ups.has_mains { Ink::Dim } else { Ink::Plain }, format!("{what:<14}"));
        row.put(Ink::Dim, format!("{:>6}", load.to_string()));
    }

    fn axis(&self, span: usize) -> Row {
        let minutes = (self.ends_at.as_secs() / 60).max(1);
        let labels_max = (span as u64 / 8).max(1);
        let step = [1, 2, 5, 10, 20, 60].into_iter().find(|step| minutes / step <= labels_max).unwrap_or(60);
        let mut row = Row::default();
        for minute in (0..=minutes).step_by(usize::try_from(step).unwrap_or(1)) {
            let at = MAINS_LOST_AT + Millis::from_secs(minute * 60);
            let place = LABEL + usize::try_from(at.0 * span as u64 / self.ends_at.0.max(1)).unwrap_or(0);
            let label = clock(at);
            if place >= row.width() && place + label.len() <= LABEL + span {
                row.pad_to(place, Ink::Plain).put(Ink::Faint, label);
            }
        }
        row
    }

    fn host(&self, demo: &Demo, id: &HostId, host: &Host) -> Row {
        let word = host_word(demo, id, host);
        let (mark, ink) = match word {
            HostWord::Mains => ("●", Ink::Good),
            HostWord::Battery => ("●", Ink::Warn),
            HostWord::GoingDown => ("◑", Ink::Warn),
            HostWord::Booting => ("◐", Ink::Return),
            HostWord::Off => ("○", Ink::Dim),
            HostWord::Dark => ("✕", Ink::Bad),
        };
        let mut row = Row::default();
        row.put(Ink::Strong, id.to_string()).pad_to(LABEL, Ink::Plain);
        row.put(ink, format!("{mark} {}", self.words.host_word(word))).pad_to(CHIPS, Ink::Plain);
        let mut vms: Vec<&Vm> = demo.world.reality.vms.values().filter(|vm| vm.known.host == *id).collect();
        vms.sort_by_key(|vm| (demo.rank_of(vm), vm.known.name.clone()));
        for vm in vms {
            let (ink, text) = self.chip(demo, vm);
            row.put(ink, text).put(Ink::Plain, "  ");
        }
        row
    }

    fn chip(&self, demo: &Demo, vm: &Vm) -> (Ink, String) {
        let name = &vm.known.name;
        match &vm.doing {
            Doing::Moving { to, .. } => {
                let percent = demo.world.reality.share_done(&vm.known.id).unwrap_or(0) / 10_000;
                (Ink::Move, format!("{name}→{} {percent}%", to.as_str().trim_start_matches("kvm-")))
            }
            Doing::Stopping | Doing::Saving => (Ink::Warn, format!("{name}↓")),
            Doing::Starting => (Ink::Return, format!("{name}↑")),
            Doing::Nothing if !vm.known.power.is_active() => (Ink::Faint, format!("({name})")),
            Doing::Nothing if self.homes.get(&vm.known.id) != Some(&vm.known.host) => (Ink::Move, name.clone()),
            Doing::Nothing if demo.rank_of(vm) == 0 => (Ink::Strong, name.clone()),
            Doing::Nothing => (Ink::Plain, name.clone()),
        }
    }

    fn next(&self, demo: &Demo, story: &Story, width: usize) -> Row {
        let mut parts = Vec::new();
        match story.phase {
            Phase::Riding => parts.extend(story.acts_at.map(|at| self.words.next_acts(&clock(at)))),
            Phase::Waiting => parts.extend(story.stable_at.map(|at| self.words.next_stable(&clock(at)))),
            Phase::Saving => {
                for (at, is_last, who) in self.stops_ahead(demo, story) {
                    let who = who.join(", ");
                    parts.push(if is_last { self.words.next_last_safe(&who, &at) } else { self.words.next_stop(&who, &at) });
                }
            }
            Phase::Mains | Phase::Returning => {}
        }
        let mut row = Row::default();
        for (place, part) in parts.iter().enumerate() {
            if place == 0 {
                row.put(Ink::Dim, self.words.next()).put(Ink::Plain, "  ").put(Ink::Warn, part.clone());
            } else if row.width() + 3 + part.chars().count() <= width {
                row.put(Ink::Plain, "   ").put(Ink::Warn, part.clone());
            }
        }
        row
    }

    /// What the plan will stop and when; what stops at the same moment together.
    fn stops_ahead(&self, demo: &Demo, story: &Story) -> Vec<(String, bool, Vec<String>)> {
        let mut ahead: Vec<(String, bool, Vec<String>)> = Vec::new();
        for (at, is_last, who) in story.stops_ahead(demo.world.now().mono) {
            let at = clock(demo.world.at_of(at));
            match ahead.iter_mut().find(|(moment, last, _)| *moment == at && *last == is_last) {
                Some((_, _, names)) if names.len() < 3 => names.push(who),
                Some(_) => {}
                None => ahead.push((at, is_last, vec![who])),
            }
        }
        ahead
    }

    fn log_rows(&self, width: usize, room: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for told in self.log.iter().rev() {
            let lines = log_lines(told, width);
            if rows.len() + lines.len() > room {
                break;
            }
            rows.splice(0..0, lines);
        }
        rows
    }

    fn foot(&self, demo: &Demo, width: usize) -> Row {
        let summary = demo.summary();
        let mut row = Row::default();
        row.put(Ink::TitleDim, " ");
        row.put(Ink::Title, self.words.counts(summary.vms_moved, summary.vms_stopped, summary.vms_lost));
        row.put_right(width, Ink::TitleDim, &format!("{} ", self.words.leave()));
        row
    }
}

/// One line of the log, its reason beside it or below.
fn log_lines(told: &Told, width: usize) -> Vec<Row> {
    let mut first = Row::default();
    first.put(Ink::Dim, format!("{:>6}  ", clock(told.at)));
    let indent = first.width();
    let room = width.saturating_sub(indent + 1);
    let what = wrap(&told.what, room);
    let mut rows = Vec::new();
    for (place, line) in what.iter().enumerate() {
        let mut row = if place == 0 { first.clone() } else { Row::default() };
        row.pad_to(indent, Ink::Plain).put(told.ink, line.clone());
        rows.push(row);
    }
    if told.why.is_empty() {
        return rows;
    }
    let fits = what.len() == 1 && what[0].chars().count() + 3 + told.why.chars().count() <= room;
    if fits {
        rows[0].put(Ink::Dim, format!(" · {}", told.why));
        return rows;
    }
    for line in wrap(&told.why, room.saturating_sub(2)) {
        let mut row = Row::default();
        row.pad_to(indent + 2, Ink::Plain).put(Ink::Dim, line);
        rows.push(row);
    }
    rows
}

fn phase_ink(phase: Phase) -> Ink {
    match phase {
        Phase::Mains => Ink::Good,
        Phase::Riding => Ink::Warn,
        Phase::Saving => Ink::Bad,
        Phase::Waiting => Ink::Move,
        Phase::Returning => Ink::Return,
    }
}

fn battery_ink(charge_ppm: u32) -> Ink {
    if charge_ppm < 250_000 { Ink::Bad } else { Ink::Warn }
}

fn cell(sample: Option<&Sample>, id: &UpsId, level: u32, tall: u32) -> (Ink, String) {
    let Some((charge, on_battery)) = sample.and_then(|sample| sample.upses.get(id)).copied() else {
        return (Ink::Faint, if level == 0 { "·" } else { " " }.to_owned());
    };
    // The highest eighth stays free, so that curves do not touch.
    let steps = u64::from(charge) * u64::from(tall * 8 - 1);
    let filled = u32::try_from(steps.div_ceil(1_000_000)).unwrap_or(0);
    let ink = if on_battery { battery_ink(charge) } else { Ink::Good };
    (ink, column(filled.saturating_sub(level * 8)).to_string())
}

fn host_word(demo: &Demo, id: &HostId, host: &Host) -> HostWord {
    match host.state {
        HostState::Dark => HostWord::Dark,
        HostState::Off => HostWord::Off,
        HostState::GoingDown => HostWord::GoingDown,
        HostState::Booting => HostWord::Booting,
        HostState::On => {
            let reality = &demo.world.reality;
            let feeds = reality.topology.hosts.get(id).map_or(&[][..], |host| &host.feeds);
            let on_mains = feeds.iter().any(|feed| reality.upses.get(&feed.ups).is_some_and(|ups| ups.has_mains));
            if on_mains { HostWord::Mains } else { HostWord::Battery }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::demo::words::Lang;
    use ridethrough_sim::demo::Scenario;

    #[test]
    fn every_picture_of_every_scenario_fits_80_by_24_in_both_languages() {
        for (scenario, lang) in [
            (Scenario::TwoRacks, Lang::En),
            (Scenario::TwoRacks, Lang::De),
            (Scenario::BothFail, Lang::De),
            (Scenario::AgedBattery, Lang::En),
            (Scenario::Short, Lang::De),
        ] {
            let (words, mut demo) = (Words(lang), Demo::new(scenario, 1));
            let (mut story, mut screen) = (Story::new(words), Screen::new(words, Pace::times(16, &demo), &demo));
            while !demo.is_over() {
                let records = demo.play_until(demo.at() + Millis::from_secs(3));
                let told = story.tell(&records, &demo);
                screen.see(&demo, story.phase, told);
                let rows = screen.rows(&demo, &story, 80, 24);
                assert_eq!(rows.len(), 24);
                let wide = rows.iter().find(|row| row.width() > 80);
                assert!(wide.is_none(), "{scenario:?} {lang:?} at {}: {wide:?}", clock(demo.at()));
            }
        }
    }

    #[test]
    fn the_story_tells_what_was_shed_what_moved_and_why_in_both_languages() {
        for (lang, shed, why, back) in [
            (Lang::En, "Tier batch shuts down: ci-1, ci-2, render, report", "less important", "Everything runs as before"),
            (Lang::De, "Stufe batch fährt herunter: ci-1, ci-2, render, report", "Unwichtigste zuerst", "Alles läuft wie vorher"),
        ] {
            let mut demo = Demo::new(Scenario::TwoRacks, 1);
            let mut story = Story::new(Words(lang));
            let mut told = Vec::new();
            while !demo.is_over() {
                let records = demo.play_until(demo.at() + Millis::from_secs(2));
                told.extend(story.tell(&records, &demo));
            }
            assert!(told.iter().any(|line| line.what == shed && line.why.contains(why)), "{told:#?}");
            assert!(told.iter().any(|line| line.what.contains("erp-db, mail") && line.ink == Ink::Move), "{told:#?}");
            assert_eq!(told.last().map(|line| line.what.as_str()), Some(back), "{told:#?}");
            assert_eq!(story.stayed.values().collect::<Vec<_>>(), ["licence"]);
        }
    }
}
