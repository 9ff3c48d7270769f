//! Stopping a search from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that stops the searches holding it. Clones share one flag.
///
/// Searches look at it about once per megabyte of text, so a cancelled one ends
/// within a millisecond, with [`QueryError::Cancelled`](crate::QueryError::Cancelled).
#[derive(Debug, Clone, Default)]
pub struct Cancel(Option<Arc<AtomicBool>>);

impl Cancel {
    /// A flag that can be raised.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// A flag that is never raised, for searches that run to their end.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Raises the flag. Without effect on [`Cancel::never`].
    pub fn cancel(&self) {
        if let Some(flag) = &self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_flag_and_never_is_never() {
        let flag = Cancel::new();
        let held_by_search = flag.clone();
        assert!(!held_by_search.is_cancelled());
        flag.cancel();
        assert!(held_by_search.is_cancelled());
        let never = Cancel::never();
        never.cancel();
        assert!(!never.is_cancelled());
    }
}
