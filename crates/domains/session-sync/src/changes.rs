//! What a session did to files, told by the calls of its tools: a diff for each file.

use std::collections::{BTreeMap, HashSet};

use pentad_kernel::Actor;
use serde_json::Value;
use serde_json::value::RawValue;
use similar::TextDiff;

use crate::message::{Block, Message};
use crate::{Error, Result, SessionRef, SessionSync};

/// Files that are told of.
const MAX_FILES: usize = 500;
/// Bytes of the diff of one file, and of all together.
const FILE_DIFF_BYTES: usize = 64 << 10;
const ALL_DIFF_BYTES: usize = 2 << 20;
/// Bytes of a text that is compared line by line; of a longer one only its length is told.
const COMPARED_BYTES: usize = 256 << 10;
/// Steps that comparing all texts of a session may take: of two texts the square of their lines, at worst. Of those
/// that come after, too, only the length is told.
const STEPS: u64 = 100_000_000;

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was written as a whole.
    Created,
    /// Parts of it were changed.
    Edited,
    /// It was removed.
    Deleted,
    /// It was changed in a way that the call does not tell.
    Unknown,
}

impl Operation {
    /// The word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// What a session did to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file, as the tools named it.
    pub path: String,
    /// What was done first and decides what the file is.
    pub operation: Operation,
    /// The hunks in the order in which they were made, as in unified diffs.
    pub diff: String,
    /// Lines added.
    pub added_lines: u64,
    /// Lines removed.
    pub removed_lines: u64,
    /// The lines of `messages.jsonl` that hold the calls, from 0.
    pub message_indexes: Vec<u32>,
    /// Whether the diff was cut.
    pub truncated: bool,
}

/// What a session did to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The files, by path.
    pub files: Vec<FileChange>,
    /// The commit or branch that the session worked on.
    pub git_ref: Option<String>,
    /// Whether files were left out.
    pub truncated: bool,
    /// SHA-256 of the archive that this was read from.
    pub etag: String,
}

/// One change that a call asked for.
struct Hunk {
    path: String,
    operation: Operation,
    text: String,
    added: u64,
    removed: u64,
    line: u32,
}

impl Hunk {
    fn of(path: &str, operation: Operation) -> Self {
        Self {
            path: path.to_owned(),
            operation,
            text: String::new(),
            added: 0,
            removed: 0,
            line: 0,
        }
    }
}

impl SessionSync {
    /// What the session did to files. Calls that failed count for nothing.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn changes(&self, actor: &Actor, name: &SessionRef) -> Result<Changes> {
        let session = self.session(actor, name).await?;
        let messages = self.session_messages(&session.id).await?;
        let mut gatherer = Gatherer::default();
        for frame in &messages.frames {
            let lines = messages.lines(frame).await?;
            let gathering = tokio::task::spawn_blocking(move || {
                for (number, line) in &lines {
                    if let Some(message) = Message::parse(line) {
                        gatherer.message(*number, &message);
                    }
                }
                gatherer
            });
            gatherer = gathering.await.map_err(|panic| Error::Internal(panic.into()))?;
        }
        let (files, truncated) = gatherer.finish();
        Ok(Changes {
            files,
            git_ref: session.git_commit.or(session.git_branch),
            truncated,
            etag: session.etag,
        })
    }
}

struct Gatherer {
    hunks: Vec<(String, Hunk)>,
    failed: HashSet<String>,
    bytes: usize,
    /// Steps that comparing may still take.
    steps: u64,
    truncated: bool,
}

impl Default for Gatherer {
    fn default() -> Self {
        Self {
            hunks: Vec::new(),
            failed: HashSet::new(),
            bytes: 0,
            steps: STEPS,
            truncated: false,
        }
    }
}

impl Gatherer {
    fn message(&mut self, line: u32, message: &Message<'_>) {
        for block in message.blocks() {
            match block {
                Block::ToolUse { id, name, input } => {
                    for mut hunk in hunks(&name, input, &mut self.steps) {
                        if self.bytes > ALL_DIFF_BYTES {
                            self.truncated = true;
                            return;
                        }
                        hunk.line = line;
                        self.bytes += hunk.text.len();
                        self.hunks.push((id.clone().into_owned(), hunk));
                    }
                }
                Block::ToolResult {
                    id, is_error: true, ..
                } if !id.is_empty() => {
                    self.failed.insert(id.into_owned());
                }
                Block::ToolResult { .. } | Block::Text(_) | Block::Thought(_) => {}
            }
        }
    }

