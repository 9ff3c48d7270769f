//! Laws that hold for every corpus, every history of changes and every query.

use std::collections::BTreeMap;

use pentad_grep_engine::{Batch, Cancel, Case, Corpus, Query, QueryBuilder};
use proptest::prelude::*;

use super::{all_lines, small_blocks};

/// A step in the life of a corpus.
#[derive(Debug, Clone)]
enum Step {
    Insert(String, String),
    Remove(String),
    Apply,
    Index,
    Compress,
    Decompress,
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a/b", "a/c.rs", "b.rs", "b/a", "c", "d/e/f.md", "z"])
        .prop_map(String::from)
}

/// Text of few different characters, so that queries match by chance; among them the
/// ones whose case folds in odd ways.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "foo",
        "Foo",
        "bar",
        "BAR",
        "kitten",
        "\u{212A}itten",
        "miss",
        "mi\u{17F}s",
        "é",
        "É",
        "straße",
        "x",
        "12",
        "_",
        "  ",
    ]);
    let line = prop::collection::vec(word, 0..6).prop_map(|words| words.concat());
    let ending = prop::sample::select(vec!["\n", "\n", "\r\n"]);
    (prop::collection::vec((line.clone(), ending), 0..12), line).prop_map(|(lines, last)| {
        lines
            .into_iter()
            .map(|(line, ending)| line + ending)
            .collect::<String>()
            + &last
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (path(), text()).prop_map(|(path, text)| Step::Insert(path, text)),
        1 => path().prop_map(Step::Remove),
        2 => Just(Step::Apply),
        2 => Just(Step::Index),
        1 => Just(Step::Compress),
        1 => Just(Step::Decompress),
    ]
}

/// A query, and the regex that finds the same lines one by one.
fn query() -> impl Strategy<Value = (QueryBuilder, String)> {
    let plain = prop::sample::select(vec![
        "foo", "fo", "o", "oobar", "kitten", "KITTEN", "miss", "misS", "é", "straße", "  ", "barfoo",
        "nothing", "_12", "s",
    ]);
    let regex = prop::sample::select(vec![
        "foo|bar",
        "^foo",
        "bar$",
        "^$",
        "q*",
        r"\bfoo\b",
        "f.+r",
        r"[^x]foo",
        r"\s+x",
        "(?i)kitten",
        "(?i)miss",
        "(?i)MISS|É",
        r"\w{9,}",
        r"\w{16,}",
        r"[0-9]{2}",
        "(foo)+bar?",
        "fo{2}",
        r"\W",
        "(?s)x.*x",
        r"^\s*$",
        r"\Ax",
        r"x\z",
        "(?-u:\\xC3)",
        "(foo|bar)(foo|bar)",
        "é$",
        "[fF]oo[bB]ar",
        r"x\B",
        "fooo*bar",
        "(?i)foo[k]itten",
    ]);
    let case = prop::sample::select(vec![
        Case::Default,
        Case::Sensitive,
        Case::Insensitive,
        Case::Smart,
    ]);
    let pattern = prop_oneof![plain.prop_map(|p| (false, p)), regex.prop_map(|p| (true, p))];
    (pattern, case, any::<bool>()).prop_map(|((is_regex, pattern), case, word)| {
        // As a word, nothing at all matches between `\r` and `\n`: ripgrep does the same.
        let word = word && pattern != "q*";
        let builder = if is_regex {
            Query::regex(pattern)
        } else {
            Query::plain(pattern)
        };
        let source = if is_regex {
            pattern.to_string()
        } else {
            regex::escape(pattern)
        };
        let insensitive = match case {
            Case::Default | Case::Sensitive => false,
            Case::Insensitive => true,
            // Upper-case letters in the lists above stand for themselves, but for `\W`, `\B`, `\A`, `\xC3`.
            Case::Smart => {
                let literal = source
                    .replace(r"\W", "")
                    .replace(r"\B", "")
                    .replace(r"\A", "")
                    .replace(r"(?-u:\xC3)", "É");
                let any_literal = !matches!(pattern, r"\w{9,}" | r"\w{16,}" | r"\W" | "^$" | r"^\s*$");
                any_literal && !literal.chars().any(char::is_uppercase)
            }
        };
        let source = if word {
            format!(r"\b{{start-half}}(?:{source})\b{{end-half}}")
        } else {
            source
        };
        let source = if insensitive {
            format!("(?i){source}")
        } else {
            source
        };
        (builder.case(case).word(word), source)
    })
}

