//! Large workspaces, kept as directories between runs so that a run costs what changed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::manifest::{Content, Entry};
use crate::objects::Objects;
use crate::session::Session;
use crate::{Error, Result};

/// The workspaces on this machine. A workspace is only written between the runs of its session, whose lock
/// the caller holds; what is lost here is made again from the object store.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
    most_bytes: u64,
    /// By session: what each takes and when it was last used.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    uses: u64,
    sessions: HashMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: u64,
    used: u64,
    /// Runs that look at it now.
    runs: usize,
}

/// A directory that a run looks at, until this is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    cache: Arc<Cache>,
    key: String,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.cache.release(&self.key);
    }
}

/// What a directory holds, written beside it once it is complete.
#[derive(Default, Serialize, Deserialize)]
struct Contents(BTreeMap<String, String>);

impl Cache {
    /// A cache in a directory, which is emptied: its contents belong to a process that is gone.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub(crate) fn new(root: &Path, most_bytes: u64) -> std::io::Result<Self> {
        match fs::remove_dir_all(root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(root)?;
        Ok(Self {
            // Who makes sandboxes works in another directory than this process.
            root: std::path::absolute(root)?,
            most_bytes,
            known: Mutex::default(),
        })
    }

    /// A directory with exactly these files.
    pub(crate) async fn materialise(
        self: &Arc<Self>,
        objects: &Objects,
        session: &Session,
        entries: &[Entry],
    ) -> Result<(PathBuf, InUse)> {
        let home = self.root.join(&session.key);
        let tree = home.join("tree");
        let list = home.join("contents.json");
        let making = || Error::io("keeping a workspace on this machine");
        let in_use = self.begin(session, entries);
        fs::create_dir_all(&tree).map_err(making())?;
        readable(&home, 0o755).map_err(making())?;
        readable(&tree, 0o755).map_err(making())?;
        let had: Contents = fs::read(&list)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        if had.0.is_empty() {
            // Never completed: what is there is of no known state.
            fs::remove_dir_all(&tree)
                .and_then(|()| fs::create_dir(&tree))
                .map_err(making())?;
            readable(&tree, 0o755).map_err(making())?;
        }
        let wanted: BTreeMap<String, String> = entries
            .iter()
            .map(|entry| (entry.path.clone(), mark(entry)))
            .collect();
        if had.0 == wanted {
            return Ok((tree, in_use));
        }
        match fs::remove_file(&list) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(making()(error)),
            _ => {}
        }
        for path in had.0.keys().filter(|path| !wanted.contains_key(*path)) {
            remove(&tree, path).map_err(making())?;
        }
        for entry in entries
            .iter()
            .filter(|entry| had.0.get(&entry.path) != Some(&mark(entry)))
        {
            let at = tree.join(&entry.path);
            if had.0.contains_key(&entry.path) {
                fs::remove_file(&at).map_err(making())?;
            }
            if let Some(parent) = at.parent() {
                fs::create_dir_all(parent).map_err(making())?;
            }
            write(objects, session, entry, &at).await?;
        }
        let text = serde_json::to_vec(&Contents(wanted)).map_err(|_| Error::Damaged("a list of files"))?;
        fs::write(&list, text).map_err(making())?;
        Ok((tree, in_use))
    }

    /// The run that looked at the session's directory is over.
    fn release(&self, key: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = known.sessions.get_mut(key) {
            held.runs = held.runs.saturating_sub(1);
        }
        let mut sum: u64 = known.sessions.values().map(|held| held.bytes).sum();
        while sum > self.most_bytes {
            let idle = known.sessions.iter().filter(|(_, held)| held.runs == 0);
            let Some(oldest) = idle.min_by_key(|(_, held)| held.used).map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(held) = known.sessions.remove(&oldest) {
                sum -= held.bytes;
            }
            self.remove(&oldest);
        }
    }

    /// Forgets a session that was deleted.
    pub(crate) fn forget(&self, key: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.sessions.get_mut(key) {
            // Its run still looks at it; the next release takes it first.
            Some(held) if held.runs > 0 => held.used = 0,
            Some(_) => {
                known.sessions.remove(key);
                self.remove(key);
            }
            None => {}
        }
    }

    fn begin(self: &Arc<Self>, session: &Session, entries: &[Entry]) -> InUse {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let used = known.uses;
        let held = known.sessions.entry(session.key.clone()).or_insert(Held {
            bytes: 0,
            used,
            runs: 0,
        });
        held.bytes = entries.iter().map(|entry| entry.size).sum();
        held.used = used;
        held.runs += 1;
        InUse {
            cache: Arc::clone(self),
            key: session.key.clone(),
        }
    }

    fn remove(&self, key: &str) {
        if let Err(error) = fs::remove_dir_all(self.root.join(key)) {
            tracing::debug!(%error, "a workspace could not be removed from the cache");
        }
    }
}

/// What tells a file from one with the same path.
fn mark(entry: &Entry) -> String {
    let kind = if entry.executable { "x" } else { "-" };
    match &entry.content {
        Content::Inline(bytes) => format!("{kind}{}", pentad_kernel::secret::sha256_hex(bytes)),
        Content::Blob(blob) => format!("{kind}{blob}"),
        Content::Link(target) => format!("l{target}"),
    }
}

/// Removes a file and the directories that are empty without it.
fn remove(tree: &Path, path: &str) -> std::io::Result<()> {
    fs::remove_file(tree.join(path))?;
    let mut above = Path::new(path).parent();
    while let Some(directory) = above.filter(|directory| !directory.as_os_str().is_empty()) {
        if fs::remove_dir(tree.join(directory)).is_err() {
            break;
        }
        above = directory.parent();
    }
    Ok(())
}

async fn write(objects: &Objects, session: &Session, entry: &Entry, at: &Path) -> Result<()> {
    let writing = || Error::io("keeping a workspace on this machine");
    match &entry.content {
        Content::Link(target) => std::os::unix::fs::symlink(target, at).map_err(writing()),
        Content::Inline(bytes) => fs::write(at, bytes)
            .and_then(|()| readable(at, mode(entry)))
            .map_err(writing()),
        Content::Blob(blob) => {
            let mut parts = objects.download(&session.organisation, blob).await?.into_stream();
            let mut file = fs::File::create(at).map_err(writing())?;
            while let Some(part) = parts.next().await {
                file.write_all(&part?).map_err(writing())?;
            }
            readable(at, mode(entry)).map_err(writing())
        }
    }
}

const fn mode(entry: &Entry) -> u32 {
    if entry.executable { 0o755 } else { 0o644 }
}

fn readable(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
