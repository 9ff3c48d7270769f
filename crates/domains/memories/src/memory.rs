//! A memory as it is read.

use pentad_kernel::{OrganisationId, Timestamp};

use crate::belief::Belief;
use crate::{Error, Result};

/// A memory: its content, which never changes, and what is or was believed of its validity.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// UUID.
    pub id: String,
    /// The organisation it belongs to.
    pub company: OrganisationId,
    /// The tenant it belongs to; `None` for the default one.
    pub tenant_id: Option<String>,
    /// The fact.
    pub decision: String,
    /// What it is about, in the words of whoever stored it.
    pub topic: String,
    /// What it is about, as the engine sees it.
    pub category: String,
    /// 1 to 10.
    pub importance_score: u8,
    /// Where it came from.
    pub source: String,
    /// The session or source by which clients group memories.
    pub channel: String,
    /// The session it was said in.
    pub session_id: Option<String>,
    /// The first 500 characters of what it was taken from.
    pub original_message: String,
    /// What the caller attached.
    pub metadata: Option<serde_json::Value>,
    /// When it was stored: the first instant at which it was known.
    pub created_at: Timestamp,
    /// Since when it holds.
    pub valid_from: Timestamp,
    /// Until when it holds; [`Timestamp::MAX`] while no end is known.
    pub valid_to: Timestamp,
    /// What took its place.
    pub superseded_by: Option<String>,
    /// When this was first believed of it.
    pub believed_from: Timestamp,
}

impl Memory {
    /// Whether something took its place.
    pub const fn is_superseded(&self) -> bool {
        self.superseded_by.is_some()
    }

    /// Whether it ended without a successor.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        !self.is_superseded() && self.valid_to <= now
    }

    /// Whether it is true now.
    pub fn is_current(&self, now: Timestamp) -> bool {
        !self.is_superseded() && self.valid_from <= now && now < self.valid_to
    }

    /// When it ceased to be believed: the instant of the supersession.
    pub fn transaction_end(&self) -> Option<Timestamp> {
        self.is_superseded().then_some(self.believed_from)
    }

    /// `low` up to 3, `high` from 7, else `medium`.
    pub const fn importance(&self) -> &'static str {
        match self.importance_score {
            0..=3 => "low",
            4..=6 => "medium",
            _ => "high",
        }
    }

    /// How fresh it is, 0 to 1: halved with every `half_life_days` of age; 0 once superseded or expired.
    pub fn freshness(&self, now: Timestamp, half_life_days: f64) -> f64 {
        if self.is_superseded() || self.is_expired(now) {
            return 0.0;
        }
        let days = now.since(self.created_at).as_secs_f64() / 86_400.0;
        let freshness = 0.5_f64.powf(days / half_life_days);
        if freshness.is_finite() {
            (freshness * 1e6).round() / 1e6
        } else {
            0.5
        }
    }
}

/// How many characters of the input a memory shows of itself.
pub(crate) const EXCERPT_CHARS: usize = 500;

/// The first characters of a text.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

/// The columns of a [`MemoryRow`] from `memories AS m`, its `memory_versions AS v` and its `memory_scopes AS s`.
macro_rules! memory_columns {
    () => {
        "m.memory, m.id, s.organisation_id, s.tenant, m.decision, m.topic, m.category, m.importance, m.source, \
         m.channel, m.session_id, m.original_message, m.metadata, v.created_at, v.valid_from, v.valid_to, \
         v.superseded_by, v.tx_from, v.tx_to"
    };
}
pub(crate) use memory_columns;

/// A memory and one of its versions, as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct MemoryRow {
    pub(crate) memory: i64,
    pub(crate) id: String,
    organisation_id: String,
    tenant: String,
    decision: String,
    topic: String,
    category: String,
    importance: i64,
    source: String,
    channel: String,
    session_id: Option<String>,
    original_message: Option<String>,
    metadata: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) valid_from: i64,
    valid_to: i64,
    superseded_by: Option<String>,
    tx_from: i64,
    tx_to: i64,
}

impl MemoryRow {
    pub(crate) fn belief(&self) -> Belief {
        Belief {
            valid_from: Timestamp::from_micros(self.valid_from),
            valid_to: Timestamp::from_micros(self.valid_to),
            tx_from: Timestamp::from_micros(self.tx_from),
            tx_to: Timestamp::from_micros(self.tx_to),
            superseded: self.superseded_by.is_some(),
        }
    }
}

impl TryFrom<MemoryRow> for Memory {
    type Error = Error;

    fn try_from(row: MemoryRow) -> Result<Self> {
        let metadata = row.metadata.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Self {
            company: OrganisationId::new(row.organisation_id),
            tenant_id: Some(row.tenant).filter(|tenant| !tenant.is_empty()),
            original_message: row.original_message.unwrap_or_else(|| excerpt(&row.decision)),
            id: row.id,
            decision: row.decision,
            topic: row.topic,
            category: row.category,
            importance_score: u8::try_from(row.importance).map_err(|_| Error::Corrupt("importance"))?,
            source: row.source,
            channel: row.channel,
            session_id: row.session_id,
            metadata: metadata.map_err(|_| Error::Corrupt("metadata"))?,
            created_at: Timestamp::from_micros(row.created_at),
            valid_from: Timestamp::from_micros(row.valid_from),
            valid_to: Timestamp::from_micros(row.valid_to),
            superseded_by: row.superseded_by,
            believed_from: Timestamp::from_micros(row.tx_from),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn memory(id: &str, decision: &str) -> Memory {
        Memory {
            id: id.to_owned(),
            company: OrganisationId::new("org_1"),
            tenant_id: None,
            decision: decision.to_owned(),
            topic: "General".to_owned(),
            category: "general".to_owned(),
            importance_score: 5,
            source: "agent".to_owned(),
            channel: "agent".to_owned(),
            session_id: None,
            original_message: decision.to_owned(),
            metadata: None,
            created_at: Timestamp::from_micros(0),
            valid_from: Timestamp::from_micros(0),
            valid_to: Timestamp::MAX,
            superseded_by: None,
            believed_from: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn freshness_halves_with_the_half_life_and_ends_with_the_memory() {
        let day = |days: i64| Timestamp::from_micros(days * 86_400_000_000);
        let fresh = memory("a", "x");
        assert!((fresh.freshness(day(0), 30.0) - 1.0).abs() < 1e-9);
        assert!((fresh.freshness(day(30), 30.0) - 0.5).abs() < 1e-9);
        assert!(
            (fresh.freshness(day(-5), 30.0) - 1.0).abs() < 1e-9,
            "a clock that went back makes nothing stale"
        );
        let expired = Memory {
            valid_to: day(1),
            ..fresh.clone()
        };
        assert!(expired.freshness(day(2), 30.0).abs() < 1e-9);
        let superseded = Memory {
            superseded_by: Some("b".to_owned()),
            ..fresh
        };
        assert!(superseded.freshness(day(0), 30.0).abs() < 1e-9);
    }

    #[test]
    fn importance_has_three_words() {
        let word = |score| {
            Memory {
                importance_score: score,
                ..memory("a", "x")
            }
            .importance()
        };
        assert_eq!(
            [1, 3, 4, 6, 7, 10].map(word),
            ["low", "low", "medium", "medium", "high", "high"]
        );
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt(&"é".repeat(600)).chars().count(), EXCERPT_CHARS);
    }
}
