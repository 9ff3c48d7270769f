//! Memories as JSON.

use pentad_kernel::Timestamp;
use pentad_memories::{Memory, printed, printed_end};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How memories are shown: when they are looked at, and how fast they go stale for the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) now: Timestamp,
    pub(crate) half_life_days: f64,
}

/// A memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Memory)]
pub(crate) struct MemoryAnswer {
    /// Its identifier.
    #[schema(format = Uuid)]
    id: String,
    /// The account that owns it.
    company_id: String,
    /// The tenant; `null` for the default one.
    tenant_id: Option<String>,
    /// The fact.
    summary: String,
    /// The fact.
    decision: String,
    /// What it is about.
    topic: String,
    /// 1 to 10.
    importance_score: u8,
    /// `low`, `medium` or `high`.
    importance: &'static str,
    /// Where it came from.
    source: String,
    /// Its session, or its source without one.
    channel: String,
    /// The session it was said in.
    session_id: Option<String>,
    /// The first 500 characters of what it was taken from.
    original_message: String,
    /// When it was stored.
    created_at: String,
    /// Since when it holds.
    valid_from: String,
    /// Until when it holds; `null` while no end is known.
    valid_to: Option<String>,
    /// What took its place.
    superseded_by: Option<String>,
    /// How fresh it is, 0 to 1.
    freshness: f64,
    /// What the caller attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    source_citation: SourceCitation,
    temporal: Temporal,
}

/// Where a memory came from.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = memories::SourceCitation)]
pub(crate) struct SourceCitation {
    /// The source.
    r#type: String,
    /// The session, or the source without one.
    channel: String,
    /// When it was stored.
    captured_at: String,
    /// The session it was said in.
    session_id: Option<String>,
    /// The first 500 characters of what it was taken from.
    original_message: String,
}

/// What is, or at the transaction instant was, believed of a memory.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = memories::Temporal)]
pub(crate) struct Temporal {
    /// Since when it holds.
    valid_from: String,
    /// Until when it holds.
    valid_to: Option<String>,
    /// What took its place.
    superseded_by: Option<String>,
    /// Whether it is true now.
    is_current: bool,
    /// Whether it ended without a successor.
    is_expired: bool,
    /// Whether something took its place.
    is_superseded: bool,
    /// When it became known.
    transaction_time_start: String,
    /// When it ceased to be believed.
    transaction_time_end: Option<String>,
    /// Whether it is still believed.
    is_known_current: bool,
}

impl SourceCitation {
    pub(crate) fn of(memory: &Memory) -> Self {
        Self {
            r#type: memory.source.clone(),
            channel: memory.channel.clone(),
            captured_at: printed(memory.created_at),
            session_id: memory.session_id.clone(),
            original_message: memory.original_message.clone(),
        }
    }
}

impl Temporal {
    pub(crate) fn of(memory: &Memory, now: Timestamp) -> Self {
        Self {
            valid_from: printed(memory.valid_from),
            valid_to: printed_end(memory.valid_to),
            superseded_by: memory.superseded_by.clone(),
            is_current: memory.is_current(now),
            is_expired: memory.is_expired(now),
            is_superseded: memory.is_superseded(),
            transaction_time_start: printed(memory.created_at),
            transaction_time_end: memory.transaction_end().map(printed),
            is_known_current: !memory.is_superseded(),
        }
    }
}

impl MemoryAnswer {
    pub(crate) fn of(memory: Memory, shown: Shown) -> Self {
        Self {
            freshness: memory.freshness(shown.now, shown.half_life_days),
            source_citation: SourceCitation::of(&memory),
            temporal: Temporal::of(&memory, shown.now),
            importance: memory.importance(),
            created_at: printed(memory.created_at),
            valid_from: printed(memory.valid_from),
            valid_to: printed_end(memory.valid_to),
            id: memory.id,
            company_id: memory.company.to_string(),
            tenant_id: memory.tenant_id,
            summary: memory.decision.clone(),
            decision: memory.decision,
            topic: memory.topic,
            importance_score: memory.importance_score,
            source: memory.source,
            channel: memory.channel,
            session_id: memory.session_id,
            original_message: memory.original_message,
            superseded_by: memory.superseded_by,
            metadata: memory.metadata,
        }
    }

    pub(crate) fn all(memories: Vec<Memory>, shown: Shown) -> Vec<Self> {
        memories
            .into_iter()
            .map(|memory| Self::of(memory, shown))
            .collect()
    }
}

/// An identifier that was acted upon.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Deleted)]
pub(crate) struct Deleted {
    /// Always `deleted`.
    pub(crate) status: &'static str,
    /// The memory that was.
    #[schema(format = Uuid)]
    pub(crate) memory_id: String,
}
