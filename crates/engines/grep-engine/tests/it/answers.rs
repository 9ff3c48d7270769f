//! What an answer looks like.

use std::time::Duration;

use pentad_grep_engine::{Cancel, Case, Count, Query, QueryError, Sort};

use super::{corpus, grep, lines, paths};

#[test]
fn a_match_is_a_line_however_often_it_matches() {
    let corpus = corpus(&[
        (
            "src/loop.ts",
            "import x;\n\nexport function run() {\n  return run() + run();\n}\n",
        ),
        ("README.md", "see run\nRUN\n"),
        ("empty.txt", ""),
        ("crlf.txt", "one\r\ntwo run\r\n"),
        ("noeol.txt", "first\nlast run"),
    ]);
    let page = grep(&corpus, &Query::plain("run").build().unwrap());
    assert_eq!(
        lines(&page),
        [
            ("README.md", 1),
            ("crlf.txt", 2),
            ("noeol.txt", 2),
            ("src/loop.ts", 3),
            ("src/loop.ts", 4)
        ]
    );
    assert_eq!(
        (
            page.total,
            page.next_file_offset,
            page.truncated,
            page.total_is_exact
        ),
        (4, None, false, true)
    );
    assert_eq!(page.hits[1].matches[0].snippet, "two run");
    assert_eq!(page.hits[3].matches[1].snippet, "  return run() + run();");
    assert!(page.hits[0].matches[0].definition.is_none() && page.hits[0].matches[0].ranges.is_empty());
}

#[test]
fn regexes_stay_within_lines() {
    let corpus = corpus(&[
        (
            "a.rs",
            "fn main() {}\nlet x = 10;\nfoo  bar\nfoo\n  bar\nabc123\n\nΩmega\ntail $5\n",
        ),
        ("crlf.txt", "end\r\nnext\r\n"),
    ]);
    for (regex, expected) in [
        ("^let", &[2][..]),
        (r"\}$", &[1]),
        ("main|123", &[1, 6]),
        (r"foo\s+bar", &[3]),
        ("(?s)foo.*bar", &[3]),
        ("foo[^x]+bar", &[3]),
        (r"^\p{Greek}mega", &[8]),
        (r"^\w+ega$", &[8]),
        ("^$", &[7]),
        ("q*", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        let page = grep(&corpus, &Query::regex(regex).glob("*.rs").build().unwrap());
        assert_eq!(
            lines(&page),
            expected.iter().map(|&line| ("a.rs", line)).collect::<Vec<_>>(),
            "{regex}"
        );
    }
    let page = grep(&corpus, &Query::regex("end$").build().unwrap());
    assert_eq!(lines(&page), [("crlf.txt", 1)]);
}

#[test]
fn smart_case_and_unicode_folding() {
    let corpus = corpus(&[(
        "a.txt",
        "foobar\nFooBar\nFOOBAR\nstraße\nSTRASSE\nΣίσυφος\nσίσυφοΣ\nK\n",
    )]);
    let numbers = |query: Query| {
        grep(&corpus, &query)
            .hits
            .iter()
            .flat_map(|hit| hit.matches.iter().map(|m| m.line))
            .collect::<Vec<_>>()
    };
    let smart = |pattern: &str| numbers(Query::plain(pattern).case(Case::Smart).build().unwrap());
    assert_eq!(smart("foobar"), [1, 2, 3]);
    assert_eq!(smart("FooBar"), [2]);
    assert_eq!(smart("σίσυφος"), [6, 7]);
    assert_eq!(smart("ΣΊΣΥΦΟΣ"), Vec::<usize>::new());
    assert_eq!(
        numbers(Query::regex(r"foo\S{3}").case(Case::Smart).build().unwrap()),
        [1, 2, 3]
    );
    assert_eq!(
        numbers(Query::plain("k").case(Case::Insensitive).build().unwrap()),
        [8]
    );
    assert_eq!(numbers(Query::plain("foobar").build().unwrap()), [1]);
}

#[test]
fn context_stays_inside_its_file() {
    let text: String = (1..=10).map(|n| format!("l{n}\n")).collect();
    let corpus = corpus(&[
        ("a.txt", &text),
        ("b.txt", "p\r\nq l5\r\nr\r\n"),
        ("c.txt", "x\n"),
    ]);
    let with = |pattern: &str, before, after| {
        let page = grep(
            &corpus,
            &Query::plain(pattern).context(before, after).build().unwrap(),
        );
        let found = &page.hits[0].matches[0];
        (found.before.join(","), found.after.join(","))
    };
    assert_eq!(with("l5", 2, 3), ("l3,l4".into(), "l6,l7,l8".into()));
    assert_eq!(with("l2", 5, 0), ("l1".into(), String::new()));
    assert_eq!(with("l10", 0, 5), (String::new(), String::new()));
    assert_eq!(with("q l5", 1, 1), ("p".into(), "r".into()));
    assert_eq!(with("r", 50, 50), ("p,q l5".into(), String::new()));
}

#[test]
fn pages_are_files() {
    let names: Vec<_> = (0..57).map(|n| format!("d{}/f{n:03}", n % 7)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "hit\nhit\n")).collect();
    let corpus = corpus(&files);
    let query = Query::plain("hit").build().unwrap();
    let page = grep(&corpus, &query);
    assert_eq!(
        (page.hits.len(), page.total, page.next_file_offset),
        (20, 57, Some(20))
    );
    let page = grep(&corpus, &query.page(20, 40));
    assert_eq!(
        (page.hits.len(), page.total, page.next_file_offset),
        (17, 57, None)
    );
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(paths(&grep(&corpus, &query.page(1, 5))), sorted[5..6]);
    for offset in [57, 1000, usize::MAX] {
        let page = grep(&corpus, &query.page(20, offset));
        assert_eq!(
            (page.hits.len(), page.total, page.next_file_offset),
            (0, 57, None)
        );
    }
    let page = grep(
        &corpus,
        &Query::plain("hit")
            .page_limit(10)
            .exact_total(false)
            .build()
            .unwrap(),
    );
    assert_eq!(
        (page.hits.len(), page.total_is_exact, page.next_file_offset),
        (10, false, Some(10))
    );
    assert_eq!(paths(&page), sorted[..10]);
}

