//! The shapes of answers that several operations give.

use pentad_exec::{Execution, Session, SessionRun};
use pentad_http_kit::Fault;
use pentad_kernel::{ErrorKind, Timestamp};
use serde::Serialize;
use serde_json::{Number, Value, json};
use utoipa::ToSchema;

/// What a run used.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = exec::Usage)]
pub(crate) struct Usage {
    /// Processor time of all its processes, in milliseconds.
    cpu_ms: f64,
    /// Largest memory seen, in bytes.
    max_rss_bytes: u64,
}

/// What came of a program.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = exec::Execution, example = json!({
    "session_id": "exec_5f0c1d2e3a4b5c6d7e8f", "language": "python", "stdout": "Hello World\n", "stderr": "",
    "exit_code": 0, "execution_time_ms": 3.2, "duration": "0.00s", "stdout_truncated": false,
    "stderr_truncated": false, "killed_by": null, "stopped": false,
    "usage": {"cpu_ms": 2.1, "max_rss_bytes": 9_437_184}
}))]
pub(crate) struct ExecutionAnswer {
    /// A label of the run, or the id of its session.
    pub(crate) session_id: String,
    /// The language, by its canonical name.
    language: &'static str,
    /// Standard output; beyond the limit its first three quarters and its last quarter.
    pub(crate) stdout: String,
    /// Standard error, in the same way.
    pub(crate) stderr: String,
    /// The exit code; 128 + n when signal n ended it, 124 when its time was over.
    pub(crate) exit_code: i32,
    /// Wall time of the program in milliseconds.
    pub(crate) execution_time_ms: f64,
    /// The same in words.
    pub(crate) duration: String,
    /// Wall time of compiling in milliseconds, which no timeout counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    build_time_ms: Option<f64>,
    /// Whether standard output was cut.
    stdout_truncated: bool,
    /// Whether standard error was cut.
    stderr_truncated: bool,
    /// The limit that ended the run: `timeout`, `memory`, `processes`, `disk` or `output`.
    pub(crate) killed_by: Option<&'static str>,
    /// Whether the program was stopped; false when it ended by itself, perhaps because it was refused more of
    /// what `killed_by` names.
    stopped: bool,
    usage: Usage,
}

pub(crate) fn millis(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl From<Execution> for ExecutionAnswer {
    fn from(execution: Execution) -> Self {
        Self {
            session_id: execution.session_id,
            language: execution.language.as_str(),
            stdout_truncated: execution.stdout.truncated,
            stderr_truncated: execution.stderr.truncated,
            stdout: execution.stdout.text,
            stderr: execution.stderr.text,
            exit_code: execution.exit_code,
            execution_time_ms: millis(execution.duration),
            duration: format!("{:.2}s", execution.duration.as_secs_f64()),
            build_time_ms: execution.build.map(millis),
            killed_by: execution.killed_by.map(pentad_sandbox::KilledBy::as_str),
            stopped: execution.stopped,
            usage: Usage {
                cpu_ms: millis(execution.usage.cpu),
                max_rss_bytes: execution.usage.max_memory_bytes,
            },
        }
    }
}

/// What came of a run in a session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = exec::Run, example = json!({
    "session_id": "my-session", "language": "python", "stdout": "hi\n", "stderr": "", "exit_code": 0,
    "execution_time_ms": 3.2, "duration": "0.00s", "stdout_truncated": false, "stderr_truncated": false,
    "killed_by": null, "stopped": false, "usage": {"cpu_ms": 2.1, "max_rss_bytes": 9_437_184},
    "files_modified": 1, "data": {"user": "developer"}
}))]
pub(crate) struct RunAnswer {
    #[serde(flatten)]
    pub(crate) execution: ExecutionAnswer,
    /// Files that the run created, changed or deleted.
    pub(crate) files_modified: u64,
    /// The session's data after the run.
    #[schema(value_type = Object)]
    pub(crate) data: Value,
}

