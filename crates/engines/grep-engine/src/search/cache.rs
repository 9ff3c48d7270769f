//! Which files matched lately, kept with a snapshot for the next page.

use std::sync::{Arc, Mutex, PoisonError};

use super::files::Found;
use crate::query::MatchKey;

/// More queries than this are forgotten, the one not used for longest first.
const CAPACITY: usize = 16;

/// A small cache. Its entries are never out of date: a snapshot does not change.
#[derive(Default)]
pub(crate) struct FoundCache {
    /// Used last stands last.
    entries: Mutex<Vec<(MatchKey, Arc<Found>)>>,
}

impl FoundCache {
    pub(super) fn get(&self, key: &MatchKey) -> Option<Arc<Found>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().rposition(|(known, _)| known == key)?;
        let entry = entries.remove(at);
        let found = Arc::clone(&entry.1);
        entries.push(entry);
        Some(found)
    }

    pub(super) fn put(&self, key: &MatchKey, found: &Arc<Found>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(known, _)| known != key);
        if entries.len() == CAPACITY {
            entries.remove(0);
        }
        entries.push((key.clone(), Arc::clone(found)));
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.capacity() * size_of::<(MatchKey, Arc<Found>)>()
            + entries
                .iter()
                .map(|(key, found)| key.heap_bytes() + found.heap_bytes())
                .sum::<usize>()
    }
}
