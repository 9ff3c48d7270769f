//! The index, compressed or not, answers as a scan line by line does, for any text and
//! any regex.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_grep_engine::{Batch, Cancel, Corpus, Options, Query};

fuzz_target!(|input: (&str, Vec<Vec<u8>>)| {
    let (pattern, lines) = input;
    let Ok(query) = Query::regex(pattern).ranges(true).context(1, 1).build() else { return };
    let mut options = Options::default();
    (options.block_bytes, options.index_from_bytes) = (64, 1);
    let corpus = Corpus::new(options);
    let mut batch = Batch::new();
    batch.insert("file", lines.join(&b'\n'));
    corpus.apply(batch);
    let scanned = corpus.grep(&query, &Cancel::never()).expect("nobody cancels it");
    corpus.index_pending(&Cancel::never());
    assert_eq!(corpus.grep(&query, &Cancel::never()).expect("nobody cancels it"), scanned);
    corpus.compress();
    assert_eq!(corpus.grep(&query, &Cancel::never()).expect("nobody cancels it"), scanned);
});
