//! Sessions: lists, details, edits, the trash.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, Form, JsonBody, Principal, Query, Surface, endpoint};
use pentad_kernel::ErrorKind;
use pentad_session_sync::{DeleteScope, Edit, Error, ListQuery, NewSession, SessionRef, SessionSync, Sort};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::archives::{ArchiveForm, check_length, drain, file_part, pieces, pushed};
use crate::faults::{boolean, choice, fault, integer};
use crate::wire::{SessionAnswer, SessionList, UploadedAnswer};

/// Refuses service keys on operations that are a person's, when the route itself is shared with surfaces
/// that take them.
pub(crate) fn personal(principal: &Principal) -> Result<(), Fault> {
    if principal.actor.is_service_key() {
        return Err(
            Fault::new(ErrorKind::Forbidden, "Service keys may not use this operation")
                .with_code("service_key_not_allowed")
                .with_details(json!({"service_key_name": principal.actor.key_name})),
        );
    }
    Ok(())
}

/// Lists the caller's sessions: `GET /api/v1/sessions`.
///
/// # Errors
/// A fault for a parameter out of its bounds, or for a service key.
pub async fn list_sessions(
    sync: &SessionSync,
    principal: &Principal,
    query: &Query,
) -> Result<Json<SessionList>, Fault> {
    personal(principal)?;
    let page = integer(query, "page", &(1..=1_000_000), 1)?;
    let page_size = integer(query, "page_size", &(1..=100), 20)?;
    let sort = choice(
        query,
        "sort",
        &[("updated_at", Sort::UpdatedAt), ("model", Sort::Model)],
    )?;
    let order = choice(query, "order", &[("asc", true), ("desc", false)])?;
    // A form sends what is not filled in as nothing.
    let filter = |name: &str| {
        query
            .text(name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let wanted = ListQuery {
        page,
        page_size,
        source_tool: filter("source_tool"),
        models: query.texts("model").map(str::to_owned).collect(),
        tag: filter("tag"),
        sort: sort.unwrap_or_default(),
        ascending: order.unwrap_or(false),
        deleted: boolean(query, "deleted", false)?,
    };
    let found = sync.list(&principal.actor, &wanted).await.map_err(fault)?;
    Ok(Json(SessionList::of(found, page, page_size)))
}

/// List sessions (paginated)
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions",
    params(("page" = Option<u32>, Query, description = "From 1. Default 1."),
           ("page_size" = Option<u32>, Query, description = "1 to 100. Default 20."),
           ("source_tool" = Option<String>, Query, description = "Only sessions recorded with this tool."),
           ("model" = Option<Vec<String>>, Query, description = "Only sessions with this model; may be repeated."),
           ("tag" = Option<String>, Query, description = "Only sessions with this tag."),
           ("sort" = Option<String>, Query, description = "`updated_at` (default) or `model`."),
           ("order" = Option<String>, Query, description = "`desc` (default) or `asc`."),
           ("deleted" = Option<bool>, Query, description = "The trash instead.")),
    responses((status = 200, description = "A page of sessions.", body = SessionList),
              (status = 422, description = "A parameter is out of its bounds.")))]
async fn list(
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
) -> Result<Json<SessionList>, Fault> {
    list_sessions(&sync, &principal, &query).await
}

/// Describes a session of the caller's: `GET /api/v1/sessions/{id}`.
///
/// # Errors
/// A fault for a session that is not there, or for a service key.
pub async fn describe_session(
    sync: &SessionSync,
    principal: &Principal,
    id: &str,
) -> Result<Json<SessionAnswer>, Fault> {
    personal(principal)?;
    let name = SessionRef::parse(id).map_err(fault)?;
    let session = sync.session(&principal.actor, &name).await.map_err(fault)?;
    Ok(Json(session.into()))
}

/// Get session detail
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session.", body = SessionAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn describe(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SessionAnswer>, Fault> {
    describe_session(&sync, &principal, &id).await
}

/// Stores an archive as a new session: `POST /api/v1/sessions` with a part named `file`.
///
/// # Errors
/// A fault for what is wrong with the parameters or the archive, or for a service key.
pub async fn upload_session(
    request: &HttpRequest,
    sync: &SessionSync,
    principal: &Principal,
    query: &Query,
    form: &mut Form,
) -> Result<HttpResponse, Fault> {
    personal(principal)?;
    check_length(request, sync.archive_limit(principal))?;
    let source_tool = query
        .text("source_tool")
        .ok_or_else(|| Fault::unprocessable(&["query", "source_tool"], "Field required", "missing"))?;
    let tags = match query.text("tags").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            serde_json::from_str::<Vec<String>>(text)
                .map_err(|_| Fault::invalid("tags must be a JSON array of texts"))?,
        ),
    };
    let new = NewSession {
        source_tool: source_tool.to_owned(),
        title: query.text("title").map(str::to_owned),
        tags,
    };
    let mut part = file_part(request, form).await?;
    match sync.upload(principal, new, pieces(&mut part)).await {
        Ok(done) => Ok(pushed(&done, StatusCode::CREATED, UploadedAnswer::from(&done))),
        Err(error) => {
            drain(&mut part).await;
            Err(fault(error))
        }
    }
}

