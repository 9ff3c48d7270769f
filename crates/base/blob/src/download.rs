//! Reading an object in parts.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::key::{BlobId, Key, Prefix};
use crate::store::{Blobs, join};

/// An object on its way out.
///
/// Its bytes are asked for in ranges, one ahead of what was taken: a slow reader keeps no
/// connection and no file open, and memory holds two parts at most. All parts are of one version
/// of the object; if it is replaced on the way, the stream ends in [`Error::Replaced`].
pub struct Download {
    size: u64,
    range: Range<u64>,
    parts: BoxStream<'static, Result<Bytes, Error>>,
}

/// Parts that are fetched at a time.
const PARTS_AHEAD: usize = 2;

impl Download {
    /// All of it, if it is no larger than that.
    pub(crate) async fn bytes_within(self, key: &Key, max_bytes: u64) -> Result<Bytes, Error> {
        if self.size > max_bytes {
            return Err(Error::TooLarge {
                key: key.clone(),
                limit: max_bytes,
            });
        }
        self.bytes().await
    }

    /// The size of the whole object in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of it that the stream yields.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// The parts in order.
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, Error>> {
        self.parts
    }

    /// All of it in memory.
    ///
    /// # Errors
    /// What the stream ends in.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        // A range that does not fit in memory was refused where it was asked for.
        let size = usize::try_from(self.range.end - self.range.start).unwrap_or_default();
        Ok(join(size, self.parts.try_collect().await?))
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Download")
            .field("size", &self.size)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl Blobs {
    /// Reads an object in parts.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`]; the
    /// stream ends in one of these too, or in [`Error::Replaced`].
    pub async fn download(&self, key: &Key) -> Result<Download, Error> {
        let meta = self.head_meta(key).await?;
        let size = meta.size;
        Ok(self.parts(key, meta, 0..size))
    }

    /// Reads the bytes `range` of an object in parts.
    ///
    /// # Errors
    /// Also [`Error::InvalidRange`] if the object ends before the range does.
    pub async fn download_range(&self, key: &Key, range: Range<u64>) -> Result<Download, Error> {
        let meta = self.head_meta(key).await?;
        if range.start > range.end || range.end > meta.size {
            return Err(Error::InvalidRange {
                key: key.clone(),
                start: range.start,
                end: range.end,
            });
        }
        Ok(self.parts(key, meta, range))
    }

    /// Reads content-addressed bytes in parts. The last part is held back until all of them have
    /// proved to be what their name says; otherwise the stream ends in [`Error::Corrupt`].
    ///
    /// # Errors
    /// As for [`download`](Self::download).
    pub async fn download_addressed(&self, namespace: &Prefix, id: &BlobId) -> Result<Download, Error> {
        let key = Key::addressed(namespace, id);
        // Of no version: what is written anew under the same name has the same bytes, which is checked.
        let meta = object_store::ObjectMeta {
            e_tag: None,
            ..self.head_meta(&key).await?
        };
        let (id, size) = (*id, meta.size);
        let mut download = self.parts(&key, meta, 0..size);
        let check = move |(hasher, seen): &mut (Sha256, u64), part: Result<Bytes, Error>| {
            let checked = part.and_then(|part| {
                hasher.update(&part);
                *seen += part.len() as u64;
                match BlobId::from_hasher(hasher.clone()) {
                    found if *seen == size && found != id => Err(Error::Corrupt {
                        key: key.clone(),
                        found,
                    }),
                    _ => Ok(part),
                }
            });
            std::future::ready(Some(checked))
        };
        if size == 0 {
            // Nothing flows that could be checked.
            let nothing = Ok(Bytes::new());
            download.parts = stream::once(std::future::ready(nothing)).boxed();
        }
        download.parts = download.parts.scan((Sha256::new(), 0), check).boxed();
        Ok(download)
    }

    fn parts(&self, key: &Key, meta: object_store::ObjectMeta, range: Range<u64>) -> Download {
        let size = meta.size;
        let step = self.inner.limits.part_bytes.max(1);
        let (blobs, key) = (self.clone(), key.clone());
        let fetch = move |start: u64| {
            let (blobs, key, meta) = (blobs.clone(), key.clone(), meta.clone());
            let part = start..(start + step as u64).min(range.end);
            async move { blobs.get_part(&key, &meta, part).await }
        };
        let parts = stream::iter(range.clone().step_by(step))
            .map(fetch)
            .buffered(PARTS_AHEAD)
            .boxed();
        Download { size, range, parts }
    }
}
