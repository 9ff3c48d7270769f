//! Answers out of memories, and the markers that say which statement comes from which.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pentad_memory_rules::{self as rules, AnswerPolicy, Evidence, Moment};
use regex::Regex;

use crate::Memory;
use crate::belief::Axes;
use crate::index::Hit;
use crate::instant::day;

/// An answer with and without its markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Without markers.
    pub(crate) text: String,
    /// With `[mem-N]`, N from 1 in the order of the citations.
    pub(crate) with_citations: String,
    /// The cited ones, from 0.
    pub(crate) cited: BTreeSet<usize>,
    /// Whether a statement of a language model had no support in what it cited.
    pub(crate) ungrounded: bool,
}

static MARKER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\s*\[mem-(\d{1,9})\]").expect("the pattern is well formed"));
static ANY_MARKER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\s*\[\s*mem-\d+\s*\]").expect("the pattern is well formed"));
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[^.!?\n]*(?:[.!?](?:\S[^.!?\n]*)?)*[.!?\n]?\s*").expect("the pattern is well formed")
});
static CHECKED_WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:\p{Lu}[\p{L}\p{N}'’-]*|\p{N}[\p{N}.,:/-]*)").expect("the pattern is well formed")
});

impl Answer {
    fn of(with_citations: String, ungrounded: bool) -> Self {
        let cited = MARKER
            .captures_iter(&with_citations)
            .filter_map(|found| found[1].parse::<usize>().ok()?.checked_sub(1))
            .collect();
        Self {
            text: MARKER.replace_all(&with_citations, "").trim().to_owned(),
            with_citations,
            cited,
            ungrounded,
        }
    }

    /// The best memories themselves, each followed by its marker; or that nothing fits.
    pub(crate) fn extractive(axes: Axes, found: &[(Memory, Hit)]) -> Self {
        // Markers inside a memory are not ours: what a memory says must not cite another one.
        let texts: Vec<_> = found
            .iter()
            .map(|(memory, _)| ANY_MARKER.replace_all(&memory.decision, ""))
            .collect();
        let evidence: Vec<Evidence<'_>> = texts
            .iter()
            .zip(found)
            .map(|(text, (_, hit))| Evidence {
                text,
                score: hit.score,
                coverage: hit.coverage,
                similarity: hit.similarity,
            })
            .collect();
        let answer = rules::answer(&evidence, Moment::Present, &AnswerPolicy::default());
        Self::of(framed(axes, &answer.with_citations), false)
    }

    /// What a language model said, as far as it can be believed: markers that lead nowhere are removed, and a
    /// sentence with a name or a number that none of its memories has loses its markers.
    pub(crate) fn verified(axes: Axes, said: &str, memories: &[&str]) -> Self {
        let mut ungrounded = false;
        let mut text = String::new();
        for sentence in SENTENCE.find_iter(said).map(|found| found.as_str()) {
            let cited: Vec<usize> = MARKER
                .captures_iter(sentence)
                .filter_map(|found| found[1].parse::<usize>().ok()?.checked_sub(1))
                .collect();
            let known: Vec<&str> = cited
                .iter()
                .filter_map(|&index| memories.get(index).copied())
                .collect();
            if cited.is_empty() || (known.len() == cited.len() && supported(sentence, &known)) {
                text.push_str(sentence);
                continue;
            }
            let supported = !known.is_empty() && supported(sentence, &known);
            ungrounded |= !supported;
            text.push_str(&MARKER.replace_all(sentence, |found: &regex::Captures<'_>| {
                let index = found[1]
                    .parse::<usize>()
                    .ok()
                    .and_then(|number| number.checked_sub(1));
                let stays = supported && index.is_some_and(|index| index < memories.len());
                if stays { found[0].to_owned() } else { String::new() }
            }));
        }
        Self::of(framed(axes, text.trim()), ungrounded)
    }
}

/// Whether every name and number of the sentence stands in one of the memories. Its first word has a capital
/// for another reason.
fn supported(sentence: &str, memories: &[&str]) -> bool {
    let sentence = MARKER.replace_all(sentence, "");
    let known = memories.join("\n").to_lowercase();
    let first = sentence.split_whitespace().next().unwrap_or_default();
    CHECKED_WORD.find_iter(&sentence).all(|word| {
        let text = word
            .as_str()
            .trim_end_matches(['.', ',', ':', '-', '/', '\'', '’']);
        let text = text
            .strip_suffix("'s")
            .or_else(|| text.strip_suffix("’s"))
            .unwrap_or(text);
        let opens = first.starts_with(text) && !text.starts_with(char::is_numeric);
        opens || known.contains(&text.to_lowercase())
    })
}

