//! How much of its table a battery still gives: a Kalman filter over the logarithm of its health, in integers.
//!
//! What it is fed: time and temperature (it ages), discharges to their end, discharges that mains ended (it gave at least that),
//! self-tests, and what the UPS itself says, as a sensor that may be off by band of load. What it gives: a median to show, and a
//! lower bound to plan with. `discharge` follows one discharge; `batteries` joins both to the site.

pub(crate) mod discharge;
mod trip;

pub use discharge::{Discharge, End, Forecast};
pub use trip::Trip;

use crate::fixed::{NANO, exp_times, ln_ratio, mul_div_i, root_nano};
use ridethrough_model::{BatteryState, Bias, Millis, Ppm};

/// A battery nothing is known of gives its table, give or take a tenth.
const PRIOR_VARIANCE: i64 = NANO / 100;
/// What it loses in a day at 25 degrees: four fifths are left after two and a half years.
const DRIFT_PER_DAY: i64 = 250_000;
/// How unsure a day makes: a fortieth in two months.
const DRIFT_VARIANCE_PER_DAY: i64 = 10_000;
/// Above and below 25 degrees it ages twice and half as fast every ten degrees.
const AGEING_DOUBLES_MC: i64 = 10_000;
const REFERENCE_MC: i64 = 25_000;
/// What it gives less for each degree below that.
const COLD_PER_DEGREE: i64 = 8_000_000;
/// How much is believed of an end that was seen, squared: 5 %.
pub(crate) const SEEN_END: i64 = 2_500_000;
/// Of low battery, which is the UPS's opinion of the end: 8 %.
pub(crate) const SEEN_LOW: i64 = 6_400_000;
/// Of a self-test, or of the charge that the UPS says went: 12 % and 25 %.
pub(crate) const SELF_TEST: i64 = 14_400_000;
pub(crate) const STATED_CHARGE: i64 = 62_500_000;
/// Of the UPS's own runtime once its bias is known: 20 %.
const STATED_RUNTIME: i64 = 40_000_000;
/// A bias nobody has seen may be anything.
const BIAS_PRIOR: i64 = NANO / 4;
/// The model itself is off by this, at least, and by this before three ends were seen.
const MODEL_MIN: i64 = 40_000_000;
const MODEL_UNSEEN: i64 = 70_000_000;
const RESIDUALS_MIN: i64 = 3;
const RESIDUALS_MAX: usize = 10;
/// Forecasts kept.
const ERRORS_MAX: usize = 20;
/// The bound that holds in 95 of 100 cases, in standard deviations.
const Z_95: i64 = 1_645_000_000;
/// The bound is at least so much below the median.
const MARGIN_MIN: Ppm = Ppm(900_000);
/// No battery gives more than this share of its table, or is believed to give less.
const HEALTH_MAX: i64 = 182_321_557;
const HEALTH_MIN: i64 = -2_995_732_274;

/// The filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// What it knows; goes into the journal.
    pub state: BatteryState,
}

impl Default for Estimator {
    /// A battery nothing is known of.
    fn default() -> Self {
        Self { state: BatteryState { variance: PRIOR_VARIANCE, ..BatteryState::default() } }
    }
}

impl Estimator {
    /// Time passes at that temperature (25 degrees where nobody says): it ages.
    pub fn age(&mut self, time: Millis, temperature_mc: Option<i32>) {
        let off = i64::from(temperature_mc.unwrap_or(25_000)).clamp(0, 60_000) - REFERENCE_MC;
        let doubles = mul_div_i(off, 693_147_181, AGEING_DOUBLES_MC);
        let per_day = i64::try_from(exp_times(DRIFT_PER_DAY.unsigned_abs(), doubles)).unwrap_or(DRIFT_PER_DAY);
        let days = |rate: i64| mul_div_i(rate, i64::try_from(time.0).unwrap_or(i64::MAX), 86_400_000);
        self.state.ln_health = (self.state.ln_health - days(per_day)).max(HEALTH_MIN);
        self.state.variance = (self.state.variance + days(DRIFT_VARIANCE_PER_DAY)).min(NANO);
    }

