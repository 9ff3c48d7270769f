//! One line of `messages.jsonl`, read without trusting any of its types.
//!
//! A field that is missing or of another type than the format says counts as absent; the line itself is
//! never altered. Values are looked at where they lie: only texts with escapes are copied.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::surrogates::without_lone_surrogates;

/// The fields of a message that Pentad looks at.
#[derive(Default)]
pub(crate) struct Message<'a> {
    pub(crate) role: Cow<'a, str>,
    pub(crate) is_sidechain: bool,
    pub(crate) timestamp: Option<Cow<'a, str>>,
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_sidechain: Option<&'a RawValue>,
}

/// A part of a message's content.
pub(crate) enum Block<'a> {
    /// What was said, or a summary of it.
    Text(Cow<'a, str>),
    /// What was thought before it was said.
    Thought(Cow<'a, str>),
    /// A tool was called. The identifier is that of `tool_use_id`, or of `id` in raw transcripts.
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Option<&'a RawValue>,
    },
    /// What the tool gave back.
    ToolResult {
        id: Cow<'a, str>,
        text: String,
        is_error: bool,
    },
}

#[derive(Deserialize)]
struct RawBlock<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_error: Option<&'a RawValue>,
}

/// A JSON string; `None` for any other value. Lone surrogates make it a text with U+FFFD in their place.
pub(crate) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    if !raw.starts_with('"') {
        return None;
    }
    let inner = raw.get(1..raw.len() - 1)?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let text = serde_json::from_str(&without_lone_surrogates(raw)).ok()?;
    Some(Cow::Owned(text))
}

/// Truth as the original's language sees it: not `null`, `false`, zero, or anything empty.
fn truthy(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "false" | "0" | "0.0" | "\"\"" | "[]" | "{}"))
}

impl<'a> Message<'a> {
    /// Reads a line; `None` when it is not a JSON object.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        if !line.trim_start().starts_with('{') {
            return None;
        }
        let raw: RawMessage<'a> = serde_json::from_str(line).ok()?;
        Some(Self {
            role: text(raw.role).unwrap_or_default(),
            is_sidechain: truthy(raw.is_sidechain),
            timestamp: text(raw.timestamp),
            content: raw.content,
        })
    }

    /// Whether readers are shown the message: side chains and messages without content are left out.
    pub(crate) fn is_visible(&self) -> bool {
        !self.is_sidechain && (truthy(self.content) || self.role == "tool")
    }

    /// The parts of the content, in order; parts of unknown types are left out.
    pub(crate) fn blocks(&self) -> Vec<Block<'a>> {
        let Some(content) = self.content else {
            return Vec::new();
        };
        match content.get().as_bytes().first() {
            Some(b'"') => text(Some(content)).map(Block::Text).into_iter().collect(),
            Some(b'[') => {
                let blocks: Vec<&'a RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
                blocks.into_iter().filter_map(Block::parse).collect()
            }
            _ => Block::parse(content).into_iter().collect(),
        }
    }
}

impl<'a> Block<'a> {
    fn parse(raw: &'a RawValue) -> Option<Self> {
        match raw.get().as_bytes().first() {
            Some(b'"') => return text(Some(raw)).map(Self::Text),
            Some(b'{') => {}
            _ => return None,
        }
        let block: RawBlock<'a> = serde_json::from_str(raw.get()).ok()?;
        match text(block.kind).as_deref() {
            Some("tool_use") => Some(Self::ToolUse {
                id: text(block.tool_use_id)
                    .or_else(|| text(block.id))
                    .unwrap_or_default(),
                name: text(block.name).unwrap_or_default(),
                input: block.input,
            }),
            Some("tool_result") => Some(Self::ToolResult {
                id: text(block.tool_use_id)
                    .or_else(|| text(block.id))
                    .unwrap_or_default(),
                text: block.content.map(result_text).unwrap_or_default(),
                is_error: truthy(block.is_error),
            }),
            Some("thinking") => text(block.text)
                .or_else(|| text(block.thinking))
                .map(Self::Thought),
            _ => text(block.text)
                .or_else(|| text(block.thinking))
                .or_else(|| text(block.summary))
                .map(Self::Text),
        }
    }
}

