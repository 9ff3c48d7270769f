//! Proofs: an answer with all that was looked at for it, and a hash that binds both.

use std::collections::HashSet;

use pentad_kernel::{Actor, Timestamp, secret};
use pentad_store::with_reader;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::instant::{parse_instant, printed, printed_end};
use crate::{Error, Memories, Memory, Result, Tenant};

/// How the hash of an answer is made: SHA-256 over the RFC 8785 form of
/// `{"answer", "evidence": [{"cited", "decision", "memory_id", "valid_from", "valid_to"}…], "v": 2}`.
pub const HASH_SPEC: &str = "aurra-proof/2 jcs+sha256";

/// The longest walk from a superseded memory to what is true now.
const HOPS: i64 = 50;

/// One memory that was evaluated for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The memory, as it was believed at the instant of the question.
    pub memory: Memory,
    /// How similar it is to the question, 0 to 1.
    pub similarity: f32,
    /// Whether the answer cites it.
    pub cited: bool,
}

/// A step from a superseded memory to its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The memory.
    pub memory_id: String,
    /// What took its place.
    pub superseded_by: String,
    /// When.
    pub superseded_at: Timestamp,
    /// What the memory says; `None` once it is erased.
    pub decision_at_time: Option<String>,
}

/// The way from a superseded memory to what is true now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupersessionChain {
    /// Where it starts.
    pub starting_memory_id: String,
    /// Where it ends.
    pub current_truth_memory_id: String,
    /// The steps.
    pub chain: Vec<ChainLink>,
}

/// What can be proved of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The hash of the answer and the evidence: see [`HASH_SPEC`].
    pub answer_hash: String,
    /// When the proof was made.
    pub generated_at: Timestamp,
    /// The reading of the transaction clock at which the evidence was read.
    pub transaction_time: Timestamp,
    /// For every superseded memory among the evidence, what came after it.
    pub supersession_chains: Vec<SupersessionChain>,
}

// The fields of both stand in the order in which RFC 8785 sorts them, and serde_json escapes strings as it
// demands, so that the compact form is the canonical one.
#[derive(Serialize)]
struct Preimage<'a> {
    answer: &'a str,
    evidence: Vec<EvidencePreimage<'a>>,
    v: u8,
}

#[derive(Clone, Serialize)]
struct EvidencePreimage<'a> {
    cited: bool,
    decision: &'a str,
    memory_id: &'a str,
    valid_from: &'a str,
    valid_to: Option<&'a str>,
}

fn hash(answer: &str, evidence: Vec<EvidencePreimage<'_>>) -> String {
    let preimage = Preimage {
        answer,
        evidence,
        v: 2,
    };
    secret::sha256_hex(serde_json::to_vec(&preimage).expect("texts always have a JSON form"))
}

/// The hash of an answer and its evidence, in the order of the evidence.
pub(crate) fn answer_hash(answer: &str, evidence: &[Evidence]) -> String {
    let windows: Vec<(String, Option<String>)> = evidence
        .iter()
        .map(|evidence| {
            (
                printed(evidence.memory.valid_from),
                printed_end(evidence.memory.valid_to),
            )
        })
        .collect();
    let bound = evidence
        .iter()
        .zip(&windows)
        .map(|(evidence, (valid_from, valid_to))| EvidencePreimage {
            cited: evidence.cited,
            decision: &evidence.memory.decision,
            memory_id: &evidence.memory.id,
            valid_from,
            valid_to: valid_to.as_deref(),
        });
    hash(answer, bound.collect())
}

/// A proof as it comes back to be verified.
#[derive(Clone, Debug, Deserialize)]
pub struct ClaimedProof {
    answer_hash: String,
    evidence_chain: Vec<ClaimedEvidence>,
    retrieval: ClaimedRetrieval,
}

