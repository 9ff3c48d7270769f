//! `/api/sessions`: making, listing, changing, copying and deleting sessions.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use pentad_exec::{NewSession, SessionId, SessionSettings};
use pentad_http_kit::{Fault, JsonBody, Principal, Query};
use pentad_kernel::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use crate::Api;
use crate::answers::{Deleted, SessionAnswer};
use crate::faults::fault;
use crate::files::FileAnswer;
use crate::setup::SetupBody;
use crate::wire::{JsonObject, duration, language};

/// A session to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::NewSession, example = json!({
    "language": "python", "persistent": true, "session_id": "my-session", "data": {"user": "developer"}
}))]
pub(crate) struct CreateBody {
    /// The language of its programs, as for `/api/execute`.
    language: String,
    /// Whether what a run leaves in the workspace is there for the next one. Default true.
    persistent: Option<bool>,
    /// Its id: 1 to 128 of `A-Z a-z 0-9 _ . : -`, a letter or digit first. Default a fresh one.
    session_id: Option<String>,
    /// What its programs find in `.session_data.json`.
    #[schema(value_type = Option<Object>)]
    data: Option<JsonObject>,
    /// What its owner says about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonObject>,
    /// Seconds that a run may take when it does not say.
    #[schema(value_type = Option<f64>)]
    default_timeout: Option<Number>,
    /// Whether its programs reach the internet, through a proxy that refuses private addresses. Default false.
    #[serde(rename = "allowInternetAccess")]
    allow_internet: Option<bool>,
    /// Whether requests to `/proxy/…` reach its programs. Default false.
    #[serde(rename = "allowPublicAccess")]
    allow_public: Option<bool>,
    /// Packages to install in the background; `setup_status` says how that goes.
    setup: Option<SetupBody>,
}

/// Settings to change.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::EditSession, example = json!({"default_timeout": 120, "allowInternetAccess": false}))]
pub(crate) struct PatchBody {
    /// Seconds that a run may take when it does not say.
    #[schema(value_type = Option<f64>)]
    default_timeout: Option<Number>,
    /// Whether its programs reach the internet.
    #[serde(rename = "allowInternetAccess")]
    allow_internet: Option<bool>,
    /// Whether requests reach its programs.
    #[serde(rename = "allowPublicAccess")]
    allow_public: Option<bool>,
    /// Replaces what its owner says about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonObject>,
}

/// A copy to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::Duplicate, example = json!({"new_id": "my-session-backup"}))]
pub(crate) struct DuplicateBody {
    /// The id of the copy. Default `{id}-copy-{n}`.
    new_id: Option<String>,
    /// The same, by its older name.
    id: Option<String>,
    /// Replaces the data.
    #[schema(value_type = Option<Object>)]
    data: Option<JsonObject>,
}

/// Sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::SessionList)]
pub(crate) struct ListAnswer {
    sessions: Vec<SessionAnswer>,
    /// How many sessions this answer holds.
    count: usize,
    /// How many there are in all.
    total: u64,
    /// Where to go on, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A session with its files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::SessionWithFiles)]
pub(crate) struct GetAnswer {
    #[serde(flatten)]
    session: SessionAnswer,
    files: Vec<FileAnswer>,
}

/// A session whose settings were changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::EditedSession)]
pub(crate) struct PatchAnswer {
    success: bool,
    id: String,
    /// The whole session, whose own `metadata` is what its owner says about it.
    metadata: SessionAnswer,
    updated_at: String,
}

/// A copy of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Copy)]
pub(crate) struct CopyAnswer {
    #[serde(flatten)]
    session: SessionAnswer,
    /// The session that was copied.
    source_session_id: String,
}

/// Sessions that were deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::DeletedSessions)]
pub(crate) struct DeletedAll {
    success: bool,
    deleted_count: usize,
    /// Their ids.
    deleted_sessions: Vec<String>,
    deleted_at: String,
}

/// The id in a path. One that cannot be is one that is not there.
pub(crate) fn session_id(text: &str) -> Result<SessionId, Fault> {
    SessionId::parse(text)
        .map_err(|_| pentad_exec::Error::SessionNotFound(text.chars().take(140).collect()).into())
}

/// Create a session
///
/// A session has a workspace and data that its programs find again. With `setup`, packages are installed in the
/// background, in the sandbox, from the registries of PyPI, npm and Go alone.
#[utoipa::path(post, path = "/api/sessions", tag = "exec", operation_id = "exec_create_session",
    request_body = CreateBody,
    responses((status = 201, description = "The session is made.", body = SessionAnswer),
              (status = 400, description = "A field is missing or wrong: `VALIDATION_ERROR`, `INVALID_LANGUAGE`, `INVALID_SESSION_ID`."),
              (status = 409, description = "There is a session with this id: `SESSION_EXISTS`."),
              (status = 413, description = "Data or metadata is larger than 256 KiB.")))]
pub(crate) async fn create_session(
    api: Data<Api>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateBody>,
) -> Result<HttpResponse, Fault> {
    let new = NewSession {
        id: body.session_id.as_deref().map(SessionId::parse).transpose()?,
        language: language(&body.language)?,
        persistent: body.persistent.unwrap_or(true),
        data: body.data.unwrap_or_default().0,
        metadata: body.metadata.unwrap_or_default().0,
        settings: SessionSettings {
            default_timeout: body
                .default_timeout
                .map(|number| duration("default_timeout", &number, 1.0))
                .transpose()?,
            allow_internet: body.allow_internet,
            allow_public: body.allow_public,
            metadata: None,
        },
        setup: body.setup.map(SetupBody::read).transpose()?,
    };
    let session = api.exec.create(&principal.actor, new).await.map_err(fault)?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(SessionAnswer::from(session)))
}

