//! Asks a question of a file with one fact a line.
//!
//! `cargo run -p pentad-retrieval --example ask -- facts.txt "What kind of dog does Mira have?"`

use std::error::Error;
use std::io::Write;

use pentad_retrieval::{Collection, StaticEmbedder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(question)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ask FILE QUESTION".into());
    };
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;

    let mut facts = Collection::with_embedder(StaticEmbedder::english());
    for (line, fact) in text.lines().enumerate() {
        facts.insert(line, fact)?;
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut out = std::io::stdout().lock();
    for hit in facts.search(&question, 5)? {
        writeln!(
            out,
            "{:.3}  words {:5.2}  meaning {:.2}  {}",
            hit.score, hit.lexical, hit.similarity, lines[hit.key]
        )?;
    }
    Ok(())
}
