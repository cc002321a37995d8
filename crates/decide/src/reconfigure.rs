//! Another configuration while we run. It comes into force as a whole or not at all, and never takes protection away unsaid.
//!
//! While something is on battery or a run is open, nothing that a plan stands on may change. On mains everything may, but an armed
//! domain keeps being armed only by the rules of arming: if it could not be armed under the new configuration, and the old one did
//! not have that fault too, the new one is refused. What did not change keeps all that is known of it; the rest begins as after a start.

use crate::input::CommandReply;
use crate::site::Site;
use ridethrough_model::{
    DomainId, DomainMode, Entry, Finding, FindingLevel, Hook, HostId, Inventory, LoadId, Now, PlatformId, Reading, Severity,
    UpsId,
};
use std::collections::BTreeSet;
use std::fmt;

/// Something that is reached through a driver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A UPS.
    Ups(UpsId),
    /// A platform.
    Platform(PlatformId),
    /// A host's own means: its shutdown, its BMC.
    Host(HostId),
    /// A load that can be told something.
    Load(LoadId),
    /// A hook of a tier or host.
    Hook(Hook),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ups(id) => write!(f, "UPS {id}"),
            Self::Platform(id) => write!(f, "platform {id}"),
            Self::Host(id) => write!(f, "host {id}"),
            Self::Load(id) => write!(f, "load {id}"),
            Self::Hook(hook) => write!(f, "the hook {hook}"),
        }
    }
}

/// A configuration that is sound in itself, and what was seen through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What the user configured.
    pub config: crate::SiteConfig,
    /// What is new, gone, or reached in another way than before.
    pub changed: BTreeSet<Part>,
    /// What the new or changed UPSes said.
    pub readings: Vec<Reading>,
    /// What the new or changed platforms said.
    pub inventories: Vec<Inventory>,
    /// SHA-256 of its files, in small hex digits.
    pub digest: String,
    /// Who asks, for the journal.
    pub by: String,
}

impl Site {
    /// Writes down which configuration the controller has started with, if it is another one than before.
    pub fn note_start(&mut self, digest: &str, now: &Now) -> Vec<crate::Effect> {
        if digest != self.digest {
            let (digest, by) = (digest.to_owned(), "start".to_owned());
            self.digest.clone_from(&digest);
            self.append_site(Entry::Configured { digest, parts: Vec::new(), by }, now);
        }
        std::mem::take(&mut self.out)
    }

    pub(crate) fn configure(&mut self, proposal: Proposal, now: &Now) -> CommandReply {
        // What is lifted to which tier is learnt, not configured.
        let mut configured = self.config.clone();
        configured.policy.lifted.clear();
        if proposal.config == configured && proposal.changed.is_empty() {
            if proposal.digest != self.digest {
                self.note_configured(&proposal, now);
            }
            return CommandReply::Done(Vec::new());
        }
        if let Some(finding) = self.why_not_now(now) {
            return CommandReply::Refused(vec![finding]);
        }
        let lost: Vec<Finding> =
            self.armed().filter(|id| !proposal.config.topology.domains.contains_key(*id)).map(gone).collect();
        if !lost.is_empty() {
            return CommandReply::Refused(lost);
        }
        let faults_before = self.faults_of_armed(now);
        let mut next = self.under(proposal, now);
        next.learn_needs();
        let new_faults: Vec<Finding> =
            next.faults_of_armed(now).difference(&faults_before).map(|(_, finding)| finding.clone()).collect();
        let (errors, warnings): (Vec<Finding>, Vec<Finding>) =
            new_faults.into_iter().partition(|finding| finding.level == FindingLevel::Error);
        if !errors.is_empty() {
            return CommandReply::Refused(errors.into_iter().chain([self.cannot_stay_armed()]).collect());
        }
        *self = next;
        self.want_plan("the configuration has changed");
        CommandReply::Done(warnings)
    }

    /// Tells everybody that the old configuration goes on.
    pub(crate) fn note_unfit(&mut self, code: &str, text: String, now: &Now) -> CommandReply {
        self.notice(Severity::Warning, Some(code), text, now);
        CommandReply::Done(Vec::new())
    }

    fn why_not_now(&self, now: &Now) -> Option<Finding> {
        if self.is_at_risk() {
            return Some(Finding::error(
                "RT0450",
                "configuration",
                "Something is on battery or a run is open: until that is over, only alerts and poll intervals can change.",
                "Ask again when mains is stable and the run has ended; what is in force goes on.",
            ));
        }
        self.log.is_stalled(now.mono, self.config.policy.journal_stall).then(|| {
            Finding::error(
                "RT0404",
                "journal",
                "It cannot be written, so nobody would know which configuration was in force.",
                "Look at the disk of the data directory, then ask again.",
            )
        })
    }

    fn armed(&self) -> impl Iterator<Item = &DomainId> {
        self.modes.iter().filter(|(_, mode)| **mode == DomainMode::Armed).map(|(id, _)| id)
    }

