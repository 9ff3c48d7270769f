//! The names of objects.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The longest key, in bytes, prefix included. S3 takes 1024; file systems take 255 a component.
pub const MAX_KEY_BYTES: usize = 512;

/// The longest component of a key, in bytes. The local store adds `#` and a number.
pub const MAX_COMPONENT_BYTES: usize = 128;

/// A name that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no object key: components of [a-z0-9._-], not '.' or '..', of at most \
     {MAX_COMPONENT_BYTES} bytes, joined by '/', {MAX_KEY_BYTES} bytes in all"
)]
pub struct KeyError {
    name: String,
}

/// The name of one object: components of `[a-z0-9._-]` joined by `/`.
///
/// Keys are built from identifiers that this system made: a kind, an account, an object. A name
/// that a client chose belongs into the database, in a row that holds the key. The grammar is
/// narrow enough that a client's name seldom passes by mistake, and that no key means something
/// to a file system or in a URL.
///
/// ```
/// use pentad_blob::{Key, Prefix};
///
/// let archives = Prefix::parse("archives/0192f4c8")?;
/// assert_eq!(archives.key("session.tar.gz")?.as_str(), "archives/0192f4c8/session.tar.gz");
/// assert!(archives.key("../secret").is_err());
/// assert!(Key::parse("Archives/1").is_err());
/// # Ok::<(), pentad_blob::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What the keys of a group have in common: whole components, of the same grammar as [`Key`].
///
/// A prefix covers the keys below it: `a/b` covers `a/b/c`, not `a/bc` and not `a/b` itself. No
/// key should be a prefix of another; a file system cannot hold both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

fn check(name: &str) -> Result<(), KeyError> {
    let good = |component: &str| {
        !matches!(component, "" | "." | "..")
            && component.len() <= MAX_COMPONENT_BYTES
            && component
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    };
    if name.len() <= MAX_KEY_BYTES && name.split('/').all(good) {
        Ok(())
    } else {
        Err(KeyError {
            name: name.chars().take(MAX_KEY_BYTES).collect(),
        })
    }
}

impl Key {
    /// Reads back a key that was stored in a row.
    ///
    /// # Errors
    /// [`KeyError`] when it breaks the grammar.
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        check(name).map(|()| Self(name.to_owned()))
    }

    /// The key of content-addressed bytes: `{namespace}/{first two hex digits}/{64 hex digits}`.
    #[must_use]
    pub fn addressed(namespace: &Prefix, id: &BlobId) -> Self {
        let id = id.to_string();
        Self(format!("{namespace}/{}/{id}", &id[..2]))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Prefix {
    /// A prefix by its text.
    ///
    /// # Errors
    /// [`KeyError`] when it breaks the grammar, or leaves no room for a content address.
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        check(name)?;
        if name.len() + "/00/".len() + 64 > MAX_KEY_BYTES {
            return Err(KeyError {
                name: name.to_owned(),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The prefix one or more components further down.
    ///
    /// # Errors
    /// [`KeyError`] when it breaks the grammar.
    pub fn join(&self, components: &str) -> Result<Self, KeyError> {
        Self::parse(&format!("{self}/{components}"))
    }

    /// A key directly or further below.
    ///
    /// # Errors
    /// [`KeyError`] when it breaks the grammar.
    pub fn key(&self, components: &str) -> Result<Key, KeyError> {
        Key::parse(&format!("{self}/{components}"))
    }

    /// The prefix as text, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::parse(name)
    }
}

impl FromStr for Prefix {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::parse(name)
    }
}

/// The SHA-256 of some bytes, which is their name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The name that these 32 bytes were written down as.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl From<[u8; 32]> for BlobId {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobId({self})")
    }
}

/// Text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a blob id is 64 lower-case hex digits")]
pub struct BlobIdError;

impl FromStr for BlobId {
    type Err = BlobIdError;

    fn from_str(text: &str) -> Result<Self, BlobIdError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(BlobIdError),
        };
        if text.len() != 64 {
            return Err(BlobIdError);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grammar_of_keys() {
        let longest = format!("{}/x", vec!["c".repeat(127); 3].join("/"));
        for good in ["a", "a/b", "0192f4c8-1b2c/x_1.tar.gz", "...", "a/.b", &longest] {
            assert_eq!(Key::parse(good).unwrap().as_str(), good);
        }
        let long = vec!["c".repeat(127); 5].join("/");
        let wide = "c".repeat(MAX_COMPONENT_BYTES + 1);
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "A", "a b", "a\0", "é", "a#1", "a%2f", &long,
            &wide,
        ] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
            assert!(Prefix::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_addressed_key_is_always_a_key() {
        let id = BlobId::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let key = Key::addressed(&Prefix::parse("cas/1").unwrap(), &id);
        assert_eq!(key.as_str(), format!("cas/1/e3/{hex}"));
        let long = ["c".repeat(100).as_str(); 5].join("/")[..MAX_KEY_BYTES - 68].to_owned();
        let longest = Prefix::parse(&long).unwrap();
        assert_eq!(
            Key::parse(Key::addressed(&longest, &id).as_str())
                .unwrap()
                .as_str()
                .len(),
            MAX_KEY_BYTES
        );
        assert!(Prefix::parse(&format!("{long}c")).is_err());
    }

    proptest! {
        #[test]
        fn an_id_reads_back(digest: [u8; 32]) {
            let id = BlobId::from(digest);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn other_text_is_no_id(text in "[0-9a-fA-Fg]{63,65}") {
            let is_id = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(text.parse::<BlobId>().is_ok(), is_id);
        }
    }
}
