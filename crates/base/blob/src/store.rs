//! The store: writing, reading and deleting objects.

use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::sync::RwLock;

use crate::error::{Error, Operation};
use crate::key::{BlobId, Key, Prefix};
use crate::limits::Limits;
use crate::list::ObjectInfo;
use crate::local::Directories;
use crate::open::{Opened, Options, open};

/// A store of objects. Cloning is cheap; all clones are one store.
///
/// A method that returns `Ok` after a write has put the bytes on disk, or has the word of S3 for
/// it. No object is ever visible in part. Every operation ends within the time its
/// [`Limits`] give it.
#[derive(Clone)]
pub struct Blobs {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn ObjectStore>,
    prefix: String,
    pub(crate) local: Option<Directories>,
    pub(crate) limits: Limits,
    /// A put of addressed bytes reads, a sweep that deletes writes: neither acts on what the
    /// other is about to change. Locked by hash of the key.
    guards: [RwLock<()>; GUARDS],
}

const GUARDS: usize = 64;

/// Deletions on their way at a time.
const DELETES_IN_FLIGHT: usize = 16;

impl Blobs {
    /// Opens a store, with the settings of the environment:
    ///
    /// | URL | objects are |
    /// |---|---|
    /// | `file:DIR`, `file:///DIR` | files below the directory, which is created |
    /// | `s3://BUCKET/PREFIX` | in a bucket, found by `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, … |
    /// | `memory:` | gone with the last clone of the store |
    ///
    /// # Errors
    /// [`Error::InvalidStore`]; [`Error::Unavailable`] or [`Error::Denied`] if the directory
    /// cannot be created. Whether a bucket can be reached shows with the first operation.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::open_with(url, &Options::default())
    }

    /// [`open`](Self::open) with other limits or another environment.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(url: &str, options: &Options) -> Result<Self, Error> {
        let Opened { store, prefix, local } = open(url, options)?;
        let guards = std::array::from_fn(|_| RwLock::new(()));
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                prefix,
                local,
                limits: options.limits,
                guards,
            }),
        })
    }

    /// The limits the store was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Stores bytes under their own hash. Idempotent: bytes that are there already are not sent
    /// again, unless they are old enough for a sweep to have an eye on them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn put_addressed(&self, namespace: &Prefix, bytes: Bytes) -> Result<BlobId, Error> {
        let id = BlobId::of(&bytes);
        let key = Key::addressed(namespace, &id);
        let _guard = self.guard(&key).read().await;
        let existing = match self.head(&key).await {
            Ok(existing) => Some(existing),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let size = bytes.len() as u64;
        match existing {
            Some(object) if object.size == size && self.is_young(&object) => {
                self.make_durable(&key, true).await?;
            }
            None if bytes.len() <= self.inner.limits.part_bytes => {
                self.put(&key, bytes, PutMode::Create).await?;
            }
            _ => {
                let mut upload = self.upload(&key, size);
                upload.write(&bytes).await?;
                upload.finish().await?;
            }
        }
        Ok(id)
    }

    /// Reads content-addressed bytes and checks them against their name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::TooLarge`] beyond `max_bytes`; [`Error::Corrupt`];
    /// [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn get_addressed(
        &self,
        namespace: &Prefix,
        id: &BlobId,
        max_bytes: u64,
    ) -> Result<Bytes, Error> {
        let key = Key::addressed(namespace, id);
        let Some(bytes) = self.get_in_one(&key, max_bytes).await? else {
            let download = self.download_addressed(namespace, id).await?;
            return download.bytes_within(&key, max_bytes).await;
        };
        match BlobId::of(&bytes) {
            found if found == *id => Ok(bytes),
            found => Err(Error::Corrupt { key, found }),
        }
    }

    /// Reads an object of at most `max_bytes` into memory.
    ///
    /// # Errors
    /// As for [`get_addressed`](Self::get_addressed), apart from [`Error::Corrupt`].
    pub async fn get(&self, key: &Key, max_bytes: u64) -> Result<Bytes, Error> {
        match self.get_in_one(key, max_bytes).await? {
            Some(bytes) => Ok(bytes),
            // It may have been replaced by a larger one.
            None => self.download(key).await?.bytes_within(key, max_bytes).await,
        }
    }

    /// An object that is no larger than a part; `None` for a larger one.
    async fn get_in_one(&self, key: &Key, max_bytes: u64) -> Result<Option<Bytes>, Error> {
        let part_bytes = self.inner.limits.part_bytes as u64;
        let read = async {
            let found = self.inner.store.get(&self.path(key)).await?;
            let size = found.meta.size;
            if size > max_bytes || size > part_bytes {
                return Ok(Err(size));
            }
            found.bytes().await.map(Ok)
        };
        match self.timed(Operation::Get, key, part_bytes, read).await? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(size) if size > max_bytes => Err(Error::TooLarge {
                key: key.clone(),
                limit: max_bytes,
            }),
            Err(_) => Ok(None),
        }
    }

    /// Reads the bytes `range` of an object into memory.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InvalidRange`] if the object ends before the range does;
    /// [`Error::Replaced`]; [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        self.download_range(key, range).await?.bytes().await
    }

    /// Size and age of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn head(&self, key: &Key) -> Result<ObjectInfo, Error> {
        self.head_meta(key)
            .await
            .map(|meta| ObjectInfo::of(key.clone(), &meta))
    }

    /// Deletes an object. One that is not there counts as deleted.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        let path = self.path(key);
        match self
            .timed(Operation::Delete, key, 0, self.inner.store.delete(&path))
            .await
        {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Deletes objects, several at a time, all of them even if some fail.
    ///
    /// # Errors
    /// The first failure, as for [`delete`](Self::delete).
    pub async fn delete_many(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Error> {
        let deleting = keys.into_iter().map(|key| async move { self.delete(&key).await });
        let outcomes = stream::iter(deleting).buffer_unordered(DELETES_IN_FLIGHT);
        outcomes
            .fold(Ok(()), |first, outcome| std::future::ready(first.and(outcome)))
            .await
    }

    /// Writes an object by one request and returns when it is durable.
    pub(crate) async fn put(&self, key: &Key, bytes: Bytes, mode: PutMode) -> Result<(), Error> {
        let path = self.path(key);
        let size = bytes.len() as u64;
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let put = self
            .inner
            .store
            .put_opts(&path, PutPayload::from_bytes(bytes), options);
        let put = async {
            match put.await {
                Ok(_) => Ok(false),
                // Only in mode `Create`, which is for bytes that are what their name says: somebody
                // else was faster with the same bytes, or our own first attempt was.
                Err(object_store::Error::AlreadyExists { .. }) => Ok(true),
                Err(error) => Err(error),
            }
        };
        let existed = self.timed(Operation::Put, key, size, put).await?;
        self.make_durable(key, existed).await
    }

    /// Returns once the name of a local object, and of the directories above it, is on disk.
    pub(crate) async fn make_durable(&self, key: &Key, existed: bool) -> Result<(), Error> {
        let Some(directories) = self.inner.local.clone() else {
            return Ok(());
        };
        let name = key.as_str().to_owned();
        let sync = move || directories.make_durable(&name, existed);
        self.blocking(Operation::Put, key.as_str(), sync).await
    }

    pub(crate) async fn head_meta(&self, key: &Key) -> Result<ObjectMeta, Error> {
        let path = self.path(key);
        self.timed(Operation::Head, key, 0, self.inner.store.head(&path))
            .await
    }

    /// Reads at most one part's worth of bytes from the version of an object that `meta` is of.
    pub(crate) async fn get_part(
        &self,
        key: &Key,
        meta: &ObjectMeta,
        range: Range<u64>,
    ) -> Result<Bytes, Error> {
        let wanted = range.end - range.start;
        let options = GetOptions {
            if_match: meta.e_tag.clone(),
            range: Some(range.into()),
            ..GetOptions::default()
        };
        let path = self.path(key);
        let get = async { self.inner.store.get_opts(&path, options).await?.bytes().await };
        let bytes = self.timed(Operation::Get, key, wanted, get).await?;
        if bytes.len() as u64 != wanted {
            return Err(Error::Replaced { key: key.clone() });
        }
        Ok(bytes)
    }

    /// Where a key lies in the store.
    pub(crate) fn path(&self, key: &Key) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}{key}", self.inner.prefix))
    }

    /// Where the keys of a prefix lie in the store.
    pub(crate) fn prefix_path(&self, prefix: &Prefix) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}{prefix}", self.inner.prefix))
    }

    /// Where all keys lie.
    pub(crate) fn everything(&self) -> object_store::path::Path {
        object_store::path::Path::from(self.inner.prefix.as_str())
    }

    /// The key of what lies somewhere in the store, if it is ours.
    pub(crate) fn key_at(&self, path: &object_store::path::Path) -> Option<Key> {
        path.as_ref()
            .strip_prefix(&self.inner.prefix)
            .and_then(|name| Key::parse(name).ok())
    }

    /// Keeps puts of addressed bytes and deletions by a sweep apart.
    pub(crate) fn guard(&self, key: &Key) -> &RwLock<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of division by 64")]
        let place = (hasher.finish() % GUARDS as u64) as usize;
        &self.inner.guards[place]
    }

    /// Runs one operation on one object, with a bound on its time.
    pub(crate) async fn timed<T>(
        &self,
        operation: Operation,
        key: &Key,
        bytes: u64,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        let after = self.inner.limits.time_for(bytes);
        match tokio::time::timeout(after, work).await {
            Ok(outcome) => outcome.map_err(|error| Error::of_object(operation, key, error)),
            Err(_) => Err(Error::Timeout {
                operation,
                key: key.to_string(),
                after,
            }),
        }
    }

    /// Runs file system work where it may block, with a bound on the time it is waited for.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let after = self.inner.limits.timeout;
        match tokio::time::timeout(after, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(outcome)) => outcome.map_err(|error| Error::of_cause(operation, key, error.into())),
            Ok(Err(panicked)) => Err(Error::of_cause(operation, key, panicked.into())),
            Err(_) => Err(Error::Timeout {
                operation,
                key: key.to_owned(),
                after,
            }),
        }
    }

    fn is_young(&self, object: &ObjectInfo) -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "ages of objects come from the clock of the store, which no test can set"
        )]
        let now = SystemTime::now();
        now.duration_since(object.modified).unwrap_or(Duration::ZERO) < self.inner.limits.refresh_after
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Blobs")
            .field(&format_args!("{}", self.inner.store))
            .finish()
    }
}

/// Joins the parts of an object in memory.
pub(crate) fn join(size: usize, parts: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => {
            let mut joined = BytesMut::with_capacity(size);
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            joined.freeze()
        }
    }
}
