//! The routes of drills. They are played or asked here, off the loop, and their report is handed over to be kept.

use super::routes::{Answer, Cx, Refusal, Shared, ask_within, not_found};
use super::{Ask, hold};
use crate::drill;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use ridethrough_api as api;
use ridethrough_api::{ApiError, code};
use ridethrough_model::{DrillLevel, DrillReport};
use std::time::Duration;
use tokio::sync::oneshot;

type Body<T> = Result<Json<T>, JsonRejection>;

/// How long the loop may take for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub(super) async fn list(State(shared): Cx) -> Answer<api::Drills> {
    let reports = reports(&shared).await?;
    let drills = (0..reports.len()).rev().map(|place| told(&reports, place)).collect();
    Ok(Json(api::Drills { drills }))
}

pub(super) async fn one(State(shared): Cx, Path(id): Path<String>) -> Answer<api::Drill> {
    let reports = reports(&shared).await?;
    let place = reports.iter().position(|report| report.number.to_string() == id);
    let unknown = || not_found(format!("There is no drill {id}, or it is too long ago."), "`ridethrough drill list` lists them.");
    place.map(|place| Json(told(&reports, place))).ok_or_else(unknown)
}

pub(super) async fn paper(State(shared): Cx, body: Body<api::ByRequest>) -> Answer<api::Drill> {
    let by = hold::by(body)?;
    hold_and_tell(&shared, DrillLevel::Paper, by).await
}

pub(super) async fn preflight(State(shared): Cx, body: Body<api::ByRequest>) -> Answer<api::Drill> {
    let by = hold::by(body)?;
    hold_and_tell(&shared, DrillLevel::Preflight, by).await
}

async fn hold_and_tell(shared: &Shared, level: DrillLevel, by: String) -> Answer<api::Drill> {
    let refused = |refusal: drill::NoDrill| match refusal {
        drill::NoDrill::Busy(message) => {
            let remedy = "Ask again; if it stays so, look at the log of `ridethrough serve`.";
            Refusal(StatusCode::SERVICE_UNAVAILABLE, ApiError::new(code::BUSY, message, remedy))
        }
        drill::NoDrill::Refused(finding) => {
            let remedy = "Do what the finding says, then ask again.";
            let mut error = ApiError::new(code::REFUSED, "Refused: no drill is held now.", remedy);
            error.findings = vec![crate::convert::finding(&finding)];
            Refusal(StatusCode::CONFLICT, error)
        }
    };
    let report = drill::hold(&shared.asks, shared.alerts.as_ref(), level, by).await.map_err(refused)?;
    let reports = reports(shared).await?;
    let place = reports.iter().position(|kept| kept.number == report.number);
    Ok(Json(place.map_or_else(|| told(std::slice::from_ref(&report), 0), |place| told(&reports, place))))
}

async fn reports(shared: &Shared) -> Result<Vec<DrillReport>, Refusal> {
    let (tx, rx) = oneshot::channel();
    ask_within(shared, Ask::Drills(tx), rx, ANSWER_MAX).await
}

/// One of them, held against the last before it that was about the same.
fn told(reports: &[DrillReport], place: usize) -> api::Drill {
    let report = &reports[place];
    let last = reports[..place].iter().rev().find(|last| report.is_like(last));
    api::Drill {
        id: report.number,
        level: report.level.word().to_owned(),
        at: crate::narrate::moment(report.at),
        by: report.by.clone(),
        is_good: report.is_good(),
        parts: report
            .parts
            .iter()
            .map(|part| api::DrillPart {
                subject: part.subject.clone(),
                duration_s: part.duration.map(ridethrough_model::Millis::as_secs),
                margin_s: part.margin.map(ridethrough_model::Millis::as_secs),
                failures: part.failures.clone(),
                warnings: part.warnings.clone(),
                notes: part.notes.clone(),
            })
            .collect(),
        compared_with: last.map(|last| last.number),
        worse: last.map(|last| report.worse_than(last)).unwrap_or_default(),
    }
}
