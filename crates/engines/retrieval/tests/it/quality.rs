//! How well the default build finds facts, against BM25 alone. The corpora are this project's own; see
//! `evaluation/README.md`.

use std::collections::{HashMap, HashSet};

use pentad_retrieval::{Collection, StaticEmbedder};

pub(crate) struct Question {
    pub(crate) text: String,
    /// Indices of the facts that answer it.
    answers: HashSet<usize>,
    /// Asked by somebody who remembers some of the words.
    reminded: bool,
}

pub(crate) struct Corpus {
    name: &'static str,
    pub(crate) facts: Vec<String>,
    pub(crate) questions: Vec<Question>,
}

pub(crate) fn corpora() -> Vec<Corpus> {
    vec![
        parse("friends", include_str!("../../evaluation/friends.txt")),
        parse("assistant", include_str!("../../evaluation/assistant.txt")),
    ]
}

/// What nothing was chosen on, among the facts of all corpora.
fn held_out() -> Corpus {
    let mut corpus = parse("village", include_str!("../../evaluation/village.txt"));
    corpus
        .facts
        .extend(corpora().into_iter().flat_map(|corpus| corpus.facts));
    corpus
}

fn parse(name: &'static str, text: &str) -> Corpus {
    let (mut facts, mut tags, mut questions) = (Vec::new(), HashMap::new(), Vec::new());
    let mut reminded = false;
    for line in text.lines() {
        if line.starts_with('#') {
            reminded |= line.starts_with("# Questions as people ask them");
        } else if let Some(question) = line.strip_prefix('?') {
            let (text, answers) = match question.trim_start_matches('?').split_once('|') {
                Some((text, named)) => (text, named.split_whitespace().map(|tag| tags[tag]).collect()),
                None => (question, HashSet::from([facts.len() - 1])),
            };
            questions.push(Question {
                text: text.trim().to_owned(),
                answers,
                reminded,
            });
        } else if let Some((fact, tag)) = line.rsplit_once(" #") {
            tags.insert(tag, facts.len());
            facts.push(fact.to_owned());
        }
    }
    Corpus {
        name,
        facts,
        questions,
    }
}

/// Share of a question's facts among the first ten, averaged over questions.
fn recall_at_10(corpus: &Corpus, mut collection: Collection<usize>, kind: impl Fn(&Question) -> bool) -> f64 {
    for (key, fact) in corpus.facts.iter().enumerate() {
        collection.insert(key, fact).expect("the table never fails");
    }
    let recalls: Vec<f64> = corpus
        .questions
        .iter()
        .filter(|question| kind(question))
        .map(|question| {
            let hits = collection
                .search(&question.text, 10)
                .expect("the table never fails");
            let found = hits
                .iter()
                .filter(|hit| question.answers.contains(&hit.key))
                .count();
            found as f64 / question.answers.len() as f64
        })
        .collect();
    recalls.iter().sum::<f64>() / recalls.len() as f64
}

#[test]
fn fusion_finds_more_on_what_it_was_not_tuned_on() {
    let corpus = held_out();
    let words = recall_at_10(&corpus, Collection::default(), |_| true);
    let fused = recall_at_10(
        &corpus,
        Collection::with_embedder(StaticEmbedder::english()),
        |_| true,
    );
    println!("{}: recall@10 {words:.3} by words, {fused:.3} fused", corpus.name);
    assert!(fused >= words + 0.025, "{words} {fused}");
}

#[test]
fn fusion_finds_more_than_words_alone() {
    for corpus in corpora() {
        let words = |kind: fn(&Question) -> bool| recall_at_10(&corpus, Collection::default(), kind);
        let fused = |kind| {
            recall_at_10(
                &corpus,
                Collection::with_embedder(StaticEmbedder::english()),
                kind,
            )
        };
        for (label, kind) in [
            ("paraphrased", (|q| !q.reminded) as fn(&Question) -> bool),
            ("reminded", |q| q.reminded),
        ] {
            println!(
                "{} {label}: recall@10 {:.3} by words, {:.3} fused",
                corpus.name,
                words(kind),
                fused(kind)
            );
            assert!(fused(kind) >= words(kind), "{} {label}", corpus.name);
        }
        assert!(fused(|_| true) >= words(|_| true) + 0.025, "{}", corpus.name);
    }
}
