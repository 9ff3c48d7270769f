//! The bytes of sessions in the object store: each object under its own hash.

use std::io::{self, Read};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use pentad_blob::{BlobId, Blobs, Key, Prefix, Swept};
use pentad_kernel::secret;
use pentad_store::{Db, with_reader};
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

use crate::{Error, Result, SessionSync};

/// Bytes moved from a spool to the store at a time.
const CHUNK: usize = 256 << 10;
/// How long an object without a row is left alone: longer than any request takes.
pub const ORPHAN_AGE: Duration = Duration::from_secs(6 * 3600);

/// An archive on its way to a client.
pub struct ArchiveStream {
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, hex.
    pub etag: String,
    /// Which of its bytes the stream gives.
    pub range: Range<u64>,
    /// The bytes.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

impl std::fmt::Debug for ArchiveStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveStream")
            .field("size", &self.size)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

fn namespace() -> Prefix {
    Prefix::parse("sync/objects").expect("the literal is a prefix")
}

fn key(hash: &str) -> Result<Key> {
    let id: BlobId = hash.parse().map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(Key::addressed(&namespace(), &id))
}

/// Stores what is in the spool and gives its hash, which `known` may already be.
pub(crate) async fn put(
    blobs: &Blobs,
    mut spool: SpooledTempFile,
    known: Option<[u8; 32]>,
) -> Result<String> {
    let (mut spool, hash) = match known {
        Some(hash) => (spool, hash),
        None => tokio::task::spawn_blocking(move || -> io::Result<_> {
            let mut hash = Sha256::new();
            let mut chunk = vec![0; CHUNK];
            loop {
                match spool.read(&mut chunk)? {
                    0 => break,
                    count => hash.update(&chunk[..count]),
                }
            }
            io::Seek::rewind(&mut spool)?;
            Ok((spool, hash.finalize().into()))
        })
        .await
        .map_err(|panic| Error::Internal(panic.into()))?
        .map_err(Error::Spool)?,
    };
    let hash = secret::hex(&hash);
    let key = key(&hash)?;
    if !spool.is_rolled() {
        let mut bytes = Vec::new();
        spool.read_to_end(&mut bytes).map_err(Error::Spool)?;
        blobs.put_addressed(&namespace(), bytes.into()).await?;
        return Ok(hash);
    }
    let mut upload = blobs.upload(&key, u64::MAX);
    loop {
        let (next, chunk) = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let mut filled = 0;
            while filled < chunk.len() {
                match spool.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            chunk.truncate(filled);
            Ok((spool, chunk))
        })
        .await
        .map_err(|panic| Error::Internal(panic.into()))?
        .map_err(Error::Spool)?;
        spool = next;
        if chunk.is_empty() {
            break;
        }
        upload.write(&chunk).await?;
    }
    upload.finish().await?;
    Ok(hash)
}

/// Stores a few bytes and gives their hash.
pub(crate) async fn put_bytes(blobs: &Blobs, bytes: Bytes) -> Result<String> {
    Ok(blobs.put_addressed(&namespace(), bytes).await?.to_string())
}

/// The bytes of an object, or a range of them.
pub(crate) async fn stream(
    blobs: &Blobs,
    hash: &str,
    range: Option<Range<u64>>,
) -> Result<(Range<u64>, BoxStream<'static, io::Result<Bytes>>)> {
    let key = key(hash)?;
    let download = match range {
        Some(range) => blobs.download_range(&key, range).await?,
        None => blobs.download(&key).await?,
    };
    let range = download.range();
    Ok((range, download.into_stream().map_err(io::Error::other).boxed()))
}

/// A piece of an object in memory.
pub(crate) async fn read(blobs: &Blobs, hash: &str, range: Range<u64>) -> Result<Bytes> {
    Ok(blobs.get_range(&key(hash)?, range).await?)
}

const REFERENCED: &str = "
    SELECT 1 FROM sync_contents WHERE archive_object = $1
    UNION ALL SELECT 1 FROM sync_contents WHERE messages_object = $1
    UNION ALL SELECT 1 FROM sync_upload_parts WHERE object = $1 LIMIT 1";

const NAMED: &str = "
    SELECT archive_object FROM sync_contents
    UNION SELECT messages_object FROM sync_contents WHERE messages_object IS NOT NULL
    UNION SELECT object FROM sync_upload_parts";

/// The keys of all objects that rows name: what a backup of the rows has to hold besides.
///
/// # Errors
/// When the database fails, or a row holds no name.
pub async fn named_objects(db: &Db) -> Result<Vec<Key>> {
    let named: Vec<String> = with_reader!(*db, |conn| sqlx::query_scalar(NAMED).fetch_all(conn).await)?;
    named.iter().map(|hash| key(hash)).collect()
}

impl SessionSync {
    /// Deletes stored bytes that no session and no upload refers to and that are older than `age`, usually
    /// [`ORPHAN_AGE`]. Called now and then.
    ///
    /// # Errors
    /// When the store or the database fails; the rest is left for the next call.
    pub async fn sweep_objects(&self, age: Duration) -> Result<Swept> {
        let before = self.clock.now().minus(age).as_micros();
        let before = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(before).unwrap_or(0));
        let unreferenced = |keys: Vec<Key>| async move {
            let mut orphans = Vec::new();
            for key in keys {
                let hash = key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
                let known: Option<i32> = with_reader!(self.db, |conn| sqlx::query_scalar(REFERENCED)
                    .bind(&hash)
                    .fetch_optional(conn)
                    .await)?;
                if known.is_none() {
                    orphans.push(key);
                }
            }
            Ok::<_, pentad_store::Error>(orphans)
        };
        Ok(self.blobs.sweep(&namespace(), before, unreferenced).await?)
    }
}
