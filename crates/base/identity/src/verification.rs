//! Proving that an e-mail address is its user's.

use std::time::Duration;

use pentad_kernel::{Timestamp, UserId, secret};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::{Error, Identity, Result, User};

/// How long a token may be used.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

const INSERT: &str =
    "INSERT INTO email_verifications (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4)";
const FIND: &str = "SELECT user_id, email, expires_at FROM email_verifications WHERE token_hash = $1";
const FORGET: &str = "DELETE FROM email_verifications WHERE user_id = $1 OR expires_at <= $2";
pub(crate) const SET_VERIFIED: &str = "UPDATE users SET email_verified = $2 WHERE id = $1";
pub(crate) const SET_ADMIN: &str = "UPDATE users SET is_admin = $2 WHERE id = $1";

impl Identity {
    /// Says that the user's address is not proven, and makes the token that proves it. The token is to be
    /// sent to the address and is not to be had again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn require_verification(&self, user: &User) -> Result<String> {
        let mut tx = self.db.begin().await?;
        let token = self.insert_verification(&mut tx, user).await?;
        self.commit_credentials(tx).await?;
        Ok(token)
    }

    pub(crate) async fn insert_verification(&self, tx: &mut Tx, user: &User) -> Result<String> {
        let token = secret::random_url_safe(32);
        let now = self.clock.now();
        with_tx!(*tx, |conn| sqlx::query(FORGET)
            .bind(user.id.as_str())
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(secret::sha256_hex(&token))
            .bind(user.id.as_str())
            .bind(&user.email)
            .bind(now.plus(LIFETIME).as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(SET_VERIFIED)
            .bind(user.id.as_str())
            .bind(false)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(token)
    }

    /// Takes the token for proof of the address it was sent to. Used again within its time it still holds.
    ///
    /// # Errors
    /// [`Error::InvalidVerification`] for an unknown or ended token, or one for an address that the user no
    /// longer has.
    pub async fn verify_email(&self, token: &str) -> Result<User> {
        let row: Option<(String, String, i64)> = with_reader!(self.db, |conn| sqlx::query_as(FIND)
            .bind(secret::sha256_hex(token))
            .fetch_optional(conn)
            .await)?;
        let (user, email, expires_at) = row.ok_or(Error::InvalidVerification)?;
        if self.clock.now() >= Timestamp::from_micros(expires_at) {
            return Err(Error::InvalidVerification);
        }
        let user = self.user(&UserId::new(user)).await?;
        if user.email != email {
            return Err(Error::InvalidVerification);
        }
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(SET_VERIFIED)
            .bind(user.id.as_str())
            .bind(true)
            .execute(conn)
            .await
            .map(affected))?;
        self.commit_credentials(tx).await?;
        Ok(User {
            email_verified: true,
            ..user
        })
    }

    /// Makes the user a platform administrator, or no longer one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_admin(&self, user: &UserId, is_admin: bool) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(SET_ADMIN)
            .bind(user.as_str())
            .bind(is_admin)
            .execute(conn)
            .await
            .map(affected))?;
        self.commit_credentials(tx).await
    }
}
