//! A BMC per host: OpenIPMI's `ipmi_sim`, a real RMCP+ server, whose power switch is a small script that talks to the lab.
//!
//! The script writes what is wanted into a FIFO-like file; a thread of the lab carries it out. So a host that a BMC switches on is
//! still a child of the lab and dies with it.

use crate::host::Host;
use crate::process::{Process, fleeting, pause, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// How to reach a BMC.
#[derive(Clone, Debug)]
pub struct Bmc {
    /// Where.
    pub address: String,
    /// UDP port.
    pub port: u16,
    /// Who.
    pub user: String,
    /// A file with the password, readable by its owner only.
    pub password_file: PathBuf,
}

#[derive(Debug)]
pub(crate) struct BmcServer {
    pub(crate) access: Bmc,
    _sim: Process,
    stop: Arc<AtomicBool>,
    switch: Option<JoinHandle<()>>,
}

const EMULATION: &str = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
    sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n";

impl BmcServer {
    pub(crate) fn start(lab: &Path, management: &str, address: &str, number: usize, host: Arc<Mutex<Host>>) -> Result<Self> {
        let dir = lab.join(format!("bmc{number}"));
        fs::create_dir_all(dir.join("state"))?;
        let port = 9000 + u16::try_from(number).context("few hosts")?;
        let password = format!("pw-{number}-{:x}", std::process::id());
        let password_file = dir.join("password");
        fs::write(&password_file, &password)?;
        run("chmod", &["600", &password_file.to_string_lossy()])?;
        let script = dir.join("chassis");
        fs::write(&script, script_text(&dir))?;
        run("chmod", &["755", &script.to_string_lossy()])?;
        fs::write(dir.join("lan.conf"), lan_config(address, port, number, &script, &password))?;
        fs::write(dir.join("bmc.emu"), EMULATION)?;
        let stop = Arc::new(AtomicBool::new(false));
        let switch = {
            let (dir, stop) = (dir.clone(), stop.clone());
            std::thread::spawn(move || switch(&dir, &host, &stop))
        };
        let conf = dir.join("lan.conf").to_string_lossy().into_owned();
        let emu = dir.join("bmc.emu").to_string_lossy().into_owned();
        let state = dir.join("state").to_string_lossy().into_owned();
        let args = ["netns", "exec", management, "ipmi_sim", "-n", "-c", &conf, "-f", &emu, "-s", &state];
        let sim = Process::start(&format!("BMC {number}"), "ip", &args, &[], &dir.join("log"))?;
        let access = Bmc { address: address.to_owned(), port, user: "admin".to_owned(), password_file };
        Ok(Self { access, _sim: sim, stop, switch: Some(switch) })
    }
}

impl Drop for BmcServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(switch) = self.switch.take() {
            fleeting(switch.join());
        }
    }
}

/// Called by ipmi_sim as `chassis MC get|set WHAT [VALUE] ...`.
fn script_text(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "#!/bin/bash\nshift; op=$1; shift\nif [ \"$op\" = get ]; then\n for what in \"$@\"; do case $what in\n\
         power) [ -e {dir}/is-on ] && echo power:1 || echo power:0;;\n boot) echo boot:default;;\n *) exit 1;; esac; done\n exit 0\nfi\n\
         [ \"$op\" = check ] && exit 0\nwhile [ $# -gt 0 ]; do echo \"$1 $2\" > {dir}/wish.new && mv {dir}/wish.new {dir}/wish; shift 2; done\n\
         for i in 1 2 3 4 5 6 7 8 9 10; do [ -e {dir}/wish ] || break; sleep 0.1; done\nexit 0\n"
    )
}

fn lan_config(address: &str, port: u16, number: usize, script: &Path, password: &str) -> String {
    let auths: String = ["callback", "user", "operator", "admin"]
        .iter()
        .map(|who| format!("    allowed_auths_{who} none md2 md5 straight\n"))
        .collect();
    format!(
        "name \"kvm{number}\"\nset_working_mc 0x20\n  startlan 1\n    addr {address} {port}\n    priv_limit admin\n{auths}\
         \x20   guid a123456789abcdefa123456789abcd{number:02}\n  endlan\n  chassis_control \"{} 0x20\"\n\
         \x20 user 1 true  \"\"      \"test\" user  10 none md2 md5 straight\n\
         \x20 user 2 true  \"admin\" \"{password}\" admin 10 none md2 md5 straight\n",
        script.display()
    )
}

/// Carries out what the BMC wants, and shows it whether the host is on.
fn switch(dir: &Path, host: &Mutex<Host>, stop: &AtomicBool) {
    let (wish, is_on) = (dir.join("wish"), dir.join("is-on"));
    let mut shown = None;
    while !stop.load(Ordering::Relaxed) {
        let wanted = fs::read_to_string(&wish).ok();
        let now = {
            let mut host = host.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match wanted.as_deref().map(str::trim) {
                Some("power 1") => fleeting(host.power_on()),
                Some("power 0") => host.cut_power(),
                Some("shutdown 1") => host.ask_down(),
                _ => {}
            }
            host.is_on()
        };
        if shown.replace(now) != Some(now) {
            if now { fleeting(fs::write(&is_on, "")) } else { fleeting(fs::remove_file(&is_on)) }
        }
        if wanted.is_some() {
            // The BMC answers once this is gone: what it says next is true by then.
            fleeting(fs::remove_file(&wish));
        }
        pause();
    }
}
