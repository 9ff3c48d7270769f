//! An upload on its way in: files and archives, decoded and counted as they arrive.

use std::io::{Read, Seek as _, SeekFrom, Write as _};

use pentad_archive::{Caps, SafePath, ZipReader};
use pentad_grep_engine::{Batch, Decoded, decode_text};
use pentad_identity::Plan;
use tempfile::{SpooledData, SpooledTempFile};

use crate::budget::Share;
use crate::{GrepSessions, UploadError};

type Result<T> = std::result::Result<T, UploadError>;

/// Why a file of an upload is not searchable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It holds a NUL byte.
    Binary,
    /// It is a symbolic link or a device in an archive.
    Symlink,
}

impl SkipReason {
    /// The word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Symlink => "symlink",
        }
    }
}

/// A file that was left out of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// An upload on its way in. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    sessions: GrepSessions,
    batch: Batch,
    skipped: Vec<Skipped>,
    skipped_bytes: usize,
    limit: u64,
    share: Share,
    zip_in_memory: usize,
    zip_entries: u64,
}

/// One file of an upload, being written.
#[derive(Debug)]
pub struct UploadFile {
    path: SafePath,
    content: Content,
    sessions: GrepSessions,
    share: Share,
    /// The bytes that the rest of the upload has left of the limit.
    left: u64,
    limit: u64,
}

#[derive(Debug)]
enum Content {
    Text(Vec<u8>),
    Zip(SpooledTempFile),
}

/// How much memory is taken at once for bytes that arrive.
const SHARE_STEP: u64 = 1 << 20;

/// What is taken for a file that is still arriving: all of it but less than a step, which `add` takes.
const fn whole_steps(bytes: u64) -> u64 {
    bytes / SHARE_STEP * SHARE_STEP
}

impl GrepSessions {
    /// Begins an upload within the plan's limit for one session.
    pub fn upload(&self, plan: &Plan) -> Upload {
        let settings = &self.0.settings;
        Upload {
            sessions: self.clone(),
            batch: Batch::new(),
            skipped: Vec::new(),
            skipped_bytes: 0,
            limit: plan.grep_session_bytes.unwrap_or(settings.max_session_bytes),
            share: self.0.budget.share(),
            zip_in_memory: settings.zip_in_memory,
            zip_entries: settings.max_zip_entries,
        }
    }
}

impl Upload {
    /// Begins a file with the name that the client gave it. A name that ends in `.zip`, in any case, is
    /// an archive, whose files go below the directory of its own name.
    ///
    /// # Errors
    /// [`UploadError::Name`].
    pub fn file(&self, name: &str) -> Result<UploadFile> {
        let refuse = |reason| UploadError::Name {
            name: name.chars().take(200).collect(),
            reason,
        };
        let path = SafePath::from_upload(name).map_err(refuse)?;
        let is_zip = path.file_name().len() >= 4
            && path
                .file_name()
                .get(path.file_name().len() - 4..)
                .is_some_and(|end| end.eq_ignore_ascii_case(".zip"));
        let content = if is_zip {
            Content::Zip(SpooledTempFile::new(self.zip_in_memory))
        } else {
            Content::Text(Vec::new())
        };
        Ok(UploadFile {
            path,
            content,
            sessions: self.sessions.clone(),
            share: self.sessions.0.budget.share(),
            left: self.left(),
            limit: self.limit,
        })
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.batch.text_bytes() as u64)
    }

    /// Takes a finished file in: decodes it, or unpacks it.
    ///
    /// # Errors
    /// Any [`UploadError`]: the upload is then to be dropped.
    pub async fn add(&mut self, file: UploadFile) -> Result<()> {
        self.share.absorb(file.share);
        let known = self.skipped.len();
        match file.content {
            Content::Text(bytes) => {
                let decoded = if bytes.len() > DECODE_ON_THREAD {
                    on_thread(move || decode_text(bytes)).await?
                } else {
                    decode_text(bytes)
                };
                take(&mut self.batch, &mut self.skipped, file.path, decoded);
            }
            Content::Zip(spool) => {
                let caps = Caps {
                    max_members: self.zip_entries,
                    max_member_bytes: self.left(),
                    max_unpacked_bytes: self.left(),
                    ..Caps::default()
                };
                let mut unpacker = Unpacker {
                    sessions: self.sessions.clone(),
                    runtime: tokio::runtime::Handle::current(),
                    batch: std::mem::take(&mut self.batch),
                    skipped: std::mem::take(&mut self.skipped),
                    share: std::mem::replace(&mut self.share, self.sessions.0.budget.share()),
                };
                let (unpacker, outcome) = on_thread(move || {
                    let outcome = unpacker.unpack(spool, &file.path, caps);
                    (unpacker, outcome)
                })
                .await?;
                outcome.map_err(|error| as_too_large(error, self.limit))?;
                (self.batch, self.skipped, self.share) = (unpacker.batch, unpacker.skipped, unpacker.share);
            }
        }
        let bytes = |skipped: &Skipped| size_of::<Skipped>() + skipped.path.len();
        self.skipped_bytes += self.skipped[known..].iter().map(bytes).sum::<usize>();
        self.reserve().await
    }

    /// Takes memory for what the batch holds.
    async fn reserve(&mut self) -> Result<()> {
        if self.batch.text_bytes() as u64 > self.limit {
            return Err(UploadError::TooLarge { limit: self.limit });
        }
        let held = (self.batch.memory_bytes() + self.skipped_bytes) as u64;
        let wanted = held.div_ceil(SHARE_STEP) * SHARE_STEP;
        self.sessions.make_room(&mut self.share, wanted).await
    }

    /// Files taken in, each path once.
    pub fn file_count(&self) -> usize {
        self.batch.len()
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The files and what was left out; an upload without text is refused.
    pub(crate) fn finish(self) -> Result<(Batch, Vec<Skipped>, Share)> {
        if self.batch.is_empty() {
            return Err(UploadError::Empty);
        }
        // Of a path given twice the last one stands, also when the first was left out.
        let kept: std::collections::HashSet<&str> = self.batch.inserts().map(|(path, _)| path).collect();
        let mut skipped = self.skipped;
        skipped.retain(|skipped| !kept.contains(skipped.path.as_str()));
        drop(kept);
        Ok((self.batch, skipped, self.share))
    }
}

