//! Speed of each part: best, median and 99th percentile of repeated runs, and how much faster than a naive peer in
//! the same run. On a busy machine the best tells most.
//!
//! `cargo bench -p pentad-retrieval`; with `-- --quick` without the million vectors.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use pentad_retrieval::{
    Analyzer, Bm25, Collection, LexicalScores, QuantizedVector, ScopeStats, StaticEmbedder, VectorArena,
};

const DIMS: usize = 256;

fn main() -> io::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut out = io::stdout().lock();
    writeln!(out, "{:<44} {:>12} {:>12} {:>12}", "", "best", "p50", "p99")?;
    scans(&mut out, 100_000, 60)?;
    if !quick {
        scans(&mut out, 1_000_000, 20)?;
    }
    texts(&mut out)?;
    postings(&mut out)?;
    collection(&mut out)
}

/// A small generator (SplitMix64): the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn vector(&mut self) -> QuantizedVector {
        let bytes = (0..DIMS / 8).flat_map(|_| self.next().to_le_bytes());
        QuantizedVector::from_values(bytes.map(|byte| byte.cast_signed().max(-127)).collect())
    }
}

fn measure(out: &mut impl Write, name: &str, rounds: usize, mut run: impl FnMut()) -> io::Result<Duration> {
    run();
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (best, p50, p99) = (
        times[0],
        times[rounds / 2],
        times[(rounds * 99 / 100).min(rounds - 1)],
    );
    writeln!(out, "{name:<44} {best:>12.2?} {p50:>12.2?} {p99:>12.2?}")?;
    Ok(best)
}

fn scans(out: &mut impl Write, count: usize, rounds: usize) -> io::Result<()> {
    let mut numbers = Numbers(1);
    let mut arena = VectorArena::new(DIMS);
    let mut naive = Vec::with_capacity(count.min(100_000));
    for key in 0..count {
        let vector = numbers.vector();
        arena.insert(key, &vector);
        if key < 100_000 {
            naive.push(vector);
        }
    }
    let queries: Vec<QuantizedVector> = (0..rounds + 1).map(|_| numbers.vector()).collect();
    let mut at = 0;
    let mut next = || {
        at += 1;
        &queries[at % queries.len()]
    };
    let fast = measure(
        out,
        &format!("scan {count} vectors of {DIMS}, exact"),
        rounds,
        || {
            black_box(arena.nearest(next(), 10, |_| true));
        },
    )?;
    measure(
        out,
        &format!("scan {count} vectors, signs first (2,000)"),
        rounds,
        || {
            black_box(arena.nearest_prefiltered(next(), 10, 2_000, |_| true));
        },
    )?;
    if count == naive.len() {
        let slow = measure(
            out,
            &format!("peer: {count} cosines one by one, sorted"),
            rounds.min(10),
            || {
                let query = next();
                let mut all: Vec<(f32, usize)> = naive
                    .iter()
                    .enumerate()
                    .map(|(key, vector)| (peer_cosine(query, vector), key))
                    .collect();
                all.sort_by(|a, b| b.0.total_cmp(&a.0));
                all.truncate(10);
                black_box(all);
            },
        )?;
        writeln!(
            out,
            "{:<44} {:>11.1}x",
            "  exact scan against the peer",
            slow.as_secs_f64() / fast.as_secs_f64()
        )?;
    }
    Ok(())
}

/// The textbook form, in floating point.
fn peer_cosine(one: &QuantizedVector, other: &QuantizedVector) -> f32 {
    let (mut dot, mut a, mut b) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (x, y) in one.values().iter().zip(other.values()) {
        let (x, y) = (f32::from(*x), f32::from(*y));
        dot += x * y;
        a += x * x;
        b += y * y;
    }
    dot / (a.sqrt() * b.sqrt())
}

fn facts() -> Vec<&'static str> {
    let files = [
        include_str!("../evaluation/friends.txt"),
        include_str!("../evaluation/assistant.txt"),
    ];
    files
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| Some(line.rsplit_once(" #")?.0))
        .collect()
}

/// Texts of a fact's length, of the words of the facts and of made-up ones: a vocabulary that grows as a real one.
fn documents(count: usize) -> Vec<String> {
    let words: Vec<&str> = facts().iter().flat_map(|fact| fact.split(' ')).collect();
    let mut numbers = Numbers(2);
    (0..count)
        .map(|_| {
            let text = (0..8 + numbers.below(8)).map(|_| match numbers.below(6) {
                0 => format!("name{}", (numbers.below(1000) * numbers.below(1000)) / 20),
                _ => words[numbers.below(words.len())].to_owned(),
            });
            text.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn texts(out: &mut impl Write) -> io::Result<()> {
    let facts = facts();
    let analyzer = Analyzer::default();
    let embedder = StaticEmbedder::english();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / facts.len() as f64;
    let time = measure(out, &format!("analyze {} facts", facts.len()), 50, || {
        for fact in &facts {
            black_box(analyzer.document(fact));
        }
    })?;
    writeln!(out, "{:<44} {:>10.2}µs", "  each", each(time))?;
    let time = measure(out, &format!("embed {} facts", facts.len()), 50, || {
        for fact in &facts {
            black_box(embedder.embed_one(fact));
        }
    })?;
    writeln!(out, "{:<44} {:>10.2}µs", "  each", each(time))
}

fn postings(out: &mut impl Write) -> io::Result<()> {
    let analyzer = Analyzer::default();
    let mut lists: HashMap<String, Vec<(i64, f32, f32)>> = HashMap::new();
    let mut stats = ScopeStats::default();
    for (document, text) in (0_i64..).zip(documents(100_000)) {
        let terms = analyzer.document(&text);
        stats.documents += 1;
        stats.tokens += f64::from(terms.length());
        for (term, tf) in terms.iter() {
            lists
                .entry(term.to_owned())
                .or_default()
                .push((document, tf, terms.length()));
        }
    }
    let questions = documents(50);
    let mut at = 0;
    measure(out, "BM25 over the postings of 100000 documents", 50, || {
        at += 1;
        let mut scores = LexicalScores::new(Bm25::default(), stats);
        for term in analyzer.query(&questions[at % questions.len()]) {
            if let Some(list) = lists.get(&term) {
                scores.add_term(list.len() as u64, list.iter().copied());
            }
        }
        black_box(scores.finish());
    })?;
    Ok(())
}

fn collection(out: &mut impl Write) -> io::Result<()> {
    let mut collection = Collection::with_embedder(StaticEmbedder::english());
    let documents = documents(100_000);
    let start = Instant::now();
    for (key, text) in documents.iter().enumerate() {
        collection.insert(key, text).map_err(io::Error::other)?;
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / documents.len() as f64;
    writeln!(
        out,
        "{:<44} {each:>10.2}µs",
        "insert into a collection, each of 100000"
    )?;
    let questions = [
        "What does Mira do for a living?",
        "Where does name7 live?",
        "cloud budget",
        "Who has a spare key?",
    ];
    let mut at = 0;
    measure(out, "question over a collection of 100000", 100, || {
        at += 1;
        black_box(collection.search(questions[at % questions.len()], 10).ok());
    })?;
    Ok(())
}
