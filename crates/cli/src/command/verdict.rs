//! The answer to "is everything protected?", in one word, one line and one exit code. Judges what the API says; asks nothing.

use crate::failure::exit;
use crate::output::{Style, Tone, printable};
use ridethrough_api::Status;

/// How a site stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// On mains, armed, and every plan fits.
    Protected,
    /// An outage is under way, or a person holds things back.
    AtRisk(Vec<String>),
    /// On mains, but an outage would not be handled in full.
    Unprotected(Vec<String>),
}

impl Verdict {
    /// As in docs/cli.md.
    pub(super) fn exit(&self) -> u8 {
        match self {
            Self::Protected => exit::DONE,
            Self::AtRisk(_) => exit::AT_RISK,
            Self::Unprotected(_) => exit::UNPROTECTED,
        }
    }

    /// Its colour.
    pub(super) fn tone(&self) -> Tone {
        match self {
            Self::Protected => Tone::Good,
            Self::AtRisk(_) => Tone::Bad,
            Self::Unprotected(_) => Tone::Warn,
        }
    }

    /// One line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Protected => "PROTECTED: on mains, every domain is armed and every plan fits the battery".to_owned(),
            Self::AtRisk(why) => format!("AT RISK: {}", why.join("; ")),
            Self::Unprotected(why) => format!("NOT PROTECTED: {}", why.join("; ")),
        }
    }
}

/// Judges.
pub(super) fn verdict(status: &Status) -> Verdict {
    let risks = risks(status);
    if !risks.is_empty() || status.is_at_risk {
        return Verdict::AtRisk(risks);
    }
    let gaps = gaps(status);
    if gaps.is_empty() { Verdict::Protected } else { Verdict::Unprotected(gaps) }
}

fn risks(status: &Status) -> Vec<String> {
    let ending = |state: &str| matches!(state, "on-battery" | "low-battery" | "forced" | "silent-on-battery");
    let mut risks: Vec<String> = status
        .upses
        .iter()
        .filter(|ups| ending(&ups.state))
        .map(|ups| format!("UPS {} is {}", ups.name, ups_words(ups)))
        .collect();
    match &status.run {
        Some(run) if run.aborted.is_some() => risks.push(format!("run {} is ABORTED", run.id)),
        Some(run) => risks.push(format!("run {} is {}", run.id, run.state)),
        None => {}
    }
    match &status.hold {
        Some(hold) if hold.even_if_lost => risks.push("a hold is in force EVEN IF VMs ARE LOST".to_owned()),
        Some(_) => risks.push("a hold is in force".to_owned()),
        None => {}
    }
    if status.is_journal_degraded {
        risks.push("the journal does not keep up".to_owned());
    }
    risks
}

fn ups_words(ups: &ridethrough_api::Ups) -> String {
    match ups.state.as_str() {
        "forced" => "under a forced shutdown".to_owned(),
        "low-battery" => "on battery, and it is low".to_owned(),
        _ => ups.state_words.clone(),
    }
}

fn gaps(status: &Status) -> Vec<String> {
    let mut gaps = Vec::new();
    for ups in status.upses.iter().filter(|ups| ups.state != "online") {
        gaps.push(format!("UPS {}: {}", ups.name, ups.state_words));
    }
    for ups in status.upses.iter().filter(|ups| ups.maintenance_left_s.is_some()) {
        gaps.push(format!("UPS {} is in maintenance", ups.name));
    }
    for domain in &status.domains {
        if domain.mode != "armed" {
            gaps.push(format!("domain {} only observes", domain.name));
        }
        match domain.does_standing_plan_fit {
            Some(true) => {}
            Some(false) => gaps.push(format!("the plan of domain {} does not fit the battery", domain.name)),
            None => gaps.push(format!("domain {} has no plan yet", domain.name)),
        }
    }
    let errors = status.findings.iter().filter(|finding| finding.level == "error").count();
    if errors > 0 {
        gaps.push(format!("{errors} findings are errors"));
    }
    gaps
}

