//! The files of a session, as requests see them.

use std::io::{Read, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use pentad_archive::{Caps, Limit, ZipReader, read_tar_gz};
use pentad_blob::Download;
use pentad_kernel::{Actor, Timestamp};
use pentad_sandbox::WorkspacePath;
use tempfile::NamedTempFile;

use crate::manifest::{self, Content, Entry, FileEntry};
use crate::session::SessionId;
use crate::workspace::{check_paths, is_reserved};
use crate::{Error, Exec, Result, repository};

/// Up to this size an upload is held in memory.
const IN_MEMORY: usize = 1 << 20;

/// A file of a session.
#[derive(Debug)]
pub struct File {
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// What it was uploaded as.
    pub content_type: Option<String>,
    /// Its content.
    pub body: FileBody,
}

/// The content of a file.
#[derive(Debug)]
pub enum FileBody {
    /// All of it.
    Bytes(Bytes),
    /// To be fetched in parts.
    Parts(Download),
}

/// A file on its way into a session.
#[derive(Debug)]
pub struct Upload {
    place: Place,
    size: u64,
    most: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    Disk(Arc<NamedTempFile>),
}

impl Upload {
    /// Takes more of it.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(Error::TooLarge {
                what: "the file",
                limit: self.most,
                name: "exec file_bytes",
            });
        }
        let spooling = || Error::io("spooling an upload");
        match &mut self.place {
            Place::Memory(held) if held.len() + bytes.len() <= IN_MEMORY => held.extend_from_slice(bytes),
            Place::Memory(held) => {
                let mut file = NamedTempFile::new().map_err(spooling())?;
                file.write_all(held)
                    .and_then(|()| file.write_all(bytes))
                    .map_err(spooling())?;
                self.place = Place::Disk(Arc::new(file));
            }
            Place::Disk(file) => file.as_file().write_all(bytes).map_err(spooling())?,
        }
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>> {
        Ok(match &self.place {
            Place::Memory(held) => Box::new(std::io::Cursor::new(held.clone())),
            Place::Disk(file) => Box::new(file.reopen().map_err(Error::io("spooling an upload"))?),
        })
    }
}

trait ReadSeek: Read + std::io::Seek + Send {}
impl<T: Read + std::io::Seek + Send> ReadSeek for T {}

/// Checks the path of a file that a request names.
///
/// # Errors
/// [`Error::Path`], [`Error::ReservedPath`].
fn writable(path: &str) -> Result<WorkspacePath> {
    let path = WorkspacePath::parse(path)?;
    if is_reserved(path.as_str()) {
        return Err(Error::ReservedPath(path.to_string()));
    }
    Ok(path)
}

