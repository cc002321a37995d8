//! From what is written to what `decide` and the controller understand. Defaults are applied here, and only here.
//!
//! Expects a configuration without errors; from one with errors it makes the most cautious of it and does not fail.

use super::Config;
use super::section::back::Ready;
use super::section::drill::Rhythm;
use super::section::hook::Hooks;
use super::section::host::{Feed, Host};
use super::section::libvirt::{LibvirtSsh, LibvirtSuspend};
use super::section::nut::TlsFault;
use super::section::order::Order;
use super::section::outage::{Destination, Domain, ForceOff, Match, OnOutage, Tier};
use super::section::{Libvirt, Load, Ups};
use super::value::{Watts, or_default};
use crate::config::section::host::LastResort;
use ridethrough_controller::Pace;
use ridethrough_model::policy::{self as model, TierMatch};
use ridethrough_model::ready as model_ready;
use ridethrough_model::topology::{
    self, BatteryTopology, ControllerPlace, Draw, HostTopology, LoadTopology, Timing, UpsTopology,
};
use ridethrough_model::{
    Hook, HookOf, HostId, Millis, Milliwatts, PlatformId, Policy, Probe, SiteId, TierName, Topology, VmRule,
};
use ridethrough_platforms::libvirt;
use std::time::Duration;

/// The site of a host that names none.
pub(super) const DEFAULT_SITE: &str = "main";
const DEFAULT_SHUTDOWN_TIME: Millis = Millis::from_secs(120);
const DEFAULT_BOOT_TIME: Millis = Millis::from_secs(300);
const DEFAULT_STOP_TIME: Millis = Millis::from_secs(180);
const DEFAULT_READY_WITHIN: Millis = Millis::from_secs(120);
const DEFAULT_STOP_BUDGET: Millis = Millis::from_secs(120);
const DEFAULT_HOOK_LIMIT: Millis = Millis::from_secs(30);

/// Where our own hosts are: an upsmon there is a host's last resort, not a master.
fn hosts_addresses(config: &Config) -> impl Iterator<Item = String> {
    config.hosts.values().filter_map(|host| host.value.ssh()?.address.as_ref()).map(|address| (**address).clone())
}

/// What hangs on what. The controller's SMBIOS identity is not in the configuration; whoever reads it adds it.
pub(crate) fn topology(config: &Config) -> Topology {
    let upses = config.upses.iter().map(|(name, entry)| {
        let Ups { nut, .. } = &entry.value;
        let secondaries = nut.secondaries.iter().flatten().map(|address| (**address).clone());
        let secondaries = secondaries.chain(hosts_addresses(config)).collect();
        let low_battery_reliable = nut.low_battery_reliable.unwrap_or(true);
        (name.as_str().into(), UpsTopology { low_battery_reliable, secondaries, battery: battery(&entry.value) })
    });
    let hosts = config.hosts.iter().map(|(name, entry)| (name.as_str().into(), host(config, name, &entry.value)));
    let loads = config.loads.iter().map(|(name, entry)| (name.as_str().into(), load(&entry.value)));
    let domains = config.domains.iter().map(|entry| {
        let upses = entry.value.ups.iter().map(|ups| ups.as_str().into()).collect();
        (entry.value.name.as_str().into(), topology::Domain { upses, timing: timing(&entry.value) })
    });
    let timers = config.hosts.iter().filter(|(_, entry)| entry.value.last_resort() == LastResort::Timer);
    let named = config.controller().and_then(|controller| {
        let host = controller.host.as_ref().map(|host| ControllerPlace::Host(host.as_str().into()));
        host.or_else(|| controller.vm.as_ref().map(|vm| ControllerPlace::Vm((**vm).clone())))
    });
    Topology {
        upses: upses.collect(),
        hosts: hosts.collect(),
        loads: loads.collect(),
        domains: domains.collect(),
        hooks: hooks(config).map(|(hook, _, hooks)| (hook, hook_limit(hooks))).collect(),
        timers: timers.map(|(name, _)| name.as_str().into()).collect(),
        controller_smbios: Default::default(),
        controller_named: named,
    }
}

