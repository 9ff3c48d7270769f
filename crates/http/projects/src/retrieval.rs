//! The audit of what agents retrieved.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_projects::{NewRetrievalEvent, Projects, RetrievalContext, RetrievalEvent, RetrievalLog};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::{answer, list, optional_time, time};

answer! {
    /// A piece of work whose retrievals are recorded.
    ContextAnswer as sync::RetrievalContext, from |context: RetrievalContext| {
        id: String = context.id,
        project_id: String = context.project_id,
        /// The lease of the ticket.
        lease_epoch: Option<i64> = context.ticket_id.is_some().then_some(context.lease_epoch),
        ticket_id: Option<String> = context.ticket_id,
        persona_name: Option<String> = context.persona_name,
        created_by_user_id: String = context.created_by_user_id,
        created_at: String = time(context.created_at),
        closed_at: Option<String> = optional_time(context.closed_at),
    }
}

answer! {
    /// One retrieval.
    EventAnswer as sync::RetrievalEvent, from |event: RetrievalEvent| {
        id: i64 = event.id,
        context_id: String = event.context_id,
        project_id: String = event.project_id,
        caller_user_id: String = event.user_id,
        session_id: Option<String> = event.session_id,
        tool_name: String = event.tool_name,
        arguments: Value = event.arguments.0,
        returned_refs: Value = event.returned_refs.0,
        source: String = event.source,
        created_at: String = time(event.created_at),
    }
}

answer! {
    /// Retrievals, oldest first.
    LogAnswer as sync::RetrievalLog, from |log: RetrievalLog| {
        session_id: Option<String> = log.session_id,
        retrieval_audit_id: Option<String> = log.retrieval_audit_id,
        count: usize = log.events.len(),
        events: Vec<EventAnswer> = list(log.events),
    }
}

/// What retrievals are recorded for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::NewRetrievalContext, example = json!({"persona_name": "atlas"}))]
pub(crate) struct NewContextBody {
    ticket_id: Option<String>,
    persona_name: Option<String>,
    /// The lease under which the ticket is worked on. Default its present one.
    lease_epoch: Option<i64>,
}

/// Begin to record retrievals
///
/// Starting a ticket does so by itself.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/retrieval-audit-contexts", tag = "sync", request_body = NewContextBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The context.", body = ContextAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "There is no such ticket or persona.")))]
async fn create_retrieval_context(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewContextBody>,
) -> Result<HttpResponse, Fault> {
    let context = projects
        .open_retrieval_context(
            &principal.actor,
            &project_id,
            body.ticket_id.as_deref(),
            body.persona_name.as_deref(),
            body.lease_epoch,
        )
        .await?;
    Ok(HttpResponse::Created().json(ContextAnswer::from(context)))
}

/// A retrieval to record.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewRetrievalEvent, example = json!({
    "context_id": "ra_0123456789abcdef01234567", "tool_name": "search", "arguments": {"q": "retry"}, "returned_refs": {"kb": ["1"]}
}))]
pub(crate) struct NewEventBody {
    context_id: String,
    session_id: Option<String>,
    /// 1 to 100 characters.
    tool_name: String,
    /// At most 16 KiB; beyond that only its size is kept.
    #[serde(default)]
    arguments: Value,
    /// At most 16 KiB; beyond that only its size is kept.
    #[serde(default)]
    returned_refs: Value,
    /// Default `mcp`.
    source: Option<String>,
}

/// Record a retrieval
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/retrieval-audit-events", tag = "sync", request_body = NewEventBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The retrieval.", body = EventAnswer),
              (status = 404, description = "There is no such project or context."),
              (status = 422, description = "A field is refused.")))]
async fn create_retrieval_event(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewEventBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let new = NewRetrievalEvent {
        context_id: body.context_id,
        session_id: body.session_id,
        tool_name: body.tool_name,
        arguments: body.arguments,
        returned_refs: body.returned_refs,
        source: body.source.unwrap_or_else(|| "mcp".to_owned()),
    };
    let event = projects
        .record_retrieval(&principal.actor, &project_id, new)
        .await?;
    Ok(HttpResponse::Created().json(EventAnswer::from(event)))
}

/// List the retrievals of a piece of work
#[utoipa::path(get, path = "/api/v1/retrieval-audit-contexts/{context_id}/events", tag = "sync",
    params(("context_id" = String, Path, description = "The context.", example = "ra_0123456789abcdef01234567")),
    responses((status = 200, description = "The retrievals.", body = LogAnswer),
              (status = 404, description = "There is no such context.")))]
async fn list_retrieval_events(
    projects: Data<Projects>,
    principal: Principal,
    context_id: Path<String>,
) -> Result<Json<LogAnswer>, Fault> {
    Ok(Json(
        projects
            .retrieval_log(&principal.actor, &context_id)
            .await?
            .into(),
    ))
}

/// List the retrievals of a session
#[utoipa::path(get, path = "/api/v1/sessions/{session_id}/retrieval-log", tag = "sync",
    params(("session_id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The retrievals.", body = LogAnswer),
              (status = 404, description = "There is no such session.")))]
async fn get_session_retrieval_log(
    projects: Data<Projects>,
    principal: Principal,
    session_id: Path<String>,
) -> Result<Json<LogAnswer>, Fault> {
    let log = projects
        .session_retrieval_log(&principal.actor, &session_id)
        .await?;
    Ok(Json(log.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_retrieval_context, Access::User),
        endpoint!(create_retrieval_event, Access::User),
    ]
}

pub(crate) fn endpoints_outside_projects() -> Vec<Endpoint> {
    vec![
        endpoint!(list_retrieval_events, Access::User),
        endpoint!(get_session_retrieval_log, Access::User),
    ]
}
