//! What happens to a ticket: it is started, completed, resolved, and so on.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_projects::{Completion, Projects, StartOptions, StartedTicket};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::parameters::{boolean, integer, text};
use crate::tickets::{TicketAnswer, WRITE};
use crate::wire::answer;

answer! {
    /// A started ticket.
    StartedAnswer as sync::StartedTicket, from |started: StartedTicket| {
        ticket: TicketAnswer = started.ticket.into(),
        /// What the worker is to be told, in Markdown.
        compiled_context: String = started.compiled_context,
        /// The context in which retrievals are recorded.
        retrieval_audit_id: String = started.retrieval_audit_id,
        persona_name: Option<String> = started.persona_name,
    }
}

/// Start a ticket
///
/// Of several that start it at once, one wins. Its lease rises: writes that carry an earlier one are
/// refused from now on.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/start", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef"),
           ("force" = Option<bool>, Query, description = "Whether a blocked ticket may be started too."),
           ("tool" = Option<String>, Query, description = "The tool that the context is for, as `claude-code`.")),
    responses((status = 200, description = "It is started.", body = StartedAnswer),
              (status = 400, description = "The persona it is for is not active."),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "It is not open.")))]
async fn start_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
) -> Result<Json<StartedAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let options = StartOptions {
        force: boolean(&query, "force")?.unwrap_or(false),
        tool: text(&query, "tool"),
    };
    let started = projects
        .start_ticket(&principal.actor, &project, &ticket, options)
        .await?;
    Ok(Json(started.into()))
}

/// What is said of finished work.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::CompleteTicket, example = json!({"notes": "bounded the loop", "changed_files": ["src/retry.rs"], "lease_epoch": 1}))]
pub(crate) struct CompleteTicket {
    /// What was done.
    notes: String,
    #[serde(default)]
    changed_files: Vec<String>,
    #[serde(default)]
    knowledge_entry_ids: Vec<EntryReference>,
    resolver_session_id: Option<String>,
    /// The lease that the worker holds.
    lease_epoch: Option<i64>,
}

/// A knowledge entry, by its number or the text of it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::EntryReference)]
#[serde(untagged)]
pub(crate) enum EntryReference {
    /// Its number.
    Number(i64),
    /// The text of it.
    Text(String),
}

impl From<EntryReference> for String {
    fn from(reference: EntryReference) -> Self {
        match reference {
            EntryReference::Number(number) => number.to_string(),
            EntryReference::Text(text) => text,
        }
    }
}

/// Complete a ticket
///
/// From in progress to review.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/complete", tag = "sync", request_body = CompleteTicket,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Nobody works on it."),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "`stale_lease_epoch`."),
              (status = 422, description = "A field is refused.")))]
async fn complete_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<CompleteTicket>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let body = body.0;
    let completion = Completion {
        notes: body.notes,
        changed_files: body.changed_files,
        knowledge_entry_ids: body.knowledge_entry_ids.into_iter().map(String::from).collect(),
        session_id: body.resolver_session_id,
        lease_epoch: body.lease_epoch,
    };
    let ticket = projects
        .complete_ticket(&principal.actor, &project, &ticket, completion)
        .await?;
    Ok(Json(ticket.into()))
}

/// The lease that a ticket in review must have.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::ResolveTicket, example = json!({"lease_epoch": 1}))]
pub(crate) struct ResolveTicket {
    /// As the query parameter of that name, which wins.
    lease_epoch: Option<i64>,
}

/// Resolve a ticket
///
/// From review to done. Tickets that waited for it are told what was done and go on when nothing else
/// holds them.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/resolve", tag = "sync", request_body = ResolveTicket,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef"),
           ("lease_epoch" = Option<i64>, Query, description = "The lease that the ticket must have.")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "It is not in review, or `stale_lease_epoch`.")))]
async fn resolve_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
    body: JsonBody<ResolveTicket>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let lease_epoch = integer(&query, "lease_epoch", &(0..=i64::MAX))?.or(body.lease_epoch);
    let ticket = projects
        .resolve_ticket(&principal.actor, &project, &ticket, lease_epoch)
        .await?;
    Ok(Json(ticket.into()))
}

/// Resolve a ticket (other path)
///
/// The same as `resolve`, as the command line calls it.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/accept", tag = "sync", request_body = ResolveTicket,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef"),
           ("lease_epoch" = Option<i64>, Query, description = "The lease that the ticket must have.")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "It is not in review, or `stale_lease_epoch`.")))]
async fn accept_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
    body: JsonBody<ResolveTicket>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let lease_epoch = integer(&query, "lease_epoch", &(0..=i64::MAX))?.or(body.lease_epoch);
    let ticket = projects
        .resolve_ticket(&principal.actor, &project, &ticket, lease_epoch)
        .await?;
    Ok(Json(ticket.into()))
}

/// Close an issue
///
/// A task is completed and resolved instead.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/close", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn close_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects.close_ticket(&principal.actor, &project, &ticket).await?;
    Ok(Json(ticket.into()))
}

/// Approve a suggested ticket
///
/// It is open then.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/approve", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn approve_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects
        .approve_ticket(&principal.actor, &project, &ticket)
        .await?;
    Ok(Json(ticket.into()))
}

/// Reopen a ticket
///
/// One in review, or an issue that is worked on.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/reopen", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn reopen_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects
        .reopen_ticket(&principal.actor, &project, &ticket)
        .await?;
    Ok(Json(ticket.into()))
}

/// Block a ticket
///
/// The work waits for something.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/block", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn block_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects.block_ticket(&principal.actor, &project, &ticket).await?;
    Ok(Json(ticket.into()))
}

/// Unblock a ticket
///
/// The work goes on.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/unblock", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn unblock_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects
        .unblock_ticket(&principal.actor, &project, &ticket)
        .await?;
    Ok(Json(ticket.into()))
}

/// Cancel a ticket
///
/// A suggested or open one, or an issue that is worked on.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/dismiss", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Its status does not allow it; the message says what it does."),
              (status = 404, description = "There is no such project or ticket.")))]
async fn dismiss_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects
        .dismiss_ticket(&principal.actor, &project, &ticket)
        .await?;
    Ok(Json(ticket.into()))
}

/// Why a ticket is escalated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::EscalateTicket, example = json!({"reason": "a customer is waiting"}))]
pub(crate) struct EscalateTicket {
    /// At most 5,000 characters.
    reason: Option<String>,
}

/// Escalate a ticket
///
/// Raises its priority by one step and says so in a comment, each time; a critical one stays critical.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/escalate", tag = "sync", request_body = EscalateTicket,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 404, description = "There is no such project or ticket."),
              (status = 422, description = "The reason is too long.")))]
async fn escalate_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<EscalateTicket>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let ticket = projects
        .escalate_ticket(&principal.actor, &project, &ticket, body.reason.as_deref())
        .await?;
    Ok(Json(ticket.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(start_ticket, Access::Key(WRITE)),
        endpoint!(complete_ticket, Access::Key(WRITE)),
        endpoint!(resolve_ticket, Access::Key(WRITE)),
        endpoint!(accept_ticket, Access::Key(WRITE)),
        endpoint!(close_ticket, Access::Key(WRITE)),
        endpoint!(approve_ticket, Access::Key(WRITE)),
        endpoint!(escalate_ticket, Access::Key(WRITE)),
        endpoint!(reopen_ticket, Access::User),
        endpoint!(block_ticket, Access::User),
        endpoint!(unblock_ticket, Access::User),
        endpoint!(dismiss_ticket, Access::User),
    ]
}