#[derive(Clone, Debug, Deserialize)]
struct ClaimedRetrieval {
    transaction_time: String,
    #[serde(default)]
    filters: ClaimedFilters,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ClaimedFilters {
    #[serde(default)]
    transaction_as_of: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct ClaimedEvidence {
    memory_id: String,
    decision: String,
    cited: bool,
    bi_temporal: ClaimedWindow,
}

#[derive(Clone, Debug, Deserialize)]
struct ClaimedWindow {
    valid_from: String,
    valid_to: Option<String>,
}

impl ClaimedProof {
    /// Reads a proof tree.
    ///
    /// # Errors
    /// [`Error::NotAProof`].
    pub fn read(tree: Value) -> Result<Self> {
        serde_json::from_value(tree).map_err(Error::NotAProof)
    }
}

/// Something in a proof that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field of the proof.
    pub field: &'static str,
    /// The memory concerned.
    pub memory_id: Option<String>,
    /// What is wrong.
    pub reason: &'static str,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    id: String,
    successor: Option<String>,
    decision: Option<String>,
    superseded_at: Option<i64>,
}

const LINKS: &str = "
    WITH RECURSIVE chain (id, hop) AS (
        SELECT CAST($1 AS TEXT), 0
        UNION ALL
        SELECT link.successor, chain.hop + 1
        FROM chain JOIN memory_links AS link ON link.predecessor = chain.id
        WHERE chain.hop < $2
    )
    SELECT chain.id, link.successor, m.decision, v.tx_from AS superseded_at
    FROM chain
    LEFT JOIN memory_links AS link ON link.predecessor = chain.id
    LEFT JOIN memories AS m ON m.id = chain.id
    LEFT JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_to = 9223372036854775807
    ORDER BY chain.hop";
const BELIEVED: &str = "
    SELECT s.organisation_id, m.decision, v.valid_from, v.valid_to
    FROM memories AS m
    JOIN memory_scopes AS s ON s.scope = m.scope
    LEFT JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_from <= $2 AND v.tx_to > $2
    WHERE m.id = $1";
const WAS_ERASED: &str = "
    SELECT COUNT(*) FROM memory_events
    WHERE memory_id = $1 AND organisation_id = $2 AND kind = 'memory.erased'";

type Believed = (String, String, Option<i64>, Option<i64>);

impl Memories {
    /// The proof of an answer that was read at `transaction_time`.
    pub(crate) async fn prove(
        &self,
        answer: &str,
        evidence: &[Evidence],
        transaction_time: Timestamp,
    ) -> Result<Proof> {
        let mut chains = Vec::new();
        let superseded = self.superseded(evidence).await?;
        for Evidence { memory, .. } in evidence {
            if superseded.contains(&memory.id)
                && let Some(chain) = self.chain_from(&memory.id).await?
            {
                chains.push(chain);
            }
        }
        Ok(Proof {
            answer_hash: answer_hash(answer, evidence),
            generated_at: self.clock.now(),
            transaction_time,
            supersession_chains: chains,
        })
    }

    /// Those of the evidence that something has taken the place of: few, of what may be a hundred.
    async fn superseded(&self, evidence: &[Evidence]) -> Result<HashSet<String>> {
        if evidence.is_empty() {
            return Ok(HashSet::new());
        }
        let superseded: Vec<String> = with_reader!(self.db, |conn| {
            let mut sql =
                sqlx::QueryBuilder::new("SELECT predecessor FROM memory_links WHERE predecessor IN (");
            let mut ids = sql.separated(", ");
            for Evidence { memory, .. } in evidence {
                ids.push_bind(&memory.id);
            }
            ids.push_unseparated(")");
            sql.build_query_scalar().fetch_all(conn).await
        })?;
        Ok(superseded.into_iter().collect())
    }

    async fn chain_from(&self, id: &str) -> Result<Option<SupersessionChain>> {
        let rows: Vec<LinkRow> = with_reader!(self.db, |conn| sqlx::query_as(LINKS)
            .bind(id)
            .bind(HOPS)
            .fetch_all(conn)
            .await)?;
        let chain: Vec<ChainLink> = rows
            .into_iter()
            .take(usize::try_from(HOPS).unwrap_or(usize::MAX))
            .filter_map(|row| {
                Some(ChainLink {
                    memory_id: row.id,
                    superseded_by: row.successor?,
                    superseded_at: Timestamp::from_micros(row.superseded_at.unwrap_or(0)),
                    decision_at_time: row.decision,
                })
            })
            .collect();
        Ok(chain
            .last()
            .map(|link| link.superseded_by.clone())
            .map(|current| SupersessionChain {
                starting_memory_id: id.to_owned(),
                current_truth_memory_id: current,
                chain,
            }))
    }

