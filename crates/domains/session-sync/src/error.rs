//! Why an operation on sessions is refused.

use std::time::Duration;

use pentad_identity::Upgrade;
use pentad_kernel::{Classify, ErrorKind};
use pentad_language_model::UrlRefused;
use serde_json::{Value, json};

use crate::handoffs::Status;

/// A refused or failed operation on sessions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text cannot be the identifier of a session.
    #[error("Invalid session ID format")]
    InvalidSessionId,
    /// There is no such session, or not for the asker.
    #[error("Session not found")]
    SessionNotFound,
    /// The identifier is another user's.
    #[error("Session ID already claimed by another user")]
    SessionClaimed,
    /// The session is in the trash.
    #[error("Session was deleted. Restore it, or push with X-SessionFS-Undelete: true")]
    SessionDeleted,
    /// The session is in the trash already.
    #[error("Session is already deleted")]
    AlreadyDeleted,
    /// The session is not in the trash.
    #[error("Session is not deleted")]
    NotDeleted,
    /// There is nothing in the trash of that name.
    #[error("Session is gone")]
    Gone,
    /// The stored session is not the one the client last saw.
    #[error("Session was modified by another device")]
    EtagMismatch {
        /// The etag of what is stored.
        current: String,
    },
    /// Another request got there first.
    #[error("The session was changed at the same time; try again")]
    ConcurrentUpdate,
    /// The archive cannot be read or breaks a rule of archives.
    #[error("Invalid session archive: {0}")]
    Archive(#[from] pentad_archive::Error),
    /// The archive is longer than the limit.
    #[error("Session archive exceeds the limit of {limit} bytes")]
    ArchiveTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A file in the archive is longer than the limit.
    #[error("File {file} in the session exceeds the limit of {limit} bytes")]
    MemberTooLarge {
        /// Its path.
        file: String,
        /// Its length.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The client stopped sending.
    #[error("The upload ended early")]
    Interrupted,
    /// No room for another session.
    #[error("Storage limit reached: {used} of {limit} bytes are in use")]
    StorageLimit {
        /// Bytes in use.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// Too many pushes of one user at once.
    #[error("Too many concurrent pushes; try again shortly")]
    TooManyPushes,
    /// The plan does not include this.
    #[error("{}", .0.message())]
    UpgradeRequired(Upgrade),
    /// The address is not proven yet.
    #[error("Email not verified. Check your inbox for the verification link.")]
    EmailNotVerified,
    /// A value is out of its range or has the wrong form.
    #[error("{0}")]
    Invalid(String),
    /// A field cannot be processed.
    #[error("{message}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Another session of the user has the alias.
    #[error("Alias {0:?} is already used by another session")]
    AliasTaken(String),
    /// There is no such folder of bookmarks, or not for the asker.
    #[error("Folder not found")]
    FolderNotFound,
    /// There is no such bookmark, or not for the asker.
    #[error("Bookmark not found")]
    BookmarkNotFound,
    /// The session is in the folder already.
    #[error("Session already bookmarked in this folder")]
    AlreadyBookmarked,
    /// The session has no such part.
    #[error("No {0} in session archive")]
    NoSuchPart(&'static str),
    /// The session has no messages to work on.
    #[error("Session has no messages: no messages found")]
    NoMessages,
    /// A chunked upload is refused.
    #[error(transparent)]
    Upload(#[from] crate::uploads::UploadError),
    /// There is no such share link.
    #[error("Share link not found")]
    LinkNotFound,
    /// The share link no longer works.
    #[error("Share link has expired or was revoked")]
    LinkGone,
    /// The share link wants its password.
    #[error("Password required")]
    PasswordRequired,
    /// The password is not the link's.
    #[error("Invalid password")]
    WrongPassword,
    /// There is no such handoff, or not for the asker.
    #[error("Handoff not found")]
    HandoffNotFound,
    /// The handoff's time is over.
    #[error("Handoff has expired")]
    HandoffExpired,
    /// The handoff is not open any more.
    #[error("Handoff is already {0}")]
    HandoffNotPending(Status),
    /// Somebody else claimed the handoff first.
    #[error("Another recipient claimed this handoff first")]
    ClaimRaceLost {
        /// The winner.
        winner_user_id: Option<String>,
        /// The winner's address.
        winner_email: Option<String>,
        /// What became of the handoff.
        status: Status,
    },
    /// No such recipient.
    #[error("{0} not found")]
    RecipientNotFound(&'static str),
    /// The sender is not of the team.
    #[error("You are not a member of this team")]
    NotInTeam,
    /// A service key does not reach the project of a handoff.
    #[error("{message}")]
    ServiceKey {
        /// The code of the contract.
        code: &'static str,
        /// What is wrong.
        message: &'static str,
        /// What else is said.
        details: Value,
    },
    /// No audit was made.
    #[error("No audit report found for this session")]
    NoReport,
    /// No language model is set up to judge.
    #[error("No LLM API key configured. Save judge settings or pass llm_api_key.")]
    NoJudge,
    /// The judge's address may not be called.
    #[error("base_url is not allowed: it must be {0}")]
    UrlNotAllowed(#[from] UrlRefused),
    /// The judge found nothing to judge.
    #[error("No verifiable claims were found in the session")]
    NoClaims {
        /// Messages and tool calls of the session.
        session_stats: Value,
    },
    /// The judge refused or gave no usable answer.
    #[error("LLM request failed: {0}")]
    Judge(String),
    /// The judge did not answer in time.
    #[error("LLM request timed out")]
    JudgeTimeout,
    /// A secret could not be sealed or opened: a fault of ours.
    #[error("a stored secret cannot be used")]
    Sealed,
    /// The temporary file of an upload failed.
    #[error("the upload could not be spooled")]
    Spool(#[source] std::io::Error),
    /// The object store failed.
    #[error(transparent)]
    Blob(#[from] pentad_blob::Error),
    /// The accounts failed.
    #[error(transparent)]
    Identity(#[from] pentad_identity::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
    /// A fault of ours.
    #[error("an internal fault")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidSessionId
            | Self::Interrupted
            | Self::Invalid(_)
            | Self::NoJudge
            | Self::UrlNotAllowed(_) => ErrorKind::Invalid,
            Self::Archive(error) => match error {
                pentad_archive::Error::LimitExceeded { .. } => ErrorKind::TooLarge,
                _ => ErrorKind::Invalid,
            },
            Self::Field { .. } | Self::NoMessages | Self::NoClaims { .. } => ErrorKind::Unprocessable,
            Self::SessionNotFound
            | Self::NoSuchPart(_)
            | Self::LinkNotFound
            | Self::FolderNotFound
            | Self::BookmarkNotFound
            | Self::HandoffNotFound
            | Self::RecipientNotFound(_)
            | Self::NoReport => ErrorKind::NotFound,
            Self::SessionClaimed
            | Self::NotDeleted
            | Self::EtagMismatch { .. }
            | Self::ConcurrentUpdate
            | Self::AliasTaken(_)
            | Self::AlreadyBookmarked
            | Self::HandoffNotPending(_)
            | Self::ClaimRaceLost { .. } => ErrorKind::Conflict,
            Self::SessionDeleted
            | Self::AlreadyDeleted
            | Self::Gone
            | Self::LinkGone
            | Self::HandoffExpired => ErrorKind::Gone,
            Self::ArchiveTooLarge { .. } | Self::MemberTooLarge { .. } => ErrorKind::TooLarge,
            Self::StorageLimit { .. }
            | Self::UpgradeRequired(_)
            | Self::EmailNotVerified
            | Self::NotInTeam
            | Self::ServiceKey { .. } => ErrorKind::Forbidden,
            Self::TooManyPushes => ErrorKind::RateLimited,
            Self::PasswordRequired | Self::WrongPassword => ErrorKind::Unauthenticated,
            Self::Upload(error) => error.kind(),
            Self::Judge(_) => ErrorKind::Unavailable,
            Self::JudgeTimeout => ErrorKind::Timeout,
            Self::Sealed | Self::Internal(_) => ErrorKind::Internal,
            Self::Spool(error) => match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
                _ => ErrorKind::Internal,
            },
            Self::Blob(error) => {
                if error.is_transient() {
                    ErrorKind::Unavailable
                } else {
                    ErrorKind::Internal
                }
            }
            Self::Identity(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::EtagMismatch { .. } => Some("etag_mismatch"),
            Self::ConcurrentUpdate => Some("concurrent_update"),
            Self::ArchiveTooLarge { .. } => Some("PAYLOAD_TOO_LARGE"),
            Self::MemberTooLarge { .. } => Some("session_too_large"),
            Self::Archive(pentad_archive::Error::LimitExceeded { .. }) => Some("session_too_large"),
            Self::StorageLimit { .. } => Some("storage_limit"),
            Self::TooManyPushes => Some("sync_rate_limit"),
            Self::UpgradeRequired(_) => Some("upgrade_required"),
            Self::ClaimRaceLost { .. } => Some("claim_race_lost"),
            Self::ServiceKey { code, .. } => Some(code),
            Self::NoClaims { .. } => Some("no_claims_extracted"),
            Self::Judge(_) => Some("llm_request_failed"),
            Self::JudgeTimeout => Some("llm_timeout"),
            Self::Upload(error) => error.code(),
            Self::Identity(error) => error.code(),
            _ => None,
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::EtagMismatch { current } => Some(json!({"current_etag": current})),
            Self::ConcurrentUpdate => Some(json!({"retryable": true})),
            Self::ArchiveTooLarge { limit } => Some(json!({"limit_bytes": limit})),
            Self::MemberTooLarge { file, size, limit } => Some(json!({
                "file": file, "size_bytes": size, "limit_bytes": limit,
                "suggestion": "Compact the session in your tool and push it again, leave the file out, or upgrade \
                    where a plan has a larger limit.",
            })),
            Self::Archive(pentad_archive::Error::LimitExceeded { limit, max, entry }) => {
                Some(json!({"limit": limit.name(), "limit_value": max, "file": entry}))
            }
            Self::StorageLimit { used, limit } => Some(json!({"current_usage": used, "limit": limit})),
            Self::UpgradeRequired(upgrade) => Some(upgrade.details()),
            Self::ClaimRaceLost {
                winner_user_id,
                winner_email,
                status,
            } => Some(json!({
                "winner_user_id": winner_user_id, "winner_email": winner_email, "current_status": status.name(),
            })),
            Self::Field { field, .. } => Some(json!({"field": field})),
            Self::ServiceKey { details, .. } => Some(details.clone()),
            Self::NoClaims { session_stats } => Some(json!({"session_stats": session_stats})),
            Self::Upload(error) => error.details(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyPushes => Some(Duration::from_secs(5)),
            Self::ConcurrentUpdate => Some(Duration::from_secs(1)),
            Self::Upload(error) => error.retry_after(),
            Self::Identity(error) => error.retry_after(),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}
