//! Storing, listing, reading and erasing memories.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_kernel::secret;
use pentad_memories::{
    Added, AutoSupersede, Axes, Fact, Idempotency, Input, ListQuery, Memories, Message, NewMemory, Skipped,
    Tenant, printed,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::faults::{fault, instant, memory_id, out_of_range};
use crate::request::Llm;
use crate::wire::{Deleted, MemoryAnswer, Shown};
use crate::{READ, WRITE};

/// How the caller's key wants memories shown.
pub(crate) async fn shown(memories: &Memories, principal: &Principal) -> Result<Shown, Fault> {
    let settings = memories.settings(&principal.actor).await.map_err(fault)?;
    Ok(Shown {
        now: memories.now(),
        half_life_days: settings.freshness_half_life_days,
    })
}

/// What to store: exactly one of `content` and `messages`.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = memories::NewMemory, example = json!({
    "content": "Alice is a senior engineer at Acme Corp.", "topic": "people", "importance_score": 8
}))]
pub(crate) struct AddBody {
    /// One fact, stored word for word.
    content: Option<String>,
    /// A conversation to take facts from.
    messages: Option<Vec<MessageBody>>,
    /// What `content` is about. Default `General`.
    topic: Option<String>,
    /// How much `content` matters, 1 to 10. Default 5.
    importance_score: Option<i64>,
    /// Deprecated: `high`, `medium` or `low`, when there is no `importance_score`.
    importance: Option<String>,
    /// Where it comes from. Default `agent`; for conversations `agent_session`.
    source: Option<String>,
    /// The tenant to store it in.
    tenant_id: Option<String>,
    /// The session it was said in.
    session_id: Option<String>,
    /// Whether to look for what it supersedes; as the key prefers when absent. A fact with a `valid_to` supersedes
    /// nothing, and none supersedes what was said to hold since later than its `valid_from`.
    auto_supersede: Option<bool>,
    /// Since when it holds, RFC 3339; now when absent.
    valid_from: Option<String>,
    /// Until when it holds, RFC 3339.
    valid_to: Option<String>,
    /// Whatever to keep with it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// A language model for this request alone.
    // Not part of what makes a repeated request the same: its key must not leave a trace.
    #[serde(skip_serializing)]
    llm: Option<Llm>,
}

/// One message of a conversation.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = memories::Message)]
pub(crate) struct MessageBody {
    /// Who speaks: facts are taken from `user` alone.
    role: String,
    content: MessageContent,
}

