//! Stopping, restarting, deleting, listing.

use pentad_kernel::{Actor, cursor};

use crate::live::prefix;
use crate::{Error, GrepSessions, Result, Session, SessionId, State, Storage, repository};

impl GrepSessions {
    /// Stops a session: its memory is freed. An s3 session answers again when it is asked, unless it is
    /// stopped `permanently`, which deletes its files for good.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a memory session that was stopped before.
    pub async fn stop(&self, actor: &Actor, id: &SessionId, permanently: bool) -> Result<()> {
        let session = repository::find(&self.0.db, &actor.organisation, id).await?;
        if self.has_ended(&session) {
            return Err(Error::NotFound);
        }
        // The slot exists for the whole stop, so that nothing loads the session meanwhile.
        let slot = self.slot(actor, id).await?;
        let Some(work) = self.work_on(&slot).await else {
            // Somebody else stopped it while this waited: for a memory session and for a deletion that is
            // the end, and stopping s3 twice is harmless.
            return match session.storage {
                Storage::S3 => Box::pin(self.stop(actor, id, permanently)).await,
                Storage::Memory => Err(Error::NotFound),
            };
        };
        let state = if permanently && session.storage == Storage::S3 {
            State::Deleted
        } else {
            State::Stopped
        };
        let changed = match session.storage {
            Storage::S3 => repository::set_state(&self.0.db, id, state).await?,
            Storage::Memory => repository::end_memory(&self.0.db, id).await?,
        };
        work.close(self, id);
        if !changed {
            return Err(Error::NotFound);
        }
        if state == State::Deleted || session.storage == Storage::Memory {
            // The tombstone is written; what cannot be deleted now, the sweep deletes later.
            if let Err(error) = self.delete_objects(id).await {
                tracing::warn!(%error, session = %id, "objects of a deleted session are left to the sweep");
            }
        }
        Ok(())
    }

    /// Deletes the objects of a session that is over, then the rows that name them.
    pub(crate) async fn delete_objects(&self, id: &SessionId) -> Result<()> {
        let namespace = prefix(id)?;
        let segments = repository::segments(&self.0.db, id, 0).await?;
        if segments.is_empty() {
            return Ok(());
        }
        let key =
            |segment: &repository::StoredSegment| pentad_blob::Key::addressed(&namespace, &segment.blob);
        let keys: Vec<_> = segments.iter().map(key).collect();
        self.0.blobs.delete_many(keys).await?;
        repository::delete_segments(&self.0.db, id).await
    }

    /// Brings an s3 session back into memory; one that is there already is left as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotRestartable`] for a memory session, ended or not.
    pub async fn restart(&self, actor: &Actor, id: &SessionId) -> Result<Session> {
        let session = repository::find(&self.0.db, &actor.organisation, id).await?;
        match (session.storage, session.state) {
            (Storage::Memory, _) => Err(Error::NotRestartable),
            (Storage::S3, State::Deleted) => Err(Error::NotFound),
            (Storage::S3, _) => {
                let live = self.session_in_memory(actor, id).await?;
                let snapshot = live.corpus.snapshot();
                Ok(Session {
                    file_count: snapshot.file_count() as u64,
                    text_bytes: snapshot.text_bytes() as u64,
                    ..live.session.clone()
                })
            }
        }
    }

    /// A session of the actor's organisation, as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when it has ended.
    pub async fn get(&self, actor: &Actor, id: &SessionId) -> Result<Session> {
        let session = repository::find(&self.0.db, &actor.organisation, id).await?;
        let in_memory = self.0.live.get(id).and_then(|slot| slot.live());
        if self.has_ended(&session) || (in_memory.is_none() && !self.is_stored(session.storage)) {
            return Err(Error::NotFound);
        }
        // Beside other gateways the row knows more than this memory does.
        Ok(match in_memory.filter(|_| !self.0.db.is_shared()) {
            Some(live) => Session {
                state: State::Live,
                file_count: live.corpus.file_count() as u64,
                text_bytes: live.corpus.text_bytes() as u64,
                ..session
            },
            None => session,
        })
    }

    /// The sessions of the actor's organisation that can answer or be restarted, newest first: one page,
    /// and the cursor of the next.
    ///
    /// # Errors
    /// [`Error::Cursor`]; others when the database fails.
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Session>, Option<String>)> {
        let now = self.0.clock.now();
        let after: (i64, String) = match after {
            Some(text) => cursor::decode(text).ok_or(Error::Cursor)?,
            None => (i64::MAX, String::new()),
        };
        let page = repository::page(&self.0.db, &actor.organisation, now, &after, limit + 1).await?;
        let more = page.len() > limit as usize;
        let mut next = None;
        let mut sessions = Vec::new();
        for session in page.into_iter().take(limit as usize) {
            next = more.then(|| cursor::encode(&(session.created_at.as_micros(), session.id.as_str())));
            let in_memory = self.0.live.get(&session.id).and_then(|slot| slot.live());
            // A memory session that is neither stored nor in this memory ended with the process that held it.
            let is_there = in_memory.is_some() || self.is_stored(session.storage);
            if is_there && !self.has_ended(&session) {
                let in_memory = in_memory.filter(|_| !self.0.db.is_shared());
                let counted = in_memory.map(|live| (live.corpus.file_count(), live.corpus.text_bytes()));
                let (file_count, text_bytes) = counted
                    .map_or((session.file_count, session.text_bytes), |(files, bytes)| {
                        (files as u64, bytes as u64)
                    });
                sessions.push(Session {
                    file_count,
                    text_bytes,
                    ..session
                });
            }
        }
        Ok((sessions, next))
    }
}
