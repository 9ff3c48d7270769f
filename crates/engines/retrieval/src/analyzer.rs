//! The terms of a text: what is written into postings and what is looked up in them.

use std::collections::{BTreeMap, HashSet};

use crate::english::English;
use crate::words::{Word, each_word, fold};

/// Terms longer than this many bytes are cut: nobody searches for them, and keys of an index should be short.
pub const MAX_TERM_BYTES: usize = 64;

/// How much an occurrence counts.
///
/// A fact taken from a conversation can be found by the sentences beside it as well, at half weight:
/// "It was my best birthday" is about the party of the sentence before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The text itself.
    Full,
    /// Its context.
    Half,
}

impl Weight {
    fn value(self) -> f32 {
        match self {
            Weight::Full => 1.0,
            Weight::Half => 0.5,
        }
    }
}

/// A text as postings hold it: how often each term occurs, and how long the text is.
///
/// Frequencies and lengths are counts of occurrences; with [`Weight::Half`] they come in steps of 0.5, which
/// `f32` and `f64` add without rounding, in any order, up to 2²³ and 2⁵² of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    counts: BTreeMap<String, f32>,
    length: f32,
}

impl Terms {
    /// `(term, frequency)`, in the order of the terms' bytes, each term once.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f32)> {
        self.counts.iter().map(|(term, tf)| (term.as_str(), *tf))
    }

    /// The document's length: the sum of the frequencies.
    pub fn length(&self) -> f32 {
        self.length
    }

    /// Whether the text has no term at all.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn count(&mut self, term: String, weight: f32) {
        if !term.is_empty() {
            *self.counts.entry(term).or_default() += weight;
            self.length += weight;
        }
    }
}

/// Turns texts into terms.
///
/// Words are found by the rules of Unicode (UAX 29), folded (case, accents, width), freed of English stop words
/// and stemmed (Snowball English, with the common irregular forms). Scripts that put no spaces between words are
/// indexed by character and by pairs of characters, and searched by pairs. No character has a meaning of its own:
/// a query is text, never syntax.
///
/// ```
/// use pentad_retrieval::Analyzer;
///
/// let analyzer = Analyzer::default();
/// assert_eq!(analyzer.query("What did Alice's children eat?"), ["alic", "child", "eat"]);
/// assert_eq!(analyzer.query("東京の"), ["東京", "京の"]);
///
/// let terms = analyzer.document("Paris, Paris!");
/// assert_eq!(terms.iter().collect::<Vec<_>>(), [("pari", 2.0)]);
/// ```
#[derive(Default)]
pub struct Analyzer {
    english: English,
}

impl Analyzer {
    /// The terms of a text to be stored.
    pub fn document(&self, text: &str) -> Terms {
        let mut terms = Terms::default();
        self.add(&mut terms, text, Weight::Full);
        terms
    }

    /// Adds the terms of another text to a document.
    pub fn add(&self, terms: &mut Terms, text: &str, weight: Weight) {
        let weight = weight.value();
        each_word(&fold(text), |word| match word {
            Word::Spaced { text, shouted } => {
                if shouted || !English::is_stop_word(&text) {
                    terms.count(self.term(&text), weight);
                }
            }
            Word::Run(run) => {
                for c in &run {
                    terms.count(c.to_string(), weight);
                }
                for pair in run.windows(2) {
                    terms.count(pair.iter().collect(), weight);
                }
            }
        });
    }

    /// The terms to look up for a query, each once, in the order of the query.
    pub fn query(&self, text: &str) -> Vec<String> {
        let mut terms: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |term: String| {
            if !term.is_empty() && seen.insert(term.clone()) {
                terms.push(term);
            }
        };
        each_word(&fold(text), |word| match word {
            Word::Spaced { text, shouted } => {
                if shouted || !English::is_stop_word(&text) {
                    add(self.term(&text));
                }
            }
            Word::Run(run) if run.len() == 1 => add(run[0].to_string()),
            Word::Run(run) => run.windows(2).for_each(|pair| add(pair.iter().collect())),
        });
        terms
    }

    fn term(&self, word: &str) -> String {
        let mut term = self.english.stem(word).into_owned();
        if term.len() > MAX_TERM_BYTES {
            term.truncate(term.floor_char_boundary(MAX_TERM_BYTES));
        }
        term
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(text: &str) -> Vec<String> {
        Analyzer::default().query(text)
    }

    #[test]
    fn a_query_matches_the_document_it_was_taken_from() {
        let analyzer = Analyzer::default();
        for (document, question) in [
            ("Mira bought a kiln", "What did Mira buy?"),
            ("The café in São Paulo", "cafe sao paulo"),
            ("Visa for the US", "US visa"),
            ("東京タワーに行った", "東京"),
            ("我喜欢喝茶", "茶"),
            ("서울에 산다", "서울"),
            ("the node.js service", "node"),
            ("rent is 1,200 euros", "1200"),
        ] {
            let terms = analyzer.document(document);
            let found = query(question);
            assert!(!found.is_empty(), "{question}");
            for term in found {
                assert!(
                    terms.iter().any(|(t, _)| t == term),
                    "{term:?} of {question:?} in {document:?}"
                );
            }
        }
    }

    #[test]
    fn stop_words_are_left_out() {
        assert!(query("what is the").is_empty());
        assert!(Analyzer::default().document("It is what it is.").is_empty());
    }

    #[test]
    fn nothing_in_a_query_is_syntax() {
        assert_eq!(
            query("\"kiln\" AND NOT (studio*) ^2 OR column:x --"),
            ["kiln", "and", "not", "studio", "2", "or", "column", "x"]
        );
    }

    #[test]
    fn context_counts_half() {
        let analyzer = Analyzer::default();
        let mut terms = analyzer.document("kiln");
        analyzer.add(&mut terms, "kiln studio", Weight::Half);
        assert_eq!(terms.iter().collect::<Vec<_>>(), [("kiln", 1.5), ("studio", 0.5)]);
        assert_eq!(terms.length(), 2.0);
    }

    #[test]
    fn terms_are_short() {
        let terms = Analyzer::default().document(&"é".repeat(500));
        assert!(terms.iter().all(|(term, _)| term.len() <= MAX_TERM_BYTES));
    }

    proptest! {
        #[test]
        fn any_text_has_terms(text in any::<String>()) {
            let analyzer = Analyzer::default();
            let terms = analyzer.document(&text);
            let sum: f32 = terms.iter().map(|(_, tf)| tf).sum();
            prop_assert_eq!(sum, terms.length());
            prop_assert!(terms.iter().all(|(t, tf)| !t.is_empty() && t.len() <= MAX_TERM_BYTES && tf >= 1.0));
            for term in analyzer.query(&text) {
                prop_assert!(terms.iter().any(|(t, _)| t == term), "{:?} is looked up but never stored", term);
            }
        }

        #[test]
        fn any_words_of_mixed_scripts_have_terms(text in "[a-zA-Z'.,_:0-9 \u{300}-\u{310}\u{e00}-\u{e10}\u{3040}-\u{30ff}\u{4e00}-\u{4e10}\u{ac00}-\u{ac10}]{0,60}") {
            let analyzer = Analyzer::default();
            let terms = analyzer.document(&text);
            for term in analyzer.query(&text) {
                prop_assert!(terms.iter().any(|(t, _)| t == term), "{:?} is looked up but never stored", term);
            }
        }
    }
}
