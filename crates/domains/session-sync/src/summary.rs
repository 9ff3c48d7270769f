//! What happened in a session, told without a language model.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use pentad_kernel::Timestamp;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::message::{Block, Message, input_field};
use crate::secrets::excerpt;

/// How many errors, files and packages are kept.
const MAX_ERRORS: usize = 5;
const MAX_NAMES: usize = 500;
/// How many tool calls may be waiting for their result.
const MAX_PENDING: usize = 10_000;
/// How much of an error's text is kept, in characters.
const ERROR_CHARS: usize = 200;
/// How many of the assistant's last messages a handoff shows, and how much of each.
const LAST_MESSAGES: usize = 3;
const LAST_MESSAGE_CHARS: usize = 500;

/// What the messages of a session say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Messages that are JSON objects.
    pub message_count: u64,
    /// Tools called.
    pub tool_call_count: u64,
    /// Minutes between the first and the last message; at least one when there is time between them.
    pub duration_minutes: u64,
    /// Files written or edited, sorted.
    pub files_modified: BTreeSet<String>,
    /// Files only read, sorted.
    pub files_read: BTreeSet<String>,
    /// Shell commands run.
    pub commands_executed: u64,
    /// Tests that ran, by the words of their runners.
    pub tests_run: u64,
    /// Of these, those that passed.
    pub tests_passed: u64,
    /// Of these, those that failed.
    pub tests_failed: u64,
    /// Packages installed, sorted.
    pub packages_installed: BTreeSet<String>,
    /// The first few errors that tools gave, shortened, without secrets.
    pub errors_encountered: Vec<String>,
    /// The end of what the assistant said, oldest first, shortened, without secrets.
    pub last_assistant_messages: Vec<String>,
}

/// Gathers [`Facts`] from messages in their order.
#[derive(Default)]
pub(crate) struct Gatherer {
    facts: Facts,
    commands: HashMap<String, String>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// The first message of the user outside side chains: what a title is made from.
    pub(crate) first_user_text: Option<String>,
}

static PASSED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{1,7}) (?:passed|passing)\b"));
static FAILED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{1,7}) (?:failed|failing|failures?)\b"));
static GO_OK: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^ok\s+\S+\s+(?:\d+\.\d+s|\(cached\))"));
static GO_FAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^FAIL\s+\S+\s+\d+\.\d+s"));
static RUNNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:pytest|jest|vitest|mocha|rspec|phpunit|tox|nox|ctest|unittest|test|tests|check)\b")
});
static INSTALL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:pip3?|uv pip) install\s+([^;&|\n]+)|\b(?:npm (?:install|i)|pnpm add|yarn add|cargo add|uv add|poetry add|go get)\s+([^;&|\n]+)",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is valid and small")
}

impl Gatherer {
    pub(crate) fn message(&mut self, message: &Message<'_>) {
        self.facts.message_count += 1;
        if let Some(at) = message.timestamp.as_deref().and_then(instant) {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = Some(self.last.map_or(at, |last| last.max(at)));
        }
        let mut said = String::new();
        for block in message.blocks() {
            match block {
                Block::Text(text) => {
                    if said.is_empty() {
                        said = text.into_owned();
                    }
                }
                Block::Thought(_) => {}
                Block::ToolUse { id, name, input } => self.tool_use(&id, &name, input),
                Block::ToolResult { id, text, is_error } => self.tool_result(&id, &text, is_error),
            }
        }
        if message.is_sidechain || said.trim().is_empty() {
            return;
        }
        match &*message.role {
            "user" if self.first_user_text.is_none() => self.first_user_text = Some(head(&said, 4_000)),
            "assistant" => {
                let last = &mut self.facts.last_assistant_messages;
                if last.len() == LAST_MESSAGES {
                    last.remove(0);
                }
                last.push(excerpt(said.trim(), LAST_MESSAGE_CHARS));
            }
            _ => {}
        }
    }

    fn tool_use(&mut self, id: &str, name: &str, input: Option<&serde_json::value::RawValue>) {
        self.facts.tool_call_count += 1;
        let path = || {
            input_field(
                input,
                &["file_path", "path", "notebook_path", "filename", "target_file"],
            )
        };
        let add = |set: &mut BTreeSet<String>, path: Option<String>| {
            if let Some(path) = path.filter(|path| !path.is_empty() && set.len() < MAX_NAMES) {
                set.insert(path);
            }
        };
        match name.to_ascii_lowercase().as_str() {
            "write" | "edit" | "multiedit" | "notebookedit" | "write_file" | "edit_file"
            | "str_replace_editor" | "create_file" | "replace_in_file" | "write_to_file" | "apply_diff" => {
                add(&mut self.facts.files_modified, path());
            }
            "read" | "read_file" | "view" | "notebookread" => add(&mut self.facts.files_read, path()),
            "glob" | "grep" | "ls" => add(&mut self.facts.files_read, input_field(input, &["path"])),
            "bash" | "shell" | "execute_command" | "run_command" | "run_terminal_cmd" | "exec_command"
            | "local_shell" => {
                let Some(command) = input_field(input, &["command", "cmd"]) else {
                    self.facts.commands_executed += 1;
                    return;
                };
                self.facts.commands_executed += 1;
                self.installs(&command);
                if !id.is_empty() && self.commands.len() < MAX_PENDING {
                    self.commands.insert(id.to_owned(), head(&command, 1_000));
                }
            }
            _ => {}
        }
    }

