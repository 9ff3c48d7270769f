//! The handle, its pools and its transactions.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::{Error, Result};

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
    /// After how long PostgreSQL gives up on one statement.
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
    Postgres(PgPool),
}

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// The pool.
    pub name: &'static str,
    /// Those that work.
    pub used: u32,
    /// Those that wait for work.
    pub idle: u32,
}

impl Connections {
    fn of<DB: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<DB>) -> Self {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Self {
            name,
            used: pool.size().saturating_sub(idle),
            idle,
        }
    }
}

/// The two pools of a SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
    path: PathBuf,
}

impl Sqlite {
    /// The pool of read-only connections.
    pub const fn reader(&self) -> &SqlitePool {
        &self.readers
    }

    /// The pool of the one connection that may write.
    pub const fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file that nobody writes to.
    pub(crate) fn frozen(pool: SqlitePool, path: &Path) -> Self {
        Self {
            readers: pool.clone(),
            writer: pool,
            path: path.to_owned(),
        }
    }
}

/// A transaction. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// Holds SQLite's write lock from its first instant (`BEGIN IMMEDIATE`).
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    /// READ COMMITTED.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Tx {
    /// Makes everything done in the transaction durable and visible.
    ///
    /// # Errors
    /// When the commit did not happen; nothing of the transaction is then visible.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await.map_err(Error::from),
            Self::Postgres(transaction) => transaction.commit().await.map_err(Error::from),
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
            .disable_statement_logging();
        // The writer comes first: it creates the file and turns WAL on, which readers cannot.
        let writer = pool_options::<sqlx::Sqlite>(options, 1)
            .connect_with(connect.clone())
            .await?;
        let readers = SqlitePoolOptions::from(pool_options::<sqlx::Sqlite>(options, options.connections))
            .connect_with(connect.read_only(true))
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
            .options([(
                "statement_timeout",
                options.statement_timeout.as_millis().to_string(),
            )])
            .disable_statement_logging();
        let pool = PgPoolOptions::from(pool_options::<sqlx::Postgres>(options, options.connections))
            .connect_with(connect)
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// The engine behind the handle.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
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
            Self::Sqlite(sqlite) => Ok(Tx::Sqlite(sqlite.writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => Ok(Tx::Postgres(pool.begin_with("BEGIN").await?)),
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

    /// The connections that are open now, by pool: for metrics.
    pub fn connections(&self) -> Vec<Connections> {
        match self {
            Self::Sqlite(sqlite) => vec![
                Connections::of("readers", &sqlite.readers),
                Connections::of("writer", &sqlite.writer),
            ],
            Self::Postgres(pool) => vec![Connections::of("all", pool)],
        }
    }

    /// Closes the connections after their running statements. On SQLite this also folds the
    /// write-ahead log back into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                // Best effort: a failure costs the next start a little, and closing has to go on.
                let _ = sqlite.writer.execute("PRAGMA optimize").await;
                sqlite.writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
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

fn pool_options<DB: sqlx::Database>(options: &Options, connections: u32) -> sqlx::pool::PoolOptions<DB> {
    sqlx::pool::PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        // A ping before each use would double the cost of a small read; a dead connection shows itself.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
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
