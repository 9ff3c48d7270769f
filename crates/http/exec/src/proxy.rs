//! `/proxy/{id}/{port}/…`: requests that reach into a session.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::{Bytes, BytesMut};
use pentad_exec::{Error, Relayed, SessionRun, Target};
use pentad_http_kit::{Fault, Visitor};
use serde_json::{Map, Value, json};

use crate::Api;
use crate::faults::fault;
use crate::files::next_of;
use crate::gone::Client;
use crate::port::{Passed, ends_with_its_head, isolate, pass, stays_behind};

/// Bytes of a body that is passed on to a port.
const BODY: usize = 8 << 20;
/// Bytes of a body that stored code is given, in a variable.
const CODE_BODY: usize = 96 << 10;

async fn read(request: &HttpRequest, mut body: Payload, most: usize) -> Result<Bytes, Fault> {
    let mut bytes = BytesMut::new();
    // Without these there is no body, whatever protocol the client wants to change to.
    let announced = [CONTENT_LENGTH, TRANSFER_ENCODING];
    if !announced.iter().any(|name| request.headers().contains_key(name)) {
        return Ok(bytes.freeze());
    }
    while let Some(chunk) = next_of(&mut body).await? {
        if bytes.len() + chunk.len() > most {
            return Err(fault(Error::TooLarge {
                what: "the body",
                limit: most as u64,
                name: "exec proxy body",
            }));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

async fn relay(
    api: Data<Api>,
    visitor: Visitor,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    body: Payload,
) -> Result<HttpResponse, Fault> {
    let (id, port, _) = path.into_inner();
    let port: u16 = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| Fault::invalid("the port must be from 1 to 65535"))?;
    let actor = visitor.0.as_ref().map(|principal| &principal.actor);
    let target = api.exec.target(actor, &id).await.map_err(fault)?;
    match api.exec.reach(&target, port).await.map_err(fault)? {
        Relayed::Port(connection) => {
            let body = read(&request, body, BODY).await?;
            let passed = Passed {
                method: request.method().clone(),
                target: with_query(&encoded_path(&request), request.query_string()),
                headers: headers(&request).collect(),
                body,
            };
            pass(connection, passed).await.map_err(fault)
        }
        Relayed::Code => {
            let body = read(&request, body, CODE_BODY).await?;
            let variables = variables(&request, &body);
            let work = api.exec.answer_request(&target, variables);
            let run = Client::of(&request).wait_for(work).await.map_err(fault)?;
            answer(&target, run)
        }
    }
}

/// The path behind the port as it was sent.
fn encoded_path(request: &HttpRequest) -> String {
    // "", "proxy", the id, the port, and the rest.
    let rest = request.uri().path().splitn(5, '/').nth(4).unwrap_or_default();
    format!("/{rest}")
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// What the caller says, without what identifies it here and what is meant for this connection alone.
fn headers(request: &HttpRequest) -> impl Iterator<Item = (String, String)> {
    let named = request.headers().get_all(CONNECTION);
    let named: Vec<String> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    request
        .headers()
        .iter()
        .filter(move |(name, _)| {
            !stays_behind(name.as_str()) && !named.iter().any(|named| name.as_str() == named)
        })
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
}

/// What stored code is told of the request: its path as it was sent, and its query with the question mark.
fn variables(request: &HttpRequest, body: &Bytes) -> Vec<(String, String)> {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers(request) {
        // A header that comes again goes on where it stopped.
        lines
            .entry(name)
            .and_modify(|line| *line = format!("{line}, {value}"))
            .or_insert(value);
    }
    // A variable holds no NUL.
    [
        ("ERA_REQUEST_MODE", "proxy".to_owned()),
        ("ERA_HTTP_METHOD", request.method().to_string()),
        ("ERA_HTTP_PATH", encoded_path(request)),
        ("ERA_HTTP_QUERY", with_query("", request.query_string())),
        ("ERA_HTTP_HEADERS", json!(lines).to_string()),
        ("ERA_HTTP_BODY", String::from_utf8_lossy(body).into_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value.replace('\0', "\u{fffd}")))
    .into()
}

/// What the code printed: JSON as such, of which `status`, `contentType` and `headers` say how it is answered, and
/// anything else as text.
fn answer(target: &Target, run: SessionRun) -> Result<HttpResponse, Fault> {
    let execution = run.execution;
    if execution.timed_out() || execution.exit_code != 0 {
        let last = execution
            .stderr
            .text
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        return Err(fault(Error::ProxyUnreachable(format!(
            "the code of session {} ended with exit code {}: {last}",
            target.session().id,
            execution.exit_code
        ))));
    }
    let printed = execution.stdout.text;
    Ok(match serde_json::from_str(printed.trim()) {
        Ok(Value::Object(told)) => answered(&told, printed.trim()),
        Ok(Value::Null) | Err(_) => isolated(StatusCode::OK).content_type(TEXT).body(printed),
        Ok(_) => isolated(StatusCode::OK)
            .content_type(JSON)
            .body(printed.trim().to_owned()),
    })
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn isolated(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    isolate(&mut answer);
    answer
}

/// The answer that an object asks for. Its body is `data` where the object is an envelope, which says something
/// about the answer beside it and nothing else; otherwise all that was `printed`.
fn answered(told: &Map<String, Value>, printed: &str) -> HttpResponse {
    let status = told.get("status").and_then(Value::as_u64);
    let code = status
        .and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok())
        .filter(|status| status.as_u16() >= 200)
        .unwrap_or(StatusCode::OK);
    let mut answer = isolated(code);
    let mut usual_type = None;
    let headers = told.get("headers").and_then(Value::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (false, Ok(name), Ok(value)) = (
            stays_behind(name),
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            if name == CONTENT_TYPE {
                usual_type = Some(value);
            } else {
                answer.insert_header((name, value));
            }
        }
    }
    let content_type = told.get("contentType").and_then(Value::as_str);
    let envelope = (status.is_some() || headers.is_some() || content_type.is_some())
        && told.keys().all(|name| {
            matches!(
                name.as_str(),
                "status" | "contentType" | "headers" | "data" | "body"
            )
        });
    let data = told.get("data").or_else(|| told.get("body"));
    let (usual, body) = match data {
        Some(Value::String(text)) if envelope => (TEXT, text.clone()),
        Some(Value::Null) if envelope => (TEXT, String::new()),
        Some(data) if envelope => (JSON, data.to_string()),
        _ => (JSON, printed.to_owned()),
    };
    let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let content_type = content_type
        .or(usual_type)
        .unwrap_or(HeaderValue::from_static(usual));
    // What the program says about its page does not count.
    isolate(&mut answer);
    if ends_with_its_head(code) {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, content_type)).body(body)
}

/// One operation a method: they differ in nothing else.
macro_rules! relays {
    ($($(#[$meta:meta])* $method:ident $name:ident;)+) => {
        $(
            $(#[$meta])*
            ///
            /// While a program runs in the session, the request goes to that port of it; else the stored code runs
            /// with the request in `ERA_HTTP_METHOD`, `ERA_HTTP_PATH`, `ERA_HTTP_QUERY`, `ERA_HTTP_HEADERS` and
            /// `ERA_HTTP_BODY`. What it prints is the answer: JSON, or else text. `status`, `contentType` and
            /// `headers` in a JSON object say how it is answered; when it holds nothing else but `data`, `data` is the
            /// body. `{id}` is the key that `/host` shows, or to its owner the session's id. `Authorization` and
            /// `Cookie` are not passed on.
            #[utoipa::path($method, path = "/proxy/{id}/{port}/{path}", tag = "exec",
                params(("id" = String, Path, description = "The session."),
                       ("port" = u16, Path, description = "The port.", example = 3000),
                       ("path" = String, Path, description = "The path; may hold slashes, or be empty.")),
                responses((status = 200, description = "Whatever the program answers.", body = String, content_type = "*/*"),
                          (status = 400, description = "The port is none, or there is no stored code: `NO_CODE`."),
                          (status = 403, description = "The session takes no requests: `PUBLIC_ACCESS_DISABLED`."),
                          (status = 404, description = "There is no such session."),
                          (status = 502, description = "Nothing listens there, or the code failed: `PROXY_UNREACHABLE`.")))]
            pub(crate) async fn $name(
                api: Data<Api>,
                visitor: Visitor,
                request: HttpRequest,
                path: Path<(String, String, String)>,
                body: Payload,
            ) -> Result<HttpResponse, Fault> {
                relay(api, visitor, request, path, body).await
            }
        )+
    };
}

relays! {
    /// Reach into a session
    get relay_get;
    /// Send something into a session
    post relay_post;
    /// Put something into a session
    put relay_put;
    /// Change something in a session
    patch relay_patch;
    /// Delete something in a session
    delete relay_delete;
    /// Ask for the head of something in a session
    head relay_head;
    /// Ask what a session allows
    options relay_options;
}