/// What is said: a text, or a list of parts.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = memories::MessageContent)]
enum MessageContent {
    /// A text.
    Text(String),
    /// Parts, of which those with a text count.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = memories::MessagePart)]
struct Part {
    /// `text` for a text.
    r#type: Option<String>,
    /// The text.
    text: Option<String>,
}

impl From<MessageBody> for Message {
    fn from(body: MessageBody) -> Self {
        let content = match body.content {
            MessageContent::Text(text) => text,
            MessageContent::Parts(parts) => {
                let texts: Vec<String> = parts.into_iter().filter_map(|part| part.text).collect();
                texts.join("\n")
            }
        };
        Self {
            role: body.role,
            content,
        }
    }
}

impl AddBody {
    fn read(self, memories: &Memories, key: Option<&str>) -> Result<NewMemory, Fault> {
        let idempotency = key.map(|key| Idempotency {
            key: key.to_owned(),
            fingerprint: secret::sha256_hex(serde_json::to_vec(&self).unwrap_or_default()),
        });
        let input = match (self.content, self.messages) {
            (Some(content), None) => {
                let by_word = match (self.importance_score, self.importance.as_deref()) {
                    (Some(_), _) | (None, None) => None,
                    (None, Some("high")) => Some(8),
                    (None, Some("medium")) => Some(5),
                    (None, Some("low")) => Some(2),
                    (None, Some(_)) => return Err(out_of_range("importance must be high, medium or low")),
                };
                Input::Content {
                    content,
                    topic: self.topic,
                    importance_score: self.importance_score.or(by_word),
                }
            }
            (None, Some(messages)) => Input::Messages(messages.into_iter().map(Message::from).collect()),
            (None, None) => {
                return Err(Fault::unprocessable(
                    &["body", "content"],
                    "content or messages is required",
                    "missing",
                ));
            }
            (Some(_), Some(_)) => {
                let message = "exactly one of content and messages is allowed";
                return Err(Fault::unprocessable(
                    &["body", "messages"],
                    message,
                    "value_error",
                ));
            }
        };
        Ok(NewMemory {
            input,
            tenant: Tenant::parse(self.tenant_id.as_deref(), memories.limits()).map_err(fault)?,
            source: self.source,
            session_id: self.session_id,
            auto_supersede: self.auto_supersede,
            valid_from: instant("valid_from", self.valid_from.as_deref())?,
            valid_to: instant("valid_to", self.valid_to.as_deref())?,
            metadata: self.metadata,
            llm: self.llm.map(Llm::read).transpose()?,
            idempotency,
        })
    }
}

/// What was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Added)]
pub(crate) struct AddAnswer {
    /// `success`, or `duplicate` when the fact was there already.
    status: &'static str,
    /// The memory, when one fact was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, format = Uuid)]
    memory_id: Option<String>,
    /// The stored memories.
    memory_ids: Vec<String>,
    /// How many facts there were.
    extracted_count: usize,
    /// How many of them were stored.
    saved_count: usize,
    /// How facts were found in a conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    extraction: Option<ExtractionAnswer>,
    /// What became of memories that the facts contradict: an object for one fact, a list in the order of
    /// `memory_ids` for a conversation.
    #[schema(value_type = AutoSupersedeAnswer)]
    auto_supersede: AutoSupersedeShape,
}

/// How facts were found in a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Extraction)]
struct ExtractionAnswer {
    /// What found them.
    model: String,
    /// The version of what it was told.
    prompt_version: String,
    /// When.
    extracted_at: String,
    /// Whether a language model should have done it and was not there.
    degraded: bool,
    /// The facts.
    #[schema(value_type = Vec<Object>)]
    facts: Vec<Fact>,
    /// What was passed over.
    #[schema(value_type = Vec<Object>)]
    skipped: Vec<Skipped>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum AutoSupersedeShape {
    One(Option<AutoSupersedeAnswer>),
    Many(Vec<AutoSupersedeAnswer>),
}

/// What became of memories that a fact contradicts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::AutoSupersede)]
struct AutoSupersedeAnswer {
    /// Whether it was looked for.
    ran: bool,
    /// Why not: `disabled`, `excluded_category:NAME`, or `no_candidates`, which is also said of a fact with a
    /// `valid_to`: what ends takes nothing's place for good.
    skipped_reason: Option<String>,
    /// How many memories were compared.
    candidates_examined: usize,
    /// The memory whose place was taken.
    supersession: Option<SupersessionAnswer>,
    /// The new memory.
    memory_id: String,
}

/// A memory whose place was taken because of a verdict.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::FoundSupersession)]
struct SupersessionAnswer {
    /// The memory.
    old_memory_id: String,
    /// How sure the verdict is, 0 to 1.
    confidence: f64,
    /// The verdict.
    verdict: String,
    /// Why.
    reasoning: String,
}

impl From<AutoSupersede> for AutoSupersedeAnswer {
    fn from(auto: AutoSupersede) -> Self {
        Self {
            ran: auto.ran,
            skipped_reason: auto.skipped_reason,
            candidates_examined: auto.candidates_examined,
            supersession: auto.supersession.map(|found| SupersessionAnswer {
                old_memory_id: found.old_memory_id,
                confidence: found.confidence,
                verdict: found.verdict,
                reasoning: found.reasoning,
            }),
            memory_id: auto.memory_id,
        }
    }
}

impl From<Added> for AddAnswer {
    fn from(added: Added) -> Self {
        let mut auto = added.auto_supersede.into_iter().map(AutoSupersedeAnswer::from);
        let one = added.extraction.is_none();
        Self {
            status: if added.duplicate { "duplicate" } else { "success" },
            memory_id: added.memory_ids.first().filter(|_| one).cloned(),
            memory_ids: added.memory_ids,
            extracted_count: added.extracted_count,
            saved_count: added.saved_count,
            extraction: added.extraction.map(|extraction| ExtractionAnswer {
                model: extraction.model,
                prompt_version: extraction.prompt_version,
                extracted_at: printed(extraction.extracted_at),
                degraded: extraction.degraded,
                facts: extraction.facts,
                skipped: extraction.skipped,
            }),
            auto_supersede: if one {
                AutoSupersedeShape::One(auto.next())
            } else {
                AutoSupersedeShape::Many(auto.collect())
            },
        }
    }
}

/// Store a memory
///
/// Stores one fact word for word (`content`), or the facts that are found in a conversation (`messages`). With
/// `auto_supersede` what they contradict is retired, and what they repeat is not stored again. A conversation
/// without facts is a success that stores nothing. `Idempotency-Key` makes a repetition within 24 hours answer
/// what the first request answered.
#[utoipa::path(post, path = "/agent/memories", tag = "memories",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be repeated safely.")),
    request_body = AddBody,
    responses((status = 200, description = "The memories are stored.", body = AddAnswer),
              (status = 400, description = "The body is not JSON, a value is out of its range, or the request's own language model refused."),
              (status = 413, description = "The body is larger than 1 MiB."),
              (status = 422, description = "A field is missing or has the wrong type, or the `Idempotency-Key` was used with another body."),
              (status = 503, description = "The request's own language model does not answer.")))]
