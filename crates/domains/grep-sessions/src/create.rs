//! Opening and extending sessions.

use std::sync::Arc;
use std::time::Duration;

use pentad_grep_engine::{Applied, Batch, Corpus};
use pentad_identity::Plan;
use pentad_kernel::Actor;

use crate::budget::Share;
use crate::live::{Live, prefix};
use crate::quota::Claim;
use crate::repository::{self, Changed, StoredSegment};
use crate::segment::{Change, Segment, Writer};
use crate::{Error, GrepSessions, Result, Session, SessionId, Skipped, State, Storage, Upload, UploadError};

/// How a session is to be opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewSession {
    /// Where its files are kept.
    pub storage: Storage,
    /// How long a memory session lives; `None` for the default.
    pub ttl: Option<Duration>,
}

/// An opened session.
#[derive(Clone, Debug)]
pub struct Created {
    /// The session.
    pub session: Session,
    /// Files that are not searchable.
    pub skipped: Vec<Skipped>,
}

/// What an append changed.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Text files in the request, replaced ones included.
    pub added: u64,
    /// Of these, those that were there before.
    pub replaced: u64,
    /// Files that are not searchable.
    pub skipped: Vec<Skipped>,
}

impl GrepSessions {
    /// Opens a session with the files of the upload. When this returns, the session answers, and what is stored
    /// of it is durable.
    ///
    /// # Errors
    /// [`Error::TimeToLive`], [`Error::LiveSessions`], [`Error::StoredBytes`], [`Error::Upload`]; nothing is
    /// kept then.
    pub async fn create(
        &self,
        actor: &Actor,
        plan: &Plan,
        upload: Upload,
        new: NewSession,
    ) -> Result<Created> {
        let ttl = self.time_to_live(plan, new)?;
        let _claim = self.claim_session(actor, plan).await?;
        let (batch, skipped, share) = upload.finish()?;
        let now = self.0.clock.now();
        let session = Session {
            id: SessionId::random(),
            organisation: actor.organisation.clone(),
            storage: new.storage,
            state: State::Live,
            file_count: batch.len() as u64,
            text_bytes: batch.text_bytes() as u64,
            created_at: now,
            expires_at: (new.storage == Storage::Memory).then(|| now.plus(ttl)),
        };
        let (batch, stored) = if self.is_stored(new.storage) {
            let (batch, segments) = self.segments_of(batch).await?;
            (batch, self.store(actor, plan, &session, segments).await?)
        } else {
            (batch, Stored::default())
        };
        let (corpus, _, share) = self.apply(Corpus::default(), batch, share).await?;
        let mut tx = self.0.db.begin().await?;
        repository::insert(&mut tx, &session).await?;
        repository::insert_segments(&mut tx, &session.id, &stored.segments).await?;
        tx.commit().await?;
        let seen = stored.segments.len() as i64;
        let live = Arc::new(Live::new(session.clone(), corpus, share, seen, now));
        self.install(Arc::clone(&live));
        self.index_soon(&live);
        Ok(Created { session, skipped })
    }

    fn time_to_live(&self, plan: &Plan, new: NewSession) -> Result<Duration> {
        let settings = &self.0.settings;
        let longest = plan.grep_ttl_minutes.map_or(settings.max_ttl, |minutes| {
            Duration::from_secs(u64::from(minutes) * 60)
        });
        let ttl = new.ttl.unwrap_or_else(|| settings.default_ttl.min(longest));
        // For s3 the life is accepted and means nothing (seed 000).
        if new.storage == Storage::Memory && (ttl.is_zero() || ttl > longest) {
            return Err(Error::TimeToLive(longest.as_secs() / 60));
        }
        Ok(ttl)
    }

