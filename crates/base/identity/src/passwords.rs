//! Passwords of people: argon2id, at most two computed at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// The shortest password that is accepted.
pub(crate) const MIN_BYTES: usize = 8;
/// The longest password that is accepted: beyond it a request would only buy our CPU time.
pub(crate) const MAX_BYTES: usize = 1024;

/// Each hash takes tens of milliseconds and 19 MiB on purpose: more of them at once would let a few
/// sign-ins starve every other request.
const AT_ONCE: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Passwords {
    pub(crate) async fn hash(&self, password: &SecretString) -> Result<String> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&password.expose_secret().len()) {
            return Err(Error::InvalidPassword);
        }
        let password = password.clone();
        self.compute(move || {
            Argon2::default()
                .hash_password(password.expose_secret().as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|_| Error::Hash)
        })
        .await?
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long and is false,
    /// so that the answer's time does not tell which addresses have an account.
    pub(crate) async fn verify(&self, password: &SecretString, hash: Option<String>) -> Result<bool> {
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(false);
        }
        let password = password.clone();
        self.compute(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
            let matches = PasswordHash::new(&hash).is_ok_and(|parsed| {
                Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), &parsed)
                    .is_ok()
            });
            known && matches
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _slot = self.slots.acquire().await.map_err(|_| Error::Hash)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Error::Hash)
    }
}

/// A hash, with the parameters of [`Argon2::default`], of a password that nobody has.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$4QqlOKQ5N7c5sEQvYkP4zBRSM0VdLcrM1sV6Z0v3b0I";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_hashed_password_verifies() {
        let passwords = Passwords::default();
        let hash = passwords.hash(&"correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords
                .verify(&"correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify(&"wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify(&"correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_short_password_is_refused() {
        assert!(matches!(
            Passwords::default().hash(&"short".into()).await,
            Err(Error::InvalidPassword)
        ));
    }

    #[test]
    fn the_hash_of_nobody_is_well_formed() {
        assert!(PasswordHash::new(NOBODYS).is_ok());
    }
}