#[test]
fn of_a_line_full_of_matches_the_first_thousand_places_are_told() {
    let corpus = corpus(&[("long.txt", &format!("{}\nab\n", "a".repeat(50_000)))]);
    for query in [Query::plain("a"), Query::regex("a|x*")] {
        let page = grep(&corpus, &query.ranges(true).build().unwrap());
        let [long, short] = &page.hits[0].matches[..] else {
            panic!("two matches")
        };
        assert!(long.truncated && !page.truncated);
        assert_eq!((long.ranges.len(), &long.ranges[999]), (1000, &(999..1000)));
        assert_eq!(short.ranges[0], 0..1);
    }
}

#[test]
fn looking_for_the_places_of_a_long_line_can_be_cancelled() {
    let corpus = corpus(&[("long.txt", &"a".repeat(1_000_000))]);
    // After each match the rest of the line is looked at for the first alternative.
    let query = Query::regex("[^q]*q|a").ranges(true).build().unwrap();
    let answer = corpus
        .snapshot()
        .grep(&query, &Cancel::after(Duration::from_millis(100)));
    assert_eq!(answer.unwrap_err(), QueryError::Cancelled);
}

#[test]
fn long_lines_are_shown_around_the_match() {
    let corpus = corpus(&[(
        "long.js",
        &format!(
            "{} NEEDLE {}\nshort NEEDLE\n",
            "x".repeat(300_000),
            "y".repeat(300_000)
        ),
    )]);
    let page = grep(&corpus, &Query::plain("NEEDLE").ranges(true).build().unwrap());
    let [long, short] = &page.hits[0].matches[..] else {
        panic!("two matches")
    };
    assert!(long.truncated && long.snippet.len() <= 512 && long.snippet.contains("NEEDLE"));
    assert_eq!(
        (long.column, long.ranges.first()),
        (Some(300_002), Some(&(300_001..300_007)))
    );
    assert!(!short.truncated);
}

