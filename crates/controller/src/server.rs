//! The HTTP server: loopback only, a bearer token, small bodies. Reads the state by asking the loop and the past from the
//! journal; owns nothing and decides nothing.

mod drills;
mod health;
mod history;
mod hold;
mod listen;
mod reload;
mod routes;
mod table;

use crate::alert::Exchange;
use crate::drill::Backstage;
use crate::reload::Unfit;
use crate::token::Token;
use jiff::Timestamp;
use ridethrough_decide::{Command, CommandReply, SiteView};
use ridethrough_model::{DrillLevel, DrillPart, DrillReport, Finding, Mono, Plan, PlanReport, UpsId};
use ridethrough_store::Reader;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub use listen::{ListenError, listen};

/// Questions that may wait for the loop.
pub(crate) const ASKS_MAX: usize = 32;

/// What the server is made of.
#[derive(Debug)]
pub struct ServerParts {
    /// Where it listens; from [`listen`].
    pub listener: TcpListener,
    /// Who may ask.
    pub token: Token,
    /// Whose deliveries are shown; nobody is alerted without.
    pub alerts: Option<Arc<Exchange>>,
}

/// What the loop knows besides the site.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) version: String,
    pub(crate) started: Mono,
    pub(crate) configuration: Configuration,
}

/// Which configuration is in force.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) since: Timestamp,
    /// Empty where nobody told it.
    pub(crate) digest: String,
    /// A later one that was refused, and when.
    pub(crate) refused: Option<(Timestamp, Unfit)>,
}

/// The site at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub(crate) now: ridethrough_model::Now,
    pub(crate) view: SiteView,
    pub(crate) is_at_risk: bool,
    pub(crate) facts: Facts,
}

/// A plan with what its planner and the independent check had to say.
pub(crate) type Imagined = (Plan, PlanReport, Vec<Finding>);

/// What the server asks of the loop.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The state.
    View(oneshot::Sender<Box<Present>>),
    /// What would happen if these UPSes went on battery.
    PlanIf(BTreeSet<UpsId>, oneshot::Sender<Box<(Present, Imagined)>>),
    /// Read the configuration anew, for that person.
    Reload(String, oneshot::Sender<Result<Vec<Finding>, Unfit>>),
    /// What a drill that touches nothing is held with.
    Backstage(oneshot::Sender<Box<Backstage>>),
    /// Keep the report of one; gives it back with its number.
    KeepDrill(DrillLevel, Vec<DrillPart>, String, oneshot::Sender<Option<DrillReport>>),
    /// Drills that were held, oldest first.
    Drills(oneshot::Sender<Vec<DrillReport>>),
    /// Which drills are due by the configuration.
    DrillsDue(oneshot::Sender<Vec<DrillLevel>>),
    /// A person's command.
    Command(Command, oneshot::Sender<CommandReply>),
}

/// Serves until it is dropped.
pub(crate) async fn serve(parts: ServerParts, asks: mpsc::Sender<Ask>, reader: Reader) {
    let ServerParts { listener, token, alerts } = parts;
    let shared = Arc::new(routes::Shared { token, alerts, asks, reader: Arc::new(Mutex::new(reader)) });
    let served = axum::serve(listen::Bounded::new(listener), routes::router(shared)).await;
    tracing::error!(result = ?served, "the API server has ended");
}
