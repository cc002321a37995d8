//! What can be asked, and how it is said no to.

use super::table::{Routes, openapi};
use super::{Ask, Imagined, Present, drills, health, history, hold, reload};
use crate::alert::Exchange;
use crate::convert;
use crate::narrate::{Names, moment};
use crate::token::Token;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ridethrough_api as api;
use ridethrough_api::{ApiError, BASE, HEALTH, METRICS, code};
use ridethrough_decide::{Command, CommandReply};
use ridethrough_model::{DomainId, DomainMode, Millis, RunId, UpsId};
use ridethrough_store::Reader;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Bytes of a body.
const BODY_MAX: usize = 16 << 10;
/// How long the loop may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Characters of a name in a path or a "by".
const NAME_MAX: usize = 200;

/// What every handler has.
pub(super) struct Shared {
    pub(super) token: Token,
    pub(super) alerts: Option<Arc<Exchange>>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) reader: Arc<Mutex<Reader>>,
}

pub(super) type Cx = State<Arc<Shared>>;
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// An answer that is not 2xx.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) ApiError);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let Routes { guarded, open, listed } = routes();
    tracing::debug!(routes = listed.len(), "the API is served");
    guarded
        .fallback(async || not_found("There is no such path.", "The paths are listed in docs/openapi.json."))
        .method_not_allowed_fallback(async || wrong_method())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(shared.clone(), authorize))
        .merge(open)
        .with_state(shared)
}

/// Everything that can be asked.
pub(super) fn routes() -> Routes {
    Routes::default()
        .api("get", "/status", get(status))
        .api("get", "/plan", get(plan))
        .api("get", "/events", get(events))
        .api("get", "/runs", get(runs))
        .api("get", "/runs/{id}", get(run))
        .api("post", "/domains/{name}/arm", post(arm))
        .api("post", "/domains/{name}/disarm", post(disarm))
        .api("post", "/ups/{name}/maintenance", post(maintenance))
        .api("post", "/hold", post(hold::hold))
        .api("post", "/hold/release", post(hold::release))
        .api("post", "/abort", post(hold::abort))
        .api("post", "/return", post(hold::bring_back))
        .api("post", "/reload", post(reload::reload))
        .api("get", "/drills", get(drills::list))
        .api("get", "/drills/{id}", get(drills::one))
        .api("post", "/drills/paper", post(drills::paper))
        .api("post", "/drills/preflight", post(drills::preflight))
        .guarded("get", METRICS, get(health::metrics))
        .open("get", HEALTH, get(health::healthz))
        .open("get", &format!("{BASE}/openapi.json"), get(openapi))
}

async fn authorize(State(shared): Cx, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer "));
    if token.is_some_and(|token| shared.token.is(token.trim())) {
        return next.run(request).await;
    }
    let message = if token.is_some() { "The token is wrong." } else { "The request carries no token." };
    let remedy = "Send `Authorization: Bearer TOKEN` with the text of the file `api-token` in the data directory.";
    Refusal(StatusCode::UNAUTHORIZED, ApiError::new(code::UNAUTHORIZED, message, remedy)).into_response()
}

async fn status(State(shared): Cx) -> Answer<api::Status> {
    Ok(Json(status_now(&shared).await?))
}

/// The site as the loop tells it, and how alerts do, which the loop does not know.
pub(super) async fn status_now(shared: &Shared) -> Result<api::Status, Refusal> {
    let deliveries = shared.alerts.as_ref().map(|alerts| alerts.deliveries()).unwrap_or_default();
    Ok(convert::status(&*present(shared).await?, &deliveries))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    #[serde(rename = "if")]
    condition: Option<String>,
}

