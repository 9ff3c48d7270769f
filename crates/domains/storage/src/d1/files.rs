//! The files of databases on this machine.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pentad_blob::BlobId;
use pentad_kernel::id;
use pentad_store::{Db, Durability};
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore, SemaphorePermit};

use super::form_beside;
use super::registry::Row;
use crate::{Error, Limits, Result};

/// Transactions on the shared database that writers of chunks hold open at once. Each keeps a connection from
/// everybody else while a statement runs.
const TRANSACTIONS: usize = 3;

/// Entries that are remembered without being in use.
const REMEMBERED: usize = 1_024;

/// What is the truth of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its file.
    File,
    /// Its chunks in the object store; files are copies.
    Chunks,
}

/// What a copy is a copy of.
#[derive(Debug, Default)]
pub(super) struct Cached {
    /// `None` while nothing is known.
    pub(super) version: Option<i64>,
    pub(super) chunks: Vec<BlobId>,
}

impl Cached {
    /// What was known; from now on nothing is.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// One database on this machine.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Held by whoever writes, from before the row is locked.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// Held for writing while the file changes.
    pub(super) file: RwLock<Cached>,
    used: AtomicU64,
}

/// The databases on this machine.
#[derive(Debug)]
pub(crate) struct Databases {
    form: Form,
    directory: PathBuf,
    durability: Durability,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    uses: AtomicU64,
    turns: Arc<Semaphore>,
    transactions: Semaphore,
    concurrency: usize,
    /// Says that the directory of copies is in use.
    _lock: Option<File>,
}

impl Databases {
    pub(crate) fn open(db: &Db, directory: &Path, durability: Durability, limits: &Limits) -> Result<Self> {
        let form = form_beside(db);
        let (directory, lock) = match form {
            Form::File => {
                fs::create_dir_all(directory)
                    .and_then(|()| sync_directory(directory))
                    .map_err(Error::Directory)?;
                (directory.to_owned(), None)
            }
            Form::Chunks => {
                let (directory, lock) = own_directory(directory).map_err(Error::Directory)?;
                (directory, Some(lock))
            }
        };
        Ok(Self {
            form,
            directory,
            // A copy need not survive anything: its chunks do.
            durability: match form {
                Form::File => durability,
                Form::Chunks => Durability::Os,
            },
            entries: Mutex::default(),
            uses: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(limits.d1_concurrency.max(1))),
            transactions: Semaphore::new(TRANSACTIONS),
            concurrency: limits.d1_concurrency,
            _lock: lock,
        })
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    pub(super) const fn durability(&self) -> Durability {
        self.durability
    }

    /// The database with an identifier.
    pub(super) fn entry(&self, id: &str) -> Result<Arc<Entry>> {
        if !id::is_uuid(id) {
            return Err(Error::Damaged("the identifier of a database"));
        }
        let mut entries = self.lock();
        if self.form == Form::File && entries.len() >= REMEMBERED {
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        let entry = entries.entry(id.to_owned()).or_insert_with(|| {
            Arc::new(Entry {
                path: self.directory.join(format!("{id}.db")),
                writing: tokio::sync::Mutex::default(),
                file: RwLock::default(),
                used: AtomicU64::new(0),
            })
        });
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        entry.used.store(now, Ordering::Relaxed);
        Ok(Arc::clone(entry))
    }

    /// Whether the file of a database is there. One that was never written need not be.
    pub(super) fn is_there(&self, row: &Row) -> Result<bool> {
        let there = self.directory.join(format!("{}.db", row.id)).exists();
        if there || row.version == 0 {
            Ok(there)
        } else {
            Err(Error::Damaged("the file of a database is gone"))
        }
    }

    /// Waits until one more statement may run.
    pub(super) async fn turn(&self, longest: Duration) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(longest, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::Busy(self.concurrency)),
        }
    }

    pub(super) async fn transaction_turn(&self) -> Result<SemaphorePermit<'_>> {
        let turn = self.transactions.acquire().await;
        turn.map_err(|_| Error::Lost("the databases were closed".to_owned()))
    }

    /// Removes the copies that were used the longest ago, until the rest fits.
    pub(super) fn evict(&self, most: u64) {
        let mut entries = self.lock();
        let size = |entry: &Entry| fs::metadata(&entry.path).map_or(0, |found| found.len());
        let mut total: u64 = entries.values().map(|entry| size(entry)).sum();
        if total <= most {
            return;
        }
        let mut idle: Vec<(u64, String)> = entries
            .iter()
            .filter(|(_, entry)| Arc::strong_count(entry) == 1)
            .map(|(id, entry)| (entry.used.load(Ordering::Relaxed), id.clone()))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle {
            if total <= most {
                break;
            }
            let Some(entry) = entries.remove(&id) else {
                continue;
            };
            total = total.saturating_sub(size(&entry));
            for path in [entry.path.clone(), journal(&entry.path)] {
                // What cannot be removed is written over when it is needed again.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal beside a database.
pub(super) fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// A directory for the copies of this process, and a lock on it for as long as the process lives. Those of
/// processes that are gone are removed.
fn own_directory(root: &Path) -> std::io::Result<(PathBuf, File)> {
    fs::create_dir_all(root)?;
    for found in fs::read_dir(root)? {
        let left = found?.path();
        let is_whole = left.extension().is_none();
        if is_whole && File::open(left.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(&left)?;
        }
    }
    // It gets its name once its lock is held, so that nobody takes it for abandoned.
    let directory = root.join(id::random_uuid());
    let building = directory.with_extension("new");
    fs::create_dir(&building)?;
    let lock = File::create(building.join("lock"))?;
    lock.lock()?;
    fs::rename(&building, &directory)?;
    Ok((directory, lock))
}