/// Line by line with the plain regex engine.
fn scan(files: &BTreeMap<String, String>, source: &str) -> Vec<(String, usize, String)> {
    let regex = regex::bytes::Regex::new(source).expect("the list holds valid patterns");
    let mut found = Vec::new();
    for (path, text) in files {
        let text = text
            .strip_suffix('\n')
            .map_or_else(|| text.clone() + "\n", |_| text.clone());
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let line = line.trim_end_matches('\n');
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !files[path].is_empty() && regex.is_match(line.as_bytes()) {
                found.push((path.clone(), at + 1, line.to_string()));
            }
        }
    }
    found
}

/// Lives through the steps; what the corpus should hold is kept beside it.
fn live(corpus: &Corpus, steps: Vec<Step>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut batch = Batch::new();
    let apply = |batch: &mut Batch| {
        corpus.apply(std::mem::take(batch));
    };
    for step in steps {
        match step {
            Step::Insert(path, text) => {
                batch.insert(&path, text.as_str());
                files.insert(path, text);
            }
            Step::Remove(path) => {
                batch.remove(&path);
                files.remove(&path);
            }
            Step::Apply => apply(&mut batch),
            Step::Index => {
                apply(&mut batch);
                corpus.index_pending(&Cancel::never());
                assert!(!corpus.needs_indexing());
            }
            Step::Compress => corpus.compress(),
            Step::Decompress => corpus.decompress(),
        }
    }
    apply(&mut batch);
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_as_a_plain_scan_does(
        steps in prop::collection::vec(step(), 0..25),
        queries in prop::collection::vec(query(), 6),
        page_limit in 1_usize..5,
    ) {
        let corpus = small_blocks();
        let files = live(&corpus, steps);
        prop_assert_eq!(corpus.file_count(), files.len());
        prop_assert_eq!(corpus.text_bytes(), files.values().map(String::len).sum::<usize>());
        let snapshot = corpus.snapshot();
        for (builder, source) in queries {
            let query = builder.build().unwrap();
            prop_assert_eq!(all_lines(&snapshot, &query, page_limit), scan(&files, &source), "{}", source);
        }
    }

    #[test]
    fn every_form_of_the_corpus_gives_the_same_fuzzy_answer(
        steps in prop::collection::vec(step(), 0..25),
        pattern in prop::sample::select(vec!["kittne", "foobr", "mis", "straße foo", "barfoo", "x"]),
    ) {
        let corpus = small_blocks();
        let files = live(&corpus, steps);
        let query = Query::fuzzy(pattern).build().unwrap();
        let before = all_lines(&corpus.snapshot(), &query, 3);
        corpus.compress();
        prop_assert_eq!(&all_lines(&corpus.snapshot(), &query, 2), &before);
        let one_block = Corpus::default();
        live(&one_block, files.into_iter().map(|(path, text)| Step::Insert(path, text)).collect());
        prop_assert_eq!(&all_lines(&one_block.snapshot(), &query, 100), &before);
    }

    #[test]
    fn a_snapshot_keeps_its_answers_whatever_happens_later(
        before in prop::collection::vec(step(), 0..15),
        after in prop::collection::vec(step(), 0..15),
        (builder, _) in query(),
    ) {
        let corpus = small_blocks();
        live(&corpus, before);
        let query = builder.build().unwrap();
        let held = corpus.snapshot();
        let answer = all_lines(&held, &query, 3);
        live(&corpus, after);
        prop_assert_eq!(all_lines(&held, &query, 2), answer);
    }

    #[test]
    fn every_file_reads_back_as_it_was_inserted(steps in prop::collection::vec(step(), 0..25), from in 1_usize..9, count in 0_usize..5) {
        let corpus = small_blocks();
        let files = live(&corpus, steps);
        let snapshot = corpus.snapshot();
        let mut visited = BTreeMap::new();
        let _ = snapshot.for_each_file(|path, text| {
            visited.insert(path.to_string(), String::from_utf8(text.to_vec()).unwrap());
            std::ops::ControlFlow::<()>::Continue(())
        });
        prop_assert_eq!(&visited, &files);
        for (path, text) in &files {
            prop_assert_eq!(&snapshot.contents(path).unwrap(), text.as_bytes());
            let read = snapshot.read(path, from..from + count).unwrap();
            let wanted: String = text.split_inclusive('\n').skip(from - 1).take(count).collect();
            prop_assert_eq!(String::from_utf8(read.text).unwrap(), wanted);
            prop_assert_eq!(read.total_lines, text.split_inclusive('\n').count());
        }
    }
}