#[test]
fn several_patterns_say_which_matched() {
    let corpus = corpus(&[("a", "red\ngreen\nred green\nblue\n")]);
    let query = Query::plain("red").pattern("green").ranges(true).build().unwrap();
    let page = grep(&corpus, &query);
    let which: Vec<_> = page.hits[0]
        .matches
        .iter()
        .map(|found| found.patterns.clone())
        .collect();
    assert_eq!(which, [vec![0], vec![1], vec![0, 1]]);
    assert_eq!(page.hits[0].matches[2].ranges, [0..3, 4..9]);
}

#[test]
fn filters_narrow_the_files() {
    let corpus = corpus(&[
        ("a.rs", "x"),
        ("b.md", "x"),
        ("src/c.rs", "x"),
        ("src/d.ts", "x"),
        ("srcx/e.rs", "x"),
    ]);
    let with = |query: pentad_grep_engine::QueryBuilder| {
        let page = grep(&corpus, &query.build().unwrap());
        assert_eq!(page.total, page.hits.len());
        paths(&page).join(" ")
    };
    assert_eq!(with(Query::plain("x").glob("*.rs")), "a.rs src/c.rs srcx/e.rs");
    assert_eq!(
        with(Query::plain("x").glob("*.rs").glob("!src")),
        "a.rs srcx/e.rs"
    );
    assert_eq!(with(Query::plain("x").path_prefix("src/")), "src/c.rs src/d.ts");
    assert_eq!(
        with(Query::plain("x").path_prefix("src").file_type("rust")),
        "src/c.rs srcx/e.rs"
    );
    assert_eq!(with(Query::regex("x|y").path_prefix("nowhere")), "");
    assert!(matches!(
        Query::plain("x").file_type("nope").build(),
        Err(QueryError::UnknownType { .. })
    ));
}

#[test]
fn counting_files_and_lines() {
    let corpus = corpus(&[("a", "x\nx\ny\n"), ("b", "x\n"), ("c", "y\n")]);
    let page = grep(
        &corpus,
        &Query::plain("x")
            .count(Count::Lines)
            .page_limit(1)
            .build()
            .unwrap(),
    );
    assert_eq!(
        (
            page.total,
            page.total_lines,
            page.hits[0].lines,
            page.next_file_offset
        ),
        (2, Some(3), Some(2), Some(1))
    );
    assert!(page.hits[0].matches.is_empty());
    let page = grep(&corpus, &Query::plain("x").count(Count::Files).build().unwrap());
    assert_eq!(
        (paths(&page), page.total_lines, page.hits[0].lines),
        (vec!["a", "b"], None, None)
    );
}

#[test]
fn sort_orders() {
    let corpus = corpus(&[
        ("a.rs", "target();\n"),
        ("b.rs", "target();\ntarget();\n"),
        ("c.rs", "fn target() {}\n"),
    ]);
    let sorted = |sort| {
        paths(&grep(
            &corpus,
            &Query::plain("target").sort(sort).build().unwrap(),
        ))
        .join(" ")
    };
    assert_eq!(sorted(Sort::Default), "a.rs b.rs c.rs");
    assert_eq!(sorted(Sort::Matches), "b.rs a.rs c.rs");
    assert_eq!(sorted(Sort::Definitions), "c.rs a.rs b.rs");
}

