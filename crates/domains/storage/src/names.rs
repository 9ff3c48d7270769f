//! Namespaces, keys, and lists of keys.

use pentad_kernel::cursor;

use crate::{Error, Limits, Result};

/// The most keys on one page of a list.
pub const MAX_PAGE: u32 = 1_000;

const MAX_NAMESPACE_BYTES: usize = 128;

/// The name of a namespace. KV, D1 and R2 have each their own of one name, and so has every organisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// A namespace by its name: 1 to 128 letters, digits, `_`, `-`, `.` and `:` of ASCII, one letter or digit among
    /// them.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn parse(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        let valid = name.len() <= MAX_NAMESPACE_BYTES
            && name.bytes().all(allowed)
            && name.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if valid {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Namespace(name.chars().take(MAX_NAMESPACE_BYTES).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key of KV or R2: any text but the empty one.
///
/// It is compared byte by byte and never becomes a path or an address, so `../x` is a key like any other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// A key by its text. How long it may be is a matter of [`Limits::key_bytes`], which the storage looks at.
    ///
    /// # Errors
    /// [`Error::EmptyKey`].
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        match text.into() {
            text if text.is_empty() => Err(Error::EmptyKey),
            text => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn bytes_within(&self, limits: &Limits) -> Result<&[u8]> {
        if self.0.len() > limits.key_bytes {
            return Err(Error::LongKey {
                size: self.0.len(),
                limit: limits.key_bytes,
            });
        }
        Ok(self.0.as_bytes())
    }
}

/// Which keys of a namespace to list, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// What the keys begin with.
    pub prefix: String,
    /// How many at most: 1 to [`MAX_PAGE`], to which it is clamped.
    pub limit: u32,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Default for ListRequest {
    /// The first hundred of all (seed 003).
    fn default() -> Self {
        Self {
            prefix: String::new(),
            limit: 100,
            cursor: None,
        }
    }
}

/// A half-open range of keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl ListRequest {
    pub(crate) fn limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE) as usize
    }

    pub(crate) fn range(&self) -> Result<Range> {
        let mut range = Range::of_prefix(&self.prefix);
        if let Some(cursor) = &self.cursor {
            let last: String = cursor::decode(cursor).ok_or(Error::Cursor)?;
            let mut next = last.into_bytes();
            next.push(0);
            range.from = range.from.max(next);
        }
        Ok(range)
    }
}

impl Range {
    /// The keys that begin with the prefix.
    pub(crate) fn of_prefix(prefix: &str) -> Self {
        let from = prefix.as_bytes().to_vec();
        // No key of text has the byte FF, so it lies behind all of them.
        let to = match from.split_last() {
            None => vec![0xFF],
            Some((last, rest)) => [rest, &[last + 1]].concat(),
        };
        Self { from, to }
    }
}

/// The text of a stored key.
pub(crate) fn text(key: Vec<u8>) -> Result<String> {
    String::from_utf8(key).map_err(|_| Error::Damaged("a key is not text"))
}

/// Takes a page of `limit` from rows of which one more was asked for, and the cursor of the next page.
pub(crate) fn page<T>(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> &str) -> (Vec<T>, Option<String>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more {
        rows.last().map(|last| cursor::encode(&key(last)))
    } else {
        None
    };
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_plain_word() {
        for good in ["app", "A-1", "_cache", "prod:user.1", &"x".repeat(128)] {
            assert!(Namespace::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a%2fb", &"x".repeat(129)] {
            assert!(matches!(Namespace::parse(bad), Err(Error::Namespace(_))), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_a_range() {
        let range = |prefix: &str| {
            let Range { from, to } = Range::of_prefix(prefix);
            (from, to)
        };
        assert_eq!(range("user:"), (b"user:".to_vec(), b"user;".to_vec()));
        assert_eq!(range(""), (vec![], vec![0xFF]));
        // The last byte of a text is never FF, so the bound never overflows.
        assert_eq!(range("\u{10FFFF}").1, [0xF4, 0x8F, 0xBF, 0xC0]);
    }

    #[test]
    fn a_cursor_of_somebody_else_is_refused() {
        let request = ListRequest {
            cursor: Some("nonsense".to_owned()),
            ..ListRequest::default()
        };
        assert!(matches!(request.range(), Err(Error::Cursor)));
    }
}
