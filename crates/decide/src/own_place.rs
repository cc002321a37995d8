//! Where the controller itself stands, and what follows from it (rule 8).
//!
//! Its own VM is never shut down by its own run: it moves itself to a host that keeps power, or goes down with its host. That host is
//! told last, at its last safe moment; everything else has to be over by then, because nobody watches after it.

use crate::feed::HostRisk;
use crate::plan::{Need, Step};
use crate::plan_outage::FORCE_LEAD;
use crate::site::Site;
use crate::snapshot::Snapshot;
use ridethrough_model::topology::ControllerPlace;
use ridethrough_model::{DomainId, Finding, HostId, Inventory, Mono, Op, PlatformId, Topology, Vm, VmId};
use std::collections::BTreeMap;

/// Where the controller stands, as far as it is one of what it protects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPlace {
    /// The VM it runs in.
    pub vm: Option<VmId>,
    /// The host of that VM, or the one it runs on without a VM.
    pub host: Option<HostId>,
}

impl OwnPlace {
    /// Where the controller stands: as the configuration names it, else as SMBIOS tells. A VM counts before a host. What is named and in
    /// no inventory is nowhere.
    #[must_use]
    pub fn of(topology: &Topology, inventories: &BTreeMap<PlatformId, Inventory>) -> Self {
        let (named, smbios) = (&topology.controller_named, &topology.controller_smbios);
        if named.is_none() && smbios.is_empty() {
            return Self::default();
        }
        if let Some(ControllerPlace::Host(host)) = named {
            return Self { vm: None, host: Some(host.clone()) };
        }
        let is_mine =
            |uuid: &Option<String>| uuid.as_ref().is_some_and(|uuid| smbios.iter().any(|mine| mine.eq_ignore_ascii_case(uuid)));
        let vms = || inventories.values().flat_map(|inventory| inventory.vms.values());
        let by_name = vms().find(|vm| matches!(named, Some(ControllerPlace::Vm(name)) if *name == vm.name));
        if let Some(vm) = by_name.or_else(|| vms().find(|vm| is_mine(&vm.smbios_uuid))) {
            return Self { vm: Some(vm.id.clone()), host: Some(vm.host.clone()) };
        }
        let mut hosts = inventories.values().flat_map(|inventory| inventory.hosts.values());
        Self { vm: None, host: hosts.find(|host| is_mine(&host.smbios_uuid)).map(|host| host.id.clone()) }
    }

    /// Whether that is the VM the controller runs in.
    #[must_use]
    pub fn is_vm(&self, vm: &VmId) -> bool {
        self.vm.as_ref() == Some(vm)
    }

    /// Whether that is the host the controller runs on, in a VM or without one.
    #[must_use]
    pub fn is_host(&self, host: &HostId) -> bool {
        self.host.as_ref() == Some(host)
    }

    /// What that means for those domains' hosts, and who finishes the job; nothing where the controller stands on none of them.
    #[must_use]
    pub fn finding(
        &self,
        subject: &str,
        topology: &Topology,
        inventories: &BTreeMap<PlatformId, Inventory>,
        is_protected: impl Fn(&HostId) -> bool,
    ) -> Option<Finding> {
        let host = self.host.as_ref().filter(|host| is_protected(host))?;
        let vm = self.vm.as_ref().and_then(|id| inventories.get(&id.platform())?.vms.get(id));
        let (stands, moves) = match vm {
            Some(vm) if vm.move_blockers.is_empty() => (
                format!("in VM {} on host {host}", vm.name),
                "It moves itself to a host that keeps power, where one has room; if none has, ".to_owned(),
            ),
            Some(vm) => (
                format!("in VM {} on host {host}", vm.name),
                format!("It cannot move itself ({}): ", vm.move_blockers.join(", ")),
            ),
            None => (format!("on host {host}"), String::new()),
        };
        let finishes = who_finishes(host, topology);
        let back = match vm {
            Some(vm) if vm.autostart != Some(true) => {
                format!(" {} does not start with {host}: nobody brings anything back before a person starts it.", vm.name)
            }
            _ => format!(" It is back when {host} comes back by itself."),
        };
        let message = format!(
            "The controller itself runs {stands}, which an outage shuts down. {moves}{host} is told last, and all else must be over \
             by then. Then {finishes}.{back}"
        );
        let remedy = "Best run the controller on a small machine of its own, outside the power it protects.";
        Some(Finding::warning("RT0415", subject, message, remedy))
    }
}

