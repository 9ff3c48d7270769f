//! Proof trees as JSON.

use pentad_kernel::Timestamp;
use pentad_memories::{ChainLink, HASH_SPEC, Query, QueryAnswer, SupersessionChain, printed};
use serde::Serialize;
use utoipa::ToSchema;

use crate::query::similarity;
use crate::wire::{SourceCitation, Temporal};

/// An answer's proof: all that was evaluated for it, and a hash that binds both. With the answer it can be
/// verified offline, and by `POST /agent/proofs/verify` against what is stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofTree)]
pub(crate) struct ProofTree {
    /// Always `2.0`.
    version: &'static str,
    /// The question.
    question: String,
    /// SHA-256 of the answer and the evidence, in hex: see `hash_spec`.
    answer_hash: String,
    /// How `answer_hash` is made: over the RFC 8785 form of `{answer, evidence: [{cited, decision, memory_id,
    /// valid_from, valid_to}…], v: 2}`, the evidence in the order of `evidence_chain`.
    hash_spec: &'static str,
    /// When the proof was made.
    generated_at: String,
    retrieval: Retrieval,
    /// What was evaluated, best first.
    evidence_chain: Vec<EvidenceAnswer>,
    /// For every superseded memory among the evidence, what came after it.
    supersession_chains: Vec<ChainAnswer>,
}

/// How the evidence was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofRetrieval)]
struct Retrieval {
    /// `hybrid` or `lexical`.
    method: &'static str,
    /// How many memories were wanted at most.
    k: u32,
    /// How many were evaluated.
    memories_evaluated: usize,
    /// How many of them the answer cites.
    memories_cited: usize,
    filters: Filters,
    /// The reading of the transaction clock at which the evidence was read.
    transaction_time: String,
    /// The embedder whose vectors were compared.
    embedder: Option<String>,
    /// What phrased the answer.
    engine: String,
}

/// What the question was narrowed to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofFilters)]
struct Filters {
    /// The tenant.
    tenant_id: Option<String>,
    /// The sources.
    sources: Option<Vec<String>>,
    /// The valid instant.
    as_of: Option<String>,
    /// The transaction instant.
    transaction_as_of: Option<String>,
}

/// A memory that was evaluated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofEvidence)]
struct EvidenceAnswer {
    /// Its place, from 1: the N of `[mem-N]`.
    index: usize,
    /// The memory.
    memory_id: String,
    /// The fact.
    decision: String,
    /// What it is about.
    topic: String,
    /// Where it came from.
    source: String,
    /// How similar it is to the question, 0 to 1.
    similarity: f64,
    /// Whether the answer cites it.
    cited: bool,
    bi_temporal: Temporal,
    source_citation: SourceCitation,
}

/// The way from a superseded memory to what is true now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofChain)]
struct ChainAnswer {
    /// Where it starts.
    starting_memory_id: String,
    /// Where it ends.
    current_truth_memory_id: String,
    /// The steps.
    chain: Vec<LinkAnswer>,
}

/// A step to a successor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ProofChainLink)]
struct LinkAnswer {
    /// The memory.
    memory_id: String,
    /// What took its place.
    superseded_by: String,
    /// When.
    superseded_at: String,
    /// What the memory says; `null` once it is erased.
    decision_at_time: Option<String>,
}

impl From<ChainLink> for LinkAnswer {
    fn from(link: ChainLink) -> Self {
        Self {
            memory_id: link.memory_id,
            superseded_by: link.superseded_by,
            superseded_at: printed(link.superseded_at),
            decision_at_time: link.decision_at_time,
        }
    }
}

impl From<SupersessionChain> for ChainAnswer {
    fn from(chain: SupersessionChain) -> Self {
        Self {
            starting_memory_id: chain.starting_memory_id,
            current_truth_memory_id: chain.current_truth_memory_id,
            chain: chain.chain.into_iter().map(LinkAnswer::from).collect(),
        }
    }
}

impl ProofTree {
    /// The proof of the answer, when one was asked for.
    pub(crate) fn of(query: &Query, answer: &QueryAnswer, now: Timestamp) -> Option<Self> {
        let proof = answer.proof.clone()?;
        let evidence_chain: Vec<EvidenceAnswer> = (1..)
            .zip(&answer.evidence)
            .map(|(index, evidence)| EvidenceAnswer {
                index,
                memory_id: evidence.memory.id.clone(),
                decision: evidence.memory.decision.clone(),
                topic: evidence.memory.topic.clone(),
                source: evidence.memory.source.clone(),
                similarity: similarity(evidence.similarity),
                cited: evidence.cited,
                bi_temporal: Temporal::of(&evidence.memory, now),
                source_citation: SourceCitation::of(&evidence.memory),
            })
            .collect();
        Some(Self {
            version: "2.0",
            question: query.question.clone(),
            answer_hash: proof.answer_hash,
            hash_spec: HASH_SPEC,
            generated_at: printed(proof.generated_at),
            retrieval: Retrieval {
                method: answer.search_type,
                k: query.limit,
                memories_evaluated: evidence_chain.len(),
                memories_cited: evidence_chain.iter().filter(|evidence| evidence.cited).count(),
                filters: Filters {
                    tenant_id: query.tenant.id().map(str::to_owned),
                    sources: query.sources.clone(),
                    as_of: query.axes.valid.map(printed),
                    transaction_as_of: query.axes.transaction.map(printed),
                },
                transaction_time: printed(proof.transaction_time),
                embedder: answer.embedder.clone(),
                engine: answer.engine.clone(),
            },
            evidence_chain,
            supersession_chains: proof
                .supersession_chains
                .into_iter()
                .map(ChainAnswer::from)
                .collect(),
        })
    }
}
