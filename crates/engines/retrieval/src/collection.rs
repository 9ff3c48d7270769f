//! A searchable collection in memory: everything in this crate put together.

use std::collections::HashMap;
use std::hash::Hash;

use crate::analyzer::{Analyzer, Terms};
use crate::arena::VectorArena;
use crate::bm25::{Bm25, ScopeStats};
use crate::embed::{EmbedError, Embedder};
use crate::fusion::{Candidate, Fusion, REFINED};
use crate::quantized::QuantizedVector;
use crate::rank::TopK;

/// At least so many of the best of either kind are fused, however few are asked for.
const MIN_POOL: usize = 200;

/// Above so many documents the vectors are searched through their signs first.
const PREFILTER_ABOVE: usize = 200_000;

/// Candidates that the signs must leave over.
const PREFILTER_CANDIDATES: usize = 2_000;

/// One found document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<K> {
    /// The document.
    pub key: K,
    /// The fused and refined score, 0 to 1, by which hits are ordered. Relative to this query's best.
    pub score: f32,
    /// BM25.
    pub lexical: f32,
    /// Cosine of the document with the query, clamped to 0…1; 0 without an embedder.
    pub similarity: f32,
}

struct Document<K> {
    key: K,
    length: f32,
    terms: Box<[u32]>,
    /// Kept only where an embedder may want to read it again.
    text: Option<Box<str>>,
}

struct Posting {
    slot: u32,
    frequency: f32,
}

/// Texts in memory, found by word and by meaning.
///
/// ```
/// # #[cfg(feature = "static-embedder")] {
/// use pentad_retrieval::{Collection, StaticEmbedder};
///
/// let mut facts = Collection::with_embedder(StaticEmbedder::english());
/// facts.insert(1, "Mira adopted a retired greyhound called Comet.")?;
/// facts.insert(2, "The restaurant ordered two hundred plates.")?;
/// assert_eq!(facts.search("What kind of dog does Mira have?", 1)?[0].key, 1);
/// # }
/// # Ok::<(), pentad_retrieval::EmbedError>(())
/// ```
pub struct Collection<K> {
    analyzer: Analyzer,
    bm25: Bm25,
    fusion: Fusion,
    embedder: Option<&'static dyn Embedder>,
    arena: VectorArena<K>,
    vocabulary: HashMap<String, u32>,
    postings: Vec<Vec<Posting>>,
    documents: Vec<Option<Document<K>>>,
    slots: HashMap<K, u32>,
    free: Vec<u32>,
    stats: ScopeStats,
}

impl<K: Copy + Eq + Hash + Ord> Default for Collection<K> {
    /// A collection that is searched by words alone.
    fn default() -> Self {
        Self::new(None)
    }
}

impl<K: Copy + Eq + Hash + Ord> Collection<K> {
    /// A collection that is searched by words and by meaning.
    pub fn with_embedder(embedder: &'static dyn Embedder) -> Self {
        Self::new(Some(embedder))
    }

