//! What went wrong, in words that no transport owns.

use std::time::Duration;

/// The kinds of failure a caller can tell apart.
///
/// Each surface maps a kind to its own status and envelope; nothing below the HTTP layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed or a value is out of its range.
    Invalid,
    /// The request is well formed, but its content cannot be processed (a missing or mistyped field).
    Unprocessable,
    /// No usable credential came with the request.
    Unauthenticated,
    /// The credential is known and does not permit this.
    Forbidden,
    /// A quota of the plan is used up.
    QuotaExceeded,
    /// The thing does not exist, or its existence is none of the caller's business.
    NotFound,
    /// The state of the thing does not permit this now.
    Conflict,
    /// The thing existed and is gone for good.
    Gone,
    /// The request, or what it would create, is larger than a limit.
    TooLarge,
    /// The body has a media type that the operation does not read.
    UnsupportedMedia,
    /// The method is not one of those the path knows.
    MethodNotAllowed,
    /// Too many requests; come back later.
    RateLimited,
    /// The work did not finish within its time.
    Timeout,
    /// Something this depends on does not answer; the same request may succeed later.
    Unavailable,
    /// There is no room left to store what was sent.
    StorageFull,
    /// A fault of ours. Its text is for the log, never for the caller.
    Internal,
}

/// Implemented by the error type of every crate below the HTTP layer.
///
/// `Display` of the error is the message for the caller, except for [`ErrorKind::Internal`], whose
/// text only goes to the log.
pub trait Classify: std::error::Error {
    /// Which kind of failure this is.
    fn kind(&self) -> ErrorKind;

    /// The machine-readable code that the surface's contract names for this failure, if it names one.
    fn code(&self) -> Option<&'static str> {
        None
    }

    /// Structured facts that the surface's contract adds to the error.
    fn details(&self) -> Option<serde_json::Value> {
        None
    }

    /// After how long the same request is worth another try.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
