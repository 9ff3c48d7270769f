//! Why something about the storage is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

/// What a call on the storage gives.
pub type Result<T> = std::result::Result<T, Error>;

/// A refused or failed call on the storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be a namespace.
    #[error(
        "{0:?} cannot be a namespace: it has 1 to 128 letters, digits, '_', '-', '.' and ':', of which one at least \
         is a letter or a digit"
    )]
    Namespace(String),
    /// The key is empty.
    #[error("the key is empty")]
    EmptyKey,
    /// The key is too long.
    #[error("the key has {size} bytes, more than the limit of {limit} (key_bytes)")]
    LongKey {
        /// Its bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A cursor was not made by this list.
    #[error("the cursor is not one that this list gave")]
    Cursor,
    /// The namespace has no such key.
    #[error("no such key")]
    KeyNotFound,
    /// The namespace has no such object.
    #[error("no such object")]
    ObjectNotFound,
    /// What was sent, or what would be answered, is larger than a limit.
    #[error("{what} is larger than the limit of {limit} ({name})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// Its name in the configuration.
        name: &'static str,
    },
    /// The SQL database has no room left.
    #[error("the database has no room left: it may have {limit} bytes (d1_database_bytes)")]
    DatabaseFull {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content broke off or cannot be read.
    #[error("the content broke off: {0}")]
    Content(String),
    /// The statement is wrong, or fails on the data. The text is SQLite's.
    #[error("{0}")]
    Sql(String),
    /// The statement does what no statement may.
    #[error("not allowed here: {0}")]
    SqlForbidden(String),
    /// The parameters are not those of the statement.
    #[error("the statement has {wanted} parameters, {given} are given")]
    SqlParameters {
        /// How many the statement has.
        wanted: usize,
        /// How many were given.
        given: usize,
    },
    /// A statement that writes was sent where only reading is done.
    #[error("this statement writes: send it to exec")]
    SqlNotReadOnly,
    /// More than one statement was sent.
    #[error("send one statement at a time")]
    SqlMultipleStatements,
    /// The statement ran too long; it changed nothing.
    #[error("the statement ran longer than the limit of {} ms (d1_timeout_ms)", .0.as_millis())]
    SqlTimeout(Duration),
    /// Too many statements are waiting to run.
    #[error("too many statements are waiting to run (d1_concurrency {0})")]
    Busy(usize),
    /// A stored thing cannot be read: a fault of ours.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// The directory of SQL databases cannot be used.
    #[error("the directory of SQL databases cannot be used")]
    Directory(#[source] std::io::Error),
    /// SQLite failed on a database for a reason that is not the statement's.
    #[error("an SQL database failed")]
    Engine(#[source] rusqlite::Error),
    /// A thread that worked on a statement died.
    #[error("a statement was lost: {0}")]
    Lost(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
    /// The object store failed.
    #[error("the object store failed")]
    Objects(#[from] pentad_blob::Error),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Namespace(_)
            | Self::EmptyKey
            | Self::LongKey { .. }
            | Self::Cursor
            | Self::Content(_)
            | Self::Sql(_)
            | Self::SqlForbidden(_)
            | Self::SqlParameters { .. }
            | Self::SqlNotReadOnly
            | Self::SqlMultipleStatements => ErrorKind::Invalid,
            Self::KeyNotFound | Self::ObjectNotFound => ErrorKind::NotFound,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::DatabaseFull { .. } => ErrorKind::QuotaExceeded,
            Self::SqlTimeout(_) => ErrorKind::Timeout,
            Self::Busy(_) => ErrorKind::RateLimited,
            Self::Damaged(_) | Self::Directory(_) | Self::Engine(_) | Self::Lost(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::Objects(error) => match error.kind() {
                // What a client named was found in the database.
                ErrorKind::NotFound => ErrorKind::Internal,
                other => other,
            },
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Namespace(_) => Some("INVALID_NAMESPACE"),
            Self::KeyNotFound => Some("KEY_NOT_FOUND"),
            Self::ObjectNotFound => Some("OBJECT_NOT_FOUND"),
            Self::Sql(_) | Self::SqlForbidden(_) | Self::SqlParameters { .. } => Some("SQL_ERROR"),
            Self::SqlNotReadOnly => Some("SQL_NOT_READ_ONLY"),
            Self::SqlMultipleStatements => Some("SQL_MULTIPLE_STATEMENTS"),
            Self::SqlTimeout(_) => Some("SQL_TIMEOUT"),
            Self::EmptyKey
            | Self::LongKey { .. }
            | Self::Cursor
            | Self::TooLarge { .. }
            | Self::DatabaseFull { .. }
            | Self::Content(_)
            | Self::Busy(_)
            | Self::Damaged(_)
            | Self::Directory(_)
            | Self::Engine(_)
            | Self::Lost(_)
            | Self::Store(_)
            | Self::Objects(_) => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(_) => Some(Duration::from_secs(1)),
            Self::Store(error) => error.retry_after(),
            Self::Objects(error) => error.retry_after(),
            _ => None,
        }
    }
}
