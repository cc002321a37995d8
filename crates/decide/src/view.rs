//! What a person sees of a site: plain data, made from the state in one place. The API turns it into DTOs.

use crate::batteries::BatteryView;
use crate::domain::DomainPhase;
use crate::evidence::HostVerdict;
use crate::feed::{HostRisk, timing_of};
use crate::guards::GuardView;
use crate::hold::{AbortView, HoldView};
use crate::masters::EndedBy;
use crate::run::{ActionPhase, RunState};
use crate::site::Site;
use crate::snapshot::Snapshot;
use crate::source::{SourceKind, SourceState};
use crate::timer::TimerView;
use ridethrough_model::plan::Fate;
use ridethrough_model::{
    DomainId, DomainMode, Finding, HostId, LoadId, Millis, Milliwatts, Mono, Now, Plan, PlanCause, PlanReport, Ppm, RunId,
    TierName, UpsId, Vm, VmId, VmPower,
};

/// The whole site now.
#[derive(Clone, Debug)]
pub struct SiteView {
    /// UPSes by name.
    pub upses: Vec<UpsView>,
    /// Domains by name.
    pub domains: Vec<DomainView>,
    /// Hosts by name.
    pub hosts: Vec<HostView>,
    /// Loads that are no hosts, of those that can be told to stop or be seen.
    pub loads: Vec<LoadView>,
    /// VMs, least important first within a host's power.
    pub vms: Vec<VmView>,
    /// The run under way.
    pub run: Option<RunView>,
    /// A hold in force.
    pub hold: Option<HoldView>,
    /// Automation of the platforms that would act against a run.
    pub guards: Vec<GuardView>,
    /// What is wrong or missing now.
    pub findings: Vec<Finding>,
    /// The journal does not keep up; records are in memory.
    pub journal_degraded: bool,
}

/// One UPS.
#[derive(Clone, Debug)]
pub struct UpsView {
    /// Its name.
    pub id: UpsId,
    /// What it is doing, as far as is known.
    pub state: SourceKind,
    /// `ups.status` as last read.
    pub status: Option<String>,
    /// Charge.
    pub charge: Option<Ppm>,
    /// Runtime as it states it.
    pub runtime: Option<Millis>,
    /// Load.
    pub load: Option<Ppm>,
    /// Real power.
    pub realpower: Option<Milliwatts>,
    /// How old the last reading is.
    pub age: Option<Millis>,
    /// On battery: time until it is taken to be empty, after margin and age.
    pub empty_in: Option<Millis>,
    /// On battery: what ends it before its battery is empty.
    pub ended_by: Option<EndedBy>,
    /// What is known of its battery, where a runtime table is.
    pub battery: Option<BatteryView>,
    /// Others that follow it and do not only obey, by address.
    pub masters: Vec<String>,
    /// Why it is silent.
    pub silent_because: Option<String>,
    /// Maintenance ends in.
    pub maintenance_left: Option<Millis>,
}

/// One domain.
#[derive(Clone, Debug)]
pub struct DomainView {
    /// Its name.
    pub id: DomainId,
    /// Acts or observes.
    pub mode: DomainMode,
    /// Where it is in an outage.
    pub phase: DomainPhase,
    /// Time on battery in this incident.
    pub on_battery_for: Option<Millis>,
    /// While it rides through: time until that is over.
    pub ride_through_left: Option<Millis>,
    /// Time until it must act whatever happens: the last safe moment.
    pub must_act_in: Option<Millis>,
    /// The plan kept ready, what it says, what is wrong with it.
    pub standing: Option<(Plan, PlanReport, Vec<Finding>)>,
}

/// One host.
#[derive(Clone, Debug)]
pub struct HostView {
    /// Its name.
    pub id: HostId,
    /// Whether it is on, as composed from all sources.
    pub verdict: HostVerdict,
    /// Whether its platform reaches it.
    pub connected: Option<bool>,
    /// Time until its power is taken to end; `None` while it is not at risk.
    pub power_ends_in: Option<Millis>,
    /// In words: "on mains", "at risk: all feeds on battery", "power unknown".
    pub power: String,
    /// The dead-man timer on it, where one may be set.
    pub timer: Option<TimerView>,
}

/// One load that is no host.
#[derive(Clone, Debug)]
pub struct LoadView {
    /// Its name.
    pub id: LoadId,
    /// Whether it is on, as composed from all sources.
    pub verdict: HostVerdict,
    /// Time until its power is taken to end; `None` while it is not at risk.
    pub power_ends_in: Option<Millis>,
    /// In words, as of a host.
    pub power: String,
}

/// One VM.
#[derive(Clone, Debug)]
pub struct VmView {
    /// Its id.
    pub id: VmId,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: HostId,
    /// What it is doing.
    pub power: VmPower,
    /// Its tier.
    pub tier: TierName,
    /// What would become of it, or what becomes of it now.
    pub fate: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Time until its clean stop must begin.
    pub last_safe_in: Option<Millis>,
}

