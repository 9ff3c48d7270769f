//! Answering queries: first which files match, then the lines of those on the page.

mod files;
mod fuzzy;
mod lines;
mod page;
mod scope;
mod shares;
mod snippet;

pub use page::{Hit, Match, Page};

pub(crate) use files::Found;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Cancel;
use crate::query::{Count, Query, QueryError};
use crate::snapshot::{FileRef, Snapshot, State, in_path_order};
use scope::Scope;

/// Finding files that took longer than this is remembered.
const WORTH_REMEMBERING: Duration = Duration::from_micros(50);

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
        let search = Search::new(&self.state, query, cancel);
        let found = search.found()?;
        let total_lines = match query.shape.count {
            Some(Count::Lines) => Some(search.line_counts(&found)?.iter().map(|count| count.lines).sum()),
            _ => None,
        };
        page::render(&search, &found, search.select(&found), total_lines)
    }
}

/// One query on its way through one snapshot.
struct Search<'a> {
    state: &'a State,
    query: &'a Query,
    cancel: &'a Cancel,
    /// One per view of the snapshot.
    scopes: Vec<Scope<'a>>,
}

impl<'a> Search<'a> {
    fn new(state: &'a State, query: &'a Query, cancel: &'a Cancel) -> Self {
        let scopes = state
            .views
            .iter()
            .map(|view| Scope::new(view, &query.compiled))
            .collect();
        Self {
            state,
            query,
            cancel,
            scopes,
        }
    }

    fn check_cancelled(&self) -> Result<(), QueryError> {
        if self.cancel.is_cancelled() {
            Err(QueryError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// The matching files, remembered or found.
    fn found(&self) -> Result<Arc<Found>, QueryError> {
        let key = &self.query.compiled.key;
        if let Some(found) = self.state.recent.get(key) {
            return Ok(found);
        }
        let started = Instant::now();
        let found = Arc::new(self.find_files()?);
        if found.exact && !found.timed_out && started.elapsed() > WORTH_REMEMBERING {
            self.state.recent.put(key.clone(), &found);
        }
        Ok(found)
    }

    /// The files of the page.
    fn select(&self, found: &Found) -> Vec<FileRef> {
        let (offset, limit) = (self.query.page.offset, self.query.page.limit);
        if offset >= found.total {
            return Vec::new();
        }
        match &found.ranked {
            Some(ranked) => ranked.iter().skip(offset).take(limit).copied().collect(),
            None => {
                let files = found.files.iter().map(super::bits::Bits::iter).collect();
                in_path_order(&self.state.views, files)
                    .skip(offset)
                    .take(limit)
                    .collect()
            }
        }
    }
}
