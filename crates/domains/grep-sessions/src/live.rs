//! Sessions in memory: found without SQL, loaded when they are not there.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pentad_blob::Prefix;
use pentad_grep_engine::{Batch, Cancel, Corpus};
use pentad_kernel::{Actor, OrganisationId, Timestamp};
use tokio::sync::MutexGuard as AsyncMutexGuard;

use crate::budget::Share;
use crate::{Error, GrepSessions, Result, Session, SessionId, State, Storage, repository, segment};

/// A session in memory.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: Session,
    pub(crate) corpus: Corpus,
    /// The number of the last stored segment that it holds.
    seen: AtomicI64,
    last_used: AtomicI64,
    share: Mutex<Share>,
    upkeep_waits: AtomicBool,
}

/// The place of a session in memory, empty while it is being loaded.
#[derive(Debug)]
pub(crate) struct Slot {
    organisation: OrganisationId,
    live: ArcSwapOption<Live>,
    /// Held by whatever loads, changes or stops the session, one at a time. True once the slot is out of
    /// the table: whoever waited looks the session up again.
    work: tokio::sync::Mutex<bool>,
}

/// Stored segments fetched at once.
const FETCHES_AT_ONCE: usize = 4;

/// The objects of one session.
pub(crate) fn prefix(id: &SessionId) -> Result<Prefix> {
    Prefix::parse(&format!("grep/{id}")).map_err(|error| Error::Blob(error.into()))
}

impl Live {
    pub(crate) fn new(session: Session, corpus: Corpus, share: Share, seen: i64, now: Timestamp) -> Self {
        let live = Self {
            session,
            corpus,
            seen: AtomicI64::new(seen),
            last_used: AtomicI64::new(now.as_micros()),
            share: Mutex::new(share),
            upkeep_waits: AtomicBool::new(false),
        };
        live.settle();
        live
    }

    pub(crate) fn seen(&self) -> i64 {
        self.seen.load(Ordering::Acquire)
    }

    /// Notes that it holds a segment now, for whoever has the right to change it.
    pub(crate) fn has_seen(&self, sequence: i64) {
        self.seen.store(sequence, Ordering::Release);
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_used.store(now.as_micros(), Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> Timestamp {
        Timestamp::from_micros(self.last_used.load(Ordering::Relaxed))
    }

    pub(crate) fn has_ended(&self, now: Timestamp) -> bool {
        self.session.expires_at.is_some_and(|end| end <= now)
    }

    /// Charges the budget with what the session holds now.
    pub(crate) fn settle(&self) {
        self.share().settle(self.corpus.memory_bytes() as u64);
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn empty(organisation: OrganisationId) -> Arc<Self> {
        Arc::new(Self {
            organisation,
            live: ArcSwapOption::empty(),
            work: tokio::sync::Mutex::new(false),
        })
    }

    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }
}

/// The right to load, change or stop one session.
pub(crate) struct Work<'a> {
    slot: &'a Arc<Slot>,
    gone: AsyncMutexGuard<'a, bool>,
}

impl Work<'_> {
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.slot.live()
    }

    /// Takes the session out of memory; running searches keep what they have.
    pub(crate) fn close(mut self, sessions: &GrepSessions, id: &SessionId) {
        self.empty(sessions, id);
        *self.gone = true;
    }

    /// The same, while its place is still held: whoever waits for it finds it empty and looks again.
    pub(crate) fn empty(&self, sessions: &GrepSessions, id: &SessionId) {
        self.slot.live.store(None);
        sessions
            .0
            .live
            .remove_if(id, |_, slot| Arc::ptr_eq(slot, self.slot));
    }
}

impl GrepSessions {
    /// Puts a new session into memory.
    pub(crate) fn install(&self, live: Arc<Live>) {
        let slot = Slot::empty(live.session.organisation.clone());
        let id = live.session.id.clone();
        slot.live.store(Some(live));
        self.0.live.insert(id, slot);
    }

