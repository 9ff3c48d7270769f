//! Many vectors side by side in memory, searched by looking at all of them.

use std::collections::HashMap;
use std::hash::Hash;

use crate::kernels;
use crate::quantized::QuantizedVector;
use crate::rank::{Scored, TopK};

/// Rows compared in one go: few enough that their results stay in the first-level cache.
const BLOCK: usize = 512;

/// The vectors of one scope and one embedder.
///
/// There is no graph and no clustering to build: insertion and removal take constant time, results are exact and do
/// not depend on the order of insertion, and a filter costs nothing in recall. Above some hundred thousand vectors
/// [`nearest_prefiltered`](Self::nearest_prefiltered) reads an eighth of the memory for nearly the same results.
///
/// ```
/// use pentad_retrieval::{QuantizedVector, VectorArena};
///
/// let mut arena = VectorArena::new(2);
/// arena.insert("north", &QuantizedVector::new(&[0.0, 1.0]));
/// arena.insert("east", &QuantizedVector::new(&[1.0, 0.0]));
/// let nearest = arena.nearest(&QuantizedVector::new(&[0.2, 0.9]), 1, |_| true);
/// assert_eq!(nearest[0].key, "north");
/// ```
#[derive(Debug, Clone)]
pub struct VectorArena<K> {
    dims: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
    /// One bit a dimension, set where the component is positive.
    signs: Vec<u64>,
    keys: Vec<K>,
    rows: HashMap<K, usize>,
}

impl<K: Copy + Eq + Hash + Ord> VectorArena<K> {
    /// An empty arena for vectors of `dims` dimensions.
    ///
    /// # Panics
    /// When `dims` is 0.
    pub fn new(dims: usize) -> Self {
        assert!(dims > 0, "a vector has at least one dimension");
        VectorArena {
            dims,
            values: Vec::new(),
            scales: Vec::new(),
            signs: Vec::new(),
            keys: Vec::new(),
            rows: HashMap::new(),
        }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a vector, or replaces the one of the same key.
    ///
    /// # Panics
    /// When the vector has other dimensions than the arena.
    pub fn insert(&mut self, key: K, vector: &QuantizedVector) {
        assert_eq!(
            vector.dims(),
            self.dims,
            "vectors of different embedders cannot be compared"
        );
        let words = self.words();
        let row = match self.rows.get(&key) {
            Some(row) => *row,
            None => {
                let row = self.keys.len();
                self.keys.push(key);
                self.rows.insert(key, row);
                self.scales.push(0.0);
                self.values.resize(self.values.len() + self.dims, 0);
                self.signs.resize(self.signs.len() + words, 0);
                row
            }
        };
        self.scales[row] = vector.scale();
        self.values[row * self.dims..][..self.dims].copy_from_slice(vector.values());
        self.signs[row * words..][..words].copy_from_slice(&signs(vector.values()));
    }

    /// Removes a vector; false if there was none.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(row) = self.rows.remove(key) else {
            return false;
        };
        let (last, words) = (self.keys.len() - 1, self.words());
        if row != last {
            self.values
                .copy_within(last * self.dims..(last + 1) * self.dims, row * self.dims);
            self.signs
                .copy_within(last * words..(last + 1) * words, row * words);
            self.rows.insert(self.keys[last], row);
        }
        self.keys.swap_remove(row);
        self.scales.swap_remove(row);
        self.values.truncate(last * self.dims);
        self.signs.truncate(last * words);
        true
    }

    /// Cosine of `query` with the vector of `key`, if there is one.
    ///
    /// # Panics
    /// When the query has other dimensions than the arena, here and below.
    pub fn similarity(&self, query: &QuantizedVector, key: &K) -> Option<f32> {
        self.check(query);
        self.rows.get(key).map(|row| self.row_similarity(query, *row))
    }

    /// The `limit` vectors most like `query` among those that `keep` lets through, best first, exactly.
    ///
    /// `keep` is asked only about vectors that would make it into the result so far.
    pub fn nearest(
        &self,
        query: &QuantizedVector,
        limit: usize,
        keep: impl Fn(&K) -> bool,
    ) -> Vec<Scored<K>> {
        self.check(query);
        let mut top = TopK::new(limit);
        let mut similarities = [0.0; BLOCK];
        for (block, rows) in self.values.chunks(BLOCK * self.dims).enumerate() {
            let scales = &self.scales[block * BLOCK..][..rows.len() / self.dims];
            let similarities = &mut similarities[..scales.len()];
            kernels::cosines(query.values(), query.scale(), rows, scales, similarities);
            for (similarity, key) in similarities.iter().zip(&self.keys[block * BLOCK..]) {
                if *similarity >= top.threshold() && keep(key) {
                    top.push(*key, *similarity);
                }
            }
        }
        top.into_ranked()
    }

    /// As [`nearest`](Self::nearest), but looks exactly only at the `candidates` vectors whose signs agree best with
    /// the query's, and at all that agree as well as the last of them. Some of the true nearest may be missed: of
    /// the best ten over 45,000 texts, 1,000 candidates keep about 98 %. `keep` is asked about every vector.
    pub fn nearest_prefiltered(
        &self,
        query: &QuantizedVector,
        limit: usize,
        candidates: usize,
        keep: impl Fn(&K) -> bool,
    ) -> Vec<Scored<K>> {
        self.check(query);
        let mut distances = vec![0; self.len()];
        kernels::hamming(&signs(query.values()), &self.signs, &mut distances);
        let mut histogram = vec![0_usize; self.words() * 64 + 1];
        for (distance, key) in distances.iter_mut().zip(&self.keys) {
            if keep(key) {
                histogram[*distance as usize] += 1;
            } else {
                *distance = u32::MAX;
            }
        }
        let mut seen = 0;
        // All ties at the cut are in: which of them came first to the arena must not matter.
        let cut = histogram.iter().position(|count| {
            seen += count;
            seen >= candidates
        });
        let cut = cut.unwrap_or(histogram.len()) as u32;
        let mut top = TopK::new(limit);
        for (row, _) in distances
            .iter()
            .enumerate()
            .filter(|(_, distance)| **distance <= cut)
        {
            top.push(self.keys[row], self.row_similarity(query, row));
        }
        top.into_ranked()
    }

    fn row_similarity(&self, query: &QuantizedVector, row: usize) -> f32 {
        let mut similarity = [0.0];
        let values = &self.values[row * self.dims..][..self.dims];
        kernels::cosines(
            query.values(),
            query.scale(),
            values,
            &self.scales[row..=row],
            &mut similarity,
        );
        similarity[0]
    }

    fn words(&self) -> usize {
        self.dims.div_ceil(64)
    }

    fn check(&self, query: &QuantizedVector) {
        assert_eq!(
            query.dims(),
            self.dims,
            "vectors of different embedders cannot be compared"
        );
    }
}