/// Who does what is left once the controller's own host has been told to go down.
fn who_finishes(host: &HostId, topology: &Topology) -> String {
    let known = topology.hosts.get(host);
    let has_timer = topology.timers.contains(host);
    let host_words = match (known.is_some_and(|known| known.can_shut_down), has_timer) {
        (true, true) => format!("{host} finishes by itself, and the timer on it if the order is lost"),
        (true, false) => format!("{host} finishes by itself, and nobody if the order is lost: it has no timer (`last_resort`)"),
        (false, true) => format!("the timer on {host} finishes: it cannot be told to shut down"),
        (false, false) => format!("nobody finishes: {host} runs until its power ends"),
    };
    let needs = known.into_iter().flat_map(|known| &known.needs);
    let left: Vec<&str> =
        needs.filter(|need| topology.loads.get(*need).is_some_and(|load| load.can_stop)).map(|need| need.as_str()).collect();
    if left.is_empty() {
        return host_words;
    }
    format!("{host_words}; {} is not told to stop, because nobody is there to see {host} off", left.join(", "))
}

impl Site {
    pub(crate) fn own_place(&self) -> OwnPlace {
        OwnPlace::of(&self.config.topology, &self.inventories)
    }

    /// What it means for that domain that the controller stands where it stands.
    pub(crate) fn own_place_finding(&self, domain: &DomainId) -> Option<Finding> {
        let is_of_domain = |host: &HostId| self.hosts_of(domain).any(|one| one == host);
        let subject = format!("domain {domain}");
        self.own_place().finding(&subject, &self.config.topology, &self.inventories, is_of_domain)
    }
}

impl Snapshot<'_> {
    /// When everything but the controller's own host must be over, where that host's power ends: from then on nobody watches. `None`
    /// while its power is not at risk.
    pub(crate) fn end_of_watch(&self) -> Option<Mono> {
        let own = self.own.host.as_ref()?;
        let HostRisk::AtRisk { ends_at, .. } = self.risk_by_feeds(own) else { return None };
        let shutdown_time = self.topology.hosts.get(own)?.shutdown_time;
        Some(ends_at - shutdown_time - FORCE_LEAD)
    }

    /// What is at risk anyhow must be over before the controller's own host goes.
    pub(crate) fn before_watch_ends(&self, risk: HostRisk) -> HostRisk {
        match (risk, self.end_of_watch()) {
            (HostRisk::AtRisk { ends_at, empty_at, upses }, Some(end)) => {
                HostRisk::AtRisk { ends_at: ends_at.min(end), empty_at: empty_at.min(end), upses }
            }
            (risk, _) => risk,
        }
    }

    /// Whether that VM is the controller's own.
    pub(crate) fn is_own(&self, vm: &Vm) -> bool {
        self.own.is_vm(&vm.id)
    }
}

/// Whether the controller's own host waits for such a step.
pub(crate) fn is_waited_for(own: &HostId, op: &Op) -> bool {
    match op {
        Op::ShutDownHost { host } => host != own,
        Op::MoveVm { .. } => true,
        op => op.is_clean_stop(),
    }
}

/// Lets the controller's own host wait for everything else that is shut down or moved in this plan.
pub(crate) fn own_host_goes_last(snapshot: &Snapshot<'_>, steps: &mut [Step]) {
    let Some(own) = &snapshot.own.host else { return };
    let others = steps.iter().filter(|step| !step.observe_only && is_waited_for(own, &step.op));
    let others: Vec<Need> = others.map(|step| Need::Settled(step.op.clone())).collect();
    for step in steps.iter_mut().filter(|step| matches!(&step.op, Op::ShutDownHost { host } if host == own)) {
        step.needs.extend(others.iter().cloned());
        step.text = format!("{own} carries the controller itself: it is told last, when everything else is over.");
    }
}
