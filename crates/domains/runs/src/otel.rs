//! Spans of OpenTelemetry as records of runs.
//!
//! The names are those of the GenAI semantic conventions, of OpenInference and of OpenLLMetry, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use pentad_kernel::{Actor, Timestamp, secret};
use pentad_store::with_reader;
use tokio::sync::Mutex;

use crate::json::{Json, object};
use crate::names::RunId;
use crate::record::{Change, Kind, Rule, Submission};
use crate::{Error, Result, Runs, reading};

/// A span, as far as runs are made of it.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace, 32 hex digits.
    pub trace_id: String,
    /// The span, 16 hex digits.
    pub span_id: String,
    /// The span that it is a part of.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// Its attributes.
    pub attributes: BTreeMap<String, Json>,
    /// Those of what produced it.
    pub resource: BTreeMap<String, Json>,
    /// What happened during it.
    pub events: Vec<SpanEvent>,
    /// Why it failed, when it did.
    pub error: Option<String>,
    /// The whole, as OTLP/JSON writes it.
    pub raw: Json,
}

/// Something that happened during a span.
#[derive(Clone, Debug)]
pub struct SpanEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub name: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Json>,
}

/// Batches of spans of one run give their tools places one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<[Mutex<()>; 64]>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::new(()))))
    }
}

impl Turns {
    fn of(&self, actor: &Actor, run: &RunId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        (actor.organisation.as_str(), run.as_str()).hash(&mut hasher);
        let stripes = self.0.len() as u64;
        &self.0[usize::try_from(hasher.finish() % stripes).unwrap_or(0)]
    }
}

/// What a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Agent,
    Tool,
    Model,
    Other,
}

const RUN: &[&str] = &[
    "augur.run_id",
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
];
const AGENT: &[&str] = &["gen_ai.agent.name", "agent.name", "traceloop.entity.name"];
const TOOL: &[&str] = &["gen_ai.tool.name", "tool.name", "traceloop.entity.name"];
const ARGUMENTS: &[&str] = &[
    "gen_ai.tool.call.arguments",
    "tool.parameters",
    "input.value",
    "traceloop.entity.input",
];
const MODEL: &[&str] = &["gen_ai.request.model", "gen_ai.response.model", "llm.model_name"];
const TOKENS_IN: &[&str] = &[
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
];
const TOKENS_OUT: &[&str] = &[
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
];
const SAID_TO_MODEL: &[&str] = &["gen_ai.input.messages", "llm.input_messages", "input.value"];
const SAID_BY_MODEL: &[&str] = &["gen_ai.output.messages", "llm.output_messages", "output.value"];
/// What holds the words of people and models: left out where the organisation does not record model calls.
const CONTENT: &[&str] = &[
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.prompt",
    "gen_ai.completion",
    "llm.input_messages",
    "llm.output_messages",
    "input.value",
    "output.value",
    "traceloop.entity.input",
    "traceloop.entity.output",
];

impl Span {
    fn first<'a>(&'a self, names: &[&str]) -> Option<&'a Json> {
        names.iter().find_map(|name| self.attributes.get(*name))
    }

    fn text(&self, names: &[&str]) -> Option<&str> {
        self.first(names)?.text().filter(|text| !text.is_empty())
    }

    fn role(&self) -> Role {
        let text = |name: &str| self.attributes.get(name).and_then(Json::text);
        let kind = text("openinference.span.kind")
            .or_else(|| text("traceloop.span.kind"))
            .map(str::to_ascii_lowercase);
        match (text("gen_ai.operation.name"), kind.as_deref()) {
            (Some("invoke_agent"), _) | (None, Some("agent" | "workflow")) => Role::Agent,
            (Some("execute_tool"), _) | (None, Some("tool")) => Role::Tool,
            (Some("chat" | "text_completion" | "generate_content"), _) | (None, Some("llm")) => Role::Model,
            (None, None) if text("llm.request.type").is_some() => Role::Model,
            _ => Role::Other,
        }
    }

    fn run(&self) -> Option<RunId> {
        let resource = || RUN.iter().find_map(|name| self.resource.get(*name)?.text());
        self.text(RUN).or_else(resource).and_then(RunId::parse)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.to.since(self.from).as_millis()).unwrap_or_default()
    }
}

