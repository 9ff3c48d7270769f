//! Keys: minted once, stored as hashes.

use std::fmt;

use pentad_kernel::{KeyId, OrganisationId, ScopeSet, Timestamp, UserId, id, secret};
use pentad_store::{Tx, affected, with_reader, with_tx};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Identity, Result};

/// Where a key was minted. It decides the form of the secret and the scopes it has by default; what a
/// key opens is decided by its scopes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFamily {
    /// A person's own key: `sk_sfs_` and 32 hex digits.
    User,
    /// An organisation's key with listed scopes: `sk_sfs_` and 32 hex digits.
    Service,
    /// `juras_live_` and 43 URL-safe characters.
    Grep,
    /// `aurra_` and 43 URL-safe characters.
    Memory,
    /// `era_` and 43 URL-safe characters.
    Exec,
    /// A DSN key: 48 hex digits; it only writes.
    Ingest,
}

impl KeyFamily {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::User,
        Self::Service,
        Self::Grep,
        Self::Memory,
        Self::Exec,
        Self::Ingest,
    ];

    /// The name on the command line and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Grep => "grep",
            Self::Memory => "memory",
            Self::Exec => "exec",
            Self::Ingest => "ingest",
        }
    }

    /// Reads a name; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The scopes of a key of this family for which none are named. A service key has none: it is
    /// given every scope by name.
    pub fn default_scopes(self) -> ScopeSet {
        let names: &[&str] = match self {
            Self::User => &["*"],
            Self::Service => &[],
            Self::Grep => &["grep:*"],
            Self::Memory => &["memories:*"],
            Self::Exec => &["exec:*", "storage:*"],
            Self::Ingest => &["runs:ingest"],
        };
        ScopeSet::parse(names).expect("the default scopes are known names")
    }

    fn new_secret(self) -> String {
        match self {
            Self::User | Self::Service => format!("sk_sfs_{}", secret::random_hex(16)),
            Self::Grep => format!("juras_live_{}", secret::random_url_safe(32)),
            Self::Memory => format!("aurra_{}", secret::random_url_safe(32)),
            Self::Exec => format!("era_{}", secret::random_url_safe(32)),
            Self::Ingest => secret::random_hex(24),
        }
    }
}

/// How much of a secret may be shown again, to tell keys apart.
const PREFIX_CHARACTERS: usize = 12;

/// What a key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its family.
    pub family: KeyFamily,
    /// A name for people.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The only projects it may touch; `None` for no such list.
    pub projects: Option<Vec<String>>,
    /// When it stops working; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// A key with the scopes of its family, without name, list of projects or end.
    pub fn of(family: KeyFamily) -> Self {
        Self {
            family,
            name: None,
            scopes: family.default_scopes(),
            projects: None,
            expires_at: None,
        }
    }

    /// The same with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same with other scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = scopes;
        self
    }
}

/// A key as it is stored: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its identifier.
    pub id: KeyId,
    /// The first twelve characters of the secret.
    pub prefix: String,
    /// Its family.
    pub family: KeyFamily,
    /// The organisation it works in.
    pub organisation: OrganisationId,
    /// The user it belongs to; for a service key the one who minted it.
    pub user: UserId,
    /// Its name for people.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The only projects it may touch; `None` for no such list.
    pub projects: Option<Vec<String>>,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When its owner removed it from the list.
    pub deleted_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    pub revoke_reason: Option<String>,
    /// When it was last used; up to a minute behind.
    pub last_used_at: Option<Timestamp>,
    /// From which address it was last used.
    pub last_used_address: Option<String>,
}

impl Key {
    /// Whether the key works at this instant.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.deleted_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A new key with its secret, which is not to be had again.
pub struct MintedKey {
    /// The key as it is stored.
    pub key: Key,
    secret: SecretString,
}

impl MintedKey {
    /// The secret, to be shown once.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl fmt::Debug for MintedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct KeyRow {
    id: String,
    prefix: String,
    family: String,
    organisation_id: String,
    user_id: String,
    name: Option<String>,
    scopes: String,
    project_ids: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    deleted_at: Option<i64>,
    revoked_at: Option<i64>,
    revoke_reason: Option<String>,
    last_used_at: Option<i64>,
    last_used_address: Option<String>,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        let scopes: Vec<String> = serde_json::from_str(&row.scopes).unwrap_or_default();
        Self {
            id: KeyId::new(row.id),
            prefix: row.prefix,
            family: KeyFamily::parse(&row.family).unwrap_or(KeyFamily::Service),
            organisation: OrganisationId::new(row.organisation_id),
            user: UserId::new(row.user_id),
            name: row.name,
            // A scope that this version does not know opens nothing.
            scopes: ScopeSet::parse(&scopes).unwrap_or_default(),
            projects: row.project_ids.and_then(|list| serde_json::from_str(&list).ok()),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_micros),
            deleted_at: row.deleted_at.map(Timestamp::from_micros),
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
            revoke_reason: row.revoke_reason,
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
            last_used_address: row.last_used_address,
        }
    }
}

/// The columns of [`KeyRow`], for the statements below and in `authenticate`.
macro_rules! key_columns {
    () => {
        "api_keys.id, prefix, family, organisation_id, user_id, api_keys.name, scopes, project_ids,
         api_keys.created_at, expires_at, deleted_at, revoked_at, revoke_reason, last_used_at, last_used_address"
    };
}
pub(crate) use key_columns;