/// What is written of a UPS's battery.
pub(super) fn battery(ups: &Ups) -> BatteryTopology {
    let points = ups.runtime_table.iter().flat_map(|table| table.iter()).map(|point| (point.0.0, point.1.0));
    BatteryTopology {
        nominal: watts(ups.nominal_power.as_ref()),
        runtimes: points.collect(),
        installed: ups.battery_installed.as_ref().map(|day| day.0),
        modules: ups.battery_modules.as_ref().map(|modules| **modules),
    }
}

fn watts(written: Option<&Watts>) -> Option<Milliwatts> {
    written.map(|watts| watts.0)
}

fn host(config: &Config, name: &str, host: &Host) -> HostTopology {
    HostTopology {
        site: SiteId::new(site_of(host)),
        platform: platform_of(config, name).map(PlatformId::new),
        feeds: feeds(&host.feeds),
        feeds_min: feeds_min(host),
        needs: host.needs.iter().map(|need| need.as_str().into()).collect(),
        can_shut_down: host.can_shut_down(),
        can_wake: host.can_wake(),
        can_prove_off: host.can_prove_off(),
        shutdown_time: or_default(host.shutdown_time.as_ref(), DEFAULT_SHUTDOWN_TIME),
        boot_time: or_default(host.boot_time.as_ref(), DEFAULT_BOOT_TIME),
        draw: Draw {
            idle: watts(host.power.as_ref().and_then(|power| power.idle.as_ref())),
            max: watts(host.power.as_ref().and_then(|power| power.max.as_ref())),
        },
    }
}

fn load(load: &Load) -> LoadTopology {
    let known = LoadTopology { feeds: feeds(load.feeds()), draw: watts(load.draws()), ..LoadTopology::default() };
    match load {
        Load::Passive(_) => known,
        Load::Command(load) => LoadTopology {
            can_stop: true,
            can_start: load.can_start(),
            can_see: load.can_see(),
            can_prove_off: load.can_prove_off(),
            stop_time: or_default(load.stop_time.as_ref(), DEFAULT_STOP_TIME),
            start_time: or_default(load.start_time.as_ref(), DEFAULT_BOOT_TIME),
            ..known
        },
    }
}

/// Every hook of every tier and host, what stands behind it, and the table it is in.
pub(crate) fn hooks(config: &Config) -> impl Iterator<Item = (Hook, &Order, &Hooks)> {
    let tier = |entry: &super::Entry<Tier>| HookOf::Tier(TierName::new(entry.value.name.as_str()));
    let tiers = config.tiers.iter().filter_map(move |entry| Some((tier(entry), entry.value.hooks.as_ref()?)));
    let hosts = config.hosts.iter();
    let hosts = hosts.filter_map(|(name, entry)| Some((HookOf::Host(name.as_str().into()), entry.value.hooks.as_ref()?)));
    tiers.chain(hosts).flat_map(|(of, hooks)| hooks.given().map(move |(moment, _, order)| (of.at(moment), &**order, hooks)))
}

/// How long each of them may take.
pub(crate) fn hook_limit(hooks: &Hooks) -> Millis {
    or_default(hooks.time_limit.as_ref(), DEFAULT_HOOK_LIMIT)
}

/// Where a host stands.
pub(super) fn site_of(host: &Host) -> &str {
    host.site.as_ref().map_or(DEFAULT_SITE, |site| site.as_str())
}

/// How many feeds a host needs.
pub(super) fn feeds_min(host: &Host) -> u32 {
    host.feeds_min.as_ref().map_or(1, |min| **min)
}

/// The platform a host carries VMs of.
pub(crate) fn platform_of<'a>(config: &'a Config, host: &str) -> Option<&'a str> {
    let mut platforms = config.platforms.iter();
    platforms.find(|(_, entry)| entry.value.hosts().any(|name| name.as_str() == host)).map(|(name, _)| name.as_str())
}

