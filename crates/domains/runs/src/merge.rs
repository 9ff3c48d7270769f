//! What counts when records of one thing arrive in any order.
//!
//! The SDK sends a step again whenever it changes, each time on a thread of its own and without a
//! sequence number, so an older version may overtake a newer one. These rules tell which of two
//! versions is the older, from their content alone.

use std::cmp::Ordering;

use crate::json::{Json, Members};
use crate::schema::records::COST_NAMES;

/// What the SDK adds to a step after it was first sent; the rest of a step changes only as a whole.
const PATCHED_LATER: [&str; 9] = [
    "captured_versions",
    "costs",
    "env_fingerprint",
    "judge_decisions",
    "loop_detected",
    "step_iterations",
    "subgoals_completed",
    "verdict",
    "verdict_source",
];

/// Whether an arriving version of a step is older than the one that is there.
pub(crate) fn is_older_step(arriving: &Json, present: &Json) -> bool {
    match progress(arriving).cmp(&progress(present)) {
        Ordering::Less => return true,
        Ordering::Greater => return false,
        Ordering::Equal => {}
    }
    if !same_but_for_patches(arriving, present) {
        return false;
    }
    match decisions(arriving)
        .cmp(&decisions(present))
        .then(iterations(arriving).cmp(&iterations(present)))
    {
        Ordering::Less => true,
        Ordering::Greater => false,
        Ordering::Equal => has_less(arriving, present),
    }
}

fn progress(step: &Json) -> u8 {
    match step.text_at("status") {
        Some("pending") => 0,
        Some("running") => 1,
        _ => 2,
    }
}

fn decisions(step: &Json) -> usize {
    step.get("judge_decisions")
        .and_then(Json::elements)
        .map_or(0, <[Json]>::len)
}

/// How often the step was tried.
pub(crate) fn iterations(step: &Json) -> u64 {
    step.get("step_iterations").and_then(Json::whole).unwrap_or(1)
}

fn same_but_for_patches(one: &Json, other: &Json) -> bool {
    let unpatched = |step: &Json| -> Vec<(String, Json)> {
        let members = step.members().map(Members::iter).into_iter().flatten();
        members
            .filter(|(name, _)| !PATCHED_LATER.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    unpatched(one) == unpatched(other)
}

/// Whether every path of names and positions in `one` is also in `other`, which has more of them.
fn has_less(one: &Json, other: &Json) -> bool {
    paths_within(one, other) && paths(one) < paths(other)
}

fn paths_within(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => one.iter().all(|(name, value)| {
            other
                .get(name)
                .is_some_and(|present| paths_within(value, present))
        }),
        (Json::Array(one), Json::Array(other)) => {
            one.len() <= other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(value, present)| paths_within(value, present))
        }
        (Json::Object(one), _) => one.is_empty(),
        (Json::Array(one), _) => one.is_empty(),
        _ => true,
    }
}

fn paths(value: &Json) -> usize {
    1 + match value {
        Json::Object(members) => members.values().map(paths).sum(),
        Json::Array(elements) => elements.iter().map(paths).sum(),
        _ => 0,
    }
}

/// Cumulative costs only grow: of each amount the larger counts.
pub(crate) fn larger_costs(arriving: &Json, present: &Json) -> Json {
    let mut merged = present.members().cloned().unwrap_or_default();
    for (name, amount) in arriving.members().into_iter().flatten() {
        let grows = match (COST_NAMES.contains(&name.as_str()), merged.get(name)) {
            (true, Some(known)) => amount.number() > known.number(),
            _ => true,
        };
        if grows {
            merged.insert(name.clone(), amount.clone());
        }
    }
    Json::Object(merged)
}

/// Whether an arriving side effect only announces what is known to have ended.
pub(crate) fn is_older_side_effect(arriving: &Json, present: &Json) -> bool {
    let announces = |effect: &Json| effect.text_at("status") == Some("intent_only");
    announces(arriving) && !announces(present)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_overtaken_version_of_a_step_is_told_by_its_content() {
        let plain = json(r#"{"step_id":"a","status":"succeeded"}"#);
        let running = json(r#"{"step_id":"a","status":"running"}"#);
        let patched = json(r#"{"step_id":"a","status":"succeeded","costs":{"total_usd":1}}"#);
        let judged = json(r#"{"step_id":"a","status":"succeeded","judge_decisions":[{}]}"#);
        let tried = json(r#"{"step_id":"a","status":"succeeded","step_iterations":2}"#);
        let other = json(r#"{"step_id":"a","status":"succeeded","intent":"x"}"#);
        for (older, newer) in [
            (&running, &plain),
            (&plain, &patched),
            (&patched, &judged),
            (&patched, &tried),
        ] {
            assert!(is_older_step(older, newer), "{older} {newer}");
            assert!(!is_older_step(newer, older), "{newer} {older}");
        }
        assert!(!is_older_step(&plain, &plain), "a repetition is not older");
        assert!(!is_older_step(&plain, &other) && !is_older_step(&other, &plain));
    }

    #[test]
    fn costs_grow_field_by_field_and_keep_their_text() {
        let present = json(r#"{"total_usd":0.50,"tokens_in":10}"#);
        let arriving = json(r#"{"total_usd":0.5,"tokens_in":20,"tokens_out":1}"#);
        assert_eq!(
            larger_costs(&arriving, &present).to_line(),
            r#"{"tokens_in": 20, "tokens_out": 1, "total_usd": 0.50}"#
        );
    }

    #[test]
    fn an_announcement_never_undoes_an_end() {
        let intent = json(r#"{"status":"intent_only"}"#);
        let done = json(r#"{"status":"committed"}"#);
        assert!(is_older_side_effect(&intent, &done));
        assert!(!is_older_side_effect(&done, &intent));
        assert!(!is_older_side_effect(&intent, &intent));
    }
}
