//! OpenAI's items of computer use, as fine-tuning and replays take them: a call, then what was seen.

use super::{Subject, known, text};
use crate::json::{Json, object};

pub(super) fn items(subject: &Subject) -> Vec<Json> {
    let mut items = Vec::new();
    if let Some(task) = subject.session.at(&["task_spec", "instruction"]) {
        items.push(object([
            ("type", "message".into()),
            ("role", "user".into()),
            ("content", task.clone()),
        ]));
    }
    for (index, step) in &subject.steps {
        for thought in &subject.reasoning {
            if thought.get("step_index").and_then(Json::whole) == Some(*index)
                && let Some(words) = thought.text_at("text")
            {
                let summary = object([("type", "summary_text".into()), ("text", words.into())]);
                items.push(object([
                    ("type", "reasoning".into()),
                    ("summary", Json::Array(vec![summary])),
                ]));
            }
        }
        let Some(kind) = step.at(&["action", "type"]) else {
            continue;
        };
        let mut action = step
            .at(&["action", "params"])
            .and_then(Json::members)
            .cloned()
            .unwrap_or_default();
        action.insert("type".to_owned(), kind.clone());
        let id = step.get("step_id").cloned();
        items.push(known([
            ("type", text("computer_call")),
            ("call_id", id.clone()),
            ("action", Some(Json::Object(action))),
            ("status", text("completed")),
        ]));
        if let Some(path) = subject.screenshot(*index) {
            let output = object([("type", "computer_screenshot".into()), ("image_url", path.into())]);
            items.push(known([
                ("type", text("computer_call_output")),
                ("call_id", id),
                ("output", Some(output)),
            ]));
        }
    }
    items
}
