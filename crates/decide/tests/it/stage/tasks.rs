//! What the stage's world does with an operation it is asked for: how long it takes, what it changes, what is said of it.

use super::Stage;
use ridethrough_decide::{Input, StepReply};
use ridethrough_model::*;

impl Stage {
    pub(super) fn finish_tasks(&mut self) {
        let due: Vec<String> = self.tasks.iter().filter(|(_, (at, _))| *at <= self.secs).map(|(task, _)| task.clone()).collect();
        for task in due {
            let (_, op) = self.tasks.remove(&task).expect("just listed");
            self.happen(&op);
        }
    }

    /// The world changes as the operation says.
    pub(super) fn happen(&mut self, op: &Op) {
        match op {
            Op::ShutDownHost { host } => {
                self.world.timers.remove(host.as_str());
                self.hosts_off.insert(host.to_string());
                for vm in self.inventory.vms.values_mut().filter(|vm| vm.host == *host && vm.power.is_active()) {
                    vm.power = VmPower::Off;
                }
            }
            Op::WakeHost { host } => {
                self.hosts_off.remove(host.as_str());
            }
            Op::StopLoad { load } | Op::StartLoad { load } if self.world.stuck_loads.contains(load.as_str()) => {}
            Op::StopLoad { load } => {
                self.loads_off.insert(load.to_string());
            }
            Op::StartLoad { load } => {
                self.loads_off.remove(load.as_str());
            }
            Op::DisarmGuard { guard, value, disarmed: to } | Op::RestoreGuard { guard, disarmed: value, value: to } => {
                if let Some(guard) = self.inventory.guards.get_mut(guard).filter(|guard| guard.value == *value) {
                    guard.value.clone_from(to);
                }
            }
            Op::AbortMove { vm, .. } => {
                self.tasks.retain(|_, (_, op)| !matches!(op, Op::MoveVm { vm: moving, .. } if moving == vm));
            }
            Op::AbortSuspend { vm, .. } => {
                self.tasks.retain(|_, (_, op)| !matches!(op, Op::SuspendVm { vm: saved, .. } if saved == vm));
            }
            _ => {
                let Some(vm) = op.vm().and_then(|vm| self.inventory.vms.get_mut(vm)) else { return };
                match op {
                    Op::MoveVm { .. } if self.world.immovable.contains(&vm.name) => {}
                    Op::MoveVm { to, .. } | Op::FinishMove { to, .. } => vm.host = to.clone(),
                    Op::SuspendVm { .. } => vm.power = VmPower::Suspended,
                    Op::StartVm { .. } => vm.power = VmPower::Running,
                    Op::SetAutostart { enabled, .. } => vm.autostart = Some(*enabled),
                    _ => vm.power = VmPower::Off,
                }
            }
        }
    }

