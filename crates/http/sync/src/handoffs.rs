//! Handoffs.

use std::num::NonZeroU32;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, Gate, JsonBody, Principal, Query, endpoint};
use pentad_kernel::{ErrorKind, Scope};
use pentad_session_sync::SessionSync;
use pentad_session_sync::handoffs::{
    Attachment, Claimed, Comment, Detail, Event, Handoff, NewAttachment, NewHandoff,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::archives::header;
use crate::faults::{boolean, fault, integer};
use crate::wire::time;

/// What opens handoffs for reading.
const READ: &[Scope] = &[Scope::HandoffsRead];
/// What changes handoffs.
const WRITE: &[Scope] = &[Scope::HandoffsWrite];

/// Summaries that one address may look at without a key: so many at once, then one a second.
const SUMMARY_BURST: NonZeroU32 = NonZeroU32::new(30).expect("30 is not zero");
const SUMMARY_RATE: NonZeroU32 = NonZeroU32::MIN;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewHandoff, example = json!({
    "session_id": "ses_0123456789abcdef", "recipient_email": "grace@example.com", "message": "please finish"
}))]
struct CreateHandoff {
    /// The session.
    session_id: String,
    /// To the person with this address; exactly one of the three recipients is given.
    recipient_email: Option<String>,
    /// To this user.
    recipient_user_id: Option<String>,
    /// To the members of this organisation, whoever is first.
    recipient_team_id: Option<String>,
    /// What the recipient should know, at most 2,000 characters.
    message: Option<String>,
    /// A ticket of the session's project.
    ticket_id: Option<String>,
    /// A persona of the session's project.
    persona_name: Option<String>,
    /// How long it stays open: 1 to 2,160 hours. Default 168.
    expires_in_hours: Option<i64>,
    /// What goes with it, at most 50.
    #[serde(default)]
    attachments: Vec<Attached>,
}

/// A piece of a project that goes with a handoff.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewHandoffAttachment)]
struct Attached {
    /// `kb_entry`, `wiki_page` or `ticket`.
    kind: String,
    /// Its identifier.
    ref_id: String,
}

/// A handoff.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Handoff)]
struct HandoffAnswer {
    id: String,
    session_id: String,
    recipient_session_id: Option<String>,
    sender_email: String,
    recipient_email: Option<String>,
    recipient_user_id: Option<String>,
    recipient_team_id: Option<String>,
    message: Option<String>,
    status: &'static str,
    session_title: Option<String>,
    session_tool: String,
    session_model_id: Option<String>,
    session_message_count: i64,
    session_total_tokens: i64,
    created_at: String,
    claimed_at: Option<String>,
    expires_at: String,
    ticket_id: Option<String>,
    persona_name: Option<String>,
    revoked_at: Option<String>,
    revoked_by_user_id: Option<String>,
    revoke_reason: Option<String>,
    handoff_kind: &'static str,
    viewed_at: Option<String>,
    snapshot_persona_name: Option<String>,
    snapshot_ticket_title: Option<String>,
    sender_tier_snapshot: String,
    source_project_id: Option<String>,
    attachments: Vec<AttachmentAnswer>,
    comments: Vec<CommentAnswer>,
    events: Vec<EventAnswer>,
    /// After a claim: the ticket and the persona to go on with, and the ticket's lease.
    active_ticket_payload: Option<Value>,
    /// After a claim: attachments that are gone.
    dropped_attachments: Vec<Value>,
}

impl From<Handoff> for HandoffAnswer {
    fn from(handoff: Handoff) -> Self {
        Self {
            id: handoff.id,
            session_id: handoff.session_id,
            recipient_session_id: handoff.recipient_session_id,
            sender_email: handoff.sender_email,
            recipient_email: handoff.recipient_email,
            recipient_user_id: handoff.recipient_user_id,
            handoff_kind: if handoff.recipient_team_id.is_some() {
                "team"
            } else {
                "individual"
            },
            recipient_team_id: handoff.recipient_team_id,
            message: handoff.message,
            status: handoff.status.name(),
            session_title: handoff.session_title,
            session_tool: handoff.session_tool,
            session_model_id: handoff.session_model_id,
            session_message_count: handoff.session_message_count,
            session_total_tokens: handoff.session_total_tokens,
            created_at: handoff.created_at.to_string(),
            claimed_at: time(handoff.claimed_at),
            expires_at: handoff.expires_at.to_string(),
            ticket_id: handoff.ticket_id,
            persona_name: handoff.persona_name,
            revoked_at: time(handoff.revoked_at),
            revoked_by_user_id: handoff.revoked_by_user_id,
            revoke_reason: handoff.revoke_reason,
            viewed_at: time(handoff.viewed_at),
            snapshot_persona_name: handoff.snapshot_persona_name,
            snapshot_ticket_title: handoff.snapshot_ticket_title,
            sender_tier_snapshot: handoff.sender_tier_snapshot,
            source_project_id: handoff.source_project_id,
            attachments: Vec::new(),
            comments: Vec::new(),
            events: Vec::new(),
            active_ticket_payload: None,
            dropped_attachments: Vec::new(),
        }
    }
}

