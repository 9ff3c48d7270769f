//! People.

use pentad_kernel::{OrganisationId, Timestamp, UserId, id};
use pentad_store::{Tx, affected, with_reader, with_tx};
use secrecy::SecretString;

use crate::{Error, Identity, KeyFamily, MintedKey, NewKey, Organisation, Result, Role};

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its identifier.
    pub id: UserId,
    /// Trimmed and in lower case; no two users share one.
    pub email: String,
    /// The name people read, when one was given.
    pub display_name: Option<String>,
    /// Whether the user administers the whole platform.
    pub is_admin: bool,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Whether the address is proven to be the user's.
    pub email_verified: bool,
    /// The organisation that came with the account.
    pub home_organisation: OrganisationId,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// Who signed up, with what is not to be had again.
#[derive(Debug)]
pub struct SignedUp {
    /// The user.
    pub user: User,
    /// The user's first key.
    pub key: MintedKey,
    /// What proves the address, when it is to be proven; to be sent to it.
    pub verification: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct UserRow {
    id: String,
    email: String,
    display_name: Option<String>,
    password_hash: Option<String>,
    is_admin: bool,
    is_active: bool,
    email_verified: bool,
    home_organisation_id: String,
    created_at: i64,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId::new(row.id),
            email: row.email,
            display_name: row.display_name,
            is_admin: row.is_admin,
            is_active: row.is_active,
            email_verified: row.email_verified,
            home_organisation: OrganisationId::new(row.home_organisation_id),
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

const INSERT: &str = "
    INSERT INTO users (id, email, display_name, password_hash, is_admin, is_active, email_verified,
                       home_organisation_id, created_at)
    VALUES ($1, $2, NULL, $3, $4, TRUE, $5, $6, $7)";
const BY_ID: &str = "
    SELECT id, email, display_name, password_hash, is_admin, is_active, email_verified, home_organisation_id, created_at
    FROM users WHERE id = $1";
const BY_EMAIL: &str = "
    SELECT id, email, display_name, password_hash, is_admin, is_active, email_verified, home_organisation_id, created_at
    FROM users WHERE email = $1";
const FIRST_ADMIN: &str = "
    SELECT id, email, display_name, password_hash, is_admin, is_active, email_verified, home_organisation_id, created_at
    FROM users WHERE is_admin = TRUE AND is_active = TRUE ORDER BY created_at, id LIMIT 1";
const ANY: &str = "SELECT 1 FROM users LIMIT 1";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2 WHERE id = $1";

/// The form in which addresses are stored and compared, or `None` for what cannot be an address.
///
/// The check is that of the HTML `email` input without its label lengths: it refuses what is certainly
/// wrong, and whether the address is right only a message to it can tell.
pub(crate) fn normalised_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let local_ok = !local.is_empty()
        && local
            .chars()
            .all(|c| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    let domain_ok = !domain.is_empty()
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    (local_ok && domain_ok && email.len() <= 254).then_some(email)
}

impl Identity {
    /// Makes a user with a personal organisation. Without a password the user can only use keys.
    ///
    /// # Errors
    /// [`Error::InvalidEmail`], [`Error::EmailTaken`], [`Error::InvalidPassword`].
    pub async fn create_user(
        &self,
        email: &str,
        password: Option<&SecretString>,
        is_admin: bool,
    ) -> Result<User> {
        let password_hash = self.hash_optional(password).await?;
        let email = normalised_email(email).ok_or_else(|| Error::InvalidEmail(email.to_owned()))?;
        let mut tx = self.db.begin().await?;
        let user = self
            .insert_user_at_home(&mut tx, email, password_hash, is_admin)
            .await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Makes a user who comes by themselves, with a first key, and where the address is to be proven the token that
    /// proves it: all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::InvalidEmail`], [`Error::EmailTaken`].
    pub async fn sign_up(&self, email: &str, verify: bool) -> Result<SignedUp> {
        let email = normalised_email(email).ok_or_else(|| Error::InvalidEmail(email.to_owned()))?;
        let mut tx = self.db.begin().await?;
        let user = self.insert_user_at_home(&mut tx, email, None, false).await?;
        let key = self
            .insert_key(
                &mut tx,
                &user.home_organisation,
                &user.id,
                NewKey::of(KeyFamily::User),
            )
            .await?;
        let verification = if verify {
            Some(self.insert_verification(&mut tx, &user).await?)
        } else {
            None
        };
        tx.commit().await?;
        Ok(SignedUp {
            user: User {
                email_verified: !verify,
                ..user
            },
            key,
            verification,
        })
    }

    /// A user with an organisation of their own.
    async fn insert_user_at_home(
        &self,
        tx: &mut Tx,
        email: String,
        password_hash: Option<String>,
        is_admin: bool,
    ) -> Result<User> {
        let slug = format!("u-{}", pentad_kernel::secret::random_hex(8));
        let home = self.insert_organisation(tx, &slug, &email, true).await?;
        self.insert_user(tx, email, password_hash, is_admin, &home).await
    }

    /// Makes a user whose home is this organisation, owned by the user.
    ///
    /// # Errors
    /// As [`Identity::create_user`].
    pub async fn create_user_in(
        &self,
        home: &Organisation,
        email: &str,
        password: Option<&SecretString>,
        is_admin: bool,
    ) -> Result<User> {
        let password_hash = self.hash_optional(password).await?;
        let email = normalised_email(email).ok_or_else(|| Error::InvalidEmail(email.to_owned()))?;
        let mut tx = self.db.begin().await?;
        let user = self
            .insert_user(&mut tx, email, password_hash, is_admin, home)
            .await?;
        tx.commit().await?;
        Ok(user)
    }

    pub(crate) async fn hash_optional(&self, password: Option<&SecretString>) -> Result<Option<String>> {
        match password {
            Some(password) => self.passwords.hash(password).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn insert_user(
        &self,
        tx: &mut Tx,
        email: String,
        password_hash: Option<String>,
        is_admin: bool,
        home: &Organisation,
    ) -> Result<User> {
        let user = User {
            id: UserId::new(id::random_uuid()),
            email,
            display_name: None,
            is_admin,
            is_active: true,
            email_verified: true,
            home_organisation: home.id.clone(),
            created_at: self.clock.now(),
        };
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(user.id.as_str())
            .bind(&user.email)
            .bind(&password_hash)
            .bind(user.is_admin)
            .bind(user.email_verified)
            .bind(user.home_organisation.as_str())
            .bind(user.created_at.as_micros())
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| {
            if error.is_duplicate() {
                Error::EmailTaken
            } else {
                error.into()
            }
        })?;
        self.insert_membership(tx, &home.id, &user.id, Role::Owner)
            .await?;
        Ok(user)
    }

    /// The user with this identifier.
    ///
    /// # Errors
    /// [`Error::UserNotFound`].
    pub async fn user(&self, id: &UserId) -> Result<User> {
        let row = self.find_user(BY_ID, id.as_str()).await?;
        row.map(User::from)
            .ok_or_else(|| Error::UserNotFound(id.to_string()))
    }

    /// The user with this address, in whatever case it is written.
    ///
    /// # Errors
    /// [`Error::UserNotFound`].
    pub async fn user_by_email(&self, email: &str) -> Result<User> {
        let row = self.find_user(BY_EMAIL, &email.trim().to_lowercase()).await?;
        row.map(User::from)
            .ok_or_else(|| Error::UserNotFound(email.to_owned()))
    }

    /// The platform administrator who has been one for longest; `None` before the first start.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_admin(&self) -> Result<Option<User>> {
        let row: Option<UserRow> = with_reader!(self.db, |conn| sqlx::query_as(FIRST_ADMIN)
            .fetch_optional(conn)
            .await)?;
        Ok(row.map(User::from))
    }

    async fn find_user(&self, sql: &'static str, value: &str) -> Result<Option<UserRow>> {
        // PostgreSQL takes no NUL in a text, and nobody has one in a name.
        if value.contains('\0') {
            return Ok(None);
        }
        Ok(with_reader!(self.db, |conn| sqlx::query_as(sql)
            .bind(value)
            .fetch_optional(conn)
            .await)?)
    }

    /// Whether there is no user yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_empty(&self) -> Result<bool> {
        let any: Option<i32> =
            with_reader!(self.db, |conn| sqlx::query_scalar(ANY).fetch_optional(conn).await)?;
        Ok(any.is_none())
    }

    /// The active user with this address and password, or `None`; the time taken tells nothing about which
    /// of the two was wrong.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_by_password(&self, email: &str, password: &SecretString) -> Result<Option<User>> {
        let row = self.find_user(BY_EMAIL, &email.trim().to_lowercase()).await?;
        let hash = row.as_ref().and_then(|row| row.password_hash.clone());
        let matches = self.passwords.verify(password, hash).await?;
        Ok(row.map(User::from).filter(|user| matches && user.is_active))
    }

    /// Gives the user a new password.
    ///
    /// # Errors
    /// [`Error::InvalidPassword`], [`Error::UserNotFound`].
    pub async fn set_password(&self, user: &UserId, password: &SecretString) -> Result<()> {
        let hash = self.passwords.hash(password).await?;
        let mut tx = self.db.begin().await?;
        let changed = with_tx!(tx, |conn| sqlx::query(SET_PASSWORD)
            .bind(user.as_str())
            .bind(&hash)
            .execute(conn)
            .await
            .map(affected))?;
        if changed == 0 {
            return Err(Error::UserNotFound(user.to_string()));
        }
        self.commit_credentials(tx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_folded_and_nonsense_is_refused() {
        assert_eq!(
            normalised_email("  Ada@Example.COM "),
            Some("ada@example.com".to_owned())
        );
        assert_eq!(
            normalised_email("admin@localhost"),
            Some("admin@localhost".to_owned())
        );
        for wrong in [
            "",
            "notanemail",
            "@x.org",
            "a@",
            "a b@x.org",
            "a@x..org",
            "a@-x.org",
            "a@b@c",
        ] {
            assert_eq!(normalised_email(wrong), None, "{wrong:?}");
        }
    }
}
