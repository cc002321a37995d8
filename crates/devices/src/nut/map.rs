//! Variables of NUT into a reading. Vendor lore lives here: what is nonsense becomes "unknown", never a number.

use ridethrough_model::{BatteryReading, Millis, Milliwatts, Mono, OutputLimits, Ppm, Reading, StatusToken, UpsId, UpsStatus};
use std::collections::BTreeMap;

/// A runtime beyond a week is a counter at its end (65535 min, 0xFFFFFFFF s), not a battery.
const RUNTIME_MAX_S: u64 = 7 * 24 * 3600;

/// More battery modules are a register not set.
const PACKS_MAX: u32 = 1000;

/// The reading in a `LIST VAR` answer.
#[must_use]
pub fn reading(ups: UpsId, observed_at: Mono, vars: &BTreeMap<String, String>) -> Reading {
    let var = |name: &str| vars.get(name).map(String::as_str);
    let status = UpsStatus::parse(var("ups.status").unwrap_or_default());
    let is_on_mains = status.has(&StatusToken::Ol);
    Reading {
        ups,
        observed_at,
        charge: var("battery.charge").and_then(|text| percent(text, 100)),
        runtime: var("battery.runtime").and_then(|text| runtime(text, is_on_mains)),
        load: var("ups.load").and_then(|text| percent(text, 400)),
        realpower: var("ups.realpower").and_then(watts),
        // A UPS of no watts is one that does not know.
        realpower_nominal: var("ups.realpower.nominal").and_then(watts).filter(|power| power.0 > 0),
        runtime_low: var("battery.runtime.low").and_then(|text| runtime(text, false)),
        limits: limits(vars),
        battery: battery(vars),
        status,
    }
}

/// What ends the output besides an empty battery. Timers at rest are -1, 0 or another number that does not fall; the reader of
/// several looks tells those from one that runs. 100 % as a low charge is a register nobody has set.
fn limits(vars: &BTreeMap<String, String>) -> OutputLimits {
    let var = |name: &str| vars.get(name).map(String::as_str);
    let charge = |text: &str| percent(text, 99).filter(|charge| charge.0 > 0);
    let timer = |text: &str| runtime(text, true).filter(|left| left.0 > 0);
    let outlet = |(name, value): (&String, &String)| Some((outlet(name, ".autoswitch.charge.low")?, charge(value)?));
    let outlet_timer = |(name, value): (&String, &String)| Some((self::outlet(name, ".timer.shutdown")?, timer(value)?));
    let outlet_delay = |(name, value): (&String, &String)| Some((self::outlet(name, ".delay.shutdown")?, runtime(value, false)?));
    OutputLimits {
        shutdown_in: var("ups.timer.shutdown").and_then(timer),
        charge_low: var("battery.charge.low").and_then(charge),
        outlets_off_at: vars.iter().filter_map(outlet).collect(),
        outlet_timers: vars.iter().filter_map(outlet_timer).collect(),
        outlet_delays: vars.iter().filter_map(outlet_delay).collect(),
        starts_with_mains: var("ups.start.auto").and_then(|text| match text {
            "yes" | "1" | "enabled" => Some(true),
            "no" | "0" | "disabled" => Some(false),
            _ => None,
        }),
    }
}

/// Voltages, temperatures and modules. A voltage beyond any battery's and a temperature no room has are registers not set; zero
/// volts and exactly zero degrees are what cards without a sensor say.
fn battery(vars: &BTreeMap<String, String>) -> BatteryReading {
    let number = |name: &str| vars.get(name).and_then(|text| thousandths(text));
    let count = |name: &str| number(name).and_then(|count| u32::try_from(count / 1000).ok()).filter(|count| *count <= PACKS_MAX);
    let degrees =
        |name: &str| number(name).filter(|millis| (1000..=100_000).contains(millis)).and_then(|m| i32::try_from(m).ok());
    BatteryReading {
        voltage_mv: number("battery.voltage").filter(|mv| (1000..=1_000_000).contains(mv)).and_then(|mv| u32::try_from(mv).ok()),
        temperature_mc: degrees("battery.temperature").or_else(|| degrees("ups.temperature")),
        packs: count("battery.packs").filter(|packs| *packs > 0),
        packs_bad: count("battery.packs.bad"),
    }
}

/// The number of an outlet group in a variable's name with that end.
fn outlet(name: &str, end: &str) -> Option<u32> {
    name.strip_prefix("outlet.")?.strip_suffix(end)?.parse().ok()
}

/// Seconds. Zero on mains is a card that has not measured yet; 65535 is an empty register of 16 bits. Neither is a runtime.
fn runtime(text: &str, is_on_mains: bool) -> Option<Millis> {
    let millis = thousandths(text)?;
    let is_nonsense = millis / 1000 > RUNTIME_MAX_S || millis / 1000 == 65_535 || (millis == 0 && is_on_mains);
    (!is_nonsense).then_some(Millis(millis))
}

fn percent(text: &str, max: u64) -> Option<Ppm> {
    let thousandths = thousandths(text)?;
    (thousandths <= max * 1000).then(|| u32::try_from(thousandths * 10).ok()).flatten().map(Ppm)
}