impl From<Detail> for HandoffAnswer {
    fn from(detail: Detail) -> Self {
        Self {
            attachments: detail
                .attachments
                .into_iter()
                .map(AttachmentAnswer::from)
                .collect(),
            comments: detail.comments.into_iter().map(CommentAnswer::from).collect(),
            events: detail.events.into_iter().map(EventAnswer::from).collect(),
            ..detail.handoff.into()
        }
    }
}

impl From<Claimed> for HandoffAnswer {
    fn from(claimed: Claimed) -> Self {
        let handoff = &claimed.handoff;
        let carries = handoff.ticket_id.is_some() || handoff.persona_name.is_some();
        let ticket = carries.then(|| {
            json!({"ticket_id": handoff.ticket_id, "persona_name": handoff.persona_name,
                "project_id": handoff.source_project_id, "lease_epoch": claimed.lease_epoch})
        });
        let dropped = claimed.dropped.into_iter();
        Self {
            attachments: claimed
                .attachments
                .into_iter()
                .map(AttachmentAnswer::from)
                .collect(),
            dropped_attachments: dropped
                .map(|(kind, ref_id)| json!({"kind": kind, "ref_id": ref_id, "reason": "deleted"}))
                .collect(),
            active_ticket_payload: ticket,
            ..claimed.handoff.into()
        }
    }
}

/// A piece of a project that goes with a handoff.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::HandoffAttachment)]
struct AttachmentAnswer {
    kind: String,
    ref_id: String,
    project_id: String,
    created_at: String,
}

impl From<Attachment> for AttachmentAnswer {
    fn from(attachment: Attachment) -> Self {
        Self {
            kind: attachment.kind,
            ref_id: attachment.ref_id,
            project_id: attachment.project_id,
            created_at: attachment.created_at.to_string(),
        }
    }
}

/// What a party said about a handoff.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::HandoffComment)]
struct CommentAnswer {
    id: String,
    handoff_id: String,
    author_user_id: String,
    content: String,
    created_at: String,
}

impl From<Comment> for CommentAnswer {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id,
            handoff_id: comment.handoff_id,
            author_user_id: comment.author_user_id,
            content: comment.content,
            created_at: comment.created_at.to_string(),
        }
    }
}

/// What happened to a handoff.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::HandoffEvent)]
struct EventAnswer {
    id: i64,
    handoff_id: String,
    event_type: String,
    actor_user_id: Option<String>,
    payload: Value,
    created_at: String,
}

impl From<Event> for EventAnswer {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            handoff_id: event.handoff_id,
            event_type: event.event_type,
            actor_user_id: event.actor_user_id,
            payload: event.payload,
            created_at: event.created_at.to_string(),
        }
    }
}

/// Handoffs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::HandoffList)]
struct HandoffList {
    /// Newest first.
    handoffs: Vec<HandoffAnswer>,
    /// How many there are.
    total: usize,
}

impl From<Vec<Handoff>> for HandoffList {
    fn from(handoffs: Vec<Handoff>) -> Self {
        Self {
            total: handoffs.len(),
            handoffs: handoffs.into_iter().map(HandoffAnswer::from).collect(),
        }
    }
}

/// Create handoff
///
/// Offers a session to a person or a team. It stays open until it is claimed, declined, revoked, or its
/// time is over.
#[utoipa::path(post, path = "/api/v1/handoffs", tag = "handoffs", request_body = CreateHandoff,
    responses((status = 201, description = "The handoff.", body = HandoffAnswer),
              (status = 404, description = "There is no such session of the caller's, or no such recipient."),
              (status = 422, description = "Not exactly one recipient, or a value is out of its bounds.")))]
async fn create_handoff(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateHandoff>,
) -> Result<HttpResponse, Fault> {
    let attachment = |attached: Attached| NewAttachment {
        kind: attached.kind,
        ref_id: attached.ref_id,
    };
    let new = NewHandoff {
        session_id: body.session_id,
        recipient_email: body.recipient_email,
        recipient_user_id: body.recipient_user_id,
        recipient_team_id: body.recipient_team_id,
        message: body.message,
        ticket_id: body.ticket_id,
        persona_name: body.persona_name,
        expires_in_hours: body.expires_in_hours,
        attachments: body.attachments.into_iter().map(attachment).collect(),
    };
    let handoff = sync.create_handoff(&principal, new).await.map_err(fault)?;
    Ok(HttpResponse::Created().json(HandoffAnswer::from(handoff)))
}

