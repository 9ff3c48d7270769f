//! The connections of a SQLite database.
//!
//! The pool of sqlx asks a connection for a sign of life whenever it comes back. Over a network that finds what
//! broke; here it is a second trip to the connection's thread, which costs more than most queries. It also hands
//! connections out in turn, so that no cache stays warm. A connection to a file does not break, and this pool hands
//! out the one that was used last.

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use sqlx::sqlite::{SqliteConnectOptions, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo};
use sqlx::{
    ConnectOptions as _, Connection as _, Either, Execute, Executor, SqlStr, Sqlite, SqliteConnection,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Connections that are shared. Clones share the same ones.
///
/// A reference to it runs statements as a reference to a pool of sqlx does, each on whichever connection is free,
/// and gives the rows when it has them all.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    /// Whether statements on them change what is stored.
    writes: bool,
    most: u32,
    wait: Duration,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("most", &self.0.most)
            .field("free", &self.0.permits.available_permits())
            .finish_non_exhaustive()
    }
}

impl Connections {
    /// Opens the one connection that may write. Who does not get it in that time is told so.
    pub(crate) async fn writer(options: SqliteConnectOptions, wait: Duration) -> sqlx::Result<Self> {
        Self::open(options, true, 1, wait).await
    }

    /// Opens the first connection for reading; up to `most` are opened as they are needed.
    pub(crate) async fn readers(
        options: SqliteConnectOptions,
        most: u32,
        wait: Duration,
    ) -> sqlx::Result<Self> {
        Self::open(options, false, most, wait).await
    }

    async fn open(
        options: SqliteConnectOptions,
        writes: bool,
        most: u32,
        wait: Duration,
    ) -> sqlx::Result<Self> {
        let first = options.connect().await?;
        Ok(Self(Arc::new(Shared {
            options,
            writes,
            most,
            wait,
            permits: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::new(vec![first]),
        })))
    }

    /// A connection for the caller alone, until it is dropped.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] when none became free in time, [`sqlx::Error::PoolClosed`] after the end.
    pub async fn acquire(&self) -> sqlx::Result<Connection> {
        let shared = &self.0;
        let permit = match Arc::clone(&shared.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(sqlx::Error::PoolClosed),
            Err(TryAcquireError::NoPermits) => {
                tokio::time::timeout(shared.wait, Arc::clone(&shared.permits).acquire_owned())
                    .await
                    .map_err(|_| sqlx::Error::PoolTimedOut)?
                    .map_err(|_| sqlx::Error::PoolClosed)?
            }
        };
        let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => shared.options.connect().await?,
        };
        Ok(Connection {
            lent: Some(Lent {
                connection,
                shared: Arc::clone(shared),
                _permit: permit,
            }),
            in_transaction: false,
        })
    }

    /// How many connections are in use, and how many wait for work.
    pub(crate) fn used_and_idle(&self) -> (u32, u32) {
        let shared = &self.0;
        let free = u32::try_from(shared.permits.available_permits()).unwrap_or(u32::MAX);
        let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).len();
        (
            shared.most.saturating_sub(free),
            u32::try_from(idle).unwrap_or(u32::MAX),
        )
    }

    /// Waits for the connections that are in use, and closes all.
    pub(crate) async fn close(&self) {
        let shared = &self.0;
        // The error says that somebody else has closed them.
        let all = shared.permits.acquire_many(shared.most).await;
        shared.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *shared.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            // Best effort: what is committed is on disk whether or not the file is closed in order.
            let _ = connection.close().await;
        }
    }
}

/// A connection and the way back.
struct Lent {
    connection: SqliteConnection,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn give_back(self) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.connection);
        drop(idle);
    }
}

/// A connection that is in use. Dropped, it goes back, after what it had begun is rolled back.
pub struct Connection {
    lent: Option<Lent>,
    /// Also while nobody knows, because a call to begin or commit was given up.
    in_transaction: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Begins a transaction that holds the write lock from its first instant.
    pub(crate) async fn begin(&mut self) -> sqlx::Result<()> {
        self.in_transaction = true;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut **self).await;
        self.in_transaction = begun.is_ok();
        self.keep_if_sound(begun.map(|_| ()))
    }

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        let committed = sqlx::query("COMMIT").execute(&mut *self).await;
        // A commit that fails may leave the transaction open.
        self.in_transaction = committed.is_err();
        self.keep_if_sound(committed.map(|_| ()))
    }

    /// Closes the connection instead of handing it on when its thread has died.
    fn keep_if_sound<T>(&mut self, outcome: sqlx::Result<T>) -> sqlx::Result<T> {
        if matches!(outcome, Err(sqlx::Error::WorkerCrashed)) {
            self.lent = None;
        }
        outcome
    }
}

const LENT: &str = "a connection is lent until it is dropped or its thread dies";

impl Deref for Connection {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.lent.as_ref().expect(LENT).connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.lent.as_mut().expect(LENT).connection
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        if !self.in_transaction {
            lent.give_back();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let undone = sqlx::query("ROLLBACK").execute(&mut lent.connection).await;
                // That there is nothing to roll back is what SQLite says when the commit did happen.
                if matches!(undone, Ok(_) | Err(sqlx::Error::Database(_))) {
                    lent.give_back();
                }
            });
        }
        // Without a runtime the connection is closed, which rolls back as well.
    }
}

