//! What platform administrators decide about accounts.

use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_tx};
use serde_json::Value;

use crate::verification::SET_VERIFIED;
use crate::{Identity, Result, User};

const DEACTIVATE: &str = "UPDATE users SET is_active = FALSE WHERE id = $1";
/// Not service keys, which are an organisation's: they rest while their maker's account is closed.
const DELETE_KEYS: &str = "
    UPDATE api_keys SET deleted_at = $2
    WHERE user_id = $1 AND family <> 'service' AND deleted_at IS NULL AND revoked_at IS NULL";

impl Identity {
    /// Takes the user's address for proven on an administrator's word.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vouch_for(&self, actor: &Actor, user: &User) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(SET_VERIFIED)
            .bind(user.id.as_str())
            .bind(true)
            .execute(conn)
            .await
            .map(affected))?;
        self.note(tx, actor, user, "verify_email").await
    }

    /// Closes the account: the user's keys are gone and no other credential works; what the user has stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deactivate(&self, actor: &Actor, user: &User) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(DEACTIVATE)
            .bind(user.id.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(tx, |conn| sqlx::query(DELETE_KEYS)
            .bind(user.id.as_str())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        self.note(tx, actor, user, "deactivate_user").await
    }

    async fn note(&self, mut tx: Tx, actor: &Actor, user: &User, action: &'static str) -> Result<()> {
        self.audit(&mut tx, actor, action, user.id.as_str(), &Value::Null)
            .await?;
        self.commit_credentials(tx).await
    }
}
