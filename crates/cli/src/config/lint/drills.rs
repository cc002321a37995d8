//! Drills that are held by themselves: that their times are times.

use super::{Findings, Subject};
use crate::config::Config;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    let Some(entry) = &config.drill else { return };
    let subject = Subject { name: "drill".to_owned(), place: &entry.place };
    for rhythm in [&entry.value.paper, &entry.value.preflight].into_iter().flatten() {
        if let Err((span, message)) = rhythm.read() {
            let remedy = "Write `every = \"1w\"` and, if you like, `at = \"09:00\"`.";
            findings.error("RT0123", &subject, Some(span), &format!("{message}."), remedy);
        }
    }
}