    /// Its health was measured as that (a logarithm), with that variance.
    pub fn observe(&mut self, ln_health: i64, variance: i64) {
        let measured = ln_health.clamp(HEALTH_MIN, HEALTH_MAX);
        let gain = mul_div_i(self.state.variance, NANO, self.state.variance + variance.max(1));
        self.state.ln_health += mul_div_i(gain, measured - self.state.ln_health, NANO);
        self.state.variance = mul_div_i(self.state.variance, NANO - gain, NANO);
    }

    /// It was seen to end (or to be low) after giving `given` of the `of` parts that a new one would have given.
    pub fn observe_end(&mut self, given: u64, of: u64, variance: i64) {
        let measured = ln_ratio(given, of);
        self.state.residuals.push(measured.clamp(HEALTH_MIN, HEALTH_MAX) - self.state.ln_health);
        if self.state.residuals.len() > RESIDUALS_MAX {
            self.state.residuals.remove(0);
        }
        self.state.ends_seen = self.state.ends_seen.saturating_add(1);
        self.observe(measured, variance);
    }

    /// It gave at least that share of its table and had not ended: nothing about what it would have given more. Only where that is
    /// more than it was believed to give at all is it news.
    pub fn observe_at_least(&mut self, given: u64, of: u64) {
        self.state.partial_seen = self.state.partial_seen.saturating_add(1);
        let at_least = ln_ratio(given, of);
        if at_least > self.state.ln_health {
            self.observe(at_least, SEEN_LOW);
        }
    }

    /// A self-test, or the sag under load, says that health; a weak word.
    pub fn observe_self_test(&mut self, ln_health: i64) {
        self.observe(ln_health, SELF_TEST);
    }

    /// What the UPS states in that band of load, as a logarithm over what the table gives. Counts for as much as its bias there
    /// is known.
    pub fn observe_stated(&mut self, band: u8, ln_health: i64) {
        let bias = self.bias(band);
        if bias.count > 0 {
            self.observe(ln_health - bias.ln, STATED_RUNTIME + bias.variance);
        }
    }

    /// What the UPS had stated in that band turned out to be off by that.
    pub fn learn_bias(&mut self, band: u8, off: i64) {
        let mut bias = self.bias(band);
        let gain = mul_div_i(bias.variance, NANO, bias.variance + STATED_RUNTIME);
        bias.ln += mul_div_i(gain, off - bias.ln, NANO);
        bias.variance = mul_div_i(bias.variance, NANO - gain, NANO);
        bias.count = bias.count.saturating_add(1);
        self.state.biases.insert(band, bias);
    }

    fn bias(&self, band: u8) -> Bias {
        self.state.biases.get(&band).copied().unwrap_or(Bias { ln: 0, variance: BIAS_PRIOR, count: 0 })
    }

    /// A forecast and what came of it.
    pub fn note_error(&mut self, error: ridethrough_model::ForecastError) {
        self.state.errors.push(error);
        if self.state.errors.len() > ERRORS_MAX {
            self.state.errors.remove(0);
        }
    }

    /// The share of its table that it is believed to give at that temperature.
    #[must_use]
    pub fn median(&self, temperature_mc: Option<i32>) -> Ppm {
        share(self.state.ln_health + cold(temperature_mc))
    }

    /// The share that it gives at least, in 95 of 100 cases; always some way below the median.
    #[must_use]
    pub fn lower(&self, temperature_mc: Option<i32>) -> Ppm {
        let bound = share(self.state.ln_health + cold(temperature_mc) - mul_div_i(Z_95, self.spread(), NANO));
        let median = u64::from(self.median(temperature_mc).0);
        bound.min(Ppm(u32::try_from(median * u64::from(MARGIN_MIN.0) / 1_000_000).unwrap_or(u32::MAX)))
    }

