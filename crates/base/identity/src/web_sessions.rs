//! Browser sessions: a random token in a cookie, its hash in the database.

use std::time::Duration;

use pentad_kernel::{Timestamp, UserId, secret};
use pentad_store::{affected, with_reader, with_writer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Identity, Result, User};

/// How long a session lasts after its last use.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);

/// A session is extended when a tenth of its life has passed, not at every request.
const EXTEND_AFTER: Duration = Duration::from_secs(14 * 24 * 360);

/// A new session with its token.
#[derive(Debug)]
pub struct WebSession {
    token: SecretString,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
}

impl WebSession {
    /// What the cookie carries.
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }
}

const INSERT: &str =
    "INSERT INTO web_sessions (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
const READ: &str = "SELECT user_id, expires_at FROM web_sessions WHERE token_hash = $1 AND expires_at > $2";
const EXTEND: &str = "UPDATE web_sessions SET expires_at = $2 WHERE token_hash = $1";
const DELETE: &str = "DELETE FROM web_sessions WHERE token_hash = $1";
const SWEEP: &str = "DELETE FROM web_sessions WHERE expires_at <= $1";

impl Identity {
    /// Starts a session for the user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_web_session(&self, user: &UserId) -> Result<WebSession> {
        let token = secret::random_url_safe(32);
        let now = self.clock.now();
        let expires_at = now.plus(SESSION_LIFETIME);
        with_writer!(self.db, |conn| sqlx::query(INSERT)
            .bind(secret::sha256_hex(&token))
            .bind(user.as_str())
            .bind(now.as_micros())
            .bind(expires_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(WebSession {
            token: token.into(),
            expires_at,
        })
    }

    /// The active user of a session, or `None` when the session has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn web_session_user(&self, token: &str) -> Result<Option<User>> {
        let hash = secret::sha256_hex(token);
        let now = self.clock.now();
        let row: Option<(String, i64)> = with_reader!(self.db, |conn| sqlx::query_as(READ)
            .bind(&hash)
            .bind(now.as_micros())
            .fetch_optional(conn)
            .await)?;
        let Some((user, expires_at)) = row else {
            return Ok(None);
        };
        let fresh_end = now.plus(SESSION_LIFETIME);
        if fresh_end.since(Timestamp::from_micros(expires_at)) > EXTEND_AFTER {
            with_writer!(self.db, |conn| sqlx::query(EXTEND)
                .bind(&hash)
                .bind(fresh_end.as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(Some(self.user(&UserId::new(user)).await?).filter(|user| user.is_active))
    }

    /// Ends a session, everywhere and for good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_web_session(&self, token: &str) -> Result<()> {
        let hash = secret::sha256_hex(token);
        with_writer!(self.db, |conn| sqlx::query(DELETE)
            .bind(&hash)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Removes sessions that have ended. How many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_web_sessions(&self) -> Result<u64> {
        let now = self.clock.now().as_micros();
        Ok(with_writer!(self.db, |conn| sqlx::query(SWEEP)
            .bind(now)
            .execute(conn)
            .await
            .map(affected))?)
    }
}
