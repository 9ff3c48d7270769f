//! The one exception to "nothing is ever removed": hard erase.

use std::sync::atomic::Ordering;

use pentad_kernel::Actor;
use pentad_store::{Db, affected, with_tx};

use crate::ledger::{Event, Ledger, Open};
use crate::{Error, Memories, Result, Tenant};

/// How many memories of a tenant are erased in one transaction.
const CHUNK: i64 = 1_000;

const DELETE: [&str; 3] = [
    "DELETE FROM memory_versions WHERE memory = $1",
    "DELETE FROM memory_index WHERE scope = $2 AND memory = $1",
    "DELETE FROM memories WHERE memory = $1 AND scope = $2",
];
const DELETE_INPUT: &str = "
    DELETE FROM memory_inputs WHERE input = $1
    AND NOT EXISTS (SELECT 1 FROM memories WHERE memories.input = $1)";
const INPUT: &str = "SELECT input FROM memories WHERE memory = $1";
const FORGET_DETAILS: &str =
    "UPDATE memory_events SET details = NULL WHERE organisation_id = $1 AND memory_id = $2";
/// Why a memory was retired quotes what took its place.
const FORGET_REASONS: &str = "
    UPDATE memory_events SET details = NULL WHERE organisation_id = $1 AND kind = 'memory.auto_superseded'
    AND memory_id IN (SELECT predecessor FROM memory_links WHERE successor = $2)";
const FORGET_ANSWERS: &str =
    "DELETE FROM memory_idempotency WHERE organisation_id = $1 AND answer LIKE '%' || $2 || '%'";
/// The rows that stand beside a place in the index of the search, `$3` on either side.
const BESIDE: &str = "
    SELECT scope, memory, terms, embedder, vector FROM (
        SELECT * FROM memory_index WHERE (scope, memory) <= ($1, $2) ORDER BY scope DESC, memory DESC LIMIT $3
    ) AS before
    UNION ALL
    SELECT scope, memory, terms, embedder, vector FROM (
        SELECT * FROM memory_index WHERE (scope, memory) > ($1, $2) ORDER BY scope, memory LIMIT $3
    ) AS after";
const REMOVE_BESIDE: &str = "DELETE FROM memory_index WHERE scope = $1 AND memory = $2";
const PUT_BACK: &str =
    "INSERT INTO memory_index (scope, memory, terms, embedder, vector) VALUES ($1, $2, $3, $4, $5)";
/// How many rows on either side are written anew: those of some twenty pages. With 60, one erased row in a thousand
/// still left something behind.
const REWRITTEN: i64 = 250;
const CHUNK_OF_SCOPE: &str = "SELECT id FROM memories WHERE scope = $1 ORDER BY memory LIMIT $2";

#[derive(sqlx::FromRow)]
struct IndexRow {
    scope: i64,
    memory: i64,
    terms: Vec<u8>,
    embedder: Option<String>,
    vector: Option<Vec<u8>>,
}

impl Memories {
    /// Erases a memory for good: its content, what was believed of it, its place in the search, the
    /// conversation it came from when nothing else came from it, the details of its events, and the reasons for
    /// retiring others that quote it. What stays is that something happened, when and by whom; its chain stays whole
    /// around the gap.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Foreign`].
    pub async fn erase(&self, actor: &Actor, id: &str) -> Result<()> {
        let mut ledger = Ledger::begin(self, &actor.organisation).await?;
        let open = ledger.own(actor, id).await?;
        ledger.erase(actor, id, &open).await?;
        ledger.rewrite_beside(open.scope, open.memory).await?;
        ledger.erased(open.scope, 1);
        ledger.commit().await?;
        self.indexes.forget(open.scope);
        self.overwrite().await;
        Ok(())
    }