    /// How far the next end may be off, as a standard deviation: what the filter is unsure of and the least error of any model, or
    /// what ends were off by before, which holds both.
    fn spread(&self) -> i64 {
        let square = |deviation: i64| mul_div_i(deviation, deviation, NANO);
        let count = i64::try_from(self.state.residuals.len()).unwrap_or(i64::MAX);
        if count < RESIDUALS_MIN {
            return root_nano(self.state.variance.saturating_add(square(MODEL_UNSEEN)));
        }
        let seen = self.state.residuals.iter().map(|residual| square(*residual)).sum::<i64>() / count;
        root_nano(seen.max(self.state.variance.saturating_add(square(MODEL_MIN))))
    }
}

fn share(ln: i64) -> Ppm {
    Ppm(u32::try_from(exp_times(1_000_000, ln.clamp(HEALTH_MIN, HEALTH_MAX))).unwrap_or(1_000_000).max(1))
}

/// What cold takes, as a logarithm.
pub(crate) fn cold(temperature_mc: Option<i32>) -> i64 {
    let below = REFERENCE_MC - i64::from(temperature_mc.unwrap_or(25_000)).clamp(-20_000, 25_000);
    -mul_div_i(below, COLD_PER_DEGREE, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::FULL;

    const DAY: Millis = Millis::from_secs(86_400);

    fn percent(share: Ppm) -> u32 {
        share.0 / 10_000
    }

    #[test]
    fn a_new_battery_is_believed_with_care_and_ages_faster_in_the_heat() {
        let new = Estimator::default();
        assert_eq!(percent(new.median(None)), 100);
        assert!((78..=83).contains(&percent(new.lower(None))), "{}", new.lower(None));
        let after = |years: u64, temperature: i32| {
            let mut battery = Estimator::default();
            battery.age(Millis(DAY.0 * 365 * years), Some(temperature));
            battery
        };
        assert_eq!(percent(after(3, 25_000).median(None)), 76);
        assert_eq!(percent(after(3, 35_000).median(None)), 57, "twice as fast");
        assert!(after(3, 25_000).lower(None) < Ppm::from_percent(60), "and nobody has looked: {}", after(3, 25_000).lower(None));
        assert_eq!(percent(new.median(Some(15_000))), 92, "a cold room");
    }

    #[test]
    fn ends_that_are_seen_teach_it_and_narrow_the_bound() {
        let mut battery = Estimator::default();
        for _ in 0..5 {
            battery.observe_end(FULL / 10 * 7, FULL, SEEN_END);
        }
        assert!((70..=72).contains(&percent(battery.median(None))), "{}", battery.median(None));
        let narrow = battery.lower(None);
        battery.observe_end(FULL / 2, FULL, SEEN_END);
        assert!(battery.lower(None) < narrow, "a surprise widens it again");
    }

    #[test]
    fn a_discharge_that_mains_ended_says_only_that_it_gave_so_much() {
        let mut battery = Estimator::default();
        battery.observe(ln_ratio(6, 10), SEEN_END);
        let before = battery.clone();
        battery.observe_at_least(FULL / 10 * 3, FULL);
        assert_eq!(battery.median(None), before.median(None), "less than it was believed to give is no news");
        battery.observe_at_least(FULL / 10 * 9, FULL);
        assert!(battery.median(None) > before.median(None), "it has given more than it was believed to have");
        assert!(battery.median(None) < Ppm::from_percent(90), "but not more than it gave");
    }

    #[test]
    fn the_upss_own_figure_counts_once_its_bias_is_known() {
        let mut battery = Estimator::default();
        battery.observe_stated(2, ln_ratio(2, 1));
        assert_eq!(percent(battery.median(None)), 100, "nothing is known of how far it is off");
        for _ in 0..4 {
            battery.learn_bias(2, ln_ratio(2, 1));
        }
        battery.observe_stated(2, ln_ratio(16, 10));
        assert!(
            (85..=96).contains(&percent(battery.median(None))),
            "it says 160 %, and always says twice: {}",
            battery.median(None)
        );
    }
}
