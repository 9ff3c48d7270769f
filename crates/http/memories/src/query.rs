//! Questions, answers with citations, and the verification of their proofs.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_memories::{Axes, ClaimedProof, Evidence, Memories, Query, QueryAnswer, Tenant, printed};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::READ;
use crate::faults::{fault, instant};
use crate::memories::shown;
use crate::proof::ProofTree;
use crate::request::Llm;
use crate::wire::{MemoryAnswer, Shown};

/// A question.
#[derive(Deserialize, ToSchema)]
#[schema(as = memories::Query, example = json!({"question": "Where does Alice work?", "include_proof_tree": true}))]
pub(crate) struct QueryBody {
    /// The question.
    question: String,
    /// Memories to cite at most, 1 to 100. Default 10.
    limit: Option<i64>,
    /// The tenant; the default one when absent.
    tenant_id: Option<String>,
    /// The only sources to look at; an empty list for none.
    sources: Option<Vec<String>>,
    /// What was true at this instant, RFC 3339.
    as_of: Option<String>,
    /// What was known at this instant, RFC 3339.
    transaction_as_of: Option<String>,
    /// Whether to prove the answer.
    include_proof_tree: Option<bool>,
    /// A language model for this request alone.
    llm: Option<Llm>,
}

impl QueryBody {
    fn read(self, memories: &Memories) -> Result<Query, Fault> {
        Ok(Query {
            question: self.question,
            tenant: Tenant::parse(self.tenant_id.as_deref(), memories.limits()).map_err(fault)?,
            axes: Axes {
                valid: instant("as_of", self.as_of.as_deref())?,
                transaction: instant("transaction_as_of", self.transaction_as_of.as_deref())?,
            },
            sources: self.sources,
            // What does not fit is out of range all the same, and the domain says what the range is.
            limit: self.limit.map_or(10, |limit| u32::try_from(limit).unwrap_or(0)),
            include_proof: self.include_proof_tree.unwrap_or(false),
            llm: self.llm.map(Llm::read).transpose()?,
        })
    }
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Answer)]
pub(crate) struct AnswerBody {
    /// The question.
    question: String,
    /// The answer.
    answer: String,
    /// The answer with `[mem-N]` after each statement; N counts `citations` from 1.
    answer_with_citations: String,
    /// What was evaluated, best first.
    citations: Vec<Citation>,
    /// The same memories in full.
    memories: Vec<MemoryAnswer>,
    /// How many memories the question could see.
    memories_searched: usize,
    /// `hybrid`: by words and by meaning; `lexical`: by words alone.
    search_type: &'static str,
    /// What phrased the answer: the embedded rules, or a language model.
    engine: String,
    /// Whether a language model should have phrased it and was not there.
    degraded: bool,
    /// Whether a statement of a language model had no support in what it cited, and lost its citation.
    ungrounded: bool,
    /// The proof, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    proof_tree: Option<ProofTree>,
}

/// A memory that was evaluated for an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Citation)]
struct Citation {
    /// Its place, from 1: the N of `[mem-N]`.
    index: usize,
    /// The memory.
    memory_id: String,
    /// The fact.
    decision: String,
    /// What it is about.
    topic: String,
    /// How similar it is to the question, 0 to 1.
    similarity: f64,
    /// Whether the answer cites it.
    cited_by_llm: bool,
    /// Since when it holds.
    valid_from: String,
    /// Whether something took its place.
    is_superseded: bool,
    /// The tenant.
    tenant_id: Option<String>,
    /// Where it came from.
    source: String,
}

impl Citation {
    fn of(index: usize, evidence: &Evidence) -> Self {
        let memory = &evidence.memory;
        Self {
            index,
            memory_id: memory.id.clone(),
            decision: memory.decision.clone(),
            topic: memory.topic.clone(),
            similarity: similarity(evidence.similarity),
            cited_by_llm: evidence.cited,
            valid_from: printed(memory.valid_from),
            is_superseded: memory.is_superseded(),
            tenant_id: memory.tenant_id.clone(),
            source: memory.source.clone(),
        }
    }
}