fn signs(values: &[i8]) -> Vec<u64> {
    let word = |values: &[i8]| {
        values
            .iter()
            .rev()
            .fold(0, |word, value| word << 1 | u64::from(*value > 0))
    };
    values.chunks(64).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(dims: usize) -> impl Strategy<Value = QuantizedVector> {
        prop::collection::vec(-3_i8..=3, dims).prop_map(QuantizedVector::from_values)
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, QuantizedVector),
        Remove(u8),
    }

    fn steps(dims: usize) -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0_u8..40, vector(dims)).prop_map(|(key, vector)| Step::Insert(key, vector)),
            1 => (0_u8..40).prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..80)
    }

    fn naive(
        all: &std::collections::BTreeMap<u8, QuantizedVector>,
        query: &QuantizedVector,
        limit: usize,
        keep: impl Fn(&u8) -> bool,
    ) -> Vec<Scored<u8>> {
        let mut ranked: Vec<_> = all
            .iter()
            .filter(|(key, _)| keep(key))
            .map(|(key, vector)| Scored {
                key: *key,
                score: query.similarity(vector),
            })
            .collect();
        ranked.sort_by(Scored::rank);
        ranked.truncate(limit);
        ranked
    }

    proptest! {
        #[test]
        fn the_scan_is_a_full_sort_whatever_came_and_went(
            (steps, query) in prop::sample::select(vec![3_usize, 64, 70]).prop_flat_map(|d| (steps(d), vector(d))),
            limit in 0_usize..12,
        ) {
            let mut arena = VectorArena::new(query.dims());
            let mut all = std::collections::BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(key, vector) => {
                        arena.insert(key, &vector);
                        all.insert(key, vector);
                    }
                    Step::Remove(key) => prop_assert_eq!(arena.remove(&key), all.remove(&key).is_some()),
                }
            }
            prop_assert_eq!(arena.len(), all.len());
            prop_assert_eq!(arena.nearest(&query, limit, |_| true), naive(&all, &query, limit, |_| true));
            let even = |key: &u8| key.is_multiple_of(2);
            prop_assert_eq!(arena.nearest(&query, limit, even), naive(&all, &query, limit, even));
            // With as many candidates as vectors the prefilter lets everything through.
            prop_assert_eq!(arena.nearest_prefiltered(&query, limit, all.len(), even), naive(&all, &query, limit, even));
            for (key, vector) in &all {
                prop_assert_eq!(arena.similarity(&query, key), Some(query.similarity(vector)));
            }
        }

        #[test]
        fn the_prefilter_does_not_depend_on_the_order_of_insertion(
            vectors in prop::collection::vec(vector(64), 1..60), query in vector(64), candidates in 1_usize..20,
        ) {
            let mut forward = VectorArena::new(64);
            let mut backward = VectorArena::new(64);
            for (key, vector) in vectors.iter().enumerate() {
                forward.insert(key, vector);
            }
            for (key, vector) in vectors.iter().enumerate().rev() {
                backward.insert(key, vector);
            }
            prop_assert_eq!(
                forward.nearest_prefiltered(&query, 10, candidates, |_| true),
                backward.nearest_prefiltered(&query, 10, candidates, |_| true)
            );
        }
    }

    #[test]
    fn blocks_leave_nothing_out() {
        let mut arena = VectorArena::new(2);
        let count = BLOCK * 2 + 3;
        for key in 0..count {
            let angle = key as f32 / count as f32;
            arena.insert(key, &QuantizedVector::new(&[angle.cos(), angle.sin()]));
        }
        let found = arena.nearest(&QuantizedVector::new(&[1.0, 0.0]), count, |_| true);
        assert_eq!(found.len(), count);
        assert!(found.is_sorted_by(|a, b| a.rank(b).is_lt()));
    }

    #[test]
    #[should_panic(expected = "different embedders")]
    fn vectors_of_another_embedder_are_refused() {
        VectorArena::new(3).insert(1, &QuantizedVector::new(&[1.0, 0.0]));
    }
}
