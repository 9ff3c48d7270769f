//! Answers made of memories: nothing is said that is not stored, and everything that is said names its memory.

/// What an answer may draw on, in rank order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence<'a> {
    /// The memory.
    pub text: &'a str,
    /// The fused retrieval score, by which the evidence is ordered.
    pub score: f32,
    /// Share of the question's words that the memory has, each weighted by its rarity, 0 to 1.
    pub coverage: f32,
    /// Cosine of the memory with the question, 0 to 1; 0 where there is no embedder.
    pub similarity: f32,
}

/// When evidence is good enough to answer from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerPolicy {
    /// A memory that covers so much of the question is an answer.
    pub min_coverage: f32,
    /// So is one that is so much like it. The value belongs to the embedder: see [`AnswerPolicy::default`].
    pub min_similarity: f32,
    /// Further memories are cited as well if their score is at least this share of the best one's.
    pub score_share: f32,
    /// At most so many memories are cited.
    pub max_cited: usize,
}

impl Default for AnswerPolicy {
    /// Half of the question's weight in words, or a cosine of 0.55, calibrated on the table `static-en-256/1`: of
    /// questions about another person's life, 1 in 50 is that much like some memory.
    fn default() -> Self {
        AnswerPolicy {
            min_coverage: 0.5,
            min_similarity: 0.55,
            score_share: 0.8,
            max_cited: 3,
        }
    }
}

/// The moment that a question asks about, as a date to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment<'a> {
    /// Now.
    Present,
    /// What was true then.
    AsOf(&'a str),
    /// What was known then.
    KnownOn(&'a str),
}

/// An answer with its citations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer, each sentence followed by the marker `[mem-N]` of the evidence that it is, counted from 1.
    pub with_citations: String,
    /// Indices of the evidence that is cited, counted from 0, in the order of the answer. Empty: no answer.
    pub cited: Vec<usize>,
}

/// What is answered when nothing stored is an answer.
pub const ABSTENTION: &str = "No stored memory answers this question.";

/// Answers a question from the evidence that retrieval found, or abstains.
///
/// Cited are the best memory and those nearly as good, one of a kind: of two that give the same subject's residence,
/// the better one.
///
/// ```
/// use pentad_memory_rules::{AnswerPolicy, Evidence, Moment, answer};
///
/// let evidence = [
///     Evidence { text: "Alice works at Globex.", score: 1.0, coverage: 0.9, similarity: 0.7 },
///     Evidence { text: "Bob likes ramen.", score: 0.1, coverage: 0.0, similarity: 0.0 },
/// ];
/// let found = answer(&evidence, Moment::Present, &AnswerPolicy::default());
/// assert_eq!(found.with_citations, "Alice works at Globex [mem-1].");
/// assert_eq!(found.cited, [0]);
/// ```
pub fn answer(evidence: &[Evidence<'_>], moment: Moment<'_>, policy: &AnswerPolicy) -> Answer {
    let answers = |found: &Evidence<'_>| {
        found.coverage >= policy.min_coverage
            || policy.min_similarity > 0.0 && found.similarity >= policy.min_similarity
    };
    let best = evidence.first().map_or(0.0, |found| found.score);
    let mut cited = Vec::new();
    let mut slots = Vec::new();
    for (at, found) in evidence.iter().enumerate() {
        if cited.len() == policy.max_cited || found.score < best * policy.score_share {
            break;
        }
        if !answers(found) {
            // What follows is worse than what does not answer.
            if at == 0 { break } else { continue }
        }
        let slot = crate::Statement::read(found.text).slot_key();
        if slot.is_none() || !slots.contains(&slot) {
            cited.push(at);
            slots.push(slot);
        }
    }
    if cited.is_empty() {
        return Answer {
            with_citations: ABSTENTION.to_owned(),
            cited,
        };
    }
    let sentences: Vec<String> = cited.iter().map(|at| cite(evidence[*at].text, at + 1)).collect();
    let said = sentences.join(" ");
    let with_citations = match moment {
        Moment::Present => said,
        Moment::AsOf(date) => format!("As of {date}: {said}"),
        Moment::KnownOn(date) => format!("As known on {date}: {said}"),
    };
    Answer {
        with_citations,
        cited,
    }
}

