//! Who speaks in a conversation: a name that was told once is known from then on.

use std::sync::Arc;

use pentad_kernel::Actor;
use pentad_retrieval::Analyzer;

use crate::belief::{Axes, View};
use crate::engine::{self, Extracted};
use crate::index::Search;
use crate::new_memory::Message;
use crate::{Error, Memories, Result, Tenant};

/// How many memories are looked at for a name.
const LOOKED_AT: usize = 16;

impl Memories {
    /// The facts of a conversation. Whoever does not say their name in it has the one that was told in the tenant
    /// before, so that "I moved to Oslo" is about whom "I'm Alice and I live in Rome" was about.
    pub(crate) async fn extract_by_rules(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        messages: Vec<Message>,
    ) -> Result<Extracted> {
        let messages: Arc<[Message]> = messages.into();
        let extract = |name: Option<String>| {
            let messages = Arc::clone(&messages);
            tokio::task::spawn_blocking(move || engine::extract(&messages, name.as_deref()))
        };
        let found = extract(None).await.map_err(Error::Computation)?;
        if !found.is_anonymous() {
            return Ok(found);
        }
        match self.told_name(actor, tenant).await? {
            None => Ok(found),
            name => extract(name).await.map_err(Error::Computation),
        }
    }

    /// The name that was told in the tenant; `None` when several were, because nobody knows then who speaks.
    async fn told_name(&self, actor: &Actor, tenant: &Tenant) -> Result<Option<String>> {
        let snapshot = self.snapshot(&actor.organisation, tenant, None).await?;
        let Some(state) = snapshot.scope else {
            return Ok(None);
        };
        let entry = self.indexes.fresh(&self.db, state, self.embedding.id()).await?;
        let view = View::of(Axes::default(), false, self.clock.now());
        let clock = snapshot.clock;
        let hits = tokio::task::spawn_blocking(move || {
            let search = Search {
                terms: &Analyzer::default().query(engine::NAME_QUESTION),
                vector: None,
                view,
                clock,
                sources: None,
                limit: LOOKED_AT,
            };
            entry.read(|index| index.search(&search)).hits
        })
        .await
        .map_err(Error::Computation)?;
        let wanted: Vec<_> = hits.iter().map(|hit| (hit.memory, hit.tx_from)).collect();
        let memories = self.hydrate(&wanted).await?;
        let mut names: Vec<&str> = memories
            .values()
            .filter_map(|memory| engine::told_name(&memory.decision))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(match names.as_slice() {
            [name] => Some((*name).to_owned()),
            _ => None,
        })
    }
}
