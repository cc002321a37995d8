//! What a service says may be anything: nothing panics, and nothing but a plain word becomes a state.

use super::*;
use proptest::prelude::*;

const PATH: &str = "/redfish/v1/Systems/1";

proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (wire::members(&body), wire::system(&body, PATH), wire::allowed(&body), wire::said(&body));
    }

    #[test]
    fn no_other_word_is_a_state(word in "\\PC{0,12}") {
        let body = serde_json::json!({ "@odata.id": PATH, "PowerState": word }).to_string();
        let power = wire::system(body.as_bytes(), PATH).expect("it makes sense").power;
        let expected = match word.as_str() { "On" => HostPowerState::On, "Off" => HostPowerState::Off, _ => HostPowerState::Unknown };
        prop_assert_eq!(power, expected);
    }

    /// Cut off anywhere, an answer about a host that is off proves nothing.
    #[test]
    fn half_an_answer_proves_nothing(at in 0_usize..90) {
        let body = format!(r#"{{"@odata.id": "{PATH}", "PowerState": "Off", "Name": "system", "Id": "1"}}"#);
        let cut = &body.as_bytes()[..at.min(body.len() - 1)];
        prop_assert_eq!(wire::system(cut, PATH), None);
    }
}
