//! What goes wrong in a world, and how it is healed. What it is not: it decides nothing about when.

use super::*;

impl World {
    pub(super) fn twist(&mut self, twist: Twist, moment: &mut Moment) {
        match twist {
            Twist::Mains(ups, has_mains) => self.reality.set_mains(&ups, has_mains),
            Twist::Silence(ups, silence) => {
                if let Some(ups) = self.reality.upses.get_mut(&ups) {
                    ups.silence = silence;
                }
            }
            Twist::Forced(ups) => {
                if let Some(ups) = self.reality.upses.get_mut(&ups) {
                    ups.is_forced = true;
                }
            }
            Twist::Disk(state) => self.disk.state = state,
            Twist::Network(host, has_network) => {
                if let Some(host) = self.reality.hosts.get_mut(&host) {
                    host.has_network = has_network;
                }
            }
            Twist::Platform(works) => self.faults.is_platform_down = !works,
            Twist::Hung(vm, is_hung) => self.reality.set_hung(&vm, is_hung),
            Twist::SomebodyStops(vm) => self.reality.stop_by_hand(&vm, &self.estate),
            Twist::Guard(guard, value) => self.reality.meddle(&guard, &value),
            Twist::WallClock(shift_s) => self.wall_shift_s += shift_s,
            Twist::Command(command) => self.tell(Input::Command(command), moment),
            Twist::ControllerDies { down_for, reboots } => {
                self.process = None;
                self.disk.lose_tail();
                if reboots {
                    self.boot += 1;
                    self.booted_at = self.reality.at + down_for;
                }
                self.after(down_for, Event::Revive);
            }
            Twist::SaysLow(ups, says_low) => {
                if let Some(ups) = self.reality.upses.get_mut(&ups) {
                    ups.says_low = says_low;
                }
            }
            Twist::Lies(ups, percent) => {
                if let Some(ups) = self.reality.upses.get_mut(&ups) {
                    ups.states_percent = percent;
                }
            }
            Twist::Shrinks(shrinks) => self.reality.inventory_shrinks = shrinks,
            Twist::Refuses(vm, refuses) => self.reality.set_refuses(&vm, refuses),
            Twist::VmCreated(vm) => self.reality.create_vm(*vm),
            Twist::VmDeleted(vm) => self.reality.delete_vm(&vm),
            Twist::VmMoved(vm, to) => self.reality.carry_vm(&vm, &to),
            Twist::VmPowered(vm, is_on) => self.reality.switch_vm(&vm, is_on),
            Twist::Heal => self.heal(),
        }
    }

    /// Everything works from now on: what is left to see is whether all comes back.
    fn heal(&mut self) {
        self.faults = Faults::default();
        self.estate.moves_fail_percent = 0;
        self.estate.saves_fail_percent = 0;
        self.disk.state = DiskState::Works;
        let upses: Vec<UpsId> = self.reality.upses.keys().cloned().collect();
        for id in upses {
            self.reality.set_mains(&id, true);
            if let Some(ups) = self.reality.upses.get_mut(&id) {
                ups.silence = None;
                ups.states_runtime = true;
                ups.states_percent = 100;
                ups.says_low = false;
            }
        }
        self.reality.inventory_shrinks = false;
        for vm in self.reality.vms.values_mut() {
            vm.refuses = false;
        }
        for host in self.reality.hosts.values_mut() {
            host.has_network = true;
        }
    }
}
