//! Why a call on the memories is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

use crate::llm::ProviderError;

/// A refused or failed call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is outside what is allowed.
    #[error("{field} must be {allowed}")]
    OutOfRange {
        /// The field of the request.
        field: &'static str,
        /// What would be accepted, in words.
        allowed: String,
    },
    /// A text or list is longer than its limit.
    #[error("{field} is longer than the limit of {limit} {unit}")]
    TooLong {
        /// The field of the request.
        field: &'static str,
        /// The limit.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A text holds a character that it may not hold.
    #[error("{field} must not contain {what}")]
    BadCharacter {
        /// The field of the request.
        field: &'static str,
        /// Which kind of character.
        what: &'static str,
    },
    /// A text that must say something is empty.
    #[error("{field} must not be empty")]
    Blank {
        /// The field of the request.
        field: &'static str,
    },
    /// The memory would hold at no instant.
    #[error("valid_to must be after valid_from")]
    EmptyInterval,
    /// A supersession that says neither by what nor when.
    #[error("superseded_by or valid_to is required")]
    NothingToSupersede,
    /// A memory cannot take its own place.
    #[error("a memory cannot supersede itself")]
    SelfSupersession,
    /// The chain would bite its tail.
    #[error("this supersession would close a cycle")]
    Cycle,
    /// A chain never leaves its tenant.
    #[error("a memory can only be superseded by one of the same tenant")]
    OtherTenant,
    /// Something else took the memory's place.
    #[error("the memory is already superseded by {0}")]
    AlreadySuperseded(String),
    /// A memory cannot end before it begins.
    #[error("valid_to must not be before valid_from")]
    EndsBeforeStart,
    /// No memory of the organisation has the identifier.
    #[error("Memory not found")]
    NotFound,
    /// The memory belongs to another organisation.
    #[error("This memory belongs to another account")]
    Foreign,
    /// No memory was ever stored under the tenant.
    #[error("Tenant not found")]
    TenantNotFound,
    /// A change of settings that changes nothing.
    #[error("no setting to change was given")]
    NoSettings,
    /// The cursor was not made by this list.
    #[error("cursor is not one that this list returned")]
    BadCursor,
    /// The key of an earlier request came with another body.
    #[error("Idempotency-Key was already used with another request")]
    IdempotencyMismatch,
    /// The plan's writes of this month are used up.
    #[error("the plan's {limit} memory writes of this month are used up")]
    PlanBlocked {
        /// The plan's limit.
        limit: u64,
        /// How long until the next month.
        retry_after: Duration,
    },
    /// A proof that is not one.
    #[error("proof_tree is not a proof of version 2: {0}")]
    NotAProof(serde_json::Error),
    /// The language model that the request brought failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The server's own language model or embedder failed, and is configured not to be done without.
    #[error("the configured model does not answer")]
    ModelUnavailable,
    /// The embedder failed.
    #[error("the embedder does not answer")]
    Embedder(#[source] pentad_retrieval::EmbedError),
    /// A background computation died: a fault of ours.
    #[error("a computation failed")]
    Computation(#[source] tokio::task::JoinError),
    /// Stored data is not what was written: a fault of ours.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The accounts failed.
    #[error(transparent)]
    Identity(#[from] pentad_identity::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfRange { .. }
            | Self::TooLong { .. }
            | Self::BadCharacter { .. }
            | Self::EmptyInterval
            | Self::NothingToSupersede
            | Self::SelfSupersession
            | Self::Cycle
            | Self::OtherTenant
            | Self::AlreadySuperseded(_)
            | Self::EndsBeforeStart
            | Self::NoSettings
            | Self::BadCursor => ErrorKind::Invalid,
            Self::Blank { .. } | Self::IdempotencyMismatch | Self::NotAProof(_) => ErrorKind::Unprocessable,
            Self::NotFound | Self::TenantNotFound => ErrorKind::NotFound,
            Self::Foreign => ErrorKind::Forbidden,
            Self::PlanBlocked { .. } => ErrorKind::RateLimited,
            Self::Provider(error) => error.kind(),
            Self::ModelUnavailable | Self::Embedder(_) => ErrorKind::Unavailable,
            Self::Computation(_) | Self::Corrupt(_) => ErrorKind::Internal,
            Self::Identity(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Provider(error) => error.code(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::PlanBlocked { retry_after, .. } => Some(*retry_after),
            Self::ModelUnavailable | Self::Embedder(_) => Some(Duration::from_secs(5)),
            Self::Provider(error) => error.retry_after(),
            Self::Identity(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}
