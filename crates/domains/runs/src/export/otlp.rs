//! OTLP/JSON (OpenTelemetry protocol 1.10), with the attributes of the GenAI semantic conventions, which are
//! still in development; the document says which it follows.

use pentad_kernel::{Timestamp, secret};

use super::Subject;
use crate::json::{Json, object};

/// The conventions that the attributes follow.
const CONVENTIONS: &str = "https://opentelemetry.io/schemas/1.37.0";
const INTERNAL: u64 = 1;
const CLIENT: u64 = 3;
const OK: u64 = 1;
const ERROR: u64 = 2;

pub(super) fn document(subject: &Subject) -> Json {
    let ids = Ids::of(subject);
    let mut spans = vec![root(subject, &ids)];
    spans.extend(
        subject
            .steps
            .iter()
            .map(|(index, body)| step(subject, &ids, *index, body)),
    );
    spans.extend(
        subject
            .model_calls
            .iter()
            .map(|(name, call)| model_call(&ids, name, call)),
    );
    let (client, version) = subject.client();
    let resource = attributes(&[
        ("service.name", string(client)),
        ("service.version", version.and_then(string)),
        ("augur.run_id", string(&subject.info.run_id)),
    ]);
    let scope = object([
        (
            "scope",
            object([
                ("name", "pentad".into()),
                ("version", env!("CARGO_PKG_VERSION").into()),
            ]),
        ),
        ("schemaUrl", CONVENTIONS.into()),
        ("spans", Json::Array(spans)),
    ]);
    let resource = object([
        ("resource", object([("attributes", resource)])),
        ("scopeSpans", Json::Array(vec![scope])),
    ]);
    object([("resourceSpans", Json::Array(vec![resource]))])
}

/// The identifiers of a run's spans: the same at each export, and no other run's.
struct Ids {
    run: String,
    trace: String,
    from: String,
    to: String,
}

impl Ids {
    fn of(subject: &Subject) -> Self {
        let run = format!("{}/{}", subject.organisation, subject.info.run_id);
        let time = |name: &str| subject.session.text_at(name).and_then(nanos);
        let from = time("started_at").unwrap_or_else(|| micros(subject.info.created_at));
        Self {
            trace: secret::sha256_hex(&run)[..32].to_owned(),
            to: time("ended_at").unwrap_or_else(|| micros(subject.info.last_activity_at)),
            from,
            run,
        }
    }

    fn span(&self, name: &str) -> String {
        secret::sha256_hex(format!("{}/{name}", self.run))[..16].to_owned()
    }
}

struct Span<'a> {
    name: String,
    id: &'a str,
    parent: Option<String>,
    kind: u64,
    from: String,
    to: String,
    attributes: Json,
    status: Json,
}

fn span(ids: &Ids, span: Span<'_>) -> Json {
    let mut json = object([
        ("traceId", ids.trace.as_str().into()),
        ("spanId", ids.span(span.id).into()),
        ("name", span.name.into()),
        ("kind", span.kind.into()),
        ("startTimeUnixNano", span.from.into()),
        ("endTimeUnixNano", span.to.into()),
        ("attributes", span.attributes),
        ("status", span.status),
    ]);
    if let (Json::Object(members), Some(parent)) = (&mut json, span.parent) {
        members.insert("parentSpanId".to_owned(), ids.span(&parent).into());
    }
    json
}

fn root(subject: &Subject, ids: &Ids) -> Json {
    let (client, _) = subject.client();
    let session = &subject.session;
    let status = session.text_at("status").unwrap_or_default();
    span(
        ids,
        Span {
            name: format!("invoke_agent {client}"),
            id: "run",
            parent: None,
            kind: INTERNAL,
            from: ids.from.clone(),
            to: ids.to.clone(),
            attributes: attributes(&[
                ("gen_ai.operation.name", string("invoke_agent")),
                ("gen_ai.agent.name", string(client)),
                ("gen_ai.conversation.id", string(&subject.info.run_id)),
                (
                    "gen_ai.usage.input_tokens",
                    whole(session.at(&["costs", "tokens_in"])),
                ),
                (
                    "gen_ai.usage.output_tokens",
                    whole(session.at(&["costs", "tokens_out"])),
                ),
                (
                    "error.type",
                    (status == "failed").then_some("failed").and_then(string),
                ),
            ]),
            status: outcome(status, None),
        },
    )
}

