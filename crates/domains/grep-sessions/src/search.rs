//! Searching.

use std::sync::Arc;
use std::time::Duration;

use pentad_grep_engine::{Cancel, Page, QueryBuilder, QueryError, Snapshot};
use pentad_kernel::Actor;

use crate::{Error, GrepSessions, Result, SessionId};

/// How long the calling task may be kept busy before a search moves to a thread for long work. Changing
/// threads costs more than most searches take.
const SHORT: Duration = Duration::from_micros(500);

/// Raises the flag when the search is no longer waited for.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl GrepSessions {
    /// Searches the session as it is now. Dropping the future ends the search.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Query`] for a pattern that is refused, [`Error::Busy`] when other
    /// searches kept this one from running.
    pub async fn grep(&self, actor: &Actor, id: &SessionId, query: QueryBuilder) -> Result<Page> {
        let live = self.session_in_memory(actor, id).await?;
        let wait = self.0.settings.search_wait;
        let Ok(Ok(_turn)) = tokio::time::timeout(wait, self.0.searches.acquire()).await else {
            return Err(Error::Busy);
        };
        let snapshot = live.corpus.snapshot();
        drop(live);
        if let Some(page) = self.grep_if_short(&snapshot, &query)? {
            return Ok(page);
        }
        let cancel = Cancel::new();
        let _cancel_on_drop = CancelOnDrop(cancel.clone());
        let queries = Arc::clone(&self.0.queries);
        let page = tokio::task::spawn_blocking(move || {
            let query = query.build_with(&queries)?;
            snapshot.grep(&query, &cancel)
        })
        .await??;
        Ok(page)
    }

    /// The answer, if it is had in a short time.
    fn grep_if_short(&self, snapshot: &Snapshot, query: &QueryBuilder) -> Result<Option<Page>> {
        if !query.is_likely_short(&self.0.queries) {
            return Ok(None);
        }
        let query = query.clone().build_with(&self.0.queries)?;
        match snapshot.grep(&query, &Cancel::after(SHORT)) {
            Err(QueryError::Cancelled) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }
}
