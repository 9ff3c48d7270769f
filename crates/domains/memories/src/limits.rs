//! What a request may hold, and the checks that say so.

use std::time::Duration;

use crate::{Error, Result};

/// The limits of requests and of what is kept in memory. Each is named in the error that it causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of `content`.
    pub content_bytes: usize,
    /// Messages of one conversation.
    pub messages: usize,
    /// Characters of `topic`.
    pub topic_chars: usize,
    /// Characters of `source`.
    pub source_chars: usize,
    /// Characters of `session_id`.
    pub session_id_chars: usize,
    /// Characters of `tenant_id`.
    pub tenant_id_chars: usize,
    /// Bytes of `metadata` as JSON.
    pub metadata_bytes: usize,
    /// Entries of `sources`.
    pub sources: usize,
    /// Bytes of `question`.
    pub question_bytes: usize,
    /// Memories of one page of a list.
    pub list: u32,
    /// Memories of one answer.
    pub query: u32,
    /// Evidence in a proof that is verified.
    pub proof_evidence: usize,
    /// Links that are followed along a chain of supersessions.
    pub chain: u32,
    /// How similar memories are looked at before one is superseded.
    pub candidates: usize,
    /// How long the answer to an `Idempotency-Key` is repeated.
    pub idempotency: Duration,
    /// Bytes that the search indexes of recently used tenants may take together.
    pub index_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_bytes: 64 << 10,
            messages: 500,
            topic_chars: 128,
            source_chars: 64,
            session_id_chars: 256,
            tenant_id_chars: 128,
            metadata_bytes: 16 << 10,
            sources: 50,
            question_bytes: 8 << 10,
            list: 1_000,
            query: 100,
            proof_evidence: 1_000,
            chain: 10_000,
            candidates: 50,
            idempotency: Duration::from_secs(24 * 60 * 60),
            index_bytes: 512 << 20,
        }
    }
}

/// A text that must say something, within a number of bytes.
pub(crate) fn text_bytes(field: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::Blank { field });
    }
    if text.len() > limit {
        return Err(Error::TooLong {
            field,
            limit,
            unit: "bytes",
        });
    }
    no_nul(field, text)
}

/// A label that must say something, within a number of characters, none of them a control character.
pub(crate) fn label(field: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Error::Blank { field });
    }
    if text.chars().count() > limit {
        return Err(Error::TooLong {
            field,
            limit,
            unit: "characters",
        });
    }
    if text.chars().any(char::is_control) {
        return Err(Error::BadCharacter {
            field,
            what: "control characters",
        });
    }
    Ok(())
}

/// PostgreSQL cannot store the NUL character, so neither engine does.
pub(crate) fn no_nul(field: &'static str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::BadCharacter {
            field,
            what: "the NUL character",
        });
    }
    Ok(())
}

/// The tenant of a request: a scope inside the organisation that nothing crosses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tenant(String);

impl Tenant {
    /// Reads `tenant_id`; none is the default tenant.
    ///
    /// # Errors
    /// [`Error::Blank`], [`Error::TooLong`], [`Error::BadCharacter`].
    pub fn parse(tenant_id: Option<&str>, limits: &Limits) -> Result<Self> {
        let Some(tenant_id) = tenant_id else {
            return Ok(Self::default());
        };
        label("tenant_id", tenant_id, limits.tenant_id_chars)?;
        Ok(Self(tenant_id.to_owned()))
    }

    /// The `tenant_id`; `None` for the default tenant.
    pub fn id(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|id| !id.is_empty())
    }

    /// How the tenant is stored: the default one as the empty text.
    pub(crate) fn stored(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_none_or_a_printable_label() {
        let limits = Limits::default();
        assert_eq!(Tenant::parse(None, &limits).unwrap().id(), None);
        assert_eq!(
            Tenant::parse(Some("Kunde Ä"), &limits).unwrap().id(),
            Some("Kunde Ä")
        );
        assert!(matches!(
            Tenant::parse(Some(""), &limits),
            Err(Error::Blank { .. })
        ));
        assert!(matches!(
            Tenant::parse(Some("a\nb"), &limits),
            Err(Error::BadCharacter { .. })
        ));
        assert!(matches!(
            Tenant::parse(Some(&"x".repeat(129)), &limits),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn a_text_must_say_something_and_fit() {
        assert!(matches!(
            text_bytes("content", " \n", 9),
            Err(Error::Blank { .. })
        ));
        assert!(matches!(
            text_bytes("content", "0123456789", 9),
            Err(Error::TooLong { limit: 9, .. })
        ));
        assert!(matches!(
            text_bytes("content", "a\0b", 9),
            Err(Error::BadCharacter { .. })
        ));
        assert!(text_bytes("content", "é", 2).is_ok());
    }
}