async fn plan(State(shared): Cx, query: Result<Query<PlanQuery>, QueryRejection>) -> Answer<api::PlanAnswer> {
    let Query(query) = query.map_err(|error| malformed(error.body_text()))?;
    let Some(condition) = query.condition else {
        return Ok(Json(plans_now(&*present(&shared).await?)));
    };
    let named = condition.strip_prefix("ups=").unwrap_or_default();
    let upses: BTreeSet<UpsId> = named.split(',').map(str::trim).filter(|name| !name.is_empty()).map(UpsId::from).collect();
    if upses.is_empty() {
        return Err(malformed(format!("`if={condition}` names no UPS; write `if=ups=NAME` or `if=ups=NAME,NAME`.")));
    }
    let (tx, rx) = oneshot::channel();
    let (present, imagined) = *ask(&shared, Ask::PlanIf(upses.clone(), tx), rx).await?;
    let known: BTreeSet<&UpsId> = present.view.upses.iter().map(|ups| &ups.id).collect();
    if let Some(stranger) = upses.iter().find(|ups| !known.contains(ups)) {
        let known: Vec<&str> = known.iter().map(|ups| ups.as_str()).collect();
        return Err(not_found(format!("There is no UPS {stranger}."), format!("Configured are: {}.", known.join(", "))));
    }
    let scope = api::PlanScope::Upses(upses.iter().map(ToString::to_string).collect());
    let plans = vec![imagined_plan(scope, &imagined, &present)];
    Ok(Json(api::PlanAnswer { at: moment(present.now.wall), plans }))
}

fn imagined_plan(scope: api::PlanScope, (plan, report, lint): &Imagined, present: &Present) -> api::Plan {
    let plan = convert::plan(scope, plan, report, lint, &names(present), plan.made_at);
    api::Plan { id: 0, ..plan }
}

/// The plan in force, or what is kept ready for each domain.
fn plans_now(present: &Present) -> api::PlanAnswer {
    let names = names(present);
    let in_force = present.view.run.as_ref().and_then(|run| Some((run.id, run.plan.as_ref()?, run.report.as_ref()?)));
    let plans = match in_force {
        Some((id, plan, report)) => {
            vec![convert::plan(api::PlanScope::Run(id.0), plan, report, &[], &names, present.now.mono)]
        }
        None => present
            .view
            .domains
            .iter()
            .filter_map(|domain| domain.standing.as_ref().map(|standing| (domain, standing)))
            .map(|(domain, standing)| imagined_plan(api::PlanScope::Domain(domain.id.to_string()), standing, present))
            .collect(),
    };
    api::PlanAnswer { at: moment(present.now.wall), plans }
}

