//! Keys of language models at rest: encrypted with a secret of the gateway's.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use pentad_kernel::secret;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Result};

const NONCE_BYTES: usize = 24;

/// Seals and opens small secrets. What was sealed for one purpose opens for no other.
#[derive(Clone)]
pub(crate) struct Seal {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// The seal of this secret; without one, of a random secret that ends with the process.
    pub(crate) fn new(sealing_secret: Option<&SecretString>) -> Self {
        let key = match sealing_secret {
            Some(text) => secret::sha256(format!("pentad sealing key 1\0{}", text.expose_secret())),
            None => secret::sha256(secret::random_hex(32)),
        };
        Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
        }
    }

    /// Encrypts `text` for `purpose`: a random nonce and the ciphertext.
    pub(crate) fn seal(&self, purpose: &str, text: &str) -> Result<Vec<u8>> {
        let random = secret::sha256(secret::random_hex(32));
        let (nonce, _) = random.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let payload = Payload {
            msg: text.as_bytes(),
            aad: purpose.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| Error::Sealed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`Seal::seal`] gave for the same purpose.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> Result<SecretString> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let payload = Payload {
            msg: sealed,
            aad: purpose.as_bytes(),
        };
        let bytes = self
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| Error::Sealed)?;
        String::from_utf8(bytes)
            .map(SecretString::from)
            .map_err(|_| Error::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_purpose_open_it_and_nothing_shows() {
        let secret = SecretString::from("s");
        let seal = Seal::new(Some(&secret));
        let sealed = seal.seal("judge/1", "sk-judge").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"sk-judge"));
        let again = Seal::new(Some(&secret));
        assert_eq!(
            again.open("judge/1", &sealed).unwrap().expose_secret(),
            "sk-judge"
        );
        assert!(again.open("judge/2", &sealed).is_err());
        assert!(Seal::new(None).open("judge/1", &sealed).is_err());
        assert!(seal.open("judge/1", b"short").is_err());
        assert_ne!(
            sealed,
            seal.seal("judge/1", "sk-judge").unwrap(),
            "a new nonce each time"
        );
    }
}
