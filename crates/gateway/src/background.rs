//! Work that no request waits for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pentad_identity::VERSION_POLL;
use pentad_kernel::{Classify, Clock as _, SystemClock, id};
use pentad_store::Lease;
use tokio::task::JoinSet;

use crate::Deps;

/// How often the last use of keys is written down.
const LAST_USED_FLUSH: Duration = Duration::from_secs(60);
/// How often ended browser sessions are removed.
const WEB_SESSION_SWEEP: Duration = Duration::from_secs(3600);
/// How often ended grep sessions are taken out of memory.
const GREP_EXPIRY: Duration = Duration::from_secs(1);
/// How often memories that were stored without a vector get one.
const VECTOR_CATCH_UP: Duration = Duration::from_secs(60);
/// How often erased memories are overwritten in the database's files, where a read was in the way at first.
const OVERWRITE_ERASED: Duration = Duration::from_secs(10);
/// How often the signs of life of clients are written down.
const CONNECTION_FLUSH: Duration = Duration::from_secs(2);
/// How often old runs are removed.
const RUN_RETENTION: Duration = Duration::from_secs(3600);
/// How often one of the gateways sweeps the object store.
const OBJECT_SWEEP: Duration = Duration::from_secs(900);

/// How often one of the gateways removes what nothing refers to any more from the storage of agents.
const STORAGE_SWEEP: Duration = Duration::from_secs(900);

/// How often one of the gateways compiles the projects whose schedule says so.
const COMPILE_DUE: Duration = Duration::from_secs(300);
/// How often the objects of code execution are swept, and lost installations of packages noticed.
const EXEC_SWEEP: Duration = Duration::from_secs(900);
/// How often what was pushed is made searchable, and waiting audits are run.
const SYNC_WORK: Duration = Duration::from_secs(2);
/// How often the trash is emptied and ended uploads are removed.
const SYNC_SWEEP: Duration = Duration::from_secs(900);

/// How often evidence is taken from pushed sessions.
const LEARN: Duration = Duration::from_secs(10);
/// How far back the first look goes.
const FIRST_LEARN: Duration = Duration::from_secs(24 * 3600);

/// The running background work; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Background(JoinSet<()>);

impl Background {
    pub(crate) fn start(deps: &Deps) -> Self {
        let mut tasks = JoinSet::new();
        every(
            &mut tasks,
            VERSION_POLL,
            "follow changes of credentials",
            deps,
            |deps| async move { deps.gate.identity.follow_changes().await },
        );
        every(
            &mut tasks,
            LAST_USED_FLUSH,
            "write down the use of keys",
            deps,
            |deps| async move { deps.gate.identity.flush_last_used().await },
        );
        alone(
            &mut tasks,
            WEB_SESSION_SWEEP,
            "remove ended browser sessions",
            deps,
            |deps| async move { deps.gate.identity.sweep_web_sessions().await.map(|_| ()) },
        );
        every(
            &mut tasks,
            GREP_EXPIRY,
            "end grep sessions",
            deps,
            |deps| async move { deps.grep.end_expired().await },
        );
        every(
            &mut tasks,
            VECTOR_CATCH_UP,
            "give memories their vectors",
            deps,
            |deps| async move { deps.memories.catch_up_vectors().await.map(|_| ()) },
        );
        every(
            &mut tasks,
            OVERWRITE_ERASED,
            "overwrite erased memories",
            deps,
            |deps| async move { deps.memories.overwrite_erased().await },
        );
        alone(
            &mut tasks,
            OBJECT_SWEEP,
            "sweep the objects of grep sessions",
            deps,
            |deps| async move {
                let swept = deps.grep.sweep().await?;
                tracing::debug!(?swept, "objects of grep sessions swept");
                Ok::<_, pentad_grep_sessions::Error>(())
            },
        );
        learn_from_pushes(&mut tasks, deps);
        alone(
            &mut tasks,
            COMPILE_DUE,
            "compile projects",
            deps,
            |deps| async move {
                let compiled = deps.projects.compile_due().await?;
                tracing::debug!(compiled, "projects compiled that were due");
                Ok::<_, pentad_projects::Error>(())
            },
        );
        sync_work(&mut tasks, deps);
        alone(
            &mut tasks,
            EXEC_SWEEP,
            "sweep code execution",
            deps,
            |deps| async move {
                deps.exec.fail_lost_setups().await?;
                let swept = deps.exec.sweep_objects(pentad_exec::ORPHAN_AGE).await?;
                tracing::debug!(swept, "objects of code execution swept");
                Ok::<_, pentad_exec::Error>(())
            },
        );
        alone(
            &mut tasks,
            STORAGE_SWEEP,
            "sweep storage",
            deps,
            |deps| async move {
                let swept = deps.storage.sweep().await?;
                tracing::debug!(?swept, "storage swept");
                Ok::<_, pentad_storage::Error>(())
            },
        );
        every(
            &mut tasks,
            CONNECTION_FLUSH,
            "write down the signs of life of clients",
            deps,
            |deps| async move { deps.runs.flush_connections().await },
        );
        alone(
            &mut tasks,
            RUN_RETENTION,
            "remove old runs",
            deps,
            |deps| async move {
                deps.runs.retain().await?;
                deps.runs.sweep_objects(pentad_runs::ORPHAN_AGE).await
            },
        );
        Self(tasks)
    }