impl Exec {
    /// The regular files of a session, in order of path.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn files(&self, actor: &Actor, id: &SessionId) -> Result<Vec<FileEntry>> {
        let session = self.session(actor, id).await?;
        manifest::list(self.db(), &session.key).await
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Path`], [`Error::FileNotFound`], which a link is too.
    pub async fn file(&self, actor: &Actor, id: &SessionId, path: &str) -> Result<File> {
        let session = self.session(actor, id).await?;
        let path = WorkspacePath::parse(path)?;
        let missing = || Error::FileNotFound(path.to_string());
        let entry = manifest::one(self.db(), &session.key, path.as_str())
            .await?
            .ok_or_else(missing)?;
        let body = match entry.content {
            Content::Inline(bytes) => FileBody::Bytes(bytes),
            Content::Blob(blob) => {
                FileBody::Parts(self.objects().download(&session.organisation, &blob).await?)
            }
            Content::Link(_) => return Err(missing()),
        };
        Ok(File {
            size: entry.size,
            modified_at: entry.modified_at,
            content_type: entry.content_type,
            body,
        })
    }

    /// Begins a file of at most [`Settings::file_bytes`](crate::Settings::file_bytes).
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload {
            place: Place::Memory(Vec::new()),
            size: 0,
            most: self.settings().file_bytes,
        }
    }

    /// Refuses a path that no file can have, or a session that is not there: before anything is uploaded.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Path`], [`Error::ReservedPath`].
    pub async fn check_file(&self, actor: &Actor, id: &SessionId, path: &str) -> Result<()> {
        self.session(actor, id).await?;
        writable(path).map(|_| ())
    }

    /// Stores a file; the next run finds it. Its size.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Path`], [`Error::ReservedPath`], [`Error::PathConflict`],
    /// [`Error::WorkspaceFull`].
    pub async fn put_file(
        &self,
        actor: &Actor,
        id: &SessionId,
        path: &str,
        content_type: Option<String>,
        upload: Upload,
    ) -> Result<u64> {
        let path = writable(path)?;
        let size = upload.size;
        let content = match upload.place {
            Place::Memory(held) => self.objects().put(&actor.organisation, held.into()).await?,
            Place::Disk(file) => {
                let open = move || file.reopen();
                self.objects().put_file(&actor.organisation, size, open).await?
            }
        };
        let entry = Entry {
            path: path.to_string(),
            size,
            modified_at: self.now(),
            executable: false,
            content_type,
            content,
        };
        self.put_entries(actor, id, vec![entry]).await?;
        Ok(size)
    }

    async fn put_entries(&self, actor: &Actor, id: &SessionId, entries: Vec<Entry>) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let key = repository::touch_files(&mut tx, &actor.organisation, id, self.now()).await?;
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        if let Some(other) = manifest::in_the_way(&mut tx, &key, &paths).await?.pop() {
            let stands_below = |path: &str| manifest::parents(path).any(|parent| parent == other);
            let is_above = |path: &str| manifest::parents(&other).any(|parent| parent == path);
            let path = paths.iter().find(|path| stands_below(path) || is_above(path));
            return Err(Error::PathConflict {
                path: path.copied().unwrap_or_default().to_owned(),
                other,
            });
        }
        manifest::put(&mut tx, &key, &entries).await?;
        let (files, bytes) = repository::count_files(&mut tx, &key).await?;
        self.check_size(files, bytes)?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a file. When.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Path`], [`Error::FileNotFound`].
    pub async fn delete_file(&self, actor: &Actor, id: &SessionId, path: &str) -> Result<Timestamp> {
        let path = WorkspacePath::parse(path)?;
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let key = repository::touch_files(&mut tx, &actor.organisation, id, now).await?;
        if !manifest::delete(&mut tx, &key, path.as_str()).await? {
            return Err(Error::FileNotFound(path.to_string()));
        }
        repository::count_files(&mut tx, &key).await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Unpacks a tar, tar.gz or zip archive into a session, all of it or nothing. Paths and sizes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no archive or holds what cannot be kept, and as
    /// [`put_file`](Self::put_file).
    pub async fn extract(
        &self,
        actor: &Actor,
        id: &SessionId,
        directory: &str,
        upload: Upload,
    ) -> Result<Vec<(String, u64)>> {
        let directory = match directory.trim_end_matches('/') {
            "" | "." => String::new(),
            directory => format!("{}/", WorkspacePath::parse(directory)?),
        };
        self.session(actor, id).await?;
        let settings = self.settings().clone();
        let unpacked = tokio::task::spawn_blocking(move || unpack(&upload, &settings)).await??;
        if unpacked.is_empty() {
            return Err(Error::Invalid("the archive holds no file".to_owned()));
        }
        let mut entries = Vec::with_capacity(unpacked.len());
        let now = self.now();
        check_paths(unpacked.iter().map(|(name, _)| name.as_str()))?;
        for (name, bytes) in unpacked {
            let path = writable(&format!("{directory}{name}"))?;
            let size = bytes.len() as u64;
            entries.push(Entry {
                path: path.to_string(),
                size,
                modified_at: now,
                executable: false,
                content_type: None,
                content: self.objects().put(&actor.organisation, bytes.into()).await?,
            });
        }
        let stored = entries
            .iter()
            .map(|entry| (entry.path.clone(), entry.size))
            .collect();
        self.put_entries(actor, id, entries).await?;
        Ok(stored)
    }
}

/// The files of an archive, within the bounds of one upload.
fn unpack(upload: &Upload, settings: &crate::Settings) -> Result<Vec<(String, Vec<u8>)>> {
    let caps = Caps {
        max_members: settings.workspace_files,
        max_member_bytes: settings.file_bytes,
        max_unpacked_bytes: settings.workspace_bytes.min(4 * settings.file_bytes),
        ..Caps::default()
    };
    let refused = |error: pentad_archive::Error| match error {
        pentad_archive::Error::LimitExceeded {
            limit: Limit::MemberBytes,
            ..
        } => Error::TooLarge {
            what: "a file of the archive",
            limit: caps.max_member_bytes,
            name: "exec file_bytes",
        },
        pentad_archive::Error::LimitExceeded {
            limit: Limit::Members,
            ..
        } => Error::WorkspaceFull {
            limit: caps.max_members,
            unit: "files",
            name: "exec workspace_files",
        },
        pentad_archive::Error::LimitExceeded { .. } => Error::TooLarge {
            what: "the unpacked archive",
            limit: caps.max_unpacked_bytes,
            name: "exec workspace_bytes",
        },
        error => Error::Invalid(format!("the archive is refused: {error}")),
    };
    let mut magic = [0; 4];
    let mut start = upload.open()?;
    let read = start.read(&mut magic).map_err(Error::io("reading an upload"))?;
    let mut files = Vec::new();
    let mut keep = |name: &str, content: &mut dyn Read| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.push((name.to_owned(), bytes));
        Ok::<_, pentad_archive::Error>(())
    };
    if magic[..read].starts_with(b"PK") {
        let mut archive = ZipReader::open(upload.open()?, caps).map_err(refused)?;
        archive
            .for_each(|path, content| keep(path.as_str(), content))
            .map_err(refused)?;
    } else if magic[..read].starts_with(&[0x1f, 0x8b]) {
        read_tar_gz(upload.open()?, &caps, |member, content| {
            keep(member.path.as_str(), content)
        })
        .map_err(refused)?;
    } else {
        // A bare tar goes through the same reader, wrapped.
        let wrapped = flate2::read::GzEncoder::new(upload.open()?, flate2::Compression::none());
        read_tar_gz(wrapped, &caps, |member, content| {
            keep(member.path.as_str(), content)
        })
        .map_err(refused)?;
    }
    Ok(files)
}
