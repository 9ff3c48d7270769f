//! What can go wrong between a repository and its database.

use std::io;
use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

/// A failure of the database or of what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database URL is none that this program can open.
    #[error("database URL {url:?} is not understood: {reason}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database cannot be reached, or did not answer in time.
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// A row with the same key is already there.
    #[error("a row with the same key already exists")]
    Duplicate(#[source] sqlx::Error),
    /// The row that this one belongs to is not there: it was deleted at the same time.
    #[error("what this belongs to was deleted at the same time")]
    Orphan(#[source] sqlx::Error),
    /// A text has a character that the database does not keep.
    #[error("a text holds a NUL character, which cannot be kept")]
    Text(#[source] sqlx::Error),
    /// The transaction lost against another one and may be tried again.
    #[error("the transaction conflicts with another one")]
    Conflict(#[source] sqlx::Error),
    /// There is no room left to write.
    #[error("the database has no room left to write")]
    Full(#[source] sqlx::Error),
    /// The database was written by a later version of the program.
    #[error(
        "the database has schema version {found}, which a later pentad wrote; this one, {}, knows versions up to \
         {known}: run the later one again, or restore the backup that was taken before it",
        env!("CARGO_PKG_VERSION")
    )]
    SchemaTooNew {
        /// The version found in the database.
        found: i64,
        /// The last version that this program knows.
        known: i64,
    },
    /// A migration did not apply.
    #[error("the schema could not be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A file beside the database could not be used.
    #[error("the database directory cannot be used")]
    Directory(#[source] std::io::Error),
    /// The statement is wrong, or the data is not what the statement expects: a fault of ours.
    #[error("a database statement failed")]
    Statement(#[source] sqlx::Error),
}

impl Error {
    /// Whether the failure is a violated unique key.
    pub const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate(_))
    }

    /// No answer came in time.
    pub fn silence() -> Self {
        Self::Unavailable(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))
    }

    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Unavailable(sqlx::Error::PoolTimedOut) => true,
            Self::Unavailable(sqlx::Error::Io(error)) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            // What came was cut off, or is no answer: the connection is of no further use.
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(fault) if fault.is_unique_violation() => Self::Duplicate(error),
            sqlx::Error::Database(fault) if fault.is_foreign_key_violation() => Self::Orphan(error),
            sqlx::Error::Database(fault) => match fault.code().as_deref() {
                // PostgreSQL: character_not_in_repertoire, which of UTF-8 is only NUL.
                Some("22021") => Self::Text(error),
                // SQLite: SQLITE_BUSY and its extended codes; PostgreSQL: serialisation, deadlock, lock timeout.
                Some("5" | "261" | "517" | "773" | "40001" | "40P01" | "55P03") => Self::Conflict(error),
                // SQLite: SQLITE_FULL, SQLITE_IOERR_WRITE; PostgreSQL: disk_full.
                Some("13" | "778" | "53100") => Self::Full(error),
                // PostgreSQL: shutting down, crashed, starting up, too many connections, statement timeout,
                // a transaction that paused too long, a server that only reads.
                Some("57P01" | "57P02" | "57P03" | "53300" | "57014" | "25P03" | "25006") => {
                    Self::Unavailable(error)
                }
                // PostgreSQL: the connection itself failed.
                Some(code) if code.len() == 5 && code.starts_with("08") => Self::Unavailable(error),
                _ => Self::Statement(error),
            },
            _ => Self::Statement(error),
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) => ErrorKind::Unavailable,
            Self::Duplicate(_) | Self::Orphan(_) => ErrorKind::Conflict,
            Self::Text(_) => ErrorKind::Unprocessable,
            Self::Full(_) => ErrorKind::StorageFull,
            Self::Url { .. }
            | Self::SchemaTooNew { .. }
            | Self::Migrate(_)
            | Self::Damaged(_)
            | Self::Directory(_)
            | Self::Statement(_) => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) => Some(Duration::from_secs(1)),
            Self::Full(_) => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}
