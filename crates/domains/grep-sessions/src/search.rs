//! Searching.

use pentad_grep_engine::{Cancel, Page, QueryBuilder};
use pentad_kernel::Actor;

use crate::{Error, GrepSessions, Result, SessionId};

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
        let cancel = Cancel::new();
        let _cancel_on_drop = CancelOnDrop(cancel.clone());
        let snapshot = live.corpus.snapshot();
        drop(live);
        let page = tokio::task::spawn_blocking(move || {
            let query = query.build()?;
            snapshot.grep(&query, &cancel)
        })
        .await??;
        Ok(page)
    }
}
