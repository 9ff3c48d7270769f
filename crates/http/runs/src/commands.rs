//! What a person tells a running agent.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use pentad_http_kit::{Fault, Principal, Query};
use pentad_runs::{Command, Error, NewCommand, RunId};
use serde_json::json;

use crate::body::Body;
use crate::{Api, auth, render};

/// The longest a client may ask for.
const LONGEST_HOLD: f64 = 25.0;

/// Wait for commands
///
/// Answers as soon as there is a command after `cursor`, or with none after `wait` seconds (20, at most 25).
/// A run that is not known yet is waited for. A refusal comes after a second, because the SDK asks again at once.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/commands", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("cursor" = Option<String>, Query, description = "The last command that was read."),
           ("wait" = Option<f64>, Query, description = "Seconds to wait.")),
    responses((status = 200, description = "The commands after the cursor.", body = Object, example = json!({
        "commands": [{"command_id": "cmd_0000000001", "type": "pause", "issued_at": "2026-05-19T00:00:00Z",
                      "operator_id": "u1", "payload": null}], "cursor": "cmd_0000000001"}))))]
pub(crate) async fn poll_commands(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse_at(&path, &["path", "run_id"])?;
    let hold = match query.text("wait") {
        None => api.runs.limits().command_hold,
        Some(text) => match text.parse::<f64>() {
            Ok(seconds) if (0.0..=LONGEST_HOLD).contains(&seconds) => Duration::from_secs_f64(seconds),
            _ => {
                let message = format!("expected a number of seconds from 0 to {LONGEST_HOLD}");
                return Err(Error::invalid(&["query", "wait"], "out_of_range", message).into());
            }
        },
    };
    let cursor = query.text("cursor");
    let commands = api
        .runs
        .poll_commands(&principal.actor, &run, cursor, hold)
        .await?;
    let cursor = commands
        .last()
        .map(Command::id)
        .or_else(|| cursor.map(str::to_owned));
    Ok(HttpResponse::Ok().json(json!({
        "commands": commands.iter().map(render::command).collect::<Vec<_>>(),
        "cursor": cursor,
    })))
}

/// Command the agent of a run
///
/// `pause`, `resume`, `kill`, `inject_hint` (payload `{text}`) or `override_action` (payload
/// `{coordinates: {x, y}}`). The agent gets it by its next poll.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/commands", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({"type": "inject_hint", "payload": {"text": "log in first"}})),
    responses((status = 201, description = "The command is stored.", body = Object),
              (status = 404, description = "There is no such run."),
              (status = 422, description = "The command is none.")))]
pub(crate) async fn send_command(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path).ok_or(Error::RunNotFound)?;
    let new = NewCommand::read(&body.json()?)?;
    let command = api.runs.command(&principal.actor, &run, new).await?;
    auth::note_override(&api, &principal, "run.command", run.as_str()).await?;
    Ok(HttpResponse::Created().json(render::command(&command)))
}
