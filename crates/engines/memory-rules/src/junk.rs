//! Messages that machines wrote: nothing in them is a fact about anybody.

use std::sync::LazyLock;

use regex::RegexSet;

/// Kinds of junk, in the order of [`PATTERNS`].
const KINDS: [&str; 6] = ["json", "traceback", "log", "boot", "heartbeat", "code"];

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        r"(?s)^\s*[\[{].*[\]}]\s*$",
        r"(?m)Traceback \(most recent call|^\s*at [\w.$<>]+\(.*:\d+\)|^\w*(?:Exception|Error): |\bpanicked at\b|\bsegmentation fault\b",
        r"(?m)^\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\[?(?:INFO|WARN|WARNING|ERROR|DEBUG|TRACE)\]?[ :])",
        r"(?i)\b(?:system prompt loaded|boot sequence|session start|tool (?:definitions|schemas?)|initiali[sz](?:ed|ing) \d+|restored \d+ (?:prior )?memor|environment variables validated|context_window|mcp servers?)\b",
        r"(?i)\b(?:heartbeat|all systems (?:nominal|operational)|cron job|no action required|connection alive|no new events|health ?check (?:ok|passed)|completed successfully at)\b|\buptime:",
        r"(?m)```|^\s*(?:def |fn |class \w+[:({]|import \w|from \w+ import|SELECT .+ FROM|#include|public (?:static|class)|const \w+ =|let (?:mut )?\w+ =)|[;{}]\s*$",
    ])
    .expect("the patterns are well formed")
});

/// What kind of junk a message is, if it is any.
pub(crate) fn junk(message: &str) -> Option<&'static str> {
    PATTERNS.matches(message).iter().next().map(|kind| KINDS[kind])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_from_people() {
        for (message, kind) in [
            (r#"{"status": "error", "code": 500}"#, Some("json")),
            (
                "Traceback (most recent call last):\n  File \"x.py\"",
                Some("traceback"),
            ),
            ("KeyError: 'session'", Some("traceback")),
            ("2026-01-02 10:00:01 service started", Some("log")),
            ("[INFO] listening on 8080", Some("log")),
            ("Boot sequence complete, initialized 12 tools", Some("boot")),
            ("Loaded 14 tool definitions.", Some("boot")),
            ("Heartbeat: all fine", Some("heartbeat")),
            ("Cron job 'sync' finished", Some("heartbeat")),
            ("fn main() {}", Some("code")),
            ("```\nls\n```", Some("code")),
            ("let x = 3;", Some("code")),
            ("I work as an engineer; I love logs.", None),
            ("My heart beats faster when I see her.", None),
            ("I made an error: I forgot the milk.", None),
            ("I have a class on Tuesday.", None),
            ("My son does not let me sleep.", None),
        ] {
            assert_eq!(junk(message), kind, "{message:?}");
        }
    }
}
