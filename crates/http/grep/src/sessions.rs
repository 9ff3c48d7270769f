//! Opening, listing, stopping and restarting sessions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_grep_sessions::{GrepSessions, SessionId};
use pentad_http_kit::{Access, Endpoint, Fault, Form, Principal, Query, Surface, endpoint};

use crate::upload::{self, UploadForm};
use crate::wire::{CreatedSession, DeletedSession, RestartedSession, SessionAnswer, SessionList};
use crate::{READ, WRITE};

/// The session that a path names. Text that is no UUID names none.
pub(crate) fn session_id(text: &str) -> Result<SessionId, Fault> {
    SessionId::parse(text).ok_or_else(|| Fault::not_found("no such session: its id is no UUID"))
}

/// Open a session
///
/// Uploads text files, or zip archives of them, and opens a session that searches them. Nothing of a
/// refused upload is kept. A memory session ends at `expires_at`; an s3 session lasts until it is
/// deleted permanently. Files with a NUL byte are left out and named in `skipped`.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "grep",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 201, description = "The session answers.", body = CreatedSession),
              (status = 400, description = "The form, a file name, a field or an archive is refused."),
              (status = 413, description = "More text than the plan allows in one session (`grep_session_bytes`)."),
              (status = 422, description = "The form is that of an agent session, and lacks something."),
              (status = 503, description = "The gateway has no memory left; `Retry-After` says when to come back.")))]
#[doc(hidden)]
async fn create(
    sessions: Data<GrepSessions>,
    principal: Principal,
    mut form: Form,
) -> Result<HttpResponse, Fault> {
    create_session(&sessions, &principal, &mut form).await
}

/// Opens a session with the files of the form.
///
/// # Errors
/// The faults of the operation `POST /api/v1/sessions`.
pub async fn create_session(
    sessions: &GrepSessions,
    principal: &Principal,
    form: &mut Form,
) -> Result<HttpResponse, Fault> {
    principal.require(WRITE)?;
    let (upload, new) = upload::read(sessions, principal, form).await?;
    let created = sessions
        .create(&principal.actor, &principal.plan, upload, new)
        .await?;
    Ok(HttpResponse::Created().json(CreatedSession::from(created)))
}

/// List sessions
///
/// The sessions of the key's organisation that answer or can be restarted, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "grep",
    params(("limit" = Option<u32>, Query, description = "Sessions on a page, 1 to 100. Default 20."),
           ("cursor" = Option<String>, Query, description = "Where to go on: `next_cursor` of the page before.")),
    responses((status = 200, description = "One page.", body = SessionList),
              (status = 400, description = "A parameter is out of its bounds.")))]
#[doc(hidden)]
async fn list(
    sessions: Data<GrepSessions>,
    principal: Principal,
    query: Query,
) -> Result<Json<SessionList>, Fault> {
    list_sessions(&sessions, &principal, &query).await
}

/// Lists the sessions of the caller's organisation.
///
/// # Errors
/// The faults of the operation `GET /api/v1/sessions`.
pub async fn list_sessions(
    sessions: &GrepSessions,
    principal: &Principal,
    query: &Query,
) -> Result<Json<SessionList>, Fault> {
    principal.require(READ)?;
    let limit = query.integer("limit", &(1..=100))?.unwrap_or(20);
    let limit = u32::try_from(limit).unwrap_or(20);
    let (page, next_cursor) = sessions
        .list(&principal.actor, query.text("cursor"), limit)
        .await?;
    Ok(Json(SessionList {
        sessions: page.into_iter().map(SessionAnswer::from).collect(),
        next_cursor,
    }))
}

/// Describe a session
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    responses((status = 200, description = "The session.", body = SessionAnswer),
              (status = 400, description = "That is neither a UUID nor the identifier of an agent session."),
              (status = 404, description = "The session ended, was deleted, or never was.")))]
#[doc(hidden)]
async fn describe(
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SessionAnswer>, Fault> {
    get_session(&sessions, &principal, &id).await
}

/// Describes a session.
///
/// # Errors
/// The faults of the operation `GET /api/v1/sessions/{id}`.
pub async fn get_session(
    sessions: &GrepSessions,
    principal: &Principal,
    id: &str,
) -> Result<Json<SessionAnswer>, Fault> {
    principal.require(READ)?;
    Ok(Json(
        sessions.get(&principal.actor, &session_id(id)?).await?.into(),
    ))
}

/// Stop a session
///
/// Frees its memory. An s3 session keeps its files and answers again when it is asked;
/// `permanently=true` deletes them for good. A memory session is gone either way.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           ("permanently" = Option<bool>, Query, description = "Delete stored files for good. Default false.")),
    responses((status = 200, description = "The session is stopped.", body = DeletedSession),
              (status = 400, description = "`permanently` is no boolean."),
              (status = 404, description = "The session ended, was deleted, or never was."),
              (status = 410, description = "An agent session with this name is in the trash already.")))]
#[doc(hidden)]
async fn stop(
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<Json<DeletedSession>, Fault> {
    delete_session(&sessions, &principal, &id, &query).await
}

/// Stops a session.
///
/// # Errors
/// The faults of the operation `DELETE /api/v1/sessions/{id}`.
pub async fn delete_session(
    sessions: &GrepSessions,
    principal: &Principal,
    id: &str,
    query: &Query,
) -> Result<Json<DeletedSession>, Fault> {
    principal.require(WRITE)?;
    let permanently = query.boolean("permanently")?;
    let id = session_id(id)?;
    sessions.stop(&principal.actor, &id, permanently).await?;
    Ok(Json(DeletedSession {
        id: id.to_string(),
        deleted: true,
    }))
}

/// Restart a session
///
/// Brings an s3 session back into memory after a stop. One that is there already is left as it is.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/restart", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    responses((status = 200, description = "The session answers.", body = RestartedSession),
              (status = 400, description = "The session was kept in memory only."),
              (status = 404, description = "The session was deleted for good, or never was.")))]
async fn restart(
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<RestartedSession>, Fault> {
    let session = sessions.restart(&principal.actor, &session_id(&id)?).await?;
    Ok(Json(RestartedSession {
        id: session.id.to_string(),
        storage: session.storage.name(),
        file_count: session.file_count,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create, Access::Key(WRITE)).shared_with(&[Surface::Sync]),
        endpoint!(list, Access::Key(READ)).shared_with(&[Surface::Sync]),
        endpoint!(describe, Access::Key(READ)).shared_with(&[Surface::Sync]),
        endpoint!(stop, Access::Key(WRITE)).shared_with(&[Surface::Sync]),
        endpoint!(restart, Access::Key(WRITE)),
    ]
}