impl Answer {
    /// The answer without its markers, and without the blank before each.
    pub fn text(&self) -> String {
        strip_markers(&self.with_citations)
    }
}

/// A text without its `[mem-N]` markers, and without the blanks before each.
pub fn strip_markers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("[mem-") {
        let digits = rest[start + 5..].bytes().take_while(u8::is_ascii_digit).count();
        let end = start + 5 + digits;
        if digits > 0 && rest[end..].starts_with(']') {
            out.push_str(rest[..start].trim_end());
            rest = &rest[end + 1..];
        } else {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

/// "Alice lives in Oslo." → "Alice lives in Oslo [mem-1]."
fn cite(text: &str, number: usize) -> String {
    let text = strip_markers(text);
    let text = text.trim();
    let body = text.trim_end_matches(['.', ' ']);
    let stop = if body.ends_with(['!', '?', '…', '。', '！', '？']) {
        ""
    } else {
        "."
    };
    format!("{body} [mem-{number}]{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evidence(text: &str, score: f32, coverage: f32) -> Evidence<'_> {
        Evidence {
            text,
            score,
            coverage,
            similarity: 0.0,
        }
    }

    #[test]
    fn the_best_and_those_nearly_as_good_are_cited() {
        let found = [
            evidence("Alice likes tea.", 1.0, 0.8),
            evidence("Alice likes cake!", 0.85, 0.6),
            evidence("Alice likes rain", 0.82, 0.2),
            evidence("Alice likes snow", 0.81, 0.7),
            evidence("Alice likes jam", 0.81, 0.7),
            evidence("Alice likes fog", 0.5, 0.7),
        ];
        let answer = answer(&found, Moment::Present, &AnswerPolicy::default());
        assert_eq!(
            answer.with_citations,
            "Alice likes tea [mem-1]. Alice likes cake! [mem-2] Alice likes snow [mem-4]."
        );
        assert_eq!(
            answer.text(),
            "Alice likes tea. Alice likes cake! Alice likes snow."
        );
        assert_eq!(answer.cited, [0, 1, 3]);
    }

    #[test]
    fn one_of_a_kind_is_enough() {
        let found = [
            evidence("Alice lives in Oslo.", 1.0, 0.8),
            evidence("Alice lives in Berlin.", 0.9, 0.8),
        ];
        assert_eq!(
            answer(&found, Moment::Present, &AnswerPolicy::default()).cited,
            [0]
        );
    }

    #[test]
    fn without_good_evidence_there_is_no_answer() {
        for found in [&[][..], &[evidence("The cafeteria serves ramen.", 1.0, 0.2)]] {
            let answer = answer(found, Moment::AsOf("2026-01-01"), &AnswerPolicy::default());
            assert_eq!(
                (answer.with_citations.as_str(), answer.cited.len()),
                (ABSTENTION, 0)
            );
        }
    }

    #[test]
    fn the_moment_is_named() {
        let found = [evidence("Alice works at Acme.", 1.0, 1.0)];
        let policy = AnswerPolicy::default();
        assert_eq!(
            answer(&found, Moment::AsOf("2026-01-01"), &policy).text(),
            "As of 2026-01-01: Alice works at Acme."
        );
        assert_eq!(
            answer(&found, Moment::KnownOn("2026-01-01"), &policy).text(),
            "As known on 2026-01-01: Alice works at Acme."
        );
    }

    #[test]
    fn a_memory_cannot_forge_a_citation() {
        let found = [evidence("Alice lies [mem-7].", 1.0, 1.0)];
        assert_eq!(
            answer(&found, Moment::Present, &AnswerPolicy::default()).with_citations,
            "Alice lies [mem-1]."
        );
    }

    proptest! {
        #[test]
        fn markers_and_citations_agree(texts in prop::collection::vec("[ -~]{1,30}", 1..5)) {
            let found: Vec<_> = texts.iter().map(|text| evidence(text, 1.0, 1.0)).collect();
            let answer = answer(&found, Moment::Present, &AnswerPolicy::default());
            for at in 0..found.len() {
                let marked = answer.with_citations.contains(&format!("[mem-{}]", at + 1));
                prop_assert_eq!(marked, answer.cited.contains(&at));
            }
            prop_assert!(!answer.text().contains("[mem-1]"));
        }
    }
}
