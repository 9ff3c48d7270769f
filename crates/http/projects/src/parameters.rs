//! Query parameters, refused as seed 002's server refuses them: 422 with the place.

use std::ops::RangeInclusive;

use pentad_http_kit::{Fault, Query};
use pentad_kernel::{ErrorKind, Timestamp, TimestampError};

fn unprocessable(name: &str, fault: Fault) -> Fault {
    Fault::unprocessable(&["query", name], fault.message, "value_error")
}

/// A whole number within bounds.
pub(crate) fn integer(query: &Query, name: &str, bounds: &RangeInclusive<i64>) -> Result<Option<i64>, Fault> {
    query
        .integer(name, bounds)
        .map_err(|fault| unprocessable(name, fault))
}

/// `true` or `false`, when it is given.
pub(crate) fn boolean(query: &Query, name: &str) -> Result<Option<bool>, Fault> {
    match query.text(name) {
        Some(_) => query
            .boolean(name)
            .map(Some)
            .map_err(|fault| unprocessable(name, fault)),
        None => Ok(None),
    }
}

/// An instant, when one is given. A `+` that arrives as a space still names an offset.
pub(crate) fn instant(query: &Query, name: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    parse_instant(&text.replace(' ', "+"))
        .map(Some)
        .map_err(|error| unprocessable(name, Fault::new(ErrorKind::Unprocessable, error.to_string())))
}

/// Reads an instant; one that names no offset, as Python writes them, is one of UTC.
pub(crate) fn parse_instant(text: &str) -> Result<Timestamp, TimestampError> {
    Timestamp::parse(text).or_else(|error| Timestamp::parse(&format!("{text}Z")).map_err(|_| error))
}

/// A text, when one is given.
pub(crate) fn text(query: &Query, name: &str) -> Option<String> {
    query.text(name).map(str::to_owned)
}
