//! Why something about code execution is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};
use pentad_sandbox::PathError;

/// Why something about code execution is refused. A program that fails is no error but a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is out of its bounds or of the wrong form.
    #[error("{0}")]
    Invalid(String),
    /// No language has this name.
    #[error("no language {0:?}: there are python, node, typescript, go and deno")]
    Language(String),
    /// The text cannot be a session's id.
    #[error(
        "the session id {0:?} is refused: 1 to 128 of A-Z a-z 0-9 _ . : - are allowed, the first of them a letter or digit"
    )]
    SessionId(String),
    /// The text cannot be a path of a workspace.
    #[error("{0}")]
    Path(#[from] PathError),
    /// The name belongs to the files that every run is given.
    #[error("{0:?} is a name that every run fills itself: choose another")]
    ReservedPath(String),
    /// A directory would have to be a file too, or the other way round.
    #[error(
        "{path:?} cannot be stored beside {other:?}: one of them would be a file and a directory at once"
    )]
    PathConflict {
        /// What was to be stored.
        path: String,
        /// What is there.
        other: String,
    },
    /// The session was deleted, belongs to somebody else or never was.
    #[error("no session {0:?}")]
    SessionNotFound(String),
    /// The session has no such file.
    #[error("the session has no file {0:?}")]
    FileNotFound(String),
    /// The session has no code of its own.
    #[error("the session has no code: store some with PUT /api/sessions/{{id}}/code")]
    CodeNotFound,
    /// Neither the request nor the session has code.
    #[error("there is no code to run: send code, or store some with PUT /api/sessions/{{id}}/code")]
    NoCode,
    /// The name is taken.
    #[error("a session {0:?} exists already")]
    SessionExists(String),
    /// The session does not let requests in.
    #[error("the session {0:?} takes no requests: set allowPublicAccess")]
    PublicAccessDisabled(String),
    /// What listens inside the sandbox does not answer.
    #[error("{0}")]
    ProxyUnreachable(String),
    /// Something is larger than it may be.
    #[error("{what} is larger than the limit of {limit} bytes ({name})")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// The limit's name.
        name: &'static str,
    },
    /// The workspace has no room.
    #[error("the session's workspace may hold {limit} {unit} ({name})")]
    WorkspaceFull {
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
        /// The limit's name.
        name: &'static str,
    },
    /// Too much waits already.
    #[error("{reason}: come back in a moment")]
    Busy {
        /// Which limit is reached.
        reason: String,
    },
    /// The language is not installed here.
    #[error("{0}")]
    LanguageUnavailable(String),
    /// Nothing can be run here.
    #[error("no code is run here: {0}")]
    SandboxUnavailable(String),
    /// The program that is to be reached runs on another gateway.
    #[error(
        "the session's program runs on another gateway: come back, or let the load balancer choose by session"
    )]
    Elsewhere,
    /// The sender of the request went away.
    #[error("the request was given up")]
    Cancelled,
    /// The sandbox failed.
    #[error("the sandbox failed")]
    Sandbox(#[source] pentad_sandbox::Error),
    /// What is stored is not what was stored.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// The machine failed.
    #[error("{doing} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The object store failed.
    #[error("the files of the session cannot be reached")]
    Blob(#[from] pentad_blob::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
    /// A thread died.
    #[error("a thread died: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl From<pentad_sandbox::Error> for Error {
    fn from(error: pentad_sandbox::Error) -> Self {
        match error {
            pentad_sandbox::Error::LanguageUnavailable { .. } => Self::LanguageUnavailable(error.to_string()),
            pentad_sandbox::Error::Busy { .. } => Self::Busy {
                reason: error.to_string(),
            },
            error => Self::Sandbox(error),
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_)
            | Self::Language(_)
            | Self::SessionId(_)
            | Self::Path(_)
            | Self::ReservedPath(_)
            | Self::NoCode => ErrorKind::Invalid,
            Self::PathConflict { .. } | Self::SessionExists(_) => ErrorKind::Conflict,
            Self::SessionNotFound(_) | Self::FileNotFound(_) | Self::CodeNotFound => ErrorKind::NotFound,
            Self::PublicAccessDisabled(_) => ErrorKind::Forbidden,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::WorkspaceFull { .. } => ErrorKind::QuotaExceeded,
            Self::Busy { .. } => ErrorKind::RateLimited,
            Self::ProxyUnreachable(_)
            | Self::LanguageUnavailable(_)
            | Self::SandboxUnavailable(_)
            | Self::Elsewhere
            | Self::Cancelled => ErrorKind::Unavailable,
            Self::Sandbox(_) | Self::Damaged(_) | Self::Io { .. } | Self::Thread(_) => ErrorKind::Internal,
            // An object that is missing although a row names it is our loss, not the caller's mistake.
            Self::Blob(error) => match error.kind() {
                kind @ (ErrorKind::Unavailable | ErrorKind::StorageFull) => kind,
                _ => ErrorKind::Internal,
            },
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Language(_) => "INVALID_LANGUAGE",
            Self::SessionId(_) => "INVALID_SESSION_ID",
            Self::Path(_) | Self::ReservedPath(_) => "INVALID_PATH",
            Self::NoCode => "NO_CODE",
            Self::PathConflict { .. } => "PATH_CONFLICT",
            Self::SessionExists(_) => "SESSION_EXISTS",
            Self::SessionNotFound(_) => "SESSION_NOT_FOUND",
            Self::FileNotFound(_) => "FILE_NOT_FOUND",
            Self::CodeNotFound => "CODE_NOT_FOUND",
            Self::PublicAccessDisabled(_) => "PUBLIC_ACCESS_DISABLED",
            Self::ProxyUnreachable(_) => "PROXY_UNREACHABLE",
            Self::LanguageUnavailable(_) => "LANGUAGE_UNAVAILABLE",
            Self::SandboxUnavailable(_) => "SANDBOX_UNAVAILABLE",
            _ => return None,
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { .. } | Self::Elsewhere | Self::Cancelled => Some(Duration::from_secs(1)),
            Self::Blob(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}
