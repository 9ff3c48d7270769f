//! The engine through its public interface.

mod answers;
mod changes;
mod laws;
mod reading;

use pentad_grep_engine::{Batch, Cancel, Corpus, Options, Page, Query, Snapshot};

/// A corpus of these files.
fn corpus(files: &[(&str, &str)]) -> Corpus {
    let corpus = Corpus::default();
    insert(&corpus, files);
    corpus
}

/// A corpus whose blocks and segments are so small that little text makes many.
fn small_blocks() -> Corpus {
    let mut options = Options::default();
    options.block_bytes = 48;
    options.index_from_bytes = 96;
    Corpus::new(options)
}

fn insert(corpus: &Corpus, files: &[(&str, &str)]) {
    let mut batch = Batch::new();
    for (path, text) in files {
        batch.insert(*path, *text);
    }
    corpus.apply(batch);
}

fn grep(corpus: &Corpus, query: &Query) -> Page {
    corpus.grep(query, &Cancel::never()).expect("nobody cancels it")
}

/// Path and number of every matching line on a page.
fn lines(page: &Page) -> Vec<(&str, usize)> {
    page.hits
        .iter()
        .flat_map(|hit| hit.matches.iter().map(|found| (hit.path.as_str(), found.line)))
        .collect()
}

fn paths(page: &Page) -> Vec<&str> {
    page.hits.iter().map(|hit| hit.path.as_str()).collect()
}

/// Every matching line, gathered page by page.
fn all_lines(snapshot: &Snapshot, query: &Query, page_limit: usize) -> Vec<(String, usize, String)> {
    let mut all = Vec::new();
    let mut offset = 0;
    let mut files = 0;
    loop {
        let page = snapshot
            .grep(&query.page(page_limit, offset), &Cancel::never())
            .expect("nobody cancels it");
        files += page.hits.len();
        for hit in page.hits {
            assert!(!hit.truncated);
            all.extend(
                hit.matches
                    .into_iter()
                    .map(|found| (hit.path.clone(), found.line, found.snippet)),
            );
        }
        match page.next_file_offset {
            Some(next) => {
                assert_eq!(next, files, "pages follow each other");
                offset = next;
            }
            None => {
                assert_eq!(page.total, files, "the total is the sum over pages");
                return all;
            }
        }
    }
}