/// Handoffs received
///
/// Newest first; to a service key those made in projects that it reaches.
#[utoipa::path(get, path = "/api/v1/handoffs/inbox", tag = "handoffs",
    params(("include_team" = Option<bool>, Query, description = "Whether those to the caller's teams are listed. Default true.")),
    responses((status = 200, description = "The handoffs.", body = HandoffList)))]
async fn inbox(
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
) -> Result<Json<HandoffList>, Fault> {
    let include_team = boolean(&query, "include_team", true)?;
    let handoffs = sync
        .handoff_inbox(&principal, include_team)
        .await
        .map_err(fault)?;
    Ok(Json(handoffs.into()))
}

/// Handoffs sent
///
/// Newest first; to a service key those made in projects that it reaches.
#[utoipa::path(get, path = "/api/v1/handoffs/sent", tag = "handoffs",
    responses((status = 200, description = "The handoffs.", body = HandoffList)))]
async fn sent(sync: Data<SessionSync>, principal: Principal) -> Result<Json<HandoffList>, Fault> {
    let handoffs = sync.handoffs_sent(&principal).await.map_err(fault)?;
    Ok(Json(handoffs.into()))
}

/// Get handoff details
///
/// For its parties only; that the recipient looked at it is noted the first time.
#[utoipa::path(get, path = "/api/v1/handoffs/{id}", tag = "handoffs",
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The handoff.", body = HandoffAnswer),
              (status = 404, description = "There is no such handoff for the caller."),
              (status = 410, description = "Its time is over.")))]
async fn get_handoff(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<HandoffAnswer>, Fault> {
    let detail = sync.handoff(&principal, &id).await.map_err(fault)?;
    Ok(Json(detail.into()))
}

/// Claim handoff (copies session)
#[utoipa::path(post, path = "/api/v1/handoffs/{id}/claim", tag = "handoffs",
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The handoff, with the copy as `recipient_session_id`.", body = HandoffAnswer),
              (status = 404, description = "There is no such handoff to the caller."),
              (status = 409, description = "It is not open any more, or `claim_race_lost`."),
              (status = 410, description = "Its time is over.")))]
async fn claim_handoff(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<HandoffAnswer>, Fault> {
    let claimed = sync.claim_handoff(&principal, &id).await.map_err(fault)?;
    Ok(Json(claimed.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::RevokeHandoff)]
struct RevokeHandoff {
    /// Why, 1 to 500 characters.
    reason: String,
}

/// Take a handoff back
#[utoipa::path(post, path = "/api/v1/handoffs/{id}/revoke", tag = "handoffs", request_body = RevokeHandoff,
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The handoff.", body = HandoffAnswer),
              (status = 404, description = "There is no such handoff of the caller's."),
              (status = 409, description = "It is not open any more."),
              (status = 422, description = "The reason is missing or too long.")))]
async fn revoke_handoff(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<RevokeHandoff>,
) -> Result<Json<HandoffAnswer>, Fault> {
    let handoff = sync
        .revoke_handoff(&principal, &id, &body.reason)
        .await
        .map_err(fault)?;
    Ok(Json(handoff.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::DeclineHandoff)]
struct DeclineHandoff {
    /// Why, at most 500 characters.
    reason: Option<String>,
}

/// Turn a handoff down
#[utoipa::path(post, path = "/api/v1/handoffs/{id}/decline", tag = "handoffs", request_body = DeclineHandoff,
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The handoff.", body = HandoffAnswer),
              (status = 404, description = "There is no such handoff to the caller."),
              (status = 409, description = "It is not open any more.")))]
async fn decline_handoff(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<DeclineHandoff>,
) -> Result<Json<HandoffAnswer>, Fault> {
    let handoff = sync
        .decline_handoff(&principal, &id, body.reason.as_deref())
        .await
        .map_err(fault)?;
    Ok(Json(handoff.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewHandoffComment)]
struct CreateComment {
    /// 1 to 10,000 characters.
    content: String,
}

/// Comment on a handoff
#[utoipa::path(post, path = "/api/v1/handoffs/{id}/comments", tag = "handoffs", request_body = CreateComment,
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 201, description = "The comment.", body = CommentAnswer),
              (status = 404, description = "There is no such handoff for the caller."),
              (status = 422, description = "The comment is empty or too long.")))]
