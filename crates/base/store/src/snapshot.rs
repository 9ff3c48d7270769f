//! The database as it was at one instant, for backups.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;

use crate::db::Sqlite;
use crate::{Connections, Db, Error, Postgres, Result, with_reader};

/// How long a question to a snapshot may take: a backup reads whole tables.
const LONGEST_READ: Duration = Duration::from_secs(3600);

/// A database that stands still while the one it was taken of goes on.
///
/// On SQLite it is a copy in a file of its own. On PostgreSQL it is a transaction that sees one instant, and whose
/// name lets `pg_dump` see the same one for as long as the snapshot is open.
#[derive(Debug)]
pub struct Snapshot {
    db: Db,
    name: Option<String>,
}

impl Db {
    /// Freezes the database. Readers and writers of it are not held up.
    ///
    /// `file`, which does not exist yet, becomes the copy of a SQLite database: complete, without a write-ahead log
    /// beside it, but not flushed to the disk. On PostgreSQL nothing is written.
    ///
    /// # Errors
    /// [`Error::Damaged`] when SQLite finds the copy to be damaged, in which case the database is; others when the
    /// database fails.
    pub async fn snapshot(&self, file: &Path) -> Result<Snapshot> {
        match self {
            Self::Sqlite(sqlite) => sqlite.snapshot(file).await,
            Self::Postgres(postgres) => {
                Snapshot::of_postgres(postgres.pool().connect_options().as_ref()).await
            }
        }
    }
}

impl Snapshot {
    /// The frozen database. It can only be read.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// What `pg_dump --snapshot` calls the instant; nothing on SQLite.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Lets go of it. The copy of a SQLite database stays.
    pub async fn close(self) {
        self.db.close().await;
    }

    async fn of_postgres(options: &PgConnectOptions) -> Result<Self> {
        // A dump of a large database takes longer than any statement may.
        let options = options.clone().options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ]);
        let is_open = AtomicBool::new(false);
        // One connection, which is in the transaction from its first statement to its end. A second one would see
        // another instant, and is refused.
        let pool: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                let lost = is_open.swap(true, Ordering::Relaxed);
                Box::pin(async move {
                    if lost {
                        return Err(sqlx::Error::WorkerCrashed);
                    }
                    connection
                        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                        .await
                        .map(drop)
                })
            })
            .connect_with(options)
            .await?;
        let name = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&pool)
            .await?;
        Ok(Self {
            db: Db::Postgres(Postgres::new(pool, LONGEST_READ)),
            name: Some(name),
        })
    }
}

impl Sqlite {
    async fn snapshot(&self, file: &Path) -> Result<Snapshot> {
        let name = file.to_str().ok_or_else(|| {
            Error::Directory(std::io::Error::other(
                "the path of a copy of the database has to be UTF-8",
            ))
        })?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(self.reader())
            .await?;
        let connect = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .immutable(true);
        let frozen = Connections::readers(connect, 1, LONGEST_READ).await?;
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&frozen)
            .await?;
        if found != "ok" {
            return Err(Error::Damaged(found));
        }
        Ok(Snapshot {
            db: Db::Sqlite(Self::frozen(frozen, file)),
            name: None,
        })
    }
}

impl Db {
    /// Whether the database holds no table, of nobody's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_empty(&self) -> Result<bool> {
        dialect::is_empty(self).await
    }

    /// The version of the schema; 0 in a database that no version of the program has used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schema_version(&self) -> Result<i64> {
        if !dialect::has_migrations(self).await? {
            return Ok(0);
        }
        with_reader!(*self, |conn| sqlx::query_scalar(
            "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success"
        )
        .fetch_one(conn)
        .await)
    }
}

/// The catalogues of the two engines.
mod dialect {
    use crate::{Db, Result, with_postgres};

    pub(super) async fn is_empty(db: &Db) -> Result<bool> {
        Ok(match db {
            Db::Sqlite(sqlite) => {
                sqlx::query_scalar("SELECT COUNT(*) = 0 FROM sqlite_schema")
                    .fetch_one(sqlite.reader())
                    .await?
            }
            Db::Postgres(postgres) => {
                let mut connection = postgres.connection().await?;
                with_postgres!(&mut connection, |conn| sqlx::query_scalar(
                    "SELECT COUNT(*) = 0 FROM pg_tables WHERE schemaname = current_schema()"
                )
                .fetch_one(conn)
                .await)?
            }
        })
    }

    pub(super) async fn has_migrations(db: &Db) -> Result<bool> {
        Ok(match db {
            Db::Sqlite(sqlite) => {
                sqlx::query_scalar("SELECT COUNT(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
                    .fetch_one(sqlite.reader())
                    .await?
            }
            Db::Postgres(postgres) => {
                let mut connection = postgres.connection().await?;
                with_postgres!(&mut connection, |conn| sqlx::query_scalar(
                    "SELECT to_regclass('_sqlx_migrations') IS NOT NULL"
                )
                .fetch_one(conn)
                .await)?
            }
        })
    }
}