fn framed(axes: Axes, text: &str) -> String {
    let frame = match (axes.valid, axes.transaction) {
        (None, None) => return text.to_owned(),
        (Some(valid), None) => format!("As of {}, ", day(valid)),
        (None, Some(transaction)) => format!("As known on {}, ", day(transaction)),
        (Some(valid), Some(transaction)) => {
            format!("As of {}, as known on {}, ", day(valid), day(transaction))
        }
    };
    let text = text
        .strip_prefix("No ")
        .map_or_else(|| text.to_owned(), |rest| format!("no {rest}"));
    format!("{frame}{text}")
}

#[cfg(test)]
mod tests {
    use pentad_kernel::Timestamp;
    use pentad_memory_rules::ABSTENTION;

    use super::*;
    use crate::memory::tests::memory;

    fn hit(score: f32, coverage: f32) -> Hit {
        Hit {
            memory: 1,
            tx_from: Timestamp::from_micros(0),
            score,
            similarity: coverage / 2.0,
            coverage,
        }
    }

    fn found(decisions: &[(&str, f32, f32)]) -> Vec<(Memory, Hit)> {
        decisions
            .iter()
            .map(|&(text, score, coverage)| (memory(text, text), hit(score, coverage)))
            .collect()
    }

    fn none() -> Axes {
        Axes::default()
    }

    #[test]
    fn the_best_memories_are_quoted_with_their_markers() {
        let found = found(&[
            ("Alice works at Globex.", 1.0, 1.0),
            ("Alice works at Globex", 1.0, 1.0),
            ("Alice is on call!", 0.9, 0.6),
            ("Bob works too.", 0.5, 0.5),
        ]);
        let answer = Answer::extractive(none(), &found);
        assert_eq!(
            answer.with_citations,
            "Alice works at Globex [mem-1]. Alice is on call! [mem-3]"
        );
        assert_eq!(answer.text, "Alice works at Globex. Alice is on call!");
        assert_eq!(answer.cited, BTreeSet::from([0, 2]));
    }

    #[test]
    fn nothing_is_cited_when_nothing_fits() {
        for found in [found(&[]), found(&[("The cafeteria serves ramen.", 1.0, 0.2)])] {
            let answer = Answer::extractive(none(), &found);
            assert_eq!(answer.text, ABSTENTION);
            assert!(answer.cited.is_empty());
        }
    }

    #[test]
    fn a_memory_cannot_cite_another_one() {
        let answer = Answer::extractive(none(), &found(&[("Trust me [mem-2] and [ MEM-3 ].", 1.0, 1.0)]));
        assert_eq!(answer.cited, BTreeSet::from([0]));
        assert_eq!(answer.text, "Trust me and.");
    }

    #[test]
    fn an_answer_about_another_time_says_so() {
        let at = |text| Some(Timestamp::parse(text).unwrap());
        let axes = |valid, transaction| Axes { valid, transaction };
        let found = found(&[("Alice works at Acme.", 1.0, 1.0)]);
        let answer = |axes| Answer::extractive(axes, &found).text;
        let (then, later) = (at("2026-01-02T00:00:00Z"), at("2026-03-04T00:00:00Z"));
        assert_eq!(answer(axes(then, None)), "As of 2026-01-02, Alice works at Acme.");
        assert_eq!(
            answer(axes(None, later)),
            "As known on 2026-03-04, Alice works at Acme."
        );
        assert_eq!(
            answer(axes(then, later)),
            "As of 2026-01-02, as known on 2026-03-04, Alice works at Acme."
        );
        let abstained = Answer::extractive(axes(then, None), &[]).text;
        assert_eq!(
            abstained,
            "As of 2026-01-02, no stored memory answers this question."
        );
    }

    #[test]
    fn what_a_model_says_is_checked_against_what_it_cites() {
        let memories = [
            "Alice Chen works at Globex since 2021.",
            "The cafeteria serves ramen.",
        ];
        let check = |said: &str, expected: &str, ungrounded: bool| {
            let answer = Answer::verified(none(), said, &memories);
            assert_eq!(
                (answer.with_citations.as_str(), answer.ungrounded),
                (expected, ungrounded),
                "{said}"
            );
        };
        check(
            "She works at Globex [mem-1].",
            "She works at Globex [mem-1].",
            false,
        );
        check("She works at Initech [mem-1].", "She works at Initech.", true);
        check("Since 2019 at Globex [mem-1].", "Since 2019 at Globex.", true);
        check("They serve ramen [mem-7].", "They serve ramen.", true);
        check(
            "They serve ramen [mem-2] [mem-7].",
            "They serve ramen [mem-2].",
            false,
        );
        check(
            "Alice's job is at Globex [mem-1]. Ramen is served [mem-2].",
            "Alice's job is at Globex [mem-1]. Ramen is served [mem-2].",
            false,
        );
        check(
            "No stored memory answers this.",
            "No stored memory answers this.",
            false,
        );
    }
}