/// Upload/create a session
///
/// Stores an archive under a new identifier; title and tags given here win over the archive's.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions",
    params(("source_tool" = String, Query, description = "The tool it was recorded with: 1 to 50 of a-z, 0-9, _ and -."),
           ("title" = Option<String>, Query, description = "Its title, at most 500 characters."),
           ("tags" = Option<String>, Query, description = "Its tags: a JSON array of at most 20 texts.")),
    request_body(content = ArchiveForm, content_type = "multipart/form-data"),
    responses((status = 201, description = "The session is stored.", body = UploadedAnswer),
              (status = 400, description = "The archive or the tags are refused."),
              (status = 413, description = "The archive, or a file in it, is too large."),
              (status = 422, description = "A parameter is out of its bounds."),
              (status = 503, description = "The form is that of a grep session, and there is no room for it.")))]
async fn upload(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
    mut form: Form,
) -> Result<HttpResponse, Fault> {
    upload_session(&request, &sync, &principal, &query, &mut form).await
}

/// Puts a session into the trash: `DELETE /api/v1/sessions/{id}`.
///
/// # Errors
/// A fault for an unknown scope, a session that is not there, or a service key.
pub async fn delete_session(
    sync: &SessionSync,
    principal: &Principal,
    id: &str,
    query: &Query,
) -> Result<HttpResponse, Fault> {
    personal(principal)?;
    let name = SessionRef::parse(id).map_err(fault)?;
    let scope = match query.text("scope") {
        None => DeleteScope::Cloud,
        Some(text) => {
            DeleteScope::parse(text).ok_or_else(|| fault(Error::word("scope", "cloud and everywhere")))?
        }
    };
    let session = sync.delete(&principal.actor, &name, scope).await.map_err(fault)?;
    let mut response = HttpResponse::Ok();
    if query.text("scope").is_none() {
        response.insert_header((
            "X-Deprecation-Warning",
            "scope will be required from v1.0 on: send scope=cloud or scope=everywhere; without it, cloud is meant",
        ));
    }
    Ok(response.json(SessionAnswer::from(session)))
}

/// Soft-delete a session
///
/// The trash keeps it for 30 days.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef"),
           ("scope" = Option<String>, Query, description = "`cloud` (default), or `everywhere`: devices delete their copies too.")),
    responses((status = 200, description = "The session is in the trash.", body = SessionAnswer),
              (status = 400, description = "There is no such scope."),
              (status = 404, description = "There is no such session."),
              (status = 410, description = "It is in the trash already."),
              (status = 422, description = "A parameter is out of its bounds.")))]
async fn delete(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    delete_session(&sync, &principal, &id, &query).await
}

/// Changes to a session; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::EditSession, example = json!({"title": "Retry test", "tags": ["ci"]}))]
pub struct EditSession {
    /// The new title, at most 500 characters; HTML tags and the spaces around it are taken out, and something
    /// must be left.
    title: Option<String>,
    /// The new alias.
    alias: Option<String>,
    /// The new tags, at most 20 of at most 50 characters.
    tags: Option<Vec<String>>,
}

/// Changes a session: `PATCH /api/v1/sessions/{id}`.
///
/// # Errors
/// A fault for what cannot be changed so, a session that is not there, or a service key.
pub async fn edit_session(
    sync: &SessionSync,
    principal: &Principal,
    id: &str,
    body: EditSession,
) -> Result<Json<SessionAnswer>, Fault> {
    personal(principal)?;
    let name = SessionRef::parse(id).map_err(fault)?;
    if body.alias.is_some() {
        pentad_session_sync::require_feature(principal, pentad_identity::Feature::AliasesCloud)
            .map_err(fault)?;
    }
    let edit = Edit {
        title: body.title,
        alias: body.alias,
        tags: body.tags,
    };
    let session = sync.edit(&principal.actor, &name, edit).await.map_err(fault)?;
    Ok(Json(session.into()))
}

/// Change title, alias and tags
#[utoipa::path(patch, path = "/api/v1/sessions/{id}", tag = "sessions", request_body = EditSession,
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session as it is now.", body = SessionAnswer),
              (status = 400, description = "Nothing is to be changed."),
              (status = 404, description = "There is no such session."),
              (status = 405, description = "The identifier is that of a grep session."),
              (status = 409, description = "Another session has the alias."),
              (status = 422, description = "A value is out of its bounds.")))]
