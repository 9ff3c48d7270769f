use std::collections::BTreeMap;

use pentad_retrieval::{Analyzer, Bm25, Collection, EmbedError, Embedder, LexicalScores, ScopeStats, Scored};
use proptest::prelude::*;

const WORDS: [&str; 12] = [
    "kiln", "clay", "glaze", "bowl", "dog", "vet", "rent", "flat", "bees", "honey", "the", "and",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 0..9).prop_map(|words| words.join(" "))
}

/// BM25 from its definition: count everything anew for every document.
fn naive_bm25(documents: &BTreeMap<u8, String>, question: &str) -> Vec<Scored<u8>> {
    let analyzer = Analyzer::default();
    let terms: BTreeMap<u8, Vec<(String, f32)>> = documents
        .iter()
        .map(|(key, text)| {
            (
                *key,
                analyzer
                    .document(text)
                    .iter()
                    .map(|(t, tf)| (t.to_owned(), tf))
                    .collect(),
            )
        })
        .collect();
    let length = |key: &u8| terms[key].iter().map(|(_, tf)| tf).sum::<f32>();
    let average = terms.keys().map(length).sum::<f32>() / terms.len() as f32;
    let mut ranked: Vec<_> = terms
        .iter()
        .map(|(key, has)| {
            let mut score = 0.0;
            for term in analyzer.query(question) {
                let df = terms
                    .values()
                    .filter(|d| d.iter().any(|(t, _)| *t == term))
                    .count() as f64;
                let Some((_, tf)) = has.iter().find(|(t, _)| *t == term) else {
                    continue;
                };
                let idf = (1.0 + (terms.len() as f64 - df + 0.5) / (df + 0.5)).ln() as f32;
                score += idf * tf * 2.2 / (tf + 1.2 * (0.6 + 0.4 * length(key) / average));
            }
            Scored { key: *key, score }
        })
        .filter(|scored| scored.score > 0.0)
        .collect();
    ranked.sort_by(Scored::rank);
    ranked
}

proptest! {
    #[test]
    fn word_search_is_bm25_whatever_came_and_went(
        steps in prop::collection::vec((0_u8..15, prop::option::weighted(0.8, text())), 1..50),
        question in text(),
    ) {
        let mut collection = Collection::default();
        let mut documents = BTreeMap::new();
        for (key, text) in steps {
            match text {
                Some(text) => {
                    collection.insert(key, &text).expect("no embedder, no error");
                    documents.insert(key, text);
                }
                None => prop_assert_eq!(collection.remove(&key), documents.remove(&key).is_some()),
            }
        }
        prop_assert_eq!(collection.len(), documents.len());
        let expected = naive_bm25(&documents, &question);
        let hits = collection.search(&question, 100).expect("no embedder, no error");
        prop_assert_eq!(hits.len(), expected.len());
        for (hit, expected) in hits.iter().zip(&expected) {
            prop_assert!((hit.lexical - expected.score).abs() < 1e-4, "{:?} {:?}", hit, expected);
        }

        // The same over postings that are kept elsewhere.
        let analyzer = Analyzer::default();
        let stored: Vec<_> = documents.iter().map(|(key, text)| (*key, analyzer.document(text))).collect();
        let tokens = stored.iter().map(|(_, terms)| f64::from(terms.length())).sum();
        let mut scores = LexicalScores::new(Bm25::default(), ScopeStats { documents: stored.len() as u64, tokens });
        for term in analyzer.query(&question) {
            let rows: Vec<_> = stored
                .iter()
                .filter_map(|(key, terms)| {
                    terms.iter().find(|(t, _)| *t == term).map(|(_, tf)| (*key, tf, terms.length()))
                })
                .collect();
            scores.add_term(rows.len() as u64, rows);
        }
        let scores = scores.finish();
        for hit in &hits {
            prop_assert_eq!(scores[&hit.key], hit.lexical);
        }
    }
}

/// An embedder as a remote one may be: it answers what it is told to.
struct Scripted(Result<Vec<Vec<f32>>, EmbedError>);

impl Embedder for Scripted {
    fn id(&self) -> &str {
        "scripted"
    }

    fn dims(&self) -> usize {
        2
    }

    fn embed(&self, _: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.0.clone()
    }
}

#[test]
fn a_failing_embedder_is_an_error_and_changes_nothing() {
    let down = EmbedError::Unavailable {
        reason: "connection refused".to_owned(),
    };
    for (answer, error) in [
        (Err(down.clone()), down),
        (
            Ok(vec![vec![1.0; 3]]),
            EmbedError::Dimensions {
                expected: 2,
                found: 3,
            },
        ),
        (
            Ok(vec![]),
            EmbedError::Count {
                expected: 1,
                found: 0,
            },
        ),
    ] {
        let mut collection = Collection::with_embedder(Box::leak(Box::new(Scripted(answer))));
        assert_eq!(collection.insert(1, "kiln"), Err(error.clone()));
        assert!(collection.is_empty());
        assert_eq!(collection.search("kiln", 1), Err(error));
    }
}

#[test]
fn a_search_for_nothing_finds_nothing() {
    let mut collection = Collection::default();
    collection.insert(1, "kiln").unwrap();
    for (question, limit) in [("", 5), ("the", 5), ("dog", 5), ("kiln", 0)] {
        assert_eq!(collection.search(question, limit).unwrap(), [], "{question:?}");
    }
}
