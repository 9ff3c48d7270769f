//! Agent Trajectory Interchange Format, version 1.7 (Harbor RFC 0001).

use super::{Subject, known, text};
use crate::json::{Json, object};

pub(super) fn document(subject: &Subject) -> Json {
    let mut steps = Vec::new();
    let session = &subject.session;
    if let Some(task) = session.at(&["task_spec", "instruction"]) {
        steps.push(known([
            ("timestamp", session.get("started_at").cloned()),
            ("source", text("user")),
            ("message", Some(task.clone())),
        ]));
    }
    steps.extend(
        subject
            .steps
            .iter()
            .map(|(index, body)| step(subject, *index, body)),
    );
    for (at, step) in steps.iter_mut().enumerate() {
        if let Json::Object(members) = step {
            members.insert("step_id".to_owned(), (at + 1).into());
        }
    }
    let model = subject
        .steps
        .iter()
        .find_map(|(_, step)| step.at(&["captured_versions", "model"]));
    let (name, version) = subject.client();
    let cost = |name: &str| session.at(&["costs", name]).cloned();
    known([
        ("schema_version", text("ATIF-v1.7")),
        ("session_id", text(&subject.info.run_id)),
        (
            "agent",
            Some(known([
                ("name", text(name)),
                ("version", text(version.unwrap_or("unknown"))),
                ("model_name", model.cloned()),
            ])),
        ),
        (
            "final_metrics",
            Some(known([
                ("total_prompt_tokens", cost("tokens_in")),
                ("total_completion_tokens", cost("tokens_out")),
                ("total_cached_tokens", cost("cache_hit_tokens")),
                ("total_cost_usd", cost("total_usd")),
                ("total_steps", Some(steps.len().into())),
            ])),
        ),
        (
            "extra",
            Some(known([
                ("status", session.get("status").cloned()),
                ("tags", session.get("tags").cloned()),
            ])),
        ),
        ("steps", Some(Json::Array(steps))),
    ])
}

fn step(subject: &Subject, index: u64, body: &Json) -> Json {
    let id = body.get("step_id").cloned();
    let at = |path: &[&str]| body.at(path).cloned();
    let thoughts: Vec<&str> = subject
        .reasoning
        .iter()
        .filter(|thought| thought.get("step_index").and_then(Json::whole) == Some(index))
        .filter_map(|thought| thought.text_at("text"))
        .collect();
    let call = at(&["action", "type"]).map(|function| {
        Json::Array(vec![known([
            ("tool_call_id", id.clone()),
            ("function_name", Some(function)),
            (
                "arguments",
                Some(at(&["action", "params"]).unwrap_or_else(|| object([]))),
            ),
        ])])
    });
    known([
        ("timestamp", at(&["started_at"])),
        ("source", text("agent")),
        ("model_name", at(&["captured_versions", "model"])),
        ("message", Some(at(&["intent"]).unwrap_or_else(|| Json::from("")))),
        (
            "reasoning_content",
            (!thoughts.is_empty()).then(|| Json::from(thoughts.join("\n\n"))),
        ),
        ("tool_calls", call.clone()),
        (
            "observation",
            observation(subject, index, body, id.filter(|_| call.is_some())),
        ),
        (
            "metrics",
            body.get("costs").map(|_| {
                known([
                    ("prompt_tokens", at(&["costs", "tokens_in"])),
                    ("completion_tokens", at(&["costs", "tokens_out"])),
                    ("cached_tokens", at(&["costs", "cache_hit_tokens"])),
                    ("cost_usd", at(&["costs", "total_usd"])),
                ])
            }),
        ),
        (
            "extra",
            Some(known([
                ("step_index", Some(index.into())),
                ("status", at(&["status"])),
                ("failure_class", at(&["failure_class"])),
            ])),
        ),
    ])
}

/// What the agent saw after the step.
fn observation(subject: &Subject, index: u64, body: &Json, call: Option<Json>) -> Option<Json> {
    let mut content = Vec::new();
    let verdict = |name: &str| body.at(&["verdict", name]).and_then(Json::text);
    if let Some(status) = verdict("status") {
        let words = match verdict("reason") {
            Some(reason) => format!("{status}: {reason}"),
            None => status.to_owned(),
        };
        content.push(object([("type", "text".into()), ("text", words.into())]));
    }
    if let Some(path) = subject.screenshot(index) {
        let source = object([("media_type", "image/png".into()), ("path", path.into())]);
        content.push(object([("type", "image".into()), ("source", source)]));
    }
    (!content.is_empty()).then(|| {
        let result = known([("source_call_id", call), ("content", Some(Json::Array(content)))]);
        object([("results", Json::Array(vec![result]))])
    })
}
