//! Drills that were held: their reports are kept in the journal, each held against the last of its kind.

use crate::input::Effect;
use crate::site::Site;
use ridethrough_model::{DrillLevel, DrillPart, DrillReport, Entry, Finding, Mono, Notice, Now, Severity};

/// Reports kept in memory; the journal has all.
const REPORTS_MAX: usize = 200;

impl Site {
    /// Takes a drill out of the journal, or one that was just held.
    pub(crate) fn keep_report(&mut self, report: DrillReport) {
        self.drills.push(report);
        let surplus = self.drills.len().saturating_sub(REPORTS_MAX);
        self.drills.drain(..surplus);
    }

    /// Drills that were held, oldest first; only the newest are kept here.
    #[must_use]
    pub fn drills(&self) -> &[DrillReport] {
        &self.drills
    }

    /// Why no drill may be held now.
    #[must_use]
    pub fn why_no_drill(&self, now: Mono) -> Option<Finding> {
        let no = |message: &str, remedy: &str| Some(Finding::error("RT0463", "drill", message, remedy));
        if self.is_on_battery() {
            return no("Something is on battery.", "Wait until mains is stable and everything is back.");
        }
        if self.run.is_some() {
            return no("A run is open.", "Wait until it has ended; `ridethrough status` shows it.");
        }
        if self.hold.is_some() {
            return no("A hold is in force.", "End it with `ridethrough hold --release`.");
        }
        if self.log.is_stalled(now, self.config.policy.journal_stall) {
            return no("The journal cannot be written.", "Look at the disk of the data directory.");
        }
        self.is_awaiting().then(|| {
            let message = "Not everything has been heard since the start.";
            Finding::error("RT0463", "drill", message, "Ask again in a minute; `ridethrough status` shows what is missing.")
        })
    }

    /// Keeps a report, says what failed, and what got worse since the last of its kind.
    pub(crate) fn hold_drill(&mut self, level: DrillLevel, parts: Vec<DrillPart>, by: String, now: &Now) {
        let number = self.drills.last().map_or(1, |last| last.number + 1);
        let report = DrillReport { number, level, at: now.wall, by, parts };
        let last = self.drills.iter().rev().find(|last| report.is_like(last));
        let worse = last.map(|last| report.worse_than(last)).unwrap_or_default();
        let failures: Vec<String> =
            report.parts.iter().flat_map(|part| part.failures.iter().map(|why| format!("{}: {why}", part.subject))).collect();
        self.append_site(Entry::DrillHeld { report: Box::new(report.clone()) }, now);
        let (severity, text) = if !failures.is_empty() {
            (Severity::Warning, format!("Drill {number} ({level}) has failed: {}.", failures.join("; ")))
        } else if !worse.is_empty() {
            (Severity::Warning, format!("Drill {number} ({level}) is worse than the last: {}.", worse.join("; ")))
        } else {
            (Severity::Info, format!("Drill {number} ({level}) went well."))
        };
        self.out.push(Effect::Notify(Notice { severity, code: Some("RT0462".to_owned()), text }));
        self.keep_report(report);
    }
}
