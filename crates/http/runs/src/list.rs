//! Lists: runs, connections, files.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use pentad_http_kit::{Fault, Principal};
use pentad_kernel::Timestamp;
use pentad_runs::{Command, Error, Filter, MAX_PAGE, RunId, State};
use serde_json::json;

use crate::{Api, auth, render};

/// How many runs a page has by default.
const PAGE: u32 = 50;

fn run_in_path(text: &str) -> Result<RunId, Fault> {
    RunId::parse(text).ok_or_else(|| Error::RunNotFound.into())
}

struct ListQuery {
    filter: Filter,
    limit: u32,
    cursor: Option<String>,
}

fn read_query(query: &str) -> Result<ListQuery, Fault> {
    let invalid = |name: &str, message: &str| -> Fault {
        Error::invalid(&["query", name], "value_error", message).into()
    };
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|_| invalid("", "the query cannot be read"))?
        .into_inner();
    let mut read = ListQuery {
        filter: Filter::default(),
        limit: PAGE,
        cursor: None,
    };
    let filter = &mut read.filter;
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => {
                read.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_PAGE).contains(limit))
                    .ok_or_else(|| invalid("limit", "expected a whole number from 1 to 500"))?;
            }
            "cursor" => read.cursor = Some(value).filter(|cursor| !cursor.is_empty()),
            "status" => filter.status = Some(value),
            "client" => filter.client = Some(value),
            "failure_class" => filter.failure_class = Some(value),
            "q" => filter.search = Some(value),
            "parent" => filter.parent = Some(value),
            "since" => {
                let instant =
                    Timestamp::parse(&value).map_err(|error| invalid("since", &error.to_string()))?;
                filter.since = Some(instant);
            }
            "include_branches" => {
                filter.include_branches = match value.as_str() {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(invalid("include_branches", "expected true or false")),
                };
            }
            other => match other.strip_prefix("tag.") {
                Some(tag) => filter.tags.push((tag.to_owned(), value)),
                None => return Err(invalid(other, "unknown parameter")),
            },
        }
    }
    Ok(read)
}

/// List runs
///
/// The runs of the active workspace, the latest active first. Branches of a run are left out unless
/// `include_branches` or `parent` asks for them. `tag.<name>=<value>` filters by a tag.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs",
    params(("limit" = Option<u32>, Query, description = "1 to 500; 50 by default."),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("status" = Option<String>, Query, description = "running, succeeded, failed, cancelled or halted."),
           ("client" = Option<String>, Query, description = "The client's name."),
           ("failure_class" = Option<String>, Query, description = "Runs with a step of this class."),
           ("q" = Option<String>, Query, description = "A part of the identifiers, the task, the client or the tags."),
           ("parent" = Option<String>, Query, description = "Branches of this run."),
           ("since" = Option<String>, Query, description = "Active at or after this time."),
           ("include_branches" = Option<bool>, Query, description = "Also branches of other runs.")),
    responses((status = 200, description = "A page of runs.", body = Object),
              (status = 422, description = "A parameter is unknown or wrong.")))]
pub(crate) async fn list_runs(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let query = read_query(request.query_string())?;
    let page = api
        .runs
        .list(
            &principal.actor,
            &query.filter,
            query.limit,
            query.cursor.as_deref(),
        )
        .await?;
    Ok(HttpResponse::Ok().json(json!({
        "runs": page.runs.iter().map(render::run).collect::<Vec<_>>(),
        "next_cursor": page.next_cursor,
    })))
}

/// Read a run as the list shows it
#[utoipa::path(get, path = "/api/v1/runs/{run_id}", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The run.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_run(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let summary = api.runs.summary(&principal.actor, &run_in_path(&path)?).await?;
    Ok(HttpResponse::Ok().json(render::run(&summary)))
}

/// Delete a run
///
/// Removes the run and everything recorded of it, for good.
#[utoipa::path(delete, path = "/api/v1/runs/{run_id}", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 204, description = "The run is gone."),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn delete_run(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    api.runs.delete(&principal.actor, &run).await?;
    auth::note_override(&api, &principal, "run.delete", run.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the files of a run
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/files", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The paths, sorted.", body = Object, example = json!({
        "files": ["AGENT.md", "manifest.json", "steps/0000.json", "trace.json"]})),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn list_run_files(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let files = api.runs.files(&principal.actor, &run_in_path(&path)?).await?;
    Ok(HttpResponse::Ok().json(json!({ "files": files })))
}

/// Compare a run with its signatures
///
/// The manifest holds the SHA-256 of every file that the client wrote to its own disk. Each is `verified`,
/// `mismatched`, `missing` (a lost post), or `not_streamed`.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/integrity", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "How every signed file stands.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_integrity(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let report = api.runs.integrity(&principal.actor, &run_in_path(&path)?).await?;
    let files: serde_json::Map<_, _> = report
        .files
        .iter()
        .map(|(path, state)| (path.clone(), json!(state.name())))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "verdict": report.verdict(),
        "signed": report.signed,
        "counts": {
            "verified": report.count(State::Verified),
            "mismatched": report.count(State::Mismatched),
            "missing": report.count(State::Missing),
            "not_streamed": report.count(State::NotStreamed),
        },
        "files": files,
    })))
}

/// List the commands of a run
///
/// Every command that was given, and when its agent first got it.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/commands/history", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The commands, oldest first.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn list_run_commands(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let commands = api.runs.commands(&principal.actor, &run_in_path(&path)?).await?;
    let rendered = |command: &Command| {
        let mut body = render::command(command);
        body["delivered_at"] = json!(command.delivered_at);
        body
    };
    Ok(HttpResponse::Ok().json(json!({ "commands": commands.iter().map(rendered).collect::<Vec<_>>() })))
}

/// List live clients
///
/// The clients that showed a sign of life within the last minute.
#[utoipa::path(get, path = "/api/v1/connections", tag = "runs",
    responses((status = 200, description = "The clients, the latest first.", body = Object)))]
pub(crate) async fn list_connections(api: Data<Api>, principal: Principal) -> Result<HttpResponse, Fault> {
    let connections = api.runs.connections(&principal.actor).await?;
    let now = api.runs.now();
    Ok(HttpResponse::Ok().json(json!({
        "horizon_s": api.runs.limits().connection_horizon.as_secs(),
        "connections": connections
            .iter()
            .map(|client| render::connection(client, now.since(client.last_seen).as_secs_f64()))
            .collect::<Vec<_>>(),
    })))
}

/// Liveness
///
/// Answers as long as the process does, without touching the database.
#[utoipa::path(get, path = "/api/v1/healthz", tag = "runs",
    responses((status = 200, description = "The server answers.", body = Object, example = json!({"status": "ok"}))))]
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}
