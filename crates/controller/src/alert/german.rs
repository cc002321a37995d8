//! What alerts say, in German: one catalogue of sentences, looked up when a message is delivered. The journal, the log and the
//! outbox stay as they are; a sentence that is not in here is delivered in English rather than not at all.
//!
//! `{}` stands for any text, which is itself looked up; the German side names them by number.

/// Sentences as they are said, and what they are in German.
const CATALOGUE: &[(&str, &str)] = &[
    // The power.
    ("mains lost: UPS {} is on battery and says it lasts {}", "Netzausfall: USV {1} läuft auf Batterie und gibt {2} an"),
    (
        "mains lost: UPS {} is on battery and does not say how long it lasts",
        "Netzausfall: USV {1} läuft auf Batterie und sagt nicht, wie lange sie hält",
    ),
    ("mains back at UPS {}", "Netz wieder da an USV {1}"),
    ("UPS {} says its battery is low", "USV {1} meldet schwache Batterie"),
    ("forced shutdown ordered at UPS {}", "Erzwungenes Herunterfahren befohlen an USV {1}"),
    (
        "UPS {} is silent since it was on battery: its last forecast counts ({})",
        "USV {1} schweigt, zuletzt auf Batterie: ihre letzte Vorhersage gilt ({2})",
    ),
    (
        "UPS {} is silent, last seen on mains: nothing is done, somebody should look ({})",
        "USV {1} schweigt, zuletzt am Netz: es geschieht nichts, jemand sollte nachsehen ({2})",
    ),
    ("UPS {} speaks again", "USV {1} meldet sich wieder"),
    ("domain {} acts: {}", "Domäne {1} handelt: {2}"),
    ("mains is stable in domain {}", "Netz ist stabil in Domäne {1}"),
    ("UPS {} says: {}", "USV {1} meldet: {2}"),
    ("battery low", "Batterie schwach"),
    ("forced shutdown", "erzwungenes Herunterfahren"),
    ("on battery for {}, the ride-through of {} is over", "seit {1} auf Batterie, die Überbrückung von {2} ist um"),
    (
        "waiting any longer would leave too little battery for a clean stop",
        "längeres Warten ließe zu wenig Batterie für ein sauberes Ende",
    ),
    ("UPS {} has not been heard since the start: {}.", "USV {1} ist seit dem Start nicht gehört worden: {2}."),
    ("no answer", "keine Antwort"),
    (
        "UPS {} carries {} of what it is built for and may switch off",
        "USV {1} trägt {2} dessen, wofür sie gebaut ist, und kann abschalten",
    ),
    (
        "UPS {} says that it carries more than it is built for and may switch off",
        "USV {1} meldet, dass sie mehr trägt, als wofür sie gebaut ist, und kann abschalten",
    ),
    (
        "UPS {} carries more than it is built for: it may switch off before its battery ends",
        "USV {1} trägt mehr, als wofür sie gebaut ist: sie kann vor dem Ende ihrer Batterie abschalten",
    ),
    (
        "If UPS {} fails, UPS {} would carry {} % of what it is built for: {} of {}.",
        "Fällt USV {1} aus, trüge USV {2} {3} % dessen, wofür sie gebaut ist: {4} von {5}.",
    ),
    // Runs.
    ("run over: mains came back before anything was touched", "Lauf vorbei: das Netz kam wieder, bevor etwas angefasst wurde"),
    ("run over: everything that ran before runs again", "Lauf vorbei: alles, was vorher lief, läuft wieder"),
    ("run over, but not everything came back: {}", "Lauf vorbei, aber nicht alles ist wieder da: {1}"),
    ("run over: only observed, nothing was done", "Lauf vorbei: nur beobachtet, nichts getan"),
    (
        "run {} did not end before the last stop; it is taken up",
        "Lauf {1} war beim letzten Anhalten nicht zu Ende; er wird fortgesetzt",
    ),
    (
        "The incident is over: {}. `ridethrough runs show {}` has the whole record.",
        "Der Ausfall ist vorbei: {1}. `ridethrough runs show {2}` zeigt den ganzen Bericht.",
    ),
    (
        "it lasted {}; VMs told to stop: {}, moved: {}, powered off: {}, fallen: {}; hosts down: {}; {}",
        "er dauerte {1}; VMs angehalten: {2}, verschoben: {3}, ausgeschaltet: {4}, gefallen: {5}; Hosts aus: {6}; {7}",
    ),
    ("it lasted {}; nothing was touched; {}", "er dauerte {1}; nichts wurde angefasst; {2}"),
    ("a time that was not seen whole", "eine Zeit, die nicht ganz gesehen wurde"),
    ("a time not seen whole", "eine Zeit, die nicht ganz gesehen wurde,"),
    ("no battery was read", "keine Batterie wurde gelesen"),
    ("UPS {} was on battery for {} and had {} left", "USV {1} lief {2} auf Batterie und hatte noch {3}"),
    ("UPS {} was on battery for {} and had {} left; {}", "USV {1} lief {2} auf Batterie und hatte noch {3}; {4}"),
    ("Not everything came back: {}.", "Nicht alles ist wieder da: {1}."),
    (
        "Hosts go down from now on ({}): {}, {} shut down. What is said after this may reach nobody before the power is back.",
        "Ab jetzt fahren Hosts herunter ({1}): {2}, {3} heruntergefahren. Was danach gesagt wird, erreicht vielleicht niemanden, bis der Strom wieder da ist.",
    ),
    ("1 VM was moved", "1 VM verschoben"),
    ("{} VMs were moved", "{1} VMs verschoben"),
    ("the controller started again and takes this run up; {}", "die Steuerung ist neu gestartet und setzt diesen Lauf fort; {1}"),
    ("nothing was unclear", "nichts war unklar"),
    (
        "one request whose fate is not known is looked at first",
        "ein Auftrag, dessen Ausgang nicht bekannt ist, wird zuerst angesehen",
    ),
    (
        "{} requests whose fate is not known are looked at first",
        "{1} Aufträge, deren Ausgang nicht bekannt ist, werden zuerst angesehen",
    ),
    (
        "Ending in the middle of an incident. It stays open in the journal; the next start takes it up. Until then nothing is done.",
        "Ende mitten in einem Ausfall. Er bleibt im Journal offen; der nächste Start setzt ihn fort. Bis dahin geschieht nichts.",
    ),
    (
        "Every UPS is silent and no platform answers: the controller is cut off. Nothing is started; the hosts' last resort must act.",
        "Alle USVs schweigen, und keine Plattform antwortet: die Steuerung ist abgeschnitten. Nichts wird begonnen; die letzte Rettung der Hosts muss handeln.",
    ),
    // Steps.
    ("Failed for good: {}: {}.", "Endgültig gescheitert: {1}: {2}."),
    ("{} is still not off {} after it was told to shut down.", "{1} ist {2} nach dem Befehl zum Herunterfahren noch nicht aus."),
    ("load {} is still not off {} after it was told to stop.", "Last {1} ist {2} nach dem Befehl zum Anhalten noch nicht aus."),
    ("load {} did not come up within {}.", "Last {1} kam nicht innerhalb von {2} hoch."),
    ("{} did not come up within {}.", "{1} kam nicht innerhalb von {2} hoch."),
    ("The hook {} failed: {}. The run goes on without it.", "Der Hook {1} ist gescheitert: {2}. Der Lauf geht ohne ihn weiter."),
    (
        "The hook {} has not ended within {}. The run goes on without it.",
        "Der Hook {1} war nach {2} nicht zu Ende. Der Lauf geht ohne ihn weiter.",
    ),
    ("before the stop of {}", "vor dem Ende von {1}"),
    ("after the stop of {}", "nach dem Ende von {1}"),
    ("before the start of {}", "vor dem Start von {1}"),
    ("after the start of {}", "nach dem Start von {1}"),
    ("call the hook {}", "Hook {1} rufen"),
    ("shut down VM {} on {}", "VM {1} auf {2} herunterfahren"),
    ("power off VM {} on {}", "VM {1} auf {2} ausschalten"),
    ("start VM {} on {}", "VM {1} auf {2} starten"),
    ("move VM {} from {} to {}", "VM {1} von {2} nach {3} verschieben"),
    ("stop the move of VM {} from {} to {}", "Verschieben der VM {1} von {2} nach {3} abbrechen"),
    ("pause autostart of VM {} on {}", "Autostart der VM {1} auf {2} aussetzen"),
    ("put back autostart of VM {} on {}", "Autostart der VM {1} auf {2} wiederherstellen"),
    ("shut down host {}", "Host {1} herunterfahren"),
    ("wake host {}", "Host {1} wecken"),
    ("stop load {}", "Last {1} anhalten"),
    ("start load {}", "Last {1} starten"),
    ("{}: not done within {}", "{1}: nicht fertig innerhalb von {2}"),
    ("{}: failed, {}", "{1}: gescheitert, {2}"),
    ("host {} is past the point of no return: {}", "Host {1} kann nicht mehr zurück: {2}"),
    ("it cannot be woken from here once it is down", "von hier aus kann er nicht geweckt werden, wenn er aus ist"),
    (
        "host {} is proven off by {}; 1 VM still taken for running went down with it",
        "Host {1} ist nachweislich aus ({2}); 1 VM, die noch als laufend galt, ging mit ihm aus",
    ),
    (
        "host {} is proven off by {}; {} VMs still taken for running went down with it",
        "Host {1} ist nachweislich aus ({2}); {3} VMs, die noch als laufend galten, gingen mit ihm aus",
    ),
    ("unreachable: {}", "nicht erreichbar: {1}"),
    ("not authorised: {}", "nicht berechtigt: {1}"),
    ("busy: {}", "beschäftigt: {1}"),
    ("not found: {}", "nicht gefunden: {1}"),
    ("refused: {}", "verweigert: {1}"),
    ("not supported: {}", "nicht unterstützt: {1}"),
    ("answer not understood: {}", "Antwort nicht verstanden: {1}"),
    ("configuration is wrong: {}", "Konfiguration ist falsch: {1}"),
    // The last resort.
    (
        "Too little battery is left for a clean stop of host {} by its last resort: it is set to act in {}.",
        "Für ein sauberes Ende von Host {1} durch seine letzte Rettung ist zu wenig Batterie da: sie handelt in {2}.",
    ),
    ("The last resort of host {} cannot be set: {}. {}.", "Die letzte Rettung von Host {1} lässt sich nicht setzen: {2}. {3}."),
    (
        "The last resort of host {} cannot be cancelled: {}. It is tried again. {}.",
        "Die letzte Rettung von Host {1} lässt sich nicht aufheben: {2}. Es wird wieder versucht. {3}.",
    ),
    ("as last told it acts in {}", "nach letztem Stand handelt sie in {1}"),
    ("as last told it has acted already", "nach letztem Stand hat sie schon gehandelt"),
    ("it may not be set", "vielleicht ist sie nicht gesetzt"),
    (
        "The last resort of host {} has fired: it stops its guests, then itself.",
        "Die letzte Rettung von Host {1} hat ausgelöst: er hält erst seine Gäste an, dann sich selbst.",
    ),
    (
        "last resort of {} has fired: it stops its guests, then itself",
        "letzte Rettung von {1} hat ausgelöst: er hält erst seine Gäste an, dann sich selbst",
    ),
    // People.
    (
        "{} holds the run for {}, EVEN IF VMs ARE LOST: only a forced shutdown goes through.",
        "{1} hält den Lauf für {2} an, AUCH WENN VMs VERLOREN GEHEN: nur ein erzwungenes Herunterfahren geht durch.",
    ),
    (
        "{} holds the run for {}, at most to the last safe moment.",
        "{1} hält den Lauf für {2} an, höchstens bis zum letzten sicheren Moment.",
    ),
    ("The hold has lifted itself: {}. The run goes on.", "Das Anhalten hat sich selbst aufgehoben: {1}. Der Lauf geht weiter."),
    ("the hold has ended: {}", "das Anhalten ist zu Ende: {1}"),
    ("{} has aborted the run: {}.", "{1} hat den Lauf abgebrochen: {2}."),
    ("nothing more comes back before a person says `return`", "nichts weiter kommt zurück, bis ein Mensch `return` sagt"),
    ("nothing more is started", "nichts weiter wird begonnen"),
    ("The abort has ended: {}. The run goes on.", "Der Abbruch ist zu Ende: {1}. Der Lauf geht weiter."),
    ("UPS {} orders a forced shutdown", "USV {1} befiehlt erzwungenes Herunterfahren"),
    ("its time is over", "seine Zeit ist um"),
    ("the last safe moment of host {} has come", "der letzte sichere Moment von Host {1} ist da"),
    ("mains is stable", "das Netz ist stabil"),
    ("mains was lost at UPS {} after it", "danach fiel an USV {1} das Netz aus"),
    ("{} said so", "{1} hat es gesagt"),
    ("released by {}", "aufgehoben von {1}"),
    ("domain {} disarmed by {}: it only observes", "Domäne {1} entschärft von {2}: sie beobachtet nur"),
    (
        "maintenance of UPS {} for {}, by {}: nothing is done when it goes on battery",
        "Wartung der USV {1} für {2}, durch {3}: wenn sie auf Batterie geht, geschieht nichts",
    ),
    // Drills.
    ("Drill {} ({}) has failed: {}.", "Übung {1} ({2}) ist gescheitert: {3}."),
    ("Drill {} ({}) is worse than the last: {}.", "Übung {1} ({2}) ist schlechter als die letzte: {3}."),
    ("Drill {} ({}) went well.", "Übung {1} ({2}) ist gut gegangen."),
    // The journal, the configuration, the alerts themselves.
    (
        "The journal does not keep up on battery ({}). The run goes on in memory: do not restart the controller.",
        "Das Journal kommt auf Batterie nicht nach ({1}). Der Lauf geht im Speicher weiter: die Steuerung nicht neu starten.",
    ),
    (
        "The journal cannot be written ({}). Nothing is started or armed until it works again.",
        "Das Journal lässt sich nicht schreiben ({1}). Nichts wird begonnen oder scharf gestellt, bis es wieder geht.",
    ),
    ("The journal works again; nothing was lost.", "Das Journal geht wieder; nichts ist verloren."),
    ("the journal does not keep up; going on in memory: {}", "das Journal kommt nicht nach; weiter im Speicher: {1}"),
    (
        "The configuration was not reloaded, the one before goes on. {}",
        "Die Konfiguration wurde nicht neu geladen, die vorige gilt weiter. {1}",
    ),
    ("alert {}: not delivered, {}; it is tried again", "Meldung {1}: nicht zugestellt, {2}; es wird wieder versucht"),
    ("{} older messages were dropped: too many waited.", "{1} ältere Meldungen sind weggefallen: es warteten zu viele."),
    (
        "{} messages were not kept: more was said at once than the outbox could write down.",
        "{1} Meldungen wurden nicht aufbewahrt: es war mehr auf einmal, als sich aufschreiben ließ.",
    ),
    (
        "This is a test: alerts of Ridethrough reach you this way.",
        "Dies ist ein Test: so erreichen Sie die Meldungen von Ridethrough.",
    ),
    ("Somebody typed `ridethrough alert test`.", "Jemand hat `ridethrough alert test` eingegeben."),
    // What a plan has to say.
    (
        "VM {}: Its clean stop may take {} and the power of {} ends too soon for it. It is stopped at once; it may be powered off before it has finished. Shed earlier or give the UPS less to carry.",
        "VM {1}: Ihr sauberes Ende kann {2} dauern, dafür endet der Strom von {3} zu früh. Sie wird sofort angehalten; vielleicht wird sie ausgeschaltet, bevor sie fertig ist. Früher abwerfen, oder der USV weniger aufladen.",
    ),
    (
        "host {}: Its VMs are started although a second outage might not be survived: {}. Mains has been stable for return_latest. Look at the battery.",
        "Host {1}: Seine VMs werden gestartet, obwohl ein zweiter Ausfall vielleicht nicht zu überstehen ist: {2}. Das Netz ist seit return_latest stabil. Die Batterie ansehen.",
    ),
    (
        "load {}: It is never told to stop: nothing can prove that {} is off. Give that host a BMC (`power`), or take the load out of its `needs` if it does not need it.",
        "Last {1}: Sie wird nie angehalten: nichts kann beweisen, dass {2} aus ist. Dem Host einen BMC geben (`power`), oder die Last aus seinen `needs` nehmen, wenn er sie nicht braucht.",
    ),
];

