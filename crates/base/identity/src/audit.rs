//! What was done to accounts, by whom.

use pentad_kernel::{Actor, Timestamp, id};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::{Identity, Result};

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// The user who did it.
    pub user: String,
    /// The key that was used, if one was.
    pub key: Option<String>,
    /// What was done, as `key.revoke`.
    pub action: String,
    /// To what: an identifier.
    pub subject: String,
    /// What else is worth knowing; never a secret.
    pub details: serde_json::Value,
}

#[derive(sqlx::FromRow)]
struct AuditRow {
    at: i64,
    user_id: String,
    key_id: Option<String>,
    action: String,
    subject: String,
    details: String,
}

const INSERT: &str = "
    INSERT INTO audit_log (id, at, organisation_id, user_id, key_id, action, subject, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const RECENT: &str = "
    SELECT at, user_id, key_id, action, subject, details FROM audit_log
    WHERE organisation_id = $1 ORDER BY at DESC, id DESC LIMIT $2";

impl Identity {
    /// Writes down what the actor does, inside the transaction that does it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &'static str,
        subject: &str,
        details: &serde_json::Value,
    ) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(id::ordered_uuid())
            .bind(self.clock.now().as_micros())
            .bind(actor.organisation.as_str())
            .bind(actor.user.as_str())
            .bind(actor.key.as_ref().map(pentad_kernel::KeyId::as_str))
            .bind(action)
            .bind(subject)
            .bind(details.to_string())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Writes down what the actor did, where it is not done in a transaction of the caller's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_alone(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: &str,
        details: &serde_json::Value,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        self.audit(&mut tx, actor, action, subject, details).await?;
        Ok(tx.commit().await?)
    }

    /// The latest `limit` lines of the organisation's audit log, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recent_audit(
        &self,
        organisation: &pentad_kernel::OrganisationId,
        limit: u32,
    ) -> Result<Vec<AuditEvent>> {
        let rows: Vec<AuditRow> = with_reader!(self.db, |conn| sqlx::query_as(RECENT)
            .bind(organisation.as_str())
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| AuditEvent {
                at: Timestamp::from_micros(row.at),
                user: row.user_id,
                key: row.key_id,
                action: row.action,
                subject: row.subject,
                details: serde_json::from_str(&row.details).unwrap_or_default(),
            })
            .collect())
    }
}