    fn finish(self) -> (Vec<FileChange>, bool) {
        let mut files: BTreeMap<String, FileChange> = BTreeMap::new();
        let mut truncated = self.truncated;
        for (id, hunk) in self.hunks {
            if self.failed.contains(&id) {
                continue;
            }
            if files.len() == MAX_FILES && !files.contains_key(&hunk.path) {
                truncated = true;
                continue;
            }
            let file = files.entry(hunk.path.clone()).or_insert_with(|| FileChange {
                path: hunk.path,
                operation: hunk.operation,
                diff: String::new(),
                added_lines: 0,
                removed_lines: 0,
                message_indexes: Vec::new(),
                truncated: false,
            });
            if hunk.operation == Operation::Deleted {
                file.operation = Operation::Deleted;
            }
            file.added_lines += hunk.added;
            file.removed_lines += hunk.removed;
            if file.message_indexes.last() != Some(&hunk.line) {
                file.message_indexes.push(hunk.line);
            }
            if file.diff.len() + hunk.text.len() > FILE_DIFF_BYTES {
                file.truncated = true;
            } else {
                file.diff.push_str(&hunk.text);
            }
        }
        (files.into_values().collect(), truncated)
    }
}

/// The changes that one call asks for.
fn hunks(tool: &str, input: Option<&RawValue>, steps: &mut u64) -> Vec<Hunk> {
    let Some(Ok(input)) = input.map(|raw| serde_json::from_str::<Value>(raw.get())) else {
        return Vec::new();
    };
    let text = |names: &[&str]| names.iter().find_map(|&name| input[name].as_str());
    let path = text(&["file_path", "path", "notebook_path", "filename", "target_file"]);
    let path = path.filter(|path| !path.is_empty());
    match (tool.to_ascii_lowercase().as_str(), path) {
        ("write" | "write_file" | "create_file" | "write_to_file", Some(path)) => {
            let content = text(&["content", "contents", "file_text"]);
            vec![compared(
                path,
                Operation::Created,
                "",
                content.unwrap_or_default(),
                steps,
            )]
        }
        ("edit" | "edit_file" | "replace_in_file", Some(path)) => vec![edit(path, &input, steps)],
        ("multiedit", Some(path)) => {
            let edits = input["edits"].as_array().into_iter().flatten();
            edits.map(|one| edit(path, one, steps)).collect()
        }
        ("str_replace_editor" | "str_replace_based_edit_tool", Some(path)) => match text(&["command"]) {
            Some("create") => {
                let content = text(&["file_text"]).unwrap_or_default();
                vec![compared(path, Operation::Created, "", content, steps)]
            }
            Some("str_replace") => {
                let old = text(&["old_str"]).unwrap_or_default();
                vec![compared(
                    path,
                    Operation::Edited,
                    old,
                    text(&["new_str"]).unwrap_or_default(),
                    steps,
                )]
            }
            Some("insert") => {
                let new = text(&["insert_text", "new_str"]).unwrap_or_default();
                vec![compared(path, Operation::Edited, "", new, steps)]
            }
            _ => Vec::new(),
        },
        ("notebookedit", Some(path)) => {
            let source = text(&["new_source"]).unwrap_or_default();
            vec![compared(path, Operation::Edited, "", source, steps)]
        }
        ("apply_patch" | "apply_diff" | "shell" | "exec_command", _) => {
            let patch = text(&["patch", "input", "diff"]).map(str::to_owned);
            // A shell may be handed the patch as one of its words.
            let words = || {
                input["command"]
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|word| word.contains("*** Begin Patch"))
                    .map(str::to_owned)
            };
            patch
                .or_else(words)
                .map(|patch| patched(&patch))
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn edit(path: &str, edit: &Value, steps: &mut u64) -> Hunk {
    let text = |names: &[&str]| names.iter().find_map(|&name| edit[name].as_str());
    let old = text(&["old_string", "old_str", "old"]);
    let new = text(&["new_string", "new_str", "new"]);
    match (old, new) {
        (None, None) => Hunk::of(path, Operation::Unknown),
        (old, new) => compared(
            path,
            Operation::Edited,
            old.unwrap_or_default(),
            new.unwrap_or_default(),
            steps,
        ),
    }
}

/// The hunks between two texts. The lines are numbered from where the texts begin: where that is in the file,
/// a call does not say.
fn compared(path: &str, operation: Operation, old: &str, new: &str, steps: &mut u64) -> Hunk {
    let mut hunk = Hunk::of(path, operation);
    let (removed, added) = (old.lines().count() as u64, new.lines().count() as u64);
    let wanted = match (removed, added) {
        (0, _) | (_, 0) => 0,
        _ => (removed + added).saturating_pow(2),
    };
    if old.len() + new.len() > COMPARED_BYTES || wanted > *steps {
        hunk.text = format!("@@ -1,{removed} +1,{added} @@\n");
        (hunk.added, hunk.removed) = (added, removed);
        return hunk;
    }
    *steps -= wanted;
    let diff = TextDiff::from_lines(old, new);
    hunk.text = diff
        .unified_diff()
        .context_radius(3)
        .missing_newline_hint(false)
        .to_string();
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Insert => hunk.added += 1,
            similar::ChangeTag::Delete => hunk.removed += 1,
            similar::ChangeTag::Equal => {}
        }
    }
    hunk
}