    /// What would be said if each armed domain were to be armed now.
    fn faults_of_armed(&mut self, now: &Now) -> BTreeSet<(DomainId, Finding)> {
        self.make_standing(now);
        self.armed().flat_map(|id| self.arm_findings(id, now).into_iter().map(|finding| (id.clone(), finding))).collect()
    }

    fn cannot_stay_armed(&self) -> Finding {
        let armed: Vec<&str> = self.armed().map(DomainId::as_str).collect();
        Finding::error(
            "RT0452",
            "configuration",
            format!("With it, an armed domain ({}) could not be armed, for the reasons given here.", armed.join(", ")),
            "Mend them and ask again; or `ridethrough disarm DOMAIN` first, reload, and arm it again when they are gone.",
        )
    }

    fn note_configured(&mut self, proposal: &Proposal, now: &Now) {
        self.digest.clone_from(&proposal.digest);
        let parts = proposal.changed.iter().map(ToString::to_string).collect();
        self.append_site(Entry::Configured { digest: proposal.digest.clone(), parts, by: proposal.by.clone() }, now);
    }

    /// This site under that configuration: as after a start, but for what is known of what did not change.
    fn under(&self, proposal: Proposal, now: &Now) -> Self {
        let mut next = Self::new(proposal.config.clone(), self.epoch, now);
        next.keep_memory(self);
        next.keep_sightings(self, &proposal.changed);
        next.note_configured(&proposal, now);
        let is_gone = |ups: &&UpsId| !proposal.config.topology.upses.contains_key(*ups);
        for ups in self.maintenance.keys().filter(is_gone) {
            let entry = Entry::MaintenanceEnded { ups: ups.clone(), reason: "it is no longer configured".to_owned() };
            next.append_site(entry, now);
        }
        for inventory in proposal.inventories {
            next.take_inventory(inventory, now);
        }
        for reading in proposal.readings {
            next.hear(reading, now);
        }
        next
    }

    /// What people wanted, what was counted and what was said.
    fn keep_memory(&mut self, old: &Self) {
        let topology = &self.config.topology;
        let modes = old.modes.iter().filter(|(id, _)| topology.domains.contains_key(*id));
        self.modes = modes.map(|(id, mode)| (id.clone(), *mode)).collect();
        let maintenance = old.maintenance.iter().filter(|(id, _)| topology.upses.contains_key(*id));
        self.maintenance = maintenance.map(|(id, until)| (id.clone(), *until)).collect();
        for (id, state) in &mut self.domains {
            if let Some(known) = old.domains.get(id) {
                state.clone_from(known);
            }
        }
        self.keep_batteries(old);
        self.hold = old.hold.clone();
        self.timers = old.timers.clone();
        self.timers_fired.clone_from(&old.timers_fired);
        self.ids = old.ids.clone();
        self.incident = old.incident;
        self.log = old.log.clone();
        self.told = old.told.clone();
        self.drills.clone_from(&old.drills);
    }

    /// What was seen of what is reached as before.
    fn keep_sightings(&mut self, old: &Self, changed: &BTreeSet<Part>) {
        for (id, source) in &mut self.sources {
            match old.sources.get(id).filter(|_| !changed.contains(&Part::Ups(id.clone()))) {
                Some(known) => source.clone_from(known),
                None => drop(self.told.remove(&format!("unheard {id}"))),
            }
        }
        let platforms = self.unread.clone();
        let is_kept = |id: &PlatformId| platforms.contains(id) && !changed.contains(&Part::Platform(id.clone()));
        self.inventories = old.inventories.iter().filter(|(id, _)| is_kept(id)).map(clone_pair).collect();
        self.inventory_failures = old.inventory_failures.iter().filter(|(id, _)| is_kept(id)).map(clone_pair).collect();
        self.inventory_findings = old.inventory_findings.iter().filter(|(id, _)| is_kept(id)).map(clone_pair).collect();
        self.losses = old.losses.iter().filter(|(id, _)| is_kept(id)).map(clone_pair).collect();
        self.patches = old.patches.iter().filter(|(vm, _)| is_kept(&vm.platform())).map(clone_pair).collect();
        self.unread.retain(|id| !is_kept(id) || old.unread.contains(id));
        let hosts = &self.config.topology.hosts;
        let is_same = |id: &HostId| hosts.contains_key(id) && !changed.contains(&Part::Host(id.clone()));
        self.evidence = old.evidence.iter().filter(|(id, _)| is_same(id)).map(clone_pair).collect();
        let loads = &self.config.topology.loads;
        let is_same = |id: &LoadId| loads.contains_key(id) && !changed.contains(&Part::Load(id.clone()));
        self.load_evidence = old.load_evidence.iter().filter(|(id, _)| is_same(id)).map(clone_pair).collect();
    }
}

fn clone_pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn gone(domain: &DomainId) -> Finding {
    Finding::error(
        "RT0451",
        format!("domain {domain}"),
        "It is armed, and the new configuration does not have it.",
        format!("If that is meant, say `ridethrough disarm {domain}` first, then reload."),
    )
}
