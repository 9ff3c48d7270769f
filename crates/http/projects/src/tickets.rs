//! Tickets: finding, making and editing them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_kernel::Scope;
use pentad_projects::{Kind, NewTicket, Priority, Projects, Status, TicketChange, TicketFilter, TicketView};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::comments::CommentAnswer;
use crate::parameters::text;
use crate::wire::{answer, list, optional_time, time};

pub(crate) const READ: &[Scope] = &[Scope::TicketsRead];
pub(crate) const WRITE: &[Scope] = &[Scope::TicketsWrite];

/// Comments shown with a ticket.
const RECENT_COMMENTS: i64 = 10;

answer! {
    /// A ticket.
    TicketAnswer as sync::Ticket, from |view: TicketView| {
        id: String = view.ticket.id,
        project_id: String = view.ticket.project_id,
        title: String = view.ticket.title,
        description: String = view.ticket.description,
        /// `low`, `medium`, `high` or `critical`.
        priority: &'static str = view.ticket.priority.name(),
        /// The persona that is to do it.
        assigned_to: Option<String> = view.ticket.assigned_to,
        created_by_user_id: String = view.ticket.created_by_user_id,
        created_by_session_id: Option<String> = view.ticket.created_by_session_id,
        created_by_persona: Option<String> = view.ticket.created_by_persona,
        /// `suggested`, `open`, `in_progress`, `blocked`, `review`, `done`, `closed` or `cancelled`.
        status: &'static str = view.ticket.status.name(),
        /// Rises with every start; pass it on writes to be refused once somebody else has started.
        lease_epoch: i64 = view.ticket.lease_epoch,
        context_refs: Vec<String> = view.ticket.context_refs.0,
        file_refs: Vec<String> = view.ticket.file_refs.0,
        related_sessions: Vec<String> = view.ticket.related_sessions.0,
        acceptance_criteria: Vec<String> = view.ticket.acceptance_criteria.0,
        resolver_session_id: Option<String> = view.ticket.resolver_session_id,
        resolver_user_id: Option<String> = view.ticket.resolver_user_id,
        completion_notes: Option<String> = view.ticket.completion_notes,
        changed_files: Vec<String> = view.ticket.changed_files.0,
        knowledge_entry_ids: Vec<String> = view.ticket.knowledge_entry_ids.0,
        /// What has to be done before.
        depends_on: Vec<String> = view.depends_on,
        /// What waits for it.
        dependents: Vec<String> = view.dependents,
        /// `task` or `issue`.
        kind: &'static str = view.ticket.kind.name(),
        parent_ticket_id: Option<String> = view.ticket.parent_ticket_id,
        child_ticket_ids: Vec<String> = view.children,
        created_at: String = time(view.ticket.created_at),
        updated_at: String = time(view.ticket.updated_at),
        resolved_at: Option<String> = optional_time(view.ticket.resolved_at),
    }
}

/// A ticket with its latest comments.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::TicketDetail)]
pub(crate) struct TicketDetail {
    #[serde(flatten)]
    ticket: TicketAnswer,
    /// The latest ten, oldest first.
    recent_comments: Vec<CommentAnswer>,
}

/// List tickets
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tickets", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("status" = Option<String>, Query, description = "One status."),
           ("assigned_to" = Option<String>, Query, description = "One persona, in any case."),
           ("kind" = Option<String>, Query, description = "`task` or `issue`."),
           ("priority" = Option<String>, Query, description = "One priority.")),
    responses((status = 200, description = "Newest first.", body = Vec<TicketAnswer>),
              (status = 400, description = "No such status, kind or priority."),
              (status = 404, description = "There is no such project.")))]
async fn list_tickets(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    query: Query,
) -> Result<Json<Vec<TicketAnswer>>, Fault> {
    let bad = |error| Fault::from(error).with_status(StatusCode::BAD_REQUEST);
    let filter = TicketFilter {
        status: query.text("status").map(Status::parse).transpose().map_err(bad)?,
        assigned_to: text(&query, "assigned_to"),
        kind: query.text("kind").map(Kind::parse).transpose().map_err(bad)?,
        priority: query
            .text("priority")
            .map(Priority::parse)
            .transpose()
            .map_err(bad)?,
    };
    let tickets = projects.tickets(&principal.actor, &project_id, &filter).await?;
    Ok(Json(list(tickets)))
}

