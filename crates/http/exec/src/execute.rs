//! `/api/execute`: a program without a session.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pentad_exec::{Execute, TighterLimits};
use pentad_http_kit::{Fault, JsonBody, Principal};
use pentad_sandbox::{InputFile, WorkspacePath};
use serde::Deserialize;
use serde_json::Number;
use utoipa::ToSchema;

use crate::Api;
use crate::answers::{ExecutionAnswer, timed_out};
use crate::faults::fault;
use crate::gone::Client;
use crate::wire::{env, language, timeout};

/// A program to run once.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::Execute, example = json!({"language": "python", "code": "print(\"Hello World\")"}))]
pub(crate) struct ExecuteBody {
    /// `python`, `node`, `typescript`, `go` or `deno`; `py`, `js`, `javascript`, `nodejs`, `ts` and `golang` mean
    /// the same, in any case.
    language: String,
    /// The program.
    code: String,
    /// Wall time in milliseconds. Default 30000.
    #[schema(value_type = Option<f64>)]
    timeout_ms: Option<Number>,
    /// Wall time in seconds, where `timeout_ms` is absent.
    #[schema(value_type = Option<f64>)]
    timeout: Option<Number>,
    /// Environment variables.
    env: Option<BTreeMap<String, String>>,
    /// Files that the program finds, by path.
    files: Option<BTreeMap<String, FileText>>,
    /// Standard input.
    stdin: Option<String>,
    /// Tighter limits than the server's.
    limits: Option<LimitsBody>,
}

/// The content of a file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = exec::FileText)]
pub(crate) enum FileText {
    /// Text.
    Text(String),
    /// Bytes in base64.
    Bytes {
        /// The bytes.
        base64: String,
    },
}

/// Tighter limits.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::Limits)]
pub(crate) struct LimitsBody {
    /// Bytes of memory of all its processes.
    memory_bytes: Option<u64>,
    /// Processes and threads.
    processes: Option<u32>,
}

fn input(path: &str, content: FileText) -> Result<InputFile, Fault> {
    let path = WorkspacePath::parse(path).map_err(pentad_exec::Error::from)?;
    let bytes = match content {
        FileText::Text(text) => text.into_bytes(),
        FileText::Bytes { base64 } => STANDARD
            .decode(base64)
            .map_err(|error| Fault::invalid(format!("files: {path} is not base64: {error}")))?,
    };
    Ok(InputFile::new(path, bytes))
}

/// Execute code
///
/// Runs a program in a sandbox of its own and answers with what it wrote. Nothing of it is kept. A program
/// that fails is a result with status 200; one whose time is over is 408, with the result in the body.
///
/// By default: 30 s, 512 MiB of memory, one core, 128 processes, 1 MiB of each output stream, no network.
#[utoipa::path(post, path = "/api/execute", tag = "exec", request_body = ExecuteBody,
    responses((status = 200, description = "The program ended.", body = ExecutionAnswer),
              (status = 400, description = "A field is missing or wrong: `VALIDATION_ERROR`, `INVALID_LANGUAGE`, `INVALID_JSON`."),
              (status = 408, description = "The program's time was over: `EXECUTION_TIMEOUT`, with the result beside it."),
              (status = 413, description = "Something is larger than a limit, which the message names."),
              (status = 503, description = "`LANGUAGE_UNAVAILABLE` or `SANDBOX_UNAVAILABLE`; the message says what to do.")))]
pub(crate) async fn execute(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    JsonBody(body): JsonBody<ExecuteBody>,
) -> Result<Json<ExecutionAnswer>, Fault> {
    let files = body.files.unwrap_or_default();
    let asked = Execute {
        language: language(&body.language)?,
        code: body.code,
        timeout: timeout(body.timeout_ms.as_ref(), body.timeout.as_ref())?,
        env: env(body.env)?,
        files: files
            .into_iter()
            .map(|(path, content)| input(&path, content))
            .collect::<Result<_, _>>()?,
        stdin: body.stdin.unwrap_or_default().into_bytes(),
        limits: body
            .limits
            .map_or_else(TighterLimits::default, |limits| TighterLimits {
                memory_bytes: limits.memory_bytes,
                processes: limits.processes,
            }),
    };
    let work = api.exec.execute(&principal.actor, asked);
    let execution = Client::of(&request).wait_for(work).await.map_err(fault)?;
    let late = execution.timed_out();
    let answer = ExecutionAnswer::from(execution);
    if late {
        return Err(timed_out(&answer)?);
    }
    Ok(Json(answer))
}
