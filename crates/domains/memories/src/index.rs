//! The search index of one scope: its terms, its vectors and the beliefs that decide what a query sees.
//!
//! It is kept in memory in the order in which memories were stored, so that the state at any earlier
//! transaction instant is a prefix of it, statistics included.

use std::cmp::Reverse;
use std::collections::HashMap;

use pentad_kernel::Timestamp;
use pentad_retrieval::{Bm25, Candidate, Fusion, QuantizedVector, ScopeStats, TopK, VectorArena};

use crate::belief::{Belief, View};

/// How many of the best of either kind are fused, however few are asked for.
const POOL: usize = 200;
/// Above so many vectors they are searched through their signs first.
const PREFILTER_ABOVE: usize = 200_000;
/// How many vectors the signs leave over.
const PREFILTER_CANDIDATES: usize = 2_000;

/// What a search looks for.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) terms: &'a [String],
    /// The question's vector, by the embedder whose vectors the index holds.
    pub(crate) vector: Option<&'a QuantizedVector>,
    pub(crate) view: View,
    pub(crate) clock: Timestamp,
    /// The only sources to look at; `None` for all.
    pub(crate) sources: Option<&'a [String]>,
    pub(crate) limit: usize,
}

/// One memory that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) memory: i64,
    /// The instant since when the belief that the view showed was held: with the memory it names the version.
    pub(crate) tx_from: Timestamp,
    /// The fused score, 0 to 1, relative to the best hit.
    pub(crate) score: f32,
    /// Cosine clamped to 0…1; without vectors the coverage.
    pub(crate) similarity: f32,
    /// The share of the question's terms that it has, weighted by their rarity, 0 to 1.
    pub(crate) coverage: f32,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Best first.
    pub(crate) hits: Vec<Hit>,
    /// How many memories the view showed.
    pub(crate) visible: usize,
}

#[derive(Debug)]
struct Document {
    memory: i64,
    created_at: Timestamp,
    source: u32,
    length: f32,
    first: Belief,
    /// Later beliefs, in their order; most memories have none.
    later: Vec<Belief>,
}

impl Document {
    fn shown(&self, view: &View, clock: Timestamp) -> Option<&Belief> {
        self.later
            .iter()
            .rev()
            .chain(std::iter::once(&self.first))
            .find(|belief| view.shows(belief, clock))
    }

    fn last(&mut self) -> &mut Belief {
        self.later.last_mut().unwrap_or(&mut self.first)
    }
}

#[derive(Clone, Copy, Debug)]
struct Posting {
    slot: u32,
    frequency: f32,
}

/// A memory on its way into the index.
#[derive(Debug)]
pub(crate) struct NewDocument<'a> {
    pub(crate) memory: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) source: &'a str,
    /// As [`encode_terms`] made them.
    pub(crate) terms: &'a [u8],
    pub(crate) vector: Option<QuantizedVector>,
    pub(crate) belief: Belief,
}

/// The index of one scope.
#[derive(Debug, Default)]
pub(crate) struct ScopeIndex {
    documents: Vec<Document>,
    slots: HashMap<i64, u32>,
    /// Sum of the lengths of all documents up to and including each.
    tokens: Vec<f64>,
    postings: HashMap<Box<str>, Vec<Posting>>,
    posting_count: usize,
    sources: HashMap<Box<str>, u32>,
    vectors: Option<VectorArena<Reverse<u32>>>,
    dims: usize,
}