    /// What in a proof is not as it was when it was made: nothing, for an honest one.
    ///
    /// The evidence is read again as it was known at the instant of the proof, which no later change alters.
    ///
    /// # Errors
    /// [`Error::TooLong`] for more evidence than the limit.
    pub async fn verify(&self, actor: &Actor, answer: &str, proof: &ClaimedProof) -> Result<Vec<Mismatch>> {
        if proof.evidence_chain.len() > self.limits.proof_evidence {
            let limit = self.limits.proof_evidence;
            return Err(Error::TooLong {
                field: "evidence_chain",
                limit,
                unit: "entries",
            });
        }
        let mut mismatches = Vec::new();
        let bound = proof.evidence_chain.iter().map(|evidence| EvidencePreimage {
            cited: evidence.cited,
            decision: &evidence.decision,
            memory_id: &evidence.memory_id,
            valid_from: &evidence.bi_temporal.valid_from,
            valid_to: evidence.bi_temporal.valid_to.as_deref(),
        });
        if hash(answer, bound.collect()) != proof.answer_hash {
            mismatches.push(Mismatch {
                field: "answer_hash",
                memory_id: None,
                reason: "hash differs",
            });
        }
        let Ok(mut instant) = parse_instant(&proof.retrieval.transaction_time) else {
            let field = "transaction_time";
            mismatches.push(Mismatch {
                field,
                memory_id: None,
                reason: "not an instant",
            });
            return Ok(mismatches);
        };
        // What nobody can have seen yet proves nothing, and would be judged differently tomorrow.
        let present = self
            .read_snapshot(&actor.organisation, &Tenant::default())
            .await?
            .clock;
        if instant > self.clock.now().max(present) {
            let field = "transaction_time";
            mismatches.push(Mismatch {
                field,
                memory_id: None,
                reason: "in the future",
            });
            return Ok(mismatches);
        }
        if let Some(asked) = &proof.retrieval.filters.transaction_as_of
            && let Ok(asked) = parse_instant(asked)
        {
            instant = instant.min(asked);
        }
        let mut seen = HashSet::new();
        for evidence in &proof.evidence_chain {
            let found = if seen.insert(&evidence.memory_id) {
                self.compare_evidence(actor, evidence, instant).await?
            } else {
                Some(("memory_id", "listed twice"))
            };
            if let Some((field, reason)) = found {
                mismatches.push(Mismatch {
                    field,
                    memory_id: Some(evidence.memory_id.clone()),
                    reason,
                });
            }
        }
        Ok(mismatches)
    }

    async fn compare_evidence(
        &self,
        actor: &Actor,
        evidence: &ClaimedEvidence,
        instant: Timestamp,
    ) -> Result<Option<(&'static str, &'static str)>> {
        let row: Option<Believed> = with_reader!(self.db, |conn| sqlx::query_as(BELIEVED)
            .bind(&evidence.memory_id)
            .bind(instant.as_micros())
            .fetch_optional(conn)
            .await)?;
        // A memory of another organisation is as unknown as one that never was.
        let Some((_, decision, from, to)) =
            row.filter(|(organisation, ..)| organisation == actor.organisation.as_str())
        else {
            let erased: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(WAS_ERASED)
                .bind(&evidence.memory_id)
                .bind(actor.organisation.as_str())
                .fetch_one(conn)
                .await)?;
            return Ok(Some(("memory_id", if erased > 0 { "erased" } else { "unknown" })));
        };
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(Some(("memory_id", "not known at that instant")));
        };
        if decision != evidence.decision {
            return Ok(Some(("decision", "decision differs")));
        }
        let window = &evidence.bi_temporal;
        let stored = (
            printed(Timestamp::from_micros(from)),
            printed_end(Timestamp::from_micros(to)),
        );
        if stored != (window.valid_from.clone(), window.valid_to.clone()) {
            return Ok(Some(("bi_temporal", "window differs")));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::memory;

    #[test]
    fn the_hash_is_that_of_the_published_form() {
        let evidence = Evidence {
            memory: memory("m-1", "Alice \"works\" at Größe.\n"),
            similarity: 0.5,
            cited: true,
        };
        let bytes = concat!(
            r#"{"answer":"She works.","evidence":[{"cited":true,"decision":"Alice \"works\" at Größe.\n","#,
            r#""memory_id":"m-1","valid_from":"1970-01-01T00:00:00.000000+00:00","valid_to":null}],"v":2}"#
        );
        assert_eq!(answer_hash("She works.", &[evidence]), secret::sha256_hex(bytes));
    }

    #[test]
    fn every_bound_part_changes_the_hash() {
        let evidence = Evidence {
            memory: memory("m-1", "fact"),
            similarity: 0.5,
            cited: true,
        };
        let hash = answer_hash("a", std::slice::from_ref(&evidence));
        let mut others = vec![
            answer_hash("b", std::slice::from_ref(&evidence)),
            answer_hash("a", &[]),
        ];
        let changed = [
            Evidence {
                cited: false,
                ..evidence.clone()
            },
            Evidence {
                memory: Memory {
                    decision: "other".to_owned(),
                    ..evidence.memory.clone()
                },
                ..evidence.clone()
            },
            Evidence {
                memory: Memory {
                    id: "m-2".to_owned(),
                    ..evidence.memory.clone()
                },
                ..evidence.clone()
            },
            Evidence {
                memory: Memory {
                    valid_to: Timestamp::from_micros(1),
                    ..evidence.memory.clone()
                },
                ..evidence.clone()
            },
        ];
        others.extend(changed.map(|evidence| answer_hash("a", &[evidence])));
        assert!(others.iter().all(|other| *other != hash));
        let similar = Evidence {
            similarity: 0.6,
            ..evidence
        };
        assert_eq!(
            answer_hash("a", &[similar]),
            hash,
            "how similar it was is not bound"
        );
    }
}