/// A ticket to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewTicket, example = json!({
    "title": "Fix the retry loop", "description": "It spins forever on 500", "priority": "high",
    "acceptance_criteria": ["no spin"]
}))]
pub(crate) struct NewTicketBody {
    /// 1 to 200 characters.
    title: String,
    #[serde(default)]
    description: Option<String>,
    /// `low`, `medium` (default), `high` or `critical`.
    priority: Option<String>,
    /// The persona that is to do it.
    assigned_to: Option<String>,
    #[serde(default)]
    context_refs: Vec<String>,
    #[serde(default)]
    file_refs: Vec<String>,
    #[serde(default)]
    related_sessions: Vec<String>,
    #[serde(default)]
    acceptance_criteria: Vec<String>,
    /// Tickets of the same project.
    #[serde(default)]
    depends_on: Vec<String>,
    /// `human` (default) or `agent`: what an agent makes is suggested.
    source: Option<String>,
    created_by_session_id: Option<String>,
    created_by_persona: Option<String>,
    /// `task` (default) or `issue`.
    kind: Option<String>,
    /// An issue of the same project.
    parent_ticket_id: Option<String>,
}

/// Create a ticket
///
/// What an agent, or a reader of the project, makes is `suggested` until somebody approves it.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets", tag = "sync", request_body = NewTicketBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "The dependencies make a cycle, or an agent's ticket lacks something."),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A field is refused.")))]
async fn create_ticket(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewTicketBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let by_agent = match body.source.as_deref() {
        None | Some("human") => false,
        Some("agent") => true,
        Some(_) => {
            return Err(Fault::unprocessable(
                &["body", "source"],
                "human or agent",
                "value_error",
            ));
        }
    };
    let new = NewTicket {
        title: body.title,
        description: body.description.unwrap_or_default(),
        priority: body.priority.as_deref().map(Priority::parse).transpose()?,
        assigned_to: body.assigned_to.filter(|persona| !persona.is_empty()),
        context_refs: body.context_refs,
        file_refs: body.file_refs,
        related_sessions: body.related_sessions,
        acceptance_criteria: body.acceptance_criteria,
        depends_on: body.depends_on,
        by_agent,
        session_id: body.created_by_session_id,
        persona: body.created_by_persona,
        kind: body.kind.as_deref().map(Kind::parse).transpose()?,
        parent: body.parent_ticket_id,
    };
    let ticket = projects.create_ticket(&principal.actor, &project_id, new).await?;
    Ok(HttpResponse::Created().json(TicketAnswer::from(ticket)))
}

/// Read a ticket
///
/// With what it depends on, what waits for it, and its latest comments.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketDetail),
              (status = 404, description = "There is no such project or ticket.")))]
async fn get_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketDetail>, Fault> {
    let (project, ticket) = path.into_inner();
    let view = projects.ticket(&principal.actor, &project, &ticket).await?;
    let comments = projects
        .recent_comments(&principal.actor, &project, &ticket, RECENT_COMMENTS)
        .await?;
    Ok(Json(TicketDetail {
        ticket: view.into(),
        recent_comments: list(comments),
    }))
}

/// A field that is left out, and one that is `null`, are told apart.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// What to change of a ticket; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::TicketChange, example = json!({"title": "Fix the retry loop for good"}))]
pub(crate) struct TicketChangeBody {
    title: Option<String>,
    description: Option<String>,
    priority: Option<String>,
    /// `null` for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    assigned_to: Option<Option<String>>,
    acceptance_criteria: Option<Vec<String>>,
    context_refs: Option<Vec<String>>,
    file_refs: Option<Vec<String>>,
    related_sessions: Option<Vec<String>>,
    depends_on: Option<Vec<String>>,
    /// The change is made only if this is the present lease, which then rises.
    lease_epoch: Option<i64>,
}

/// Edit a ticket
///
/// Its maker and administrators of the project may. Every field that really changes is recorded, and one
/// comment of `system` says what changed. The status changes by the other operations alone.
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}", tag = "sync", request_body = TicketChangeBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The ticket.", body = TicketAnswer),
              (status = 400, description = "Nothing to change, or the dependencies make a cycle."),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "`stale_lease_epoch`."),
              (status = 422, description = "A field is refused.")))]
async fn update_ticket(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<TicketChangeBody>,
) -> Result<Json<TicketAnswer>, Fault> {
    let (project, ticket) = path.into_inner();
    let body = body.0;
    let change = TicketChange {
        title: body.title,
        description: body.description,
        priority: body.priority.as_deref().map(Priority::parse).transpose()?,
        assigned_to: body.assigned_to,
        acceptance_criteria: body.acceptance_criteria,
        context_refs: body.context_refs,
        file_refs: body.file_refs,
        related_sessions: body.related_sessions,
        depends_on: body.depends_on,
        lease_epoch: body.lease_epoch,
    };
    let ticket = projects
        .edit_ticket(&principal.actor, &project, &ticket, change)
        .await?;
    Ok(Json(ticket.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_tickets, Access::Key(READ)),
        endpoint!(create_ticket, Access::Key(WRITE)),
        endpoint!(get_ticket, Access::Key(READ)),
        endpoint!(update_ticket, Access::Key(WRITE)),
    ]
}