/// Looks for the next row before going to sleep, and how long between two: some tens of microseconds in all. Looking
/// without pause would keep the connection's thread from handing the row over.
const LOOKS: u32 = 64;
const PAUSE: u32 = 32;

/// Everything that a stream of rows gives.
///
/// Rows come from the connection's thread one by one. A task that slept after each would be woken for each, which
/// costs more than the row; so it sleeps until the first, and looks for the others.
async fn together<T>(mut rows: BoxStream<'_, sqlx::Result<T>>) -> sqlx::Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let flowing = !all.is_empty();
        let next = poll_fn(|context| {
            for _ in 0..if flowing { LOOKS } else { 0 } {
                if let Poll::Ready(next) = rows.poll_next_unpin(&mut Context::from_waker(Waker::noop())) {
                    return Poll::Ready(next);
                }
                for _ in 0..PAUSE {
                    std::hint::spin_loop();
                }
            }
            rows.poll_next_unpin(context)
        });
        match next.await {
            Some(row) => all.push(row?),
            None => return Ok(all),
        }
    }
}

impl<'c> Executor<'c> for &'_ Connections {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<SqliteQueryResult, SqliteRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let connections = self.clone();
        let all = async move {
            let mut connection = connections.acquire().await?;
            let steps = together((&mut *connection).fetch_many(query)).await;
            connection.keep_if_sound(steps)
        };
        all.map_ok_or_else(
            |error| stream::iter(vec![Err(error)]),
            |steps| stream::iter(steps.into_iter().map(Ok).collect::<Vec<_>>()),
        )
        .flatten_stream()
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<SqliteRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut connection = connections.acquire().await?;
            // sqlx leaves a statement at its first row. One that writes is committed by that, but only the end of
            // the statement tells whether it was.
            let row = if connections.0.writes {
                let steps = together((&mut *connection).fetch_many(query)).await;
                steps.map(|steps| steps.into_iter().find_map(Either::right))
            } else {
                (&mut *connection).fetch_optional(query).await
            };
            connection.keep_if_sound(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<SqliteStatement>>
    where
        'c: 'e,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut connection = connections.acquire().await?;
            let statement = (&mut *connection).prepare_with(sql, parameters).await;
            connection.keep_if_sound(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Sqlite>>>
    where
        'c: 'e,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut connection = connections.acquire().await?;
            (&mut *connection).describe(sql).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(most: u32) -> (tempfile::TempDir, Connections) {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("test.db"))
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        let connections = Connections::open(options, true, most, Duration::from_millis(50))
            .await
            .unwrap();
        (&connections)
            .execute("CREATE TABLE numbers (number INTEGER)")
            .await
            .unwrap();
        (directory, connections)
    }

    async fn count(connections: &Connections) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM numbers")
            .fetch_one(connections)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_begun_and_dropped_is_rolled_back_before_the_next_caller() {
        let (_directory, connections) = open(1).await;
        let mut given_up = connections.acquire().await.unwrap();
        given_up.begin().await.unwrap();
        (&mut *given_up)
            .execute("INSERT INTO numbers VALUES (1)")
            .await
            .unwrap();
        drop(given_up);
        assert_eq!(count(&connections).await, 0);
        let mut kept = connections.acquire().await.unwrap();
        kept.begin().await.unwrap();
        (&mut *kept)
            .execute("INSERT INTO numbers VALUES (1)")
            .await
            .unwrap();
        kept.commit().await.unwrap();
        assert_eq!(count(&connections).await, 1);
    }

    #[tokio::test]
    async fn who_finds_no_free_connection_is_told_after_the_wait() {
        let (_directory, connections) = open(1).await;
        let held = connections.acquire().await.unwrap();
        assert!(matches!(
            connections.acquire().await,
            Err(sqlx::Error::PoolTimedOut)
        ));
        drop(held);
        connections.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn a_row_of_a_statement_that_could_not_be_committed_is_a_failure() {
        let (_directory, connections) = open(1).await;
        (&connections)
            .execute(
                "CREATE TABLE parts (whole INTEGER REFERENCES wholes (id) DEFERRABLE INITIALLY DEFERRED)",
            )
            .await
            .unwrap();
        (&connections)
            .execute("CREATE TABLE wholes (id INTEGER PRIMARY KEY)")
            .await
            .unwrap();
        let inserted: sqlx::Result<i64> = sqlx::query_scalar("INSERT INTO parts VALUES (1) RETURNING whole")
            .fetch_one(&connections)
            .await;
        assert!(matches!(inserted, Err(sqlx::Error::Database(_))), "{inserted:?}");
    }

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_any_more_leaves_the_connection_usable() {
        let (_directory, connections) = open(1).await;
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO numbers SELECT i FROM n";
        let given_up = tokio::time::timeout(Duration::from_micros(1), (&connections).execute(endless)).await;
        assert!(given_up.is_err());
        let counted = count(&connections).await;
        assert!(matches!(counted, 0 | 100_000), "{counted}");
    }

    #[tokio::test]
    async fn closing_waits_for_those_in_use_and_refuses_the_rest() {
        let (_directory, connections) = open(2).await;
        let used = connections.acquire().await.unwrap();
        let closing = tokio::spawn({
            let connections = connections.clone();
            async move { connections.close().await }
        });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        drop(used);
        closing.await.unwrap();
        assert!(matches!(
            connections.acquire().await,
            Err(sqlx::Error::PoolClosed)
        ));
    }
}
