//! Batches, upkeep and the compressed form.

use pentad_grep_engine::{Applied, Batch, Cancel, Corpus, Query};

use super::{corpus, grep, insert, lines, paths};

#[test]
fn a_batch_adds_replaces_and_removes_at_once() {
    let corpus = corpus(&[("a.txt", "alpha\n"), ("b.txt", "beta\n"), ("c.txt", "gamma\n")]);
    let mut batch = Batch::new();
    batch.insert("c/d.txt", "delta\n");
    batch.insert("a.txt", "ALPHA\n");
    batch.remove("b.txt");
    batch.remove("nowhere");
    assert_eq!(
        corpus.apply(batch),
        Applied {
            added: 1,
            replaced: 1,
            removed: 1
        }
    );
    assert_eq!(corpus.file_count(), 3);
    let all = Query::regex("a").build().unwrap();
    assert_eq!(lines(&grep(&corpus, &all)), [("c.txt", 1), ("c/d.txt", 1)]);
    assert_eq!(grep(&corpus, &Query::plain("alpha").build().unwrap()).total, 0);
    assert_eq!(corpus.apply(Batch::new()), Applied::default());
}

#[test]
fn many_small_batches_become_few_segments() {
    let corpus = Corpus::default();
    for n in 0..60 {
        insert(
            &corpus,
            &[(&format!("many/{n:02}.txt"), &format!("line\nzeta {n}\n"))],
        );
    }
    assert_eq!(corpus.segment_count(), 60);
    let query = Query::plain("zeta").page_limit(100).build().unwrap();
    let before = grep(&corpus, &query);
    assert!(corpus.needs_indexing());
    let done = corpus.index_pending(&Cancel::never());
    assert_eq!(
        (done.merged, corpus.segment_count(), corpus.needs_indexing()),
        (60, 1, false)
    );
    assert_eq!(grep(&corpus, &query), before);
    assert_eq!((before.total, paths(&before)[59]), (60, "many/59.txt"));
}

#[test]
fn dead_text_is_reclaimed() {
    let corpus = Corpus::default();
    let text = "some line of text\n".repeat(100_000);
    insert(&corpus, &[("a", &text), ("b", &text), ("keep", "here\n")]);
    corpus.index_pending(&Cancel::never());
    let full = corpus.memory_bytes();
    let mut batch = Batch::new();
    batch.remove("a");
    batch.remove("b");
    corpus.apply(batch);
    assert_eq!(corpus.text_bytes(), 5);
    assert!(corpus.needs_indexing());
    corpus.index_pending(&Cancel::never());
    assert!(
        corpus.memory_bytes() < full / 100,
        "{} of {full}",
        corpus.memory_bytes()
    );
    assert_eq!(
        lines(&grep(&corpus, &Query::plain("here").build().unwrap())),
        [("keep", 1)]
    );
}

#[test]
fn the_compressed_form_is_small_and_searchable() {
    let corpus = Corpus::default();
    let text: String = (0..60_000)
        .map(|n| format!("pub fn number_{n}(value: usize) -> usize {{ value }}\n"))
        .collect();
    insert(&corpus, &[("src/numbers.rs", &text)]);
    corpus.index_pending(&Cancel::never());
    let text_bytes = corpus.text_bytes();
    assert!(
        corpus.memory_bytes() < text_bytes * 5 / 4,
        "{} for {text_bytes}",
        corpus.memory_bytes()
    );
    let query = Query::plain("number_4711(").context(2, 2).build().unwrap();
    let live = grep(&corpus, &query);
    corpus.compress();
    assert!(corpus.is_compressed());
    assert!(
        corpus.memory_bytes() < text_bytes / 2,
        "{} for {text_bytes}",
        corpus.memory_bytes()
    );
    assert_eq!(grep(&corpus, &query), live);
    insert(&corpus, &[("src/more.rs", "fn number_4711() {}\n")]);
    assert_eq!(grep(&corpus, &query).total, 2, "batches are welcome in any form");
    corpus.decompress();
    assert!(!corpus.is_compressed());
    assert_eq!(grep(&corpus, &query).total, 2);
}

#[test]
fn readers_see_whole_batches_while_upkeep_runs() {
    let corpus = corpus(&[("a", "base hit\n")]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                corpus.index_pending(&Cancel::never());
                corpus.compress();
            }
        });
        let reader = scope.spawn(|| {
            let query = Query::plain("hit").page_limit(1000).build().unwrap();
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let page = grep(&corpus, &query);
                assert_eq!(
                    (page.total % 2, page.hits.len()),
                    (1, page.total),
                    "batches of two are seen whole"
                );
                assert!(page.total >= last, "nothing is lost");
                last = page.total;
            }
        });
        for n in 0..200 {
            insert(
                &corpus,
                &[
                    (&format!("n{n}/a"), "hit\n"),
                    (&format!("n{n}/b"), "hit\n"),
                    ("over", &format!("{n}")),
                ],
            );
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(grep(&corpus, &Query::plain("hit").build().unwrap()).total, 401);
    assert_eq!(corpus.snapshot().contents("over").unwrap(), b"199");
}
