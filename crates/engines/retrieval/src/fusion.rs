//! One ranking out of two.

use crate::rank::{Scored, TopK};

/// How many of the best [`Fusion::refine`] looks at.
pub const REFINED: usize = 50;

/// What is known of one candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<K> {
    /// The document.
    pub key: K,
    /// Its BM25 score, 0 if it has no word of the query.
    pub lexical: f32,
    /// Its cosine with the query, −1 to 1.
    pub similarity: f32,
}

/// Convex combination of the lexical and the semantic score, each scaled to 0…1 by the best candidate's
/// (Bruch, Gai, Ingber 2023). Fusing ranks instead (RRF) throws away how much better the first is than the second,
/// and loses to BM25 alone on short facts.
///
/// The lower end of either scale is fixed at 0, not at the worst candidate: the score of a document then does not
/// depend on how many others were looked at, as long as the best of each kind is among them.
///
/// ```
/// use pentad_retrieval::{Candidate, Fusion};
///
/// let ranked = Fusion::default().rank(
///     [
///         Candidate { key: 'a', lexical: 0.0, similarity: 0.9 },
///         Candidate { key: 'b', lexical: 4.0, similarity: 0.6 },
///         Candidate { key: 'c', lexical: 1.0, similarity: 0.1 },
///     ],
///     2,
/// );
/// assert_eq!(ranked.iter().map(|r| r.key).collect::<String>(), "ba");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// Share of the semantic score, 0 (words only) to 1 (meaning only).
    pub alpha: f32,
    /// Share of the word-by-word comparison in [`refine`](Self::refine), 0 (leave the order) to 1.
    pub beta: f32,
}

impl Default for Fusion {
    /// α 0.4 and β 0.4, for the embedded table. A model that reads the whole sentence deserves an α of 0.5.
    fn default() -> Self {
        Fusion {
            alpha: 0.4,
            beta: 0.4,
        }
    }
}

impl Fusion {
    /// The best `limit` candidates, with their fused scores of 0 to 1. Each document must be given once.
    pub fn rank<K: Copy + Ord>(
        &self,
        candidates: impl IntoIterator<Item = Candidate<K>, IntoIter: Clone>,
        limit: usize,
    ) -> Vec<Scored<K>> {
        let candidates = candidates.into_iter();
        let (lexical, semantic) = candidates.clone().fold((0.0_f32, 0.0_f32), |(l, s), candidate| {
            (l.max(candidate.lexical), s.max(candidate.similarity))
        });
        let share = |value: f32, best: f32| if best > 0.0 { value.max(0.0) / best } else { 0.0 };
        let mut top = TopK::new(limit);
        for Candidate {
            key,
            lexical: l,
            similarity: s,
        } in candidates
        {
            top.push(
                key,
                (1.0 - self.alpha) * share(l, lexical) + self.alpha * share(s, semantic),
            );
        }
        top.into_ranked()
    }

    /// Ranks the first [`REFINED`] of a ranking anew, by a finer score of 0 to 1 that is too slow for all
    /// ([`Align::score`](crate::Align::score)). The others keep their order behind them.
    ///
    /// However long the ranking is, its beginning comes out the same.
    pub fn refine<K: Copy + Ord>(
        &self,
        mut ranked: Vec<Scored<K>>,
        finer: impl Fn(&K) -> f32,
    ) -> Vec<Scored<K>> {
        let refined = ranked.len().min(REFINED);
        let scores: Vec<f32> = ranked[..refined]
            .iter()
            .map(|scored| finer(&scored.key).max(0.0))
            .collect();
        let best = scores.iter().copied().fold(0.0, f32::max);
        for scored in &mut ranked {
            scored.score *= 1.0 - self.beta;
        }
        for (scored, finer) in ranked.iter_mut().zip(&scores) {
            scored.score += if best > 0.0 { self.beta * finer / best } else { 0.0 };
        }
        ranked[..refined].sort_by(Scored::rank);
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates() -> impl Strategy<Value = Vec<Candidate<usize>>> {
        let scores = (0.0_f32..9.0, -1.0_f32..1.0);
        prop::collection::vec(scores, 1..40).prop_map(|scores| {
            scores
                .into_iter()
                .enumerate()
                .map(|(key, (lexical, similarity))| Candidate {
                    key,
                    lexical,
                    similarity,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn scores_are_shares_and_the_order_of_arrival_is_nothing(mut candidates in candidates(), alpha in 0.0_f32..=1.0) {
            let fusion = Fusion { alpha, ..Fusion::default() };
            let ranked = fusion.rank(candidates.iter().copied(), 100);
            prop_assert!(ranked.iter().all(|r| (0.0..=1.0001).contains(&r.score)));
            candidates.reverse();
            prop_assert_eq!(fusion.rank(candidates.iter().copied(), 100), ranked);
        }

        #[test]
        fn a_longer_list_does_not_change_the_scores_of_the_best(candidates in candidates()) {
            let best_of = |f: fn(&Candidate<usize>) -> f32| {
                *candidates.iter().max_by(|a, b| f(a).total_cmp(&f(b))).expect("there is one")
            };
            let both = [best_of(|c| c.lexical), best_of(|c| c.similarity)];
            let few = if both[0].key == both[1].key { &both[..1] } else { &both[..] };
            let all = Fusion::default().rank(candidates.iter().copied(), 100);
            for scored in Fusion::default().rank(few.iter().copied(), 2) {
                prop_assert!(all.contains(&scored));
            }
        }
    }

    proptest! {
        #[test]
        fn refining_a_longer_ranking_begins_the_same(scores in prop::collection::vec(0_u8..9, 0..120), finer in prop::collection::vec(0_u8..9, 120)) {
            let mut ranked: Vec<_> =
                scores.iter().enumerate().map(|(key, score)| Scored { key, score: f32::from(*score) / 9.0 }).collect();
            ranked.sort_by(Scored::rank);
            let refine = |ranked: Vec<_>| Fusion::default().refine(ranked, |key: &usize| f32::from(finer[*key]) / 9.0);
            let whole = refine(ranked.clone());
            prop_assert!(whole.is_sorted_by(|a, b| a.rank(b).is_lt()), "{:?}", whole);
            ranked.truncate(60);
            let short = refine(ranked);
            prop_assert_eq!(&short[..], &whole[..short.len()]);
        }
    }

    #[test]
    fn without_any_match_all_are_equal() {
        let none = [3, 1, 2].map(|key| Candidate {
            key,
            lexical: 0.0,
            similarity: -0.2,
        });
        let ranked = Fusion::default().rank(none, 3);
        assert_eq!(
            ranked.iter().map(|r| (r.key, r.score)).collect::<Vec<_>>(),
            [(1, 0.0), (2, 0.0), (3, 0.0)]
        );
    }
}
