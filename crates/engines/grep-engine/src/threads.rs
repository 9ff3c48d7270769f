//! Whether work is spread over threads.

use rayon::prelude::*;

/// How a corpus uses processor cores for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// The calling thread does everything.
    One,
    /// Large pieces of work are spread over the current rayon pool: the one the caller
    /// runs in (`pool.install(|| snapshot.grep(..))`), else rayon's global pool. Small
    /// pieces, such as a search with few candidates, stay on the calling thread.
    #[default]
    Rayon,
}

impl Threads {
    /// Maps `items` in order, in parallel if allowed.
    pub(crate) fn map<T: Send, R: Send>(self, items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        match self {
            Self::One => items.into_iter().map(f).collect(),
            Self::Rayon => items.into_par_iter().map(f).collect(),
        }
    }
}