/// A similarity as it is printed: six digits say all that a cosine of single bytes can.
pub(crate) fn similarity(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

impl AnswerBody {
    fn of(query: Query, answer: QueryAnswer, shown: Shown) -> Self {
        let proof_tree = ProofTree::of(&query, &answer, shown.now);
        let citations = (1..)
            .zip(&answer.evidence)
            .map(|(index, evidence)| Citation::of(index, evidence))
            .collect();
        let found = answer
            .evidence
            .into_iter()
            .map(|evidence| evidence.memory)
            .collect();
        Self {
            question: query.question,
            answer: answer.answer,
            answer_with_citations: answer.answer_with_citations,
            citations,
            memories: MemoryAnswer::all(found, shown),
            memories_searched: answer.memories_searched,
            search_type: answer.search_type,
            engine: answer.engine,
            degraded: answer.degraded,
            ungrounded: answer.ungrounded,
            proof_tree,
        }
    }
}

/// Ask a question
///
/// Answers from what is true now, or from any two instants: `as_of` for what was true, `transaction_as_of` for
/// what was known. Every statement names the memory it comes from; when nothing stored is an answer, that is
/// what the answer says.
#[utoipa::path(post, path = "/agent/query", tag = "memories",
    request_body = QueryBody,
    responses((status = 200, description = "The answer.", body = AnswerBody),
              (status = 400, description = "A value is out of its range, or the request's own language model refused."),
              (status = 422, description = "`question` is missing or empty, or a field has the wrong type."),
              (status = 503, description = "The request's own language model does not answer.")))]
async fn query_memories(
    memories: Data<Memories>,
    principal: Principal,
    body: JsonBody<QueryBody>,
) -> Result<Json<AnswerBody>, Fault> {
    let query = body.0.read(&memories)?;
    let answer = memories.query(&principal.actor, &query).await.map_err(fault)?;
    let shown = shown(&memories, &principal).await?;
    Ok(Json(AnswerBody::of(query, answer, shown)))
}

/// A proof to verify.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = memories::Verify)]
pub(crate) struct VerifyBody {
    /// The answer that is to be proved.
    answer: String,
    /// The `proof_tree` that came with it.
    #[schema(value_type = Object)]
    proof_tree: Value,
}

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Verified)]
pub(crate) struct VerifyAnswer {
    /// Whether everything is as it was.
    valid: bool,
    /// What is not.
    mismatches: Vec<MismatchAnswer>,
}

/// Something that is not as it was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Mismatch)]
struct MismatchAnswer {
    /// The field of the proof.
    field: &'static str,
    /// The memory concerned.
    memory_id: Option<String>,
    /// What is wrong: `hash differs`, `decision differs`, `window differs`, `erased`, `unknown`, …
    reason: &'static str,
}

/// Verify a proof
///
/// Makes the hash again and reads every piece of evidence as it was known at the instant of the proof. Later
/// changes make no proof invalid; erasing evidence does, and says so.
#[utoipa::path(post, path = "/agent/proofs/verify", tag = "memories",
    request_body = VerifyBody,
    responses((status = 200, description = "What was found.", body = VerifyAnswer),
              (status = 422, description = "`proof_tree` is not a proof of version 2.")))]
async fn verify_proof(
    memories: Data<Memories>,
    principal: Principal,
    body: JsonBody<VerifyBody>,
) -> Result<Json<VerifyAnswer>, Fault> {
    let VerifyBody { answer, proof_tree } = body.0;
    let proof = ClaimedProof::read(proof_tree).map_err(fault)?;
    let found = memories
        .verify(&principal.actor, &answer, &proof)
        .await
        .map_err(fault)?;
    Ok(Json(VerifyAnswer {
        valid: found.is_empty(),
        mismatches: found
            .into_iter()
            .map(|mismatch| MismatchAnswer {
                field: mismatch.field,
                memory_id: mismatch.memory_id,
                reason: mismatch.reason,
            })
            .collect(),
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(query_memories, Access::Key(READ)),
        endpoint!(verify_proof, Access::Key(READ)),
    ]
}
