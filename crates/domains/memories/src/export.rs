//! Everything that an organisation stored, piece by piece.

use std::collections::HashMap;

use pentad_kernel::{Actor, Timestamp};
use pentad_store::with_reader;
use serde_json::Value;

use crate::ledger::event_hash;
use crate::memory::{MemoryRow, memory_columns};
use crate::{Error, Memories, Memory, Result};

/// A memory with all that is or was believed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedMemory {
    /// Its place in the export: where to go on from.
    pub position: i64,
    /// The memory, as it is believed now.
    pub memory: Memory,
    /// What it was taken from, when that was more than the memory itself.
    pub original_input: Option<String>,
    /// What is or was believed of it, oldest first.
    pub versions: Vec<ExportedVersion>,
}

/// Something that is or was believed of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedVersion {
    /// Since when it holds.
    pub valid_from: Timestamp,
    /// Until when it holds.
    pub valid_to: Timestamp,
    /// Since when that is believed.
    pub transaction_from: Timestamp,
    /// Until when that was believed.
    pub transaction_to: Timestamp,
    /// What took its place.
    pub superseded_by: Option<String>,
    /// Why it is believed.
    pub cause: String,
}

/// An event of the organisation's hash chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedEvent {
    /// Its place in the chain, from 1.
    pub sequence: i64,
    /// The memory concerned.
    pub memory_id: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What.
    pub kind: String,
    /// What else is known of it; `None` once the memory is erased.
    pub details: Option<Value>,
    /// Binds the details.
    pub digest: String,
    /// The hash of the event before.
    pub previous_hash: String,
    /// The hash of this one.
    pub hash: String,
}

impl ExportedEvent {
    /// Whether the event is what its hash says.
    pub fn is_intact(&self) -> bool {
        let Self {
            sequence,
            memory_id,
            at,
            actor,
            kind,
            digest,
            previous_hash,
            hash,
            ..
        } = self;
        event_hash(
            previous_hash,
            *sequence,
            memory_id,
            at.as_micros(),
            actor,
            kind,
            digest,
        ) == *hash
    }
}

const MEMORIES: &str = concat!(
    "SELECT ",
    memory_columns!(),
    " FROM memory_scopes AS s
      JOIN memories AS m ON m.scope = s.scope
      JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_to = 9223372036854775807
      WHERE s.organisation_id = $1 AND m.memory > $2 ORDER BY m.memory LIMIT $3"
);
const INPUTS: &str = "
    SELECT m.memory, i.body FROM memory_scopes AS s
    JOIN memories AS m ON m.scope = s.scope
    JOIN memory_inputs AS i ON i.input = m.input
    WHERE s.organisation_id = $1 AND m.memory > $2 AND m.memory <= $3";
const VERSIONS: &str = "
    SELECT v.memory, v.valid_from, v.valid_to, v.tx_from, v.tx_to, v.superseded_by, v.cause
    FROM memory_scopes AS s JOIN memory_versions AS v ON v.scope = s.scope
    WHERE s.organisation_id = $1 AND v.memory > $2 AND v.memory <= $3 ORDER BY v.memory, v.tx_from";
const EVENTS: &str = "
    SELECT seq, memory_id, at, actor, kind, details, digest, previous_hash, hash FROM memory_events
    WHERE organisation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

#[derive(sqlx::FromRow)]
struct VersionRow {
    memory: i64,
    valid_from: i64,
    valid_to: i64,
    tx_from: i64,
    tx_to: i64,
    superseded_by: Option<String>,
    cause: String,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    seq: i64,
    memory_id: String,
    at: i64,
    actor: String,
    kind: String,
    details: Option<String>,
    digest: String,
    previous_hash: String,
    hash: String,
}

impl Memories {
    /// The next memories of the organisation after a position, 0 for the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_memories(
        &self,
        actor: &Actor,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ExportedMemory>> {
        let organisation = actor.organisation.as_str();
        let rows: Vec<MemoryRow> = with_reader!(self.db, |conn| sqlx::query_as(MEMORIES)
            .bind(organisation)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await)?;
        let Some(last) = rows.last().map(|row| row.memory) else {
            return Ok(Vec::new());
        };
        let inputs: Vec<(i64, String)> = with_reader!(self.db, |conn| sqlx::query_as(INPUTS)
            .bind(organisation)
            .bind(after)
            .bind(last)
            .fetch_all(conn)
            .await)?;
        let rows_of_versions: Vec<VersionRow> = with_reader!(self.db, |conn| sqlx::query_as(VERSIONS)
            .bind(organisation)
            .bind(after)
            .bind(last)
            .fetch_all(conn)
            .await)?;
        let mut inputs: HashMap<i64, String> = inputs.into_iter().collect();
        let mut versions: HashMap<i64, Vec<ExportedVersion>> = HashMap::new();
        for row in rows_of_versions {
            versions.entry(row.memory).or_default().push(ExportedVersion {
                valid_from: Timestamp::from_micros(row.valid_from),
                valid_to: Timestamp::from_micros(row.valid_to),
                transaction_from: Timestamp::from_micros(row.tx_from),
                transaction_to: Timestamp::from_micros(row.tx_to),
                superseded_by: row.superseded_by,
                cause: row.cause,
            });
        }
        let exported = |row: MemoryRow| {
            Ok(ExportedMemory {
                position: row.memory,
                original_input: inputs.remove(&row.memory),
                versions: versions.remove(&row.memory).unwrap_or_default(),
                memory: Memory::try_from(row)?,
            })
        };
        rows.into_iter().map(exported).collect()
    }

    /// The next events of the organisation's hash chain after a sequence number, 0 for the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_events(&self, actor: &Actor, after: i64, limit: u32) -> Result<Vec<ExportedEvent>> {
        let rows: Vec<EventRow> = with_reader!(self.db, |conn| sqlx::query_as(EVENTS)
            .bind(actor.organisation.as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await)?;
        let event = |row: EventRow| {
            let details = row.details.map(|text| serde_json::from_str(&text)).transpose();
            Ok(ExportedEvent {
                sequence: row.seq,
                memory_id: row.memory_id,
                at: Timestamp::from_micros(row.at),
                actor: row.actor,
                kind: row.kind,
                details: details.map_err(|_| Error::Corrupt("event"))?,
                digest: row.digest,
                previous_hash: row.previous_hash,
                hash: row.hash,
            })
        };
        rows.into_iter().map(event).collect()
    }
}
