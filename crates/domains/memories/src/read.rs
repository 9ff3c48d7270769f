//! Reading single memories, their chains and their histories.

use pentad_kernel::{Actor, Timestamp};
use pentad_store::with_reader;
use serde_json::Value;

use crate::memory::{MemoryRow, memory_columns};
use crate::{Error, Memories, Memory, Result};

/// Where a memory came from and what happened to it since.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The memory, as it is believed now.
    pub memory: Memory,
    /// All that it was taken from.
    pub original_input: String,
    /// What made it out of that: `verbatim`, the rule engine, or a language model.
    pub model: String,
    /// The version of what the engine was told.
    pub prompt_version: Option<String>,
    /// Whether a language model should have made it and was not there.
    pub degraded: bool,
    /// What happened, oldest first.
    pub history: Vec<AuditEntry>,
}

/// One thing that happened to a memory.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// What, as `memory.superseded`.
    pub event: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What else is known of it.
    pub details: Option<Value>,
}

#[derive(sqlx::FromRow)]
struct OriginRow {
    body: Option<String>,
    engine: String,
    prompt_version: Option<String>,
    degraded: bool,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    at: i64,
    actor: String,
    kind: String,
    details: Option<String>,
}

const ONE: &str = concat!(
    "SELECT ",
    memory_columns!(),
    " FROM memories AS m
      JOIN memory_scopes AS s ON s.scope = m.scope
      JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_to = 9223372036854775807
      WHERE m.id = $1"
);
const HEAD: &str = "
    WITH RECURSIVE chain (id, hop) AS (
        SELECT CAST($1 AS TEXT), 0
        UNION ALL
        SELECT link.successor, chain.hop + 1
        FROM chain JOIN memory_links AS link ON link.predecessor = chain.id
        WHERE chain.hop < $2
    )
    SELECT id FROM chain ORDER BY hop DESC LIMIT 1";
const CHAIN: &str = concat!(
    "WITH RECURSIVE chain (id, hop) AS (
        SELECT CAST($1 AS TEXT), 0
        UNION ALL
        SELECT link.predecessor, chain.hop + 1
        FROM chain JOIN memory_links AS link ON link.successor = chain.id
        WHERE chain.hop < $2
     )
     SELECT ",
    memory_columns!(),
    " FROM chain
      JOIN memories AS m ON m.id = chain.id
      JOIN memory_scopes AS s ON s.scope = m.scope
      JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_to = 9223372036854775807
      ORDER BY v.valid_from, v.created_at, m.memory
      LIMIT $2"
);
const ORIGIN: &str = "
    SELECT i.body, m.engine, m.prompt_version, m.degraded
    FROM memories AS m LEFT JOIN memory_inputs AS i ON i.input = m.input
    WHERE m.id = $1";
const EVENTS: &str = "SELECT at, actor, kind, details FROM memory_events WHERE memory_id = $1 AND organisation_id = $2 ORDER BY seq";

/// Who is named as the maker of memories.
const EXTRACTOR: &str = "aurra-extractor";

impl Memories {
    /// The memory as it is believed now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Foreign`].
    pub async fn memory(&self, actor: &Actor, id: &str) -> Result<Memory> {
        let row: Option<MemoryRow> = with_reader!(self.db, |conn| sqlx::query_as(ONE)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        let memory = Memory::try_from(row.ok_or(Error::NotFound)?)?;
        if memory.company == actor.organisation {
            Ok(memory)
        } else {
            Err(self.foreign())
        }
    }

    /// Everything that took the place of something else up to the memory and from it on, oldest first by the
    /// instant since when it holds. Erased links are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Foreign`].
    pub async fn timeline(&self, actor: &Actor, id: &str) -> Result<Vec<Memory>> {
        self.memory(actor, id).await?;
        let head: String = with_reader!(self.db, |conn| sqlx::query_scalar(HEAD)
            .bind(id)
            .bind(i64::from(self.limits.chain))
            .fetch_one(conn)
            .await)?;
        let rows: Vec<MemoryRow> = with_reader!(self.db, |conn| sqlx::query_as(CHAIN)
            .bind(head)
            .bind(i64::from(self.limits.chain))
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(Memory::try_from).collect()
    }

    /// Where the memory came from and what happened to it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Foreign`].
    pub async fn audit(&self, actor: &Actor, id: &str) -> Result<Audit> {
        let memory = self.memory(actor, id).await?;
        let origin: Option<OriginRow> = with_reader!(self.db, |conn| sqlx::query_as(ORIGIN)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        let origin = origin.ok_or(Error::NotFound)?;
        let events: Vec<EventRow> = with_reader!(self.db, |conn| sqlx::query_as(EVENTS)
            .bind(id)
            .bind(actor.organisation.as_str())
            .fetch_all(conn)
            .await)?;
        // The chain has one event for the creation; readers are shown the extraction and the storing apart.
        let extracted = AuditEntry {
            event: "created".to_owned(),
            at: memory.created_at,
            by: EXTRACTOR.to_owned(),
            details: None,
        };
        let stored = events.into_iter().map(|row| AuditEntry {
            event: row.kind,
            at: Timestamp::from_micros(row.at),
            by: row.actor,
            details: row.details.and_then(|text| serde_json::from_str(&text).ok()),
        });
        Ok(Audit {
            original_input: origin.body.unwrap_or_else(|| memory.decision.clone()),
            model: origin.engine,
            prompt_version: origin.prompt_version,
            degraded: origin.degraded,
            history: std::iter::once(extracted).chain(stored).collect(),
            memory,
        })
    }
}