    /// The right to open one more session.
    async fn claim_session(&self, actor: &Actor, plan: &Plan) -> Result<Option<Claim<'_>>> {
        let Some(limit) = plan.grep_live_sessions else {
            return Ok(None);
        };
        let claim = self.0.opening.claim(&actor.organisation, 1);
        let now = self.0.clock.now();
        let count = if self.0.db.is_shared() {
            repository::count_live(&self.0.db, &actor.organisation, now).await?
        } else {
            let of_organisation =
                |live: &Arc<Live>| live.session.organisation == actor.organisation && !live.has_ended(now);
            let all = self.0.live.iter().filter_map(|slot| slot.live());
            all.filter(of_organisation).count() as u64
        };
        if claim.fits(count, limit) {
            Ok(Some(claim))
        } else {
            Err(Error::LiveSessions(limit))
        }
    }

    /// Adds the files of the upload to a session, replacing those with the same paths. Searches see the
    /// session before or after, never between.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::StoredBytes`], [`Error::Upload`]; the session is as before then.
    pub async fn append(
        &self,
        actor: &Actor,
        plan: &Plan,
        id: &SessionId,
        upload: Upload,
    ) -> Result<Appended> {
        loop {
            let slot = self.slot(actor, id).await?;
            let Some(work) = self.work_on(&slot).await else {
                continue;
            };
            let live = self.load(&work, actor, id).await?;
            if live.has_ended(self.0.clock.now()) {
                return Err(Error::NotFound);
            }
            self.catch_up(&work, id).await?;
            let limit = upload.limit();
            size_after(&live.corpus, upload.batch(), limit)?;
            let (mut batch, skipped, share) = upload.finish()?;
            let added = batch.len() as u64;
            let mut last = live.seen();
            if self.is_stored(live.session.storage) {
                let (returned, segments) = self.segments_of(batch).await?;
                batch = returned;
                let stored = self.store(actor, plan, &live.session, segments).await?;
                loop {
                    let size = size_after(&live.corpus, &batch, limit)?;
                    match repository::change(&self.0.db, id, live.seen(), size, &stored.segments).await? {
                        Changed::To(number) => {
                            last = number;
                            break;
                        }
                        Changed::Behind => self.catch_up(&work, id).await?,
                        Changed::Gone => return Err(Error::NotFound),
                    }
                }
            }
            let appended = self.apply_append(&live, batch, share, added, skipped).await;
            match appended {
                Ok(_) => live.has_seen(last),
                // It is stored and not in memory, from which the session goes: the next one loads it.
                Err(_) if self.is_stored(live.session.storage) => work.empty(self, id),
                Err(_) => {}
            }
            return appended;
        }
    }

    async fn apply_append(
        &self,
        live: &Arc<Live>,
        batch: Batch,
        share: Share,
        added: u64,
        skipped: Vec<Skipped>,
    ) -> Result<Appended> {
        let (_, applied, _share) = self.apply(live.corpus.clone(), batch, share).await?;
        live.settle();
        live.touch(self.0.clock.now());
        self.index_soon(live);
        Ok(Appended {
            added,
            replaced: applied.replaced as u64,
            skipped,
        })
    }

    /// Makes the changes in memory; a copy of the text exists twice for that long.
    async fn apply(
        &self,
        corpus: Corpus,
        batch: Batch,
        mut share: Share,
    ) -> Result<(Corpus, Applied, Share)> {
        let bytes = batch.text_bytes() as u64;
        self.make_room(&mut share, bytes.saturating_mul(2)).await?;
        // A small batch is copied faster than it is handed over.
        if bytes < APPLY_ON_THREAD {
            let applied = corpus.apply(batch);
            return Ok((corpus, applied, share));
        }
        let (corpus, applied) = tokio::task::spawn_blocking(move || {
            let applied = corpus.apply(batch);
            (corpus, applied)
        })
        .await?;
        Ok((corpus, applied, share))
    }

    /// Writes the batch as segments, off the request's thread, and gives it back.
    async fn segments_of(&self, batch: Batch) -> Result<(Batch, Vec<Segment>)> {
        let segment_bytes = self.0.settings.segment_bytes;
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = Writer::new(segment_bytes);
            batch
                .inserts()
                .try_for_each(|(path, text)| writer.write(&Change::Insert(path, text)))?;
            Ok::<_, std::io::Error>((batch, writer.finish()?))
        });
        written.await?.map_err(|error| Error::Damaged(error.to_string()))
    }

    /// Makes segments durable; rows that name them come after.
    pub(crate) async fn store(
        &self,
        actor: &Actor,
        plan: &Plan,
        session: &Session,
        segments: Vec<Segment>,
    ) -> Result<Stored<'_>> {
        let mut claim = None;
        if let Some(limit) = plan.grep_stored_bytes.filter(|_| session.storage == Storage::S3) {
            let more = segments.iter().map(|segment| segment.bytes.len() as u64).sum();
            let claimed = self.0.storing.claim(&actor.organisation, more);
            let used = repository::stored_bytes(&self.0.db, &actor.organisation).await?;
            if !claimed.fits(used, limit) {
                return Err(Error::StoredBytes(limit));
            }
            claim = Some(claimed);
        }
        let namespace = prefix(&session.id)?;
        let mut stored = Stored {
            segments: Vec::with_capacity(segments.len()),
            _claim: claim,
        };
        for segment in segments {
            let stored_bytes = segment.bytes.len() as u64;
            let blob = self.0.blobs.put_addressed(&namespace, segment.bytes).await?;
            stored.segments.push(StoredSegment {
                sequence: 0,
                blob,
                text_bytes: segment.text_bytes,
                stored_bytes,
            });
        }
        Ok(stored)
    }
}

/// Segments that are durable, and not yet counted by the rows that name them.
#[derive(Default)]
pub(crate) struct Stored<'a> {
    pub(crate) segments: Vec<StoredSegment>,
    _claim: Option<Claim<'a>>,
}

/// Batches of less text than this are applied where they are.
const APPLY_ON_THREAD: u64 = 256 << 10;

/// How many files and bytes of text a session will hold, within the limit.
fn size_after(corpus: &Corpus, batch: &Batch, limit: u64) -> Result<(u64, u64)> {
    let snapshot = corpus.snapshot();
    let (mut files, mut bytes) = (snapshot.file_count() as u64, snapshot.text_bytes() as u64);
    for (path, text) in batch.inserts() {
        match snapshot.file(path) {
            Some(replaced) => bytes -= replaced.bytes as u64,
            None => files += 1,
        }
        bytes += text.len() as u64;
    }
    if bytes > limit {
        return Err(UploadError::TooLarge { limit }.into());
    }
    Ok((files, bytes))
}