fn names(present: &Present) -> Names {
    let view = &present.view;
    Names {
        vms: view.vms.iter().map(|vm| (vm.id.clone(), vm.name.clone())).collect(),
        guards: view.guards.iter().map(|guard| (guard.id.clone(), guard.name.clone())).collect(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    run: Option<u64>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn events(State(shared): Cx, query: Result<Query<EventsQuery>, QueryRejection>) -> Answer<api::EventsPage> {
    let Query(query) = query.map_err(|error| malformed(error.body_text()))?;
    let after = match query.after.as_deref().map(history::Place::parse) {
        None => None,
        Some(Some(place)) => Some(place),
        Some(None) => return Err(malformed("`after` is not of the form RUN:SEQ.")),
    };
    let limit = query.limit.unwrap_or(history::PAGE).clamp(1, history::PAGE_MAX);
    let names = names(&*present(&shared).await?);
    let page = read(&shared, move |reader| history::events(reader, names, query.run.map(RunId), after, limit)).await?;
    page.map(Json).ok_or_else(|| not_found("There is no such record.", "Give `after` a record that was told before."))
}

async fn runs(State(shared): Cx) -> Answer<api::Runs> {
    read(&shared, history::runs).await.map(Json)
}

async fn run(State(shared): Cx, Path(id): Path<String>) -> Answer<api::RunDetail> {
    let unknown = || not_found(format!("There is no run {id}."), "`ridethrough runs` lists them.");
    let number: u64 = id.parse().map_err(|_| unknown())?;
    let present = present(&shared).await?;
    let names = names(&present);
    let live = present.view.run.clone().filter(|run| run.id == RunId(number));
    let detail = read(&shared, move |reader| history::run(reader, names, RunId(number), live)).await?;
    detail.map(Json).ok_or_else(unknown)
}

async fn arm(shared: Cx, name: Path<String>, body: Result<Json<api::SetModeRequest>, JsonRejection>) -> Answer<api::Commanded> {
    set_mode(shared, name, body, DomainMode::Armed).await
}

async fn disarm(
    shared: Cx,
    name: Path<String>,
    body: Result<Json<api::SetModeRequest>, JsonRejection>,
) -> Answer<api::Commanded> {
    set_mode(shared, name, body, DomainMode::Observe).await
}

async fn set_mode(
    State(shared): Cx,
    Path(name): Path<String>,
    body: Result<Json<api::SetModeRequest>, JsonRejection>,
    mode: DomainMode,
) -> Answer<api::Commanded> {
    let Json(body) = body.map_err(|error| malformed(error.body_text()))?;
    let domain = DomainId::new(short(name)?);
    command(&shared, Command::SetMode { domain, mode, by: short(body.by)? }).await
}

async fn maintenance(
    State(shared): Cx,
    Path(name): Path<String>,
    body: Result<Json<api::MaintenanceRequest>, JsonRejection>,
) -> Answer<api::Commanded> {
    let Json(body) = body.map_err(|error| malformed(error.body_text()))?;
    let command_ =
        Command::Maintenance { ups: UpsId::new(short(name)?), duration: body.duration_ms.map(Millis), by: short(body.by)? };
    command(&shared, command_).await
}

pub(super) async fn command(shared: &Shared, command: Command) -> Answer<api::Commanded> {
    let (tx, rx) = oneshot::channel();
    match ask(shared, Ask::Command(command, tx), rx).await? {
        CommandReply::Done(findings) => Ok(Json(api::Commanded { findings: findings.iter().map(convert::finding).collect() })),
        CommandReply::Refused(findings) => {
            let mut error =
                ApiError::new(code::REFUSED, "Refused: nothing was changed.", "Mend what the findings say, then ask again.");
            error.findings = findings.iter().map(convert::finding).collect();
            Err(Refusal(StatusCode::CONFLICT, error))
        }
    }
}

/// Names come from outside and go into the journal: bounded, and without control characters.
pub(super) fn short(text: String) -> Result<String, Refusal> {
    if text.is_empty() || text.chars().count() > NAME_MAX || text.chars().any(char::is_control) {
        return Err(malformed(format!("A name is empty, longer than {NAME_MAX} characters, or holds control characters.")));
    }
    Ok(text)
}

pub(super) async fn present(shared: &Shared) -> Result<Box<Present>, Refusal> {
    let (tx, rx) = oneshot::channel();
    ask(shared, Ask::View(tx), rx).await
}

async fn ask<T>(shared: &Shared, ask: Ask, answer: oneshot::Receiver<T>) -> Result<T, Refusal> {
    ask_within(shared, ask, answer, ANSWER_MAX).await
}

pub(super) async fn ask_within<T>(
    shared: &Shared,
    ask: Ask,
    answer: oneshot::Receiver<T>,
    limit: Duration,
) -> Result<T, Refusal> {
    let busy = |message: &str| {
        let remedy = "Ask again; if it stays so, look at the log of `ridethrough serve`.";
        Refusal(StatusCode::SERVICE_UNAVAILABLE, ApiError::new(code::BUSY, message, remedy))
    };
    shared.asks.try_send(ask).map_err(|_| busy("Too many questions are waiting."))?;
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(busy("The controller is ending.")),
        Err(_) => Err(busy("The controller did not answer in time.")),
    }
}

/// Reads the journal on a thread where it may take its time.
async fn read<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Reader) -> Result<T, ridethrough_store::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let reader = Arc::clone(&shared.reader);
    let result = tokio::task::spawn_blocking(move || work(&reader.lock().unwrap_or_else(PoisonError::into_inner))).await;
    let failed =
        |message: String, remedy: &str| Refusal(StatusCode::INTERNAL_SERVER_ERROR, ApiError::new(code::JOURNAL, message, remedy));
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(format!("The journal cannot be read: {}.", error.in_full()), error.kind().remedy())),
        Err(error) => {
            Err(failed(format!("Reading the journal failed inside: {error}."), "Report this as a mistake in Ridethrough."))
        }
    }
}

pub(super) fn malformed(message: impl Into<String>) -> Refusal {
    Refusal(
        StatusCode::BAD_REQUEST,
        ApiError::new(code::MALFORMED, message, "Correct the request; docs/openapi.json lists what can be asked."),
    )
}

pub(super) fn wrong_method() -> Refusal {
    let Refusal(_, error) = malformed("This path does not take this method.");
    Refusal(StatusCode::METHOD_NOT_ALLOWED, error)
}

pub(super) fn not_found(message: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, ApiError::new(code::NOT_FOUND, message, remedy))
}