impl ScopeIndex {
    /// Adds a memory that is newer than all in the index.
    pub(crate) fn insert(&mut self, new: NewDocument<'_>) {
        if self.slots.contains_key(&new.memory) {
            return;
        }
        let slot = u32::try_from(self.documents.len()).expect("a scope has less than four billion memories");
        let mut length = 0.0;
        for (term, frequency) in decode_terms(new.terms) {
            length += frequency;
            self.posting_count += 1;
            let posting = Posting { slot, frequency };
            match self.postings.get_mut(term) {
                Some(postings) => postings.push(posting),
                None => {
                    self.postings.insert(term.into(), vec![posting]);
                }
            }
        }
        let next_source = u32::try_from(self.sources.len()).expect("there are fewer sources than memories");
        let source = *self.sources.entry(new.source.into()).or_insert(next_source);
        if let Some(vector) = new
            .vector
            .filter(|vector| self.dims == 0 || vector.dims() == self.dims)
        {
            self.dims = vector.dims();
            self.vectors
                .get_or_insert_with(|| VectorArena::new(vector.dims()))
                .insert(Reverse(slot), &vector);
        }
        self.tokens
            .push(self.tokens.last().copied().unwrap_or(0.0) + f64::from(length));
        self.slots.insert(new.memory, slot);
        self.documents.push(Document {
            memory: new.memory,
            created_at: new.created_at,
            source,
            length,
            first: new.belief,
            later: Vec::new(),
        });
    }

    /// Ends the last belief of a memory where a later one begins. Beliefs that are known already, and beliefs of
    /// memories that are not in the index, change nothing.
    pub(crate) fn believe(&mut self, memory: i64, belief: Belief) {
        let Some(document) = self
            .slots
            .get(&memory)
            .map(|&slot| &mut self.documents[slot as usize])
        else {
            return;
        };
        let last = document.last();
        if belief.tx_from > last.tx_from {
            last.tx_to = belief.tx_from;
            document.later.push(belief);
        }
    }

    /// About how many bytes the index takes.
    pub(crate) fn bytes(&self) -> usize {
        let vectors = self
            .vectors
            .as_ref()
            .map_or(0, |arena| arena.len() * (self.dims + self.dims / 8 + 40));
        self.documents.len() * (size_of::<Document>() + 40)
            + self.posting_count * size_of::<Posting>()
            + self.postings.len() * 80
            + vectors
    }

