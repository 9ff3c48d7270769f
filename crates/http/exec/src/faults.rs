//! Errors of the domain as faults with the statuses of the contract.

use actix_web::http::StatusCode;
use pentad_exec::Error;
use pentad_http_kit::Fault;

/// The fault of an error: all but one have the status of their kind.
pub(crate) fn fault(error: Error) -> Fault {
    let status = match error {
        Error::ProxyUnreachable(_) => Some(StatusCode::BAD_GATEWAY),
        _ => None,
    };
    Fault {
        status,
        ..Fault::from(error)
    }
}
