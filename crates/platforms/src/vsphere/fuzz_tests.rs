//! Bytes that are almost answers of vSphere: whatever comes of them, nothing panics, and nothing is made up.

use super::facts::World;
use super::map::{self, Hosts, Labels};
use super::mirror;
use super::soap::Answer;
use super::xml;
use ridethrough_driver::conformance::fuzz;
use ridethrough_model::{Mono, PlatformId, VmPower};

const UPDATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<WaitForUpdatesExResponse xmlns="urn:vim25"><returnval><version>1</version><filterSet><filter type="PropertyFilter">f</filter>
<objectSet><kind>enter</kind><obj type="HostSystem">host-9</obj><changeSet><name>name</name><op>assign</op><val xsi:type="xsd:string">esx1</val></changeSet>
<changeSet><name>runtime.connectionState</name><op>assign</op><val xsi:type="HostSystemConnectionState">connected</val></changeSet>
<changeSet><name>parent</name><op>assign</op><val type="ClusterComputeResource" xsi:type="ManagedObjectReference">domain-c7</val></changeSet></objectSet>
<objectSet><kind>enter</kind><obj type="VirtualMachine">vm-42</obj><changeSet><name>name</name><op>assign</op><val>web</val></changeSet>
<changeSet><name>config.instanceUuid</name><op>assign</op><val>5034AAAA-0000-1111-2222-333344445555</val></changeSet>
<changeSet><name>runtime.powerState</name><op>assign</op><val>poweredOff</val></changeSet>
<changeSet><name>runtime.connectionState</name><op>assign</op><val>disconnected</val></changeSet>
<changeSet><name>config.hardware.device</name><op>assign</op><val><VirtualDevice xsi:type="VirtualPCIPassthrough"><deviceInfo><label>PCI 1</label></deviceInfo></VirtualDevice></val></changeSet>
<changeSet><name>runtime.host</name><op>assign</op><val type="HostSystem">host-9</val></changeSet></objectSet>
</filterSet><truncated>false</truncated></returnval></WaitForUpdatesExResponse></soapenv:Body></soapenv:Envelope>"#;

const FAULT: &str = r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>busy</faultstring><detail>
<TaskInProgressFault xsi:type="TaskInProgress"><task type="Task">task-1</task></TaskInProgressFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#;

fn world(text: &str) -> World {
    let mut world = World::default();
    if let Ok(Answer::Good(answer)) = Answer::read(text, "WaitForUpdatesEx")
        && let Some(set) = answer.child("returnval")
    {
        set.all("filterSet").flat_map(|filter| filter.all("objectSet")).for_each(|update| mirror::take(&mut world, update));
    }
    world
}

fn inventory(world: &World) -> ridethrough_model::Inventory {
    let hosts = Hosts { by_name: [("esx1".to_owned(), "esx1".into())].into() };
    let ids = map::ids(world, &hosts, true);
    map::inventory(&PlatformId::new("dc1"), world, &hosts, &ids, &Labels::default(), Mono(7))
}

#[test]
fn the_message_itself_says_what_it_says() {
    let inventory = inventory(&world(UPDATE));
    let vm = inventory.vms.values().next().unwrap();
    assert_eq!((vm.id.as_str(), vm.host.as_str()), ("dc1/5034aaaa-0000-1111-2222-333344445555", "esx1"));
    // What vSphere repeats of a VM whose host is gone is no proof that it is off.
    assert_eq!(vm.power, VmPower::Unknown);
    assert_eq!(vm.move_blockers, ["PCI 1 is a PCI device of its host"]);
}

#[test]
fn almost_right_answers_break_nothing_and_prove_nothing() {
    fuzz::feed("an answer of vSphere", &[UPDATE.as_bytes(), FAULT.as_bytes()], |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let _ = xml::parse(text);
        let inventory = inventory(&world(text));
        assert!(inventory.hosts.contains_key(&"esx1".into()), "ours is always there");
        for vm in inventory.vms.values() {
            let is_said = text.contains("powered") || vm.power == VmPower::Unknown || text.contains("suspended");
            assert!(is_said, "{vm:?}");
        }
    });
}
