//! A small battery: it drains by the load on it, charges on mains, and runs in real time. Not a model of chemistry: twice the load
//! is half the runtime, which is kinder than a real one.

use std::time::Instant;

/// Where the UPS takes its power from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Power {
    /// On mains; the battery charges by that many percent a second.
    Mains {
        charge_per_s: f64,
    },
    Battery,
}

#[derive(Clone, Debug)]
pub(crate) struct Pack {
    pub(crate) power: Power,
    /// 0 to 100.
    pub(crate) charge: f64,
    /// Seconds from full to empty under the load of `measured_w`.
    full_s: f64,
    measured_w: f64,
    pub(crate) load_w: f64,
    pub(crate) nominal_w: f64,
    at: Instant,
}

impl Pack {
    /// On mains, ten minutes, 400 of 1000 W.
    pub(crate) fn full() -> Self {
        Self {
            power: Power::Mains { charge_per_s: 1.0 },
            charge: 100.0,
            full_s: 600.0,
            measured_w: 400.0,
            load_w: 400.0,
            nominal_w: 1000.0,
            at: Instant::now(),
        }
    }

    /// Lasts so many seconds from full under the present load.
    pub(crate) fn lasts(&mut self, full_s: f64) {
        self.full_s = full_s.max(0.1);
        self.measured_w = self.load_w;
    }

    /// Lets the time that has passed do its work.
    pub(crate) fn advance(&mut self) {
        let passed = self.at.elapsed().as_secs_f64();
        self.at = Instant::now();
        self.let_pass(passed);
    }

    fn let_pass(&mut self, seconds: f64) {
        let change = match self.power {
            Power::Mains { charge_per_s } => charge_per_s * seconds,
            Power::Battery => -100.0 * seconds / self.full_now_s(),
        };
        self.charge = (self.charge + change).clamp(0.0, 100.0);
    }

    fn full_now_s(&self) -> f64 {
        self.full_s * self.measured_w / self.load_w
    }
    pub(crate) fn runtime_s(&self) -> f64 {
        self.full_now_s() * self.charge / 100.0
    }
    pub(crate) fn load_percent(&self) -> f64 {
        100.0 * self.load_w / self.nominal_w
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shed_load_lengthens_the_runtime() {
        let mut pack = Pack::full();
        pack.lasts(100.0);
        pack.power = Power::Battery;
        pack.let_pass(50.0);
        assert!((pack.charge - 50.0).abs() < 1e-6 && (pack.runtime_s() - 50.0).abs() < 1e-6);
        pack.load_w /= 2.0;
        assert!((pack.runtime_s() - 100.0).abs() < 1e-6, "half the load is twice the runtime");
        pack.let_pass(100.0);
        assert!(pack.charge.abs() < 1e-6, "and it is then empty");
        pack.power = Power::Mains { charge_per_s: 2.0 };
        pack.let_pass(10.0);
        assert!((pack.charge - 20.0).abs() < 1e-6);
    }
}
