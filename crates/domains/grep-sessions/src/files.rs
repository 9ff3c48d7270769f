//! Reading a session back: its list of files, parts of them, and taking one out.

use std::sync::Arc;

use pentad_grep_engine::{Batch, PathFilter};
use pentad_identity::Plan;
use pentad_kernel::Actor;

use crate::create::Stored;
use crate::live::Live;
use crate::repository::{self, Changed};
use crate::segment::{Change, Writer};
use crate::{Error, GrepSessions, Result, SessionId};

/// A file in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path.
    pub path: String,
    /// Bytes of its text.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
}

/// Some lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSlice {
    /// The first line, counted from 1.
    pub start: u64,
    /// The last line; one less than `start` when there is none.
    pub end: u64,
    /// How many lines the file has.
    pub total_lines: u64,
    /// The lines with their terminators.
    pub text: Vec<u8>,
}

/// How many files and bytes of text the session holds without one of its files.
fn without(live: &Live, path: &str) -> Result<(u64, u64)> {
    let snapshot = live.corpus.snapshot();
    let bytes = snapshot.file(path).map(|file| file.bytes as u64);
    let bytes = bytes.ok_or_else(|| Error::FileNotFound(path.to_owned()))?;
    Ok((
        snapshot.file_count() as u64 - 1,
        snapshot.text_bytes() as u64 - bytes,
    ))
}

impl GrepSessions {
    /// The session's files that the filter allows, by path, after `after`; at most `limit`, and how many
    /// there are in all.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn files(
        &self,
        actor: &Actor,
        id: &SessionId,
        filter: &PathFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<FileEntry>, u64)> {
        let snapshot = self.session_in_memory(actor, id).await?.corpus.snapshot();
        let mut page = Vec::new();
        let mut total = 0;
        for file in snapshot.files(filter) {
            total += 1;
            if page.len() < limit && after.is_none_or(|after| file.path > after) {
                page.push(FileEntry {
                    path: file.path.to_owned(),
                    bytes: file.bytes as u64,
                    lines: file.lines as u64,
                });
            }
        }
        Ok((page, total))
    }

    /// Lines `start..=end` of a file, both counted from 1, clipped to the file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::FileNotFound`].
    pub async fn read(
        &self,
        actor: &Actor,
        id: &SessionId,
        path: &str,
        start: usize,
        end: usize,
    ) -> Result<FileSlice> {
        let snapshot = self.session_in_memory(actor, id).await?.corpus.snapshot();
        let read = snapshot.read(path, start.max(1)..end.saturating_add(1));
        let read = read.ok_or_else(|| Error::FileNotFound(path.to_owned()))?;
        Ok(FileSlice {
            start: read.lines.start as u64,
            end: (read.lines.end as u64).saturating_sub(1),
            total_lines: read.total_lines as u64,
            text: read.text,
        })
    }

    /// Takes a file out of the session.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::FileNotFound`].
    pub async fn remove_file(&self, actor: &Actor, plan: &Plan, id: &SessionId, path: &str) -> Result<()> {
        loop {
            let slot = self.slot(actor, id).await?;
            let Some(work) = self.work_on(&slot).await else {
                continue;
            };
            let live = self.load(&work, actor, id).await?;
            if live.has_ended(self.0.clock.now()) {
                return Err(Error::NotFound);
            }
            self.catch_up(&work, id).await?;
            let mut sizes = without(&live, path)?;
            let mut last = live.seen();
            if self.is_stored(live.session.storage) {
                let stored = self.store_removal(actor, plan, &live, path).await?;
                loop {
                    match repository::change(&self.0.db, id, live.seen(), sizes, &stored.segments).await? {
                        Changed::To(number) => {
                            last = number;
                            break;
                        }
                        Changed::Behind => self.catch_up(&work, id).await?,
                        Changed::Gone => return Err(Error::NotFound),
                    }
                    sizes = without(&live, path)?;
                }
            }
            self.remove_from_memory(&live, path);
            live.has_seen(last);
            return Ok(());
        }
    }

    async fn store_removal(&self, actor: &Actor, plan: &Plan, live: &Live, path: &str) -> Result<Stored<'_>> {
        let mut writer = Writer::new(self.0.settings.segment_bytes);
        let segments = writer.write(&Change::Remove(path)).and_then(|()| writer.finish());
        let segments = segments.map_err(|error| Error::Damaged(error.to_string()))?;
        self.store(actor, plan, &live.session, segments).await
    }

    fn remove_from_memory(&self, live: &Arc<Live>, path: &str) {
        let mut batch = Batch::new();
        batch.remove(path);
        live.corpus.apply(batch);
        live.settle();
        live.touch(self.0.clock.now());
        self.index_soon(live);
    }
}
