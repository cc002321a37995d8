//! What can be asked, as data: one entry per method and path. The server's own tests hold it to this table, both ways.

use crate::command::{Commanded, MaintenanceRequest, SetModeRequest};
use crate::drill::{Drill, Drills};
use crate::health::Health;
use crate::hold::{ByRequest, HoldRequest};
use crate::plan::PlanAnswer;
use crate::run::{EventsPage, RunDetail, Runs};
use crate::status::Status;
use crate::{BASE, HEALTH, METRICS};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a body.
pub type Body = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Operation {
    /// In small letters.
    pub method: &'static str,
    /// With `{name}` for what is to be filled in.
    pub path: String,
    /// Its stable name, for generated clients.
    pub id: &'static str,
    /// In a few words.
    pub summary: &'static str,
    /// What else there is to know; may be empty.
    pub description: &'static str,
    /// What goes into path and query.
    pub parameters: Vec<Parameter>,
    /// The body of the request.
    pub body: Option<Body>,
    /// What 200 means.
    pub answered: &'static str,
    /// The media type of the answer.
    pub media: &'static str,
    /// The body of the answer.
    pub answer: Body,
    /// A status that is not 200 and has the same body.
    pub unwell: Option<(&'static str, &'static str)>,
    /// The statuses that are refusals.
    pub refusals: Vec<u16>,
    /// Needs no token.
    pub is_open: bool,
}

/// Something to be filled in.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `path` or `query`. What is in the query may be left out.
    pub place: &'static str,
    /// What it is.
    pub description: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text but the empty one.
    Text,
    /// A whole number.
    Number {
        /// The least.
        min: u64,
    },
    /// A text of that form.
    Like(&'static str),
}

/// Every operation, in the order of the document.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let mut all = reads();
    all.extend(commands());
    all.extend(drills());
    all.extend(for_machines());
    all
}

fn reads() -> Vec<Operation> {
    vec![
        get::<Status>("/status", "status", "The whole site now"),
        Operation {
            parameters: vec![query(
                "if",
                "Only these UPSes, as if they went on battery now: `ups=NAME` or `ups=NAME,NAME`.",
                Kind::Like("^ups=.+$"),
            )],
            refusals: vec![400, 401, 404, 503],
            description: "The plan in force while a run is open, else one standing plan per domain; with `if`, the one asked for.",
            ..get::<PlanAnswer>("/plan", "plan", "What would happen, or is happening, step by step")
        },
        Operation {
            parameters: vec![
                query("run", "Only this run; 0 is the site's log outside incidents.", Kind::Number { min: 0 }),
                query("after", "Only what came after this record, `RUN:SEQ`; as `next` of an earlier answer.", PLACE),
                query("limit", "How many at most; 100 if not given, never more than 1000.", Kind::Number { min: 0 }),
            ],
            refusals: vec![400, 401, 404, 500, 503],
            description: "The last `limit` events, oldest first; with `after` the first `limit` after that record.",
            ..get::<EventsPage>("/events", "events", "What happened, from the journal")
        },
        Operation { refusals: vec![401, 500], ..get::<Runs>("/runs", "runs", "All runs, newest first") },
        Operation {
            parameters: vec![in_path("id", "The run's number.", Kind::Text)],
            refusals: vec![401, 404, 500, 503],
            ..get::<RunDetail>("/runs/{id}", "run", "One run, under way or past, with its actions and events")
        },
    ]
}

