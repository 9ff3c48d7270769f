//! Work that no request waits for.

use std::time::Duration;

use pentad_identity::{Identity, VERSION_POLL};
use pentad_kernel::Classify as _;
use tokio::task::JoinSet;

use crate::Deps;

/// How often the last use of keys is written down.
const LAST_USED_FLUSH: Duration = Duration::from_secs(60);
/// How often ended browser sessions are removed.
const WEB_SESSION_SWEEP: Duration = Duration::from_secs(3600);

/// The running background work; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Background(JoinSet<()>);

impl Background {
    pub(crate) fn start(deps: &Deps) -> Self {
        let mut tasks = JoinSet::new();
        let identity = &deps.gate.identity;
        every(
            &mut tasks,
            VERSION_POLL,
            "follow changes of credentials",
            identity,
            async |identity| identity.follow_changes().await,
        );
        every(
            &mut tasks,
            LAST_USED_FLUSH,
            "write down the use of keys",
            identity,
            async |identity| identity.flush_last_used().await,
        );
        every(
            &mut tasks,
            WEB_SESSION_SWEEP,
            "remove ended browser sessions",
            identity,
            async |identity| identity.sweep_web_sessions().await.map(|_| ()),
        );
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

fn every<W: Future<Output = pentad_identity::Result<()>> + Send>(
    tasks: &mut JoinSet<()>,
    period: Duration,
    what: &'static str,
    identity: &Identity,
    work: impl Fn(Identity) -> W + Send + 'static,
) {
    let identity = identity.clone();
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = work(identity.clone()).await {
                tracing::warn!(%error, kind = ?error.kind(), "could not {what}");
            }
        }
    });
}