async fn add_memory(
    memories: Data<Memories>,
    principal: Principal,
    request: HttpRequest,
    body: JsonBody<AddBody>,
) -> Result<Json<AddAnswer>, Fault> {
    let key = request.headers().get("idempotency-key");
    let key = key.map(|key| {
        key.to_str()
            .map_err(|_| out_of_range("Idempotency-Key must be printable ASCII"))
    });
    let new = body.0.read(&memories, key.transpose()?)?;
    let added = memories
        .add(&principal.actor, &principal.plan, new)
        .await
        .map_err(fault)?;
    Ok(Json(added.into()))
}

/// One page of memories.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::MemoryList)]
pub(crate) struct MemoryList {
    /// The account.
    company_id: String,
    /// The tenant; `null` for the default one.
    tenant_id: Option<String>,
    /// How many memories the page has.
    count: usize,
    /// The memories.
    memories: Vec<MemoryAnswer>,
    /// The `cursor` of the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// List memories
///
/// What is true now, newest first. `as_of` shows what was true at an instant, `transaction_as_of` what was known
/// at one, both together what was then believed to be true at the other.
#[utoipa::path(get, path = "/agent/memories", tag = "memories",
    params(("limit" = Option<u32>, Query, description = "Memories on a page, 1 to 1000. Default 20."),
           ("tenant_id" = Option<String>, Query, description = "The tenant; the default one when absent."),
           ("source" = Option<String>, Query, description = "Only memories of this source."),
           ("session_id" = Option<String>, Query, description = "Only memories of this session."),
           ("as_of" = Option<String>, Query, description = "What was true at this instant, RFC 3339."),
           ("transaction_as_of" = Option<String>, Query, description = "What was known at this instant, RFC 3339."),
           ("include_superseded" = Option<bool>, Query, description = "Show the whole history. Without meaning beside `as_of`."),
           ("cursor" = Option<String>, Query, description = "Where to go on: `next_cursor` of the page before.")),
    responses((status = 200, description = "One page.", body = MemoryList),
              (status = 400, description = "An instant, the limit or the cursor is not one."),
              (status = 422, description = "`limit` is no number, or `tenant_id` is empty.")))]