/// The text of a tool's result: a string, or the texts of its blocks.
fn result_text(raw: &RawValue) -> String {
    if let Some(text) = text(Some(raw)) {
        return text.into_owned();
    }
    let mut all = String::new();
    strings(raw, &mut |text| {
        if !all.is_empty() {
            all.push('\n');
        }
        all.push_str(text);
    });
    all
}

/// How deep values are searched for strings.
const MAX_DEPTH: usize = 16;

/// Shows every string value within `raw`, but the `type` of blocks.
pub(crate) fn strings(raw: &RawValue, visit: &mut dyn FnMut(&str)) {
    fn walk(value: &serde_json::Value, depth: usize, visit: &mut dyn FnMut(&str)) {
        match value {
            serde_json::Value::String(text) => visit(text),
            serde_json::Value::Array(items) if depth < MAX_DEPTH => {
                items.iter().for_each(|item| walk(item, depth + 1, visit));
            }
            serde_json::Value::Object(fields) if depth < MAX_DEPTH => {
                let shown = fields
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "type" | "data" | "media_type"));
                shown.for_each(|(_, value)| walk(value, depth + 1, visit));
            }
            _ => {}
        }
    }
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(raw.get()) {
        walk(&value, 0, visit);
    }
}

/// A field of a tool's input that is a string.
pub(crate) fn input_field(input: Option<&RawValue>, names: &[&str]) -> Option<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(input?.get()).ok()?;
    names
        .iter()
        .find_map(|&name| fields.get(name)?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_count_as_absent() {
        for line in [
            r#"{"role":7,"content":{"a":1},"timestamp":[],"is_sidechain":"no"}"#,
            r#"{"role":"user","content":[1,null,"text",{"type":3},{"type":"tool_use","input":"x"}]}"#,
            r#"{"content":"\ud800 lone"}"#,
        ] {
            let message = Message::parse(line).unwrap();
            let _ = (message.is_visible(), message.blocks().len());
        }
        for line in ["", "7", "\"text\"", "[]", "{", "{\"role\":", "null"] {
            assert!(Message::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_replaced() {
        let message = Message::parse(r#"{"content":"a \ud800 b"}"#).unwrap();
        assert!(
            matches!(&message.blocks()[..], [Block::Text(text)] if text.starts_with("a ") && text.ends_with(" b"))
        );
    }

    #[test]
    fn sidechains_and_empty_messages_are_hidden() {
        let visible = |line| Message::parse(line).unwrap().is_visible();
        assert!(visible(r#"{"role":"user","content":"hi"}"#));
        assert!(visible(r#"{"role":"tool"}"#));
        assert!(!visible(r#"{"role":"user","content":[]}"#));
        assert!(!visible(r#"{"role":"user","content":"hi","is_sidechain":true}"#));
    }

    #[test]
    fn tool_calls_are_known_by_either_name_of_their_identifier() {
        let line = r#"{"role":"assistant","content":[{"type":"tool_use","tool_use_id":"a","name":"Bash","input":{"command":"ls"}},
            {"type":"tool_use","id":"b","name":"Read"},{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"out"}]}]}"#;
        let message = Message::parse(line).unwrap();
        let blocks = message.blocks();
        assert!(
            matches!(&blocks[0], Block::ToolUse { id, input, .. } if id == "a" && input_field(*input, &["command"]).as_deref() == Some("ls"))
        );
        assert!(matches!(&blocks[1], Block::ToolUse { id, .. } if id == "b"));
        assert!(matches!(&blocks[2], Block::ToolResult { id, text, .. } if id == "a" && text == "out"));
    }
}
