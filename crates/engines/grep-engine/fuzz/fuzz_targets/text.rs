//! Any bytes are text or binary; and any line of any language can be classified and scored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_grep_engine::{Batch, Cancel, Corpus, Decoded, Query, classify_line, decode_text};

const EXTENSIONS: [&str; 18] = [
    "c", "cs", "dart", "ex", "go", "java", "js", "kt", "lua", "php", "pl", "proto", "py", "rb", "rs", "sh", "sql", "swift",
];

fuzz_target!(|input: (&str, &[u8])| {
    let (pattern, bytes) = input;
    let Decoded::Text(text) = decode_text(bytes.to_vec()) else { return };
    for extension in EXTENSIONS {
        classify_line(&format!("a.{extension}"), &text);
    }
    let Ok(query) = Query::fuzzy(pattern).ranges(true).build() else { return };
    let corpus = Corpus::default();
    let mut batch = Batch::new();
    batch.insert("a.rs", text);
    corpus.apply(batch);
    corpus.grep(&query, &Cancel::never()).expect("nobody cancels it");
});