fn feeds(feeds: &[Feed]) -> Vec<topology::Feed> {
    feeds.iter().map(|feed| topology::Feed { ups: feed.ups.as_str().into(), outlet_group: feed.outlet_group }).collect()
}

fn timing(domain: &Domain) -> Timing {
    let usual = Timing::default();
    let ride_through = or_default(domain.ride_through.as_ref(), usual.ride_through);
    Timing {
        ride_through,
        move_after: or_default(domain.move_after.as_ref(), ride_through),
        mains_stable: or_default(domain.mains_stable.as_ref(), usual.mains_stable),
        margin: or_default(domain.margin.as_ref(), usual.margin),
        runtime_assumed: or_default(domain.runtime_assumed.as_ref(), usual.runtime_assumed),
        return_latest: or_default(domain.return_latest.as_ref(), usual.return_latest),
        return_charge: or_default(domain.return_charge.as_ref(), usual.return_charge),
        recharge_time: or_default(domain.recharge_time.as_ref(), usual.recharge_time),
    }
}

/// What is wanted.
pub(crate) fn policy(config: &Config) -> Policy {
    let usual = Policy::default();
    let controller = config.controller();
    let moves = config.moves.as_ref().map(|entry| &entry.value);
    let back = config.back.as_ref().map(|entry| &entry.value);
    Policy {
        tiers: config.tiers.iter().map(|entry| tier(&entry.value)).collect(),
        rules: rules(config),
        starts_per_host: back.and_then(|back| back.starts_per_host.as_ref()).map_or(usual.starts_per_host, |most| **most),
        starts_per_site: back.and_then(|back| back.starts_per_site.as_ref()).map_or(usual.starts_per_site, |most| **most),
        lifted: Default::default(),
        silence: or_default(controller.and_then(|controller| controller.silence.as_ref()), usual.silence),
        journal_stall: or_default(controller.and_then(|controller| controller.journal_stall.as_ref()), usual.journal_stall),
        move_bandwidth: or_default(moves.and_then(|moves| moves.bandwidth.as_ref()), usual.move_bandwidth),
        moves_per_host: moves.and_then(|moves| moves.per_host.as_ref()).map_or(usual.moves_per_host, |per_host| **per_host),
        move_slack: or_default(moves.and_then(|moves| moves.slack.as_ref()), usual.move_slack),
    }
}

/// Rules for VMs, then what tiers say where no rule does.
fn rules(config: &Config) -> Vec<VmRule> {
    let of_vms = config.rules.iter().map(|entry| VmRule {
        matches: matches(&entry.value.matches),
        needs: entry.value.needs.iter().map(|need| (**need).clone()).collect(),
        ready: entry.value.ready.as_ref().and_then(|written| ready(written)),
    });
    let of_tiers = config.tiers.iter().filter(|entry| entry.value.ready.is_some()).map(|entry| VmRule {
        matches: matches(&entry.value.matches),
        needs: Vec::new(),
        ready: entry.value.ready.as_ref().and_then(|written| ready(written)),
    });
    of_vms.chain(of_tiers).collect()
}

fn ready(written: &Ready) -> Option<model_ready::Ready> {
    let probe = match written {
        Ready { tcp: Some(address), .. } => Probe::Tcp(address.clone()),
        Ready { http: Some(url), .. } => Probe::Http(url.clone()),
        Ready { agent: Some(true), .. } => Probe::Agent,
        _ => return None,
    };
    Some(model_ready::Ready { probe, within: or_default(written.within.as_ref(), DEFAULT_READY_WITHIN) })
}

fn matches(written: &Match) -> TierMatch {
    let text = |key: &Option<super::value::At<String>>| key.as_ref().map(|text| (**text).clone());
    TierMatch { tag: text(&written.tag), name: text(&written.name), platform: text(&written.platform) }
}

