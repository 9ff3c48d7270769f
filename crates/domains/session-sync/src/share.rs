//! Links under which anybody may fetch a session's archive.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use pentad_identity::Caller;
use pentad_kernel::{Timestamp, id, secret};
use pentad_store::{affected, with_reader, with_writer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{ArchiveStream, Error, Result, SessionRef, SessionSync};

/// How long a link works when nothing is said, and at most, in hours.
const DEFAULT_HOURS: i64 = 24;
const MAX_HOURS: i64 = 8_760;
/// The longest password, in bytes.
const MAX_PASSWORD_BYTES: usize = 1_024;

/// What a link shall be.
#[derive(Debug, Default)]
pub struct Share {
    /// Hours until it ends: 1 to 8,760; 24 when not given.
    pub expires_in_hours: Option<i64>,
    /// What whoever uses it has to know.
    pub password: Option<SecretString>,
}

/// A new link. Its token is not to be had again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLink {
    /// Its identifier, by which it is revoked.
    pub id: String,
    /// The secret part of its address.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it wants a password.
    pub has_password: bool,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    session_id: String,
    password_hash: Option<String>,
    expires_at: i64,
    revoked_at: Option<i64>,
}

const INSERT: &str = "
    INSERT INTO sync_share_links (id, session_id, user_id, token_hash, password_hash, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const REVOKE: &str = "
    UPDATE sync_share_links SET revoked_at = COALESCE(revoked_at, $4)
    WHERE id = $1 AND session_id = $2 AND user_id = $3";
const BY_TOKEN: &str = "
    SELECT session_id, password_hash, expires_at, revoked_at FROM sync_share_links WHERE token_hash = $1";

impl SessionSync {
    /// Makes a link to a session.
    ///
    /// # Errors
    /// [`Error::EmailNotVerified`], [`Error::SessionNotFound`], [`Error::Field`].
    pub async fn share(&self, caller: &Caller, name: &SessionRef, share: Share) -> Result<SharedLink> {
        if !caller.email_verified {
            return Err(Error::EmailNotVerified);
        }
        let hours = share.expires_in_hours.unwrap_or(DEFAULT_HOURS);
        if !(1..=MAX_HOURS).contains(&hours) {
            return Err(Error::Field {
                field: "expires_in_hours",
                message: format!("expires_in_hours must be from 1 to {MAX_HOURS}"),
            });
        }
        let too_long = |password: &SecretString| password.expose_secret().len() > MAX_PASSWORD_BYTES;
        if share.password.as_ref().is_some_and(too_long) {
            return Err(Error::Field {
                field: "password",
                message: format!("password must have at most {MAX_PASSWORD_BYTES} bytes"),
            });
        }
        let session = self.session(&caller.actor, name).await?;
        let password = share
            .password
            .filter(|password| !password.expose_secret().is_empty());
        let has_password = password.is_some();
        let password_hash = match password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let now = self.clock.now();
        let link = SharedLink {
            id: id::random_uuid(),
            token: secret::random_url_safe(48),
            expires_at: now.plus(Duration::from_secs(u64::try_from(hours).unwrap_or(1) * 3_600)),
            has_password,
        };
        with_writer!(self.db, |conn| sqlx::query(INSERT)
            .bind(&link.id)
            .bind(&session.id)
            .bind(caller.actor.user.as_str())
            .bind(secret::sha256_hex(&link.token))
            .bind(password_hash)
            .bind(now.as_micros())
            .bind(link.expires_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(link)
    }

    /// Ends a link.
    ///
    /// # Errors
    /// [`Error::LinkNotFound`], [`Error::SessionNotFound`].
    pub async fn unshare(&self, caller: &Caller, name: &SessionRef, link: &str) -> Result<()> {
        let session = self.session(&caller.actor, name).await?;
        let changed = with_writer!(self.db, |conn| sqlx::query(REVOKE)
            .bind(link)
            .bind(&session.id)
            .bind(caller.actor.user.as_str())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if changed == 0 {
            return Err(Error::LinkNotFound);
        }
        Ok(())
    }

    /// The archive behind a link.
    ///
    /// # Errors
    /// [`Error::LinkNotFound`], [`Error::LinkGone`], [`Error::PasswordRequired`],
    /// [`Error::WrongPassword`].
    pub async fn shared_archive(&self, token: &str, password: Option<SecretString>) -> Result<ArchiveStream> {
        let row: Option<LinkRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_TOKEN)
            .bind(secret::sha256_hex(token))
            .fetch_optional(conn)
            .await)?;
        let link = row.ok_or(Error::LinkNotFound)?;
        if link.revoked_at.is_some() || self.clock.now() >= Timestamp::from_micros(link.expires_at) {
            return Err(Error::LinkGone);
        }
        if let Some(hash) = link.password_hash {
            let password = password.ok_or(Error::PasswordRequired)?;
            if !self.verify_password(password, hash).await? {
                return Err(Error::WrongPassword);
            }
        }
        let session = self.any_session(&link.session_id).await?;
        let session = session
            .filter(|session| session.deleted_at.is_none())
            .ok_or(Error::LinkGone)?;
        self.archive(&session, None).await
    }

    async fn hash_password(&self, password: SecretString) -> Result<String> {
        self.compute(move || {
            Argon2::default()
                .hash_password(password.expose_secret().as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|_| Error::Sealed)
        })
        .await?
    }

    async fn verify_password(&self, password: SecretString, hash: String) -> Result<bool> {
        if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        self.compute(move || {
            PasswordHash::new(&hash).is_ok_and(|parsed| {
                Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), &parsed)
                    .is_ok()
            })
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _slot = self.passwords.acquire().await.map_err(|_| Error::Sealed)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|panic| Error::Internal(panic.into()))
    }
}