/// List sessions
///
/// Newest first, at most 1000; `cursor` goes on where the answer before stopped.
#[utoipa::path(get, path = "/api/sessions", tag = "exec", operation_id = "exec_list_sessions",
    params(("limit" = Option<u32>, Query, description = "Sessions of an answer, 1 to 1000. Default 1000."),
           ("cursor" = Option<String>, Query, description = "Where to go on: `cursor` of the answer before.")),
    responses((status = 200, description = "The sessions.", body = ListAnswer),
              (status = 400, description = "A parameter is wrong.")))]
pub(crate) async fn list_sessions(
    api: Data<Api>,
    principal: Principal,
    query: Query,
) -> Result<Json<ListAnswer>, Fault> {
    let limit = query
        .integer("limit", &(1..=1000))?
        .and_then(|limit| u32::try_from(limit).ok());
    let page = api
        .exec
        .sessions(&principal.actor, limit, query.text("cursor"))
        .await?;
    Ok(Json(ListAnswer {
        count: page.sessions.len(),
        sessions: page.sessions.into_iter().map(SessionAnswer::from).collect(),
        total: page.total,
        cursor: page.next,
    }))
}

/// Describe a session
///
/// With the list of its files.
#[utoipa::path(get, path = "/api/sessions/{id}", tag = "exec", operation_id = "exec_get_session",
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The session.", body = GetAnswer),
              (status = 404, description = "There is no such session: `SESSION_NOT_FOUND`.")))]
pub(crate) async fn get_session(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<GetAnswer>, Fault> {
    let id = session_id(&id)?;
    let session = api.exec.session(&principal.actor, &id).await?;
    let files = api.exec.files(&principal.actor, &id).await?;
    Ok(Json(GetAnswer {
        session: session.into(),
        files: files.into_iter().map(FileAnswer::from).collect(),
    }))
}

/// Change a session's settings
#[utoipa::path(patch, path = "/api/sessions/{id}", tag = "exec", operation_id = "exec_edit_session",
    request_body = PatchBody,
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The session as it is now.", body = PatchAnswer),
              (status = 400, description = "A value is wrong, or a timeout longer than 600 s."),
              (status = 404, description = "There is no such session.")))]
pub(crate) async fn patch_session(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<PatchBody>,
) -> Result<Json<PatchAnswer>, Fault> {
    let change = SessionSettings {
        default_timeout: body
            .default_timeout
            .map(|number| duration("default_timeout", &number, 1.0))
            .transpose()?,
        allow_internet: body.allow_internet,
        allow_public: body.allow_public,
        metadata: body.metadata.map(|metadata| metadata.0),
    };
    let session = api
        .exec
        .configure(&principal.actor, &session_id(&id)?, change)
        .await?;
    Ok(Json(PatchAnswer {
        success: true,
        id: session.id.to_string(),
        updated_at: session.updated_at.to_string(),
        metadata: session.into(),
    }))
}

/// Duplicate a session
///
/// Copies its files, data, settings and stored code; files are shared until one of the two changes them. The
/// body may be empty.
#[utoipa::path(post, path = "/api/sessions/{id}/duplicate", tag = "exec", request_body = DuplicateBody,
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 201, description = "The copy.", body = CopyAnswer),
              (status = 400, description = "The new id is refused: `INVALID_SESSION_ID`."),
              (status = 404, description = "There is no such session."),
              (status = 409, description = "There is a session with the new id: `SESSION_EXISTS`.")))]
pub(crate) async fn duplicate_session(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<DuplicateBody>,
) -> Result<HttpResponse, Fault> {
    let source = session_id(&id)?;
    let new_id = body
        .new_id
        .or(body.id)
        .as_deref()
        .map(SessionId::parse)
        .transpose()?;
    let data = body.data.map(|data| data.0);
    let copy = api
        .exec
        .duplicate(&principal.actor, &source, new_id, data)
        .await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(CopyAnswer {
        session: copy.into(),
        source_session_id: source.to_string(),
    }))
}

/// Delete a session
///
/// With its files, data and code. A run that is under way is stopped, and leaves nothing.
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "exec", operation_id = "exec_delete_session",
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "It is gone.", body = Deleted),
              (status = 404, description = "There is no such session.")))]
pub(crate) async fn delete_session(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Deleted>, Fault> {
    let id = session_id(&id)?;
    let at = api.exec.delete(&principal.actor, &id).await?;
    Ok(Json(Deleted::new(id.as_str(), at)))
}

/// Delete all sessions
///
/// Every session of the caller's organisation, at once, with all their files. There is no way back.
#[utoipa::path(delete, path = "/api/sessions", tag = "exec",
    responses((status = 200, description = "They are gone.", body = DeletedAll)))]
pub(crate) async fn delete_sessions(api: Data<Api>, principal: Principal) -> Result<Json<DeletedAll>, Fault> {
    let deleted = api.exec.delete_all(&principal.actor).await?;
    let at: Timestamp = api.exec.now();
    Ok(Json(DeletedAll {
        success: true,
        deleted_count: deleted.len(),
        deleted_sessions: deleted,
        deleted_at: at.to_string(),
    }))
}
