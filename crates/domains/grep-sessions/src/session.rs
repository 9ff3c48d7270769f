//! What a session is.

use pentad_kernel::{OrganisationId, Timestamp, id, id_type};

id_type!(
    /// A grep session: a random UUID in lower case.
    SessionId
);

impl SessionId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self::new(id::random_uuid())
    }

    /// Reads one in any case; `None` for text that is no UUID, which is a session nobody has.
    pub fn parse(text: &str) -> Option<Self> {
        id::is_uuid(text).then(|| Self::new(text.to_ascii_lowercase()))
    }
}

/// Where a session's files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Storage {
    /// In memory alone, until the session's time is over.
    #[default]
    Memory,
    /// Also in the object store, until the session is deleted for good.
    S3,
}

impl Storage {
    /// The word in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::S3 => "s3",
        }
    }

    /// Reads a word; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Memory, Self::S3]
            .into_iter()
            .find(|storage| storage.name() == name)
    }
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Live,
    /// It was stopped; an s3 session answers again when it is asked.
    Stopped,
    /// Its files are deleted for good.
    Deleted,
}

impl State {
    /// The word in the database and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn parse(name: &str) -> Self {
        let known = [Self::Live, Self::Stopped, Self::Deleted];
        known
            .into_iter()
            .find(|state| state.name() == name)
            .unwrap_or(Self::Deleted)
    }
}

/// A session as it is described to its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// The organisation it belongs to.
    pub organisation: OrganisationId,
    /// Where its files are kept.
    pub storage: Storage,
    /// What became of it.
    pub state: State,
    /// Its searchable text files.
    pub file_count: u64,
    /// Bytes of text in them.
    pub text_bytes: u64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When a memory session ends; `None` for s3.
    pub expires_at: Option<Timestamp>,
}
