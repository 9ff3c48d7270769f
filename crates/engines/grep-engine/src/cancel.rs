//! Stopping a search from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A flag that stops the searches holding it. Clones share one flag.
///
/// Searches look at it about once per megabyte of text, so a cancelled one ends
/// within a millisecond, with [`QueryError::Cancelled`](crate::QueryError::Cancelled).
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Option<Arc<AtomicBool>>,
    deadline: Option<Instant>,
}

impl Cancel {
    /// A flag that can be raised.
    pub fn new() -> Self {
        Self {
            flag: Some(Arc::default()),
            deadline: None,
        }
    }

    /// A flag that is never raised, for searches that run to their end.
    pub const fn never() -> Self {
        Self {
            flag: None,
            deadline: None,
        }
    }

    /// A flag that raises itself after `time`: to try on this thread whether a search is
    /// short, as most are, before it is given to one that may be kept busy.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self {
            flag: None,
            deadline: Instant::now().checked_add(time),
        }
    }

    /// Raises the flag. Without effect on [`Cancel::never`] and [`Cancel::after`].
    pub fn cancel(&self) {
        if let Some(flag) = &self.flag {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.flag
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
            || self.deadline.is_some_and(|deadline| deadline <= Instant::now())
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

    #[test]
    fn a_flag_raises_itself_when_its_time_is_over() {
        assert!(Cancel::after(Duration::ZERO).is_cancelled());
        assert!(!Cancel::after(Duration::from_secs(3600)).is_cancelled());
    }
}
