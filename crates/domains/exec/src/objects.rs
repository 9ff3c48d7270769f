//! Where the bytes of files lie: few in their row, many in the object store under their hash.

use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use pentad_blob::{BlobId, Blobs, Download, Key, Prefix};
use pentad_kernel::{OrganisationId, Timestamp};
use pentad_store::Db;

use crate::manifest::{self, Content};
use crate::{Error, Result};

/// Up to this size a file is written with its row: one flush instead of several.
pub(crate) const INLINE_BYTES: usize = 16 << 10;
/// Up to this size the bytes of a file are held at once.
const AT_ONCE: u64 = 4 << 20;
/// What is read of a larger one at a time.
const PIECE: usize = 1 << 20;
/// Below which all objects of code execution lie.
const ROOT: &str = "exec";

/// The objects of all organisations, each in a namespace of its own: nobody can find out whether somebody
/// else has the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Objects(Blobs);

fn namespace(organisation: &OrganisationId) -> Result<Prefix> {
    Prefix::parse(&format!("{ROOT}/{organisation}"))
        .map_err(|_| Error::Damaged("an organisation's identifier"))
}

fn hash(blob: &str) -> Result<BlobId> {
    blob.parse().map_err(|_| Error::Damaged("a hash"))
}

/// The keys of all objects that rows name: what a backup of the rows has to hold besides.
///
/// # Errors
/// [`Error::Store`]; [`Error::Damaged`] when a row holds no name.
pub async fn named_objects(db: &Db) -> Result<Vec<Key>> {
    let named = manifest::blobs(db).await?;
    let key = |(organisation, blob): (String, String)| {
        Ok(Key::addressed(
            &namespace(&OrganisationId::new(organisation))?,
            &hash(&blob)?,
        ))
    };
    named.into_iter().map(key).collect()
}

impl Objects {
    pub(crate) const fn new(blobs: Blobs) -> Self {
        Self(blobs)
    }

    /// Stores bytes that are in memory; when this returns they are durable or in the row.
    pub(crate) async fn put(&self, organisation: &OrganisationId, bytes: Bytes) -> Result<Content> {
        if bytes.len() <= INLINE_BYTES {
            return Ok(Content::Inline(bytes));
        }
        let id = self.0.put_addressed(&namespace(organisation)?, bytes).await?;
        Ok(Content::Blob(id.to_string()))
    }

    /// Stores a file of `size` bytes, read twice when it is large: for its name and for its bytes.
    pub(crate) async fn put_file(
        &self,
        organisation: &OrganisationId,
        size: u64,
        open: impl Fn() -> std::io::Result<std::fs::File> + Clone + Send + 'static,
    ) -> Result<Content> {
        let reading = Error::io("reading a changed file");
        if size <= AT_ONCE {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            open()
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(reading)?;
            return self.put(organisation, bytes.into()).await;
        }
        let opened = open.clone();
        let name = tokio::task::spawn_blocking(move || opened().and_then(hash_of))
            .await?
            .map_err(reading)?;
        let key = Key::addressed(&namespace(organisation)?, &name);
        // Written anew although it may be there: so it is young when a sweep looks at it.
        let mut upload = self.0.upload(&key, size);
        let mut file = open().map_err(Error::io("reading a changed file"))?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = file
                .read(&mut piece)
                .map_err(Error::io("reading a changed file"))?;
            if read == 0 {
                break;
            }
            upload.write(&piece[..read]).await?;
        }
        let stored = upload.finish().await?;
        if stored.id == name {
            Ok(Content::Blob(name.to_string()))
        } else {
            Err(Error::Damaged("a file that changed while it was read"))
        }
    }

    /// The bytes of a small file or of a file that is known to fit.
    pub(crate) async fn get(
        &self,
        organisation: &OrganisationId,
        content: &Content,
        size: u64,
    ) -> Result<Bytes> {
        match content {
            Content::Inline(bytes) => Ok(bytes.clone()),
            Content::Blob(blob) => Ok(self
                .0
                .get_addressed(&namespace(organisation)?, &hash(blob)?, size)
                .await?),
            Content::Link(_) => Err(Error::Damaged("a link read as a file")),
        }
    }

    /// The bytes of a stored file in parts.
    pub(crate) async fn download(&self, organisation: &OrganisationId, blob: &str) -> Result<Download> {
        Ok(self
            .0
            .download_addressed(&namespace(organisation)?, &hash(blob)?)
            .await?)
    }

    /// Removes what no row refers to and was last written before an instant.
    pub(crate) async fn sweep(&self, db: &Db, before: Timestamp) -> Result<u64> {
        let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before.as_micros()).unwrap_or(0));
        let all = Prefix::parse(ROOT).map_err(|_| Error::Damaged("a prefix"))?;
        let swept = self
            .0
            .sweep(&all, before, |keys| async move {
                let mut orphans = Vec::new();
                for key in keys {
                    let mut parts = key.as_str().split('/').skip(1);
                    let (Some(organisation), _, Some(blob)) = (parts.next(), parts.next(), parts.next())
                    else {
                        continue;
                    };
                    if !manifest::is_in_use(db, blob, organisation).await? {
                        orphans.push(key);
                    }
                }
                Ok::<_, Error>(orphans)
            })
            .await?;
        Ok(swept.deleted)
    }
}

fn hash_of(mut file: std::fs::File) -> std::io::Result<BlobId> {
    use sha2::{Digest as _, Sha256};
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            let digest: [u8; 32] = hasher.finalize().into();
            return Ok(BlobId::from(digest));
        }
        hasher.update(&piece[..read]);
    }
}
