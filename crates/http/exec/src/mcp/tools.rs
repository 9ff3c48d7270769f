//! The tools: running programs, and keeping sessions.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pentad_exec::{
    Env, Error, Execute, FileBody, NewSession, RunRequest, SessionId, SessionSettings, TighterLimits,
};
use pentad_kernel::{Classify as _, ErrorKind, Scope};
use pentad_sandbox::{InputFile, Language, WorkspacePath};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value, json};

use super::{Caller, INVALID_PARAMS, METHOD_NOT_FOUND, Refusal};
use crate::answers::{ExecutionAnswer, RunAnswer, SessionAnswer};
use crate::files::FileAnswer;
use crate::wire::{JsonObject, duration};

/// Largest file that a tool reads into its answer.
const READ_BYTES: u64 = 4 << 20;

/// The tools that run a program in one language, and the language.
const LANGUAGES: [(&str, &str, Language); 4] = [
    ("era_python", "Python", Language::Python),
    ("era_node", "JavaScript on Node", Language::Node),
    (
        "era_typescript",
        "TypeScript, transpiled, on Node",
        Language::TypeScript,
    ),
    ("era_deno", "TypeScript or JavaScript on Deno", Language::Deno),
];

/// Lets Python start a shell and end as it ended.
const SHELL: &str = "import os, subprocess, sys\n\
    done = subprocess.run(['/bin/sh', '-c', os.environ.pop('SHELL_COMMAND')])\n\
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)\n";

pub(super) fn list() -> Vec<Value> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let code = text("The program.");
    let timeout = json!({ "type": "number", "description": "Seconds that it may take. Default 30." });
    let session = text("The session's id.");
    let env = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let files = json!({ "type": "object", "additionalProperties": { "type": "string" },
                        "description": "Texts that the program finds as files, by path." });
    let tool = |name: &str, description: &str, properties: Value, required: &[&str]| {
        json!({
            "name": name, "description": description,
            "inputSchema": { "type": "object", "properties": properties, "required": required },
        })
    };
    let one_shot = json!({ "code": code, "timeout": timeout, "env": env, "files": files });
    let mut tools: Vec<Value> = LANGUAGES
        .iter()
        .map(|(name, language, _)| {
            let what = format!("Run a {language} program once, in a sandbox without a network.");
            tool(name, &what, one_shot.clone(), &["code"])
        })
        .collect();
    tools.extend([
        tool("era_shell", "Run a shell command once, in a sandbox without a network.",
            json!({ "command": text("The command."), "timeout": timeout }), &["command"]),
        tool("era_execute_code", "Run a program once in any language.",
            json!({ "language": text("python, node, typescript, go or deno."), "code": code, "timeout": timeout,
                    "env": env, "files": files }), &["language", "code"]),
        tool("era_create_session", "Make a session, whose files stay between runs.",
            json!({ "language": text("python, node, typescript, go or deno."), "session_id": session,
                    "persistent": { "type": "boolean" }, "data": { "type": "object" },
                    "default_timeout": { "type": "number" }, "allowInternetAccess": { "type": "boolean" },
                    "allowPublicAccess": { "type": "boolean" } }), &["language"]),
        tool("era_run_in_session", "Run a program in a session.",
            json!({ "session_id": session, "code": code, "timeout": timeout, "env": env }), &["session_id", "code"]),
        tool("era_list_sessions", "List the sessions.", json!({}), &[]),
        tool("era_get_session", "Describe a session.", json!({ "session_id": session }), &["session_id"]),
        tool("era_delete_session", "Delete a session and its files.", json!({ "session_id": session }), &["session_id"]),
        tool("era_update_session", "Change a session's settings.",
            json!({ "session_id": session, "default_timeout": { "type": "number" },
                    "allowInternetAccess": { "type": "boolean" }, "allowPublicAccess": { "type": "boolean" } }),
            &["session_id"]),
        tool("era_upload_file", "Store a file in a session.",
            json!({ "session_id": session, "path": text("Where."), "content": text("Text."),
                    "base64": text("Bytes, in place of text.") }), &["session_id", "path"]),
        tool("era_read_file", "Read a file of a session.",
            json!({ "session_id": session, "path": text("Which.") }), &["session_id", "path"]),
        tool("era_list_files", "List the files of a session.", json!({ "session_id": session }), &["session_id"]),
    ]);
    tools
}

