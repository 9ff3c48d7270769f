//! Remembering what was used lately.

use std::sync::{Arc, Mutex, PoisonError};

/// A small map that forgets what was not used for longest. For a handful of entries: it
/// looks through all of them.
pub(crate) struct Recent<K, V> {
    capacity: usize,
    /// Used last stands last.
    entries: Mutex<Vec<(K, Arc<V>)>>,
}

impl<K: PartialEq, V> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().rposition(|(known, _)| known == key)?;
        entries[at..].rotate_left(1);
        entries.last().map(|(_, value)| Arc::clone(value))
    }

    pub(crate) fn put(&self, key: K, value: &Arc<V>) {
        if self.capacity == 0 {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(known, _)| *known != key);
        if entries.len() == self.capacity {
            entries.remove(0);
        }
        entries.push((key, Arc::clone(value)));
    }

    /// The sum of `size` over all entries, and what holds them.
    pub(crate) fn heap_bytes(&self, size: impl Fn(&K, &V) -> usize) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.capacity() * size_of::<(K, Arc<V>)>()
            + entries.iter().map(|(key, value)| size(key, value)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let recent = Recent::new(2);
        recent.put("a", &Arc::new(1));
        recent.put("b", &Arc::new(2));
        assert_eq!(recent.get(&"a").as_deref(), Some(&1));
        recent.put("c", &Arc::new(3));
        assert_eq!(recent.get(&"b"), None);
        assert_eq!(
            (recent.get(&"a").as_deref(), recent.get(&"c").as_deref()),
            (Some(&1), Some(&3))
        );
        recent.put("a", &Arc::new(4));
        assert_eq!(recent.get(&"a").as_deref(), Some(&4));
        assert_eq!(Recent::<i32, i32>::new(0).get(&1), None);
    }
}