/// A span as it is kept, by the time at which it began.
pub(crate) fn raw_span(span: Json) -> Change {
    let text = |name: &str| span.text_at(name).unwrap_or_default();
    let digits = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(64)
            .collect::<String>()
    };
    let key = format!(
        "{:0>20}/{}",
        digits(text("startTimeUnixNano")),
        digits(text("spanId"))
    );
    Change::new(Kind::Span, key, span, Rule::Replace)
}

/// How often places are given out anew because others wrote to the run meanwhile.
const ATTEMPTS: usize = 50;

const STEP_KEYS: &str = "SELECT key FROM run_records WHERE run = $1 AND kind = 'step'";

impl Runs {
    /// Takes spans. Each is kept as it came; agents, tools and models become sessions, steps and model calls of
    /// the run that the span belongs to. A span that comes again changes nothing.
    ///
    /// # Errors
    /// As [`Runs::ingest`]; spans of other runs may have been written by then, and taking all again is safe.
    pub async fn ingest_spans(&self, actor: &Actor, spans: Vec<Span>) -> Result<()> {
        let modelio = self.settings(actor).await?.modelio_enabled;
        // The name of a run stands on some of its spans; the others of the trace follow.
        let mut named = BTreeMap::<String, RunId>::new();
        for span in &spans {
            if let Some(run) = span.run() {
                named.entry(span.trace_id.clone()).or_insert(run);
            }
        }
        let mut by_run = BTreeMap::<RunId, Vec<Span>>::new();
        for span in spans {
            let run = span
                .run()
                .or_else(|| named.get(&span.trace_id).cloned())
                .or_else(|| RunId::parse(&span.trace_id))
                .ok_or(Error::Damaged("a trace id"))?;
            by_run.entry(run).or_default().push(span);
        }
        let writes = by_run.into_iter().map(|(run, mut spans)| async move {
            if !modelio {
                spans.iter_mut().for_each(without_content);
            }
            self.ingest_spans_of(actor, run, spans).await
        });
        // At once, so that they share a flush.
        for outcome in futures_util::future::join_all(writes).await {
            outcome?;
        }
        Ok(())
    }

