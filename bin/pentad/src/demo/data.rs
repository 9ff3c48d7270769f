//! What is loaded: Pentad's own files, and texts written for the purpose, all under its licence.

use std::io;

use serde_json::{Value, json};

/// Files by their paths in the repository, which is what the grep session searches.
macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../", $path)))),*]
    };
}

pub(super) const SOURCES: &[(&str, &str)] = sources![
    "README.md",
    "ARCHITECTURE.md",
    "docs/ADDING-AN-ENDPOINT.md",
    "docs/configuration.md",
    "docs/execution.md",
    "docs/grep.md",
    "docs/memories.md",
    "docs/operations.md",
    "docs/projects.md",
    "docs/runs.md",
    "docs/security.md",
    "docs/sessions.md",
    "docs/storage.md",
    "crates/base/kernel/src/actor.rs",
    "crates/base/kernel/src/error.rs",
    "crates/base/kernel/src/id.rs",
    "crates/base/kernel/src/scope.rs",
    "crates/base/kernel/src/time.rs",
    "crates/base/store/src/lib.rs",
    "crates/engines/archive/src/path.rs",
    "crates/engines/grep-engine/src/lib.rs",
    "crates/gateway/src/crossroads.rs",
    "crates/gateway/src/lib.rs",
    "crates/http/kit/src/access.rs",
    "crates/http/kit/src/fault.rs",
    "crates/http/kit/src/form.rs",
    "crates/http/kit/src/lib.rs",
    "migrations/sqlite/0002_identity.sql",
];

/// A fact, and since when it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) since: &'static str,
    pub(super) text: &'static str,
}

/// In the order in which they are learnt; later ones retire those they contradict.
pub(super) const FACTS: &[Fact] = &[
    Fact {
        since: "2023-02-01",
        text: "Ada lives in Berlin.",
    },
    Fact {
        since: "2023-02-01",
        text: "Ada works at Initech as a backend engineer.",
    },
    Fact {
        since: "2023-05-12",
        text: "Ada's favorite editor is Vim.",
    },
    Fact {
        since: "2024-03-04",
        text: "Ada is allergic to peanuts.",
    },
    Fact {
        since: "2024-09-01",
        text: "Ada works at Globex now.",
    },
    Fact {
        since: "2025-03-01",
        text: "Ada lives in Lisbon now.",
    },
    Fact {
        since: "2025-06-20",
        text: "Ada has a dog named Turing.",
    },
];

/// The identifier of the agent session: the same for one user, and nobody else's.
pub(super) fn agent_session_id(user: &str) -> String {
    let tail: String = user.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail = tail.to_ascii_lowercase();
    let from = tail.len().saturating_sub(12);
    format!("ses_pentaddemo{}", &tail[from..])
}

/// An agent's session as `sfs` would push it.
pub(super) fn agent_session(id: &str) -> io::Result<Vec<u8>> {
    let manifest = json!({
        "sfs_version": "0.1.0", "session_id": id, "title": "Fix the flaky retry test",
        "tags": ["demo", "ci"], "created_at": "2026-03-20T14:00:00Z", "updated_at": "2026-03-20T14:09:00Z",
        "source": { "tool": "codex" }, "stats": { "message_count": 6 },
    });
    let said = [
        (
            "user",
            "The retry test fails on Mondays. Find out why, and keep the fix small.",
        ),
        (
            "assistant",
            "I read src/net/retry.rs. The backoff takes its seed from the weekday, so Monday is always seed 1.",
        ),
        (
            "assistant",
            "With seed 1 the third delay is 0 ms, and the test expects it to be positive.",
        ),
        ("user", "Is that the test's fault or the code's?"),
        (
            "assistant",
            "The code's: a delay of zero is no backoff. I replaced the seed by full jitter and a floor of 10 ms.",
        ),
        (
            "assistant",
            "cargo test: 42 passed. I also pinned the clock in the test, so that it says the same on every weekday.",
        ),
    ];
    let messages: Vec<String> = said
        .iter()
        .map(|(role, text)| {
            json!({ "role": role, "content": [{ "type": "text", "text": text }] }).to_string()
        })
        .collect();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::default(),
    ));
    for (name, text) in [
        ("manifest.json", manifest.to_string()),
        ("messages.jsonl", messages.join("\n") + "\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

pub(super) fn knowledge() -> [Value; 4] {
    let entry = |kind: &str, text: &str| json!({ "entry_type": kind, "confidence": 0.9, "content": text });
    [
        entry(
            "decision",
            "Retries in src/net/retry.rs use full jitter, because synchronised clients overloaded the gateway twice.",
        ),
        entry(
            "convention",
            "Every test that depends on time takes a Clock; tests never sleep and never read the clock of the system.",
        ),
        entry(
            "bug",
            "src/net/retry.rs seeded its backoff from the weekday, so that the third delay was 0 ms on Mondays.",
        ),
        entry(
            "dependency",
            "src/net/retry.rs needs version 0.9 of the rand crate or later; 0.8 has no uniform range over durations.",
        ),
    ]
}

pub(super) const WIKI: &[(&str, &str)] = &[
    (
        "concept%2Fretries",
        "# Retries\n\nFull jitter with a floor of 10 ms and a ceiling of 20 s.\n\nSee [[concept/clock]] for how they are tested.\n",
    ),
    (
        "concept%2Fclock",
        "# Clock\n\nTime is passed in. A test turns the hands itself, so that no test waits.\n\nUsed by [[concept/retries]].\n",
    ),
];

pub(super) fn tickets() -> [Value; 3] {
    [
        json!({ "title": "Retry test is flaky", "priority": "high", "description": "It fails on Mondays.",
                "acceptance_criteria": ["Green on every weekday", "No sleep in the test"] }),
        json!({ "title": "Document the ceiling of retries", "priority": "low",
                "description": "The wiki says 20 s, the code 30 s. Find out which is meant." }),
        json!({ "title": "Count retries in the metrics", "priority": "medium",
                "description": "One counter by route and reason.", "acceptance_criteria": ["Visible at /metrics"] }),
    ]
}

pub(super) const READINGS: &str = "room,temperature\nTuring,21.5\nHopper,19.0\nLovelace,11.5\nNoether,9.0\n";

pub(super) const PROGRAM: &str = "import csv
import json

threshold = 12
cold = [row for row in csv.DictReader(open('readings.csv')) if float(row['temperature']) < threshold]
json.dump(cold, open('cold.json', 'w'))
for row in cold:
    print(f\"{row['room']}: {row['temperature']} degrees\")
";

pub(super) const TABLE: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS rooms (room TEXT PRIMARY KEY, seats INTEGER NOT NULL)",
    "INSERT OR REPLACE INTO rooms VALUES ('Turing', 8), ('Hopper', 4), ('Lovelace', 12), ('Noether', 6)",
];
