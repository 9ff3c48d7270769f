//! The search indexes of recently used scopes, each brought up to date before it is searched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pentad_kernel::Timestamp;
use pentad_retrieval::QuantizedVector;
use pentad_store::{Db, with_reader};

use crate::Result;
use crate::belief::Belief;
use crate::index::{NewDocument, ScopeIndex};
use crate::ledger::ScopeState;

/// How many memories are read from the database at once.
const PAGE: i64 = 20_000;

const DOCUMENTS: &str = "
    SELECT m.memory, m.created_at, m.source, i.terms, i.embedder, i.vector, v.valid_from, v.valid_to
    FROM memory_index AS i
    JOIN memories AS m ON m.memory = i.memory
    JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_from = m.created_at
    WHERE i.scope = $1 AND i.memory > $2 AND m.created_at <= $3
    ORDER BY i.memory LIMIT $4";
const BELIEFS: &str = "
    SELECT memory, valid_from, valid_to, tx_from, superseded_by IS NOT NULL AS superseded
    FROM memory_versions
    WHERE scope = $1 AND tx_from > $2 AND tx_from <= $3 AND tx_from > created_at
    ORDER BY tx_from";

#[derive(sqlx::FromRow)]
struct DocumentRow {
    memory: i64,
    created_at: i64,
    source: String,
    terms: Vec<u8>,
    embedder: Option<String>,
    vector: Option<Vec<u8>>,
    valid_from: i64,
    valid_to: i64,
}

#[derive(sqlx::FromRow)]
struct BeliefRow {
    memory: i64,
    valid_from: i64,
    valid_to: i64,
    tx_from: i64,
    superseded: bool,
}

impl From<&BeliefRow> for Belief {
    fn from(row: &BeliefRow) -> Self {
        Self {
            valid_from: Timestamp::from_micros(row.valid_from),
            valid_to: Timestamp::from_micros(row.valid_to),
            tx_from: Timestamp::from_micros(row.tx_from),
            tx_to: Timestamp::MAX,
            superseded: row.superseded,
        }
    }
}

/// Which state of the scope the index reflects.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    changed_at: i64,
    rebuilds: i64,
    last_memory: i64,
}

/// The index of one scope, shared by its searches.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    index: RwLock<ScopeIndex>,
    /// Held while the index is brought up to date, so that it is done once.
    seen: tokio::sync::Mutex<Seen>,
    bytes: AtomicUsize,
    used: AtomicU64,
}

impl Entry {
    /// Runs the body on the index; writers wait meanwhile.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&ScopeIndex) -> T) -> T {
        body(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, body: impl FnOnce(&mut ScopeIndex) -> T) -> T {
        body(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The indexes of recently used scopes.
#[derive(Clone, Debug)]
pub(crate) struct Indexes {
    entries: Arc<Mutex<HashMap<i64, Arc<Entry>>>>,
    uses: Arc<AtomicU64>,
    limit: usize,
}

impl Indexes {
    /// Room for indexes of `limit` bytes together.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: Arc::default(),
            uses: Arc::default(),
            limit,
        }
    }

    /// The index of a scope, reflecting at least `state`, with vectors of `embedder`.
    pub(crate) async fn fresh(
        &self,
        db: &Db,
        state: ScopeState,
        embedder: Option<&str>,
    ) -> Result<Arc<Entry>> {
        let entry = Arc::clone(self.lock().entry(state.scope).or_default());
        entry
            .used
            .store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.update(db, &entry, state, embedder).await?;
        Ok(entry)
    }

    async fn update(&self, db: &Db, entry: &Entry, state: ScopeState, embedder: Option<&str>) -> Result<()> {
        let mut seen = entry.seen.lock().await;
        if seen.changed_at >= state.changed_at && seen.rebuilds >= state.rebuilds {
            return Ok(());
        }
        if seen.rebuilds < state.rebuilds {
            // What was erased has to leave memory too, and nothing else tells what it was.
            entry.write(|index| *index = ScopeIndex::default());
            *seen = Seen {
                rebuilds: state.rebuilds,
                ..Seen::default()
            };
        }
        let outcome = load(db, entry, &mut seen, state, embedder).await;
        entry
            .bytes
            .store(entry.read(ScopeIndex::bytes), Ordering::Relaxed);
        self.shrink(state.scope);
        outcome
    }

    /// The memory that all of them take, about.
    pub(crate) fn bytes(&self) -> usize {
        let entries = self.lock();
        entries
            .values()
            .map(|entry| entry.bytes.load(Ordering::Relaxed))
            .sum()
    }

    /// Forgets a scope.
    pub(crate) fn forget(&self, scope: i64) {
        self.lock().remove(&scope);
    }

    /// Drops the longest unused indexes until the rest fits; the one just used stays whatever its size.
    fn shrink(&self, just_used: i64) {
        let mut entries = self.lock();
        let bytes = |entry: &Entry| entry.bytes.load(Ordering::Relaxed);
        let mut total: usize = entries.values().map(|entry| bytes(entry)).sum();
        while total > self.limit {
            let oldest = entries
                .iter()
                .filter(|&(&scope, _)| scope != just_used)
                .min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))
                .map(|(&scope, entry)| (scope, bytes(entry)));
            let Some((scope, size)) = oldest else {
                break;
            };
            entries.remove(&scope);
            total -= size;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what changed since `seen`, up to `state` and no further: everything up to it is committed, and what
/// is read of anything later might be half of it.
async fn load(
    db: &Db,
    entry: &Entry,
    seen: &mut Seen,
    state: ScopeState,
    embedder: Option<&str>,
) -> Result<()> {
    loop {
        let documents: Vec<DocumentRow> = with_reader!(*db, |conn| sqlx::query_as(DOCUMENTS)
            .bind(state.scope)
            .bind(seen.last_memory)
            .bind(state.changed_at)
            .bind(PAGE)
            .fetch_all(conn)
            .await)?;
        let Some(last) = documents.last().map(|row| row.memory) else {
            break;
        };
        let full_page = documents.len() as i64 == PAGE;
        entry.write(|index| insert(index, &documents, embedder));
        seen.last_memory = last;
        if !full_page {
            break;
        }
    }
    let beliefs: Vec<BeliefRow> = with_reader!(*db, |conn| sqlx::query_as(BELIEFS)
        .bind(state.scope)
        .bind(seen.changed_at)
        .bind(state.changed_at)
        .fetch_all(conn)
        .await)?;
    entry.write(|index| {
        for row in &beliefs {
            index.believe(row.memory, Belief::from(row));
        }
    });
    seen.changed_at = state.changed_at;
    Ok(())
}

fn insert(index: &mut ScopeIndex, documents: &[DocumentRow], embedder: Option<&str>) {
    for row in documents {
        // A vector of another embedder says nothing here.
        let vector = row
            .vector
            .as_ref()
            .filter(|_| row.embedder.as_deref() == embedder);
        let values = |bytes: &Vec<u8>| bytes.iter().map(|&byte| byte.cast_signed()).collect();
        index.insert(NewDocument {
            memory: row.memory,
            created_at: Timestamp::from_micros(row.created_at),
            source: &row.source,
            terms: &row.terms,
            vector: vector.map(|bytes| QuantizedVector::from_values(values(bytes))),
            belief: Belief {
                valid_from: Timestamp::from_micros(row.valid_from),
                valid_to: Timestamp::from_micros(row.valid_to),
                tx_from: Timestamp::from_micros(row.created_at),
                tx_to: Timestamp::MAX,
                superseded: false,
            },
        });
    }
}
