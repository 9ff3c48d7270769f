//! Connections to PostgreSQL: waits that end, and a way back once the server was away.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Executor as _, Row as _};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::{Error, Result, with_postgres};

/// How long a connection may take to show that it is sound before it is thrown away.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// What the client waits beyond the server's own limit for a statement: the server's answer tells more.
const GRACE: Duration = Duration::from_secs(2);

/// A pool of connections.
///
/// Four things it does that the pool of sqlx alone does not. A statement that gets no answer ends after a time:
/// the server's own limit is of no use when the server cannot be heard. Connections are opened and given
/// back by the runtime on which the pool was made, and outlive the threads that use them. When one of
/// them turns out to be dead, the idle ones are looked at before anybody is given them. And a connection whose last
/// statement was answered is handed on as it is: asked for a sign of life, as sqlx does, it would make two
/// round trips of each.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    pool: PgPool,
    home: Handle,
    answer_timeout: Duration,
    /// As many as there may be connections; who holds one may take an idle connection or open another.
    permits: Arc<Semaphore>,
    /// Those that are known to be sound, the last used at the end.
    idle: Mutex<Vec<PoolConnection<sqlx::Postgres>>>,
    /// Whether the idle connections are being looked at.
    looking: AtomicBool,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<PoolConnection<sqlx::Postgres>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection back by the pool's own way, which asks it for a sign of life.
    async fn examine(connection: &mut PoolConnection<sqlx::Postgres>) {
        // The pool's way has no bound of its own.
        let _ = timeout(SIGN_OF_LIFE, connection.return_to_pool()).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The way back to the pool needs a runtime, which whoever drops the last handle may not have.
        for connection in self.idle().drain(..) {
            drop(connection.detach());
        }
    }
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
        let most = pool.options().get_max_connections() as usize;
        Self(Arc::new(Shared {
            pool,
            home: Handle::current(),
            answer_timeout: statement_timeout + GRACE,
            permits: Arc::new(Semaphore::new(most)),
            idle: Mutex::default(),
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
        let shared = &self.0;
        let permit = match Arc::clone(&shared.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let free = Arc::clone(&shared.permits).acquire_owned();
                let waited = timeout(shared.pool.options().get_acquire_timeout(), free).await;
                waited
                    .map_err(|_| sqlx::Error::PoolTimedOut)?
                    .map_err(|_| sqlx::Error::PoolClosed)?
            }
        };
        let idle = shared.idle().pop().or_else(|| shared.pool.try_acquire());
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let pool = shared.pool.clone();
                let acquired = shared.home.spawn(async move { pool.acquire().await }).await;
                acquired.map_err(|_| Error::Unavailable(sqlx::Error::WorkerCrashed))??
            }
        };
        Ok(PostgresConnection {
            postgres: self.clone(),
            lent: Some((connection, permit)),
            state: State::Sound,
        })
    }

    /// How many connections are in use, and how many wait for work.
    pub(crate) fn used_and_idle(&self) -> (u32, u32) {
        let shared = &self.0;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let free = count(shared.permits.available_permits());
        let most = shared.pool.options().get_max_connections();
        let idle = count(shared.idle().len() + shared.pool.num_idle());
        (most.saturating_sub(free), idle)
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
        self.0.permits.close();
        let idle = std::mem::take(&mut *self.0.idle());
        let closed = async {
            for connection in idle {
                // Best effort: what is committed stays so whether or not the server hears a farewell.
                let _ = connection.close().await;
            }
            self.0.pool.close().await;
        };
        // A connection that is not given back holds nobody up, nor does a server that is silent.
        let _ = timeout(SIGN_OF_LIFE, closed).await;
    }

    /// Looks at the idle connections and throws away those that are dead.
    fn look_at_idle(&self) {
        if self.0.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(&self.0);
        drop(self.0.home.spawn(async move {
            let mut idle = std::mem::take(&mut *shared.idle());
            idle.extend((0..shared.pool.num_idle()).map_while(|_| shared.pool.try_acquire()));
            let asked: Vec<_> = idle
                .into_iter()
                .map(|mut connection| tokio::spawn(async move { Shared::examine(&mut connection).await }))
                .collect();
            for answered in asked {
                let _ = answered.await;
            }
            shared.looking.store(false, Ordering::Release);
        }));
    }
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything that was asked was answered.
    Sound,
    /// It waits for an answer. Where nobody waits with it any more, the answer may be long in coming.
    Asked,
    /// What it is in the middle of is not known.
    Broken,
}

/// A connection for one statement or transaction, given back when it is dropped.
pub struct PostgresConnection {
    postgres: Postgres,
    /// Until it is dropped. What lets another be used is given back after it.
    lent: Option<(PoolConnection<sqlx::Postgres>, OwnedSemaphorePermit)>,
    state: State,
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Deref for PostgresConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lent.as_ref().expect(LENT).0
    }
}

impl DerefMut for PostgresConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lent.as_mut().expect(LENT).0
    }
}

const LENT: &str = "a connection is lent until it is dropped";

impl PostgresConnection {
    /// Says that a statement follows, whose outcome goes to [`judge`](Self::judge), and how long to wait for it.
    pub fn ask(&mut self) -> Duration {
        if self.state == State::Sound {
            self.state = State::Asked;
        }
        self.postgres.0.answer_timeout
    }

    /// Passes on what came of a statement; after a failure of the connection it is not used again.
    ///
    /// # Errors
    /// The error that it is given.
    pub fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Unavailable(_))) {
            self.state = State::Broken;
            self.postgres.look_at_idle();
        } else if self.state == State::Asked {
            self.state = State::Sound;
        }
        outcome
    }

    const fn set(&mut self, state: State) {
        self.state = state;
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let Some((mut connection, permit)) = self.lent.take() else {
            return;
        };
        let shared = &self.postgres.0;
        match self.state {
            State::Sound if !shared.permits.is_closed() => shared.idle().push(connection),
            State::Sound | State::Asked => {
                drop(shared.home.spawn(async move {
                    Shared::examine(&mut connection).await;
                    drop(permit);
                }));
            }
            State::Broken => drop(connection.detach()),
        }
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
    /// As [`PostgresConnection::ask`].
    pub fn ask(&mut self) -> Duration {
        self.connection.ask()
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
        let Some(lent) = self.connection.lent.take() else {
            return;
        };
        let mut connection = PostgresConnection {
            postgres: self.connection.postgres.clone(),
            lent: Some(lent),
            state: self.connection.state,
        };
        if self.open && connection.state != State::Broken {
            let home = connection.postgres.0.home.clone();
            drop(home.spawn(async move {
                // It is not used again unless the end is reached: the runtime may stop in between.
                connection.set(State::Broken);
                let rolled_back = timeout(SIGN_OF_LIFE, connection.execute("ROLLBACK")).await;
                if matches!(rolled_back, Ok(Ok(_))) {
                    connection.set(State::Sound);
                }
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