impl UploadFile {
    /// Appends content.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], [`UploadError::NoMemory`], [`UploadError::Spool`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.left {
            return Err(UploadError::TooLarge { limit: self.limit });
        }
        self.left -= bytes.len() as u64;
        match &mut self.content {
            Content::Text(text) => {
                text.reserve(bytes.len());
                let wanted = whole_steps(text.capacity() as u64);
                if wanted > self.share.bytes() {
                    self.sessions.make_room(&mut self.share, wanted).await?;
                }
                text.extend_from_slice(bytes);
            }
            Content::Zip(spool) => spool.write_all(bytes).map_err(UploadError::Spool)?,
        }
        Ok(())
    }
}

/// Decoding less than this costs less than handing it to another thread.
const DECODE_ON_THREAD: usize = 4 << 20;

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| UploadError::Lost(error.to_string()))
}

fn take(batch: &mut Batch, skipped: &mut Vec<Skipped>, path: SafePath, decoded: Decoded) {
    match decoded {
        Decoded::Text(mut text) => {
            if (text.capacity() - text.len()) as u64 > SHARE_STEP {
                text.shrink_to_fit();
            }
            batch.insert(path.into_string(), text);
        }
        Decoded::Binary => {
            skipped.push(Skipped {
                path: path.into_string(),
                reason: SkipReason::Binary,
            });
        }
    }
}

/// Exceeding the bytes of an archive is exceeding those of the session.
fn as_too_large(error: UploadError, limit: u64) -> UploadError {
    use pentad_archive::Limit;
    match error {
        UploadError::Archive {
            reason:
                pentad_archive::Error::LimitExceeded {
                    limit: Limit::UnpackedBytes | Limit::MemberBytes,
                    ..
                },
            ..
        } => UploadError::TooLarge { limit },
        other => other,
    }
}

/// Carries the errors of unpacking through the archive's visitor.
enum Unpacking {
    Archive(pentad_archive::Error),
    Refused(UploadError),
}

impl From<pentad_archive::Error> for Unpacking {
    fn from(error: pentad_archive::Error) -> Self {
        Self::Archive(error)
    }
}

impl From<UploadError> for Unpacking {
    fn from(error: UploadError) -> Self {
        Self::Refused(error)
    }
}

/// Takes the files of an archive into a batch, on a thread of its own.
struct Unpacker {
    sessions: GrepSessions,
    /// Where memory is made room for meanwhile.
    runtime: tokio::runtime::Handle,
    batch: Batch,
    skipped: Vec<Skipped>,
    share: Share,
}

impl Unpacker {
    fn unpack(&mut self, mut spool: SpooledTempFile, path: &SafePath, caps: Caps) -> Result<()> {
        spool.seek(SeekFrom::Start(0)).map_err(UploadError::Spool)?;
        // A spool that never left memory is read there: no system call per read.
        let outcome = match spool.into_inner() {
            SpooledData::InMemory(cursor) => self.unpack_from(cursor, path, caps),
            SpooledData::OnDisk(file) => self.unpack_from(file, path, caps),
        };
        outcome.map_err(|error| match error {
            Unpacking::Archive(reason) => UploadError::Archive {
                name: path.as_str().to_owned(),
                reason,
            },
            Unpacking::Refused(error) => error,
        })
    }

    fn unpack_from(
        &mut self,
        reader: impl Read + std::io::Seek,
        path: &SafePath,
        caps: Caps,
    ) -> std::result::Result<(), Unpacking> {
        let mut archive = ZipReader::open(reader, caps)?;
        let directory = path.parent();
        let place = |entry: &SafePath| match &directory {
            Some(directory) => entry.below(directory).map_err(|reason| UploadError::Name {
                name: entry.as_str().to_owned(),
                reason,
            }),
            None => Ok(entry.clone()),
        };
        archive.for_each(|entry, content| {
            let decoded = decode_text(self.read(content)?);
            take(&mut self.batch, &mut self.skipped, place(entry)?, decoded);
            Ok::<(), Unpacking>(())
        })?;
        for left_out in archive.skipped() {
            use pentad_archive::Skipped as LeftOut;
            if let LeftOut::Symlink(entry) | LeftOut::Special(entry) = left_out {
                self.skipped.push(Skipped {
                    path: place(entry)?.into_string(),
                    reason: SkipReason::Symlink,
                });
            }
        }
        Ok(())
    }

    /// The content of a file, for which memory is taken as it unpacks: a small archive may hold more than there is.
    fn read(&mut self, content: &mut dyn Read) -> std::result::Result<Vec<u8>, Unpacking> {
        let mut bytes = Vec::new();
        loop {
            let read = content
                .take(SHARE_STEP)
                .read_to_end(&mut bytes)
                .map_err(|source| pentad_archive::Error::Read { source })?;
            let wanted = whole_steps((self.batch.memory_bytes() + bytes.capacity()) as u64);
            if wanted > self.share.bytes() {
                self.runtime
                    .block_on(self.sessions.make_room(&mut self.share, wanted))?;
            }
            if (read as u64) < SHARE_STEP {
                return Ok(bytes);
            }
        }
    }
}
