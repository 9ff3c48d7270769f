//! The first organisation, its administrator and a key.

use pentad_kernel::{Classify as _, ErrorKind, secret};
use secrecy::SecretString;

use crate::{Identity, KeyFamily, MintedKey, NewKey, Result, User};

/// The slug of the organisation that every store begins with.
pub const DEFAULT_ORGANISATION: &str = "default";

/// What a first start made, to be printed once.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The administrator.
    pub admin: User,
    /// The administrator's password, unless the caller chose it.
    pub generated_password: Option<SecretString>,
    /// A key that opens everything.
    pub key: MintedKey,
}

impl Identity {
    /// Makes the default organisation, an administrator and a key with scope `*` when there is no user
    /// yet; `None` when there is one.
    ///
    /// # Errors
    /// When the address or the password is refused, or the database fails.
    pub async fn bootstrap(
        &self,
        admin_email: &str,
        admin_password: Option<SecretString>,
    ) -> Result<Option<Bootstrapped>> {
        if !self.is_empty().await? {
            return Ok(None);
        }
        let (password, generated_password) = match admin_password {
            Some(chosen) => (chosen, None),
            None => {
                let generated = SecretString::from(secret::random_url_safe(15));
                (generated.clone(), Some(generated))
            }
        };
        let hash = self.passwords.hash(&password).await?;
        let mut tx = self.db.begin().await?;
        let home = self
            .insert_organisation(&mut tx, DEFAULT_ORGANISATION, "Default", false)
            .await;
        let home = match home {
            // Another gateway starts on the same store at this instant, and was first.
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
            home => home?,
        };
        let admin = self
            .insert_user(
                &mut tx,
                admin_email.trim().to_lowercase(),
                Some(hash),
                true,
                &home,
            )
            .await?;
        let new = NewKey::of(KeyFamily::User).named("bootstrap");
        let key = self.insert_key(&mut tx, &home.id, &admin.id, new).await?;
        tx.commit().await?;
        Ok(Some(Bootstrapped {
            admin,
            generated_password,
            key,
        }))
    }
}
