use std::collections::HashSet;

use pentad_retrieval::{Embedder, QuantizedVector, StaticEmbedder, VectorArena};
use proptest::prelude::*;

use crate::quality::corpora;

fn similarity(one: &str, other: &str) -> f32 {
    let vector = |text| QuantizedVector::new(&StaticEmbedder::english().embed_one(text));
    vector(one).similarity(&vector(other))
}

/// `pieces.jsonl` was written by the tokenizer that the table was distilled with: the sum of a text's pieces must
/// be the vector of the text. Where the crate splits what that tokenizer gives up as unknown (symbols), it differs
/// on purpose; the samples have none of these.
#[test]
fn texts_fall_into_the_pieces_of_the_reference() {
    for line in include_str!("pieces.jsonl").lines() {
        let sample: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let text = sample["text"].as_str().expect("a text");
        let pieces: Vec<&str> = sample["pieces"]
            .as_array()
            .expect("pieces")
            .iter()
            .filter_map(|p| p.as_str())
            .collect();
        assert_eq!(StaticEmbedder::english().pieces(text), pieces, "{text:?}");
    }
}

#[test]
fn meaning_beats_unrelated_words() {
    for (question, right, wrong) in [
        (
            "What does Nadia do for a living?",
            "Nadia works as a teacher.",
            "Nadia bought a red scarf.",
        ),
        (
            "Which animals do they have?",
            "They keep two parrots.",
            "They keep two spare keys.",
        ),
        (
            "Where did he go on vacation?",
            "He spent his holidays in Lisbon.",
            "He renewed his VPN password.",
        ),
        (
            "What illness does she have?",
            "She was diagnosed with diabetes.",
            "She was promoted to director.",
        ),
    ] {
        assert!(
            similarity(question, right) > similarity(question, wrong) + 0.1,
            "{question}"
        );
    }
}

#[test]
fn one_byte_a_dimension_is_enough() {
    let embedder = StaticEmbedder::english();
    let corpora = corpora();
    let texts: Vec<&str> = corpora
        .iter()
        .flat_map(|c| &c.facts)
        .map(String::as_str)
        .collect();
    let vectors = embedder.embed(&texts).unwrap();
    let mut worst = 0.0_f32;
    for (a, b) in vectors.iter().zip(vectors.iter().skip(1)) {
        let exact: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
        worst = worst.max((QuantizedVector::new(a).similarity(&QuantizedVector::new(b)) - exact).abs());
    }
    assert!(worst < 0.01, "{worst}");
}

/// The prefilter reads an eighth of the memory. It must find nearly what the full scan finds: here over texts made
/// by combining the facts of the corpora, which makes neighbours dense.
#[test]
fn the_prefilter_keeps_nearly_all_of_the_nearest() {
    let embedder = StaticEmbedder::english();
    let corpora = corpora();
    let facts: Vec<&String> = corpora.iter().flat_map(|c| &c.facts).collect();
    let mut arena = VectorArena::new(embedder.dims());
    for (i, one) in facts.iter().enumerate() {
        for (j, other) in facts.iter().enumerate().skip(i % 5).step_by(5) {
            arena.insert(
                (i, j),
                &QuantizedVector::new(&embedder.embed_one(&format!("{one} {other}"))),
            );
        }
    }
    let questions = corpora.iter().flat_map(|c| &c.questions).step_by(5);
    let (mut kept, mut all) = (0, 0);
    for question in questions {
        let query = QuantizedVector::new(&embedder.embed_one(&question.text));
        let exact: HashSet<_> = arena
            .nearest(&query, 10, |_| true)
            .iter()
            .map(|s| s.key)
            .collect();
        let found = arena.nearest_prefiltered(&query, 10, arena.len() / 25, |_| true);
        kept += found.iter().filter(|s| exact.contains(&s.key)).count();
        all += exact.len();
    }
    let recall = kept as f64 / all as f64;
    println!(
        "a prefilter to 4 % of {} vectors keeps {:.1} % of the nearest ten",
        arena.len(),
        recall * 100.0
    );
    assert!(recall > 0.85, "{recall}");
}

proptest! {
    #[test]
    fn any_text_has_a_vector(text in any::<String>()) {
        let vector = StaticEmbedder::english().embed_one(&text);
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        prop_assert!(length == 0.0 || (length - 1.0).abs() < 1e-4);
    }
}
