//! The configuration of a lab's site as an operator would write it: each host on a UPS and a domain of its own.

use crate::lab::Lab;
use crate::ups::Upsd;
use std::fmt::Write;
use std::path::PathBuf;

/// The numbers that tests and measurements choose.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Seconds on battery before anything is stopped.
    pub ride_through_s: u64,
    /// Seconds on battery before anything is moved.
    pub move_after_s: u64,
    /// Moves per host at once.
    pub moves_per_host: u32,
}

impl Lab {
    /// Where the configuration is written.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.dir().join("ridethrough.toml")
    }

    /// The configuration: `kvmN` hangs on the N-th UPS, tiers are matched by the tag `power:TIER`, the first may be moved.
    #[must_use]
    pub fn config(&self, upsd: &Upsd, upses: &[&str], tiers: &[&str], numbers: Numbers) -> String {
        let mut text = format!(
            "[controller]\ndata_dir = \"{}/data\"\nlisten = \"127.0.0.1:7878\"\npoll_mains = \"1s\"\npoll_battery = \"1s\"\n\
             [moves]\nbandwidth = \"100MiB\"\nper_host = {}\n",
            self.dir().display(),
            numbers.moves_per_host
        );
        for (host, ups) in (1..).zip(upses) {
            let (address, port, secret) = (upsd.address(), upsd.port(), upsd.password_file().display());
            let written = write!(
                text,
                "[ups.{ups}.nut]\nhost = \"{address}\"\nport = {port}\nups = \"{ups}\"\nuser = \"monitor\"\n\
                 password = {{ file = \"{secret}\" }}\n\
                 [[domain]]\nname = \"{ups}\"\nups = [\"{ups}\"]\nride_through = \"{}s\"\nmove_after = \"{}s\"\nmains_stable = \"4s\"\n{}",
                numbers.ride_through_s,
                numbers.move_after_s,
                self.host_text(host, ups)
            );
            written.expect("a String takes everything");
        }
        let names = (1..=self.hosts()).map(|host| format!("kvm{host} = {{ uri = \"qemu+tcp://kvm{host}/system\" }}"));
        let names: Vec<String> = names.collect();
        text.push_str(&format!("[platform.lab.libvirt]\nhosts = {{ {} }}\n", names.join(", ")));
        for (rank, tier) in tiers.iter().enumerate() {
            let rungs = if rank == 0 { "[\"move\", \"shut-down\"]" } else { "[\"shut-down\"]" };
            text.push_str(&format!(
                "[[tier]]\nname = \"{tier}\"\nmatch = {{ tag = \"power:{tier}\" }}\non_outage = {rungs}\nstop_budget = \"8s\"\n"
            ));
        }
        text
    }

    fn host_text(&self, host: usize, ups: &str) -> String {
        let bmc = self.bmc(host);
        format!(
            "[host.kvm{host}]\nsite = \"main\"\nfeeds = [{{ ups = \"{ups}\" }}]\nshutdown_time = \"10s\"\nboot_time = \"60s\"\n\
             shutdown = {{ ssh = {{ address = \"{}\", user = \"root\", key = {{ file = \"{}\" }}, known_hosts = \"{}\" }} }}\n\
             power = {{ ipmi = {{ address = \"{}\", port = {}, user = \"{}\", password = {{ file = \"{}\" }}, cipher_suite = 3 }} }}\n",
            self.host_address(host),
            self.ssh_key().display(),
            self.known_hosts().display(),
            bmc.address,
            bmc.port,
            bmc.user,
            bmc.password_file.display(),
        )
    }
}