    /// Erases every memory of a tenant, and answers how many there were.
    ///
    /// It goes on in steps; should it be interrupted, what was erased stays erased and another call does the rest.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when nothing was ever stored under the tenant.
    pub async fn erase_tenant(&self, actor: &Actor, tenant: &Tenant) -> Result<u64> {
        let snapshot = self.snapshot(&actor.organisation, tenant, None).await?;
        let scope = snapshot.scope.ok_or(Error::TenantNotFound)?.scope;
        let mut total = 0;
        loop {
            let mut ledger = Ledger::begin(self, &actor.organisation).await?;
            let ids: Vec<String> = with_tx!(ledger.tx, |conn| sqlx::query_scalar(CHUNK_OF_SCOPE)
                .bind(scope)
                .bind(CHUNK)
                .fetch_all(conn)
                .await)?;
            if ids.is_empty() {
                ledger.rewrite_beside(scope, i64::MAX).await?;
                ledger.commit().await?;
                break;
            }
            for id in &ids {
                let open = ledger.own(actor, id).await?;
                ledger.erase(actor, id, &open).await?;
            }
            ledger.erased(scope, ids.len() as i64);
            ledger.commit().await?;
            total += ids.len() as u64;
        }
        self.indexes.forget(scope);
        self.overwrite().await;
        Ok(total)
    }

    /// Sees to it that what was erased is not in the database's files any more either. Erased it is already: where
    /// a long read is in the way, [`Memories::overwrite_erased`] does it later.
    async fn overwrite(&self) {
        let done = self.db.checkpoint().await;
        if !matches!(done, Ok(true)) {
            tracing::debug!(?done, "what was erased is still in the write-ahead log");
            self.erased_in_log.store(true, Ordering::Relaxed);
        }
    }

    /// Takes what was erased out of the database's files, where that could not be done at once. Work for the
    /// background.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot do it.
    pub async fn overwrite_erased(&self) -> Result<()> {
        if self.erased_in_log.swap(false, Ordering::Relaxed) {
            let done = self.db.checkpoint().await;
            self.erased_in_log
                .fetch_or(!matches!(done, Ok(true)), Ordering::Relaxed);
            done?;
        }
        Ok(())
    }
}

impl Ledger<'_> {
    /// Writes the rows anew that stand beside an erased one in the index of the search.
    ///
    /// SQLite overwrites what it deletes, but not what it left behind when it moved rows from one page to the next to
    /// make room. Other rows move only at the end of their tables, where nothing is left behind; those of this index
    /// stand in the order of their scopes. Pages that lose all their rows are overwritten whole.
    async fn rewrite_beside(&mut self, scope: i64, memory: i64) -> Result<()> {
        if !matches!(self.memories.db, Db::Sqlite(_)) {
            return Ok(());
        }
        let mut rows: Vec<IndexRow> = with_tx!(self.tx, |conn| sqlx::query_as(BESIDE)
            .bind(scope)
            .bind(memory)
            .bind(REWRITTEN)
            .fetch_all(conn)
            .await)?;
        rows.sort_unstable_by_key(|row| (row.scope, row.memory));
        for row in &rows {
            with_tx!(self.tx, |conn| sqlx::query(REMOVE_BESIDE)
                .bind(row.scope)
                .bind(row.memory)
                .execute(conn)
                .await
                .map(affected))?;
        }
        for row in rows {
            with_tx!(self.tx, |conn| sqlx::query(PUT_BACK)
                .bind(row.scope)
                .bind(row.memory)
                .bind(row.terms.as_slice())
                .bind(row.embedder.as_deref())
                .bind(row.vector.as_deref())
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(())
    }

    async fn erase(&mut self, actor: &Actor, id: &str, open: &Open) -> Result<()> {
        let organisation = actor.organisation.as_str();
        let input: Option<i64> = with_tx!(self.tx, |conn| sqlx::query_scalar(INPUT)
            .bind(open.memory)
            .fetch_one(conn)
            .await)?;
        for sql in DELETE {
            with_tx!(self.tx, |conn| {
                let statement = sqlx::query(sql).bind(open.memory);
                let statement = if sql.contains("$2") {
                    statement.bind(open.scope)
                } else {
                    statement
                };
                statement.execute(conn).await.map(affected)
            })?;
        }
        if let Some(input) = input {
            with_tx!(self.tx, |conn| sqlx::query(DELETE_INPUT)
                .bind(input)
                .execute(conn)
                .await
                .map(affected))?;
        }
        for sql in [FORGET_DETAILS, FORGET_REASONS, FORGET_ANSWERS] {
            with_tx!(self.tx, |conn| sqlx::query(sql)
                .bind(organisation)
                .bind(id)
                .execute(conn)
                .await
                .map(affected))?;
        }
        let at = self.tick();
        self.event(Event {
            memory_id: id,
            at,
            actor: organisation,
            kind: "memory.erased",
            details: None,
            salt: "",
        })
        .await
    }
}
