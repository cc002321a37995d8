//! What is said of batteries and of what draws from them: runtime tables, nominal powers, days, draws.

use super::{Findings, Subject};
use crate::config::Config;
use crate::config::convert::battery;
use crate::config::section::Ups;
use crate::config::value::Watts;
use ridethrough_decide::battery::{RuntimeTable, TableFault, law};
use ridethrough_model::{Millis, Milliwatts};
use std::ops::Range;

/// A battery older than this is a slip of the pen.
const AGE_MAX_YEARS: i16 = 30;
/// A server that draws more is none.
const DRAW_MAX: Milliwatts = Milliwatts(100_000_000);
/// More modules are a slip of the pen.
const MODULES_MAX: u32 = 64;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.upses {
        let subject = Subject::new("UPS", name, entry);
        nominal(&entry.value, &subject, findings);
        table(&entry.value, &subject, findings);
        installed(&entry.value, &subject, findings);
        modules(&entry.value, &subject, findings);
    }
    for (name, entry) in &config.hosts {
        let Some(power) = &entry.value.power else { continue };
        let subject = Subject::new("host", name, entry);
        draw("idle", power.idle.as_ref(), &subject, findings);
        draw("max", power.max.as_ref(), &subject, findings);
        if let (Some(idle), Some(max)) = (&power.idle, &power.max)
            && idle.0 > max.0
        {
            let message = format!("it would draw {} idle and {} at its most.", idle.0, max.0);
            findings.error("RT0129", &subject, Some(max.span()), &message, "`idle` is the smaller one of the two.");
        }
    }
    for (name, entry) in &config.loads {
        draw("draws", entry.value.draws(), &Subject::new("load", name, entry), findings);
    }
}

fn nominal(ups: &Ups, subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(nominal) = &ups.nominal_power {
        let message = match nominal.0 {
            Milliwatts::ZERO => "a UPS of no watts carries nothing.".to_owned(),
            power if power > ridethrough_decide::battery::table::LOAD_MAX => format!("no UPS is built for {power}."),
            _ => return,
        };
        let remedy = "Take the watts (not the VA) from its data sheet, or leave it out where the UPS says them itself.";
        findings.error("RT0129", subject, Some(nominal.span()), &message, remedy);
    }
}

fn table(ups: &Ups, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(written) = &ups.runtime_table else { return };
    let points = battery(ups).runtimes;
    let made = match points[..] {
        [one, other] => law(one, other),
        _ => RuntimeTable::new(&points),
    };
    let faults = match &made {
        Ok((_, faults)) | Err(faults) => faults,
    };
    for fault in faults {
        let message = format!("{fault}.");
        if fault.is_fatal() {
            findings.error("RT0128", subject, Some(place(written.span(), fault, subject)), &message, fault.remedy());
        } else {
            findings.warning("RT0128", subject, Some(written.span()), &message, fault.remedy());
        }
    }
    let Ok((table, _)) = made else { return };
    if points.len() == 1 {
        let message =
            "one point says how long it lasts at one load only; below it little is won by shedding, beyond it little is known.";
        let remedy = "Add the points of the vendor's table between a fifth of the load and all of it.";
        findings.info("RT0128", subject, Some(written.span()), message, remedy);
    }
    if let Some(nominal) = &ups.nominal_power
        && nominal.0 > Milliwatts::ZERO
        && table.top().scaled(2, 1) < nominal.0
    {
        let message = format!("the runtime table ends at {}, less than half of its nominal {}.", table.top(), nominal.0);
        let remedy = "Add points up to the greatest load that occurs: beyond the last one the table is a guess.";
        findings.warning("RT0128", subject, Some(written.span()), &message, remedy);
    }
    if table.lasts(table.top()) > Millis::from_secs(24 * 3600) {
        let message = format!("the runtime table says that {} last {}.", table.top(), table.lasts(table.top()));
        findings.warning("RT0128", subject, Some(written.span()), &message, "Look at the units: \"22m\" are minutes.");
    }
}

/// Where a point stands, as far as the text tells: the points are the brackets in the list.
fn place(list: Range<usize>, fault: &TableFault, subject: &Subject<'_>) -> Range<usize> {
    let Some(point) = fault.place() else { return list };
    let text = subject.place.source.text.get(list.clone()).unwrap_or_default();
    let begin = text.char_indices().filter(|(_, c)| *c == '[').nth(point + 1).map(|(at, _)| at);
    let span = begin.and_then(|begin| Some(list.start + begin..list.start + begin + text[begin..].find(']')? + 1));
    span.unwrap_or(list)
}

fn installed(ups: &Ups, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(day) = &ups.battery_installed else { return };
    let today = jiff::Zoned::now().date();
    let remedy = "Write the day the battery was put in, as 2024-05-01.";
    if day.0 > today {
        let message = format!("its battery would be put in on {}, which is still to come.", day.0);
        findings.error("RT0129", subject, Some(day.span()), &message, remedy);
    } else if today.year() - day.0.year() > AGE_MAX_YEARS {
        findings.error("RT0129", subject, Some(day.span()), &format!("its battery would be from {}.", day.0), remedy);
    }
}

fn modules(ups: &Ups, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(modules) = &ups.battery_modules else { return };
    if **modules == 0 || **modules > MODULES_MAX {
        let message = format!("`battery_modules = {}` makes no sense.", **modules);
        let remedy = "Say how many modules `runtime_table` is for, or leave it out.";
        findings.error("RT0129", subject, Some(modules.span()), &message, remedy);
    } else if ups.runtime_table.is_none() {
        let message = "`battery_modules` is of no use without a `runtime_table`.";
        findings.warning("RT0129", subject, Some(modules.span()), message, "Add the vendor's table, or take it out.");
    }
}

fn draw(key: &str, written: Option<&Watts>, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(watts) = written else { return };
    let message = match watts.0 {
        Milliwatts::ZERO => format!("`{key}` of nothing makes no sense."),
        power if power > DRAW_MAX => format!("`{key}` is {power}, more than a whole row of racks."),
        _ => return,
    };
    findings.error("RT0129", subject, Some(watts.span()), &message, "Write what it draws, or leave it out: it is then learned.");
}
