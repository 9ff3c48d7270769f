//! Work that no request waits for.

use std::time::Duration;

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
/// How often one of the gateways sweeps the object store.
const OBJECT_SWEEP: Duration = Duration::from_secs(900);

/// How often one of the gateways compiles the projects whose schedule says so.
const COMPILE_DUE: Duration = Duration::from_secs(300);

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
        every(
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
        // Names this process among the gateways that share a database.
        let holder = id::random_uuid();
        every(
            &mut tasks,
            OBJECT_SWEEP,
            "sweep the objects of grep sessions",
            deps,
            move |deps| {
                let holder = holder.clone();
                async move {
                    let now = SystemClock.now();
                    let lease =
                        Lease::acquire(&deps.db, "sweep grep", &holder, now, OBJECT_SWEEP * 2).await?;
                    if lease.is_some() {
                        let swept = deps.grep.sweep().await?;
                        tracing::debug!(?swept, "objects of grep sessions swept");
                    }
                    Ok::<_, pentad_grep_sessions::Error>(())
                }
            },
        );
        let holder = id::random_uuid();
        every(&mut tasks, COMPILE_DUE, "compile projects", deps, move |deps| {
            let holder = holder.clone();
            async move {
                let now = deps.projects.now();
                let lease =
                    Lease::acquire(&deps.db, "compile projects", &holder, now, COMPILE_DUE * 2).await?;
                if lease.is_some() {
                    let compiled = deps.projects.compile_due().await?;
                    tracing::debug!(compiled, "projects compiled that were due");
                }
                Ok::<_, pentad_projects::Error>(())
            }
        });
        Self(tasks)
    }

    /// Ends the work after what must not be lost is written.
    pub(crate) async fn stop(mut self, deps: &Deps) {
        self.0.shutdown().await;
        if let Err(error) = deps.gate.identity.flush_last_used().await {
            tracing::warn!(%error, "the last use of keys was not written");
        }
    }
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
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = work(deps.clone()).await {
                tracing::warn!(%error, kind = ?error.kind(), "could not {what}");
            }
        }
    });
}
