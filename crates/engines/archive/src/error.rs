//! Why an archive was refused.

use std::io;

use crate::caps::{Exceeded, Limit};
use crate::path::PathError;

/// Why an archive was refused. Names of entries are as the archive has them, made printable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit of [`Caps`](crate::Caps) was exceeded.
    #[error("the archive exceeds {limit} = {max}{}", at(.entry.as_deref()))]
    LimitExceeded {
        /// Which one.
        limit: Limit,
        /// What it was set to.
        max: u64,
        /// The entry being read, if one was.
        entry: Option<String>,
    },
    /// An entry has a name that must not be used.
    #[error("entry {entry:?}: {source}")]
    UnsafePath {
        /// The name.
        entry: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// An entry is a link or a device where only files and directories belong (tar).
    #[error("entry {entry:?} is a {kind}, only files and directories are allowed")]
    ForbiddenKind {
        /// Its name.
        entry: String,
        /// What it is.
        kind: SpecialKind,
    },
    /// Two entries have the same path (tar).
    #[error("entry {entry:?} occurs more than once")]
    Duplicate {
        /// Their path.
        entry: String,
    },
    /// Two records of an entry contradict each other, so that readers would disagree about it.
    #[error("entry {entry:?} states its {field} more than once")]
    Ambiguous {
        /// Its name.
        entry: String,
        /// What is stated twice.
        field: String,
    },
    /// The entry is encrypted (zip).
    #[error("entry {entry:?} is encrypted")]
    Encrypted {
        /// Its name.
        entry: String,
    },
    /// The entry is packed by a method this crate does not read (zip).
    #[error("entry {entry:?} uses compression method {method}, supported are stored, deflate and deflate64")]
    UnknownMethod {
        /// Its name.
        entry: String,
        /// The number of the method, APPNOTE 4.4.5.
        method: u16,
    },
    /// Two entries share bytes of the archive, the trick of the non-recursive zip bomb.
    #[error("entry {entry:?} overlaps another entry or the central directory")]
    Overlap {
        /// The name of the later one.
        entry: String,
    },
    /// The archive ends early or contradicts itself.
    #[error("the archive is damaged{}: {reason}", at(.entry.as_deref()))]
    Corrupt {
        /// The entry being read, if one was.
        entry: Option<String>,
        /// What was found.
        reason: String,
    },
    /// Something other than padding follows the end of the archive (tar.gz).
    #[error("there is data after the end of the archive")]
    TrailingData,
    /// The reader underneath failed; nothing is known about the archive.
    #[error("reading the archive failed")]
    Read {
        /// The reader's own error.
        #[source]
        source: io::Error,
    },
}

/// A kind of entry that is neither file nor directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecialKind {
    /// A symbolic link.
    Symlink,
    /// A hard link.
    HardLink,
    /// A block or character device.
    Device,
    /// A named pipe or socket.
    Pipe,
    /// A file with holes, whose stated size may be any number.
    SparseFile,
    /// A kind this crate does not know.
    Unknown,
}

impl std::fmt::Display for SpecialKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::HardLink => "hard link",
            Self::Device => "device",
            Self::Pipe => "pipe or socket",
            Self::SparseFile => "sparse file",
            Self::Unknown => "member of unknown kind",
        })
    }
}

impl Error {
    /// The entry at fault, if one is.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::LimitExceeded { entry, .. } | Self::Corrupt { entry, .. } => entry.as_deref(),
            Self::UnsafePath { entry, .. }
            | Self::ForbiddenKind { entry, .. }
            | Self::Duplicate { entry }
            | Self::Ambiguous { entry, .. }
            | Self::Encrypted { entry }
            | Self::UnknownMethod { entry, .. }
            | Self::Overlap { entry } => Some(entry),
            Self::TrailingData | Self::Read { .. } => None,
        }
    }

    pub(crate) fn exceeded(exceeded: Exceeded, entry: Option<&str>) -> Self {
        Self::LimitExceeded {
            limit: exceeded.limit,
            max: exceeded.max,
            entry: entry.map(str::to_owned),
        }
    }

    pub(crate) fn corrupt(entry: Option<&str>, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            entry: entry.map(str::to_owned),
            reason: reason.into(),
        }
    }
}

/// So that a visitor may use `?` on the reader it gets. The archive's own verdict takes precedence
/// over what a visitor returns, so nothing is lost in this conversion.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::Read { source }
    }
}

/// What a decoder above the reader reports: its complaints are about the archive, the rest is the
/// reader's own failure.
pub(crate) fn from_decoder(entry: Option<&str>, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::corrupt(entry, error.to_string()),
        io::ErrorKind::UnexpectedEof => Error::corrupt(entry, "it ends early"),
        _ => Error::Read { source: error },
    }
}

/// The longest part of a hostile name that is worth repeating.
const PRINTED_NAME_CHARS: usize = 200;

/// A name for an error message: lossy, and cut.
pub(crate) fn printable(name: &[u8]) -> String {
    let head = &name[..name.len().min(PRINTED_NAME_CHARS * 4)];
    String::from_utf8_lossy(head)
        .chars()
        .take(PRINTED_NAME_CHARS)
        .collect()
}

fn at(entry: Option<&str>) -> String {
    entry
        .map(|entry| format!(" at entry {entry:?}"))
        .unwrap_or_default()
}
