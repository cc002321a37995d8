//! How an older record becomes today's: one step from each version of a kind to the next, never two at once. Knows JSON, no meaning.
//!
//! A changed entry means: raise its number in `row::KNOWN`, add the step here, add an empty migration in `schema.rs`, and add a golden
//! journal. The test of shapes fails until that is done.

use serde_json::Value;

/// Makes the body of one version into the next.
pub(crate) type Step = fn(&mut Value);

/// By kind and by the version it starts from. None was needed yet: every kind is still at its first version.
pub(crate) const STEPS: &[(&str, u32, Step)] = &[];

/// The entry's text at the newest version of its kind.
///
/// # Errors
/// Text that is no JSON, or a version from which no step leads on.
pub(crate) fn upgraded(kind: &str, version: u32, newest: u32, text: &str) -> Result<String, String> {
    with(STEPS, kind, version, newest, text)
}

fn with(steps: &[(&str, u32, Step)], kind: &str, version: u32, newest: u32, text: &str) -> Result<String, String> {
    let mut entry: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let body = entry.get_mut(kind).ok_or_else(|| format!("its body is not of the kind {kind}"))?;
    for from in version..newest {
        let (_, _, step) = steps
            .iter()
            .find(|(name, step_from, _)| *name == kind && *step_from == from)
            .ok_or_else(|| format!("no step leads on from version {from} of {kind}"))?;
        step(body);
    }
    Ok(entry.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::KNOWN;
    use serde_json::json;

    /// Every version that can stand in a journal leads to today's by single steps, and no step leads anywhere else.
    #[test]
    fn every_older_version_has_its_one_step() {
        for (kind, newest) in KNOWN {
            for from in 1..*newest {
                let count = STEPS.iter().filter(|(name, step_from, _)| name == kind && *step_from == from).count();
                assert_eq!(count, 1, "steps from version {from} of {kind}");
            }
        }
        for (kind, from, _) in STEPS {
            let newest = KNOWN.iter().find(|(name, _)| name == kind).map_or(0, |(_, newest)| *newest);
            assert!(*from < newest, "a step from version {from} of {kind} leads beyond its newest, {newest}");
        }
    }

    #[test]
    fn steps_are_taken_one_after_the_other_and_a_missing_one_is_named() {
        let steps: &[(&str, u32, Step)] = &[
            ("told", 1, |body| body["whom"] = body["who"].take()),
            ("told", 2, |body| body["count"] = json!(body["whom"].as_array().map_or(1, Vec::len))),
            ("other", 1, |_| panic!("not its kind")),
        ];
        let old = r#"{"told":{"who":["alex","kim"]}}"#;
        let newest = with(steps, "told", 1, 3, old).expect("both steps");
        assert_eq!(serde_json::from_str::<Value>(&newest).expect("JSON")["told"]["count"], json!(2));
        let second = with(steps, "told", 2, 3, r#"{"told":{"whom":["kim"]}}"#).expect("the second step only");
        assert_eq!(serde_json::from_str::<Value>(&second).expect("JSON")["told"]["count"], json!(1));
        let missing = with(steps, "told", 1, 4, old).expect_err("there is no third");
        assert_eq!(missing, "no step leads on from version 3 of told");
    }
}
