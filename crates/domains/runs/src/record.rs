//! From what a client sends to what is written.

use pentad_kernel::{Timestamp, secret};

use crate::json::{Json, object};
use crate::names::{RunId, ShotKind, is_log_name, is_modelio_name, is_side_effect_id};
use crate::png::Png;
use crate::schema::{self, index_of, records};
use crate::{Error, Limits, Result};

/// The kinds of record that a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Manifest,
    Trace,
    Step,
    Costs,
    Events,
    Screenshot,
    ModelIo,
    Log,
    LogChunk,
    SideEffect,
    Reasoning,
    Outcome,
    EvalCandidate,
    JudgeDecision,
    Replay,
    Span,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Manifest,
        Self::Trace,
        Self::Step,
        Self::Costs,
        Self::Events,
        Self::Screenshot,
        Self::ModelIo,
        Self::Log,
        Self::LogChunk,
        Self::SideEffect,
        Self::Reasoning,
        Self::Outcome,
        Self::EvalCandidate,
        Self::JudgeDecision,
        Self::Replay,
        Self::Span,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Trace => "trace",
            Self::Step => "step",
            Self::Costs => "costs",
            Self::Events => "events",
            Self::Screenshot => "screenshot",
            Self::ModelIo => "modelio",
            Self::Log => "log",
            Self::LogChunk => "log_chunk",
            Self::SideEffect => "side_effect",
            Self::Reasoning => "reasoning",
            Self::Outcome => "outcome",
            Self::EvalCandidate => "eval_candidate",
            Self::JudgeDecision => "judge_decision",
            Self::Replay => "replay",
            Self::Span => "span",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a record meets one that is there already under the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The later one counts.
    Replace,
    /// The earlier one counts: it is the same.
    Keep,
    /// There never is one: the key is made from the order of arrival.
    Append,
    /// A step, by the rules of [`crate::merge`].
    Step,
    /// Cumulative costs, likewise.
    Costs,
    /// A side effect, likewise.
    SideEffect,
    /// The text goes to the end of a log, as far as there is room.
    Log { order: Option<String> },
    /// A trace: replaces, and takes its steps with it.
    Trace,
    /// No record: those of the kind from the key on, up to `before`, are removed.
    Clear { before: String },
}

/// One record to be written.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) step_index: Option<u64>,
    pub(crate) body: Json,
    pub(crate) rule: Rule,
    pub(crate) items: u64,
    pub(crate) object: Option<NewObject>,
}

/// Bytes to be stored by their content.
#[derive(Clone, Debug)]
pub(crate) struct NewObject {
    pub(crate) sha256: String,
    pub(crate) size: usize,
    /// `None` once they lie in the object store.
    pub(crate) bytes: Option<bytes::Bytes>,
}

/// What a heartbeat says of the client behind a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) capture_mode: Option<String>,
}

/// One thing that a client sends about a run, checked and ready to be written.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(crate) run: RunId,
    pub(crate) changes: Vec<Change>,
    /// Set by a heartbeat that names the run.
    pub(crate) streamed_by: Option<Client>,
    /// The revision of the run that the changes were made from, 0 for none; `None` when they fit any.
    pub(crate) made_from: Option<i64>,
    /// The path under which the record is read back.
    pub(crate) path: Option<String>,
    /// What the connection list shows as the client's last event.
    pub(crate) event: &'static str,
    pub(crate) bytes: usize,
}

/// A step's records sort by index, and its iterations have a key each.
pub(crate) fn step_key(index: u64, step_id: &str) -> String {
    format!("{index:09}/{}", secret::sha256_hex(step_id))
}

pub(crate) fn screenshot_key(index: u64, kind: ShotKind) -> String {
    format!("{index:09}/{}", kind.name())
}

impl Submission {
    pub(crate) fn new(run: RunId, event: &'static str, path: Option<String>, changes: Vec<Change>) -> Self {
        let bytes = changes.iter().map(Change::bytes).sum();
        Self {
            run,
            changes,
            streamed_by: None,
            made_from: None,
            path,
            event,
            bytes,
        }
    }

