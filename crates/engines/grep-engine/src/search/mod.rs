//! Answering queries: first which files match, then the lines of those on the page.

mod cache;
mod files;
mod lines;
mod page;
mod shares;
mod snippet;

pub use page::{Hit, Match, Page};

pub(crate) use cache::FoundCache;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Cancel;
use crate::query::{Count, Query, QueryError};
use crate::snapshot::{FileRef, Snapshot, State};
use files::Found;

/// Finding files that took longer than this is remembered.
const WORTH_CACHING: Duration = Duration::from_micros(50);

impl Snapshot {
    /// Answers a query.
    ///
    /// Finding the matching files costs what the index leaves to look at; the result is
    /// kept with the snapshot for a while, so that further pages of the same query cost
    /// only what is on them.
    ///
    /// # Errors
    ///
    /// [`QueryError::Cancelled`] if `cancel` was raised before the answer was complete.
    pub fn grep(&self, query: &Query, cancel: &Cancel) -> Result<Page, QueryError> {
        let state = &*self.state;
        let found = find_files(state, query, cancel)?;
        let total_lines = match query.shape.count {
            Some(Count::Lines) => Some(
                found
                    .line_counts(state, query, cancel)?
                    .iter()
                    .map(|count| count.lines)
                    .sum(),
            ),
            _ => None,
        };
        let wanted = select(state, query, &found);
        page::render(state, query, &found, wanted, total_lines, cancel)
    }
}

fn find_files(state: &State, query: &Query, cancel: &Cancel) -> Result<Arc<Found>, QueryError> {
    if let Some(found) = state.cache.get(&query.compiled.key) {
        return Ok(found);
    }
    let started = Instant::now();
    let found = Arc::new(files::find(state, query, cancel)?);
    if found.exact && !found.timed_out && started.elapsed() > WORTH_CACHING {
        state.cache.put(&query.compiled.key, &found);
    }
    Ok(found)
}

/// The files of the page.
fn select(state: &State, query: &Query, found: &Found) -> Vec<FileRef> {
    let (offset, limit) = (query.page.offset, query.page.limit);
    if offset >= found.total {
        return Vec::new();
    }
    match &found.ranked {
        Some(ranked) => ranked.iter().skip(offset).take(limit).copied().collect(),
        None => {
            let files = found.files.iter().map(|files| files.iter()).collect();
            crate::snapshot::in_path_order(&state.views, files)
                .skip(offset)
                .take(limit)
                .collect()
        }
    }
}
