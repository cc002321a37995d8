//! Answers of a service, changed by dice: off only where it stands, and no link that leads away.

use super::wire;
use ridethrough_driver::conformance::fuzz;
use ridethrough_model::HostPowerState;

const PATH: &str = "/redfish/v1/Systems/1";

const ANSWERS: [&[u8]; 4] = [
    br##"{"@odata.id": "/redfish/v1/Systems/1", "PowerState": "Off", "Actions": {"#ComputerSystem.Reset": {
        "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetInfo",
        "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"]}}}"##,
    br#"{"Members": [{"@odata.id": "/redfish/v1/Systems/1"}, {"@odata.id": "/redfish/v1/Systems/2"}], "Members@odata.count": 2}"#,
    br#"{"Parameters": [{"Name": "ResetType", "AllowableValues": ["On", "ForceOff"]}]}"#,
    br#"{"error": {"message": "no", "@Message.ExtendedInfo": [{"Message": "not\nallowed"}]}}"#,
];

#[test]
fn point_1_answers_almost_of_a_service_prove_nothing_that_they_do_not_say() {
    fuzz::feed("redfish", &ANSWERS, |bytes| {
        if let Some(system) = wire::system(bytes, PATH) {
            let said: serde_json::Value = serde_json::from_slice(bytes).expect("it was read");
            assert_eq!(system.power == HostPowerState::Off, said["PowerState"] == "Off");
            let links = system.reset.iter().flat_map(|reset| std::iter::once(&reset.target).chain(&reset.action_info));
            assert!(links.clone().all(|link| link.starts_with("/redfish/") && !link.contains("/../")), "{links:?}");
        }
        let members = wire::members(bytes).unwrap_or_default();
        assert!(members.iter().all(|link| link.starts_with("/redfish/")), "{members:?}");
        let said = wire::said(bytes);
        assert!(said.chars().count() <= 200 && !said.contains(char::is_control), "{said:?}");
        let _ = wire::allowed(bytes);
    });
}
