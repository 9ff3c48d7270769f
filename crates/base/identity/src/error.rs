//! Why a change of accounts is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

/// A refused or failed change of accounts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not an e-mail address.
    #[error("{0:?} is not an e-mail address")]
    InvalidEmail(String),
    /// Somebody already has the e-mail address.
    #[error("Email already registered")]
    EmailTaken,
    /// The slug has the wrong form.
    #[error("{0:?} is not a slug: 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")]
    InvalidSlug(String),
    /// An organisation already has the slug.
    #[error("an organisation with the slug {0:?} already exists")]
    SlugTaken(String),
    /// The password is too short or too long.
    #[error("a password has {min} to {max} bytes", min = crate::passwords::MIN_BYTES, max = crate::passwords::MAX_BYTES)]
    InvalidPassword,
    /// There is no such user.
    #[error("no user {0:?}")]
    UserNotFound(String),
    /// There is no such organisation.
    #[error("no organisation {0:?}")]
    OrganisationNotFound(String),
    /// There is no such key.
    #[error("no key {0:?}")]
    KeyNotFound(String),
    /// There is no such plan.
    #[error("no plan {0:?}: the plans are free, starter, pro, team, scale, enterprise and unlimited")]
    PlanNotFound(String),
    /// The user is not a member of the organisation.
    #[error("not a member of the organization {0:?}")]
    NotAMember(String),
    /// The token proves no address.
    #[error("Invalid or expired verification link")]
    InvalidVerification,
    /// A scope is not known.
    #[error(transparent)]
    UnknownScope(#[from] pentad_kernel::UnknownScope),
    /// A password could not be hashed: a fault of ours.
    #[error("the password could not be hashed")]
    Hash,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidEmail(_)
            | Self::InvalidSlug(_)
            | Self::InvalidPassword
            | Self::PlanNotFound(_)
            | Self::UnknownScope(_) => ErrorKind::Unprocessable,
            Self::NotAMember(_) => ErrorKind::Forbidden,
            Self::InvalidVerification => ErrorKind::Invalid,
            Self::EmailTaken | Self::SlugTaken(_) => ErrorKind::Conflict,
            Self::UserNotFound(_) | Self::OrganisationNotFound(_) | Self::KeyNotFound(_) => {
                ErrorKind::NotFound
            }
            Self::Hash => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}