fn tier(tier: &Tier) -> model::Tier {
    model::Tier {
        name: TierName::new(tier.name.as_str()),
        matches: matches(&tier.matches),
        on_outage: rungs(tier),
        move_to: destinations(tier),
        force_off: match tier.force_off.unwrap_or_default() {
            ForceOff::AtDeadline => model::ForceOff::AtDeadline,
            ForceOff::Never => model::ForceOff::Never,
        },
        stop_budget: or_default(tier.stop_budget.as_ref(), DEFAULT_STOP_BUDGET),
        runtime_goal: tier.runtime_goal.as_ref().map(|goal| goal.0),
    }
}

/// What is tried with a tier's VMs.
pub(super) fn rungs(tier: &Tier) -> Vec<model::OnOutage> {
    let Some(written) = &tier.on_outage else { return vec![model::OnOutage::ShutDown] };
    let rung = |rung: &OnOutage| match rung {
        OnOutage::Move => model::OnOutage::Move,
        OnOutage::Suspend => model::OnOutage::Suspend,
        OnOutage::ShutDown => model::OnOutage::ShutDown,
    };
    written.iter().map(|written| rung(written)).collect()
}

/// Where a tier's VMs may go. Clouds are left out.
pub(super) fn destinations(tier: &Tier) -> Vec<model::Destination> {
    let moves = rungs(tier).contains(&model::OnOutage::Move);
    let Some(written) = &tier.move_to else {
        return if moves { vec![model::Destination::SameSite] } else { Vec::new() };
    };
    let destination = |destination: &Destination| match destination {
        Destination::SameSite(true) => Some(model::Destination::SameSite),
        Destination::Site(site) => Some(model::Destination::Site(SiteId::new(site.as_str()))),
        Destination::SameSite(false) | Destination::Cloud(_) => None,
    };
    written.iter().filter_map(|written| destination(written)).collect()
}

/// How often is looked.
pub(crate) fn pace(config: &Config) -> Pace {
    let usual = Pace::default();
    let interval =
        |written: Option<&super::value::Time>, usual: Duration| written.map_or(usual, |time| Duration::from_millis(time.0.0));
    let controller = config.controller();
    let ups_mains = interval(controller.and_then(|controller| controller.poll_mains.as_ref()), usual.ups_mains);
    let ups_battery = interval(controller.and_then(|controller| controller.poll_battery.as_ref()), usual.ups_battery);
    let drill = config.drill.as_ref().map(|entry| &entry.value);
    let rhythm = |written: Option<&super::value::At<Rhythm>>| written.and_then(|written| written.read().ok());
    let paper = rhythm(drill.and_then(|drill| drill.paper.as_ref()));
    let preflight = rhythm(drill.and_then(|drill| drill.preflight.as_ref()));
    Pace { ups_mains, ups_battery, paper, preflight, ..usual }
}

impl Libvirt {
    /// The settings of its driver.
    ///
    /// # Errors
    /// Certificates that cannot be read or used.
    pub(crate) fn to_libvirt(&self, name: &str) -> Result<libvirt::Config, TlsFault> {
        let written = self;
        Ok(libvirt::Config {
            platform: PlatformId::new(name),
            hosts: written.hosts.iter().map(|(name, host)| (HostId::new(name.as_str()), host.clone())).collect(),
            bandwidth_mib_s: written.bandwidth.as_ref().map(|bandwidth| (bandwidth.0.0 >> 20).max(1)),
            convergence: libvirt::Convergence {
                auto_converge: written.auto_converge.unwrap_or(true),
                max_downtime_ms: written.max_downtime.as_ref().map(|time| time.0.0.max(1)),
                post_copy: written.post_copy.unwrap_or(false),
            },
            copy_disks: written.copy_disks.unwrap_or(false),
            suspend: written.suspend.as_ref().map(LibvirtSuspend::to_driver).unwrap_or_default(),
            shared_paths: written.shared_paths.clone(),
            tls: written.tls.as_ref().map(|tls| tls.to_driver()).transpose()?,
            ssh: written.ssh.as_ref().map(LibvirtSsh::to_driver).unwrap_or_default(),
        })
    }
}
