//! What `LocalFileSystem` leaves to its user: directories that are certainly on disk, listing in
//! order, and the remains of writers that were killed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::key::Key;
use crate::list::ObjectInfo;

/// The directories of a local store.
#[derive(Clone)]
pub(crate) struct Directories(Arc<Inner>);

struct Inner {
    root: PathBuf,
    /// Directories whose own entry, and those of all their parents up to the root, are known to
    /// be on disk. Nothing removes a directory while a store is open.
    durable: Mutex<HashSet<PathBuf>>,
    /// The directories that hold the root's own entry, and those of parents made with it, until they have been
    /// flushed. That waits for the first object: a flush on a busy disk takes seconds, and no start should.
    unanchored: Mutex<Vec<PathBuf>>,
}

/// So many directories are remembered; then it starts again, which costs a few more fsyncs.
const MAX_REMEMBERED: usize = 65_536;

/// A file below the root, by its path relative to it, `/` between components.
struct Found {
    name: String,
    size: u64,
    modified: SystemTime,
}

impl Directories {
    /// Creates the root. Its entry is on disk once the first object is.
    pub(crate) fn create(root: &Path) -> io::Result<Self> {
        let missing: Vec<_> = root
            .ancestors()
            .take_while(|path| !path.exists())
            .map(PathBuf::from)
            .collect();
        fs::create_dir_all(root)?;
        let mut unanchored = Vec::new();
        for created in missing {
            // Relative to where the process stands when the path is.
            unanchored.push(fs::canonicalize(match created.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            })?);
        }
        let root = fs::canonicalize(root)?;
        unanchored.push(root.clone());
        Ok(Self(Arc::new(Inner {
            root,
            durable: Mutex::default(),
            unanchored: Mutex::new(unanchored),
        })))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0.root
    }

    /// Returns once the entry of `name`, which exists, is on disk.
    ///
    /// The writer of an object syncs its directory itself. This is for what it cannot know: that
    /// the object was there already, put by a writer that has not come to its own fsync yet, or
    /// that such a writer created the directories on the way.
    pub(crate) fn make_durable(&self, name: &str, existed: bool) -> io::Result<()> {
        self.anchor()?;
        let path = self.0.root.join(name);
        let mut unknown = Vec::new();
        let mut directory = path.parent();
        {
            let durable = self.0.durable.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(path) = directory
                && path != self.0.root
                && !durable.contains(path)
            {
                unknown.push(path.to_owned());
                directory = path.parent();
            }
        }
        if existed && let Some(parent) = path.parent() {
            sync(parent)?;
        }
        // From the top, so that a remembered directory always has remembered parents.
        for directory in unknown.iter().rev() {
            if let Some(parent) = directory.parent() {
                sync(parent)?;
            }
        }
        if !unknown.is_empty() {
            let mut durable = self.0.durable.lock().unwrap_or_else(PoisonError::into_inner);
            if durable.len() + unknown.len() > MAX_REMEMBERED {
                durable.clear();
            }
            durable.extend(unknown);
        }
        Ok(())
    }

    /// Flushes what holds the root, once.
    fn anchor(&self) -> io::Result<()> {
        // Held while flushing: nobody may go on before it is done.
        let mut unanchored = self.0.unanchored.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(directory) = unanchored.last() {
            sync(directory)?;
            unanchored.pop();
        }
        Ok(())
    }

    /// Up to `limit` objects below `prefix`, in the order of their names, after `after`.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<Vec<ObjectInfo>> {
        let mut objects = Vec::new();
        let mut enter = |name: &str, is_directory: bool| match after {
            // All names in a directory begin with its own, slash included.
            Some(after) if is_directory => name > after || after.starts_with(name),
            Some(after) => name > after,
            None => true,
        };
        let mut visit = |file: Found| {
            if let Ok(key) = Key::parse(&file.name) {
                objects.push(ObjectInfo {
                    key,
                    size: file.size,
                    modified: file.modified,
                });
            }
            objects.len() < limit
        };
        self.walk(prefix, &mut enter, &mut visit)?;
        Ok(objects)
    }

    /// Deletes what killed writers left behind, if it is from before `modified_before`. Returns
    /// how many files that were.
    pub(crate) fn delete_staged(&self, prefix: &str, modified_before: SystemTime) -> io::Result<u64> {
        let mut stale = Vec::new();
        self.walk(
            prefix,
            &mut |name, is_directory| is_directory || is_staged(name),
            &mut |file| {
                if file.modified < modified_before {
                    stale.push(file.name);
                }
                true
            },
        )?;
        for name in &stale {
            match fs::remove_file(self.0.root.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(stale.len() as u64)
    }

    /// Visits the files below `prefix` in the order of their names, until `visit` says no.
    /// `enter` is asked about every name first; those of directories end in `/`.
    fn walk(
        &self,
        prefix: &str,
        enter: &mut dyn FnMut(&str, bool) -> bool,
        visit: &mut dyn FnMut(Found) -> bool,
    ) -> io::Result<()> {
        // The names still to be visited, the next one last.
        let mut pending = vec![format!("{prefix}/")];
        while let Some(name) = pending.pop() {
            if !enter(&name, name.ends_with('/')) {
                continue;
            }
            if name.ends_with('/') {
                pending.extend(self.children(&name)?);
                continue;
            }
            let metadata = match fs::metadata(self.0.root.join(&name)) {
                Ok(metadata) => metadata,
                // Deleted since its directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if !visit(Found {
                name,
                size: metadata.len(),
                modified: metadata.modified()?,
            }) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The names in a directory, the last one first.
    fn children(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.0.root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() {
                // With its slash a directory sorts as the names in it do.
                names.push(format!("{directory}{name}/"));
            } else if kind.is_file() {
                names.push(format!("{directory}{name}"));
            }
        }
        names.sort_unstable_by(|left, right| right.cmp(left));
        Ok(names)
    }
}

/// `LocalFileSystem` writes to `{name}#{number}` and then renames; no key holds a `#`.
fn is_staged(name: &str) -> bool {
    name.contains('#')
}

fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}
