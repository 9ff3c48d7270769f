//! How refusals of the domain look on this surface, and how its parameters are read.

use std::ops::RangeInclusive;

use actix_web::http::StatusCode;
use pentad_http_kit::{Fault, Query};
use pentad_kernel::ErrorKind;
use pentad_session_sync::Error;
use serde_json::json;

/// The fault of a refusal.
pub(crate) fn fault(error: Error) -> Fault {
    match &error {
        Error::Field { field, message } => {
            Fault::unprocessable(&["body", field], message.clone(), "value_error")
        }
        // Three answers that the contract gives another form.
        Error::NoClaims { session_stats } => {
            let body = json!({"error": "no_claims_extracted", "message": error.to_string(),
                "session_stats": session_stats});
            Fault::new(ErrorKind::Unprocessable, error.to_string()).with_body(body)
        }
        Error::Judge(_) => raw(&error, "llm_request_failed", StatusCode::BAD_GATEWAY),
        Error::JudgeTimeout => raw(&error, "llm_timeout", StatusCode::GATEWAY_TIMEOUT),
        Error::ArchiveTooLarge { .. } | Error::MemberTooLarge { .. } => too_large(error),
        _ => error.into(),
    }
}

fn raw(error: &Error, code: &str, status: StatusCode) -> Fault {
    let body = json!({"error": code, "message": error.to_string()});
    Fault::new(ErrorKind::Unavailable, error.to_string())
        .with_status(status)
        .with_body(body)
}

/// The command line of the seed reads what to do from a copy at the top.
fn too_large(error: Error) -> Fault {
    let fault = Fault::from(error);
    let mut details = fault.details.clone().unwrap_or_else(|| json!({}));
    details["error"] = json!(fault.code);
    let body = json!({
        "error": {"code": fault.code, "message": fault.message, "details": details},
        "detail": {"message": fault.message, "suggestion": details.get("suggestion")},
    });
    fault.with_body(body)
}

/// A whole number within bounds.
pub(crate) fn integer(
    query: &Query,
    name: &str,
    bounds: &RangeInclusive<i64>,
    otherwise: i64,
) -> Result<u32, Fault> {
    let number = query
        .integer(name, bounds)
        .map_err(|fault| Fault::unprocessable(&["query", name], fault.message, "value_error"))?;
    Ok(u32::try_from(number.unwrap_or(otherwise)).unwrap_or(u32::MAX))
}

/// An optional whole number within bounds.
pub(crate) fn optional_integer(
    query: &Query,
    name: &str,
    bounds: &RangeInclusive<i64>,
) -> Result<Option<u32>, Fault> {
    match query.text(name) {
        None => Ok(None),
        Some(_) => integer(query, name, bounds, 0).map(Some),
    }
}

/// `true` or `false`; `otherwise` when absent.
pub(crate) fn boolean(query: &Query, name: &str, otherwise: bool) -> Result<bool, Fault> {
    if query.text(name).is_none() {
        return Ok(otherwise);
    }
    query
        .boolean(name)
        .map_err(|fault| Fault::unprocessable(&["query", name], fault.message, "bool_parsing"))
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(query: &Query, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Fault> {
    query
        .choice(name, choices)
        .map_err(|fault| Fault::unprocessable(&["query", name], fault.message, "enum"))
}
