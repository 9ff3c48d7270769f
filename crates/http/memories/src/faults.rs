//! Errors of the memories in the forms that the SDK reads.

use pentad_http_kit::Fault;
use pentad_kernel::{Classify as _, ErrorKind, Timestamp};
use pentad_memories::{Error, parse_instant};
use serde_json::json;

/// The fault of a refused or failed call.
pub(crate) fn fault(error: Error) -> Fault {
    match &error {
        // The SDK looks for this object before it looks at the status.
        Error::Provider(provider) => {
            let detail = json!({
                "error": "llm_provider_error",
                "provider": provider.provider(),
                "message": provider.message(),
            });
            Fault::from(error).with_body(json!({ "detail": detail }))
        }
        Error::OutOfRange { .. }
        | Error::TooLong { .. }
        | Error::BadCharacter { .. }
        | Error::EmptyInterval
        | Error::EndsBeforeStart
        | Error::NoSettings => out_of_range(&error.to_string()),
        Error::Blank { field } => Fault::unprocessable(&["body", field], error.to_string(), "value_error"),
        Error::NotAProof(_) => {
            Fault::unprocessable(&["body", "proof_tree"], error.to_string(), "value_error")
        }
        Error::PlanBlocked { .. } => Fault::from(error),
        _ if error.kind() == ErrorKind::Invalid => Fault::invalid(error.to_string()),
        _ => Fault::from(error),
    }
}

/// The fault of a value that is not accepted: with a hint, as the documentation shows it.
pub(crate) fn out_of_range(hint: &str) -> Fault {
    Fault::invalid(hint).with_body(json!({
        "detail": hint,
        "status": "error",
        "error": "validation failed",
        "hint": hint,
    }))
}

/// Reads an instant of a request.
pub(crate) fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Fault> {
    let read = |text| parse_instant(text).map_err(|error| out_of_range(&format!("{field}: {error}")));
    text.map(read).transpose()
}

/// The identifier that a path or a body names. Text that is no UUID names nothing.
pub(crate) fn memory_id(text: &str) -> Result<String, Fault> {
    if pentad_kernel::id::is_uuid(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(fault(Error::NotFound))
    }
}