fn watts(text: &str) -> Option<Milliwatts> {
    thousandths(text).map(Milliwatts)
}

/// A plain decimal times a thousand. Negative (-1 means "no value" in many drivers), exponents and texts are no numbers.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut digits = fraction.bytes().chain(std::iter::repeat(b'0'));
    let mut value: u64 = whole.parse().ok()?;
    for _ in 0..3 {
        value = value.checked_mul(10)?.checked_add(u64::from(digits.next()? - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Reading {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        reading(UpsId::new("a"), Mono(7), &vars)
    }

    #[test]
    fn what_a_ups_says_is_taken_in_its_units() {
        let all = read(&[
            ("ups.status", "OL CHRG"),
            ("battery.charge", "98.5"),
            ("battery.runtime", "11520.00"),
            ("ups.load", "7"),
            ("ups.realpower", "210.5"),
            ("battery.runtime.low", "180"),
        ]);
        assert_eq!(all.status.to_string(), "OL CHRG");
        assert_eq!((all.charge, all.load), (Some(Ppm(985_000)), Some(Ppm(70_000))));
        assert_eq!((all.runtime, all.runtime_low), (Some(Millis::from_secs(11_520)), Some(Millis::from_secs(180))));
        assert_eq!(all.realpower, Some(Milliwatts(210_500)));
    }

    #[test]
    fn nonsense_seen_in_the_field_is_unknown() {
        for (status, runtime) in
            [("OL", "-1"), ("OL", "0"), ("OB", "65535"), ("OB", "4294967295"), ("OB", "n/a"), ("OB", "1e3"), ("OB", "")]
        {
            assert_eq!(read(&[("ups.status", status), ("battery.runtime", runtime)]).runtime, None, "{status} {runtime}");
        }
        assert_eq!(
            read(&[("ups.status", "OB"), ("battery.runtime", "0")]).runtime,
            Some(Millis::ZERO),
            "on battery zero is the end"
        );
        assert_eq!(read(&[("battery.runtime.low", "65535")]).runtime_low, None);
        assert_eq!(read(&[("battery.charge", "255")]).charge, None);
        assert_eq!(read(&[("ups.realpower.nominal", "0")]).realpower_nominal, None);
        assert_eq!(read(&[("ups.realpower", "0")]).realpower, Some(Milliwatts(0)), "no load is a load");
        let silent = read(&[]);
        assert!(silent.status.0.is_empty() && silent.charge.is_none() && silent.load.is_none());
    }

    #[test]
    fn point_9_what_ends_the_output_is_read_and_timers_at_rest_are_none() {
        let limits = read(&[
            ("ups.timer.shutdown", "47"),
            ("battery.charge.low", "20"),
            ("outlet.1.autoswitch.charge.low", "0"),
            ("outlet.2.autoswitch.charge.low", "40"),
            ("outlet.x.autoswitch.charge.low", "40"),
            ("outlet.1.timer.shutdown", "-1"),
            ("outlet.2.timer.shutdown", "90"),
            ("outlet.1.delay.shutdown", "65535"),
            ("outlet.2.delay.shutdown", "30"),
            ("ups.start.auto", "no"),
        ])
        .limits;
        assert_eq!(limits.shutdown_in, Some(Millis::from_secs(47)));
        assert_eq!(limits.charge_low, Some(Ppm::from_percent(20)));
        assert_eq!(limits.outlets_off_at, [(2, Ppm::from_percent(40))].into());
        assert_eq!(limits.outlet_timers, [(2, Millis::from_secs(90))].into());
        assert_eq!(limits.outlet_delays, [(2, Millis::from_secs(30))].into());
        assert_eq!(limits.starts_with_mains, Some(false));
        for at_rest in ["-1", "-60", "0", "65535", "n/a"] {
            assert_eq!(read(&[("ups.timer.shutdown", at_rest)]).limits.shutdown_in, None, "{at_rest}");
        }
        assert_eq!(read(&[("battery.charge.low", "100")]).limits.charge_low, None, "a low charge of 100 % is a register not set");
    }

    #[test]
    fn what_a_battery_says_of_itself_is_taken_and_what_no_battery_says_is_not() {
        let battery = |vars: &[(&str, &str)]| read(vars).battery;
        let all = battery(&[
            ("battery.voltage", "54.4"),
            ("battery.temperature", "0"),
            ("ups.temperature", "31.5"),
            ("battery.packs", "3"),
            ("battery.packs.bad", "1"),
        ]);
        let wanted =
            BatteryReading { voltage_mv: Some(54_400), temperature_mc: Some(31_500), packs: Some(3), packs_bad: Some(1) };
        assert_eq!(all, wanted, "a card without a sensor says 0");
        let none = battery(&[("battery.voltage", "0"), ("battery.temperature", "-1"), ("battery.packs", "65535")]);
        assert_eq!(none, BatteryReading::default());
    }

    #[test]
    fn unknown_tokens_are_kept() {
        assert_eq!(read(&[("ups.status", "OB FROB lb")]).status.to_string(), "OB LB FROB");
    }
}
