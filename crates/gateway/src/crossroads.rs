//! The operations that several surfaces have at the same place.
//!
//! Each is one operation here, decided by something that the request itself carries (contract of the
//! gateway, section 1): the part names of a form, the form of an identifier, the kind of credential.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Responder as _};
use pentad_grep_sessions::GrepSessions;
use pentad_http_identity::Me;
use pentad_http_kit::{
    Access, Either, Endpoint, Fault, Form, Gate, JsonBody, Principal, Query, RequestContext, Surface,
    endpoint,
};
use pentad_http_sync::{EditSession, SessionAnswer, UploadedAnswer};
use pentad_identity::KeyFamily;
use pentad_kernel::id::is_uuid;
use pentad_kernel::{ActorKind, ErrorKind};
use pentad_session_sync::SessionSync;

/// The two surfaces that have sessions.
const SESSIONS: &[Surface] = &[Surface::Grep, Surface::Sync];

/// The surface of a session by the form of its identifier.
fn surface_of_id(id: &str) -> Surface {
    if is_uuid(id) { Surface::Grep } else { Surface::Sync }
}

type OpenedSession = Either<pentad_http_grep::CreatedSession, UploadedAnswer>;
type SessionPage = Either<pentad_http_grep::SessionList, pentad_http_sync::SessionList>;
type DescribedSession = Either<pentad_http_grep::SessionAnswer, SessionAnswer>;
type ClosedSession = Either<pentad_http_grep::DeletedSession, SessionAnswer>;

/// Either `files`, which opens a grep session, or `file`, which stores an agent session.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = gateway::SessionForm)]
#[expect(
    dead_code,
    reason = "the document is made from it; requests are read as a stream"
)]
struct SessionForm {
    /// One or more text files. The file name of each part is its full relative path; a `.zip` is extracted,
    /// with its directories.
    #[schema(nullable = false, format = Binary, content_media_type = "application/octet-stream")]
    files: Option<Vec<String>>,
    /// Of a grep session: `memory` (default) or `s3`.
    #[schema(nullable = false, example = "memory")]
    storage: Option<String>,
    /// Of a grep session: the life of a memory session in minutes. Default 10.
    #[schema(nullable = false, example = 10)]
    ttl_minutes: Option<u32>,
    /// An agent session as a `.tar.gz`.
    #[schema(nullable = false, format = Binary, content_media_type = "application/octet-stream")]
    file: Option<String>,
}

/// From here on, failures take the envelope of this surface.
fn meant_for(request: &HttpRequest, surface: Surface) {
    if let Some(context) = request.extensions().get::<RequestContext>() {
        context.set_surface(surface);
    }
}

/// Open a session
///
/// Two surfaces open sessions here, told apart by the names of the form's parts: `files` opens a grep
/// session, `file` (or the query parameter `source_tool`) uploads an agent session.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "grep",
    params(("source_tool" = Option<String>, Query, description = "For an agent session: the tool it was recorded with, 1 to 50 of a-z, 0-9, _ and -."),
           ("title" = Option<String>, Query, description = "For an agent session: its title, at most 500 characters."),
           ("tags" = Option<String>, Query, description = "For an agent session: its tags, a JSON array of at most 20 texts.")),
    request_body(content_type = "multipart/form-data", content = SessionForm),
    responses((status = 201, description = "The session is open, or stored.", body = inline(OpenedSession)),
              (status = 400, description = "The form, a file name, a field or an archive is refused."),
              (status = 413, description = "The upload is larger than a limit, which the message names."),
              (status = 422, description = "A parameter of an agent session is out of its bounds."),
              (status = 503, description = "The gateway has no room left; `Retry-After` says when to come back.")))]
async fn open_session(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
    mut form: Form,
) -> Result<HttpResponse, Fault> {
    if query.text("source_tool").is_some() {
        meant_for(&request, Surface::Sync);
        return pentad_http_sync::upload_session(&request, &sync, &principal, &query, &mut form).await;
    }
    meant_for(&request, Surface::Grep);
    let decided = form.first_of(&["files", "file"]).await;
    if !matches!(decided, Ok(Some(_))) {
        form.drain().await;
    }
    match decided? {
        Some("file") => {
            meant_for(&request, Surface::Sync);
            pentad_http_sync::upload_session(&request, &sync, &principal, &query, &mut form).await
        }
        Some(_) => pentad_http_grep::create_session(&sessions, &principal, &mut form).await,
        None => Err(Fault::invalid(
            "no part of the form is named files, for a grep session, or file, with the query parameter \
             source_tool for an agent session",
        )),
    }
}

/// List sessions
///
/// The agent sessions of the caller; with `limit` or `cursor`, or with a key of the grep family, the grep
/// sessions of the key's organisation, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "grep",
    params(("limit" = Option<u32>, Query, description = "Sessions on a page, 1 to 100. Default 20."),
           ("cursor" = Option<String>, Query, description = "Where to go on: `next_cursor` of the page before."),
           ("page" = Option<u32>, Query, description = "Of agent sessions: from 1. Default 1."),
           ("page_size" = Option<u32>, Query, description = "Of agent sessions: 1 to 100. Default 20."),
           ("source_tool" = Option<String>, Query, description = "Only agent sessions recorded with this tool."),
           ("model" = Option<Vec<String>>, Query, description = "Only agent sessions with this model; may be repeated."),
           ("tag" = Option<String>, Query, description = "Only agent sessions with this tag."),
           ("sort" = Option<String>, Query, description = "Of agent sessions: `updated_at` (default) or `model`."),
           ("order" = Option<String>, Query, description = "Of agent sessions: `desc` (default) or `asc`."),
           ("deleted" = Option<bool>, Query, description = "The trash of agent sessions instead.")),
    responses((status = 200, description = "One page.", body = inline(SessionPage)),
              (status = 400, description = "A parameter is out of its bounds.")))]