fn commands() -> Vec<Operation> {
    let domain = || vec![in_path("name", "The domain.", Kind::Text)];
    vec![
        Operation {
            parameters: domain(),
            description: "Refused with findings where it must not be armed; else the findings are what is not proven.",
            ..post::<SetModeRequest>("/domains/{name}/arm", "arm", "Let a domain act in an outage")
        },
        Operation {
            parameters: domain(),
            ..post::<SetModeRequest>("/domains/{name}/disarm", "disarm", "Let a domain only observe again")
        },
        Operation {
            parameters: vec![in_path("name", "The UPS.", Kind::Text)],
            description: "Never longer than a day. A forced shutdown, and low battery on battery, are acted upon all the same.",
            ..post::<MaintenanceRequest>("/ups/{name}/maintenance", "maintenance", "Begin or end maintenance of a UPS")
        },
        Operation {
            description: "Lifted by itself at the last safe moment unless `even_if_lost`; a forced shutdown is never held.",
            ..post::<HoldRequest>("/hold", "hold", "Start nothing more for a time")
        },
        post::<ByRequest>("/hold/release", "releaseHold", "End the hold now"),
        Operation {
            description: "What is in flight settles. On battery it ends when mains is stable; on stable mains only `return` ends it.",
            ..post::<ByRequest>("/abort", "abort", "Start nothing more in the open run")
        },
        Operation {
            description: "Read and checked as `ridethrough check` does, tried out, and put in force as a whole or not at all. Where it \
                          is refused, the one before goes on, and code and findings say why, with file, line and column.",
            ..post::<ByRequest>("/reload", "reload", "Read the configuration anew")
        },
        post::<ByRequest>("/return", "return", "Let an aborted run go on: on mains, bring back what is missing"),
    ]
}

fn drills() -> Vec<Operation> {
    let held = |path: &str, id: &'static str, summary: &'static str| Operation {
        description: "Answers with the report when it was held, which may take a minute.",
        answered: "What came of it.",
        answer: SchemaGenerator::subschema_for::<Drill>,
        ..post::<ByRequest>(path, id, summary)
    };
    vec![
        Operation { refusals: vec![401, 503], ..get::<Drills>("/drills", "drills", "Drills that were held, newest first") },
        Operation {
            parameters: vec![in_path("id", "The drill's number.", Kind::Text)],
            refusals: vec![401, 404, 503],
            ..get::<Drill>("/drills/{id}", "drill", "One drill, held against the last of its kind")
        },
        held("/drills/paper", "drillOnPaper", "Play an outage of each domain with what runs now; touches nothing"),
        held("/drills/preflight", "drillPreflight", "Ask everything an outage needs; changes nothing"),
    ]
}

fn for_machines() -> Vec<Operation> {
    vec![
        Operation {
            refusals: Vec::new(),
            is_open: true,
            answer: any_object,
            ..get::<Status>("/openapi.json", "openapi", "This document")
        },
        Operation {
            path: HEALTH.to_owned(),
            unwell: Some(("503", "The loop does not answer, or the journal does not keep up.")),
            refusals: Vec::new(),
            is_open: true,
            description: "Tells nothing of the site and needs no token.",
            ..get::<Health>("", "healthz", "Whether the loop runs and the journal keeps up")
        },
        Operation {
            path: METRICS.to_owned(),
            media: "application/openmetrics-text",
            answer: text,
            description: "What is not known has no sample. State is a label, with the value 1 at the one that holds.",
            ..get::<Status>("", "metrics", "The state of the site in the OpenMetrics format")
        },
    ]
}

/// `RUN:SEQ`.
const PLACE: Kind = Kind::Like("^[0-9]+:[0-9]+$");

fn get<T: JsonSchema>(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path: format!("{BASE}{path}"),
        id,
        summary,
        description: "",
        parameters: Vec::new(),
        body: None,
        answered: "As asked.",
        media: "application/json",
        answer: SchemaGenerator::subschema_for::<T>,
        unwell: None,
        refusals: vec![401, 503],
        is_open: false,
    }
}

fn post<T: JsonSchema>(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "post",
        body: Some(SchemaGenerator::subschema_for::<T>),
        answered: "Done and written down. The findings are what is worth knowing.",
        refusals: vec![400, 401, 409, 503],
        ..get::<Commanded>(path, id, summary)
    }
}

fn query(name: &'static str, description: &'static str, kind: Kind) -> Parameter {
    Parameter { name, place: "query", description, kind }
}

fn in_path(name: &'static str, description: &'static str, kind: Kind) -> Parameter {
    Parameter { name, place: "path", description, kind }
}

fn text(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "string" })
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}