    /// The run that it is about.
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// The envelope of a bundle, which names its run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body that is no manifest.
    pub fn manifest(body: Json) -> Result<Self> {
        schema::check(&body, &records::MANIFEST)?;
        let run = RunId::parse_at(body.text_at("run_id").unwrap_or_default(), &["body", "run_id"])?;
        Ok(Self::new(
            run,
            "manifest",
            Some("manifest.json".to_owned()),
            vec![Change::new(Kind::Manifest, String::new(), body, Rule::Replace)],
        ))
    }

    /// A session with all its steps.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body that is no trace, or one of another run.
    pub fn trace(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::TRACE)?;
        if body.at(&["session", "run_id"]).and_then(Json::text) != Some(run.as_str()) {
            return Err(Error::invalid(
                &["body", "session", "run_id"],
                "value_error",
                "does not match the run id of the path",
            ));
        }
        Ok(Self::new(
            run,
            "trace",
            Some("trace.json".to_owned()),
            vec![Change::new(Kind::Trace, String::new(), body, Rule::Trace)],
        ))
    }

    /// One step.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body that is no step, or one of another index.
    pub fn step(run: RunId, index: u64, body: Json) -> Result<Self> {
        schema::check(&body, &records::STEP)?;
        if index_of(&body, "step_index") != Some(index) {
            return Err(Error::invalid(
                &["body", "step_index"],
                "value_error",
                "does not match the step index of the path",
            ));
        }
        Ok(Self::new(
            run,
            "step",
            Some(format!("steps/{index:04}.json")),
            vec![Change::step(index, body)],
        ))
    }

    /// Cumulative costs of the run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body without any amount.
    pub fn costs(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::COSTS)?;
        if !records::COST_NAMES.iter().any(|name| body.get(name).is_some()) {
            return Err(Error::invalid(
                &["body"],
                "missing",
                format!("at least one of {} is required", records::COST_NAMES.join(", ")),
            ));
        }
        Ok(Self::new(
            run,
            "costs",
            None,
            vec![Change::new(Kind::Costs, String::new(), body, Rule::Costs)],
        ))
    }

    /// Decision events. With an idempotency key, the same post again changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] when any event is wrong, or there are too many.
    pub fn events(run: RunId, body: &Json, idempotency_key: Option<&str>, limits: &Limits) -> Result<Self> {
        schema::check(body, &records::EVENTS)?;
        let events = body.get("events").and_then(Json::elements).unwrap_or_default();
        if events.len() > limits.events_per_post {
            return Err(Error::invalid(
                &["body", "events"],
                "too_long",
                format!(
                    "more than {} events (limit events_per_post)",
                    limits.events_per_post
                ),
            ));
        }
        let of_post = index_of(body, "step_index");
        let mut by_file = std::collections::BTreeMap::<Option<u64>, Vec<Json>>::new();
        for event in events {
            let file = of_post.or_else(|| index_of(event, "step_index"));
            by_file.entry(file).or_default().push(event.clone());
        }
        let prefix = idempotency_key.map(|key| secret::sha256_hex(key)[..32].to_owned());
        let path = match by_file.keys().next() {
            Some(Some(index)) => Some(format!("events/{index:04}.jsonl")),
            Some(None) => Some("events/run.jsonl".to_owned()),
            None => None,
        };
        let changes = by_file
            .into_iter()
            .map(|(index, events)| {
                let file = index.map_or_else(|| "run".to_owned(), |index| format!("{index:09}"));
                let (key, rule) = match &prefix {
                    Some(prefix) => (format!("{file}/{prefix}"), Rule::Keep),
                    None => (file, Rule::Append),
                };
                let items = events.len() as u64;
                Change {
                    step_index: index,
                    items,
                    ..Change::new(Kind::Events, key, Json::Array(events), rule)
                }
            })
            .collect();
        Ok(Self::new(run, "events", path, changes))
    }

    /// A screenshot of a step.
    pub fn screenshot(run: RunId, index: u64, kind: ShotKind, image: Png) -> Self {
        let body = object([
            ("sha256", image.sha256().into()),
            ("bytes", image.bytes().len().into()),
            ("width", u64::from(image.width()).into()),
            ("height", u64::from(image.height()).into()),
        ]);
        let change = Change {
            step_index: Some(index),
            object: Some(NewObject {
                sha256: image.sha256().to_owned(),
                size: image.bytes().len(),
                bytes: Some(image.into_bytes()),
            }),
            ..Change::new(Kind::Screenshot, screenshot_key(index, kind), body, Rule::Replace)
        };
        let path = format!("screenshots/{index:04}_{}.png", kind.name());
        Self::new(run, "screenshot", Some(path), vec![change])
    }

    /// One call of a model, under the name that the client gave it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another name or a body that is no such record.
    pub fn modelio(run: RunId, name: &str, body: Json) -> Result<Self> {
        check_modelio_name(name)?;
        schema::check(&body, &records::MODELIO)?;
        let step_index = name.split('-').next().and_then(|step| step.parse().ok());
        let change = Change {
            step_index,
            ..Change::new(Kind::ModelIo, name.to_owned(), body, Rule::Replace)
        };
        Ok(Self::new(
            run,
            "modelio",
            Some(format!("modelio/{name}")),
            vec![change],
        ))
    }

    /// A piece of log text, for the log of a step or one with a name (`run` when there is none).
    ///
    /// `scrub` replaces what looks like a secret or a personal address.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body without text or with a name that no log may have,
    /// [`Error::TooLarge`] for too much text.
    pub fn log(run: RunId, body: &Json, scrub: bool, limits: &Limits) -> Result<Self> {
        schema::check(body, &records::LOG)?;
        let text = body.text_at("text").unwrap_or_default();
        if text.len() > limits.log_post_bytes {
            return Err(Error::TooLarge {
                what: "the text",
                limit: limits.log_post_bytes,
                name: "log_post_bytes",
            });
        }
        let step_index = index_of(body, "step_index");
        let name = match (step_index, body.text_at("name")) {
            (_, Some(name)) if !is_log_name(name) => {
                return Err(Error::invalid(
                    &["body", "name"],
                    "value_error",
                    "a log name has 1 to 64 letters, digits, ., _ or -, begins with a letter or digit, and has no ..",
                ));
            }
            (Some(index), _) => format!("step-{index}"),
            (None, Some(name)) => name.to_owned(),
            (None, None) => "run".to_owned(),
        };
        let (text, replaced) = if scrub {
            crate::scrub::scrub(text)
        } else {
            (text.to_owned(), 0)
        };
        let sequence = index_of(body, "seq");
        let time = body.text_at("ts").and_then(|ts| Timestamp::parse(ts).ok());
        let order = (sequence.is_some() || time.is_some()).then(|| {
            let time = time.map_or(0, |time| time.as_micros().max(0));
            format!("{time:020}/{:020}", sequence.unwrap_or(0))
        });
        let path = format!("logs/{name}.log");
        let change = Change {
            step_index,
            items: replaced,
            ..Change::new(Kind::Log, name, Json::Text(text), Rule::Log { order })
        };
        Ok(Self::new(run, "log", Some(path), vec![change]))
    }

    /// Something that the agent did, or means to do, to the world outside.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn side_effect(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::SIDE_EFFECT)?;
        let id = body.text_at("side_effect_id").unwrap_or_default().to_owned();
        if !is_side_effect_id(&id) {
            return Err(Error::invalid(
                &["body", "side_effect_id"],
                "value_error",
                "expected 1 to 100 letters, digits, _ or -",
            ));
        }
        let index = index_of(&body, "step_index").unwrap_or_default();
        let path = format!("side_effects/{index:04}-{id}.json");
        let change = Change {
            step_index: Some(index),
            ..Change::new(Kind::SideEffect, id, body, Rule::SideEffect)
        };
        Ok(Self::new(run, "side_effect", Some(path), vec![change]))
    }

    /// What a model thought, for a step or the run.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn reasoning(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::REASONING)?;
        let path = "events/reasoning.jsonl".to_owned();
        Ok(Self::new(
            run,
            "reasoning",
            Some(path),
            vec![Change::by_content(Kind::Reasoning, body)],
        ))
    }

    /// How a step or the session ended.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn outcome(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::OUTCOME)?;
        let path = "outcomes.json".to_owned();
        Ok(Self::new(
            run,
            "outcome",
            Some(path),
            vec![Change::by_content(Kind::Outcome, body)],
        ))
    }

    /// A step worth keeping as a regression test.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn eval_candidate(run: RunId, body: Json) -> Result<Self> {
        schema::check(&body, &records::EVAL_CANDIDATE)?;
        let index = index_of(&body, "step_index").unwrap_or_default();
        let change = Change {
            step_index: Some(index),
            ..Change::new(Kind::EvalCandidate, format!("{index:09}"), body, Rule::Replace)
        };
        Ok(Self::new(
            run,
            "eval_candidate",
            Some("eval_candidates.json".to_owned()),
            vec![change],
        ))
    }

    /// What a judge decided about a step.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn judge_decision(run: RunId, index: u64, body: Json) -> Result<Self> {
        schema::check(&body, &records::JUDGE_DECISION)?;
        let content = secret::sha256_hex(body.to_line());
        let change = Change {
            step_index: Some(index),
            ..Change::new(
                Kind::JudgeDecision,
                format!("{index:09}/{content}"),
                body,
                Rule::Keep,
            )
        };
        let path = format!("steps/{index:04}.json");
        Ok(Self::new(run, "judge_decision", Some(path), vec![change]))
    }

    pub(crate) fn heartbeat(run: RunId, client: Client) -> Self {
        Self {
            streamed_by: Some(client),
            ..Self::new(run, "heartbeat", None, Vec::new())
        }
    }
}