async fn list_sessions(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let is_grep = principal.family == Some(KeyFamily::Grep)
        || query.text("limit").is_some()
        || query.text("cursor").is_some();
    if !is_grep {
        meant_for(&request, Surface::Sync);
        let list = pentad_http_sync::list_sessions(&sync, &principal, &query).await?;
        return Ok(list.respond_to(&request).map_into_boxed_body());
    }
    meant_for(&request, Surface::Grep);
    let list = pentad_http_grep::list_sessions(&sessions, &principal, &query).await?;
    Ok(list.respond_to(&request).map_into_boxed_body())
}

/// Describe a session
///
/// A UUID names a grep session; `ses_…` or an alias names an agent session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "grep",
    params(("id" = String, Path, description = "The session.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    responses((status = 200, description = "The session.", body = inline(DescribedSession)),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn describe_session(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let surface = surface_of_id(&id);
    meant_for(&request, surface);
    match surface {
        Surface::Grep => {
            let session = pentad_http_grep::get_session(&sessions, &principal, &id).await?;
            Ok(session.respond_to(&request).map_into_boxed_body())
        }
        _ => {
            let session = pentad_http_sync::describe_session(&sync, &principal, &id).await?;
            Ok(session.respond_to(&request).map_into_boxed_body())
        }
    }
}

/// Stop or delete a session
///
/// A UUID names a grep session, which is stopped; `ses_…` or an alias names an agent session, which goes
/// to the trash.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "grep",
    params(("id" = String, Path, description = "The session.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           ("permanently" = Option<bool>, Query, description = "Grep: delete stored files for good. Default false."),
           ("scope" = Option<String>, Query, description = "Of an agent session: `cloud` (default) or `everywhere`.")),
    responses((status = 200, description = "It is done.", body = inline(ClosedSession)),
              (status = 400, description = "A parameter is refused."),
              (status = 404, description = "There is no such session."),
              (status = 410, description = "The agent session is in the trash already.")))]
async fn delete_session(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let surface = surface_of_id(&id);
    meant_for(&request, surface);
    match surface {
        Surface::Grep => {
            let deleted = pentad_http_grep::delete_session(&sessions, &principal, &id, &query).await?;
            Ok(deleted.respond_to(&request).map_into_boxed_body())
        }
        _ => pentad_http_sync::delete_session(&sync, &principal, &id, &query).await,
    }
}

/// Change an agent session's title, alias and tags
#[utoipa::path(patch, path = "/api/v1/sessions/{id}", tag = "sync", request_body = EditSession,
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session as it is now.", body = SessionAnswer),
              (status = 400, description = "Nothing is to be changed."),
              (status = 404, description = "There is no such session."),
              (status = 405, description = "A grep session is changed by append."),
              (status = 409, description = "Another session has the alias."),
              (status = 422, description = "A value is out of its bounds.")))]
async fn edit_session(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<EditSession>,
) -> Result<Json<SessionAnswer>, Fault> {
    let surface = surface_of_id(&id);
    meant_for(&request, surface);
    if surface == Surface::Grep {
        let fault = Fault::new(ErrorKind::MethodNotAllowed, "a grep session is changed by append");
        return Err(fault.with_header(ALLOW, HeaderValue::from_static("GET, DELETE")));
    }
    pentad_http_sync::edit_session(&sync, &principal, &id, body).await
}

/// Who is asking
///
/// With a key: the profile of its owner. With the cookie of a browser session: who is signed in. Both say
/// in which tenant the user is at home and which one the answer is about.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "sync",
    responses((status = 200, description = "The profile.", body = Me)))]
async fn current_user(
    request: HttpRequest,
    gate: Data<Gate>,
    principal: Principal,
) -> Result<Json<Myself>, Fault> {
    if principal.actor.kind == ActorKind::WebSession {
        meant_for(&request, Surface::Ingest);
    }
    let account = pentad_http_identity::account(&gate.identity, &principal).await?;
    Ok(Json(Myself {
        signed_in: pentad_http_runs::who_am_i(&account),
        profile: pentad_http_identity::me(&principal, account),
    }))
}

/// The two profiles, which have no name in common, so that one answer holds both.
#[derive(Debug, serde::Serialize)]
struct Myself {
    #[serde(flatten)]
    profile: Me,
    #[serde(flatten)]
    signed_in: serde_json::Value,
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(open_session, Access::Credential).serving(SESSIONS),
        endpoint!(list_sessions, Access::Credential).serving(SESSIONS),
        endpoint!(describe_session, Access::Credential).serving(SESSIONS),
        endpoint!(delete_session, Access::Credential).serving(SESSIONS),
        endpoint!(edit_session, Access::Credential).serving(SESSIONS),
        endpoint!(current_user, Access::Credential).serving(&[Surface::Sync, Surface::Ingest]),
    ]
}