    fn new(embedder: Option<&'static dyn Embedder>) -> Self {
        Collection {
            analyzer: Analyzer::default(),
            bm25: Bm25::default(),
            fusion: Fusion::default(),
            embedder,
            arena: VectorArena::new(embedder.map_or(1, Embedder::dims)),
            vocabulary: HashMap::new(),
            postings: Vec::new(),
            documents: Vec::new(),
            slots: HashMap::new(),
            free: Vec::new(),
            stats: ScopeStats::default(),
        }
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds a text, or replaces that of the same key.
    ///
    /// # Errors
    /// When the embedder fails; the collection is then as it was.
    pub fn insert(&mut self, key: K, text: &str) -> Result<(), EmbedError> {
        let vector = self.embed(text)?;
        self.remove(&key);
        let terms = self.analyzer.document(text);
        if let Some(vector) = vector {
            self.arena.insert(key, &vector);
        }
        let slot = self.free.pop().unwrap_or(self.documents.len() as u32);
        let numbers = self.post(slot, &terms);
        let text = self.embedder.map(|_| text.into());
        let document = Document {
            key,
            length: terms.length(),
            terms: numbers,
            text,
        };
        self.stats.documents += 1;
        self.stats.tokens += f64::from(document.length);
        self.slots.insert(key, slot);
        if slot as usize == self.documents.len() {
            self.documents.push(Some(document));
        } else {
            self.documents[slot as usize] = Some(document);
        }
        Ok(())
    }

    /// Removes a text; false if there was none.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(slot) = self.slots.remove(key) else {
            return false;
        };
        let document = self.documents[slot as usize]
            .take()
            .expect("a slot in use holds a document");
        for term in document.terms {
            self.postings[term as usize].retain(|posting| posting.slot != slot);
        }
        self.stats.documents -= 1;
        self.stats.tokens -= f64::from(document.length);
        self.arena.remove(key);
        self.free.push(slot);
        true
    }

    /// The `limit` documents that fit a question best, best first. Documents that have no word of it and no likeness
    /// to it are not among them.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn search(&self, question: &str, limit: usize) -> Result<Vec<Hit<K>>, EmbedError> {
        let pool = limit.saturating_mul(4).max(MIN_POOL);
        let lexical = self.lexical_scores(question);
        let query = self.embed(question)?;
        let mut chosen: Vec<K> = self.best_by_words(&lexical, pool);
        if let Some(query) = &query {
            let nearest = if self.arena.len() > PREFILTER_ABOVE {
                self.arena
                    .nearest_prefiltered(query, pool, PREFILTER_CANDIDATES.max(pool), |_| true)
            } else {
                self.arena.nearest(query, pool, |_| true)
            };
            chosen.extend(
                nearest
                    .iter()
                    .filter(|near| near.score > 0.0)
                    .map(|near| near.key),
            );
        }
        chosen.sort_unstable();
        chosen.dedup();
        let candidates: Vec<Candidate<K>> = chosen
            .into_iter()
            .map(|key| Candidate {
                key,
                lexical: lexical[self.slots[&key] as usize],
                similarity: query
                    .as_ref()
                    .and_then(|q| self.arena.similarity(q, &key))
                    .unwrap_or(0.0),
            })
            .collect();
        let mut ranked = self.fusion.rank(candidates.iter().copied(), limit.max(REFINED));
        if let Some(aligned) = self.embedder.and_then(|embedder| embedder.align(question)) {
            ranked = self.fusion.refine(ranked, |key| {
                self.text(key).map_or(0.0, |text| aligned.score(text))
            });
        }
        ranked.truncate(limit);
        let details = |key: &K| {
            let found = candidates.binary_search_by_key(key, |candidate| candidate.key);
            candidates[found.expect("what was ranked was a candidate")]
        };
        let mut hits = Vec::with_capacity(ranked.len());
        for scored in ranked {
            let Candidate {
                key,
                lexical,
                similarity,
            } = details(&scored.key);
            hits.push(Hit {
                key,
                score: scored.score,
                lexical,
                similarity: similarity.max(0.0),
            });
        }
        Ok(hits)
    }

    fn text(&self, key: &K) -> Option<&str> {
        self.documents[*self.slots.get(key)? as usize]
            .as_ref()?
            .text
            .as_deref()
    }

    fn embed(&self, text: &str) -> Result<Option<QuantizedVector>, EmbedError> {
        let Some(embedder) = self.embedder else {
            return Ok(None);
        };
        let vectors = embedder.embed(&[text])?;
        let [vector] = vectors.as_slice() else {
            return Err(EmbedError::Count {
                expected: 1,
                found: vectors.len(),
            });
        };
        if vector.len() != embedder.dims() {
            return Err(EmbedError::Dimensions {
                expected: embedder.dims(),
                found: vector.len(),
            });
        }
        Ok(Some(QuantizedVector::new(vector)))
    }

    fn post(&mut self, slot: u32, terms: &Terms) -> Box<[u32]> {
        let mut numbers = Vec::with_capacity(terms.iter().len());
        for (term, frequency) in terms.iter() {
            let number = match self.vocabulary.get(term) {
                Some(number) => *number,
                None => {
                    let number = self.postings.len() as u32;
                    self.vocabulary.insert(term.to_owned(), number);
                    self.postings.push(Vec::new());
                    number
                }
            };
            self.postings[number as usize].push(Posting { slot, frequency });
            numbers.push(number);
        }
        numbers.into_boxed_slice()
    }

    /// BM25 of every slot.
    fn lexical_scores(&self, question: &str) -> Vec<f32> {
        let mut scores = vec![0.0; self.documents.len()];
        let average = self.stats.average_length();
        for term in self.analyzer.query(question) {
            let Some(number) = self.vocabulary.get(&term) else {
                continue;
            };
            let postings = &self.postings[*number as usize];
            let idf = self.stats.idf(postings.len() as u64);
            for Posting { slot, frequency } in postings {
                let document = self.documents[*slot as usize]
                    .as_ref()
                    .expect("postings name slots in use");
                scores[*slot as usize] += self.bm25.score(idf, *frequency, document.length, average);
            }
        }
        scores
    }

    fn best_by_words(&self, lexical: &[f32], limit: usize) -> Vec<K> {
        let mut top = TopK::new(limit);
        for (score, document) in lexical.iter().zip(&self.documents) {
            if *score > 0.0
                && *score >= top.threshold()
                && let Some(document) = document
            {
                top.push(document.key, *score);
            }
        }
        top.into_ranked().into_iter().map(|scored| scored.key).collect()
    }
}
