//! An outage on a simulated vCenter, by the built binary, killed in the middle: what moves, what stops, and that all comes back.
//!
//! vcsim's hosts cannot go down: their BMCs do, and somebody takes them off vCenter when they do, as a dead host would be.

use crate::peers::{Bmc, Upsd};
use crate::service::Service;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Vcsim {
    child: Child,
    url: String,
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "the peer could not be ended: {ended:?}");
    }
}

/// The cluster whose host loses its power.
const CLUSTER: &str = "/DC0/host/DC0_C0";

/// Where `scripts/setup.sh test` puts what is written in Go.
fn program(name: &str) -> String {
    let own = std::env::current_exe().expect("a test is a program");
    own.ancestors().nth(3).expect("in the target directory").join("peers/go").join(name).to_string_lossy().into_owned()
}

impl Vcsim {
    /// Two clusters of one host each, with two VMs each, and VMware Tools in all of them.
    fn start() -> Self {
        let options =
            "-l 127.0.0.1:0 -tls=false -username admin -password s3cret -dc 1 -cluster 2 -host 1 -standalone-host 0 -vm 2";
        let mut child = Command::new(program("vcsim"))
            .args(options.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("vcsim runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says where it is");
        let at = line.split('@').nth(1).and_then(|rest| rest.split("/sdk").next()).expect("user@address/sdk");
        let vcsim = Self { child, url: format!("http://{at}") };
        for vm in ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "DC0_C1_RP0_VM0", "DC0_C1_RP0_VM1"] {
            // It comes connected to a drive of the host: such a VM is not moved.
            vcsim.govc(&["device.remove", "-vm", vm, "cdrom-203"]);
            vcsim.govc(&["vm.change", "-vm", vm, "-e", "SET.guest.toolsRunningStatus=guestToolsRunning"]);
        }
        vcsim
    }

