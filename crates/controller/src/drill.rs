//! Drills that touch nothing: on paper (a copy of the site is played through an outage) and preflight (everything is asked once).
//! Held off the loop, at a person's wish or at a set time; the loop only gives the copy and keeps the report.

use crate::alert::Exchange;
use crate::connect_check::{self, Endpoints};
use crate::pace::Pace;
use crate::server::Ask;
use jiff::{SpanFieldwise, Timestamp, Zoned, civil};
use ridethrough_decide::{Site, SiteConfig, rehearse};
use ridethrough_driver::HostPower;
use ridethrough_model::{DrillLevel, DrillPart, DrillReport, Finding, FindingLevel, Now};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the loop may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Who holds the drills of the configuration.
const SCHEDULE: &str = "schedule";

/// When a drill is held by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// After how many days, weeks or months again.
    pub every: SpanFieldwise,
    /// At what time of the day, in the machine's own zone.
    pub at: civil::Time,
}

impl Rhythm {
    /// Whether it is time. One that was never held is due at that time of the present day.
    #[must_use]
    pub fn is_due(&self, last: Option<Timestamp>, now: &Zoned) -> bool {
        let zone = now.time_zone();
        let date = match last {
            None => Ok(now.date()),
            Some(last) => last.to_zoned(zone.clone()).date().checked_add(self.every.0),
        };
        let due = date.and_then(|date| date.to_datetime(self.at).to_zoned(zone.clone()));
        // A date beyond all calendars never comes.
        due.is_ok_and(|due| *now >= due)
    }
}

/// What a drill is held with.
#[derive(Debug)]
pub(crate) struct Backstage {
    pub(crate) site: Site,
    pub(crate) config: SiteConfig,
    pub(crate) endpoints: Endpoints,
    pub(crate) now: Now,
    /// Why none may be held now.
    pub(crate) refusal: Option<Finding>,
}

/// Why there is no drill.
#[derive(Debug)]
pub(crate) enum NoDrill {
    /// The loop does not answer.
    Busy(&'static str),
    /// Not now.
    Refused(Box<Finding>),
}

async fn ask<T>(asks: &mpsc::Sender<Ask>, ask: Ask, answer: oneshot::Receiver<T>) -> Result<T, NoDrill> {
    asks.try_send(ask).map_err(|_| NoDrill::Busy("Too many questions are waiting."))?;
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(NoDrill::Busy("The controller is ending.")),
        Err(_) => Err(NoDrill::Busy("The controller did not answer in time.")),
    }
}

/// Holds one and has its report kept.
pub(crate) async fn hold(
    asks: &mpsc::Sender<Ask>,
    alerts: Option<&Arc<Exchange>>,
    level: DrillLevel,
    by: String,
) -> Result<DrillReport, NoDrill> {
    let (tx, rx) = oneshot::channel();
    let backstage = ask(asks, Ask::Backstage(tx), rx).await?;
    if let Some(finding) = backstage.refusal {
        return Err(NoDrill::Refused(Box::new(finding)));
    }
    let parts = match level {
        DrillLevel::Preflight => preflight(*backstage, alerts).await,
        _ => on_paper(*backstage).await,
    };
    let (tx, rx) = oneshot::channel();
    let kept = ask(asks, Ask::KeepDrill(level, parts, by, tx), rx).await?;
    kept.ok_or(NoDrill::Busy("The report was not kept."))
}

/// Plays an outage of each domain, on a thread where it may take its time.
async fn on_paper(backstage: Backstage) -> Vec<DrillPart> {
    let Backstage { site, config, now, .. } = backstage;
    let played = tokio::task::spawn_blocking(move || {
        config.topology.domains.keys().map(|domain| rehearse(&site, &now, domain)).collect::<Vec<_>>()
    });
    played.await.unwrap_or_else(|error| {
        let failures = vec![format!("playing it failed inside: {error}")];
        vec![DrillPart { subject: "site".to_owned(), failures, ..DrillPart::default() }]
    })
}

/// Asks everything once; one part for each that was asked, and for each that something was found about.
async fn preflight(backstage: Backstage, alerts: Option<&Arc<Exchange>>) -> Vec<DrillPart> {
    let Backstage { site, config, endpoints, now, .. } = backstage;
    let mut parts = asked(&endpoints);
    let mut findings = connect_check::check(&endpoints, &config, now.mono).await;
    findings.extend(config.topology.domains.keys().flat_map(|domain| site.unproven_of(domain)));
    for finding in findings {
        let text = format!("{} {}", finding.code, finding.message.trim_end_matches('.'));
        let known = parts.iter().position(|part| part.subject == finding.subject);
        let place = known.unwrap_or(parts.len());
        if known.is_none() {
            parts.push(DrillPart { subject: finding.subject, ..DrillPart::default() });
        }
        let part = &mut parts[place];
        let words = if finding.level == FindingLevel::Error { &mut part.failures } else { &mut part.warnings };
        if !words.contains(&text) {
            words.push(text);
        }
    }
    if let Some(alerts) = alerts {
        for (name, reached) in alerts.reach().await {
            let mut part = DrillPart { subject: format!("alert {name}"), ..DrillPart::default() };
            match reached {
                Ok(how) => part.notes.push(how.to_owned()),
                Err(why) => part.failures.push(why.to_string()),
            }
            parts.push(part);
        }
    }
    parts
}

