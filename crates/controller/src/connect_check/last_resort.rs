//! What `check --connect` says of a host's last resort: whether its timer can be asked after, and who else there watches a UPS.

use super::{LIMIT, some};
use ridethrough_driver::{Cx, FailureKind, HostAgent, LastResort};
use ridethrough_model::{Finding, FindingLevel, HostId, Mono};

/// Asks one host; `has_timer`: a timer is to be its last resort.
pub(super) async fn ask(id: HostId, driver: &dyn LastResort, has_timer: bool, now: Mono) -> Vec<Finding> {
    let subject = format!("host {id}");
    let cx = Cx::within(LIMIT, now);
    let mut findings = Vec::new();
    if has_timer && let Err(error) = cx.bound("look at the timer", driver.observe(&cx)).await {
        // That a host does not answer is said of its power already.
        if error.kind() != FailureKind::Unreachable && error.kind() != FailureKind::Unauthorized {
            let message = format!("no timer can be kept on it: {}.", error.to_failure().message);
            let remedy = "Mend what is said; docs/drivers-hosts.md lists what the timer needs on a host.";
            findings.push(Finding::error("RT0246", &subject, message, remedy));
        }
        return findings;
    }
    let cx = Cx::within(LIMIT, now);
    let Ok(agents) = cx.bound("look for programs that watch a UPS", driver.agents(&cx)).await else { return findings };
    for agent in &agents {
        findings.push(known(&subject, agent));
    }
    if !has_timer && !agents.iter().any(|agent| agent.is_running) {
        let message = "no timer is set on it, and no upsmon, apcupsd or pwrstatd runs there: nothing is seen that would stop it.";
        let remedy =
            "Start what is to stop it at low battery, or say `last_resort = \"timer\"`; if it has another name, this may stay.";
        findings.push(Finding::warning("RT0246", &subject, message, remedy));
    }
    findings
}

fn known(subject: &str, agent: &HostAgent) -> Finding {
    let HostAgent { name, is_running, detail } = agent;
    let parts: Vec<&str> = detail.split(", ").filter(|part| !part.is_empty()).collect();
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", some(&parts)) };
    let (state, remedy) = if *is_running {
        ("runs there: a last resort of its own", "Nothing to do, if it acts at low battery and later than Ridethrough.")
    } else {
        ("is set up there but does not run", "Start it, or take its settings away.")
    };
    Finding::new(FindingLevel::Info, "RT0245", subject, format!("{name} {state}{detail}."), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use ridethrough_driver::{Error, Result, TimerOrder};
    use ridethrough_model::LastResortState;

    #[derive(Debug)]
    struct Fake(Vec<HostAgent>, Option<FailureKind>);

    #[async_trait]
    impl LastResort for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }
        async fn set(&self, _: &Cx, _: TimerOrder) -> Result<LastResortState> {
            panic!("a check sets no timer")
        }
        async fn cancel(&self, _: &Cx) -> Result<LastResortState> {
            panic!("a check cancels no timer")
        }
        async fn observe(&self, _: &Cx) -> Result<LastResortState> {
            self.1.map_or(Ok(LastResortState::Idle), |kind| Err(Error::new(kind, "observe", "no /proc/uptime")))
        }
        async fn agents(&self, _: &Cx) -> Result<Vec<HostAgent>> {
            Ok(self.0.clone())
        }
    }

    async fn codes(agents: &[(&str, bool)], failure: Option<FailureKind>, has_timer: bool) -> Vec<String> {
        let agents = agents.iter().map(|(name, is_running)| HostAgent {
            name: (*name).to_owned(),
            is_running: *is_running,
            detail: "watches rack-a@nut secondary, FINALDELAY 5".to_owned(),
        });
        let found = ask(HostId::new("kvm1"), &Fake(agents.collect(), failure), has_timer, Mono(0)).await;
        found.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
    }

    #[tokio::test]
    async fn point_4_last_resort_of_a_host_is_recognised_or_missed() {
        assert!(codes(&[], None, true).await.is_empty(), "a timer is enough");
        let upsmon = "RT0245 upsmon runs there: a last resort of its own (watches rack-a@nut secondary, FINALDELAY 5).";
        assert_eq!(codes(&[("upsmon", true)], None, false).await, [upsmon]);
        assert_eq!(codes(&[("upsmon", true)], None, true).await, [upsmon], "said beside the timer too");
        let idle = codes(&[("upsmon", false)], None, false).await;
        assert!(idle[0].contains("does not run") && idle[1].starts_with("RT0246"), "{idle:?}");
        assert!(codes(&[], None, false).await[0].starts_with("RT0246"));
        assert!(codes(&[], Some(FailureKind::Refused), true).await[0].contains("no timer can be kept"));
        assert!(codes(&[], Some(FailureKind::Unreachable), true).await.is_empty(), "said of its power");
    }
}
