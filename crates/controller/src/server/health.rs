//! For machines that watch machines: `/healthz` and `/metrics`.
//!
//! What is not known has no sample: no number stands for "unknown". State is a label, with the value 1 at the one that holds.

use super::routes::{Cx, present, status_now};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use ridethrough_api as api;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A loop that takes longer to answer is not healthy.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the loop runs and the journal keeps up: 200, or 503 with what is wrong. Needs no token and tells nothing of the site.
pub(super) async fn healthz(State(shared): Cx) -> Response {
    let (status, text) = match tokio::time::timeout(ANSWER_MAX, present(&shared)).await {
        Ok(Ok(present)) if present.view.journal_degraded => {
            (StatusCode::SERVICE_UNAVAILABLE, "the journal does not keep up; outages are still handled")
        }
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the control loop does not answer"),
    };
    (status, Json(api::Health { status: text.to_owned() })).into_response()
}

/// The state of the site in the OpenMetrics format.
pub(super) async fn metrics(State(shared): Cx) -> Response {
    let status = match status_now(&shared).await {
        Ok(status) => status,
        Err(refusal) => return refusal.into_response(),
    };
    let mut text = String::new();
    match encode(&mut text, &registry(&status)) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

type Labels = Vec<(String, String)>;
type Values = Family<Labels, Gauge<f64, AtomicU64>>;

/// A registry that is filled anew at each look, so that nothing outlives what it was about.
struct Sheet(Registry);

impl Sheet {
    fn put(&mut self, name: &str, help: &str, unit: Option<Unit>, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Values::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, family),
            None => self.0.register(name, help, family),
        }
    }
}

fn is(truth: bool) -> f64 {
    if truth { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "seconds and watts stay far below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

fn label(name: &str, value: &str) -> Labels {
    vec![(name.to_owned(), value.to_owned())]
}

fn registry(status: &api::Status) -> Registry {
    let mut sheet = Sheet(Registry::with_prefix("ridethrough"));
    sheet.put("build", "The running version", None, [(label("version", &status.version), 1.0)]);
    sheet.put("up", "How long the controller has been running", Some(Unit::Seconds), [(vec![], number(status.up_s))]);
    sheet.put("at_risk", "A UPS is on battery or a run is open", None, [(vec![], is(status.is_at_risk))]);
    sheet.put("run_open", "A run is under way", None, [(vec![], is(status.run.is_some()))]);
    sheet.put("journal_degraded", "The journal does not keep up", None, [(vec![], is(status.is_journal_degraded))]);
    let mut findings: BTreeMap<&str, u64> = BTreeMap::from([("info", 0), ("warning", 0), ("error", 0)]);
    for finding in &status.findings {
        *findings.entry(finding.level.as_str()).or_default() += 1;
    }
    let findings = findings.into_iter().map(|(level, count)| (label("level", level), number(count)));
    sheet.put("findings", "What is wrong or missing now", None, findings);
    upses(&mut sheet, &status.upses);
    domains(&mut sheet, &status.domains);
    machines(&mut sheet, status);
    let waiting = status.alerts.iter().map(|alert| (label("alert", &alert.name), number(alert.waiting.into())));
    sheet.put("alert_waiting", "Messages that wait to be delivered", None, waiting);
    let failing = status.alerts.iter().map(|alert| (label("alert", &alert.name), is(alert.error.is_some())));
    sheet.put("alert_failing", "The latest delivery failed", None, failing);
    sheet.0
}

fn upses(sheet: &mut Sheet, upses: &[api::Ups]) {
    let of = |value: fn(&api::Ups) -> Option<f64>| {
        let known = upses.iter().filter_map(move |ups| value(ups).map(|value| (label("ups", &ups.name), value)));
        known.collect::<Vec<_>>()
    };
    let states =
        upses.iter().map(|ups| (vec![("ups".to_owned(), ups.name.clone()), ("state".to_owned(), ups.state.clone())], 1.0));
    sheet.put("ups_state", "What the UPS is doing", None, states);
    let charge = of(|ups| ups.battery_charge_percent.map(|percent| percent / 100.0));
    sheet.put("ups_battery_charge", "Charge of its battery", Some(Unit::Ratios), charge);
    sheet.put("ups_runtime", "Runtime as the UPS states it", Some(Unit::Seconds), of(|ups| ups.runtime_s.map(number)));
    sheet.put("ups_load", "Load", Some(Unit::Ratios), of(|ups| ups.load_percent.map(|percent| percent / 100.0)));
    sheet.put("ups_realpower", "Real power", Some(Unit::Other("watts".to_owned())), of(|ups| ups.realpower_w.map(number)));
    sheet.put("ups_reading_age", "How old the last reading is", Some(Unit::Seconds), of(|ups| ups.age_s.map(number)));
    let empty = of(|ups| ups.empty_in_s.map(number));
    sheet.put("ups_empty_in", "On battery: time until it counts as empty, after margin", Some(Unit::Seconds), empty);
    sheet.put("ups_in_maintenance", "In maintenance", None, of(|ups| Some(is(ups.maintenance_left_s.is_some()))));
}

fn domains(sheet: &mut Sheet, domains: &[api::Domain]) {
    let of = |value: fn(&api::Domain) -> Option<f64>| {
        let known = domains.iter().filter_map(move |domain| value(domain).map(|value| (label("domain", &domain.name), value)));
        known.collect::<Vec<_>>()
    };
    let phases = domains
        .iter()
        .map(|domain| (vec![("domain".to_owned(), domain.name.clone()), ("phase".to_owned(), domain.phase.clone())], 1.0));
    sheet.put("domain_phase", "Where the domain is in an outage", None, phases);
    sheet.put("domain_armed", "The domain acts, and does not only observe", None, of(|domain| Some(is(domain.mode == "armed"))));
    let must_act = of(|domain| domain.must_act_in_s.map(number));
    sheet.put("domain_must_act_in", "Time until the last safe moment", Some(Unit::Seconds), must_act);
    let fits = of(|domain| domain.does_standing_plan_fit.map(is));
    sheet.put("domain_plan_fits", "Everything would fit the battery if mains were lost now", None, fits);
}

fn machines(sheet: &mut Sheet, status: &api::Status) {
    let states = status
        .hosts
        .iter()
        .map(|host| (vec![("host".to_owned(), host.name.clone()), ("state".to_owned(), host.state.clone())], 1.0));
    sheet.put("host_state", "on, off (proven) or unknown", None, states);
    let ends = status.hosts.iter().filter_map(|host| Some((label("host", &host.name), number(host.power_ends_in_s?))));
    sheet.put("host_power_ends_in", "Time until its power is taken to end", Some(Unit::Seconds), ends);
    let mut vms: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for vm in &status.vms {
        *vms.entry((vm.tier.as_str(), vm.state.as_str())).or_default() += 1;
    }
    let vms = vms.into_iter().map(|((tier, state), count)| {
        (vec![("tier".to_owned(), tier.to_owned()), ("state".to_owned(), state.to_owned())], number(count))
    });
    sheet.put("vms", "VMs by tier and state", None, vms);
}
