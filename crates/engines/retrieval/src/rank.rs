//! Ranking: the best of many, always in the same order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A document and how well it fits. Scores are finite: a score that is not a number ranks last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored<K> {
    /// The document.
    pub key: K,
    /// The higher, the better.
    pub score: f32,
}

impl<K: Ord> Scored<K> {
    /// The order of results: higher score first, then the lesser key. It is total, so that equal inputs give
    /// equal results whatever order they come in.
    pub fn rank(&self, other: &Self) -> Ordering {
        // −0.0 and 0.0 are one score.
        let number = |score: f32| {
            if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                score + 0.0
            }
        };
        number(other.score)
            .total_cmp(&number(self.score))
            .then_with(|| self.key.cmp(&other.key))
    }
}

/// A key whose order is "newest first, then by identity", the order of ties among memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewestFirst<I> {
    /// When the document was made, in any unit.
    pub created: i64,
    /// What tells documents of the same instant apart.
    pub id: I,
}

impl<I: Ord> Ord for NewestFirst<I> {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .created
            .cmp(&self.created)
            .then_with(|| self.id.cmp(&other.id))
    }
}

impl<I: Ord> PartialOrd for NewestFirst<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the best `limit` of all that it is shown.
#[derive(Debug)]
pub struct TopK<K> {
    limit: usize,
    heap: BinaryHeap<Worst<K>>,
}

#[derive(Debug)]
struct Worst<K>(Scored<K>);

impl<K: Ord> Ord for Worst<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

impl<K: Ord> PartialOrd for Worst<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Worst<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Worst<K> {}

impl<K: Ord> TopK<K> {
    /// Room for `limit` results.
    pub fn new(limit: usize) -> Self {
        TopK {
            limit,
            heap: BinaryHeap::with_capacity(limit.min(4096)),
        }
    }

    /// The score that a newcomer must at least reach to be kept; minus infinity while there is room.
    #[inline]
    pub fn threshold(&self) -> f32 {
        if self.heap.len() < self.limit {
            return f32::NEG_INFINITY;
        }
        self.heap.peek().map_or(f32::INFINITY, |worst| worst.0.score)
    }

    /// Shows it one result.
    pub fn push(&mut self, key: K, score: f32) {
        let new = Worst(Scored { key, score });
        if self.heap.len() < self.limit {
            self.heap.push(new);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && new < *worst
        {
            *worst = new;
        }
    }

    /// The kept results, best first.
    pub fn into_ranked(self) -> Vec<Scored<K>> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|worst| worst.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_newest_then_to_the_lesser_id() {
        let mut top = TopK::new(3);
        for (created, id) in [(1, 5), (9, 7), (9, 2), (3, 1)] {
            top.push(NewestFirst { created, id }, 0.5);
        }
        let ids: Vec<_> = top.into_ranked().iter().map(|s| s.key.id).collect();
        assert_eq!(ids, [2, 7, 1]);
    }

    #[test]
    fn nothing_is_kept_without_room() {
        let mut top = TopK::new(0);
        top.push(1, 1.0);
        assert!(top.into_ranked().is_empty());
    }

    #[test]
    fn what_is_not_a_number_ranks_last() {
        let mut top = TopK::new(2);
        for (key, score) in [(1, f32::NAN), (2, -1.0), (3, f32::NEG_INFINITY)] {
            top.push(key, score);
        }
        assert_eq!(top.into_ranked()[0].key, 2);
    }

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(
            scores in prop::collection::vec(prop::sample::select(vec![-1.0_f32, -0.0, 0.0, 0.25, 0.5, 1.0]), 0..60),
            limit in 0_usize..20,
            order in any::<u64>(),
        ) {
            let mut all: Vec<Scored<usize>> = scores.iter().enumerate().map(|(key, &score)| Scored { key, score }).collect();
            let mut top = TopK::new(limit);
            // Any order of arrival: walk the list by a step that is prime to its length.
            let len = all.len();
            let start = if len == 0 { 0 } else { (order as usize) % len };
            for i in 0..len {
                let Scored { key, score } = all[(start + i * if len.is_multiple_of(7) { 1 } else { 7 }) % len.max(1)];
                top.push(key, score);
            }
            all.sort_by(Scored::rank);
            all.truncate(limit);
            let keys: Vec<_> = top.into_ranked().iter().map(|s| s.key).collect();
            prop_assert_eq!(keys, all.iter().map(|s| s.key).collect::<Vec<_>>());
        }
    }
}
