//! The route that reads the configuration anew. Hands the wish over and tells the answer.

use super::Ask;
use super::hold::by;
use super::routes::{Answer, Cx, Refusal, ask_within};
use crate::convert;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use ridethrough_api::{self as api, ApiError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Reading and trying out have time limits of their own; this is a little more.
const ANSWER_MAX: Duration = Duration::from_secs(18);

pub(super) async fn reload(State(shared): Cx, body: Result<Json<api::ByRequest>, JsonRejection>) -> Answer<api::Commanded> {
    let (tx, rx) = oneshot::channel();
    match ask_within(&shared, Ask::Reload(by(body)?, tx), rx, ANSWER_MAX).await? {
        Ok(findings) => Ok(Json(api::Commanded { findings: findings.iter().map(convert::finding).collect() })),
        Err(unfit) => {
            let mut error = ApiError::new(&unfit.code, unfit.message, unfit.remedy);
            error.findings = unfit.findings.iter().map(convert::finding).collect();
            Err(Refusal(StatusCode::CONFLICT, error))
        }
    }
}
