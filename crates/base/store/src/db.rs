//! The handle, its pools and its transactions.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use pentad_kernel::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::postgres::{Postgres, Transaction};
use crate::{Connection, Connections, Error, Result};

/// How long a transaction on PostgreSQL may pause: longer than a statement of SQL storage waits for the object
/// store, between the lock of its row and its end.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Statements that a connection keeps ready: about as many as there are.
const STATEMENTS: usize = 600;

/// What a commit survives on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Power loss: every commit is flushed to the disk (`synchronous=FULL`).
    #[default]
    Fsync,
    /// The death of the process, but not of the machine (`synchronous=NORMAL`).
    Os,
}

/// How the database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a commit survives on SQLite; PostgreSQL has its own configuration for that.
    pub durability: Durability,
    /// Connections for reading on SQLite, for everything on PostgreSQL.
    pub connections: u32,
    /// How long a call waits for a free connection before it fails as unavailable.
    pub acquire_timeout: Duration,
    /// After how long PostgreSQL gives up on one statement; two seconds later nobody waits for its answer.
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            connections: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// Which engine a [`Db`] runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL 14 or later.
    Postgres,
}

/// A database. Clones share the same connections.
#[derive(Clone, Debug)]
pub enum Db {
    /// A SQLite file in WAL mode: many readers, one writer.
    Sqlite(Sqlite),
    /// A PostgreSQL database.
    Postgres(Postgres),
}

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenConnections {
    /// The pool.
    pub name: &'static str,
    /// Those that work.
    pub used: u32,
    /// Those that wait for work.
    pub idle: u32,
}

/// The connections of a SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: Connections,
    writer: Connections,
    path: PathBuf,
}

impl Sqlite {
    /// The read-only connections.
    pub const fn reader(&self) -> &Connections {
        &self.readers
    }

    /// The one connection that may write.
    pub const fn writer(&self) -> &Connections {
        &self.writer
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file that nobody writes to.
    pub(crate) fn frozen(connections: Connections, path: &Path) -> Self {
        Self {
            readers: connections.clone(),
            writer: connections,
            path: path.to_owned(),
        }
    }
}

/// A transaction. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// Holds SQLite's write lock from its first instant (`BEGIN IMMEDIATE`).
    Sqlite(Connection),
    /// READ COMMITTED.
    Postgres(Transaction),
}

