//! Superseding memories, and what happened to them.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_kernel::Timestamp;
use pentad_memories::{Audit, AuditEntry, Memories, Memory, Supersession, printed, printed_end};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::faults::{fault, instant, memory_id};
use crate::memories::shown;
use crate::wire::{MemoryAnswer, Temporal};
use crate::{READ, WRITE};

/// What takes a memory's place, and when it ceases to hold: at least one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = memories::Supersede, example = json!({"superseded_by": "0198f2d0-7c1b-7000-8000-000000000001"}))]
pub(crate) struct SupersedeBody {
    /// The successor, of the same tenant.
    superseded_by: Option<String>,
    /// When the memory ceases to hold, RFC 3339. When absent: when the successor was said to begin, or now.
    valid_to: Option<String>,
}

/// A superseded memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Superseded)]
pub(crate) struct SupersededAnswer {
    /// Always `superseded`.
    status: &'static str,
    /// The memory.
    memory_id: String,
    /// What took its place.
    superseded_by: Option<String>,
    /// When it ceases to hold.
    valid_to: Option<String>,
}

/// Supersede a memory
///
/// Puts another memory in its place, or an end to it, or both. Nothing is overwritten: what was believed before
/// stays to be asked about by `transaction_as_of`. The same again changes nothing; of several requests at once
/// that name different successors, one succeeds.
#[utoipa::path(post, path = "/memories/{id}/supersede", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    request_body = SupersedeBody,
    responses((status = 200, description = "The memory is superseded.", body = SupersededAnswer),
              (status = 400, description = "Neither is given, a cycle, another tenant, another successor already, or an end before the start."),
              (status = 404, description = "There is no such memory.")))]
async fn supersede_memory(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
    body: JsonBody<SupersedeBody>,
) -> Result<Json<SupersededAnswer>, Fault> {
    let id = memory_id(&id)?;
    let supersession = Supersession {
        superseded_by: body.superseded_by.as_deref().map(memory_id).transpose()?,
        valid_to: instant("valid_to", body.valid_to.as_deref())?,
    };
    let superseded = memories
        .supersede(&principal.actor, &id, &supersession)
        .await
        .map_err(fault)?;
    Ok(Json(SupersededAnswer {
        status: "superseded",
        memory_id: superseded.memory_id,
        superseded_by: superseded.superseded_by,
        valid_to: printed_end(superseded.valid_to),
    }))
}

/// A chain of memories, each of which took the place of the one before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Timeline)]
pub(crate) struct TimelineAnswer {
    /// The memory that was asked about.
    memory_id: String,
    /// The account.
    company_id: String,
    /// How many memories the chain has.
    chain_length: usize,
    /// The memories, oldest first.
    timeline: Vec<MemoryAnswer>,
}

/// Show the chain of a memory
///
/// Everything that was superseded up to the memory and from it on, oldest first; the same from every link.
#[utoipa::path(get, path = "/memories/{id}/timeline", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    responses((status = 200, description = "The chain.", body = TimelineAnswer),
              (status = 404, description = "There is no such memory.")))]
async fn memory_timeline(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<TimelineAnswer>, Fault> {
    let id = memory_id(&id)?;
    let timeline = memories.timeline(&principal.actor, &id).await.map_err(fault)?;
    Ok(Json(TimelineAnswer {
        memory_id: id,
        company_id: principal.actor.organisation.to_string(),
        chain_length: timeline.len(),
        timeline: MemoryAnswer::all(timeline, shown(&memories, &principal).await?),
    }))
}

/// Where a memory came from and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Audit)]
pub(crate) struct AuditAnswer {
    /// The memory.
    memory_id: String,
    memory: AuditedMemory,
    provenance: Provenance,
    extraction: AuditedExtraction,
    temporal: Temporal,
    /// What happened, oldest first.
    history: Vec<AuditEvent>,
}

/// The content of an audited memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::AuditedMemory)]
struct AuditedMemory {
    /// The fact.
    summary: String,
    /// The fact.
    decision: String,
    /// What it is about.
    topic: String,
    /// 1 to 10.
    importance_score: u8,
}

/// Where a memory came from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Provenance)]
struct Provenance {
    /// The source.
    source_type: String,
    /// The session, or the source without one.
    channel: String,
    /// The tenant.
    tenant_id: Option<String>,
    /// Always `null`.
    workspace_id: Option<String>,
    /// The account.
    org_id: Option<String>,
    /// Always `null`.
    external_id: Option<String>,
    /// All that it was taken from.
    original_input: String,
    /// When it was stored.
    captured_at: String,
}

/// What made a memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::AuditedExtraction)]
struct AuditedExtraction {
    /// `verbatim`, the embedded rules, or a language model.
    model: String,
    /// The version of what it was told.
    prompt_version: Option<String>,
    /// When.
    extracted_at: String,
    /// Whether a language model should have made it and was not there.
    degraded: bool,
}

/// One thing that happened to a memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::AuditEvent)]
struct AuditEvent {
    /// What, as `memory.superseded`.
    event: String,
    /// When.
    at: String,
    /// By whom.
    by: String,
    /// What else is known of it.
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

impl From<AuditEntry> for AuditEvent {
    fn from(entry: AuditEntry) -> Self {
        Self {
            event: entry.event,
            at: printed(entry.at),
            by: entry.by,
            details: entry.details,
        }
    }
}

impl AuditAnswer {
    fn of(audit: Audit, now: Timestamp) -> Self {
        let Memory {
            id,
            decision,
            topic,
            importance_score,
            source,
            channel,
            tenant_id,
            company,
            created_at,
            ..
        } = audit.memory.clone();
        Self {
            memory_id: id,
            temporal: Temporal::of(&audit.memory, now),
            memory: AuditedMemory {
                summary: decision.clone(),
                decision,
                topic,
                importance_score,
            },
            provenance: Provenance {
                source_type: source,
                channel,
                tenant_id,
                workspace_id: None,
                org_id: Some(company.to_string()),
                external_id: None,
                original_input: audit.original_input,
                captured_at: printed(created_at),
            },
            extraction: AuditedExtraction {
                model: audit.model,
                prompt_version: audit.prompt_version,
                extracted_at: printed(created_at),
                degraded: audit.degraded,
            },
            history: audit.history.into_iter().map(AuditEvent::from).collect(),
        }
    }
}

/// Audit a memory
///
/// Where it came from, what made it, and everything that happened to it.
#[utoipa::path(get, path = "/memories/{id}/audit", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    responses((status = 200, description = "The audit.", body = AuditAnswer),
              (status = 404, description = "There is no such memory.")))]
async fn audit_memory(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<AuditAnswer>, Fault> {
    let audit = memories
        .audit(&principal.actor, &memory_id(&id)?)
        .await
        .map_err(fault)?;
    Ok(Json(AuditAnswer::of(audit, memories.now())))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(supersede_memory, Access::Key(WRITE)),
        endpoint!(memory_timeline, Access::Key(READ)),
        endpoint!(audit_memory, Access::Key(READ)),
    ]
}
