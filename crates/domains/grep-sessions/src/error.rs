//! Why something about a session is refused.

use std::time::Duration;

use pentad_archive::PathError;
use pentad_grep_engine::QueryError;
use pentad_kernel::{Classify, ErrorKind};

/// Why an upload is refused. Nothing of a refused upload is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// No part is a text file.
    #[error("the upload holds no text file: send at least one part named files with a file name")]
    Empty,
    /// The name cannot be a path.
    #[error("the file name {name:?} is refused: {reason}")]
    Name {
        /// The name as it was sent, shortened.
        name: String,
        /// What is wrong with it.
        #[source]
        reason: PathError,
    },
    /// The archive is refused as a whole.
    #[error("the archive {name:?} is refused: {reason}")]
    Archive {
        /// The name of the part.
        name: String,
        /// What is wrong with it.
        #[source]
        reason: pentad_archive::Error,
    },
    /// The session would hold more text than it may.
    #[error("the session would hold more than the limit of {limit} bytes of text (grep_session_bytes)")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The machine has no memory left for it.
    #[error("the gateway has no memory left for more text (grep memory_bytes): stop sessions, or come back")]
    NoMemory,
    /// A spool file failed.
    #[error("an upload could not be spooled")]
    Spool(#[source] std::io::Error),
    /// A thread that worked on the upload died.
    #[error("an upload was lost: {0}")]
    Lost(String),
}

impl Classify for UploadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty | Self::Name { .. } => ErrorKind::Invalid,
            Self::Archive { reason, .. } => match reason {
                pentad_archive::Error::LimitExceeded { .. } => ErrorKind::TooLarge,
                pentad_archive::Error::Read { .. } => ErrorKind::Internal,
                _ => ErrorKind::Invalid,
            },
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::NoMemory => ErrorKind::Unavailable,
            Self::Spool(_) | Self::Lost(_) => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::NoMemory).then_some(Duration::from_secs(10))
    }
}

/// Why something about a session is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session ended, was deleted, belongs to somebody else or never was.
    #[error("no such session: it ended, was deleted, or never was")]
    NotFound,
    /// The session has no such file.
    #[error("the session has no file {0:?}")]
    FileNotFound(String),
    /// A memory session cannot be restarted.
    #[error("only s3 sessions can be restarted: this one was kept in memory")]
    NotRestartable,
    /// The life asked for is longer than the plan's.
    #[error("ttl_minutes must be a whole number from 1 to {0}")]
    TimeToLive(u64),
    /// The plan's number of live sessions is reached.
    #[error("the plan allows {0} live sessions (grep_live_sessions): stop some, or upgrade")]
    LiveSessions(u64),
    /// The plan's stored bytes are used up.
    #[error("the plan allows {0} stored bytes (grep_stored_bytes): delete sessions for good, or upgrade")]
    StoredBytes(u64),
    /// The cursor of a list is none that a page before it gave.
    #[error("the cursor is none of ours")]
    Cursor,
    /// The upload is refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The query is refused, or did not finish.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Too many searches wait already.
    #[error("too many searches are running: come back in a moment")]
    Busy,
    /// A stored object is not what was stored.
    #[error("a stored segment of the session is damaged: {0}")]
    Damaged(String),
    /// The object store failed.
    #[error("the session's files cannot be reached")]
    Blob(#[from] pentad_blob::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
    /// A thread that worked for the session died.
    #[error("a thread died: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::FileNotFound(_) => ErrorKind::NotFound,
            Self::NotRestartable | Self::TimeToLive(_) | Self::Cursor => ErrorKind::Invalid,
            Self::LiveSessions(_) | Self::StoredBytes(_) => ErrorKind::QuotaExceeded,
            Self::Upload(error) => error.kind(),
            Self::Query(QueryError::Cancelled) => ErrorKind::Timeout,
            Self::Query(_) => ErrorKind::Invalid,
            Self::Busy => ErrorKind::Unavailable,
            // An object that is missing although a row names it is our loss, not the caller's mistake.
            Self::Blob(error) => match error.kind() {
                kind @ (ErrorKind::Unavailable | ErrorKind::StorageFull) => kind,
                _ => ErrorKind::Internal,
            },
            Self::Damaged(_) | Self::Thread(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::FileNotFound(_) => Some("file_not_found"),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy => Some(Duration::from_secs(1)),
            Self::Upload(error) => error.retry_after(),
            Self::Blob(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}
