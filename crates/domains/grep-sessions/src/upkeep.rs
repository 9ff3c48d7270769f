//! What keeps sessions within their time and the machine within its memory.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pentad_blob::Key;
use pentad_kernel::Timestamp;
use pentad_store::Db;

use crate::budget::Share;
use crate::live::{Live, prefix};
use crate::{Error, GrepSessions, Result, SessionId, UploadError, repository};

/// What a sweep found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Swept {
    /// Interrupted deletions that were finished.
    pub deletions: u64,
    /// Objects that no row named.
    pub orphans: u64,
}

/// The keys of all objects that rows name: what a backup of the rows has to hold besides.
///
/// # Errors
/// When the database fails, or a row holds no name.
pub async fn named_objects(db: &Db) -> Result<Vec<Key>> {
    let named = repository::named(db).await?;
    let key = |(session, blob): (String, String)| {
        let blob = blob
            .parse()
            .map_err(|_| Error::Damaged("its name is no hash".to_owned()))?;
        Ok(Key::addressed(&prefix(&SessionId::new(session))?, &blob))
    };
    named.into_iter().map(key).collect()
}

impl GrepSessions {
    /// Ends sessions whose time is over. Called every second.
    ///
    /// # Errors
    /// When the database fails; memory is freed all the same.
    pub async fn end_expired(&self) -> Result<()> {
        let now = self.0.clock.now();
        let ended: Vec<SessionId> = self
            .0
            .live
            .iter()
            .filter(|slot| slot.live().is_some_and(|live| live.has_ended(now)))
            .map(|slot| slot.key().clone())
            .collect();
        for id in &ended {
            let Some(slot) = self.0.live.get(id).map(|slot| Arc::clone(&slot)) else {
                continue;
            };
            if let Some(work) = self.work_on(&slot).await {
                work.close(self, id);
            }
        }
        self.report();
        if ended.is_empty() {
            return Ok(());
        }
        for id in repository::end_expired(&self.0.db, now).await? {
            // What cannot be deleted now, the sweep deletes later.
            if let Err(error) = self.delete_objects(&id).await {
                tracing::warn!(%error, session = %id, "objects of an ended session are left to the sweep");
            }
        }
        Ok(())
    }

    fn report(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            metrics::gauge!("pentad_grep_memory_bytes").set(self.0.budget.used() as f64);
            metrics::gauge!("pentad_grep_memory_limit_bytes").set(self.0.budget.limit() as f64);
            metrics::gauge!("pentad_grep_sessions_in_memory").set(self.0.live.len() as f64);
        }
    }

    /// Finishes interrupted deletions and deletes objects that no row names.
    ///
    /// # Errors
    /// When the database or the object store fails; what was swept before stays swept.
    pub async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        for id in repository::half_deleted(&self.0.db, self.0.clock.now()).await? {
            self.delete_objects(&id).await?;
            swept.deletions += 1;
        }
        let age = self.0.settings.orphan_age;
        let before = self.0.clock.now().minus(age);
        let before = SystemTime::UNIX_EPOCH + before.since(Timestamp::from_micros(0));
        let namespace = pentad_blob::Prefix::parse("grep").map_err(pentad_blob::Error::from)?;
        let outcome = self
            .0
            .blobs
            .sweep(&namespace, before, |keys| self.unreferenced(keys))
            .await?;
        swept.orphans = outcome.deleted;
        Ok(swept)
    }

    async fn unreferenced(&self, keys: Vec<Key>) -> Result<Vec<Key>> {
        let mut orphans = Vec::new();
        for key in keys {
            // grep/{session}/{first two digits}/{hash}
            let mut parts = key.as_str().split('/').skip(1);
            let (session, blob) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
            if !repository::is_referenced(&self.0.db, session, blob).await? {
                orphans.push(key);
            }
        }
        Ok(orphans)
    }

    /// Grows a share, compressing and unloading sessions that were not used for a while if it must.
    pub(crate) async fn make_room(
        &self,
        share: &mut Share,
        bytes: u64,
    ) -> std::result::Result<(), UploadError> {
        if share.resize(bytes) {
            return Ok(());
        }
        let now = self.0.clock.now();
        let idle = |live: &Arc<Live>, age: Duration| now.since(live.last_used()) >= age;
        let mut sessions: Vec<Arc<Live>> = self.0.live.iter().filter_map(|slot| slot.live()).collect();
        // What is large and long unused goes first.
        sessions.sort_by_key(|live| {
            let idle_seconds = now.since(live.last_used()).as_secs() + 1;
            std::cmp::Reverse((live.corpus.memory_bytes() as u64).saturating_mul(idle_seconds))
        });
        for live in sessions
            .iter()
            .filter(|live| idle(live, self.0.settings.idle_after))
        {
            if !live.corpus.is_compressed() {
                let compressed = Arc::clone(live);
                let compression = tokio::task::spawn_blocking(move || compressed.corpus.compress());
                compression
                    .await
                    .map_err(|error| UploadError::Lost(error.to_string()))?;
                live.settle();
            }
            if share.resize(bytes) {
                return Ok(());
            }
        }
        for live in sessions {
            if self.is_stored(live.session.storage) {
                let id = live.session.id.clone();
                // Its memory comes back when the last hand lets go of it, and this is one.
                drop(live);
                self.unload(&id).await;
                if share.resize(bytes) {
                    return Ok(());
                }
            }
        }
        Err(UploadError::NoMemory)
    }

    /// Takes a stored session out of memory; it is loaded again when it is asked for.
    async fn unload(&self, id: &SessionId) {
        let Some(slot) = self.0.live.get(id).map(|slot| Arc::clone(&slot)) else {
            return;
        };
        // A session that is being changed right now is not idle.
        if let Some(work) = self.try_work_on(&slot) {
            work.close(self, id);
        }
    }
}