async fn list_memories(
    memories: Data<Memories>,
    principal: Principal,
    query: Query,
) -> Result<Json<MemoryList>, Fault> {
    let tenant = Tenant::parse(query.text("tenant_id"), memories.limits()).map_err(fault)?;
    let tenant_id = tenant.id().map(str::to_owned);
    let request = ListQuery {
        tenant,
        axes: Axes {
            valid: instant("as_of", query.text("as_of"))?,
            transaction: instant("transaction_as_of", query.text("transaction_as_of"))?,
        },
        include_superseded: query.boolean("include_superseded")?,
        source: query.text("source").map(str::to_owned),
        session_id: query.text("session_id").map(str::to_owned),
        limit: limit(&query)?,
        cursor: query.text("cursor").map(str::to_owned),
    };
    let page = memories.list(&principal.actor, &request).await.map_err(fault)?;
    Ok(Json(MemoryList {
        company_id: principal.actor.organisation.to_string(),
        tenant_id,
        count: page.memories.len(),
        memories: MemoryAnswer::all(page.memories, shown(&memories, &principal).await?),
        next_cursor: page.next_cursor,
    }))
}

fn limit(query: &Query) -> Result<u32, Fault> {
    let Some(text) = query.text("limit") else {
        return Ok(20);
    };
    let Ok(number) = text.parse::<i64>() else {
        return Err(Fault::unprocessable(
            &["query", "limit"],
            "limit must be a whole number",
            "int_parsing",
        ));
    };
    // What does not fit is out of range all the same, and the domain says what the range is.
    Ok(u32::try_from(number).unwrap_or(0))
}

/// Read a memory
#[utoipa::path(get, path = "/agent/memories/{id}", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    responses((status = 200, description = "The memory, as it is believed now.", body = MemoryAnswer),
              (status = 404, description = "There is no such memory.")))]
async fn read_memory(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<MemoryAnswer>, Fault> {
    let memory = memories
        .memory(&principal.actor, &memory_id(&id)?)
        .await
        .map_err(fault)?;
    Ok(Json(MemoryAnswer::of(
        memory,
        shown(&memories, &principal).await?,
    )))
}

/// Erase a memory
///
/// Removes it for good, with everything that tells what it said. Unlike superseding, this cannot be asked about
/// afterwards; only that something was erased, and when, stays in the account's chain of events.
#[utoipa::path(delete, path = "/agent/memories/{id}", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    responses((status = 200, description = "The memory is gone.", body = Deleted),
              (status = 404, description = "There is no such memory.")))]
async fn erase_memory(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Deleted>, Fault> {
    erase(&memories, &principal, &id).await
}

/// Erase a memory
///
/// The same as `DELETE /agent/memories/{id}`.
#[utoipa::path(delete, path = "/memories/{id}", tag = "memories",
    params(("id" = String, Path, description = "The memory's UUID.", example = "0198f2d0-7c1b-7000-8000-000000000000")),
    responses((status = 200, description = "The memory is gone.", body = Deleted),
              (status = 404, description = "There is no such memory.")))]
async fn erase_memory_alias(
    memories: Data<Memories>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Deleted>, Fault> {
    erase(&memories, &principal, &id).await
}

async fn erase(memories: &Memories, principal: &Principal, id: &str) -> Result<Json<Deleted>, Fault> {
    let memory_id = memory_id(id)?;
    memories
        .erase(&principal.actor, &memory_id)
        .await
        .map_err(fault)?;
    Ok(Json(Deleted {
        status: "deleted",
        memory_id,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(add_memory, Access::Key(WRITE)),
        endpoint!(list_memories, Access::Key(READ)),
        endpoint!(read_memory, Access::Key(READ)),
        endpoint!(erase_memory, Access::Key(WRITE)),
        endpoint!(erase_memory_alias, Access::Key(WRITE)),
    ]
}
