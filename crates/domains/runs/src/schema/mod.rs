//! The documented form of every record, and the check against it.
//!
//! The tables in [`records`] say what schema version 0.1 of the bundle format says, with four
//! relaxations: unknown members are kept, a reasoning record may lack its `step_index` (the SDK omits it
//! for the run), a step's action may lack its `type` (or the rule that looks for that could never fire), and an
//! outcome's verdict may be empty (the SDK sends that for a step that has none).

pub(crate) mod records;

use pentad_kernel::Timestamp;

use crate::error::Fault;
use crate::json::Json;
use crate::{Error, Result};

/// What a value has to look like.
pub(crate) enum Shape {
    Any,
    Text,
    /// A text that a predicate accepts; the second part describes it.
    Matching(fn(&str) -> bool, &'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    Instant,
    Boolean,
    /// A whole number of at least this.
    Whole(u64),
    /// A whole number that is a step's position: at most nine digits, as its file name has.
    Index,
    /// A number between two bounds.
    Number(f64, f64),
    Nullable(&'static Shape),
    List(&'static Shape),
    Object(&'static [Member]),
    /// An object whose members all have this shape.
    Map(&'static Shape),
}

pub(crate) struct Member {
    name: &'static str,
    required: bool,
    shape: &'static Shape,
}

/// The largest step index: file names have at most nine digits.
pub(crate) const MAX_INDEX: u64 = 999_999_999;
/// How many faults are named.
const MAX_FAULTS: usize = 20;

/// Checks a body against its shape.
pub(crate) fn check(body: &Json, shape: &Shape) -> Result<()> {
    let mut faults = Vec::new();
    let mut place = vec!["body".to_owned()];
    visit(body, shape, &mut place, &mut faults);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(faults))
    }
}

fn visit(value: &Json, shape: &Shape, place: &mut Vec<String>, faults: &mut Vec<Fault>) {
    if faults.len() >= MAX_FAULTS {
        return;
    }
    let mut fault = |kind: &'static str, message: String| {
        faults.push(Fault {
            location: place.clone(),
            message,
            kind,
        });
    };
    let mut wrong = |kind: &'static str, expected: &str| {
        fault(kind, format!("expected {expected}, got {}", shown(value)));
    };
    match shape {
        Shape::Any => {}
        Shape::Text => match value {
            Json::Text(_) => {}
            _ => wrong("string_type", "a string"),
        },
        Shape::Matching(accepts, described) => match value.text() {
            Some(text) if accepts(text) => {}
            Some(_) => wrong("string_pattern_mismatch", described),
            None => wrong("string_type", "a string"),
        },
        Shape::OneOf(names) => match value.text() {
            Some(text) if names.contains(&text) => {}
            _ => wrong("enum", &format!("one of {}", names.join(", "))),
        },
        Shape::Instant => match value.text() {
            Some(text) if Timestamp::parse(text).is_ok() => {}
            _ => wrong(
                "datetime_parsing",
                "an RFC 3339 time such as 2026-05-07T12:10:00Z",
            ),
        },
        Shape::Boolean => match value {
            Json::Bool(_) => {}
            _ => wrong("bool_type", "a boolean"),
        },
        Shape::Whole(least) => match value {
            Json::Number(text) if is_whole(text) => {
                if value.number().is_none_or(|number| number < *least as f64) {
                    wrong("greater_than_equal", &format!("at least {least}"));
                }
            }
            _ => wrong("int_type", "an integer"),
        },
        Shape::Index => match value {
            Json::Number(text) if is_whole(text) => {
                if value.whole().is_none_or(|index| index > MAX_INDEX) {
                    wrong("greater_than_equal", &format!("an integer from 0 to {MAX_INDEX}"));
                }
            }
            _ => wrong("int_type", "an integer"),
        },
        Shape::Number(least, most) => match value.number() {
            Some(number) if (*least..=*most).contains(&number) => {}
            Some(_) if most.is_infinite() => wrong("greater_than_equal", &format!("at least {least}")),
            Some(_) => wrong("out_of_range", &format!("a number from {least} to {most}")),
            None => wrong("float_type", "a number"),
        },
        Shape::Nullable(inner) => {
            if !value.is_null() {
                visit(value, inner, place, faults);
            }
        }
        Shape::List(inner) => match value.elements() {
            Some(elements) => {
                for (position, element) in elements.iter().enumerate() {
                    place.push(position.to_string());
                    visit(element, inner, place, faults);
                    place.pop();
                }
            }
            None => wrong("list_type", "an array"),
        },
        Shape::Object(known) => match value.members() {
            Some(members) => {
                for member in *known {
                    place.push(member.name.to_owned());
                    match members.get(member.name) {
                        Some(inner) => visit(inner, member.shape, place, faults),
                        None if member.required => faults.push(Fault {
                            location: place.clone(),
                            message: "field required".to_owned(),
                            kind: "missing",
                        }),
                        None => {}
                    }
                    place.pop();
                }
            }
            None => wrong("dict_type", "an object"),
        },
        Shape::Map(inner) => match value.members() {
            Some(members) => {
                for (name, member) in members {
                    place.push(name.clone());
                    visit(member, inner, place, faults);
                    place.pop();
                }
            }
            None => wrong("dict_type", "an object"),
        },
    }
}

fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E']) || number.parse::<f64>().is_ok_and(|value| value.fract() == 0.0)
}

/// The value, when it is short enough to be shown in an error; else what kind of value it is.
fn shown(value: &Json) -> String {
    let line = value.to_line();
    if line.len() <= 80 {
        line
    } else {
        value.kind().to_owned()
    }
}

/// The index of a step in a checked body.
pub(crate) fn index_of(body: &Json, name: &str) -> Option<u64> {
    body.get(name).and_then(Json::whole)
}

#[cfg(test)]
mod tests {
    use super::records::STEP;
    use super::*;

    fn faults(body: &str, shape: &Shape) -> Vec<String> {
        match check(&Json::parse(body.as_bytes()).unwrap(), shape) {
            Ok(()) => Vec::new(),
            Err(Error::Invalid(faults)) => faults
                .iter()
                .map(|fault| format!("{} {}", fault.location.join("."), fault.kind))
                .collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_fault_of_a_step_is_named_with_its_place() {
        let mut found = faults(
            r#"{"step_id":1,"step_index":-1,"step_type":"c","status":"great","duration_ms":1.5,"action":{}}"#,
            &STEP,
        );
        found.sort();
        assert_eq!(
            found,
            [
                "body.duration_ms int_type",
                "body.started_at missing",
                "body.status enum",
                "body.step_id string_type",
                "body.step_index greater_than_equal",
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_object_is_one_fault() {
        assert_eq!(faults("[1]", &STEP), ["body dict_type"]);
    }

    #[test]
    fn unknown_members_are_no_fault() {
        assert!(
            faults(
                r#"{"step_id":"s","step_index":0,"step_type":"c","status":"failed","started_at":"2026-05-19T00:00:00Z",
                    "future":{"a":1},"action":{},"ended_at":null,"duration_ms":1.0}"#,
                &STEP
            )
            .is_empty()
        );
    }
}
