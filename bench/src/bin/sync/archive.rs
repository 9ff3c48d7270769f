//! Sessions as agents leave them: the same ones in every run.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

/// A generator of numbers that look random (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// Words from a vocabulary of 3,000, common ones more often.
    pub fn words(&mut self, count: u64) -> String {
        const SYLLABLES: &[&str] = &[
            "re", "try", "lo", "ca", "che", "in", "dex", "ser", "ver", "qu", "eue", "to", "ken", "pa", "th",
        ];
        let mut text = String::new();
        for _ in 0..count {
            let rank = self.below(3_000).min(self.below(3_000));
            let mut number = rank;
            for _ in 0..3 {
                text.push_str(SYLLABLES[(number % 15) as usize]);
                number /= 15;
            }
            text.push(' ');
        }
        text
    }
}

/// An archive of a session with so many messages of about 60 words; `extra` is said in the middle of it.
pub fn session(seed: u64, messages: usize, extra: &str) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    for number in 0..messages {
        let said = if number == messages / 2 { extra } else { "" };
        let (role, content) = match number % 4 {
            0 => ("user", json!(format!("{said} {}", random.words(60)))),
            1 => (
                "assistant",
                json!([{"type": "text", "text": random.words(40)},
                    {"type": "tool_use", "tool_use_id": format!("t{number}"), "name": "Bash", "input": {"command": random.words(6)}}]),
            ),
            2 => (
                "user",
                json!([{"type": "tool_result", "tool_use_id": format!("t{}", number - 1), "content": random.words(90)}]),
            ),
            _ => (
                "assistant",
                json!([{"type": "text", "text": format!("{said} {}", random.words(60))}]),
            ),
        };
        let line = json!({"msg_id": format!("m{number}"), "role": role, "content": content,
            "timestamp": format!("2026-03-20T11:{:02}:{:02}Z", number / 60 % 60, number % 60)});
        writeln!(lines, "{line}").expect("a Vec takes everything");
    }
    let manifest = json!({"title": random.words(6), "tags": ["bench"], "source": {"tool": "claude-code"},
        "model": {"provider": "anthropic", "model_id": "claude"}, "stats": {"message_count": messages}});
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in [
        ("manifest.json", manifest.to_string().as_bytes()),
        ("messages.jsonl", &lines),
        ("workspace.json", b"{}"),
        ("tools.json", b"{}"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content)
            .expect("a Vec takes everything");
    }
    let packed = builder.into_inner().and_then(GzEncoder::finish);
    packed.expect("a Vec takes everything")
}

/// An archive of a megabyte.
pub fn megabyte(seed: u64) -> Vec<u8> {
    session(seed, in_a_megabyte(seed), "")
}

/// The archives of a session of a megabyte that grows by four messages from each to the next.
pub fn growing(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let messages = in_a_megabyte(seed);
    (0..count)
        .map(|step| session(seed, messages + 4 * step, ""))
        .collect()
}

/// How many messages make an archive of a megabyte.
fn in_a_megabyte(seed: u64) -> usize {
    400 * (1 << 20) / session(seed, 400, "").len()
}