#[test]
fn budgets_end_pages_early_and_say_what_is_lost() {
    let names: Vec<_> = (0..10).map(|n| format!("f{n}")).collect();
    let text = format!("{}\n", "x".repeat(100)).repeat(10);
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
    let corpus = corpus(&files);
    let page = grep(&corpus, &Query::plain("x").page_bytes(3000).build().unwrap());
    assert_eq!(
        (page.hits.len(), page.next_file_offset, page.truncated, page.total),
        (2, Some(2), false, 10)
    );
    assert!(
        page.hits
            .iter()
            .all(|hit| !hit.truncated && hit.matches.len() == 10)
    );

    let page = grep(&corpus, &Query::plain("x").page_bytes(500).build().unwrap());
    assert_eq!(
        (page.hits.len(), page.next_file_offset, page.truncated),
        (1, Some(1), true)
    );
    assert!(
        page.hits[0].truncated && page.hits[0].matches.len() < 10,
        "one file over the budget is cut"
    );

    let page = grep(&corpus, &Query::plain("x").max_bytes(3000).build().unwrap());
    assert_eq!(
        (page.hits.len(), page.next_file_offset, page.truncated),
        (10, None, true)
    );
    assert!(
        page.hits
            .iter()
            .all(|hit| hit.truncated && (1..=2).contains(&hit.matches.len()))
    );

    let page = grep(
        &corpus,
        &Query::plain("x").max_matches_per_file(3).build().unwrap(),
    );
    assert!(
        page.hits
            .iter()
            .all(|hit| hit.truncated && hit.matches.len() == 3)
    );
    assert!(
        !page.truncated,
        "a limit that was asked for cuts nothing off the page"
    );
}

#[test]
fn fuzzy_orders_by_score() {
    let corpus = corpus(&[
        ("a.rs", "fn validate_schema() {}\nhello world\n"),
        ("b.rs", "the scheme of things\n"),
        ("c.rs", "schema\n"),
    ]);
    let page = grep(&corpus, &Query::fuzzy("schema").ranges(true).build().unwrap());
    assert_eq!((page.total, page.hits.last().unwrap().path.as_str()), (3, "b.rs"));
    let best: Vec<_> = page
        .hits
        .iter()
        .map(|hit| hit.matches.iter().filter_map(|m| m.score).max().unwrap())
        .collect();
    assert!(best.is_sorted_by(|a, b| a >= b), "{best:?}");
    assert_eq!(page.hits[0].matches[0].ranges.len(), 1);
    let page = grep(
        &corpus,
        &Query::fuzzy("schema")
            .sort(Sort::Path)
            .context(0, 1)
            .build()
            .unwrap(),
    );
    assert_eq!(paths(&page), ["a.rs", "b.rs", "c.rs"]);
    assert_eq!(page.hits[0].matches[0].after, ["hello world"]);
    let over = Query::fuzzy("thing")
        .time_budget(Some(std::time::Duration::ZERO))
        .build()
        .unwrap();
    let page = grep(&corpus, &over);
    assert!(page.truncated && !page.total_is_exact);
}

#[test]
fn definitions_are_marked_and_nothing_else_changes() {
    let corpus = corpus(&[
        ("a.rs", "pub fn target() {}\ntarget();\n"),
        ("a.md", "fn target\n"),
    ]);
    let query = Query::plain("target").classify_definitions(true).build().unwrap();
    let page = grep(&corpus, &query);
    let kinds: Vec<_> = page.hits[1]
        .matches
        .iter()
        .map(|m| m.definition.as_ref().map(|d| d.kind))
        .collect();
    assert_eq!(kinds, [Some("fn"), None]);
    assert!(page.hits[0].matches[0].definition.is_none());
}

#[test]
fn trimming_and_words() {
    let corpus = corpus(&[("a", "\t  foo = 1;  \n  foobar\n")]);
    let page = grep(
        &corpus,
        &Query::plain("foo")
            .trim(true)
            .ranges(true)
            .context(1, 1)
            .build()
            .unwrap(),
    );
    let [first, second] = &page.hits[0].matches[..] else {
        panic!("two matches")
    };
    assert_eq!(
        (first.snippet.as_str(), first.column, &first.after[0][..]),
        ("foo = 1;", Some(4), "foobar")
    );
    assert_eq!(second.before, ["foo = 1;"]);
    let page = grep(&corpus, &Query::plain("foo").word(true).build().unwrap());
    assert_eq!(lines(&page), [("a", 1)]);
}

#[test]
fn a_cancelled_search_ends_with_an_error() {
    let corpus = corpus(&[("a", "x\n")]);
    let cancel = Cancel::new();
    cancel.cancel();
    for query in [Query::plain("x"), Query::regex("x|y"), Query::fuzzy("x")] {
        let answer = corpus.grep(&query.build().unwrap(), &cancel);
        assert_eq!(answer.unwrap_err(), QueryError::Cancelled);
    }
}
