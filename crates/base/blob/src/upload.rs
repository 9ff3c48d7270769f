//! Writing an object of unknown size.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use object_store::{MultipartUpload, PutMode, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::error::{Cause, Error, Operation};
use crate::key::{BlobId, Key};
use crate::store::Blobs;

/// What an upload has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub id: BlobId,
}

/// An object on its way in.
///
/// Nothing of it can be seen before [`finish`](Self::finish) returns, and nothing of it remains
/// if it is dropped before: what was sent is deleted, in the background. Memory holds the part
/// being filled and [`parts_in_flight`](crate::Limits::parts_in_flight) more.
#[must_use = "an upload that is not finished stores nothing"]
pub struct Upload {
    blobs: Blobs,
    key: Key,
    max_bytes: u64,
    size: u64,
    hasher: Sha256,
    buffer: BytesMut,
    /// `None` until the first part is full: a small object is put by a single request.
    parts: Option<Parts>,
}

impl Blobs {
    /// Begins an object of at most `max_bytes`. One that exists under this key is replaced, at
    /// once and whole, when the upload is finished.
    ///
    /// The key must be of identifiers that nobody else uses; of two uploads of one key the last
    /// to finish stays.
    pub fn upload(&self, key: &Key, max_bytes: u64) -> Upload {
        Upload {
            blobs: self.clone(),
            key: key.clone(),
            max_bytes,
            size: 0,
            hasher: Sha256::new(),
            buffer: BytesMut::new(),
            parts: None,
        }
    }

    /// Stores a stream, by [`upload`](Self::upload).
    ///
    /// # Errors
    /// [`Error::Content`] if the stream fails, [`Error::TooLarge`] if it yields more than
    /// `max_bytes`; nothing is stored then. [`Error::NoSpace`], [`Error::Timeout`],
    /// [`Error::Denied`], [`Error::Unavailable`].
    pub async fn put_stream<E: Into<Cause>>(
        &self,
        key: &Key,
        max_bytes: u64,
        content: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Stored, Error> {
        let mut upload = self.upload(key, max_bytes);
        let mut content = std::pin::pin!(content);
        let outcome = loop {
            match content.next().await {
                Some(Ok(bytes)) => {
                    if let Err(error) = upload.write(&bytes).await {
                        break Err(error);
                    }
                }
                Some(Err(error)) => {
                    break Err(Error::Content {
                        key: key.clone(),
                        source: error.into(),
                    });
                }
                None => break Ok(()),
            }
        };
        match outcome {
            Ok(()) => upload.finish().await,
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }
}

impl Upload {
    /// Takes more of the content. Waits while too many parts are on their way.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NoSpace`], [`Error::Timeout`], [`Error::Denied`],
    /// [`Error::Unavailable`]. The upload is of no further use then.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.size += bytes.len() as u64;
        if self.size > self.max_bytes {
            return Err(Error::TooLarge {
                key: self.key.clone(),
                limit: self.max_bytes,
            });
        }
        self.hasher.update(bytes);
        let part_bytes = self.blobs.limits().part_bytes.max(1);
        // A full part waits for the next byte: an object of exactly one part needs no parts.
        while self.buffer.len() + bytes.len() > part_bytes {
            let (head, tail) = bytes.split_at(part_bytes - self.buffer.len());
            self.buffer.extend_from_slice(head);
            bytes = tail;
            self.send_part().await?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the object durable, then visible.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`]. What was sent is deleted; if
    /// the store failed at the very end, the object may have become visible.
    pub async fn finish(mut self) -> Result<Stored, Error> {
        let stored = Stored {
            size: self.size,
            id: BlobId::from_hasher(std::mem::take(&mut self.hasher)),
        };
        if self.parts.is_none() {
            let bytes = std::mem::take(&mut self.buffer).freeze();
            self.blobs.put(&self.key, bytes, PutMode::Overwrite).await?;
            return Ok(stored);
        }
        let outcome = self.finish_parts().await;
        if let Err(error) = outcome {
            self.abort().await;
            return Err(error);
        }
        self.blobs.make_durable(&self.key, false).await?;
        Ok(stored)
    }

    /// Gives up, and returns when nothing of the upload is left, or the store cannot be asked to
    /// delete it.
    pub async fn abort(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.abort(&self.blobs, &self.key).await;
        }
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let part_bytes = self.blobs.limits().part_bytes;
        let part = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(part_bytes)).freeze();
        let path = self.blobs.path(&self.key);
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let begin = self
                    .blobs
                    .inner
                    .store
                    .put_multipart_opts(&path, Default::default());
                let upload = self.blobs.timed(Operation::Put, &self.key, 0, begin).await?;
                self.parts.insert(Parts {
                    upload,
                    sending: JoinSet::new(),
                })
            }
        };
        while parts.sending.len() >= self.blobs.limits().parts_in_flight.max(1) {
            parts.next_sent().await?;
        }
        let (blobs, key, size) = (self.blobs.clone(), self.key.clone(), part.len() as u64);
        let sending = parts.upload.put_part(PutPayload::from_bytes(part));
        parts
            .sending
            .spawn(async move { blobs.timed(Operation::Put, &key, size, sending).await });
        Ok(())
    }

    async fn finish_parts(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let Some(parts) = &mut self.parts else {
            return Ok(());
        };
        while !parts.sending.is_empty() {
            parts.next_sent().await?;
        }
        self.blobs
            .timed(Operation::Put, &self.key, 0, parts.upload.complete())
            .await?;
        // Nothing is left to abort.
        self.parts = None;
        Ok(())
    }
}

/// The parts of an object that the store has, or is being sent.
struct Parts {
    upload: Box<dyn MultipartUpload>,
    sending: JoinSet<Result<(), Error>>,
}

impl Parts {
    async fn next_sent(&mut self) -> Result<(), Error> {
        match self.sending.join_next().await {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn abort(mut self, blobs: &Blobs, key: &Key) {
        // A part that arrives after the end of the upload would stay for ever.
        self.sending.shutdown().await;
        if let Err(error) = blobs.timed(Operation::Delete, key, 0, self.upload.abort()).await {
            tracing::warn!(%key, %error, "an unfinished upload could not be aborted");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        // Outside a runtime the process is about to end; a sweep finds local remains, a lifecycle
        // rule those on S3.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (blobs, key) = (self.blobs.clone(), self.key.clone());
            runtime.spawn(async move { parts.abort(&blobs, &key).await });
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Upload")
            .field("key", &self.key)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