async fn create_comment(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<CreateComment>,
) -> Result<HttpResponse, Fault> {
    let comment = sync
        .comment_handoff(&principal, &id, &body.content)
        .await
        .map_err(fault)?;
    Ok(HttpResponse::Created().json(CommentAnswer::from(comment)))
}

/// List comments on a handoff
#[utoipa::path(get, path = "/api/v1/handoffs/{id}/comments", tag = "handoffs",
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef"),
           ("limit" = Option<u32>, Query, description = "1 to 200. Default 200.")),
    responses((status = 200, description = "The comments, oldest first.", body = [CommentAnswer]),
              (status = 404, description = "There is no such handoff for the caller.")))]
async fn list_comments(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<Json<Vec<CommentAnswer>>, Fault> {
    let limit = integer(&query, "limit", &(1..=200), 200)?;
    let comments = sync
        .handoff_comments(&principal, &id, limit)
        .await
        .map_err(fault)?;
    Ok(Json(comments.into_iter().map(CommentAnswer::from).collect()))
}

/// List what happened to a handoff
#[utoipa::path(get, path = "/api/v1/handoffs/{id}/events", tag = "handoffs",
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The events, oldest first.", body = [EventAnswer]),
              (status = 404, description = "There is no such handoff for the caller.")))]
async fn list_events(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Vec<EventAnswer>>, Fault> {
    let events = sync.handoff_events(&principal, &id).await.map_err(fault)?;
    Ok(Json(events.into_iter().map(EventAnswer::from).collect()))
}

/// What a handoff is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::HandoffSummary)]
struct HandoffSummary {
    session_id: String,
    title: Option<String>,
    tool: String,
    model: Option<String>,
    message_count: i64,
    /// For the parties only, as errors and messages.
    files_modified: Vec<String>,
    commands_executed: u64,
    tests_run: u64,
    tests_passed: u64,
    tests_failed: u64,
    errors_encountered: Vec<String>,
    last_assistant_messages: Vec<String>,
}

/// Get handoff session summary
///
/// Whoever knows the handoff's identifier is told what it is about; paths, errors and messages only its
/// parties.
#[utoipa::path(get, path = "/api/v1/handoffs/{id}/summary", tag = "handoffs",
    params(("id" = String, Path, description = "The handoff.", example = "hnd_0123456789abcdef")),
    responses((status = 200, description = "The summary.", body = HandoffSummary),
              (status = 404, description = "There is no such handoff."),
              (status = 410, description = "It is not open any more."),
              (status = 429, description = "Too many summaries for this address.")))]
async fn handoff_summary(
    request: HttpRequest,
    sync: Data<SessionSync>,
    gate: Data<Gate>,
    id: Path<String>,
) -> Result<Json<HandoffSummary>, Fault> {
    // A key is not needed, and one that opens nothing is as good as none.
    let caller = match header(&request, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) => gate.identity.authenticate(token).await.ok(),
        None => None,
    };
    if let (None, Some(peer)) = (&caller, request.peer_addr()) {
        let bucket = format!("handoff-summary/{}", peer.ip());
        gate.limiter
            .check(&bucket, SUMMARY_RATE, SUMMARY_BURST)
            .map_err(|limited| {
                Fault::new(ErrorKind::RateLimited, "Too many requests").with_retry_after(limited.retry_after)
            })?;
    }
    let summary = sync
        .handoff_summary(caller.as_deref(), &id)
        .await
        .map_err(fault)?;
    let facts = summary.facts;
    Ok(Json(HandoffSummary {
        session_id: summary.session.id,
        title: summary.session.title,
        tool: summary.session.source_tool,
        model: summary.session.model_id,
        message_count: summary.session.message_count,
        files_modified: facts.files_modified.into_iter().collect(),
        commands_executed: facts.commands_executed,
        tests_run: facts.tests_run,
        tests_passed: facts.tests_passed,
        tests_failed: facts.tests_failed,
        errors_encountered: facts.errors_encountered,
        last_assistant_messages: facts.last_assistant_messages,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_handoff, Access::Key(WRITE)),
        endpoint!(inbox, Access::Key(READ)),
        endpoint!(sent, Access::Key(READ)),
        endpoint!(get_handoff, Access::Key(READ)),
        endpoint!(claim_handoff, Access::Key(WRITE)),
        endpoint!(revoke_handoff, Access::Key(WRITE)),
        endpoint!(decline_handoff, Access::Key(WRITE)),
        endpoint!(create_comment, Access::Key(WRITE)),
        endpoint!(list_comments, Access::Key(READ)),
        endpoint!(list_events, Access::Key(READ)),
        endpoint!(handoff_summary, Access::Public),
    ]
}
