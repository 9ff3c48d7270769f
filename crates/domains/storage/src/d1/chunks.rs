//! A database as chunks in the object store.
//!
//! A chunk lies under its hash, below the database's identifier. Chunks are stored and removed by whoever holds
//! the lock of the database's row, and by nobody else.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pentad_blob::{BlobId, Blobs, Key, Prefix};

use super::blocking;
use super::files::{Cached, journal};
use crate::{Error, Result};

/// Below which the chunks of all databases lie.
const ROOT: &str = "storage/d1";
/// The bytes of a chunk; the last one may have fewer.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// Chunks on their way at a time.
const IN_FLIGHT: usize = 8;
/// Objects listed at a time.
const LISTED: usize = 500;

/// The chunks of one database.
pub(crate) struct Chunks {
    blobs: Blobs,
    prefix: Prefix,
}

fn prefix(id: &str) -> Result<Prefix> {
    Prefix::parse(&format!("{ROOT}/{id}")).map_err(|_| Error::Damaged("the identifier of a database"))
}

impl Chunks {
    pub(crate) fn of(blobs: &Blobs, id: &str) -> Result<Self> {
        Ok(Self {
            blobs: blobs.clone(),
            prefix: prefix(id)?,
        })
    }

    /// Where a chunk of a database lies.
    pub(crate) fn key(id: &str, chunk: &BlobId) -> Result<Key> {
        Ok(Key::addressed(&prefix(id)?, chunk))
    }

    /// Makes a file what the list says. Of chunks that the file has already none is fetched.
    pub(super) async fn fetch(&self, path: &Path, known: &Cached, list: &[BlobId], size: u64) -> Result<()> {
        if list.len() as u64 != size.div_ceil(CHUNK_BYTES as u64) {
            return Err(Error::Damaged("the chunks of a database"));
        }
        let have = if known.version.is_some() {
            known.chunks.clone()
        } else {
            let path = path.to_owned();
            blocking(move || Ok(chunks_of_file(&path)?.into_iter().map(|(id, _)| id).collect())).await?
        };
        let missing = list
            .iter()
            .enumerate()
            .filter(|(place, id)| have.get(*place) != Some(*id))
            .map(|(place, id)| (place, *id));
        let file = {
            let path = path.to_owned();
            blocking(move || open_for_copy(&path).map_err(Error::Directory)).await?
        };
        let file = std::sync::Arc::new(file);
        stream::iter(missing.map(Ok::<_, Error>))
            .try_for_each_concurrent(IN_FLIGHT, |(place, id)| {
                let file = std::sync::Arc::clone(&file);
                async move {
                    let bytes = self
                        .blobs
                        .get_addressed(&self.prefix, &id, CHUNK_BYTES as u64)
                        .await?;
                    let offset = (place * CHUNK_BYTES) as u64;
                    blocking(move || file.write_all_at(&bytes, offset).map_err(Error::Directory)).await
                }
            })
            .await?;
        blocking(move || file.set_len(size).map_err(Error::Directory)).await
    }

    /// Stores the chunks of a file that are not in the list, and returns the list of the file.
    pub(super) async fn store(&self, path: &Path, old: &[BlobId]) -> Result<Vec<BlobId>> {
        let path = path.to_owned();
        let known = old.to_vec();
        let (list, fresh) = blocking(move || fresh_chunks(&path, &known)).await?;
        stream::iter(fresh)
            .map(|bytes| self.blobs.put_addressed(&self.prefix, bytes))
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        Ok(list)
    }

    /// Removes chunks that are not in the list and were last written before an instant. The caller holds the lock
    /// of the row that has the list.
    pub(crate) async fn sweep(&self, list: &[BlobId], before: SystemTime) -> Result<u64> {
        let wanted: std::collections::HashSet<Key> =
            list.iter().map(|id| Key::addressed(&self.prefix, id)).collect();
        let mut after = None;
        let mut removed = 0;
        loop {
            let page = self.blobs.list(&self.prefix, after.as_ref(), LISTED).await?;
            let orphans: Vec<Key> = page
                .objects
                .into_iter()
                .filter(|object| object.modified < before && !wanted.contains(&object.key))
                .map(|object| object.key)
                .collect();
            removed += orphans.len() as u64;
            self.blobs.delete_many(orphans).await?;
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}

/// Opens a file to be made a copy, without what an interrupted statement left beside it.
fn open_for_copy(path: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(journal(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// The chunks of a file; none if there is no file.
fn chunks_of_file(path: &PathBuf) -> Result<Vec<(BlobId, Bytes)>> {
    let content = match std::fs::read(path) {
        Ok(content) => Bytes::from(content),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Bytes::new(),
        Err(error) => return Err(Error::Directory(error)),
    };
    let chunk = |start: usize| {
        let bytes = content.slice(start..content.len().min(start + CHUNK_BYTES));
        (BlobId::of(&bytes), bytes)
    };
    Ok((0..content.len()).step_by(CHUNK_BYTES).map(chunk).collect())
}

/// The list of a file, and those of its chunks that another list lacks.
fn fresh_chunks(path: &PathBuf, old: &[BlobId]) -> Result<(Vec<BlobId>, Vec<Bytes>)> {
    let known: std::collections::HashSet<&BlobId> = old.iter().collect();
    let mut fresh = std::collections::BTreeMap::new();
    let mut list = Vec::new();
    for (id, bytes) in chunks_of_file(path)? {
        list.push(id);
        if !known.contains(&id) {
            fresh.insert(id, bytes);
        }
    }
    Ok((list, fresh.into_values().collect()))
}
