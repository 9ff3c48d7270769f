//! How precise the rules are: contradictions that must be found, and many more pairs that must be left alone.
//! The corpora in `corpus/` are this project's own.

mod lives;

use pentad_memory_rules::{Statement, Turn, Verdict, extract};

/// The least confidence at which a memory may be retired.
const FLOOR: f64 = 0.85;

fn retires(new: &str, old: &str) -> Option<String> {
    let judgement = Statement::read(new).judge(&Statement::read(old));
    (judgement.verdict == Verdict::Contradicts && judgement.confidence >= FLOOR)
        .then_some(judgement.reasoning)
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn pairs(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(text).map(|line| line.split_once(" -> ").expect("old -> new"))
}

/// Fails with all offenders at once.
fn none(offenders: &[String]) {
    assert!(
        offenders.is_empty(),
        "{} of them:\n{}",
        offenders.len(),
        offenders.join("\n")
    );
}

#[test]
fn contradictions_are_found() {
    let missed: Vec<String> = pairs(include_str!("../../corpus/contradictions.txt"))
        .filter(|(old, new)| retires(new, old).is_none())
        .map(|(old, new)| {
            format!(
                "{old} -> {new}: {:?}",
                Statement::read(new).judge(&Statement::read(old))
            )
        })
        .collect();
    none(&missed);
}

/// Whoever it is about.
#[test]
fn contradictions_are_found_for_every_name() {
    let mut missed = Vec::new();
    for (old, new) in pairs(include_str!("../../corpus/contradictions.txt")) {
        for name in ["Ludmila", "José", "Anna-Lena", "Kim"] {
            let renamed = |text: &str| {
                ["Alice", "alice", "Bob", "Carol"]
                    .iter()
                    .fold(text.to_owned(), |text, old| text.replace(old, name))
            };
            let (old, new) = (renamed(old), renamed(new));
            if retires(&new, &old).is_none() {
                missed.push(format!("{old} -> {new}"));
            }
        }
    }
    none(&missed);
}

#[test]
fn compatible_statements_are_left_alone() {
    let wrong: Vec<String> = pairs(include_str!("../../corpus/compatible_pairs.txt"))
        .flat_map(|(one, other)| [(one, other), (other, one)])
        .filter_map(|(old, new)| Some(format!("{old} -> {new}: {}", retires(new, old)?)))
        .collect();
    none(&wrong);
}

/// Judges every ordered pair of different statements; returns how many pairs and the wrong ones.
fn all_pairs(statements: &[&str]) -> (usize, Vec<String>) {
    let read: Vec<Statement> = statements.iter().map(|text| Statement::read(text)).collect();
    let mut wrong = Vec::new();
    for (old, old_text) in read.iter().zip(statements) {
        for (new, new_text) in read.iter().zip(statements).filter(|(_, text)| *text != old_text) {
            let judgement = new.judge(old);
            if matches!(judgement.verdict, Verdict::Contradicts | Verdict::Duplicate) {
                wrong.push(format!("{old_text} -> {new_text}: {}", judgement.reasoning));
            }
        }
    }
    (statements.len() * (statements.len() - 1), wrong)
}

#[test]
fn lives_are_left_alone() {
    let (mut count, mut wrong) = (0, Vec::new());
    let blocks = include_str!("../../corpus/consistent.txt")
        .split("\n\n")
        .map(|block| lines(block).collect::<Vec<_>>());
    // The facts of the retrieval corpora hold together as well.
    let corpora = [
        include_str!("../../../retrieval/evaluation/friends.txt"),
        include_str!("../../../retrieval/evaluation/assistant.txt"),
    ];
    let facts = corpora.map(|text| {
        lines(text)
            .filter(|line| !line.starts_with('?'))
            .filter_map(|line| Some(line.rsplit_once(" #")?.0))
            .collect()
    });
    for block in blocks.chain(facts) {
        let (pairs, found) = all_pairs(&block);
        count += pairs;
        wrong.extend(found);
    }
    println!(
        "{count} pairs of statements that hold together, {} wrong",
        wrong.len()
    );
    assert!(count > 30_000);
    none(&wrong);
}

#[test]
fn what_is_said_again_in_a_conversation_is_no_contradiction() {
    for (old, _) in pairs(include_str!("../../corpus/contradictions.txt")) {
        assert_eq!(retires(old, old), None, "{old}");
        let turns = [Turn {
            role: "user",
            content: old,
        }];
        for fact in extract(&turns, None).facts {
            assert_eq!(retires(&fact.text, old), None, "{old} -> {}", fact.text);
        }
    }
}

/// What contradicts a stored fact must also be found when it comes out of a conversation.
#[test]
fn contradictions_survive_extraction() {
    let (mut found, mut all) = (0, 0);
    for (old, new) in pairs(include_str!("../../corpus/contradictions.txt")) {
        let turns = [Turn {
            role: "user",
            content: new,
        }];
        let facts = extract(&turns, None).facts;
        all += 1;
        if facts.iter().any(|fact| retires(&fact.text, old).is_some()) {
            found += 1;
        } else {
            println!("lost in extraction: {old} -> {new}: {facts:?}");
        }
    }
    println!("{found} of {all} contradictions are found through extraction");
    assert!(found * 100 >= all * 90, "{found} of {all}");
}
