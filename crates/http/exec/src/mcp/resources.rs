//! Sessions and their files as resources: `session://{id}` and `session://{id}/files`.

use serde_json::{Value, json};

use super::{Caller, INVALID_PARAMS, RESOURCE_NOT_FOUND, Refusal, refused};
use crate::answers::SessionAnswer;
use crate::files::FileAnswer;
use pentad_exec::{Error, SessionId};
use pentad_kernel::Scope;

pub(super) async fn list(caller: &Caller<'_>) -> Result<Value, Refusal> {
    caller.may(Scope::ExecRead)?;
    let actor = &caller.principal.actor;
    let page = caller
        .api
        .exec
        .sessions(actor, None, None)
        .await
        .map_err(|error| refused(&error))?;
    let mut resources = Vec::new();
    for session in page.sessions {
        let (id, language) = (&session.id, session.language);
        resources.push(json!({
            "uri": format!("session://{id}"), "name": format!("Session {id}"),
            "description": format!("A {language} session"), "mimeType": "application/json",
        }));
        resources.push(json!({
            "uri": format!("session://{id}/files"), "name": format!("Files of session {id}"),
            "mimeType": "application/json",
        }));
    }
    Ok(json!({ "resources": resources }))
}

pub(super) fn templates() -> Value {
    json!({ "resourceTemplates": [
        { "uriTemplate": "session://{id}", "name": "A session", "mimeType": "application/json" },
        { "uriTemplate": "session://{id}/files", "name": "The files of a session", "mimeType": "application/json" },
    ] })
}

pub(super) async fn read(caller: &Caller<'_>, params: &Value) -> Result<Value, Refusal> {
    caller.may(Scope::ExecRead)?;
    let uri = params
        .get("uri")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal(INVALID_PARAMS, "uri is missing".to_owned()))?;
    let missing = || Refusal(RESOURCE_NOT_FOUND, format!("no resource {uri:?}"));
    let rest = uri.strip_prefix("session://").ok_or_else(missing)?;
    let (id, files) = match rest.strip_suffix("/files") {
        Some(id) => (id, true),
        None => (rest, false),
    };
    let id = SessionId::parse(id).map_err(|_| missing())?;
    let (exec, actor) = (&caller.api.exec, &caller.principal.actor);
    let failed = |error: Error| match error {
        Error::SessionNotFound(_) => missing(),
        error => refused(&error),
    };
    let content = if files {
        let files = exec.files(actor, &id).await.map_err(failed)?;
        json!({ "files": files.into_iter().map(FileAnswer::from).collect::<Vec<_>>() })
    } else {
        json!(SessionAnswer::from(
            exec.session(actor, &id).await.map_err(failed)?
        ))
    };
    Ok(json!({ "contents": [
        { "uri": uri, "mimeType": "application/json", "text": content.to_string() },
    ] }))
}
