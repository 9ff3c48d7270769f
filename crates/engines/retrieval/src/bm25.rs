//! BM25 over postings that somebody else keeps.

use std::collections::HashMap;
use std::hash::Hash;

/// What one scope (a tenant's memories, say) knows of itself. Statistics are never shared between scopes: the
/// rarity of a word would tell one tenant of another's texts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScopeStats {
    /// Number of documents.
    pub documents: u64,
    /// Sum of the lengths of all documents ([`Terms::length`](crate::Terms::length)).
    pub tokens: f64,
}

impl ScopeStats {
    /// Mean length of a document; 1 for an empty scope.
    pub fn average_length(&self) -> f32 {
        if self.documents == 0 || self.tokens <= 0.0 {
            return 1.0;
        }
        (self.tokens / self.documents as f64) as f32
    }

    /// Inverse document frequency of a term that `document_frequency` documents of the scope have:
    /// `ln(1 + (N − df + ½) / (df + ½))`, which is never negative (Lucene's form of Robertson's).
    pub fn idf(&self, document_frequency: u64) -> f32 {
        let n = self.documents as f64;
        let df = document_frequency.min(self.documents) as f64;
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln() as f32
    }
}

/// The BM25 formula (Robertson, Walker 1994) with its two constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    /// How fast repeated occurrences of a term stop counting.
    pub k1: f32,
    /// How much a long document is held against its matches, 0 to 1.
    pub b: f32,
}

impl Default for Bm25 {
    /// k1 1.2 and b 0.4: the texts are single facts, whose length says little.
    fn default() -> Self {
        Bm25 { k1: 1.2, b: 0.4 }
    }
}

impl Bm25 {
    /// The part of a document's score that one term brings: `idf` from [`ScopeStats::idf`], `tf` its frequency
    /// in the document, `length` the document's length, `average_length` the scope's.
    #[inline]
    pub fn score(&self, idf: f32, tf: f32, length: f32, average_length: f32) -> f32 {
        let norm = 1.0 - self.b + self.b * length / average_length;
        idf * tf * (self.k1 + 1.0) / (tf + self.k1 * norm)
    }
}

/// Adds up scores of documents, posting by posting.
///
/// Feed it the postings of each query term, term after term; the sums depend on the order of the terms
/// (floating point) but not on the order of a term's postings.
///
/// ```
/// use pentad_retrieval::{Bm25, LexicalScores, ScopeStats};
///
/// // Rows as a database returns them: document, frequency, document length.
/// let stats = ScopeStats { documents: 3, tokens: 12.0 };
/// let mut scores = LexicalScores::new(Bm25::default(), stats);
/// scores.add_term(1, [(7_i64, 1.0, 4.0)]);
/// scores.add_term(2, [(7, 1.0, 4.0), (9, 2.0, 5.0)]);
/// let scores = scores.finish();
/// assert!(scores[&7] > scores[&9]);
/// ```
#[derive(Debug, Clone)]
pub struct LexicalScores<K> {
    bm25: Bm25,
    stats: ScopeStats,
    average_length: f32,
    scores: HashMap<K, f32>,
}

impl<K: Eq + Hash> LexicalScores<K> {
    /// Nothing scored yet.
    pub fn new(bm25: Bm25, stats: ScopeStats) -> Self {
        LexicalScores {
            bm25,
            stats,
            average_length: stats.average_length(),
            scores: HashMap::new(),
        }
    }

    /// Adds the postings `(document, frequency, document length)` of one query term, which
    /// `document_frequency` documents of the scope have.
    pub fn add_term(&mut self, document_frequency: u64, postings: impl IntoIterator<Item = (K, f32, f32)>) {
        let idf = self.stats.idf(document_frequency);
        for (document, tf, length) in postings {
            let score = self.bm25.score(idf, tf, length, self.average_length);
            *self.scores.entry(document).or_default() += score;
        }
    }

    /// Score of every document that has a term of the query.
    pub fn finish(self) -> HashMap<K, f32> {
        self.scores
    }
}

/// Share of a question's terms that a document has, each weighted by its rarity, 0 to 1: how far the document can be
/// an answer at all. `terms` are the question's terms with the number of documents that have each (0 for a term
/// that nobody has, which weighs most).
///
/// ```
/// use pentad_retrieval::{ScopeStats, coverage};
///
/// let stats = ScopeStats { documents: 100, tokens: 800.0 };
/// let question = [("airspeed", 0), ("swallow", 0), ("alic", 60)];
/// assert!(coverage(&stats, question, |term| *term == "alic") < 0.1);
/// ```
pub fn coverage<T>(
    stats: &ScopeStats,
    terms: impl IntoIterator<Item = (T, u64)>,
    has: impl Fn(&T) -> bool,
) -> f32 {
    let (mut covered, mut all) = (0.0, 0.0);
    for (term, document_frequency) in terms {
        let idf = stats.idf(document_frequency);
        all += idf;
        covered += if has(&term) { idf } else { 0.0 };
    }
    if all > 0.0 { covered / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rare_terms_count_more() {
        let stats = ScopeStats {
            documents: 100,
            tokens: 700.0,
        };
        let idfs: Vec<f32> = [1, 2, 10, 50, 100].map(|df| stats.idf(df)).to_vec();
        assert!(idfs.is_sorted_by(|a, b| a > b));
        assert!(idfs.iter().all(|idf| *idf > 0.0));
        assert_eq!(
            stats.idf(1000),
            stats.idf(100),
            "a stale count is no reason for nonsense"
        );
    }

    #[test]
    fn an_empty_scope_has_finite_scores() {
        let stats = ScopeStats::default();
        assert!(
            Bm25::default()
                .score(stats.idf(0), 1.0, 1.0, stats.average_length())
                .is_finite()
        );
    }

    proptest! {
        #[test]
        fn more_occurrences_count_more_and_longer_documents_less(
            tf in 1_u32..50, length in 1_u32..500, average in 1_u32..500, idf in 0.01_f32..10.0
        ) {
            let bm25 = Bm25::default();
            let score = |tf: u32, length: u32| bm25.score(idf, tf as f32, length as f32, average as f32);
            prop_assert!(score(tf + 1, length) > score(tf, length));
            prop_assert!(score(tf, length + 1) < score(tf, length));
            prop_assert!(score(tf, length) < idf * (bm25.k1 + 1.0));
        }

        #[test]
        fn postings_may_come_in_any_order(mut postings in prop::collection::vec((0_u8..20, 1_u8..5, 1_u8..9), 0..40)) {
            postings.sort_unstable_by_key(|p| p.0);
            postings.dedup_by_key(|p| p.0);
            let rows = |p: &[(u8, u8, u8)]| p.iter().map(|&(d, t, l)| (d, f32::from(t), f32::from(l))).collect::<Vec<_>>();
            let stats = ScopeStats { documents: 20, tokens: 90.0 };
            let run = |one: Vec<_>, two: Vec<_>| {
                let mut scores = LexicalScores::new(Bm25::default(), stats);
                scores.add_term(3, one);
                scores.add_term(8, two);
                scores.finish()
            };
            let forward = run(rows(&postings), rows(&postings));
            postings.reverse();
            prop_assert_eq!(forward, run(rows(&postings), rows(&postings)));
        }
    }
}