/// The changes in a patch of the form `*** Update File: path`.
fn patched(patch: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for line in patch.lines() {
        let operations = [
            ("*** Add File: ", Operation::Created),
            ("*** Update File: ", Operation::Edited),
            ("*** Delete File: ", Operation::Deleted),
        ];
        let begins = operations
            .iter()
            .find_map(|(mark, operation)| Some((line.strip_prefix(mark)?.trim(), *operation)));
        if let Some((path, operation)) = begins {
            hunks.push(Hunk::of(path, operation));
            continue;
        }
        let (Some(hunk), false) = (hunks.last_mut(), line.starts_with("*** ")) else {
            continue;
        };
        hunk.added += u64::from(line.starts_with('+'));
        hunk.removed += u64::from(line.starts_with('-'));
        hunk.text.push_str(line);
        hunk.text.push('\n');
    }
    hunks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(lines: &[Value]) -> Vec<FileChange> {
        let mut gatherer = Gatherer::default();
        for (number, line) in (0..).zip(lines) {
            gatherer.message(number, &Message::parse(&line.to_string()).unwrap());
        }
        gatherer.finish().0
    }

    fn call(id: &str, name: &str, input: &Value) -> Value {
        json!({"role": "assistant", "content": [{"type": "tool_use", "tool_use_id": id, "name": name, "input": input}]})
    }

    #[test]
    fn a_file_has_the_hunks_of_all_calls_that_changed_it() {
        let files = changes(&[
            call(
                "1",
                "Write",
                &json!({"file_path": "/w/b.py", "content": "a\nb\n"}),
            ),
            call(
                "2",
                "Edit",
                &json!({"file_path": "/w/a.py", "old_string": "x = 1\n", "new_string": "x = 2\n"}),
            ),
            call(
                "3",
                "MultiEdit",
                &json!({"file_path": "/w/b.py", "edits": [{"old_string": "a\n", "new_string": ""}]}),
            ),
        ]);
        let told: Vec<_> = files
            .iter()
            .map(|file| {
                (
                    file.path.as_str(),
                    file.operation,
                    file.added_lines,
                    file.removed_lines,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("/w/a.py", Operation::Edited, 1, 1),
                ("/w/b.py", Operation::Created, 2, 1)
            ]
        );
        assert_eq!(files[0].diff, "@@ -1 +1 @@\n-x = 1\n+x = 2\n");
        assert_eq!(files[1].message_indexes, [0, 2]);
    }

    #[test]
    fn a_call_that_failed_changed_nothing() {
        let files = changes(&[
            call("1", "Write", &json!({"file_path": "/w/a.py", "content": "a"})),
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "denied", "is_error": true}]}),
        ]);
        assert!(files.is_empty());
    }

    #[test]
    fn what_would_take_too_long_to_compare_is_told_by_its_length() {
        let lines = |mark: &str| {
            (0..20)
                .map(|number| format!("{mark}{number}\n"))
                .collect::<String>()
        };
        let mut steps = 100;
        let short = compared("a", Operation::Edited, "x\ny\n", "x\nz\n", &mut steps);
        assert_eq!(
            (short.text.as_str(), steps),
            ("@@ -1,2 +1,2 @@\n x\n-y\n+z\n", 84)
        );
        let long = compared("a", Operation::Edited, &lines("x"), &lines("y"), &mut steps);
        assert_eq!(
            (long.text.as_str(), long.added, long.removed),
            ("@@ -1,20 +1,20 @@\n", 20, 20)
        );
        let new = compared("a", Operation::Created, "", &lines("x"), &mut steps);
        assert_eq!(
            (new.text.lines().count(), steps),
            (21, 84),
            "what is all new needs no comparing"
        );
    }

    #[test]
    fn patches_are_read_file_by_file_and_nonsense_is_left_out() {
        let patch = "*** Begin Patch\n*** Update File: src/a.rs\n@@\n-old\n+new\n+more\n*** Delete File: src/b.rs\n*** End Patch\n";
        let files = changes(&[
            call("1", "apply_patch", &json!({"input": patch})),
            call("2", "shell", &json!({"command": ["apply_patch", patch]})),
            call("3", "Edit", &json!({"file_path": 7})),
            call("4", "MultiEdit", &json!({"file_path": "/w/c", "edits": {"a": 1}})),
            call("5", "Edit", &json!("text")),
        ]);
        assert_eq!(files.len(), 2);
        assert_eq!((files[0].added_lines, files[0].removed_lines), (4, 2));
        assert_eq!(files[1].operation, Operation::Deleted);
    }
}
