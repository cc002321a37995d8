//! A magic packet from one network namespace to another, over a wire of its own.

#[path = "peers/gate.rs"]
mod gate;

use gate::gate;
use ridethrough_driver::{Cx, HostPower};
use ridethrough_model::Mono;
use ridethrough_platforms::wol::{Config, Mac, Wol};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MAC: &str = "52:54:00:ab:cd:ef";
/// Set for the copy of this test that runs inside the sender's namespace: broadcast address and interface.
const SENDER: &str = "RIDETHROUGH_TEST_WOL_SENDER";

/// A namespace that ends with its test, and everything in it.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Self {
        let name = format!("rtwol{}{name}", std::process::id());
        ip(&["netns", "add", &name]);
        Self(name)
    }

    fn run(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).stdin(Stdio::null());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let ended = (self.0.kill(), self.0.wait());
        assert!(ended.1.is_ok(), "the receiver could not be ended: {ended:?}");
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("ip runs");
    assert!(output.status.success(), "ip {args:?}: {output:?}");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn point_5_wake_on_lan_reaches_a_card_in_another_namespace() {
    if let Ok(place) = std::env::var(SENDER) {
        return send(&place);
    }
    if !gate("wol: magic packet", &["/usr/bin/socat", "/usr/sbin/ip"]) {
        return;
    }
    let (ours, theirs) = (Namespace::new("a"), Namespace::new("b"));
    ip(&["-n", &ours.0, "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", &theirs.0]);
    for (namespace, device, address) in [(&ours, "lan", "10.9.8.1/24"), (&theirs, "eth0", "10.9.8.2/24")] {
        ip(&["-n", &namespace.0, "addr", "add", address, "broadcast", "10.9.8.255", "dev", device]);
        ip(&["-n", &namespace.0, "link", "set", device, "up"]);
    }
    // By the address of the network; and to everybody on one interface, where no route leads anywhere.
    for (place, broadcast) in [("10.9.8.255 -", "10.9.8.255"), ("255.255.255.255 lan", "255.255.255.255")] {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("packet");
        let child = theirs.run("socat").args(["-u", "UDP-RECV:9"]).arg(format!("CREATE:{}", file.display())).spawn();
        let receiver = Receiver(child.expect("socat runs"));
        let sockets = format!("/proc/{}/net/udp", receiver.0.id());
        until("socat listens", || fs::read_to_string(&sockets).is_ok_and(|text| text.contains(":0009 ")));
        let own = std::env::current_exe().expect("a test is a program");
        let sent = ours
            .run(&own.to_string_lossy())
            .args(["--exact", "point_5_wake_on_lan_reaches_a_card_in_another_namespace", "--nocapture"])
            .env(SENDER, place)
            .output()
            .expect("this test runs again");
        assert!(sent.status.success(), "{sent:?}");
        until("the packet came", || fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0));
        let mut expected = vec![0xFF_u8; 6];
        for _ in 0..16 {
            expected.extend([0x52, 0x54, 0x00, 0xAB, 0xCD, 0xEF]);
        }
        assert_eq!(fs::read(&file).expect("the packet"), expected, "to {broadcast}");
    }
}

fn send(place: &str) {
    let (broadcast, interface) = place.split_once(' ').expect("two words");
    let wol = Wol::new(Config {
        mac: Mac::parse(MAC).expect("an address"),
        broadcast: broadcast.parse().expect("an address"),
        port: 9,
        interface: (interface != "-").then(|| interface.to_owned()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { wol.wake(&Cx::within(Duration::from_secs(5), Mono(0))).await }).expect("sent");
}
