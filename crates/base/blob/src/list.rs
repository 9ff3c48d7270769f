//! Which objects there are.

use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use crate::error::{Error, Operation};
use crate::key::{Key, Prefix};
use crate::store::Blobs;

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its key.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the clock of the store.
    pub modified: SystemTime,
}

/// Some objects, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The objects.
    pub objects: Vec<ObjectInfo>,
    /// The `after` of the next page; `None` on the last one.
    pub next: Option<Key>,
}

impl ObjectInfo {
    pub(crate) fn of(key: Key, meta: &ObjectMeta) -> Self {
        Self {
            key,
            size: meta.size,
            modified: meta.last_modified.into(),
        }
    }
}

impl Blobs {
    /// Up to `limit` objects below a prefix, in the order of their keys, after the key `after`.
    ///
    /// Objects whose names are no keys are not this program's and are passed over.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Page, Error> {
        let limit = limit.max(1);
        // One more than asked for shows whether there is a next page.
        let mut objects = match &self.inner.local {
            Some(directories) => {
                let (directories, prefix) = (directories.clone(), prefix.to_string());
                let after = after.map(ToString::to_string);
                let name = prefix.clone();
                let walk = move || directories.list(&prefix, after.as_deref(), limit + 1);
                self.blocking(Operation::List, &name, walk).await?
            }
            None => self.list_store(prefix, after, limit + 1).await?,
        };
        let more = objects.len() > limit;
        objects.truncate(limit);
        let next = if more {
            objects.last().map(|last| last.key.clone())
        } else {
            None
        };
        Ok(Page { objects, next })
    }

    /// Whether nothing lies in the store, neither objects nor anything else.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Denied`], [`Error::Unavailable`].
    pub async fn is_empty(&self) -> Result<bool, Error> {
        let everything = self.everything();
        let mut found = self.inner.store.list(Some(&everything));
        let after = self.inner.limits.timeout;
        match tokio::time::timeout(after, found.try_next()).await {
            Ok(Ok(first)) => Ok(first.is_none()),
            Ok(Err(error)) => Err(Error::of_store(Operation::List, everything.as_ref(), error)),
            Err(_) => Err(Error::Timeout {
                operation: Operation::List,
                key: everything.to_string(),
                after,
            }),
        }
    }

    async fn list_store(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, Error> {
        let path = self.prefix_path(prefix);
        let found = match after {
            Some(after) => self.inner.store.list_with_offset(Some(&path), &self.path(after)),
            None => self.inner.store.list(Some(&path)),
        };
        let ours = |meta: ObjectMeta| async move {
            Ok(self.key_at(&meta.location).map(|key| ObjectInfo::of(key, &meta)))
        };
        let objects = found.try_filter_map(ours).take(limit).try_collect();
        let after = self.inner.limits.timeout;
        match tokio::time::timeout(after, objects).await {
            Ok(outcome) => outcome.map_err(|error| Error::of_store(Operation::List, prefix.as_str(), error)),
            Err(_) => Err(Error::Timeout {
                operation: Operation::List,
                key: prefix.to_string(),
                after,
            }),
        }
    }
}