    /// The session as it is now, loaded first if it is stored and not in memory.
    pub(crate) async fn session_in_memory(&self, actor: &Actor, id: &SessionId) -> Result<Arc<Live>> {
        loop {
            let slot = self.slot(actor, id).await?;
            let now = self.0.clock.now();
            if let Some(live) = slot.live() {
                if live.has_ended(now) {
                    return Err(Error::NotFound);
                }
                if !self.is_current(&live).await? {
                    let Some(work) = self.work_on(&slot).await else {
                        continue;
                    };
                    self.catch_up(&work, id).await?;
                }
                live.touch(now);
                return Ok(live);
            }
            let Some(work) = self.work_on(&slot).await else {
                continue;
            };
            self.load(&work, actor, id).await?;
        }
    }

    /// Whether the session in memory is what is stored. Where no other gateway can change it, it always is.
    async fn is_current(&self, live: &Live) -> Result<bool> {
        if !self.0.db.is_shared() {
            return Ok(true);
        }
        let standing = repository::standing(&self.0.db, &live.session.id).await?;
        Ok(standing == Some((State::Live, live.seen())))
    }

    /// Brings a session in memory to what is stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] when another gateway ended it; it is out of this memory then.
    pub(crate) async fn catch_up(&self, work: &Work<'_>, id: &SessionId) -> Result<()> {
        let Some(live) = work.live().filter(|_| self.0.db.is_shared()) else {
            return Ok(());
        };
        let last = match (repository::standing(&self.0.db, id).await?, live.session.storage) {
            (Some((State::Live, last)), _) => last,
            // An s3 session that was stopped answers again when it is asked.
            (Some((State::Stopped, last)), Storage::S3)
                if repository::set_state(&self.0.db, id, State::Live).await? =>
            {
                last
            }
            _ => {
                work.empty(self, id);
                return Err(Error::NotFound);
            }
        };
        if last == live.seen() {
            return Ok(());
        }
        let mut share = self.0.budget.share();
        let (batch, seen) = match self.fetch(id, live.seen(), &mut share).await {
            // It may have ended meanwhile, and its objects with it.
            Err(Error::Blob(pentad_blob::Error::NotFound { .. }))
                if repository::standing(&self.0.db, id)
                    .await?
                    .is_none_or(|(state, _)| state != State::Live) =>
            {
                work.empty(self, id);
                return Err(Error::NotFound);
            }
            fetched => fetched?,
        };
        let corpus = live.corpus.clone();
        tokio::task::spawn_blocking(move || corpus.apply(batch)).await?;
        live.has_seen(seen);
        live.settle();
        self.index_soon(&live);
        Ok(())
    }

    /// The place of a session that the actor's organisation has. It may be empty.
    pub(crate) async fn slot(&self, actor: &Actor, id: &SessionId) -> Result<Arc<Slot>> {
        if let Some(slot) = self.0.live.get(id).map(|slot| Arc::clone(&slot)) {
            return if slot.organisation == actor.organisation {
                Ok(slot)
            } else {
                Err(Error::NotFound)
            };
        }
        let session = repository::find(&self.0.db, &actor.organisation, id).await?;
        match (session.storage, session.state) {
            _ if !self.is_stored(session.storage) => Err(Error::NotFound),
            (Storage::S3, State::Live | State::Stopped) | (Storage::Memory, State::Live) => {
                let slot = self
                    .0
                    .live
                    .entry(id.clone())
                    .or_insert_with(|| Slot::empty(session.organisation));
                Ok(Arc::clone(&slot))
            }
            (Storage::Memory, _) | (Storage::S3, State::Deleted) => Err(Error::NotFound),
        }
    }

