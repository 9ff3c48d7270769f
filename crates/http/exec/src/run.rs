//! `/api/sessions/{id}/run` and `/stream`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use pentad_exec::{Error, Piece, RunRequest, SessionRun, Streaming};
use pentad_http_kit::{Events, Fault, JsonBody, Principal};
use pentad_kernel::{Classify as _, ErrorKind};
use serde::Deserialize;
use serde_json::{Number, Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::answers::{RunAnswer, millis, timed_out};
use crate::faults::fault;
use crate::gone::Client;
use crate::sessions::session_id;
use crate::wire::{JsonObject, env, timeout};

/// How often something is sent while the program is silent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A program to run in a session.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::RunRequest, example = json!({
    "code": "import os; print(os.environ['ERA_SESSION_ID'])", "env": {"API_KEY": "secret123"}
}))]
pub(crate) struct RunBody {
    /// The program; the session's stored code when there is none.
    code: Option<String>,
    /// Wall time in milliseconds. Default the session's, or 30000.
    #[schema(value_type = Option<f64>)]
    timeout_ms: Option<Number>,
    /// Wall time in seconds, where `timeout_ms` is absent.
    #[schema(value_type = Option<f64>)]
    timeout: Option<Number>,
    /// Members to set in the session's data before the run.
    #[schema(value_type = Option<Object>)]
    update_data: Option<JsonObject>,
    /// Environment variables of this run alone.
    env: Option<BTreeMap<String, String>>,
    /// Standard input.
    stdin: Option<String>,
}

impl RunBody {
    fn read(self) -> Result<RunRequest, Fault> {
        Ok(RunRequest {
            timeout: timeout(self.timeout_ms.as_ref(), self.timeout.as_ref())?,
            update_data: self.update_data.map(|data| data.0),
            env: env(self.env)?,
            stdin: self.stdin.unwrap_or_default().into_bytes(),
            code: self.code,
            ..RunRequest::default()
        })
    }
}

/// Run code in a session
///
/// The program finds the session's files and its data in `.session_data.json`, and what it leaves of both is
/// kept, also when it fails or is stopped. Runs of one session take their turns. `ERA_SESSION`,
/// `ERA_SESSION_ID` and `ERA_LANGUAGE` are always set; `env` is for this run alone and never stored.
#[utoipa::path(post, path = "/api/sessions/{id}/run", tag = "exec", request_body = RunBody,
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The program ended.", body = RunAnswer),
              (status = 400, description = "A field is wrong, or there is no code: `VALIDATION_ERROR`, `NO_CODE`."),
              (status = 404, description = "There is no such session, or it was deleted meanwhile."),
              (status = 408, description = "The program's time was over: `EXECUTION_TIMEOUT`, with the result beside it."),
              (status = 413, description = "Something is larger than a limit, which the message names."),
              (status = 503, description = "`LANGUAGE_UNAVAILABLE` or `SANDBOX_UNAVAILABLE`; the message says what to do.")))]
pub(crate) async fn run_code(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    id: Path<String>,
    JsonBody(body): JsonBody<RunBody>,
) -> Result<Json<RunAnswer>, Fault> {
    let id = session_id(&id)?;
    let work = api.exec.run(&principal.actor, &id, body.read()?);
    let run = Client::of(&request).wait_for(work).await.map_err(fault)?;
    let late = run.execution.timed_out();
    let answer = RunAnswer::from(run);
    if late {
        return Err(timed_out(&answer)?);
    }
    Ok(Json(answer))
}

/// Run code and follow its output
///
/// Server-sent events, as the program writes: `stdout` and `stderr` with `{"type", "content"}` for each line (a
/// line that is not finished is sent after 25 ms), `error` with `{"type", "error", "code"}` when its time is
/// over, and at the end exactly one `done` with `{"type", "exit_code", "duration"}` and more. Whoever hangs up
/// stops the program. What is refused before the program begins is an ordinary error.
#[utoipa::path(post, path = "/api/sessions/{id}/stream", tag = "exec", request_body = RunBody,
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The events.", body = inline(Events), content_type = "text/event-stream"),
              (status = 400, description = "A field is wrong, or there is no code: `VALIDATION_ERROR`, `NO_CODE`."),
              (status = 404, description = "There is no such session."),
              (status = 503, description = "`LANGUAGE_UNAVAILABLE` or `SANDBOX_UNAVAILABLE`; the message says what to do.")))]
pub(crate) async fn stream_code(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    id: Path<String>,
    JsonBody(body): JsonBody<RunBody>,
) -> Result<HttpResponse, Fault> {
    let id = session_id(&id)?;
    let client = Client::of(&request);
    let work = api.exec.stream(&principal.actor, &id, body.read()?);
    let streaming = client.wait_for(work).await.map_err(fault)?;
    let events = stream::unfold(Some((streaming, client)), |state| async move {
        let (mut streaming, client) = state?;
        let pause = tokio::time::sleep(KEEP_ALIVE);
        let (chunk, state) = tokio::select! {
            piece = streaming.next() => match piece {
                Some(piece) => (events_of(&piece), Some((streaming, client))),
                None => (last_events(streaming).await, None),
            },
            () = client.gone() => return None,
            () = pause => (": still running\n\n".to_owned(), Some((streaming, client))),
        };
        Some((Ok::<_, actix_web::Error>(Bytes::from(chunk)), state))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(events)))
}

/// An event, whose data says its name first.
fn event(name: &str, data: &Value) -> String {
    let members = data.to_string();
    let rest = members.trim_start_matches('{');
    format!("event: {name}\ndata: {{\"type\":\"{name}\",{rest}\n\n")
}

/// An event for each line.
fn events_of(piece: &Piece) -> String {
    let (name, text) = match piece {
        Piece::Stdout(text) => ("stdout", text),
        Piece::Stderr(text) => ("stderr", text),
    };
    text.split_inclusive('\n')
        .map(|line| event(name, &json!({ "content": line })))
        .collect()
}

async fn last_events(streaming: Streaming) -> String {
    match streaming.end().await {
        Ok(run) => ended(&run),
        Err(error) => failed(error),
    }
}

fn ended(run: &SessionRun) -> String {
    let execution = &run.execution;
    let mut text = String::new();
    if execution.timed_out() {
        let message = "the program did not end within its time";
        text = event("error", &json!({ "error": message, "code": "EXECUTION_TIMEOUT" }));
    }
    let done = json!({
        "exit_code": execution.exit_code,
        "duration": format!("{:.2}s", execution.duration.as_secs_f64()),
        "execution_time_ms": millis(execution.duration),
        "files_modified": run.files_modified,
        "truncated": execution.stdout.truncated || execution.stderr.truncated,
        "killed_by": execution.killed_by.map(pentad_sandbox::KilledBy::as_str),
        "stopped": execution.stopped,
    });
    text + &event("done", &done)
}

/// A failure of ours after the program began: there is no exit code, and none is made up.
fn failed(error: Error) -> String {
    let code = error.code().unwrap_or("INTERNAL");
    let message = if error.kind() == ErrorKind::Internal {
        let fault = fault(error);
        tracing::error!(error = %fault.message, "a streamed run failed");
        "internal error".to_owned()
    } else {
        error.to_string()
    };
    let error = json!({ "error": message, "code": code });
    let done = json!({ "exit_code": null, "duration": "0.00s" });
    event("error", &error) + &event("done", &done)
}