/// Checks the name of a model call.
///
/// # Errors
/// [`Error::Invalid`] for any other name.
pub fn check_modelio_name(name: &str) -> Result<()> {
    if is_modelio_name(name) {
        return Ok(());
    }
    Err(Error::invalid(
        &["path", "relpath"],
        "value_error",
        "expected <step>-<layer>-<n>.json or run-<layer>-<n>.json",
    ))
}

impl Change {
    pub(crate) const fn new(kind: Kind, key: String, body: Json, rule: Rule) -> Self {
        Self {
            kind,
            key,
            step_index: None,
            body,
            rule,
            items: 0,
            object: None,
        }
    }

    /// Removes the records of a kind whose keys lie below a name.
    pub(crate) fn clear_below(kind: Kind, name: &str) -> Self {
        // '0' is the character after '/'.
        let before = format!("{name}0");
        Self::new(kind, format!("{name}/"), Json::Null, Rule::Clear { before })
    }

    /// Removes every record of a kind.
    pub(crate) fn clear_all(kind: Kind) -> Self {
        // Keys are printable ASCII.
        let before = "\u{7f}".to_owned();
        Self::new(kind, String::new(), Json::Null, Rule::Clear { before })
    }

    pub(crate) fn step(index: u64, body: Json) -> Self {
        let key = step_key(index, body.text_at("step_id").unwrap_or_default());
        Self {
            step_index: Some(index),
            ..Self::new(Kind::Step, key, body, Rule::Step)
        }
    }

