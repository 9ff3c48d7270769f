//! What can go wrong with an object.

use std::fmt;
use std::io;
use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};

use crate::key::{BlobId, Key, KeyError};

/// The cause of a failure that this crate only passes on.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What can go wrong with an object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no object of this key.
    #[error("there is no object {key}")]
    NotFound {
        /// The key.
        key: Key,
    },
    /// The object is, or would become, larger than the caller allows.
    #[error("object {key} is larger than {limit} bytes")]
    TooLarge {
        /// The key.
        key: Key,
        /// The caller's limit in bytes.
        limit: u64,
    },
    /// The bytes of a content-addressed object are not those of its name.
    #[error("object {key} is corrupt: its content has the hash {found}")]
    Corrupt {
        /// The key, which ends in the hash that was expected.
        key: Key,
        /// The hash of what was read.
        found: BlobId,
    },
    /// The object was replaced while it was being read.
    #[error("object {key} was replaced while it was being read")]
    Replaced {
        /// The key.
        key: Key,
    },
    /// The range is reversed or ends behind the object.
    #[error("bytes {start}..{end} are not within object {key}")]
    InvalidRange {
        /// The key.
        key: Key,
        /// First byte asked for.
        start: u64,
        /// The byte after the last one asked for.
        end: u64,
    },
    /// A name breaks the grammar of keys.
    #[error(transparent)]
    InvalidKey(#[from] KeyError),
    /// The URL of the store, or what the environment adds to it, cannot be used.
    #[error("object store {url:?} cannot be used: {reason}")]
    InvalidStore {
        /// The URL.
        url: String,
        /// What to do about it.
        reason: String,
    },
    /// The store did not finish in time. A write may or may not have happened.
    #[error("{operation} of object {key} did not finish within {after:?}")]
    Timeout {
        /// What was attempted.
        operation: Operation,
        /// The key or prefix.
        key: String,
        /// The time it was given.
        after: Duration,
    },
    /// The store refused our credentials, or the file system its owner.
    #[error("the object store denies {operation} of {key}")]
    Denied {
        /// What was attempted.
        operation: Operation,
        /// The key or prefix.
        key: String,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The disk, or the quota of its owner, is full. Nothing was stored.
    #[error("the object store has no room for {key}")]
    NoSpace {
        /// The key.
        key: String,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The store failed or cannot be reached, after the retries. A write may or may not have
    /// happened.
    #[error("{operation} of object {key} failed")]
    Unavailable {
        /// What was attempted.
        operation: Operation,
        /// The key or prefix.
        key: String,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The stream that was to be stored failed. Nothing was stored.
    #[error("the content of object {key} could not be read")]
    Content {
        /// The key.
        key: Key,
        /// The error of the stream.
        #[source]
        source: Cause,
    },
    /// The question which objects are unreferenced was not answered. What was deleted before
    /// stays deleted.
    #[error("a sweep could not learn which objects are referenced")]
    Reference {
        /// The error of the caller's function.
        #[source]
        source: Cause,
    },
}

/// What was attempted when the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the store.
    Open,
    /// Writing an object.
    Put,
    /// Reading an object.
    Get,
    /// Asking for an object's size.
    Head,
    /// Deleting an object.
    Delete,
    /// Listing keys.
    List,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "open",
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::List => "list",
        })
    }
}

impl Error {
    /// Whether the same call may succeed later: the store was slow or away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. } | Self::Unavailable { .. } | Self::Replaced { .. }
        )
    }

    /// An error of the store about one object.
    pub(crate) fn of_object(operation: Operation, key: &Key, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { key: key.clone() },
            object_store::Error::Precondition { .. } => Self::Replaced { key: key.clone() },
            other => Self::of_store(operation, key.as_str(), other),
        }
    }

    /// An error of the store about anything else.
    pub(crate) fn of_store(operation: Operation, key: &str, error: object_store::Error) -> Self {
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Denied {
                    operation,
                    key: key.to_owned(),
                    source: error.into(),
                }
            }
            error => Self::of_cause(operation, key, error.into()),
        }
    }

    /// An error whose reason may lie deep inside: the local store wraps what the system said.
    pub(crate) fn of_cause(operation: Operation, key: &str, source: Cause) -> Self {
        let key = key.to_owned();
        match io_kind(source.as_ref()) {
            Some(io::ErrorKind::PermissionDenied) => Self::Denied {
                operation,
                key,
                source,
            },
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::NoSpace { key, source },
            _ => Self::Unavailable {
                operation,
                key,
                source,
            },
        }
    }
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .next()
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Timeout { .. }
            | Self::Unavailable { .. }
            | Self::Replaced { .. }
            | Self::Reference { .. } => ErrorKind::Unavailable,
            Self::NoSpace { .. } => ErrorKind::StorageFull,
            // What a client sent broke off; nothing was stored.
            Self::Content { .. } => ErrorKind::Invalid,
            Self::Corrupt { .. }
            | Self::InvalidRange { .. }
            | Self::InvalidKey(_)
            | Self::InvalidStore { .. }
            | Self::Denied { .. } => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.kind() == ErrorKind::Unavailable).then_some(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_is_found_inside() {
        let told = |kind: io::ErrorKind| {
            let inside = object_store::Error::Generic {
                store: "local",
                source: Box::new(io::Error::from(kind)),
            };
            Error::of_store(Operation::Put, "a/b", inside)
        };
        assert!(matches!(told(io::ErrorKind::StorageFull), Error::NoSpace { key, .. } if key == "a/b"));
        assert!(matches!(
            told(io::ErrorKind::QuotaExceeded),
            Error::NoSpace { .. }
        ));
        assert!(matches!(
            told(io::ErrorKind::PermissionDenied),
            Error::Denied { .. }
        ));
        assert!(matches!(
            told(io::ErrorKind::BrokenPipe),
            Error::Unavailable { .. }
        ));
    }
}