    fn govc(&self, args: &[&str]) -> String {
        let output = Command::new(program("govc"))
            .args(args)
            .env("GOVC_URL", format!("{}/sdk", self.url))
            .env("GOVC_USERNAME", "admin")
            .env("GOVC_PASSWORD", "s3cret")
            .env("GOVC_PERSIST_SESSION", "false")
            .stdin(Stdio::null())
            .output()
            .expect("govc runs");
        assert!(output.status.success(), "govc {args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The level of DRS and whether HA controls admission, as another client sees it.
    fn automation(&self) -> [String; 2] {
        ["drsConfig.defaultVmBehavior", "dasConfig.admissionControlEnabled"]
            .map(|path| self.govc(&["object.collect", "-s", CLUSTER, &format!("configurationEx.{path}")]).trim().to_owned())
    }

    /// Whether it runs, and where, as another client sees it.
    fn vm(&self, name: &str) -> (bool, String) {
        let said = self.govc(&["vm.info", name]);
        let host = said.lines().find_map(|line| line.trim().strip_prefix("Host:")).expect("a host").trim();
        (said.contains("poweredOn"), host.to_owned())
    }
}

fn configuration(vcsim: &Vcsim, upses: [&Upsd; 2], bmcs: [&Bmc; 2]) -> String {
    let mut text = format!(
        "[controller]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n[platform.dc1.vsphere]\nurl = \"{}\"\nuser = \"admin\"\n\
         password = {{ file = \"secret\" }}\nhosts = {{ DC0_C0_H0 = {{}}, DC0_C1_H0 = {{}} }}\n",
        vcsim.url
    );
    for (index, (upsd, bmc)) in upses.into_iter().zip(bmcs).enumerate() {
        text.push_str(&format!(
            "[ups.u{index}.nut]\nhost = \"127.0.0.1\"\nport = {}\nups = \"ups1\"\n[[domain]]\nname = \"d{index}\"\nups = [\"u{index}\"]\n\
             ride_through = \"0s\"\nmains_stable = \"3s\"\n[host.DC0_C{index}_H0]\nfeeds = [{{ ups = \"u{index}\" }}]\n\
             shutdown_time = \"5s\"\nboot_time = \"60s\"\n\
             power = {{ redfish = {{ url = \"http://{}\", system = \"1\", user = \"rt\", password = {{ file = \"secret\" }} }} }}\n",
            upsd.address.port(),
            bmc.address
        ));
    }
    text.push_str(
        "[[tier]]\nname = \"critical\"\nmatch = { name = \"*_VM0\" }\non_outage = [\"move\", \"shut-down\"]\n\
         move_to = [{ same_site = true }]\nstop_budget = \"15s\"\n\
         [[tier]]\nname = \"rest\"\nmatch = { name = \"*\" }\non_outage = [\"shut-down\"]\nstop_budget = \"15s\"\n",
    );
    text
}

fn write_secret(dir: &Path) {
    fs::write(dir.join("secret"), "s3cret\n").expect("written");
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    fs::set_permissions(dir.join("secret"), mode).expect("set");
}

#[test]
fn an_outage_on_vcsim_moves_stops_and_brings_back_also_with_the_controller_killed_in_the_middle() {
    if !crate::gate("daemon::vsphere", "vcsim", Command::new(program("govc")).arg("version")) {
        return;
    }
    let vcsim = Vcsim::start();
    vcsim.govc(&[
        "cluster.change",
        "-drs-enabled",
        "-drs-mode=fullyAutomated",
        "-ha-enabled",
        "-ha-admission-control-enabled",
        CLUSTER,
    ]);
    assert_eq!(vcsim.automation(), ["fullyAutomated", "true"]);
    let (ups, other, bmc, spare) = (Upsd::start(), Upsd::start(), Bmc::start(), Bmc::start());
    let dir = tempfile::tempdir().expect("a directory");
    write_secret(dir.path());
    let mut service = Service::with(dir.path(), &configuration(&vcsim, [&ups, &other], [&bmc, &spare]));
    service.until("all is seen", |status| {
        let hosts = status["hosts"].as_array().is_some_and(|hosts| hosts.iter().all(|host| host["state"] == "on"));
        hosts && status["upses"].as_array().is_some_and(|upses| upses.iter().all(|ups| ups["state"] == "online"))
    });
    let home = vcsim.vm("DC0_C0_RP0_VM0").1;
    assert_eq!(home, "DC0_C0_H0");
    assert_eq!(service.command(&["arm", "d0"]).0, 0);

    ups.say("OB DISCHRG");
    service.until("the critical one is away", |_| vcsim.vm("DC0_C0_RP0_VM0").1 == "DC0_C1_H0");
    assert_eq!(vcsim.automation(), ["manual", "false"], "both could have worked against the move");
    // As by a power supply that dies.
    service.signal("KILL");
    service.wait();
    service = Service::start(&dir.path().join("site.toml"));
    service.until("the host is told", |_| bmc.asked() == ["GracefulShutdown"]);
    assert_eq!(vcsim.vm("DC0_C0_RP0_VM0"), (true, "DC0_C1_H0".to_owned()), "it runs on where there is power");
    assert!(!vcsim.vm("DC0_C0_RP0_VM1").0, "the other one was shut down before its host");
    assert!(vcsim.vm("DC0_C1_RP0_VM1").0, "who has power is left alone");
    bmc.turn(false);
    vcsim.govc(&["host.disconnect", "DC0_C0_H0"]);
    service.until("the host is off", |status| status["hosts"][0]["state"] == "off");

    ups.say("OL");
    service.until("the host is woken", |_| bmc.asked().last().is_some_and(|asked| asked == "On"));
    bmc.turn(true);
    vcsim.govc(&["host.reconnect", "DC0_C0_H0"]);
    service.until("the run ends", |status| status["run"].is_null());
    assert_eq!(vcsim.vm("DC0_C0_RP0_VM0"), (true, home.clone()), "it is home again");
    assert_eq!(vcsim.vm("DC0_C0_RP0_VM1"), (true, home), "it runs again");
    assert_eq!(vcsim.automation(), ["fullyAutomated", "true"], "as before, though another process has found it so");
    assert_eq!(bmc.asked(), ["GracefulShutdown", "On"]);
    assert!(spare.asked().is_empty(), "{:?}", spare.asked());
}
