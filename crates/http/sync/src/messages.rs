//! What is in a session's archive: messages, workspace, tools, provenance, changes of files.

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, Principal, Query, endpoint};
use pentad_session_sync::{MessageOrder, MessageQuery, SessionRef, SessionSync};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::faults::{choice, fault, integer, optional_integer};

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::MessagePage)]
struct MessagesAnswer {
    /// The messages as the archive has them.
    messages: Vec<Value>,
    /// Their lines in `messages.jsonl`, from 0.
    message_indexes: Vec<u32>,
    /// Visible messages in all.
    total: u64,
    /// Which page this is, from 1.
    page: u32,
    /// Messages on a page.
    page_size: u32,
    /// Whether there is a next page.
    has_more: bool,
    /// Where the message asked for by `around` is.
    target: Option<TargetAnswer>,
}

/// Where a message is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::MessageTarget)]
struct TargetAnswer {
    /// The line that was asked for.
    index: u32,
    /// `found`, `hidden` or `missing`.
    status: &'static str,
    /// The nearest visible message's line.
    anchor_index: Option<u32>,
}

/// Get paginated messages
///
/// Side chains and empty messages are left out. `around` gives the page that holds a line of
/// `messages.jsonl`.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/messages", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef"),
           ("page" = Option<u32>, Query, description = "From 1. Default 1."),
           ("page_size" = Option<u32>, Query, description = "1 to 100. Default 50."),
           ("order" = Option<String>, Query, description = "`oldest` (default) or `newest`."),
           ("around" = Option<u32>, Query, description = "The page with this line, from 0.")),
    responses((status = 200, description = "A page of messages.", body = MessagesAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "A parameter is out of its bounds.")))]
async fn messages(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<Json<MessagesAnswer>, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let page_size = integer(&query, "page_size", &(1..=100), 50)?;
    let order = choice(
        &query,
        "order",
        &[("oldest", MessageOrder::Oldest), ("newest", MessageOrder::Newest)],
    )?;
    let wanted = MessageQuery {
        page: integer(&query, "page", &(1..=10_000_000), 1)?,
        page_size,
        order: order.unwrap_or_default(),
        around: optional_integer(&query, "around", &(0..=10_000_000))?,
    };
    let page = sync
        .messages(&principal.actor, &name, wanted)
        .await
        .map_err(fault)?;
    Ok(Json(MessagesAnswer {
        messages: page.messages,
        message_indexes: page.message_indexes,
        total: page.total,
        page: page.page,
        page_size,
        has_more: page.has_more,
        target: page.target.map(|target| TargetAnswer {
            index: target.index,
            status: target.status,
            anchor_index: target.anchor_index,
        }),
    }))
}

/// Get the workspace a session was recorded in
#[utoipa::path(get, path = "/api/v1/sessions/{id}/workspace", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "`workspace.json` of the archive, under `workspace`.", body = Value),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session, or no such file in it.")))]
async fn workspace(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let workspace = sync.workspace(&principal.actor, &name).await.map_err(fault)?;
    Ok(Json(json!({"workspace": workspace})))
}

/// Get the tools a session used
#[utoipa::path(get, path = "/api/v1/sessions/{id}/tools", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "`tools.json` of the archive, under `tools`.", body = Value),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session, or no such file in it.")))]
async fn tools(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let tools = sync.tools(&principal.actor, &name).await.map_err(fault)?;
    Ok(Json(json!({"tools": tools})))
}

/// Which rules a session was worked under.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Provenance)]
struct ProvenanceAnswer {
    /// The session.
    session_id: String,
    /// The version of the rules.
    rules_version: Option<i64>,
    /// SHA-256 of the rules, hex.
    rules_hash: Option<String>,
    /// Where they came from.
    rules_source: Option<String>,
    /// The files of instructions that were in force.
    instruction_artifacts: Vec<Value>,
}

/// Get the rules a session was worked under
#[utoipa::path(get, path = "/api/v1/sessions/{id}/provenance", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The rules.", body = ProvenanceAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn provenance(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<ProvenanceAnswer>, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let (session_id, rules) = sync.provenance(&principal.actor, &name).await.map_err(fault)?;
    Ok(Json(ProvenanceAnswer {
        session_id,
        rules_version: rules.rules_version,
        rules_hash: rules.rules_hash,
        rules_source: rules.rules_source,
        instruction_artifacts: rules.instruction_artifacts,
    }))
}

/// What was done to one file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::FileChange)]
struct FileChangeAnswer {
    /// The file, as the tools named it.
    path: String,
    /// `created`, `edited`, `deleted` or `unknown`.
    operation: &'static str,
    /// The hunks in the order in which they were made, as in unified diffs.
    diff: String,
    /// Lines added.
    added_lines: u64,
    /// Lines removed.
    removed_lines: u64,
    /// The lines of `messages.jsonl` that hold the calls, from 0.
    message_indexes: Vec<u32>,
    /// Whether the diff was cut.
    truncated: bool,
}

/// What a session did to files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SessionChanges)]
struct ChangesAnswer {
    /// The files, by path.
    files: Vec<FileChangeAnswer>,
    /// The commit or branch that the session worked on.
    git_ref: Option<String>,
    /// Whether files were left out.
    truncated: bool,
}

/// Get what a session did to files
///
/// A diff for each file, told by the calls of the session's tools; calls that failed count for nothing.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/changes", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef"),
           ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer.")),
    responses((status = 200, description = "The files, with `ETag`.", body = ChangesAnswer),
              (status = 304, description = "As in the earlier answer."),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn changes(
    sync: Data<SessionSync>,
    request: HttpRequest,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let changes = sync.changes(&principal.actor, &name).await.map_err(fault)?;
    let etag = format!("\"changes-{}\"", changes.etag);
    let known = request.headers().get(IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let files = changes.files.into_iter().map(|file| FileChangeAnswer {
        path: file.path,
        operation: file.operation.name(),
        diff: file.diff,
        added_lines: file.added_lines,
        removed_lines: file.removed_lines,
        message_indexes: file.message_indexes,
        truncated: file.truncated,
    });
    let answer = ChangesAnswer {
        files: files.collect(),
        git_ref: changes.git_ref,
        truncated: changes.truncated,
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, etag)).json(answer))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(messages, Access::User),
        endpoint!(workspace, Access::User),
        endpoint!(tools, Access::User),
        endpoint!(provenance, Access::User),
        endpoint!(changes, Access::User),
    ]
}
