//! `/mcp/v1`: code execution for agents, by the Model Context Protocol (streamable HTTP, one answer a request).

mod resources;
mod tools;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Fault, JsonBody, Principal};
use pentad_kernel::{ActorKind, Scope};
use serde_json::{Value, json};

use crate::Api;
use crate::gone::Client;

/// The revisions that are spoken, the newest first.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Why a call is refused: a code of JSON-RPC and a message.
#[derive(Debug)]
struct Refusal(i64, String);

const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
/// Of the protocol: there is no such resource.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// Who calls, and what they work with.
struct Caller<'a> {
    api: &'a Api,
    principal: &'a Principal,
    client: Client,
}

impl Caller<'_> {
    fn may(&self, scope: Scope) -> Result<(), Refusal> {
        let actor = &self.principal.actor;
        if actor.kind == ActorKind::Local || actor.scopes.allows(scope) {
            Ok(())
        } else {
            Err(Refusal(
                INVALID_REQUEST,
                format!("this key lacks the scope {}", scope.name()),
            ))
        }
    }
}

/// Call a tool of the Model Context Protocol
///
/// JSON-RPC 2.0: `initialize`, `ping`, `tools/list`, `tools/call`, `resources/list`, `resources/templates/list` and
/// `resources/read`. Every request gets its one answer as JSON; there is no session and nothing is streamed.
#[utoipa::path(post, path = "/mcp/v1", tag = "exec",
    request_body(content = Object, example = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
    responses((status = 200, description = "The answer, also where the call is refused.", body = Object),
              (status = 202, description = "A notification was taken."),
              (status = 400, description = "The body is no JSON.")))]
pub(crate) async fn mcp(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    JsonBody(message): JsonBody<Value>,
) -> Result<HttpResponse, Fault> {
    let caller = Caller {
        api: &api,
        principal: &principal,
        client: Client::of(&request),
    };
    let id = message.get("id").cloned();
    let method = message.get("method").and_then(Value::as_str);
    let is_answer = ["result", "error"].iter().any(|name| message.get(name).is_some());
    let invalid = |what: &str| Err(Refusal(INVALID_REQUEST, what.to_owned()));
    let is_id = |id: &Value| id.is_string() || id.is_number() || id.is_null();
    let outcome = match (method, &id) {
        _ if message.get("jsonrpc") != Some(&json!("2.0")) => {
            invalid("a request is one object with \"jsonrpc\": \"2.0\"")
        }
        (_, Some(id)) if !is_id(id) => invalid("id must be a text or a number"),
        (None, _) if !is_answer => invalid("method is missing, or no text"),
        // A notification, or the answer to a question that was never asked.
        (_, None) | (None, _) => return Ok(HttpResponse::Accepted().finish()),
        (Some(method), Some(_)) => {
            let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
            call(&caller, method, &params).await
        }
    };
    let id = id.filter(is_id).unwrap_or(Value::Null);
    Ok(HttpResponse::Ok().json(match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Refusal(code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    }))
}

async fn call(caller: &Caller<'_>, method: &str, params: &Value) -> Result<Value, Refusal> {
    match method {
        "initialize" => {
            let wanted = params.get("protocolVersion").and_then(Value::as_str);
            let revision = REVISIONS
                .into_iter()
                .find(|known| Some(*known) == wanted)
                .unwrap_or(REVISIONS[0]);
            Ok(json!({
                "protocolVersion": revision,
                "capabilities": { "tools": {}, "resources": {} },
                // The name by which clients of this surface know their server.
                "serverInfo": { "name": "era-agent-mcp", "title": "Pentad code execution", "version": env!("CARGO_PKG_VERSION") },
                "instructions": "Run untrusted Python, Node, TypeScript, Go and Deno programs in sandboxes. Use a session to keep files between runs.",
            }))
        }
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools::list() })),
        "tools/call" => tools::call(caller, params).await,
        "resources/list" => resources::list(caller).await,
        "resources/templates/list" => Ok(resources::templates()),
        "resources/read" => resources::read(caller, params).await,
        other => Err(Refusal(METHOD_NOT_FOUND, format!("no method {other:?}"))),
    }
}

/// What the protocol is told of an error of ours.
fn refused(error: &pentad_exec::Error) -> Refusal {
    use pentad_kernel::{Classify as _, ErrorKind};
    match error.kind() {
        ErrorKind::Internal => {
            tracing::error!(%error, "a call of a tool failed");
            Refusal(INTERNAL, "internal error".to_owned())
        }
        _ => Refusal(INVALID_PARAMS, error.to_string()),
    }
}
