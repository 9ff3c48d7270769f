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
    Access, Endpoint, Fault, Form, Gate, JsonBody, Principal, Query, RequestContext, Surface, endpoint,
};
use pentad_http_sync::{EditSession, SessionAnswer};
use pentad_identity::KeyFamily;
use pentad_kernel::id::is_uuid;
use pentad_kernel::{ActorKind, ErrorKind};
use pentad_session_sync::SessionSync;

/// The surface of a session by the form of its identifier.
fn surface_of_id(id: &str) -> Surface {
    if is_uuid(id) { Surface::Grep } else { Surface::Sync }
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
    request_body(content_type = "multipart/form-data", content = ref("#/components/schemas/grep.Upload")),
    responses((status = 201, description = "The session is open.", body = pentad_http_grep::CreatedSession),
              (status = 400, description = "The form, a file name, a field or an archive is refused."),
              (status = 413, description = "The upload is larger than a limit, which the message names."),
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
    match form.first_name().await? {
        Some("file") => {
            meant_for(&request, Surface::Sync);
            pentad_http_sync::upload_session(&request, &sync, &principal, &query, &mut form).await
        }
        Some(_) => pentad_http_grep::create_session(&sessions, &principal, &mut form).await,
        None => Err(Fault::invalid(
            "the form is empty: send parts named files for a grep session, or one named file with the query \
             parameter source_tool for an agent session",
        )),
    }
}

/// List sessions
///
/// The agent sessions of the caller; with `limit` or `cursor`, or with a key of the grep family, the grep
/// sessions of the key's organisation, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "grep",
    params(("limit" = Option<u32>, Query, description = "Sessions on a page, 1 to 100. Default 20."),
           ("cursor" = Option<String>, Query, description = "Where to go on: `next_cursor` of the page before.")),
    responses((status = 200, description = "One page.", body = pentad_http_grep::SessionList),
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
    responses((status = 200, description = "The session.", body = pentad_http_grep::SessionAnswer),
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
           ("permanently" = Option<bool>, Query, description = "Grep: delete stored files for good. Default false.")),
    responses((status = 200, description = "It is done.", body = pentad_http_grep::DeletedSession),
              (status = 400, description = "A parameter is refused."),
              (status = 404, description = "There is no such session.")))]
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
    runs: Data<pentad_http_runs::Api>,
    principal: Principal,
) -> Result<HttpResponse, Fault> {
    let in_browser = principal.actor.kind == ActorKind::WebSession;
    if in_browser {
        meant_for(&request, Surface::Ingest);
    }
    // The two profiles have no name in common, so that one answer holds both.
    let mut answer = json_object(&pentad_http_identity::me(&gate.identity, &principal).await?)?;
    answer.extend(json_object(
        &pentad_http_runs::who_am_i(&runs, &principal).await?,
    )?);
    Ok(HttpResponse::Ok().json(answer))
}

fn json_object(answer: &impl serde::Serialize) -> Result<serde_json::Map<String, serde_json::Value>, Fault> {
    match serde_json::to_value(answer) {
        Ok(serde_json::Value::Object(object)) => Ok(object),
        _ => Err(Fault::internal("a profile is no JSON object")),
    }
}
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(open_session, Access::Credential).surface_by_path(),
        endpoint!(list_sessions, Access::Credential).surface_by_path(),
        endpoint!(describe_session, Access::Credential).surface_by_path(),
        endpoint!(delete_session, Access::Credential).surface_by_path(),
        endpoint!(edit_session, Access::Credential).surface_by_path(),
        endpoint!(current_user, Access::Credential).surface_by_path(),
    ]
}