/// A run, live or past.
#[derive(Clone, Debug)]
pub struct RunView {
    /// Its number.
    pub id: RunId,
    /// The incident's number.
    pub incident: u64,
    /// In one word: "on-battery", "acting", "returning", "ended".
    pub state: String,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// What the planner had to say.
    pub report: Option<PlanReport>,
    /// Every action of every plan of this run, in order of number.
    pub actions: Vec<ActionView>,
    /// A person aborted it.
    pub aborted: Option<AbortView>,
    /// Names of VMs that were stopped in it, or are being stopped, and are not back.
    pub stopped: Vec<String>,
    /// Names of VMs that were moved away in it and are not back.
    pub moved: Vec<String>,
    /// Hosts that were shut down in it, or are being shut down, and are not back.
    pub hosts_down: Vec<HostId>,
}

/// One action.
#[derive(Clone, Debug)]
pub struct ActionView {
    /// Its number.
    pub id: u64,
    /// What, for a person, with names rather than ids.
    pub text: String,
    /// Where it stands.
    pub phase: ActionPhase,
    /// Why it is there.
    pub why: String,
    /// The last failure or detail.
    pub detail: Option<String>,
    /// Only said, not done.
    pub observe_only: bool,
    /// Share done in ppm, where told.
    pub done_ppm: Option<u32>,
}

impl Site {
    /// Everything a person may want to see now.
    #[must_use]
    pub fn view(&self, now: &Now) -> SiteView {
        let at = now.mono;
        let snapshot = self.snapshot(at, PlanCause::Standing);
        let upses = self.sources.iter().map(|(id, source)| self.ups_view(id, source, at)).collect();
        let hosts = self.config.topology.hosts.keys().map(|id| self.host_view(id, &snapshot)).collect();
        let vms = snapshot.vms().map(|vm| self.vm_view(vm, &snapshot)).collect();
        let mut findings: Vec<Finding> = self.platform_findings().cloned().collect();
        findings.extend(self.needs_findings());
        findings.extend(self.inventory_failures.iter().map(|(platform, failure)| {
            Finding::error(
                "RT0422",
                format!("platform {platform}"),
                format!("What runs there cannot be read: {failure}."),
                "What was last known still counts. Run `ridethrough check --connect` to see what is wrong.",
            )
        }));
        findings.extend(self.battery_findings(at));
        findings.extend(self.overload_findings(at));
        for standing in self.standing.values() {
            findings.extend(standing.lint.iter().chain(&standing.report.findings).cloned());
        }
        findings.sort();
        findings.dedup();
        SiteView {
            upses,
            domains: self.config.topology.domains.keys().map(|id| self.domain_view(id, at)).collect(),
            hosts,
            loads: self.load_views(&snapshot),
            vms,
            run: self.run.as_ref().map(|run| self.run_view(run)),
            hold: self.hold_view(at),
            guards: self.guard_views(),
            findings,
            journal_degraded: self.log.is_degraded,
        }
    }

    fn ups_view(&self, id: &UpsId, source: &SourceState, now: Mono) -> UpsView {
        let reading = source.reading.as_ref();
        let timing = timing_of(&self.config.topology, id);
        UpsView {
            id: id.clone(),
            state: source.kind,
            status: reading.map(|reading| reading.status.to_string()),
            charge: reading.and_then(|reading| reading.charge),
            runtime: reading.and_then(|reading| reading.runtime),
            load: reading.and_then(|reading| reading.load),
            realpower: reading.and_then(|reading| reading.realpower),
            age: reading.map(|reading| now.since(reading.observed_at)),
            empty_in: source.deadline(&timing).map(|deadline| deadline.since(now)),
            ended_by: source.ended_by.filter(|_| source.kind.is_on_battery()),
            battery: self.battery_view(id, now),
            masters: source.masters.iter().cloned().collect(),
            silent_because: source.silence.as_ref().map(|silence| silence.message.clone()),
            maintenance_left: self.maintenance.get(id).map(|until| until.since(now)),
        }
    }

    fn domain_view(&self, id: &DomainId, now: Mono) -> DomainView {
        let state = self.domains.get(id).cloned().unwrap_or_default();
        DomainView {
            id: id.clone(),
            mode: self.mode(id),
            phase: state.phase,
            on_battery_for: (state.phase != DomainPhase::Online).then(|| state.on_battery_for(now)),
            ride_through_left: (state.phase == DomainPhase::OnBattery).then(|| {
                let whole = self.config.topology.domains.get(id).map_or(Millis::ZERO, |domain| domain.timing.ride_through);
                whole - state.on_battery_for(now)
            }),
            must_act_in: self.must_act(id, now).map(|at| at.since(now)),
            standing: self.standing.get(id).map(|s| (s.plan.clone(), s.report.clone(), s.lint.clone())),
        }
    }

