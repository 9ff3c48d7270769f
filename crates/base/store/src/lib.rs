//! One database handle over SQLite or PostgreSQL.
//!
//! Repositories write one SQL text with `$1` placeholders and run it on either engine:
//!
//! ```
//! use pentad_store::{Db, Options, affected, with_reader, with_tx};
//!
//! # async fn example() -> Result<(), pentad_store::Error> {
//! let directory = tempfile::tempdir().unwrap();
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.path().display()), &Options::default()).await?;
//! db.migrate().await?;
//!
//! let mut tx = db.begin().await?;
//! with_tx!(tx, |conn| sqlx::query("INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, $2, 1, 0)")
//!     .bind("sweep").bind("here").execute(conn).await.map(affected))?;
//! tx.commit().await?;
//!
//! let holder: String = with_reader!(db, |conn| sqlx::query_scalar("SELECT holder FROM leases WHERE name = $1")
//!     .bind("sweep").fetch_one(conn).await)?;
//! assert_eq!(holder, "here");
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # Rules for SQL that both engines read
//! - Constants only; dynamic filters through [`sqlx::QueryBuilder`].
//! - Types are TEXT, BIGINT/INTEGER, BOOLEAN (INTEGER on SQLite), BYTEA/BLOB and DOUBLE. Times are
//!   integers of microseconds, JSON is text, identifiers are text.
//! - `CAST(SUM(x) AS BIGINT)`, `ORDER BY … NULLS LAST`, `ON CONFLICT … DO UPDATE`, `RETURNING`; no
//!   ILIKE, no data-modifying CTE, no `FOR UPDATE`.
//! - Where the engines truly differ, an explicit two-armed `match` in a module called `dialect`.
//! - Inside a write transaction nothing is awaited but the database.

mod connections;
mod db;
mod error;
#[cfg(feature = "testing")]
pub mod explore;
mod lease;
mod migrate;
mod postgres;
mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;

pub use connections::{Connection, Connections};
pub use db::{Db, Durability, Engine, OpenConnections, Options, Outcome, Sqlite, Tx, affected};
pub use error::Error;
pub use lease::Lease;
pub use postgres::{Postgres, PostgresConnection, Transaction, within};
pub use snapshot::Snapshot;

/// What a call on the database gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Runs the body with a read connection of whichever engine the [`Db`] is.
///
/// The body is compiled once per engine, so its types are checked for both.
#[macro_export]
macro_rules! with_reader {
    ($db:expr, |$conn:ident| $body:expr) => {
        match &$db {
            $crate::Db::Sqlite(sqlite) => {
                let $conn = sqlite.reader();
                ($body).map_err($crate::Error::from)
            }
            $crate::Db::Postgres(postgres) => match postgres.connection().await {
                Ok(mut connection) => {
                    $crate::with_postgres!(&mut connection, |$conn| $body)
                }
                Err(error) => Err(error),
            },
        }
    };
}

/// Runs the body, one writing statement, with a write connection: it commits by itself.
#[macro_export]
macro_rules! with_writer {
    ($db:expr, |$conn:ident| $body:expr) => {
        match &$db {
            $crate::Db::Sqlite(sqlite) => {
                let $conn = sqlite.writer();
                ($body).map_err($crate::Error::from)
            }
            $crate::Db::Postgres(postgres) => match postgres.connection().await {
                Ok(mut connection) => {
                    $crate::with_postgres!(&mut connection, |$conn| $body)
                }
                Err(error) => Err(error),
            },
        }
    };
}

/// Runs the body with a `&mut PostgresConnection` or `&mut Transaction` of PostgreSQL: what the other macros do there, for
/// the modules called `dialect`.
#[macro_export]
macro_rules! with_postgres {
    ($held:expr, |$conn:ident| $body:expr) => {{
        let held = &mut *$held;
        let limit = held.ask();
        let outcome = $crate::within(limit, async {
            let $conn = &mut **held;
            ($body).map_err($crate::Error::from)
        })
        .await;
        held.judge(outcome)
    }};
}

/// Runs the body inside a transaction made by [`Db::begin`].
#[macro_export]
macro_rules! with_tx {
    ($tx:expr, |$conn:ident| $body:expr) => {
        match &mut $tx {
            $crate::Tx::Sqlite(transaction) => {
                let $conn = &mut **transaction;
                ($body).map_err($crate::Error::from)
            }
            $crate::Tx::Postgres(transaction) => {
                $crate::with_postgres!(transaction, |$conn| $body)
            }
        }
    };
}
