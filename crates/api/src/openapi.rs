//! The HTTP API as an OpenAPI 3.1 document, made from the types that go over it and from the table of operations.
//!
//! OpenAPI 3.1 takes JSON Schema 2020-12 as it is, so the generator of the configuration's schema serves here too. Not a server:
//! whether what is described is what answers is tested where the server is. Begin reading in `operations.rs`.

mod operations;

pub use operations::{Body, Kind, Operation, Parameter, operations};

use crate::error::{ApiError, code};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the schemas of the types are.
const SCHEMAS: &str = "/components/schemas";
/// What the document begins with.
const ABOUT: &str = "\
The controller answers on loopback only. Lengths of time end in `_s` (seconds) or `_ms` (milliseconds), powers in `_w`, shares in \
`_percent`; moments are RFC 3339; what is not known is null, never zero. Readers must skip fields they do not know: a later version \
may add some. Every answer that is not 2xx has the body `ApiError`, whose `code` is explained in docs/errors; the one exception is \
`/healthz`. To follow events, ask `/api/v1/events` again with `after` set to the `next` of the answer before.";

/// Every status that is not 2xx: what it means, and the codes that go with it.
const REFUSALS: &[(u16, &str, &[&str])] = &[
    (400, "The request makes no sense, or its body is too large.", &[code::MALFORMED]),
    (401, "The token is missing or wrong.", &[code::UNAUTHORIZED]),
    (404, "There is no such thing.", &[code::NOT_FOUND]),
    (
        409,
        "Understood and refused: nothing was changed. The findings say why.",
        &[code::REFUSED, code::UNFIT, code::RESTART, code::UNREAD, code::RELOADING, code::UNSUITED],
    ),
    (500, "The journal cannot be read.", &[code::JOURNAL]),
    (503, "The control loop does not answer in time, or too many questions wait for it.", &[code::BUSY]),
];

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut types = Types::default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut types);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ridethrough",
            "summary": "Power protection for virtualised sites",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:7878", "description": "As `[controller]` `listen` says; this is the default." }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": format!("The text of the file `{}` in the data directory.", crate::TOKEN_FILE),
                },
            },
            "schemas": types.schemas(),
        },
    })
}

/// The document as it is committed, printed and served.
#[must_use]
pub fn text() -> String {
    let text = serde_json::to_string_pretty(&document()).expect("a JSON value always serialises");
    format!("{text}\n")
}

/// The types met so far. What we send names all its fields; what we take may leave some out.
#[derive(Debug)]
struct Types {
    sent: SchemaGenerator,
    taken: SchemaGenerator,
}

impl Default for Types {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self { sent: settings().for_serialize().into_generator(), taken: settings().for_deserialize().into_generator() }
    }
}

impl Types {
    fn schemas(mut self) -> Map<String, Value> {
        let mut schemas = self.sent.take_definitions(true);
        schemas.extend(self.taken.take_definitions(true));
        schemas
    }
}

fn describe(operation: &Operation, types: &mut Types) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses(operation, types),
    });
    if !operation.description.is_empty() {
        described["description"] = json!(operation.description);
    }
    if !operation.parameters.is_empty() {
        described["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(body) = operation.body {
        described["requestBody"] = json!({ "required": true, "content": content("application/json", body(&mut types.taken)) });
    }
    if operation.is_open {
        described["security"] = json!([]);
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let is_in_path = parameter.place == "path";
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": is_in_path,
        "description": parameter.description,
        "schema": match parameter.kind {
            Kind::Text => json!({ "type": "string", "minLength": 1 }),
            Kind::Number { min } => json!({ "type": "integer", "format": "uint64", "minimum": min }),
            Kind::Like(pattern) => json!({ "type": "string", "pattern": pattern }),
        },
    })
}

fn responses(operation: &Operation, types: &mut Types) -> Value {
    let (media, schema) = (operation.media, (operation.answer)(&mut types.sent));
    let mut responses = json!({ "200": { "description": operation.answered, "content": content(media, schema) } });
    if let Some((status, description)) = operation.unwell {
        let schema = (operation.answer)(&mut types.sent);
        responses[status] = json!({ "description": description, "content": content(media, schema) });
    }
    let refusal = types.sent.subschema_for::<ApiError>();
    for (status, description, codes) in REFUSALS.iter().filter(|(status, ..)| operation.refusals.contains(status)) {
        responses[status.to_string()] = json!({
            "description": format!("{description} ({})", codes.join(", ")),
            "content": content("application/json", refusal.clone()),
        });
    }
    responses
}

fn content(media: &str, schema: Schema) -> Value {
    json!({ media: { "schema": schema } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect_file;
    use std::collections::BTreeSet;

    #[test]
    fn point_7_openapi_the_committed_document_is_that_of_the_types() {
        expect_file!["../../../docs/openapi.json"].assert_eq(&text());
    }

    #[test]
    fn point_7_openapi_every_reference_leads_somewhere_and_every_type_is_used() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        let known: BTreeSet<String> = schemas.keys().map(|name| format!("#{SCHEMAS}/{name}")).collect();
        assert_eq!(named, known);
    }

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn point_7_openapi_what_scripts_rely_on_is_in_it() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for (of, field) in [
            ("Status", "hold"),
            ("Domain", "ride_through_left_s"),
            ("Run", "aborted"),
            ("Run", "stopped"),
            ("Run", "moved"),
            ("Run", "hosts_down"),
            ("ApiError", "findings"),
        ] {
            let described = &schemas[of]["properties"][field]["description"];
            assert!(described.is_string(), "{of}.{field} is not described: {described}");
        }
        let required = schemas["Domain"]["required"].as_array().expect("a list");
        assert!(required.contains(&json!("ride_through_left_s")), "what is always sent is required: {required:?}");
        let required = schemas["Status"]["required"].as_array().expect("a list");
        assert!(!required.contains(&json!("hold")), "what is left out where there is none is not: {required:?}");
    }
}