/// What is asked, and how. A hook is not called: nobody knows what that would do.
fn asked(endpoints: &Endpoints) -> Vec<DrillPart> {
    let one = |subject: String, note: String| DrillPart { subject, notes: vec![note], ..DrillPart::default() };
    let by = |means: &[Arc<dyn HostPower>]| means.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    let upses =
        endpoints.devices.keys().map(|id| one(format!("UPS {id}"), "read, and logged in to where it has a user".to_owned()));
    let platforms =
        endpoints.platforms.keys().map(|id| one(format!("platform {id}"), "logged in to, and its inventory read".to_owned()));
    let hosts = endpoints.hosts.iter().map(|(id, means)| one(format!("host {id}"), format!("asked by {}", by(means))));
    let loads = endpoints.loads.iter().map(|(id, means)| one(format!("load {id}"), format!("asked by {}", by(means))));
    let hook = "not called: only an outage shows whether it works".to_owned();
    let hooks = endpoints.hooks.keys().map(|id| one(format!("hook {id}"), hook.clone()));
    upses.chain(platforms).chain(hosts).chain(loads).chain(hooks).collect()
}

/// Which drills are due.
pub(crate) fn due(pace: &Pace, held: &[DrillReport], now: Timestamp) -> Vec<DrillLevel> {
    let now = now.to_zoned(jiff::tz::TimeZone::system());
    let last = |level| held.iter().rev().find(|report| report.level == level).map(|report| report.at);
    let all = [(DrillLevel::Preflight, &pace.preflight), (DrillLevel::Paper, &pace.paper)];
    let is_due =
        |(level, rhythm): &(DrillLevel, &Option<Rhythm>)| rhythm.as_ref().is_some_and(|rhythm| rhythm.is_due(last(*level), &now));
    all.into_iter().filter(is_due).map(|(level, _)| level).collect()
}

/// Holds what is due, until it is dropped. One that cannot be held now is held later.
pub(crate) async fn keep_schedule(asks: mpsc::Sender<Ask>, alerts: Option<Arc<Exchange>>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let (tx, rx) = oneshot::channel();
        let Ok(due) = ask(&asks, Ask::DrillsDue(tx), rx).await else { continue };
        for level in due {
            match hold(&asks, alerts.as_ref(), level, SCHEDULE.to_owned()).await {
                Ok(report) => tracing::info!(number = report.number, %level, "a drill was held"),
                Err(NoDrill::Busy(why)) => tracing::warn!(%level, why, "a drill is due and cannot be held; it is tried again"),
                Err(NoDrill::Refused(finding)) => {
                    tracing::debug!(%level, why = finding.message, "a drill is due and cannot be held now");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(every: &str, at: &str, last: Option<&str>, now: &str) -> bool {
        let rhythm = Rhythm { every: SpanFieldwise(every.parse().expect("a span")), at: at.parse().expect("a time") };
        let last = last.map(|last| last.parse::<Timestamp>().expect("a moment"));
        // Middle Europe: an hour less in winter.
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let now = now.parse::<civil::DateTime>().expect("a local moment").to_zoned(zone).expect("in the calendar");
        rhythm.is_due(last, &now)
    }

    #[test]
    fn point_7_drills_are_due_at_their_time_of_the_day() {
        assert!(!check("1w", "09:00", None, "2026-11-27T08:59:59"));
        assert!(check("1w", "09:00", None, "2026-11-27T09:00:00"));
        // 08:00 UTC are 09:00 there.
        let last = Some("2026-11-20T08:00:10Z");
        assert!(!check("1w", "09:00", last, "2026-11-27T08:59:00"));
        assert!(check("1w", "09:00", last, "2026-11-27T09:00:00"), "though ten seconds less than a week have passed");
        assert!(check("1w", "09:00", last, "2026-12-24T03:00:00"), "one that was missed is held when it can be");
        assert!(!check("1d", "02:30", Some("2026-03-28T05:00:00Z"), "2026-03-29T01:59:00"));
        assert!(check("1d", "02:30", Some("2026-03-28T05:00:00Z"), "2026-03-29T04:00:00"), "an hour that the clock leaves out");
        assert!(!check("1mo", "09:00", Some("2026-10-31T08:00:00Z"), "2026-11-29T09:00:00"));
        assert!(check("1mo", "09:00", Some("2026-10-31T08:00:00Z"), "2026-11-30T09:00:00"));
    }
}