    /// Ends the work after what must not be lost is written.
    pub(crate) async fn stop(mut self, deps: &Deps) {
        self.0.shutdown().await;
        if let Err(error) = deps.gate.identity.flush_last_used().await {
            tracing::warn!(%error, "the last use of keys was not written");
        }
        deps.runs.close().await;
    }
}

/// The work on synced sessions.
fn sync_work(tasks: &mut JoinSet<()>, deps: &Deps) {
    every(
        tasks,
        SYNC_WORK,
        "make sessions searchable",
        deps,
        |deps| async move { deps.sync.index_sessions().await.map(|_| ()) },
    );
    every(tasks, SYNC_WORK, "audit sessions", deps, |deps| async move {
        deps.sync.run_audits().await.map(|_| ())
    });
    alone(
        tasks,
        SYNC_SWEEP,
        "sweep synced sessions",
        deps,
        |deps| async move {
            let purged = deps.sync.purge().await?;
            let uploads = deps.sync.sweep_uploads().await?;
            let swept = deps.sync.sweep_objects(pentad_session_sync::ORPHAN_AGE).await?;
            tracing::debug!(?purged, uploads, ?swept, "synced sessions swept");
            Ok::<_, pentad_session_sync::Error>(())
        },
    );
}

/// Takes evidence from pushed sessions. The first look goes back a day, over a restart; a session that was
/// learned from is not learned from again.
fn learn_from_pushes(tasks: &mut JoinSet<()>, deps: &Deps) {
    let first = std::sync::atomic::AtomicBool::new(true);
    alone(tasks, LEARN, "learn from pushed sessions", deps, move |deps| {
        let first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        async move {
            let back = if first { FIRST_LEARN } else { LEARN * 6 };
            crate::ports::learn(&deps, deps.projects.now().minus(back)).await
        }
    });
}

/// Does the work on one of the gateways that share a database: on the one that holds its lease.
fn alone<W, E>(
    tasks: &mut JoinSet<()>,
    period: Duration,
    what: &'static str,
    deps: &Deps,
    work: impl Fn(Deps) -> W + Send + Sync + 'static,
) where
    W: Future<Output = Result<(), E>> + Send + 'static,
    E: Classify + From<pentad_store::Error> + Send,
{
    // Names this process among the gateways.
    let holder = id::random_uuid();
    let work = Arc::new(work);
    every(tasks, period, what, deps, move |deps| {
        let (holder, work) = (holder.clone(), Arc::clone(&work));
        async move {
            let lease = Lease::acquire(&deps.db, what, &holder, SystemClock.now(), period * 2).await?;
            match lease {
                Some(_) => work(deps).await,
                None => Ok(()),
            }
        }
    });
}

fn every<W, E>(
    tasks: &mut JoinSet<()>,
    period: Duration,
    what: &'static str,
    deps: &Deps,
    work: impl Fn(Deps) -> W + Send + 'static,
) where
    W: Future<Output = Result<(), E>> + Send,
    E: Classify + Send,
{
    let deps = deps.clone();
    // Also what never failed shows: a series that begins with its first failure looks as if it had none.
    let failures = metrics::counter!("pentad_background_failures_total", "work" => what);
    failures.increment(0);
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // One that panics is tried again like one that fails: nobody else would do the work.
            match AssertUnwindSafe(work(deps.clone())).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    failures.increment(1);
                    tracing::warn!(%error, kind = ?error.kind(), "could not {what}");
                }
                Err(_) => {
                    failures.increment(1);
                    tracing::error!("panicked: could not {what}");
                }
            }
        }
    });
}