impl Tx {
    /// Makes everything done in the transaction durable and visible.
    ///
    /// # Errors
    /// When the commit did not happen; nothing of the transaction is then visible. [`Error::Unavailable`] on
    /// PostgreSQL leaves open whether it did.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await.map_err(Error::from),
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

impl Db {
    /// Opens `sqlite:PATH` (created when missing, with its directory) or `postgres://…`.
    ///
    /// # Errors
    /// [`Error::Url`] for any other URL, [`Error::Unavailable`] when the database does not answer.
    pub async fn open(url: &str, options: &Options) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(Path::new(path.trim_start_matches("//")), options).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url, options).await
        } else {
            Err(Error::Url {
                url: without_password(url),
                reason: "it starts with neither sqlite: nor postgres://".to_owned(),
            })
        }
    }

    async fn open_sqlite(path: &Path, options: &Options) -> Result<Self> {
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            std::fs::create_dir_all(directory).map_err(Error::Directory)?;
        }
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .statement_cache_capacity(STATEMENTS)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match options.durability {
                Durability::Fsync => SqliteSynchronous::Full,
                Durability::Os => SqliteSynchronous::Normal,
            })
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .pragma("cache_size", "-16384")
            .pragma("mmap_size", "268435456")
            .pragma("temp_store", "memory")
            // 16 MiB. Pages that are written again and again reach the file once for all of them.
            .pragma("wal_autocheckpoint", "4096")
            // What is deleted is overwritten: erasing has to mean that the bytes are gone.
            .pragma("secure_delete", "on")
            .disable_statement_logging();
        // The writer comes first: it creates the file and turns WAL on, which readers cannot.
        let writer = Connections::writer(connect.clone(), options.acquire_timeout).await?;
        let readers = Connections::readers(
            connect.read_only(true),
            options.connections,
            options.acquire_timeout,
        )
        .await?;
        Ok(Self::Sqlite(Sqlite {
            readers,
            writer,
            path: path.to_owned(),
        }))
    }

    async fn open_postgres(url: &str, options: &Options) -> Result<Self> {
        let connect = PgConnectOptions::from_str(url)
            .map_err(|error| Error::Url {
                url: without_password(url),
                reason: error.to_string(),
            })?
            .application_name("pentad")
            .options([
                (
                    "statement_timeout",
                    options.statement_timeout.as_millis().to_string(),
                ),
                // A gateway whose machine vanished must not hold its locks: the server finds out by itself.
                ("tcp_keepalives_idle", "20".to_owned()),
                ("tcp_keepalives_interval", "5".to_owned()),
                ("tcp_keepalives_count", "4".to_owned()),
                (
                    "idle_in_transaction_session_timeout",
                    LONGEST_PAUSE.as_millis().to_string(),
                ),
            ])
            .disable_statement_logging();
        // Whoever puts a pool of transactions in between has to say that there can be none.
        let connect = if url.contains("statement-cache-capacity=") {
            connect
        } else {
            connect.statement_cache_capacity(STATEMENTS)
        };
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.acquire_timeout)
            // A ping before each use would double the cost of a small read; a dead connection shows itself.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(connect)
            .await?;
        Ok(Self::Postgres(Postgres::new(pool, options.statement_timeout)))
    }

    /// The engine behind the handle.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Whether other gateways may work on the same database: what one of them remembers, another may have
    /// changed.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Starts a write transaction.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads first and writes later would
    /// lose to any other writer with `SQLITE_BUSY`, which no waiting resolves.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection became free in time.
    pub async fn begin(&self) -> Result<Tx> {
        match self {
            Self::Sqlite(sqlite) => {
                let mut connection = sqlite.writer.acquire().await?;
                connection.begin().await?;
                Ok(Tx::Sqlite(connection))
            }
            Self::Postgres(postgres) => Ok(Tx::Postgres(postgres.begin().await?)),
        }
    }

    /// Asks the database for an answer: for readiness probes.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<()> {
        crate::with_reader!(*self, |conn| sqlx::query("SELECT 1")
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// On SQLite, moves the write-ahead log into the database file and empties it. What was deleted before is then
    /// in neither of them. `false` when a reader was in the way for too long and the log is still there.
    ///
    /// PostgreSQL overwrites what was deleted when it vacuums, and recycles its log, by its own configuration.
    ///
    /// # Errors
    /// When the database does not answer or the file cannot be written.
    pub async fn checkpoint(&self) -> Result<bool> {
        match self {
            Self::Sqlite(sqlite) => {
                let mut writer = sqlite.writer.acquire().await?;
                // Whoever wants to write waits for this, so that it does not wait long for those who read.
                writer.execute("PRAGMA busy_timeout = 100").await?;
                let done: std::result::Result<(i64, i64, i64), _> =
                    sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                        .fetch_one(&mut *writer)
                        .await;
                writer.execute("PRAGMA busy_timeout = 5000").await?;
                Ok(done?.0 == 0)
            }
            Self::Postgres(_) => Ok(true),
        }
    }

    /// The database's clock, which all that share the database have in common; `None` for SQLite, which has
    /// none of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn clock(&self) -> Result<Option<Timestamp>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(postgres) => Ok(Some(Timestamp::from_micros(postgres.clock().await?))),
        }
    }

    /// The connections that are open now, by pool: for metrics.
    pub fn connections(&self) -> Vec<OpenConnections> {
        let of = |name, (used, idle)| OpenConnections { name, used, idle };
        match self {
            Self::Sqlite(sqlite) => vec![
                of("readers", sqlite.readers.used_and_idle()),
                of("writer", sqlite.writer.used_and_idle()),
            ],
            Self::Postgres(postgres) => vec![of("all", postgres.used_and_idle())],
        }
    }

    /// Closes the connections after their running statements. On SQLite this also folds the
    /// write-ahead log back into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                sqlite.writer.close().await;
            }
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}

/// The result of a statement on either engine.
pub trait Outcome {
    /// How many rows the statement wrote.
    fn rows_affected(&self) -> u64;
}

impl Outcome for sqlx::sqlite::SqliteQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

impl Outcome for sqlx::postgres::PgQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

/// How many rows a statement wrote: what `execute(conn).await.map(affected)` turns the two engines' own
/// result types into.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to Result::map")]
pub fn affected(outcome: impl Outcome) -> u64 {
    outcome.rows_affected()
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.find('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…@{}", &url[..scheme], &url[at + 1..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_an_error() {
        assert_eq!(without_password("mysql://me:secret@host/db"), "mysql://…@host/db");
        assert_eq!(without_password("nonsense"), "nonsense");
    }

    #[tokio::test]
    async fn an_unknown_scheme_is_refused() {
        let error = Db::open("mysql://localhost/x", &Options::default())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Url { .. }), "{error}");
    }
}