    /// Waits for the right to work on the session; `None` when it left memory meanwhile.
    pub(crate) async fn work_on<'a>(&self, slot: &'a Arc<Slot>) -> Option<Work<'a>> {
        let gone = slot.work.lock().await;
        if *gone { None } else { Some(Work { slot, gone }) }
    }

    /// The right to work on the session, if nobody has it.
    pub(crate) fn try_work_on<'a>(&self, slot: &'a Arc<Slot>) -> Option<Work<'a>> {
        let gone = slot.work.try_lock().ok()?;
        if *gone { None } else { Some(Work { slot, gone }) }
    }

    /// Loads a stored session, unless it is in memory already. A session that cannot be loaded leaves no
    /// empty place behind.
    pub(crate) async fn load(&self, work: &Work<'_>, actor: &Actor, id: &SessionId) -> Result<Arc<Live>> {
        if let Some(live) = work.live() {
            return Ok(live);
        }
        let loaded = self.load_from_store(actor, id).await;
        match &loaded {
            Ok(live) => work.slot.live.store(Some(Arc::clone(live))),
            Err(_) => {
                self.0.live.remove_if(id, |_, slot| {
                    Arc::ptr_eq(slot, work.slot) && slot.live().is_none()
                });
            }
        }
        loaded
    }

    async fn load_from_store(&self, actor: &Actor, id: &SessionId) -> Result<Arc<Live>> {
        let mut session = repository::find(&self.0.db, &actor.organisation, id).await?;
        if !self.is_stored(session.storage) || self.has_ended(&session) {
            return Err(Error::NotFound);
        }
        let mut share = self.0.budget.share();
        self.make_room(&mut share, session.text_bytes.saturating_mul(2))
            .await?;
        let (batch, seen) = match self.fetch(id, 0, &mut share).await {
            // It may have ended meanwhile, and its objects with it.
            Err(Error::Blob(pentad_blob::Error::NotFound { .. }))
                if self.has_ended(&repository::find(&self.0.db, &actor.organisation, id).await?) =>
            {
                return Err(Error::NotFound);
            }
            fetched => fetched?,
        };
        let corpus = tokio::task::spawn_blocking(move || {
            let corpus = Corpus::default();
            corpus.apply(batch);
            corpus
        })
        .await?;
        if session.state == State::Stopped && !repository::set_state(&self.0.db, id, State::Live).await? {
            return Err(Error::NotFound);
        }
        session.state = State::Live;
        let live = Arc::new(Live::new(session, corpus, share, seen, self.0.clock.now()));
        self.index_soon(&live);
        Ok(live)
    }

    /// Whether it can never answer again.
    pub(crate) fn has_ended(&self, session: &Session) -> bool {
        match session.storage {
            Storage::S3 => session.state == State::Deleted,
            Storage::Memory => {
                let expired = session.expires_at.is_some_and(|end| end <= self.0.clock.now());
                session.state != State::Live || expired
            }
        }
    }

    /// What the segments after one of them change, and the number of the last.
    async fn fetch(&self, id: &SessionId, after: i64, share: &mut Share) -> Result<(Batch, i64)> {
        let namespace = prefix(id)?;
        let stored = repository::segments(&self.0.db, id, after).await?;
        let last = stored.last().map_or(after, |segment| segment.sequence);
        let bytes: u64 = stored.iter().map(|segment| segment.text_bytes).sum();
        self.make_room(share, bytes.saturating_mul(2)).await?;
        let mut fetched = stream::iter(stored)
            .map(|stored| {
                let namespace = &namespace;
                async move {
                    let bytes = self
                        .0
                        .blobs
                        .get_addressed(namespace, &stored.blob, stored.stored_bytes)
                        .await?;
                    Ok::<_, Error>((bytes, stored.text_bytes))
                }
            })
            .buffered(FETCHES_AT_ONCE);
        let mut batch = Batch::new();
        while let Some((bytes, text_bytes)) = fetched.try_next().await? {
            batch = tokio::task::spawn_blocking(move || {
                segment::replay(&bytes, text_bytes, &mut batch)?;
                Ok::<_, Error>(batch)
            })
            .await??;
        }
        drop(fetched);
        Ok((batch, last))
    }

    /// Has the session indexed when it is its turn; until then it is searched by looking at everything.
    pub(crate) fn index_soon(&self, live: &Arc<Live>) {
        if !live.corpus.needs_indexing() || live.upkeep_waits.swap(true, Ordering::AcqRel) {
            return;
        }
        let (turns, live) = (Arc::clone(&self.0.upkeep), Arc::clone(live));
        tokio::spawn(async move {
            let Ok(_turn) = turns.acquire().await else { return };
            // From here on a further change asks for a further turn.
            live.upkeep_waits.store(false, Ordering::Release);
            let indexed = tokio::task::spawn_blocking(move || {
                live.corpus.index_pending(&Cancel::never());
                live.settle();
            });
            if let Err(error) = indexed.await {
                tracing::error!(%error, "an index could not be built; the session is searched without");
            }
        });
    }
}
