//! Connections to PostgreSQL: waits that end, and a way back once the server was away.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Executor as _, Row as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::{Error, Result, with_postgres};

/// How long a connection may take to show that it is sound before it is thrown away.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// What the client waits beyond the server's own limit for a statement: the server's answer tells more.
const GRACE: Duration = Duration::from_secs(2);

/// A pool of connections.
///
/// Three things it does that the pool alone does not. A statement that gets no answer ends after a time:
/// the server's own limit is of no use when the server cannot be heard. Connections are opened and given
/// back by the runtime on which the pool was made, and outlive the threads that use them. And when one of
/// them turns out to be dead, the idle ones are looked at before anybody is given them.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    pool: PgPool,
    home: Handle,
    answer_timeout: Duration,
    /// Whether the idle connections are being looked at.
    looking: AtomicBool,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("pool", &self.0.pool)
            .field("answer_timeout", &self.0.answer_timeout)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    pub(crate) fn new(pool: PgPool, statement_timeout: Duration) -> Self {
        Self(Arc::new(Shared {
            pool,
            home: Handle::current(),
            answer_timeout: statement_timeout + GRACE,
            looking: AtomicBool::new(false),
        }))
    }

    /// The pool itself: for what has to be done once, at a start.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free in time, or the server cannot be reached.
    pub async fn connection(&self) -> Result<PostgresConnection> {
        if let Some(idle) = self.0.pool.try_acquire() {
            return Ok(self.hold(idle));
        }
        let pool = self.0.pool.clone();
        let acquired = self.0.home.spawn(async move { pool.acquire().await }).await;
        let acquired = acquired.map_err(|_| Error::Unavailable(sqlx::Error::WorkerCrashed))?;
        Ok(self.hold(acquired?))
    }

    fn hold(&self, connection: PoolConnection<sqlx::Postgres>) -> PostgresConnection {
        PostgresConnection {
            postgres: self.clone(),
            inner: Some(connection),
            broken: false,
        }
    }

    /// Starts a transaction. A connection that died unseen is no failure: another one is taken.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        let mut dead = 0;
        loop {
            let mut connection = self.connection().await?;
            let began = with_postgres!(&mut connection, |conn| conn.execute("BEGIN").await);
            match began {
                Ok(_) => {
                    return Ok(Transaction {
                        connection,
                        open: true,
                    });
                }
                Err(error) if error.is_silence() || dead == self.0.pool.options().get_max_connections() => {
                    return Err(error);
                }
                Err(Error::Unavailable(_)) => dead += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The server's time in microseconds.
    pub(crate) async fn clock(&self) -> Result<i64> {
        const NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let mut connection = self.connection().await?;
        let row = with_postgres!(&mut connection, |conn| conn.fetch_one(NOW).await)?;
        Ok(row.try_get(0)?)
    }

    pub(crate) async fn close(&self) {
        // A connection that is not given back holds nobody up.
        let _ = timeout(SIGN_OF_LIFE, self.0.pool.close()).await;
    }

    /// Looks at the idle connections and throws away those that are dead.
    fn look_at_idle(&self) {
        if self.0.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(&self.0);
        drop(self.0.home.spawn(async move {
            let idle: Vec<_> = (0..shared.pool.num_idle())
                .map_while(|_| shared.pool.try_acquire())
                .collect();
            // Giving a connection back asks it for a sign of life.
            let asked: Vec<_> = idle
                .into_iter()
                .map(|mut connection| tokio::spawn(timeout(SIGN_OF_LIFE, connection.return_to_pool())))
                .collect();
            for answered in asked {
                let _ = answered.await;
            }
            shared.looking.store(false, Ordering::Release);
        }));
    }
}

/// A connection for one statement or transaction, given back when it is dropped.
pub struct PostgresConnection {
    postgres: Postgres,
    inner: Option<PoolConnection<sqlx::Postgres>>,
    /// Whether what it is in the middle of is not known.
    broken: bool,
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Deref for PostgresConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.inner.as_deref().expect("it is there until it is dropped")
    }
}

impl DerefMut for PostgresConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.inner
            .as_deref_mut()
            .expect("it is there until it is dropped")
    }
}

impl PostgresConnection {
    /// How long an answer is waited for.
    pub fn answer_timeout(&self) -> Duration {
        self.postgres.0.answer_timeout
    }

    /// Passes on what came of a statement; after a failure of the connection it is not used again.
    ///
    /// # Errors
    /// The error that it is given.
    pub fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Unavailable(_))) {
            self.broken = true;
            self.postgres.look_at_idle();
        }
        outcome
    }

    const fn trust(&mut self, sound: bool) {
        self.broken = !sound;
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let Some(mut connection) = self.inner.take() else {
            return;
        };
        if self.broken {
            drop(connection.detach());
            return;
        }
        // The pool's own way back has no bound, and goes by the runtime of whoever drops.
        let back = connection.return_to_pool();
        drop(self.postgres.0.home.spawn(timeout(SIGN_OF_LIFE, back)));
    }
}

/// A transaction, rolled back when it is dropped without [`Tx::commit`](crate::Tx::commit).
#[derive(Debug)]
pub struct Transaction {
    connection: PostgresConnection,
    open: bool,
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Transaction {
    /// As [`PostgresConnection::answer_timeout`].
    pub fn answer_timeout(&self) -> Duration {
        self.connection.answer_timeout()
    }

    /// As [`PostgresConnection::judge`].
    ///
    /// # Errors
    /// The error that it is given.
    pub fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.connection.judge(outcome)
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        self.open = false;
        with_postgres!(&mut self.connection, |conn| conn.execute("COMMIT").await)?;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let home = self.connection.postgres.0.home.clone();
        let Some(inner) = self.connection.inner.take() else {
            return;
        };
        let mut connection = PostgresConnection {
            postgres: self.connection.postgres.clone(),
            inner: Some(inner),
            broken: self.connection.broken,
        };
        if self.open && !connection.broken {
            drop(home.spawn(async move {
                // It is not used again unless the end is reached: the runtime may stop in between.
                connection.trust(false);
                let rolled_back = timeout(SIGN_OF_LIFE, connection.execute("ROLLBACK")).await;
                connection.trust(matches!(rolled_back, Ok(Ok(_))));
            }));
        }
    }
}

/// Waits for an answer, but not for ever.
///
/// # Errors
/// Those of the answer; [`Error::Unavailable`] when there is none in time.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(Error::silence()))
}