    fn host_view(&self, id: &HostId, snapshot: &Snapshot<'_>) -> HostView {
        let info = self.inventories.values().find_map(|inventory| inventory.hosts.get(id));
        let (power, power_ends_in) = power_words(snapshot.host_risk(id), snapshot.now);
        let verdict = snapshot.hosts.get(id).copied().unwrap_or_default();
        HostView {
            id: id.clone(),
            verdict,
            connected: info.map(|info| info.connected),
            power_ends_in,
            power,
            timer: self.timer_view(id, snapshot.now),
        }
    }

    fn load_views(&self, snapshot: &Snapshot<'_>) -> Vec<LoadView> {
        let loads = snapshot.topology.loads.iter().filter(|(_, load)| load.can_stop || load.can_see);
        loads
            .map(|(id, load)| {
                let (power, power_ends_in) = power_words(snapshot.load_risk(load), snapshot.now);
                LoadView { id: id.clone(), verdict: snapshot.loads.get(id).copied().unwrap_or_default(), power_ends_in, power }
            })
            .collect()
    }

    fn vm_view(&self, vm: &Vm, snapshot: &Snapshot<'_>) -> VmView {
        let live = self.run.as_ref().and_then(|run| run.report.as_ref()).and_then(|report| report.fates.get(&vm.id));
        // What was done already is not what would be done.
        let done = live.is_none().then(|| self.done_to(vm)).flatten();
        let standing = || self.standing.values().find_map(|standing| standing.report.fates.get(&vm.id));
        let fate: Option<&Fate> = live.or_else(|| done.is_none().then(standing).flatten());
        VmView {
            id: vm.id.clone(),
            name: vm.name.clone(),
            host: vm.host.clone(),
            power: vm.power,
            tier: snapshot.policy.tier_of(vm).name,
            fate: done.or_else(|| fate.map(|fate| fate.fate.clone())),
            reason: fate.map(|fate| fate.reason.clone()),
            last_safe_in: live.and_then(|fate| fate.last_safe).map(|at| at.since(snapshot.now)),
        }
    }

    /// What the open run has done to a VM that is not where it was.
    fn done_to(&self, vm: &Vm) -> Option<String> {
        let run = self.run.as_ref()?;
        let home = run.homes.get(&vm.id).filter(|home| home.host != vm.host && run.moved.contains(&vm.id))?;
        Some(format!("moved here; goes back to {}", home.host))
    }

    fn run_view(&self, run: &RunState) -> RunView {
        let phases = || self.domains.values().map(|domain| domain.phase);
        let state = if phases().any(|phase| phase == DomainPhase::Acting) {
            "acting"
        } else if phases().any(|phase| phase == DomainPhase::OnBattery) {
            "on-battery"
        } else {
            "returning"
        };
        let mut view = run.view(|op| self.op_text(op));
        state.clone_into(&mut view.state);
        for action in &mut view.actions {
            action.done_ppm = self.live.get(&ridethrough_model::ActionId(action.id)).and_then(|live| live.done_ppm);
        }
        view
    }
}

fn power_words(risk: HostRisk, now: Mono) -> (String, Option<Millis>) {
    match risk {
        HostRisk::Safe => ("on mains".to_owned(), None),
        HostRisk::Presumed => ("presumed on mains: its UPS is silent".to_owned(), None),
        HostRisk::Unknown => ("not known".to_owned(), None),
        HostRisk::AtRisk { ends_at, upses, .. } => {
            let names: Vec<&str> = upses.iter().map(UpsId::as_str).collect();
            (format!("on battery ({})", names.join(", ")), Some(ends_at.since(now)))
        }
    }
}

impl RunState {
    /// The run for a person; `text` puts an operation into words.
    #[must_use]
    pub fn view(&self, text: impl Fn(&ridethrough_model::Op) -> String) -> RunView {
        let detail = |phase: &ActionPhase, detail: &Option<String>| match phase {
            ActionPhase::Failed(failure) => Some(failure.to_string()),
            ActionPhase::Dropped(reason) => Some(reason.clone()),
            _ => detail.clone(),
        };
        let name = |vm: &VmId| self.homes.get(vm).map_or_else(|| vm.to_string(), |home| home.name.clone());
        RunView {
            id: self.id,
            incident: self.incident,
            state: if self.end.is_some() { "ended" } else { "open" }.to_owned(),
            plan: self.plan.clone(),
            report: self.report.clone(),
            aborted: self.aborted.as_ref().map(AbortView::from),
            stopped: self.stopped.iter().map(name).collect(),
            moved: self.moved.iter().map(name).collect(),
            hosts_down: self.hosts_down.iter().cloned().collect(),
            actions: self
                .actions
                .iter()
                .map(|(id, action)| ActionView {
                    id: id.0,
                    text: text(&action.op),
                    phase: action.phase.clone(),
                    why: action.why.clone(),
                    detail: detail(&action.phase, &action.detail),
                    observe_only: action.observe_only,
                    done_ppm: None,
                })
                .collect(),
        }
    }
}
