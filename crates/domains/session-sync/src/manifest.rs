//! What an archive's `manifest.json` and `workspace.json` say of a session, whatever types they use.
//!
//! Nothing in them is believed to have the type that the format says: a value of another type counts as
//! absent, numbers are taken within their range, texts are cut to their width and freed of NUL.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::summary::head;
use pentad_kernel::normalised_remote;

/// How many tags a session has at most, and how long each is, in characters.
pub const MAX_TAGS: usize = 20;
/// The longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 50;
/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 500;

/// The metadata of a session, as its archive tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) title: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) source_tool: String,
    pub(crate) source_tool_version: Option<String>,
    pub(crate) original_session_id: Option<String>,
    pub(crate) model_provider: Option<String>,
    pub(crate) model_id: Option<String>,
    pub(crate) message_count: i64,
    pub(crate) turn_count: i64,
    pub(crate) tool_use_count: i64,
    pub(crate) total_input_tokens: i64,
    pub(crate) total_output_tokens: i64,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) parent_session_id: Option<String>,
    pub(crate) persona_name: Option<String>,
    pub(crate) ticket_id: Option<String>,
    pub(crate) retrieval_audit_id: Option<String>,
    pub(crate) provenance: Provenance,
}

/// Which rules an agent worked under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of the rules.
    pub rules_version: Option<i64>,
    /// SHA-256 of the rules, hex.
    pub rules_hash: Option<String>,
    /// Where they came from.
    pub rules_source: Option<String>,
    /// The files of instructions that were in force, as the archive lists them.
    pub instruction_artifacts: Vec<Value>,
}

/// The git state of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Git {
    pub(crate) remote: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) commit: Option<String>,
}

fn text(value: &Value, chars: usize) -> Option<String> {
    let clean = value.as_str()?.replace('\0', "");
    let clean = clean.trim();
    (!clean.is_empty()).then(|| head(clean, chars))
}

fn count(value: &Value) -> i64 {
    let number = value.as_i64().or_else(|| {
        let float = value.as_f64().filter(|float| float.is_finite())?;
        #[expect(clippy::cast_possible_truncation, reason = "the conversion saturates")]
        Some(float as i64)
    });
    number.unwrap_or(0).max(0)
}

/// Text without HTML tags, as titles and tags are stored.
pub(crate) fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let tag = &rest[open..];
        let begins = tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        plain.push_str(&rest[..open]);
        match tag.find('>').filter(|_| begins) {
            Some(close) => rest = &tag[close + 1..],
            None => {
                plain.push('<');
                rest = &tag[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

impl Metadata {
    pub(crate) fn read(manifest: &Value) -> Self {
        let at = |pointer: &str| manifest.pointer(pointer).unwrap_or(&Value::Null);
        let tags = at("/tags").as_array().map(Vec::as_slice).unwrap_or_default();
        let model = text(at("/model/model_id"), 100);
        let rules = |name: &str| at("/instruction_provenance").get(name).unwrap_or(&Value::Null);
        Self {
            title: text(at("/title"), MAX_TITLE_CHARS),
            tags: tags
                .iter()
                .filter_map(|tag| text(tag, MAX_TAG_CHARS))
                .take(MAX_TAGS)
                .collect(),
            source_tool: text(at("/source/tool"), 50).unwrap_or_else(|| "unknown".to_owned()),
            source_tool_version: text(at("/source/tool_version"), 50),
            original_session_id: text(at("/source/original_session_id"), 255),
            model_provider: text(at("/model/provider"), 50),
            model_id: model.filter(|model| !matches!(model.as_str(), "synthetic" | "<synthetic>")),
            message_count: count(at("/stats/message_count")),
            turn_count: count(at("/stats/turn_count")),
            tool_use_count: count(at("/stats/tool_use_count")),
            total_input_tokens: count(at("/stats/total_input_tokens")),
            total_output_tokens: count(at("/stats/total_output_tokens")),
            duration_ms: at("/stats/duration_ms")
                .is_number()
                .then(|| count(at("/stats/duration_ms"))),
            parent_session_id: text(at("/parent_session_id"), 64)
                .or_else(|| text(at("/_resume_parent_id"), 64)),
            persona_name: text(at("/persona_name"), 50),
            ticket_id: text(at("/ticket_id"), 64),
            retrieval_audit_id: text(at("/retrieval_audit_id"), 64),
            provenance: Provenance {
                rules_version: rules("rules_version").as_i64(),
                rules_hash: text(rules("rules_hash"), 128)
                    .map(|hash| hash.strip_prefix("sha256:").unwrap_or(&hash).to_owned()),
                rules_source: text(rules("rules_source"), 100),
                instruction_artifacts: rules("instruction_artifacts")
                    .as_array()
                    .cloned()
                    .unwrap_or_default(),
            },
        }
    }
}

impl Git {
    pub(crate) fn read(workspace: &Value) -> Self {
        let at = |name: &str| {
            let git = workspace.get("git").unwrap_or(&Value::Null);
            git.get(name).unwrap_or(&Value::Null)
        };
        Self {
            remote: text(at("remote_url"), 1_000)
                .and_then(|url| normalised_remote(&url))
                .map(|remote| head(&remote, 255)),
            branch: text(at("branch"), 255),
            commit: text(at("commit_sha"), 40),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_may_have_any_type() {
        for value in [
            json!(null),
            json!(7),
            json!("x"),
            json!([1]),
            json!({"a": []}),
            json!(1e300),
            json!(-5),
        ] {
            let manifest = json!({"title": value, "tags": value, "source": value, "model": value, "stats": value,
                "parent_session_id": value, "instruction_provenance": value, "persona_name": value});
            let metadata = Metadata::read(&manifest);
            assert!(metadata.tags.is_empty() && metadata.message_count == 0);
            let stats = json!({"stats": {"message_count": value, "duration_ms": value}});
            assert!(Metadata::read(&stats).message_count >= 0);
            let _ = (
                Metadata::read(&value),
                Git::read(&value),
                Git::read(&json!({"git": value})),
            );
        }
    }

    #[test]
    fn texts_are_cut_and_freed_of_nul_and_synthetic_models_are_none() {
        let manifest = json!({"title": "nul \u{0} byte", "tags": ["a", 3, "", "b".repeat(60)],
            "source": {"tool": "t".repeat(99)}, "model": {"model_id": "<synthetic>"},
            "instruction_provenance": {"rules_hash": "sha256:ab", "rules_version": 3}});
        let metadata = Metadata::read(&manifest);
        assert_eq!(metadata.title.as_deref(), Some("nul  byte"));
        assert_eq!(metadata.tags, ["a".to_owned(), "b".repeat(50)]);
        assert_eq!(metadata.source_tool.len(), 50);
        assert_eq!(metadata.model_id, None);
        assert_eq!(metadata.provenance.rules_hash.as_deref(), Some("ab"));
    }

    #[test]
    fn html_tags_go_and_comparisons_stay() {
        assert_eq!(without_tags("Renamed <i>x</i>"), "Renamed x");
        assert_eq!(without_tags("a < b and c > d"), "a < b and c > d");
        assert_eq!(without_tags("open <b"), "open <b");
    }
}