    /// What a command that installs packages names: words that are neither options nor files.
    fn installs(&mut self, command: &str) {
        for found in INSTALL.captures_iter(command) {
            let Some(words) = found.get(1).or_else(|| found.get(2)) else {
                continue;
            };
            let mut words = words.as_str().split_whitespace();
            while let Some(word) = words.next() {
                if matches!(
                    word,
                    "-r" | "-c" | "-e" | "-t" | "--requirement" | "--constraint" | "--index-url"
                ) {
                    words.next();
                    continue;
                }
                let name = word.trim_matches(['"', '\'']);
                let is_package = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
                    && !name.ends_with(".txt")
                    && !name.contains("://");
                if is_package && self.facts.packages_installed.len() < MAX_NAMES {
                    self.facts.packages_installed.insert(head(name, 100));
                }
            }
        }
    }

    fn tool_result(&mut self, id: &str, text: &str, is_error: bool) {
        let command = self.commands.remove(id);
        if let Some(command) = &command
            && RUNNER.is_match(command)
        {
            let sum = |pattern: &Regex| -> u64 {
                let numbers = pattern
                    .captures_iter(text)
                    .filter_map(|found| found.get(1)?.as_str().parse().ok());
                numbers.fold(0, |sum: u64, number: u64| sum.saturating_add(number))
            };
            let count = |pattern: &Regex| pattern.find_iter(text).count() as u64;
            let passed = sum(&PASSED) + count(&GO_OK);
            let failed = sum(&FAILED) + count(&GO_FAIL);
            self.facts.tests_passed += passed;
            self.facts.tests_failed += failed;
            self.facts.tests_run += passed + failed;
        }
        if is_error && self.facts.errors_encountered.len() < MAX_ERRORS {
            let line = text.lines().map(str::trim).find(|line| !line.is_empty());
            if let Some(line) = line {
                self.facts.errors_encountered.push(excerpt(line, ERROR_CHARS));
            }
        }
    }

    pub(crate) fn finish(mut self) -> (Facts, Option<String>) {
        let modified = &self.facts.files_modified;
        self.facts.files_read.retain(|path| !modified.contains(path));
        // Less than a minute is told as one.
        if let (Some(first), Some(last)) = (self.first, self.last)
            && first < last
        {
            self.facts.duration_minutes = (last.since(first).as_secs() / 60).max(1);
        }
        (self.facts, self.first_user_text)
    }
}

/// A time as transcripts write it: RFC 3339, or the same without a zone, which then means UTC.
fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
        .or_else(|_| Timestamp::parse(&format!("{text}Z")))
        .ok()
}

/// The first `chars` characters.
pub(crate) fn head(text: &str, chars: usize) -> String {
    text.char_indices()
        .nth(chars)
        .map_or(text, |(end, _)| &text[..end])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(lines: &[&str]) -> Facts {
        let mut gatherer = Gatherer::default();
        for line in lines {
            gatherer.message(&Message::parse(line).unwrap());
        }
        gatherer.finish().0
    }

    #[test]
    fn a_captured_session_is_told_by_its_tool_calls() {
        let facts = facts(&[
            r#"{"role":"user","content":"Fix it","timestamp":"2026-03-20T11:00:00.000Z"}"#,
            r#"{"role":"assistant","content":[{"type":"tool_use","tool_use_id":"1","name":"Edit","input":{"file_path":"/w/a.py"}},
                {"type":"tool_use","tool_use_id":"2","name":"Read","input":{"file_path":"/w/a.py"}},
                {"type":"tool_use","tool_use_id":"3","name":"Read","input":{"file_path":"/w/b.py"}}]}"#,
            r#"{"role":"assistant","content":[{"type":"tool_use","tool_use_id":"4","name":"Bash","input":{"command":"pip install -r x.txt httpx && pytest -q"}}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"4","content":"3 passed, 1 failed in 0.1s","is_error":true}],"timestamp":"2026-03-20T11:09:30"}"#,
        ]);
        assert_eq!(
            Vec::from_iter(&facts.files_modified),
            ["/w/a.py"],
            "written files are not also read"
        );
        assert_eq!(Vec::from_iter(&facts.files_read), ["/w/b.py"]);
        assert_eq!(
            (facts.tests_run, facts.tests_passed, facts.tests_failed),
            (4, 3, 1)
        );
        assert_eq!(Vec::from_iter(&facts.packages_installed), ["httpx"]);
        assert_eq!(facts.errors_encountered, ["3 passed, 1 failed in 0.1s"]);
        assert_eq!(facts.duration_minutes, 9);
        assert_eq!((facts.commands_executed, facts.tool_call_count), (1, 4));
    }

    #[test]
    fn thoughts_are_not_what_was_said_and_seconds_are_a_minute() {
        let facts = facts(&[
            r#"{"role":"user","content":"hello","timestamp":"2026-03-20T14:31:00Z"}"#,
            r#"{"role":"assistant","content":[{"type":"thinking","text":"hmm"},{"type":"text","text":"Hi there!"}],"timestamp":"2026-03-20T14:31:15Z"}"#,
            r#"{"role":"assistant","content":[{"type":"thinking","thinking":"only a thought"}]}"#,
        ]);
        assert_eq!(facts.last_assistant_messages, ["Hi there!"]);
        assert_eq!(facts.duration_minutes, 1);
    }

    #[test]
    fn go_packages_count_as_tests_and_talk_of_tests_does_not() {
        let facts = facts(&[
            r#"{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"bash","input":{"command":"go test ./..."}}]}"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"ok  \tx/a\t0.01s\nFAIL\tx/b\t0.02s\n"}]}"#,
            r#"{"role":"assistant","content":"I think 7 passed"}"#,
        ]);
        assert_eq!(
            (facts.tests_run, facts.tests_passed, facts.tests_failed),
            (2, 1, 1)
        );
        assert_eq!(facts.last_assistant_messages, ["I think 7 passed"]);
    }
}