/// More than any sentence needs: what others say may look like ours.
const DEPTH_MAX: usize = 8;

/// The same in German; in English where the catalogue does not have it.
#[must_use]
pub fn in_german(text: &str) -> String {
    look_up(text, DEPTH_MAX).unwrap_or_else(|| text.to_owned())
}

/// Whether the catalogue has that sentence.
#[must_use]
pub fn knows(text: &str) -> bool {
    look_up(text, DEPTH_MAX).is_some()
}

fn look_up(text: &str, depth: usize) -> Option<String> {
    if depth == 0 {
        return None;
    }
    let fitting = CATALOGUE.iter().filter_map(|(english, german)| Some((english, german, holes(english, text)?)));
    // Of two that fit, the one that says more itself.
    let Some((_, german, found)) = fitting.max_by_key(|(english, _, _)| english.len()) else {
        // As a whole sentence, or within another one.
        return Some(look_up(text.strip_suffix('.')?, depth - 1)? + ".");
    };
    let mut said = (*german).to_owned();
    for (number, part) in (1..).zip(found) {
        let part = look_up(part, depth - 1).unwrap_or_else(|| part.to_owned());
        said = said.replace(&format!("{{{number}}}"), &part);
    }
    Some(said)
}

/// What stands in the holes of a sentence; `None` if it is another one. Each hole ends at the first place it can, the last at the last.
fn holes<'a>(sentence: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = sentence.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty().then(Vec::new) };
    let mut found = Vec::new();
    for part in between {
        let at = rest.find(part).filter(|at| *at > 0)?;
        found.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    found.push(rest.strip_suffix(last).filter(|hole| !hole.is_empty())?);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_and_what_is_in_them_are_german() {
        for (english, german) in [
            ("mains back at UPS rack-a", "Netz wieder da an USV rack-a"),
            ("domain dc acts: UPS a says: battery low", "Domäne dc handelt: USV a meldet: Batterie schwach"),
            (
                "Failed for good: move VM db from kvm1 to kvm2: busy: a job is running.",
                "Endgültig gescheitert: VM db von kvm1 nach kvm2 verschieben: beschäftigt: a job is running.",
            ),
            (
                "UPS a is silent, last seen on mains: nothing is done, somebody should look (no answer).",
                "USV a schweigt, zuletzt am Netz: es geschieht nichts, jemand sollte nachsehen (keine Antwort).",
            ),
            ("load nas did not come up within 5 min.", "Last nas kam nicht innerhalb von 5 min hoch."),
            ("nothing we have ever said", "nothing we have ever said"),
            ("mains back at UPS ", "mains back at UPS "),
        ] {
            assert_eq!(in_german(english), german);
        }
    }

    #[test]
    fn every_sentence_is_whole_in_both_languages() {
        for (english, german) in CATALOGUE {
            let holes = english.matches("{}").count();
            let numbered = (1..=holes).all(|number| german.contains(&format!("{{{number}}}")));
            assert!(numbered && german.matches('{').count() == holes, "{english} / {german}");
            assert_eq!(CATALOGUE.iter().filter(|(other, _)| other == english).count(), 1, "{english}");
        }
    }
}