async fn edit(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<EditSession>,
) -> Result<Json<SessionAnswer>, Fault> {
    edit_session(&sync, &principal, &id, body).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SetAlias, example = json!({"alias": "retry-test"}))]
struct SetAlias {
    /// 3 to 100 of letters, digits, `_` and `-`, beginning with a letter or digit.
    alias: String,
}

/// Set session alias
#[utoipa::path(put, path = "/api/v1/sessions/{id}/alias", tag = "sessions", request_body = SetAlias,
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session as it is now.", body = SessionAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session."),
              (status = 409, description = "Another session has the alias."),
              (status = 422, description = "That cannot be an alias.")))]
async fn set_alias(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<SetAlias>,
) -> Result<Json<SessionAnswer>, Fault> {
    pentad_session_sync::require_feature(&principal, pentad_identity::Feature::AliasesCloud)
        .map_err(fault)?;
    let name = SessionRef::parse(&id).map_err(fault)?;
    let edit = Edit {
        alias: Some(body.alias),
        ..Edit::default()
    };
    let session = sync.edit(&principal.actor, &name, edit).await.map_err(fault)?;
    Ok(Json(session.into()))
}

/// Clear session alias
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/alias", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session as it is now.", body = SessionAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn clear_alias(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SessionAnswer>, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let session = sync.clear_alias(&principal.actor, &name).await.map_err(fault)?;
    Ok(Json(session.into()))
}

/// Take a session out of the trash
#[utoipa::path(post, path = "/api/v1/sessions/{id}/restore", tag = "sessions",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The session as it is now.", body = SessionAnswer),
              (status = 409, description = "It is not in the trash."),
              (status = 410, description = "It is gone for good.")))]
async fn restore(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SessionAnswer>, Fault> {
    let restored = sync.restore(&principal.actor, &id).await.map_err(fault)?;
    let mut answer = SessionAnswer::from(restored.session);
    answer.local_copy_may_be_missing = Some(restored.from_scope.as_deref() == Some("both"));
    answer.restored_from_scope = restored.from_scope;
    Ok(Json(answer))
}

/// What came of reading archives again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Reindexed)]
struct ReindexedAnswer {
    /// Sessions whose archives were looked at.
    reindexed: u64,
    /// Those that now follow what was found.
    updated: u64,
    /// Those whose archives could not be read.
    errors: u64,
}

/// Read the caller's archives again
///
/// For sessions that were pushed to an older version: counts, messages, workspace, summary and the text that is
/// searched follow what is found in the stored archives by now. Titles, tags and aliases stay as they are.
#[utoipa::path(post, path = "/api/v1/sessions/admin/reindex", tag = "sessions",
    responses((status = 200, description = "What came of it.", body = ReindexedAnswer)))]
async fn reindex(sync: Data<SessionSync>, principal: Principal) -> Result<Json<ReindexedAnswer>, Fault> {
    let done = sync.reindex(&principal).await.map_err(fault)?;
    Ok(Json(ReindexedAnswer {
        reindexed: done.sessions,
        updated: done.updated,
        errors: done.failed,
    }))
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Purged)]
struct PurgedAnswer {
    /// How many sessions.
    purged: usize,
    /// Bytes of their archives; those that no other session has are removed by the next sweep.
    bytes_reclaimed: i64,
}

/// Empty the trash of what is due
///
/// Forgets the sessions, whoever's, that have been in the trash for their 30 days; this also happens by itself
/// every quarter of an hour.
#[utoipa::path(post, path = "/api/v1/admin/purge-deleted", tag = "sessions",
    responses((status = 200, description = "What was forgotten.", body = PurgedAnswer)))]
async fn purge_deleted(sync: Data<SessionSync>) -> Result<Json<PurgedAnswer>, Fault> {
    let purged = sync.purge().await.map_err(fault)?;
    Ok(Json(PurgedAnswer {
        purged: purged.sessions,
        bytes_reclaimed: purged.bytes,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list, Access::User).shared_with(&[Surface::Grep]),
        endpoint!(upload, Access::User).shared_with(&[Surface::Grep]),
        endpoint!(describe, Access::User).shared_with(&[Surface::Grep]),
        endpoint!(delete, Access::User).shared_with(&[Surface::Grep]),
        endpoint!(edit, Access::User).shared_with(&[Surface::Grep]),
        endpoint!(set_alias, Access::User),
        endpoint!(clear_alias, Access::User),
        endpoint!(restore, Access::User),
        endpoint!(purge_deleted, Access::Admin),
        endpoint!(reindex, Access::User),
    ]
}