/// What a person holds back, with its countdown.
pub(super) fn restraints(style: &Style, status: &Status) -> String {
    let mut text = String::new();
    if let Some(hold) = &status.hold {
        let ends = style.due(hold.ends_in_s, &status.at);
        let by = printable(&hold.by);
        let safe = hold.last_safe_in_s.map(|left| style.due(left, &status.at));
        let host = hold.last_safe_host.as_deref().map_or_else(String::new, |host| format!(" of host {host}"));
        let words = match (hold.even_if_lost, safe) {
            (false, None) => format!("HOLD by {by}: nothing is started. It ends {ends}."),
            (false, Some(safe)) => {
                format!("HOLD by {by}: nothing is started. It ends {ends}; the last safe moment{host} comes {safe}.")
            }
            (true, None) => format!("HOLD EVEN IF LOST by {by}: nothing but a forced shutdown goes through. It ends {ends}."),
            (true, Some(safe)) => format!(
                "HOLD EVEN IF LOST by {by}: nothing but a forced shutdown goes through. It ends {ends}; the last safe \
                 moment{host} comes {safe} and does not end it."
            ),
        };
        text.push_str(&style.paint_lines(Tone::Bad, &style.paragraph(2, &words)));
    }
    if let Some((run, abort)) = status.run.as_ref().and_then(|run| Some((run, run.aborted.as_ref()?))) {
        let until = if abort.is_until_return { "before `ridethrough return`" } else { "before mains is stable" };
        let words = format!("ABORT of run {} by {}: nothing is started {until}.", run.id, printable(&abort.by));
        text.push_str(&style.paint_lines(Tone::Bad, &style.paragraph(2, &words)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_api::{Domain, Finding, Hold, Ups};

    fn peace() -> Status {
        let ups = Ups {
            name: "rack-a".to_owned(),
            state: "online".to_owned(),
            state_words: "on mains".to_owned(),
            status: Some("OL".to_owned()),
            battery_charge_percent: None,
            runtime_s: None,
            load_percent: None,
            realpower_w: None,
            age_s: Some(1),
            empty_in_s: None,
            ended_by: None,
            masters: Vec::new(),
            battery: None,
            silent_because: None,
            maintenance_left_s: None,
        };
        let domain = Domain {
            name: "rack-a".to_owned(),
            mode: "armed".to_owned(),
            phase: "online".to_owned(),
            phase_words: "on mains".to_owned(),
            on_battery_for_s: None,
            ride_through_left_s: None,
            must_act_in_s: None,
            does_standing_plan_fit: Some(true),
        };
        Status {
            version: "0.1.0".to_owned(),
            at: "2025-01-01T12:00:00Z".to_owned(),
            up_s: 60,
            is_at_risk: false,
            is_journal_degraded: false,
            upses: vec![ups],
            domains: vec![domain],
            hosts: Vec::new(),
            loads: Vec::new(),
            vms: Vec::new(),
            run: None,
            hold: None,
            guards: Vec::new(),
            alerts: Vec::new(),
            configuration: None,
            findings: Vec::new(),
        }
    }

    fn exit_of(change: impl FnOnce(&mut Status)) -> u8 {
        let mut status = peace();
        change(&mut status);
        verdict(&status).exit()
    }

    #[test]
    fn point_7_the_exit_code_of_status_tells_protected_from_at_risk_and_from_unprotected() {
        assert_eq!(exit_of(|_| ()), exit::DONE);
        assert_eq!(exit_of(|s| s.upses[0].state = "on-battery".to_owned()), exit::AT_RISK);
        assert_eq!(exit_of(|s| s.upses[0].state = "silent-on-battery".to_owned()), exit::AT_RISK);
        assert_eq!(exit_of(|s| s.is_at_risk = true), exit::AT_RISK, "a run is open");
        let hold = Hold { ends_in_s: 5, last_safe_in_s: None, last_safe_host: None, even_if_lost: false, by: "ada".to_owned() };
        assert_eq!(exit_of(|s| s.hold = Some(hold)), exit::AT_RISK);
        assert_eq!(exit_of(|s| s.upses[0].state = "silent-on-mains".to_owned()), exit::UNPROTECTED);
        assert_eq!(exit_of(|s| s.upses[0].maintenance_left_s = Some(60)), exit::UNPROTECTED);
        assert_eq!(exit_of(|s| s.domains[0].mode = "observe".to_owned()), exit::UNPROTECTED);
        assert_eq!(exit_of(|s| s.domains[0].does_standing_plan_fit = Some(false)), exit::UNPROTECTED);
        assert_eq!(exit_of(|s| s.domains[0].does_standing_plan_fit = None), exit::UNPROTECTED);
        let finding = |level: &str| Finding {
            level: level.to_owned(),
            code: "RT0422".to_owned(),
            subject: String::new(),
            message: String::new(),
            remedy: String::new(),
        };
        assert_eq!(exit_of(|s| s.findings = vec![finding("error")]), exit::UNPROTECTED);
        assert_eq!(exit_of(|s| s.findings = vec![finding("warning")]), exit::DONE);
    }
}