    /// A record that has no name of its own: an equal one is the same one.
    fn by_content(kind: Kind, body: Json) -> Self {
        let key = secret::sha256_hex(body.to_line());
        Self {
            step_index: index_of(&body, "step_index"),
            ..Self::new(kind, key, body, Rule::Keep)
        }
    }

    /// About how much memory and room it takes.
    fn bytes(&self) -> usize {
        256 + weight(&self.body) + self.object.as_ref().map_or(0, |object| object.size)
    }
}

fn weight(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) => 4,
        Json::Number(text) => text.len(),
        Json::Text(text) => text.len() + 2,
        Json::Array(elements) => elements.iter().map(|element| weight(element) + 2).sum::<usize>() + 2,
        Json::Object(members) => {
            members
                .iter()
                .map(|(name, member)| name.len() + weight(member) + 6)
                .sum::<usize>()
                + 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_key_for_each_identifier_and_keys_sort_by_index() {
        assert_ne!(step_key(1, "a"), step_key(1, "b"));
        assert!(step_key(2, "a") < step_key(10, "a"));
    }

    #[test]
    fn a_post_of_events_is_split_by_file() {
        let body = Json::parse(
            br#"{"events":[{"ts":"2026-05-19T00:00:00Z","layer":"planner","kind":"info","summary":"a","step_index":1},
                           {"ts":"2026-05-19T00:00:00Z","layer":"planner","kind":"info","summary":"b"}]}"#,
        )
        .unwrap();
        let run = RunId::parse("run").unwrap();
        let split = Submission::events(run, &body, Some("once"), &Limits::default()).unwrap();
        let files: Vec<_> = split.changes.iter().map(|change| change.step_index).collect();
        assert_eq!(files, [None, Some(1)]);
        assert!(split.changes.iter().all(|change| change.rule == Rule::Keep));
    }
}