impl From<SessionRun> for RunAnswer {
    fn from(run: SessionRun) -> Self {
        Self {
            execution: run.execution.into(),
            files_modified: run.files_modified,
            data: Value::Object(run.data),
        }
    }
}

/// The answer to a program whose time was over: an error that is also the result.
pub(crate) fn timed_out(answer: &impl Serialize) -> Result<Fault, Fault> {
    let message = "the program did not end within its time";
    let mut body = json!({ "error": "Request Timeout", "message": message, "code": "EXECUTION_TIMEOUT" });
    let result = serde_json::to_value(answer).map_err(|error| Fault::internal(error.to_string()))?;
    if let (Some(body), Value::Object(result)) = (body.as_object_mut(), result) {
        body.extend(result);
    }
    Ok(Fault::new(ErrorKind::Timeout, message).with_body(body))
}

/// Seconds as they were probably written: shells compare the text.
fn seconds(duration: std::time::Duration) -> Option<Number> {
    if duration.subsec_nanos() == 0 {
        Some(duration.as_secs().into())
    } else {
        Number::from_f64(duration.as_secs_f64())
    }
}

/// A session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = exec::Session, example = json!({
    "id": "my-session", "session_id": "my-session", "created_at": "2026-05-07T12:10:00Z",
    "last_run_at": "", "language": "python", "persistent": true, "file_count": 0, "total_size_bytes": 0,
    "metadata": {}, "data": {"user": "developer"}, "default_timeout": null, "allowInternetAccess": false,
    "allowPublicAccess": false
}))]
pub(crate) struct SessionAnswer {
    /// Its id.
    id: String,
    /// Its id once more.
    session_id: String,
    /// When it was made.
    created_at: String,
    /// When its last run began; empty before the first.
    last_run_at: String,
    /// The language of its programs.
    language: &'static str,
    /// Whether what a run leaves in the workspace is there for the next one.
    persistent: bool,
    /// Number of files.
    file_count: u64,
    /// Bytes of all files.
    total_size_bytes: u64,
    /// What its owner says about it.
    #[schema(value_type = Object)]
    metadata: Value,
    /// What its programs find in `.session_data.json`.
    #[schema(value_type = Object)]
    data: Value,
    /// Seconds that a run may take when it does not say.
    #[schema(value_type = Option<f64>)]
    default_timeout: Option<Number>,
    /// Whether its programs reach the internet.
    #[serde(rename = "allowInternetAccess")]
    allow_internet: bool,
    /// Whether requests reach its programs.
    #[serde(rename = "allowPublicAccess")]
    allow_public: bool,
    /// The packages it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    setup: Option<Value>,
    /// How their installation stands: `pending`, `running`, `completed` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup_status: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    setup_result: Option<Value>,
}

impl From<Session> for SessionAnswer {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            session_id: session.id.to_string(),
            created_at: session.created_at.to_string(),
            last_run_at: session.last_run_at.map(|at| at.to_string()).unwrap_or_default(),
            language: session.language.as_str(),
            persistent: session.persistent,
            file_count: session.file_count,
            total_size_bytes: session.total_bytes,
            metadata: Value::Object(session.metadata),
            data: Value::Object(session.data),
            default_timeout: session.default_timeout.and_then(seconds),
            allow_internet: session.allow_internet,
            allow_public: session.allow_public,
            setup: session.setup.map(Value::Object),
            setup_status: session.setup_status,
            setup_result: session.setup_result,
        }
    }
}

/// That something was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Deleted, example = json!({
    "success": true, "id": "my-session", "deleted_at": "2026-05-07T12:10:00Z"
}))]
pub(crate) struct Deleted {
    success: bool,
    /// The session.
    id: String,
    deleted_at: String,
}

impl Deleted {
    pub(crate) fn new(id: impl Into<String>, at: Timestamp) -> Self {
        Self {
            success: true,
            id: id.into(),
            deleted_at: at.to_string(),
        }
    }
}