const INSERT: &str = "
    INSERT INTO api_keys (id, secret_hash, prefix, family, organisation_id, user_id, name, scopes, project_ids,
                          created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const OF_USER: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys WHERE user_id = $1 AND family = 'user'
     ORDER BY created_at DESC, api_keys.id"
);
const OF_ORGANISATION: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys WHERE organisation_id = $1 ORDER BY created_at DESC, api_keys.id"
);
const BY_ID: &str = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE id = $1");
const DELETE: &str =
    "UPDATE api_keys SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL AND revoked_at IS NULL";
const REVOKE: &str =
    "UPDATE api_keys SET revoked_at = $2, revoke_reason = $3 WHERE id = $1 AND revoked_at IS NULL";
pub(crate) const TOUCH: &str = "
    UPDATE api_keys SET last_used_at = $2, last_used_address = $3
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2)";

impl Identity {
    /// Mints a key. The secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mint_key(
        &self,
        organisation: &OrganisationId,
        user: &UserId,
        new: NewKey,
    ) -> Result<MintedKey> {
        let mut tx = self.db.begin().await?;
        let minted = self.insert_key(&mut tx, organisation, user, new).await?;
        tx.commit().await?;
        Ok(minted)
    }

    /// Mints a key inside a transaction of the caller's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_key(
        &self,
        tx: &mut Tx,
        organisation: &OrganisationId,
        user: &UserId,
        new: NewKey,
    ) -> Result<MintedKey> {
        let secret = new.family.new_secret();
        let key = Key {
            id: KeyId::new(id::random_uuid()),
            prefix: secret.chars().take(PREFIX_CHARACTERS).collect(),
            family: new.family,
            organisation: organisation.clone(),
            user: user.clone(),
            name: new.name,
            scopes: new.scopes,
            projects: new.projects,
            created_at: self.clock.now(),
            expires_at: new.expires_at,
            deleted_at: None,
            revoked_at: None,
            revoke_reason: None,
            last_used_at: None,
            last_used_address: None,
        };
        let json = |list: &[String]| serde_json::to_string(list).expect("a list of texts has a JSON form");
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(key.id.as_str())
            .bind(secret::sha256_hex(&secret))
            .bind(&key.prefix)
            .bind(key.family.name())
            .bind(key.organisation.as_str())
            .bind(key.user.as_str())
            .bind(&key.name)
            .bind(json(key.scopes.names()))
            .bind(key.projects.as_deref().map(json))
            .bind(key.created_at.as_micros())
            .bind(key.expires_at.map(Timestamp::as_micros))
            .execute(conn)
            .await
            .map(affected))?;
        Ok(MintedKey {
            key,
            secret: SecretString::from(secret),
        })
    }

    /// The personal keys of a user, newest first, with those that no longer work.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_keys(&self, user: &UserId) -> Result<Vec<Key>> {
        let rows: Vec<KeyRow> = with_reader!(self.db, |conn| sqlx::query_as(OF_USER)
            .bind(user.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(Key::from).collect())
    }

    /// Every key that works in the organisation, newest first, with those that no longer do.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organisation_keys(&self, organisation: &OrganisationId) -> Result<Vec<Key>> {
        let rows: Vec<KeyRow> = with_reader!(self.db, |conn| sqlx::query_as(OF_ORGANISATION)
            .bind(organisation.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(Key::from).collect())
    }

    /// The key with this identifier, whoever it belongs to: the caller checks that.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`].
    pub async fn key(&self, id: &KeyId) -> Result<Key> {
        let row: Option<KeyRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id.as_str())
            .fetch_optional(conn)
            .await)?;
        row.map(Key::from)
            .ok_or_else(|| Error::KeyNotFound(id.to_string()))
    }

    /// Takes the key off its owner's list: from now on it is as if it had never been.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`] when it is unknown, deleted already or revoked.
    pub async fn delete_key(&self, id: &KeyId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let changed = with_tx!(tx, |conn| sqlx::query(DELETE)
            .bind(id.as_str())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if changed == 0 {
            return Err(Error::KeyNotFound(id.to_string()));
        }
        self.commit_credentials(tx).await
    }

    /// Revokes the key. Whether this call did it, or an earlier one had.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_key(&self, id: &KeyId, reason: &str) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let revoked = self.revoke_key_in(&mut tx, id, reason).await?;
        self.commit_credentials(tx).await?;
        Ok(revoked)
    }

    /// Revokes the key inside a transaction, to be ended with [`Identity::commit_credentials`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_key_in(&self, tx: &mut Tx, id: &KeyId, reason: &str) -> Result<bool> {
        let changed = with_tx!(*tx, |conn| sqlx::query(REVOKE)
            .bind(id.as_str())
            .bind(self.clock.now().as_micros())
            .bind(reason)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(changed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_the_documented_forms() {
        let form = |family: KeyFamily| family.new_secret();
        assert!(form(KeyFamily::User).starts_with("sk_sfs_"));
        assert_eq!(form(KeyFamily::User).len(), 7 + 32);
        assert!(form(KeyFamily::Grep).starts_with("juras_live_"));
        assert_eq!(form(KeyFamily::Grep).len(), 11 + 43);
        assert!(form(KeyFamily::Memory).starts_with("aurra_"));
        assert!(form(KeyFamily::Exec).starts_with("era_"));
        assert_eq!(form(KeyFamily::Ingest).len(), 48);
    }

    #[test]
    fn a_service_key_has_no_scope_by_default() {
        assert!(KeyFamily::Service.default_scopes().names().is_empty());
    }
}
