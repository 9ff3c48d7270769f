//! Why a record or a question is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

/// One thing that is wrong with what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: `body` or `path`, then names and positions.
    pub location: Vec<String>,
    /// What is wrong there.
    pub message: String,
    /// The same for programs, in the words of pydantic (`missing`, `enum`, `int_type`, …).
    pub kind: &'static str,
}

impl Fault {
    /// A fault at a place.
    pub fn new(location: &[&str], kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            location: location.iter().map(|&part| part.to_owned()).collect(),
            message: message.into(),
            kind,
        }
    }
}

/// A refused or failed call on the runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was sent does not have the documented form; at least one fault.
    #[error("{}", describe(.0))]
    Invalid(Vec<Fault>),
    /// There is no such run in the organisation.
    #[error("run not found")]
    RunNotFound,
    /// The run has no such file.
    #[error("file not present")]
    FileNotFound,
    /// The organisation does not record model input and output.
    #[error("modelio capture is not enabled for this tenant: PUT /api/v1/tenant/settings turns it on")]
    ModelIoDisabled,
    /// What was sent is larger than a limit.
    #[error("{what} has more than {limit} bytes (limit {name})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// The name of the limit in the configuration.
        name: &'static str,
    },
    /// The bytes are not a PNG image.
    #[error("image must be image/png: {0}")]
    NotPng(&'static str),
    /// More is waiting to be written than can be written in time.
    #[error("too much is waiting to be written ({limit}): try again after {}s", .retry_after.as_secs())]
    Overloaded {
        /// The limit that was reached.
        limit: &'static str,
        /// After how long to try again; drawn at random, so that clients do not come back together.
        retry_after: Duration,
    },
    /// The run has changed since the submission was made from it.
    #[error("the run is being changed by another gateway")]
    Moved,
    /// Too many agents of the organisation wait for commands.
    #[error("more than {0} polls are waiting for commands (limit waiting_polls)")]
    TooManyPolls(usize),
    /// The program is ending.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A cursor was not made by this server.
    #[error("the cursor is not one that this list gave")]
    Cursor,
    /// A stored record cannot be read: a fault of ours.
    #[error("a stored record is damaged: {0}")]
    Damaged(&'static str),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
    /// The object store failed.
    #[error("the object store failed")]
    Objects(#[from] pentad_blob::Error),
}

impl Error {
    /// A single fault.
    pub fn invalid(location: &[&str], kind: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(location, kind, message)])
    }
}

fn describe(faults: &[Fault]) -> String {
    let Some(first) = faults.first() else {
        return "the request is not valid".to_owned();
    };
    let more = match faults.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{}: {}{more}", first.location.join("."), first.message)
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::Cursor => ErrorKind::Unprocessable,
            Self::RunNotFound | Self::FileNotFound => ErrorKind::NotFound,
            Self::ModelIoDisabled => ErrorKind::Forbidden,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::NotPng(_) => ErrorKind::UnsupportedMedia,
            Self::Overloaded { .. } | Self::TooManyPolls(_) => ErrorKind::RateLimited,
            Self::ShuttingDown | Self::Moved => ErrorKind::Unavailable,
            Self::Damaged(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::Objects(error) => error.kind(),
        }
    }

    fn details(&self) -> Option<serde_json::Value> {
        let Self::Invalid(faults) = self else { return None };
        let errors: Vec<_> = faults
            .iter()
            .map(|fault| serde_json::json!({"loc": fault.location, "msg": fault.message, "type": fault.kind}))
            .collect();
        Some(serde_json::json!({ "errors": errors }))
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after, .. } => Some(*retry_after),
            Self::TooManyPolls(_) | Self::ShuttingDown | Self::Moved => Some(Duration::from_secs(1)),
            Self::Store(error) => error.retry_after(),
            Self::Objects(error) => error.retry_after(),
            _ => None,
        }
    }
}