    /// The memories that fit best, best first. Equal ones stand newest first.
    pub(crate) fn search(&self, search: &Search<'_>) -> Found {
        let known = search
            .view
            .transaction()
            .map_or(search.clock, |transaction| transaction.min(search.clock));
        // Statistics are those of what was known then: what came later must not change an answer about then.
        let prefix = self
            .documents
            .partition_point(|document| document.created_at <= known);
        let sources: Option<Vec<u32>> = search.sources.map(|sources| {
            sources
                .iter()
                .filter_map(|source| self.sources.get(source.as_str()).copied())
                .collect()
        });
        let shown = |document: &Document| {
            sources
                .as_ref()
                .is_none_or(|sources| sources.contains(&document.source))
                && document.shown(&search.view, search.clock).is_some()
        };
        let visible: Vec<bool> = self.documents[..prefix].iter().map(shown).collect();
        let count = visible.iter().filter(|&&visible| visible).count();

        let lexical = self.lexical(search.terms, prefix);
        let pool = search.limit.saturating_mul(4).max(POOL);
        let mut chosen: Vec<Reverse<u32>> = Vec::new();
        let mut top = TopK::new(pool);
        for (&slot, &(score, _)) in &lexical.scores {
            if visible[slot as usize] && score >= top.threshold() {
                top.push(Reverse(slot), score);
            }
        }
        chosen.extend(top.into_ranked().into_iter().map(|scored| scored.key));
        let vectors = self
            .vectors
            .as_ref()
            .zip(search.vector)
            .filter(|(_, vector)| vector.dims() == self.dims);
        if let Some((arena, vector)) = vectors {
            let keep = |slot: &Reverse<u32>| visible.get(slot.0 as usize).copied().unwrap_or(false);
            let nearest = if count > PREFILTER_ABOVE {
                arena.nearest_prefiltered(vector, pool, PREFILTER_CANDIDATES.max(pool), keep)
            } else {
                arena.nearest(vector, pool, keep)
            };
            chosen.extend(
                nearest
                    .into_iter()
                    .filter(|near| near.score > 0.0)
                    .map(|near| near.key),
            );
        }
        chosen.sort_unstable();
        chosen.dedup();

        let details: HashMap<Reverse<u32>, (f32, f32, f32)> = chosen
            .iter()
            .map(|&slot| {
                let (score, matched) = lexical.scores.get(&slot.0).copied().unwrap_or_default();
                let coverage = if lexical.total > 0.0 {
                    (matched / lexical.total).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let similarity = vectors
                    .and_then(|(arena, vector)| arena.similarity(vector, &slot))
                    .unwrap_or(0.0);
                (slot, (score, similarity, coverage))
            })
            .collect();
        let candidates = chosen.iter().map(|&key| {
            let (lexical, similarity, _) = details[&key];
            Candidate {
                key,
                lexical,
                similarity,
            }
        });
        let hits = Fusion::default()
            .rank(candidates, search.limit)
            .into_iter()
            .filter_map(|scored| {
                let document = &self.documents[scored.key.0 as usize];
                let (_, similarity, coverage) = details[&scored.key];
                Some(Hit {
                    memory: document.memory,
                    tx_from: document.shown(&search.view, search.clock)?.tx_from,
                    score: scored.score,
                    similarity: if vectors.is_some() {
                        similarity.clamp(0.0, 1.0)
                    } else {
                        coverage
                    },
                    coverage,
                })
            });
        Found {
            hits: hits.collect(),
            visible: count,
        }
    }

    fn lexical(&self, terms: &[String], prefix: usize) -> Lexical {
        let stats = ScopeStats {
            documents: prefix as u64,
            tokens: prefix.checked_sub(1).map_or(0.0, |last| self.tokens[last]),
        };
        let (bm25, average) = (Bm25::default(), stats.average_length());
        let mut lexical = Lexical {
            scores: HashMap::new(),
            total: 0.0,
        };
        for term in terms {
            let postings = self.postings.get(term.as_str()).map_or(&[][..], Vec::as_slice);
            let postings = &postings[..postings.partition_point(|posting| (posting.slot as usize) < prefix)];
            let idf = stats.idf(postings.len() as u64);
            lexical.total += idf;
            for posting in postings {
                let length = self.documents[posting.slot as usize].length;
                let (score, matched) = lexical.scores.entry(posting.slot).or_default();
                *score += bm25.score(idf, posting.frequency, length, average);
                *matched += idf;
            }
        }
        lexical
    }
}

struct Lexical {
    /// By slot: the BM25 score and the summed rarity of the matched terms.
    scores: HashMap<u32, (f32, f32)>,
    /// The summed rarity of all terms.
    total: f32,
}

/// The terms of a memory as they are stored: for each its length, its bytes, and its frequency in halves.
pub(crate) fn encode_terms(terms: &pentad_retrieval::Terms) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (term, frequency) in terms.iter() {
        let Ok(length) = u8::try_from(term.len()) else {
            continue;
        };
        bytes.push(length);
        bytes.extend_from_slice(term.as_bytes());
        let halves = (frequency * 2.0).clamp(1.0, f32::from(u16::MAX));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped above"
        )]
        bytes.extend_from_slice(&(halves as u16).to_le_bytes());
    }
    bytes
}

fn decode_terms(mut bytes: &[u8]) -> impl Iterator<Item = (&str, f32)> {
    std::iter::from_fn(move || {
        let (&length, rest) = bytes.split_first()?;
        let (term, rest) = rest.split_at_checked(usize::from(length))?;
        let (halves, rest) = rest.split_first_chunk::<2>()?;
        bytes = rest;
        Some((
            std::str::from_utf8(term).ok()?,
            f32::from(u16::from_le_bytes(*halves)) / 2.0,
        ))
    })
}

#[cfg(test)]
mod tests {
    use pentad_retrieval::{Analyzer, Embedder as _, StaticEmbedder, Weight};

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn index(texts: &[&str]) -> ScopeIndex {
        let mut index = ScopeIndex::default();
        for (number, text) in (1..).zip(texts) {
            add(&mut index, number, text);
        }
        index
    }

