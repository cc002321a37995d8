//! Automation of platforms in `ridethrough status`: what would act against a run, and what a run has disarmed.

use crate::output::{Lean, Style, Table, Tone};
use ridethrough_api::Guard;

pub(super) fn guards(style: &Style, guards: &[Guard]) -> String {
    let mut table = Table::new(&[("AUTOMATION", Lean::Left), ("VALUE", Lean::Left), ("NOTE", Lean::Left)]);
    for guard in guards {
        let note = match &guard.put_back_to {
            Some(value) => (Tone::Warn, format!("disarmed for this run; put back to {value} at its end")),
            None if guard.is_armed => (Tone::Plain, format!("{}; disarmed first in an outage", guard.does)),
            None => (Tone::Dim, "would not act against a run".to_owned()),
        };
        table.row([(Tone::Plain, guard.name.clone()), (Tone::Plain, guard.value.clone()), note]);
    }
    table.show(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn what_is_disarmed_says_what_it_goes_back_to() {
        let guard = |name: &str, value: &str, is_armed, put_back_to: Option<&str>| Guard {
            id: format!("dc1/{name}"),
            name: name.to_owned(),
            does: "restarts VMs elsewhere when their host goes".to_owned(),
            hosts: vec!["esx1".to_owned()],
            value: value.to_owned(),
            is_armed,
            put_back_to: put_back_to.map(str::to_owned),
        };
        let all = [
            guard("HA of cluster prod", "disabled", false, Some("enabled")),
            guard("HA of cluster dev", "enabled", true, None),
            guard("HA of cluster test", "disabled", false, None),
        ];
        // As `status` shows it, below what comes before it.
        expect![[r#"
            UPSes
              AUTOMATION          VALUE     NOTE
              HA of cluster prod  disabled  disarmed for this run; put back to enabled at its end
              HA of cluster dev   enabled   restarts VMs elsewhere when their host goes; disarmed first in an outage
              HA of cluster test  disabled  would not act against a run
        "#]]
        .assert_eq(&format!("UPSes\n{}", guards(&Style::plain(120, "2025-01-01T12:00:00Z"), &all)));
    }
}