#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    language: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    command: String,
    timeout: Option<Number>,
    #[serde(alias = "envs")]
    env: Option<BTreeMap<String, String>>,
    files: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RunIn {
    session_id: String,
    code: Option<String>,
    timeout: Option<Number>,
    #[serde(alias = "envs")]
    env: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Create {
    language: String,
    session_id: Option<String>,
    persistent: Option<bool>,
    data: Option<JsonObject>,
    default_timeout: Option<Number>,
    #[serde(rename = "allowInternetAccess")]
    allow_internet: Option<bool>,
    #[serde(rename = "allowPublicAccess")]
    allow_public: Option<bool>,
}

#[derive(Deserialize)]
struct Named {
    session_id: String,
}

#[derive(Deserialize)]
struct Update {
    session_id: String,
    default_timeout: Option<Number>,
    #[serde(rename = "allowInternetAccess")]
    allow_internet: Option<bool>,
    #[serde(rename = "allowPublicAccess")]
    allow_public: Option<bool>,
}

#[derive(Deserialize)]
struct FileOf {
    session_id: String,
    path: String,
    content: Option<String>,
    base64: Option<String>,
}

/// Why a tool did not do it: what the agent is told, so that it can do better.
enum Failure {
    Refused(Refusal),
    Told(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Internal => Self::Refused(super::refused(&error)),
            _ => Self::Told(error.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn read<T: DeserializeOwned>(arguments: &Value) -> Result<T, Refusal> {
    T::deserialize(arguments).map_err(|error| Refusal(INVALID_PARAMS, error.to_string()))
}

fn seconds(number: Option<&Number>) -> Result<Option<std::time::Duration>, Refusal> {
    number
        .map(|number| duration("timeout", number, 1.0))
        .transpose()
        .map_err(|fault| Refusal(INVALID_PARAMS, fault.message))
}

pub(super) async fn call(caller: &Caller<'_>, params: &Value) -> Result<Value, Refusal> {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal(INVALID_PARAMS, "name is missing".to_owned()))?;
    let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
    match use_tool(caller, name, &arguments).await {
        Ok((result, failed)) => Ok(json!({
            "content": [{ "type": "text", "text": spoken(name, &result) }],
            "structuredContent": result,
            "isError": failed,
        })),
        Err(Failure::Told(message)) => Ok(json!({
            "content": [{ "type": "text", "text": message }],
            "isError": true,
        })),
        Err(Failure::Refused(refusal)) => Err(refusal),
    }
}

/// A result as text: what a program wrote, or the JSON, in front of which a new session says its id.
fn spoken(tool: &str, result: &Value) -> String {
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(code) = result.get("exit_code").and_then(Value::as_i64) else {
        return match tool {
            "era_create_session" => format!("Session ID: {}\n{result}", text("id")),
            _ => result.to_string(),
        };
    };
    let mut spoken = text("stdout").to_owned();
    if !text("stderr").is_empty() {
        spoken.push_str("\n[stderr]\n");
        spoken.push_str(text("stderr"));
    }
    if code != 0 {
        spoken.push_str(&format!("\n[exit code {code}]"));
    }
    if let Some(limit) = result.get("killed_by").and_then(Value::as_str) {
        spoken.push_str(&format!("\n[limit: {limit}]"));
    }
    spoken
}

/// What the tool gives, and whether that is a failure.
async fn use_tool(caller: &Caller<'_>, name: &str, arguments: &Value) -> Result<(Value, bool), Failure> {
    let (exec, actor) = (&caller.api.exec, &caller.principal.actor);
    let reads = matches!(
        name,
        "era_list_sessions" | "era_get_session" | "era_read_file" | "era_list_files"
    );
    caller.may(if reads { Scope::ExecRead } else { Scope::ExecRun })?;
    if let Some((_, _, language)) = LANGUAGES.iter().find(|(known, _, _)| *known == name) {
        return run_once(caller, *language, read(arguments)?).await;
    }
    Ok((
        match name {
            "era_execute_code" => {
                let run: Run = read(arguments)?;
                let language =
                    Language::parse(&run.language).ok_or_else(|| Error::Language(run.language.clone()))?;
                return run_once(caller, language, run).await;
            }
            "era_shell" => {
                let mut run: Run = read(arguments)?;
                let command = std::mem::take(&mut run.command);
                if command.is_empty() {
                    return Err(Failure::Told("command must not be empty".to_owned()));
                }
                SHELL.clone_into(&mut run.code);
                run.env = Some([("SHELL_COMMAND".to_owned(), command)].into());
                return run_once(caller, Language::Python, run).await;
            }
            "era_run_in_session" => return run_in(caller, read(arguments)?).await,
            "era_create_session" => {
                let asked: Create = read(arguments)?;
                let language = Language::parse(&asked.language)
                    .ok_or_else(|| Error::Language(asked.language.clone()))?;
                let new = NewSession {
                    id: asked.session_id.as_deref().map(SessionId::parse).transpose()?,
                    persistent: asked.persistent.unwrap_or(true),
                    data: asked.data.unwrap_or_default().0,
                    settings: SessionSettings {
                        default_timeout: seconds(asked.default_timeout.as_ref())?,
                        allow_internet: asked.allow_internet,
                        allow_public: asked.allow_public,
                        metadata: None,
                    },
                    ..NewSession::of(language)
                };
                json!(SessionAnswer::from(exec.create(actor, new).await?))
            }
            "era_list_sessions" => {
                let page = exec.sessions(actor, None, None).await?;
                let sessions: Vec<SessionAnswer> =
                    page.sessions.into_iter().map(SessionAnswer::from).collect();
                json!({ "count": sessions.len(), "sessions": sessions })
            }
            "era_get_session" => json!(SessionAnswer::from(
                exec.session(actor, &named(arguments)?).await?
            )),
            "era_delete_session" => {
                let id = named(arguments)?;
                exec.delete(actor, &id).await?;
                json!({ "success": true, "id": id.as_str() })
            }
            "era_update_session" => {
                let asked: Update = read(arguments)?;
                let change = SessionSettings {
                    default_timeout: seconds(asked.default_timeout.as_ref())?,
                    allow_internet: asked.allow_internet,
                    allow_public: asked.allow_public,
                    metadata: None,
                };
                let id = SessionId::parse(&asked.session_id)?;
                json!(SessionAnswer::from(exec.configure(actor, &id, change).await?))
            }
            "era_upload_file" => upload(caller, read(arguments)?).await?,
            "era_read_file" => read_file(caller, read(arguments)?).await?,
            "era_list_files" => {
                let files = exec.files(actor, &named(arguments)?).await?;
                json!({ "files": files.into_iter().map(FileAnswer::from).collect::<Vec<_>>() })
            }
            other => return Err(Refusal(METHOD_NOT_FOUND, format!("no tool {other:?}")).into()),
        },
        false,
    ))
}

fn named(arguments: &Value) -> Result<SessionId, Failure> {
    Ok(SessionId::parse(&read::<Named>(arguments)?.session_id)?)
}

async fn run_once(caller: &Caller<'_>, language: Language, run: Run) -> Result<(Value, bool), Failure> {
    let asked = Execute {
        language,
        code: run.code,
        timeout: seconds(run.timeout.as_ref())?,
        env: Env::new(run.env.unwrap_or_default())?,
        files: run
            .files
            .unwrap_or_default()
            .into_iter()
            .map(|(path, text)| {
                let path = WorkspacePath::parse(&path).map_err(Error::from)?;
                Ok(InputFile::new(path, text.into_bytes()))
            })
            .collect::<Result<_, Failure>>()?,
        stdin: Vec::new(),
        limits: TighterLimits::default(),
    };
    let work = caller.api.exec.execute(&caller.principal.actor, asked);
    let execution = caller.client.wait_for(work).await?;
    let failed = execution.exit_code != 0;
    Ok((json!(ExecutionAnswer::from(execution)), failed))
}

async fn run_in(caller: &Caller<'_>, asked: RunIn) -> Result<(Value, bool), Failure> {
    let id = SessionId::parse(&asked.session_id)?;
    let request = RunRequest {
        code: asked.code,
        timeout: seconds(asked.timeout.as_ref())?,
        env: Env::new(asked.env.unwrap_or_default())?,
        ..RunRequest::default()
    };
    let work = caller.api.exec.run(&caller.principal.actor, &id, request);
    let run = caller.client.wait_for(work).await?;
    let failed = run.execution.exit_code != 0;
    Ok((json!(RunAnswer::from(run)), failed))
}

async fn upload(caller: &Caller<'_>, asked: FileOf) -> Result<Value, Failure> {
    let (exec, actor) = (&caller.api.exec, &caller.principal.actor);
    let id = SessionId::parse(&asked.session_id)?;
    let bytes = match (asked.content, asked.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => STANDARD
            .decode(text)
            .map_err(|error| Failure::Told(format!("base64: {error}")))?,
        _ => return Err(Failure::Told("send either content or base64".to_owned())),
    };
    let mut upload = exec.upload();
    upload.write(&bytes)?;
    let size = exec.put_file(actor, &id, &asked.path, None, upload).await?;
    Ok(json!({ "path": asked.path, "size": size }))
}

async fn read_file(caller: &Caller<'_>, asked: FileOf) -> Result<Value, Failure> {
    let id = SessionId::parse(&asked.session_id)?;
    let file = caller
        .api
        .exec
        .file(&caller.principal.actor, &id, &asked.path)
        .await?;
    if file.size > READ_BYTES {
        return Err(Failure::Told(format!(
            "the file has {} bytes, more than the {READ_BYTES} that fit into an answer",
            file.size
        )));
    }
    let bytes = match file.body {
        FileBody::Bytes(bytes) => bytes,
        FileBody::Parts(parts) => parts.bytes().await.map_err(Error::from)?,
    };
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => json!({ "path": asked.path, "size": file.size, "content": text }),
        Err(_) => json!({ "path": asked.path, "size": file.size, "base64": STANDARD.encode(&bytes) }),
    })
}
