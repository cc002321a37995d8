//! What `ipmitool` says, changed by dice: never off by accident.

use super::{refusal, state};
use ridethrough_driver::FailureKind;
use ridethrough_driver::conformance::fuzz;
use ridethrough_model::HostPowerState;

const SAID: [&[u8]; 6] = [
    b"Chassis Power is on\n",
    b"Chassis Power is off\n",
    b"Running Get PICMG Properties my_addr 0x20\nChassis Power is off\n",
    b"> RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session\n",
    b"Set Chassis Power Control to Up/On failed: Insufficient privilege level\n",
    b"Unable to get Chassis Power Status\n",
];

#[test]
fn point_1_almost_words_of_a_bmc_are_unknown_unless_they_are_its_words() {
    fuzz::feed("ipmitool", &SAID, |bytes| {
        let said = String::from_utf8_lossy(bytes);
        // Read in another way than the driver does.
        let lines: Vec<String> = said.split('\n').map(|line| line.trim().to_lowercase()).collect();
        let has = |words: &str| lines.iter().any(|line| line == words);
        let expected = match (has("chassis power is on"), has("chassis power is off")) {
            (true, false) => HostPowerState::On,
            (false, true) => HostPowerState::Off,
            _ => HostPowerState::Unknown,
        };
        assert_eq!(state(&said), expected, "{said:?}");
        let kind = refusal(&said).map(|(kind, _)| kind);
        assert!(matches!(kind, None | Some(FailureKind::Unauthorized | FailureKind::Config)), "{said:?}: {kind:?}");
    });
}
