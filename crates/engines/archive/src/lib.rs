#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod caps;
mod content;
mod cp437;
mod error;
mod path;
mod tar_gz;
mod zip;

pub use caps::{Caps, Limit};
pub use error::{Error, SpecialKind};
pub use path::{MAX_PATH_BYTES, PathError, SafePath};
pub use tar_gz::{Member, Summary, read_tar_gz};
pub use zip::ZipReader;

/// An entry that was left out of an archive which is otherwise fine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skipped {
    /// A symbolic link.
    Symlink(SafePath),
    /// A device, pipe or socket.
    Special(SafePath),
    /// What an operating system adds of its own: `__MACOSX/` and `.DS_Store`.
    SystemFile(SafePath),
}

impl Skipped {
    /// Where it would have been.
    #[must_use]
    pub fn path(&self) -> &SafePath {
        match self {
            Self::Symlink(path) | Self::Special(path) | Self::SystemFile(path) => path,
        }
    }
}
