//! Requests that come again.

use std::time::Duration;

use pentad_kernel::Actor;
use pentad_store::{affected, with_reader, with_tx};

use crate::ledger::Ledger;
use crate::new_memory::{Added, Idempotency};
use crate::{Error, Memories, Result};

const RECALL: &str = "
    SELECT fingerprint, answer FROM memory_idempotency
    WHERE organisation_id = $1 AND idempotency_key = $2 AND expires_at > $3";
const REMEMBER: &str = "
    INSERT INTO memory_idempotency (organisation_id, idempotency_key, fingerprint, answer, expires_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (organisation_id, idempotency_key) DO UPDATE
    SET fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at";
/// Of the organisation alone, whose account is held: of others somebody else may be forgetting the same.
const FORGET: &str = "DELETE FROM memory_idempotency WHERE organisation_id = $1 AND expires_at <= $2";

type Row = (String, String);

fn answer(row: Option<Row>, idempotency: &Idempotency) -> Result<Option<Added>> {
    let Some((fingerprint, answer)) = row else {
        return Ok(None);
    };
    if fingerprint != idempotency.fingerprint {
        return Err(Error::IdempotencyMismatch);
    }
    serde_json::from_str(&answer)
        .map(Some)
        .map_err(|_| Error::Corrupt("answer"))
}

impl Memories {
    /// The answer to the same request before, so that no model is asked again.
    pub(crate) async fn repeated(&self, actor: &Actor, idempotency: &Idempotency) -> Result<Option<Added>> {
        let row: Option<Row> = with_reader!(self.db, |conn| sqlx::query_as(RECALL)
            .bind(actor.organisation.as_str())
            .bind(&idempotency.key)
            .bind(self.clock.now().as_micros())
            .fetch_optional(conn)
            .await)?;
        answer(row, idempotency)
    }
}

/// The answer to the same request before, once nobody else can be answering it.
pub(crate) async fn recall(
    ledger: &mut Ledger<'_>,
    actor: &Actor,
    idempotency: &Idempotency,
) -> Result<Option<Added>> {
    let now = ledger.now().as_micros();
    let row: Option<Row> = with_tx!(ledger.tx, |conn| sqlx::query_as(RECALL)
        .bind(actor.organisation.as_str())
        .bind(&idempotency.key)
        .bind(now)
        .fetch_optional(conn)
        .await)?;
    answer(row, idempotency)
}

/// Keeps the answer for repetitions, and drops those whose time is over.
pub(crate) async fn remember(
    ledger: &mut Ledger<'_>,
    actor: &Actor,
    idempotency: &Idempotency,
    added: &Added,
    kept: Duration,
) -> Result<()> {
    let now = ledger.now();
    let text = serde_json::to_string(added).map_err(|_| Error::Corrupt("answer"))?;
    with_tx!(ledger.tx, |conn| sqlx::query(FORGET)
        .bind(actor.organisation.as_str())
        .bind(now.as_micros())
        .execute(conn)
        .await
        .map(affected))?;
    with_tx!(ledger.tx, |conn| sqlx::query(REMEMBER)
        .bind(actor.organisation.as_str())
        .bind(&idempotency.key)
        .bind(&idempotency.fingerprint)
        .bind(text)
        .bind(now.plus(kept).as_micros())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}
