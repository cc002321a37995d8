//! The routes of what people hold back. Decides nothing: it hands the wish over and tells the answer.

use super::routes::{Answer, Cx, command, malformed, short};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use ridethrough_api as api;
use ridethrough_decide::Command;
use ridethrough_model::Millis;

type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) async fn hold(State(shared): Cx, body: Body<api::HoldRequest>) -> Answer<api::Commanded> {
    let Json(body) = body.map_err(|error| malformed(error.body_text()))?;
    let duration = Millis(body.duration_ms);
    command(&shared, Command::Hold { duration, even_if_lost: body.even_if_lost, by: short(body.by)? }).await
}

pub(super) async fn release(State(shared): Cx, body: Body<api::ByRequest>) -> Answer<api::Commanded> {
    command(&shared, Command::ReleaseHold { by: by(body)? }).await
}

pub(super) async fn abort(State(shared): Cx, body: Body<api::ByRequest>) -> Answer<api::Commanded> {
    command(&shared, Command::Abort { by: by(body)? }).await
}

pub(super) async fn bring_back(State(shared): Cx, body: Body<api::ByRequest>) -> Answer<api::Commanded> {
    command(&shared, Command::Return { by: by(body)? }).await
}

pub(super) fn by(body: Body<api::ByRequest>) -> Result<String, super::routes::Refusal> {
    let Json(body) = body.map_err(|error| malformed(error.body_text()))?;
    short(body.by)
}