    fn add(index: &mut ScopeIndex, number: i64, text: &str) {
        let vector = StaticEmbedder::english().embed(&[text]).unwrap().remove(0);
        index.insert(NewDocument {
            memory: number,
            created_at: at(number),
            source: if number % 2 == 0 { "even" } else { "odd" },
            terms: &encode_terms(&Analyzer::default().document(text)),
            vector: Some(QuantizedVector::new(&vector)),
            belief: Belief {
                valid_from: at(number),
                valid_to: Timestamp::MAX,
                tx_from: at(number),
                tx_to: Timestamp::MAX,
                superseded: false,
            },
        });
    }

    fn search(index: &ScopeIndex, question: &str, view: View, sources: Option<&[String]>) -> Found {
        let vector = QuantizedVector::new(&StaticEmbedder::english().embed(&[question]).unwrap()[0]);
        index.search(&Search {
            terms: &Analyzer::default().query(question),
            vector: Some(&vector),
            view,
            clock: at(1_000),
            sources,
            limit: 10,
        })
    }

    const NOW: View = View::Current {
        now: Timestamp::from_micros(1_000),
    };

    #[test]
    fn terms_survive_their_encoding() {
        let mut terms = Analyzer::default().document("Kilns and kilns, naïve 東京");
        Analyzer::default().add(&mut terms, "studio", Weight::Half);
        let bytes = encode_terms(&terms);
        assert_eq!(
            decode_terms(&bytes).collect::<Vec<_>>(),
            terms.iter().collect::<Vec<_>>()
        );
        assert_eq!(
            decode_terms(&bytes[..bytes.len() - 1]).count(),
            terms.iter().len() - 1,
            "a torn end is left out"
        );
    }

    #[test]
    fn the_memory_with_the_words_comes_first_and_says_how_many_it_has() {
        let index = index(&[
            "Alice works at Globex.",
            "The cafeteria serves ramen.",
            "Bob lives in Paris.",
        ]);
        let found = search(&index, "Where does Alice work?", NOW, None);
        assert_eq!(found.visible, 3);
        assert_eq!(found.hits[0].memory, 1);
        assert!((found.hits[0].coverage - 1.0).abs() < 1e-6);
        assert!(found.hits.iter().skip(1).all(|hit| hit.coverage < 0.5));
    }

    #[test]
    fn a_source_filter_leaves_the_others_out() {
        let index = index(&["ramen one", "ramen two", "ramen three"]);
        let found = search(&index, "ramen", NOW, Some(&["even".to_owned()]));
        assert_eq!(found.hits.iter().map(|hit| hit.memory).collect::<Vec<_>>(), [2]);
        assert_eq!(found.visible, 1);
        assert_eq!(search(&index, "ramen", NOW, Some(&[])).visible, 0);
    }

    #[test]
    fn what_comes_later_changes_no_score_of_an_earlier_instant() {
        let then = View::Known { transaction: at(2) };
        let mut index = index(&["Alice works at Globex.", "Alice likes ramen."]);
        let before = search(&index, "Alice work ramen", then, None);
        for number in 3..50 {
            add(
                &mut index,
                number,
                "Alice and ramen and work, a longer text than the others were",
            );
        }
        index.believe(
            1,
            Belief {
                valid_from: at(1),
                valid_to: at(5),
                tx_from: at(60),
                tx_to: Timestamp::MAX,
                superseded: true,
            },
        );
        assert_eq!(search(&index, "Alice work ramen", then, None), before);
        assert_eq!(search(&index, "Alice work ramen", NOW, None).visible, 48);
    }

    #[test]
    fn equal_memories_stand_newest_first() {
        let index = index(&["ramen", "ramen", "ramen"]);
        let order: Vec<i64> = search(&index, "ramen", NOW, None)
            .hits
            .iter()
            .map(|hit| hit.memory)
            .collect();
        assert_eq!(order, [3, 2, 1]);
    }
}