    async fn ingest_spans_of(&self, actor: &Actor, run: RunId, mut spans: Vec<Span>) -> Result<()> {
        spans.sort_by(|one, other| (one.from, &one.span_id).cmp(&(other.from, &other.span_id)));
        if !spans.iter().any(|span| span.role() == Role::Tool) {
            let submission = submission(&run, &spans, &mut Places::default())?;
            return self.ingest(actor, submission).await.map(|_| ());
        }
        let turn = self.span_turns.of(actor, &run);
        let _turn = turn.lock().await;
        let mut attempts = 0;
        loop {
            let (mut places, rev) = self.places(actor, &run).await?;
            let submission = Submission {
                made_from: Some(rev),
                ..submission(&run, &spans, &mut places)?
            };
            attempts += 1;
            match self.ingest(actor, submission).await {
                // Another gateway, or somebody else here, wrote to the run: the places may be taken.
                Err(Error::Moved) if attempts < ATTEMPTS => {}
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    /// Which steps of a run are taken, and at which revision of the run that was.
    async fn places(&self, actor: &Actor, run: &RunId) -> Result<(Places, i64)> {
        let info = match reading::run(&self.db, &actor.organisation, run).await {
            Ok(info) => info,
            Err(Error::RunNotFound) => return Ok((Places::default(), 0)),
            Err(other) => return Err(other),
        };
        let keys: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(STEP_KEYS)
            .bind(info.id)
            .fetch_all(conn)
            .await)?;
        let mut places = Places::default();
        for key in keys {
            if let Some((index, id)) = key.split_once('/')
                && let Ok(index) = index.parse()
            {
                places.taken.insert(id.to_owned(), index);
                places.next = places.next.max(index + 1);
            }
        }
        Ok((places, info.rev))
    }
}

/// What spans of a run say, and the spans themselves.
fn submission(run: &RunId, spans: &[Span], places: &mut Places) -> Result<Submission> {
    let mut changes = Vec::new();
    for span in spans {
        let step = match span.role() {
            Role::Tool => Some(places.of(&span.span_id)),
            _ => None,
        };
        if let Some(index) = step {
            changes.extend(Submission::step(run.clone(), index, tool(span, index))?.changes);
        }
        match span.role() {
            Role::Model => {
                let name = format!("run-model-{}.json", number(&span.span_id));
                changes.extend(Submission::modelio(run.clone(), &name, model_call(span))?.changes);
            }
            Role::Agent if span.parent_id.is_none() => {
                let body = object([
                    ("session", session(span, run)),
                    ("steps", Json::Array(Vec::new())),
                ]);
                changes.extend(Submission::trace(run.clone(), body)?.changes);
            }
            _ => {}
        }
        changes.extend(events(span, step));
        changes.push(raw_span(span.raw.clone()));
    }
    Ok(Submission::new(run.clone(), "traces", None, changes))
}

/// Which steps of a run are taken, by the hash of their identifiers.
#[derive(Default)]
struct Places {
    taken: BTreeMap<String, u64>,
    next: u64,
}

impl Places {
    fn of(&mut self, span_id: &str) -> u64 {
        let next = &mut self.next;
        *self.taken.entry(secret::sha256_hex(span_id)).or_insert_with(|| {
            *next += 1;
            *next - 1
        })
    }
}

fn without_content(span: &mut Span) {
    let is_content = |name: &str| {
        CONTENT
            .iter()
            .any(|known| name == *known || name.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')))
    };
    let hidden: BTreeSet<String> = span
        .attributes
        .keys()
        .filter(|name| is_content(name))
        .cloned()
        .collect();
    span.attributes.retain(|name, _| !hidden.contains(name));
    if let Json::Object(members) = &mut span.raw
        && let Some(Json::Array(attributes)) = members.get_mut("attributes")
    {
        attributes.retain(|pair| !pair.text_at("key").is_some_and(|key| hidden.contains(key)));
    }
}

/// A text that holds JSON, as what it holds.
fn unpacked(value: &Json) -> Json {
    match value {
        Json::Text(text) => Json::parse(text.as_bytes()).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

fn known(members: Vec<(&str, Option<Json>)>) -> Json {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn tool(span: &Span, index: u64) -> Json {
    let name = span.text(TOOL).unwrap_or(&span.name);
    let params = match span.first(ARGUMENTS).map(unpacked) {
        Some(params @ Json::Object(_)) => Some(params),
        Some(other) if !other.is_null() => Some(object([("arguments", other)])),
        _ => None,
    };
    let failed = span.error.is_some();
    let reason = span.error.as_deref().filter(|reason| !reason.is_empty());
    known(vec![
        ("step_id", Some(Json::from(span.span_id.as_str()))),
        ("step_index", Some(index.into())),
        ("step_type", Some(Json::from(name))),
        (
            "status",
            Some(Json::from(if failed { "failed" } else { "succeeded" })),
        ),
        (
            "intent",
            span.text(&["augur.intent", "gen_ai.tool.description"])
                .map(Json::from),
        ),
        ("failure_class", span.text(&["error.type"]).map(Json::from)),
        ("started_at", Some(Json::from(span.from.to_string()))),
        ("ended_at", Some(Json::from(span.to.to_string()))),
        ("duration_ms", Some(span.millis().into())),
        (
            "action",
            Some(known(vec![("type", Some(Json::from(name))), ("params", params)])),
        ),
        (
            "verdict",
            reason.map(|reason| object([("status", "failed".into()), ("reason", reason.into())])),
        ),
    ])
}

fn model_call(span: &Span) -> Json {
    let whole = |names: &[&str]| span.first(names).filter(|value| value.whole().is_some()).cloned();
    let messages = span.first(SAID_TO_MODEL).map(unpacked);
    let messages = messages.map(|said| match said {
        Json::Array(said) if said.iter().all(|each| each.text_at("role").is_some()) => Json::Array(said),
        other => Json::Array(vec![object([("role", "user".into()), ("content", other)])]),
    });
    let said = span.first(SAID_BY_MODEL).map(|said| match said {
        Json::Text(text) => text.clone(),
        other => other.to_line(),
    });
    known(vec![
        ("schema_version", Some(Json::from("0.1"))),
        ("layer", Some(Json::from("model"))),
        ("ts", Some(Json::from(span.from.to_string()))),
        ("duration_ms", Some(span.millis().into())),
        (
            "request",
            Some(known(vec![
                ("model", Some(Json::from(span.text(MODEL).unwrap_or("unknown")))),
                ("messages", messages),
            ])),
        ),
        (
            "response",
            Some(known(vec![
                ("text", said.map(Json::from)),
                (
                    "usage",
                    Some(known(vec![
                        ("prompt_tokens", whole(TOKENS_IN)),
                        ("completion_tokens", whole(TOKENS_OUT)),
                    ])),
                ),
            ])),
        ),
    ])
}

fn session(span: &Span, run: &RunId) -> Json {
    let service = span.resource.get("service.name").and_then(Json::text);
    let version = span.resource.get("service.version").and_then(Json::text);
    let name = span.text(AGENT).or(service).unwrap_or("unknown");
    known(vec![
        ("schema_version", Some(Json::from("0.1"))),
        (
            "debug_session_id",
            Some(Json::from(format!("dbg_{}", span.trace_id))),
        ),
        ("run_id", Some(Json::from(run.as_str()))),
        (
            "client",
            Some(known(vec![
                ("name", Some(Json::from(name))),
                ("version", version.map(Json::from)),
            ])),
        ),
        ("capture_mode", Some(Json::from("trace"))),
        ("started_at", Some(Json::from(span.from.to_string()))),
        ("ended_at", Some(Json::from(span.to.to_string()))),
        (
            "status",
            Some(Json::from(if span.error.is_some() {
                "failed"
            } else {
                "succeeded"
            })),
        ),
    ])
}

/// The span's events, as one record: the same span again changes nothing.
fn events(span: &Span, step: Option<u64>) -> Option<Change> {
    if span.events.is_empty() {
        return None;
    }
    let event = |event: &SpanEvent| {
        known(vec![
            ("ts", Some(Json::from(event.at.to_string()))),
            ("layer", Some(Json::from("runner"))),
            (
                "kind",
                Some(Json::from(if event.name == "exception" {
                    "error"
                } else {
                    "info"
                })),
            ),
            ("summary", Some(Json::from(event.name.as_str()))),
            ("step_index", step.map(Json::from)),
            (
                "detail",
                (!event.attributes.is_empty()).then(|| Json::Object(event.attributes.clone())),
            ),
        ])
    };
    let file = step.map_or_else(|| "run".to_owned(), |index| format!("{index:09}"));
    Some(Change {
        step_index: step,
        items: span.events.len() as u64,
        ..Change::new(
            Kind::Events,
            format!("{file}/span-{}", span.span_id),
            Json::Array(span.events.iter().map(event).collect()),
            Rule::Keep,
        )
    })
}

/// A number of nine digits at most that stands for a span.
fn number(span_id: &str) -> u64 {
    u64::from_str_radix(&secret::sha256_hex(span_id)[..15], 16).unwrap_or_default() % 1_000_000_000
}
