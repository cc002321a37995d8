//! What a run still has to bring back: marks are set with an intent, and taken off when what was sent away is seen back. Part of the
//! run's fold.

use crate::run::RunState;
use ridethrough_model::{ActionId, Op};

impl RunState {
    /// What came back needs no bringing back any more, unless it was sent away again before its coming back was seen.
    pub(crate) fn undo_marks(&mut self, op: &Op, tried_in: Option<u64>) {
        let is_later = |is_away: &dyn Fn(&Op) -> bool| {
            self.actions.values().any(|action| action.attempts > 0 && action.tried_in > tried_in && is_away(&action.op))
        };
        match op {
            Op::StartVm { vm, .. } if !is_later(&|away| away.is_stop() && away.vm() == Some(vm)) => {
                self.stopped.remove(vm);
                self.awaited.insert(vm.clone());
            }
            Op::MoveVm { vm, to, .. }
                if self.homes.get(vm).is_some_and(|home| home.host == *to)
                    && !is_later(&|away| matches!(away, Op::MoveVm { vm: moved, from, .. } if moved == vm && from == to)) =>
            {
                self.moved.remove(vm);
            }
            Op::WakeHost { host } if !is_later(&|away| matches!(away, Op::ShutDownHost { host: down } if down == host)) => {
                self.hosts_down.remove(host);
                self.latched.remove(host);
            }
            Op::StartLoad { load } if !is_later(&|away| matches!(away, Op::StopLoad { load: down } if down == load)) => {
                self.loads_down.remove(load);
            }
            Op::RestoreGuard { guard, .. } => self.note_put_back(guard, tried_in),
            _ => {}
        }
    }

    /// What was never sent has stopped nothing.
    pub(crate) fn take_back_marks(&mut self, action: ActionId, op: &Op) {
        let others =
            || self.actions.iter().filter(|(id, state)| **id != action && state.attempts > 0).map(|(_, state)| &state.op);
        match op {
            Op::ShutDownVm { vm, .. } | Op::PowerOffVm { vm, .. } | Op::SuspendVm { vm, .. }
                if !others().any(|o| o.is_stop() && o.vm() == Some(vm)) =>
            {
                self.stopped.remove(vm);
            }
            Op::MoveVm { vm, .. } if !others().any(|o| matches!(o, Op::MoveVm { vm: moved, .. } if moved == vm)) => {
                self.moved.remove(vm);
            }
            Op::ShutDownHost { host } if !others().any(|o| matches!(o, Op::ShutDownHost { host: down } if down == host)) => {
                self.hosts_down.remove(host);
            }
            Op::CallHook { hook } => {
                self.hooks_called.remove(hook);
            }
            Op::StopLoad { load } if !others().any(|o| matches!(o, Op::StopLoad { load: down } if down == load)) => {
                self.loads_down.remove(load);
            }
            Op::DisarmGuard { guard, .. } => self.take_back_guard(action, guard),
            _ => {}
        }
    }
}