    pub(super) fn answer_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        let (due, later) = calls.into_iter().partition(|(at, _)| *at <= self.secs);
        self.calls = later;
        for (_, input) in due {
            self.give(input);
        }
    }

    /// A hook answers when it has ended; its key is told along.
    fn call_hook(&mut self, run: RunId, action: ActionId, attempt: u32, hook: &Hook) {
        self.line(format!("call {hook} as {run}-{action} attempt {attempt}"));
        let (takes, answer) = self.world.hooks.get(&hook.to_string()).cloned().unwrap_or((1, Ok(())));
        let answer = answer.map(|()| Started::Task(TaskRef("answered".into())));
        self.calls.push((self.secs + takes, Input::Reply { run, action, attempt, reply: StepReply::Started(answer) }));
    }

    pub(super) fn start(&mut self, run: RunId, action: ActionId, attempt: u32, op: Op) {
        if let Op::CallHook { hook } = &op {
            return self.call_hook(run, action, attempt, hook);
        }
        self.line(format!("start {}", self.text(&op)));
        if let Some(guard) = op.guard().filter(|guard| self.world.stuck_guards.contains(guard.native())) {
            let message = format!("{guard} cannot be set");
            let failure = Failure { kind: FailureKind::Busy, took_effect: TookEffect::No, message };
            self.inputs.push_back(Input::Reply { run, action, attempt, reply: StepReply::Started(Err(failure)) });
            return;
        }
        let name = op.vm().and_then(|vm| self.inventory.vms.get(vm)).map(|vm| vm.name.clone()).unwrap_or_default();
        let takes = match &op {
            Op::ShutDownVm { .. } if self.world.hung.contains(&name) => u64::MAX / 2,
            Op::ShutDownVm { .. } if self.world.untold.remove(&name) => {
                let reply = StepReply::Started(Ok(Started::Task(TaskRef(op.to_string()))));
                self.inputs.push_back(Input::Reply { run, action, attempt, reply });
                return;
            }
            Op::ShutDownVm { .. } => self.world.stop_secs,
            Op::MoveVm { .. } if self.world.restless.contains(&name) => u64::MAX / 2,
            Op::MoveVm { .. } => self.world.move_secs,
            Op::FinishMove { vm, .. } => {
                self.tasks.retain(|_, (_, op)| !matches!(op, Op::MoveVm { vm: moving, .. } if moving == vm));
                self.world.move_secs
            }
            Op::SuspendVm { .. } => self.world.save_secs,
            Op::ShutDownHost { .. } | Op::WakeHost { .. } => 3,
            Op::StopLoad { .. } | Op::StartLoad { .. } => 4,
            Op::StartVm { .. } => 2,
            _ => 0,
        };
        self.tasks.insert(op.to_string(), (self.secs + takes, op.clone()));
        self.finish_tasks();
        if self.world.lost_replies.remove(&op.to_string()) {
            let failure =
                Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::Possible, message: "no answer".into() };
            self.inputs.push_back(Input::Reply { run, action, attempt, reply: StepReply::Started(Err(failure)) });
            return;
        }
        let reply = StepReply::Started(Ok(Started::Task(TaskRef(op.to_string()))));
        self.inputs.push_back(Input::Reply { run, action, attempt, reply });
    }

    pub(super) fn answer(&self, op: &Op) -> Result<Progress, Failure> {
        let vm = op.vm().and_then(|vm| self.inventory.vms.get(vm));
        if vm.is_some_and(|vm| self.world.unasked.contains(&vm.name)) {
            return Err(Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message: "no route".into() });
        }
        // Of a guest that runs on nobody can say whether it was told.
        if matches!(op, Op::ShutDownVm { .. }) && vm.is_some_and(|vm| vm.power.is_active()) {
            return Ok(Progress::Running { done_ppm: None });
        }
        Ok(self.progress(op))
    }

    pub(super) fn progress(&self, op: &Op) -> Progress {
        let is_finishing = |other: &Op| matches!(other, Op::FinishMove { vm, .. } if op.vm() == Some(vm));
        let is_split = matches!(op, Op::MoveVm { .. }) && self.tasks.values().any(|(_, other)| is_finishing(other));
        if is_split || self.tasks.contains_key(&op.to_string()) {
            return Progress::Running { done_ppm: None };
        }
        if let Op::DisarmGuard { guard, disarmed: to, .. } | Op::RestoreGuard { guard, value: to, .. } = op {
            let is_done = self.inventory.guards.get(guard).is_some_and(|guard| guard.value == *to);
            return if is_done { Progress::Done { detail: None } } else { refused("somebody else has set it") };
        }
        let vm = op.vm().and_then(|vm| self.inventory.vms.get(vm));
        let is_done = vm.is_some_and(|vm| match op {
            Op::ShutDownVm { .. } | Op::PowerOffVm { .. } | Op::SuspendVm { .. } => !vm.power.is_active(),
            Op::MoveVm { to, .. } | Op::FinishMove { to, .. } => vm.host == *to,
            Op::StartVm { .. } => vm.power.is_active(),
            Op::SetAutostart { enabled, .. } => vm.autostart == Some(*enabled),
            _ => true,
        });
        if is_done {
            return Progress::Done { detail: None };
        }
        refused("the move was given up")
    }
}

fn refused(message: &str) -> Progress {
    Progress::Failed(Failure { kind: FailureKind::Refused, took_effect: TookEffect::No, message: message.to_owned() })
}