fn step(subject: &Subject, ids: &Ids, index: u64, body: &Json) -> Json {
    let action = body
        .at(&["action", "type"])
        .and_then(Json::text)
        .or_else(|| body.text_at("step_type"))
        .unwrap_or("step");
    let from = body
        .text_at("started_at")
        .and_then(nanos)
        .unwrap_or_else(|| ids.from.clone());
    let ended = body.text_at("ended_at").and_then(nanos);
    let status = body.text_at("status").unwrap_or_default();
    let text = |path: &[&str]| body.at(path).and_then(Json::text).and_then(string);
    span(
        ids,
        Span {
            name: format!("execute_tool {action}"),
            id: &format!("step/{index}"),
            parent: Some("run".to_owned()),
            kind: INTERNAL,
            to: ended.unwrap_or_else(|| after(&from, body)),
            from,
            attributes: attributes(&[
                ("gen_ai.operation.name", string("execute_tool")),
                ("gen_ai.tool.name", string(action)),
                ("gen_ai.tool.call.id", text(&["step_id"])),
                (
                    "gen_ai.tool.call.arguments",
                    body.at(&["action", "params"])
                        .and_then(|params| string(&params.to_line())),
                ),
                ("augur.step_index", whole(Some(&index.into()))),
                ("augur.intent", text(&["intent"])),
                ("augur.verdict", text(&["verdict", "status"])),
                (
                    "augur.screenshot",
                    subject.screenshot(index).and_then(|path| string(&path)),
                ),
                ("error.type", text(&["failure_class"])),
            ]),
            status: outcome(status, body.at(&["verdict", "reason"]).and_then(Json::text)),
        },
    )
}

fn model_call(ids: &Ids, name: &str, call: &Json) -> Json {
    let model = call
        .at(&["request", "model"])
        .and_then(Json::text)
        .unwrap_or("model");
    let from = call
        .text_at("ts")
        .and_then(nanos)
        .unwrap_or_else(|| ids.from.clone());
    let parent = match name.split('-').next().and_then(|step| step.parse::<u64>().ok()) {
        Some(index) => format!("step/{index}"),
        None => "run".to_owned(),
    };
    span(
        ids,
        Span {
            name: format!("chat {model}"),
            id: name,
            parent: Some(parent),
            kind: CLIENT,
            to: after(&from, call),
            from,
            attributes: attributes(&[
                ("gen_ai.operation.name", string("chat")),
                ("gen_ai.request.model", string(model)),
                (
                    "gen_ai.usage.input_tokens",
                    whole(call.at(&["response", "usage", "prompt_tokens"])),
                ),
                (
                    "gen_ai.usage.output_tokens",
                    whole(call.at(&["response", "usage", "completion_tokens"])),
                ),
                ("augur.layer", call.text_at("layer").and_then(string)),
                ("augur.modelio", string(&format!("modelio/{name}"))),
            ]),
            status: object([]),
        },
    )
}

fn outcome(status: &str, reason: Option<&str>) -> Json {
    match status {
        "failed" => object([
            ("code", ERROR.into()),
            ("message", reason.unwrap_or_default().into()),
        ]),
        "succeeded" | "recovered" => object([("code", OK.into())]),
        _ => object([]),
    }
}

/// Nanoseconds since 1970 as OTLP/JSON writes them: a text, because JSON's numbers are too small.
fn nanos(instant: &str) -> Option<String> {
    Timestamp::parse(instant).ok().map(micros)
}

fn micros(instant: Timestamp) -> String {
    (i128::from(instant.as_micros()) * 1_000).to_string()
}

/// The end of something that began then and says how long it took.
fn after(from: &str, body: &Json) -> String {
    let millis = body.get("duration_ms").and_then(Json::whole).unwrap_or(0);
    let from: i128 = from.parse().unwrap_or_default();
    (from + i128::from(millis) * 1_000_000).to_string()
}

fn string(text: &str) -> Option<Json> {
    Some(object([("stringValue", text.into())]))
}

fn whole(number: Option<&Json>) -> Option<Json> {
    let number = number?.whole()?;
    Some(object([("intValue", number.to_string().into())]))
}

fn attributes(known: &[(&str, Option<Json>)]) -> Json {
    let attribute = |(key, value): &(&str, Option<Json>)| {
        Some(object([("key", (*key).into()), ("value", value.clone()?)]))
    };
    Json::Array(known.iter().filter_map(attribute).collect())
}
