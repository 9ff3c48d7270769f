//! Remembers what is typed, one message a line, and says what each new fact does to the old ones.
//!
//! `printf 'My name is Alice. I live in Berlin.\nI moved to Oslo last week!\n' | cargo run -p pentad-memory-rules --example remember`

use std::io::{self, BufRead, Write};

use pentad_memory_rules::{Statement, Turn, Verdict, extract};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut name: Option<String> = None;
    let mut memories: Vec<(String, Statement)> = Vec::new();
    for line in io::stdin().lock().lines() {
        let found = extract(
            &[Turn {
                role: "user",
                content: &line?,
            }],
            name.as_deref(),
        );
        for skipped in &found.skipped {
            writeln!(out, "  passed over: {}", skipped.reason.name())?;
        }
        for fact in found.facts {
            let statement = Statement::read(&fact.text);
            writeln!(out, "+ {} ({}, {})", fact.text, fact.category, fact.importance)?;
            memories.retain(|(old, old_statement)| {
                let judgement = statement.judge(old_statement);
                let retired = judgement.verdict == Verdict::Contradicts;
                if retired {
                    // An example writes to a terminal; a full one is no reason to keep a memory.
                    let _ = writeln!(
                        out,
                        "- {old} ({:.2}: {})",
                        judgement.confidence, judgement.reasoning
                    );
                }
                !retired
            });
            memories.push((fact.text, statement));
        }
        name = found.name;
    }
    Ok(())
}
