//! What a run did to the files of its workspace.

mod walk;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::spec::InputFile;

pub(crate) use walk::read_directory;

/// The difference between the workspace after a run and the files handed in, in order of path.
///
/// Holds the changed files themselves (in memory, within the limits of the sandbox) until dropped.
/// Only regular files and relative symbolic links that stay inside the workspace are part of it; sockets,
/// devices, pipes and links that lead outside are counted as skipped.
#[derive(Debug)]
pub struct Changes {
    /// `None` where nothing ran.
    root: Option<OwnedFd>,
    list: Vec<Change>,
    skipped: Vec<Skipped>,
}

/// One created, changed or deleted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative path.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Created(Content),
    /// It is not what it was.
    Changed(Content),
    /// It is no longer there.
    Deleted,
}

/// What a created or changed file is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file, readable through [`Changes::open`].
    File {
        /// Bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
        /// Last modification, as the file system has it.
        modified: SystemTime,
    },
    /// A relative symbolic link that stays inside the workspace.
    Symlink {
        /// Target, relative to the directory of the link.
        target: String,
    },
}

/// Something in the workspace that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Path, with what is not UTF-8 replaced.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why something in the workspace cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// A socket, device or pipe.
    NotAFile,
    /// A symbolic link that is absolute or leads outside.
    LeadsOutside,
    /// The name is not UTF-8.
    NotUtf8,
    /// The path is too long or too deep.
    TooDeep,
}

/// What the workspace was before the run.
pub(crate) struct Baseline {
    pub(crate) base: Option<PathBuf>,
    pub(crate) files: Vec<InputFile>,
}

impl Changes {
    pub(crate) fn collect(root: OwnedFd, before: Baseline) -> io::Result<Self> {
        let (list, skipped) = walk::compare(&root, before)?;
        Ok(Self {
            root: Some(root),
            list,
            skipped,
        })
    }

    /// The changes of a program that was never started.
    pub(crate) fn none() -> Self {
        Self {
            root: None,
            list: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// The changes in order of path.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.list.iter()
    }

    /// Number of created, changed and deleted files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was left out, at most the first hundred.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Opens a created or changed regular file.
    ///
    /// # Errors
    /// When the path is not one of the changes.
    pub fn open(&self, path: &str) -> io::Result<File> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let root = self.root.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(rustix::fs::openat2(root, path, flags, Mode::empty(), within)?.into())
    }

    /// Reads a created or changed regular file.
    ///
    /// # Errors
    /// When the path is not one of the changes.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn largest_file(&self) -> u64 {
        let size = |change: &Change| match change.kind {
            ChangeKind::Created(Content::File { size, .. })
            | ChangeKind::Changed(Content::File { size, .. }) => size,
            _ => 0,
        };
        self.list.iter().map(size).max().unwrap_or(0)
    }
}
