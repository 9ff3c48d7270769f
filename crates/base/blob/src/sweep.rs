//! Deleting what nobody refers to.

use std::collections::HashSet;
use std::future::Future;
use std::time::SystemTime;

use futures_util::{StreamExt, stream};

use crate::error::{Cause, Error, Operation};
use crate::key::{Key, Prefix};
use crate::list::ObjectInfo;
use crate::store::Blobs;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Objects looked at.
    pub examined: u64,
    /// Of these, too young to be asked about, or put again while the sweep was at it.
    pub young: u64,
    /// Of these, still referenced.
    pub referenced: u64,
    /// Of these, deleted.
    pub deleted: u64,
    /// Bytes in the deleted objects.
    pub deleted_bytes: u64,
    /// Files of killed writers deleted besides (local store only).
    pub remains: u64,
}

/// Objects the caller is asked about at a time.
const BATCH: usize = 500;

/// Deletions on their way at a time.
const DELETES_IN_FLIGHT: usize = 16;

impl Blobs {
    /// Deletes the objects below a prefix that were last written before `modified_before` and
    /// that the caller calls unreferenced.
    ///
    /// An object becomes durable before the row that refers to it, so a young object without a
    /// row is normal: it belongs to a request that is still running. Sweep what is older than
    /// any request can be; an hour is customary.
    ///
    /// `unreferenced` is asked about up to 500 keys at a time and returns those that no row
    /// refers to. Immediately before an object is deleted its age is looked at again: bytes that
    /// were put again meanwhile stay. Puts and sweeps through clones of one store exclude each
    /// other. **Several processes** on one bucket do not: there, bytes that have lain
    /// unreferenced for longer than the age can be put again by one process between the last
    /// look of another and its deletion, some milliseconds later. Where that matters, have
    /// writers note the address in a row before they put, and let `unreferenced` count that row.
    ///
    /// # Errors
    /// [`Error::Reference`] if `unreferenced` fails; [`Error::Timeout`], [`Error::Denied`],
    /// [`Error::Unavailable`]. What was deleted before stays deleted; sweep again.
    pub async fn sweep<F, Answer, E>(
        &self,
        prefix: &Prefix,
        modified_before: SystemTime,
        mut unreferenced: F,
    ) -> Result<Swept, Error>
    where
        F: FnMut(Vec<Key>) -> Answer,
        Answer: Future<Output = Result<Vec<Key>, E>>,
        E: Into<Cause>,
    {
        let mut swept = Swept::default();
        let mut after = None;
        loop {
            let page = self.list(prefix, after.as_ref(), BATCH).await?;
            let examined = page.objects.len() as u64;
            let old: Vec<ObjectInfo> = page
                .objects
                .into_iter()
                .filter(|object| object.modified < modified_before)
                .collect();
            swept.examined += examined;
            swept.young += examined - old.len() as u64;
            if !old.is_empty() {
                let keys = old.iter().map(|object| object.key.clone()).collect();
                let answer = unreferenced(keys).await;
                let orphans: HashSet<Key> = answer
                    .map_err(|error| Error::Reference { source: error.into() })?
                    .into_iter()
                    .collect();
                let (orphans, referenced): (Vec<_>, Vec<_>) =
                    old.into_iter().partition(|object| orphans.contains(&object.key));
                swept.referenced += referenced.len() as u64;
                self.delete_orphans(orphans, modified_before, &mut swept).await?;
            }
            after = match page.next {
                Some(next) => Some(next),
                None => break,
            };
        }
        swept.remains = self.delete_remains(prefix, modified_before).await?;
        tracing::debug!(%prefix, ?swept, "sweep objects");
        Ok(swept)
    }

    async fn delete_orphans(
        &self,
        orphans: Vec<ObjectInfo>,
        modified_before: SystemTime,
        swept: &mut Swept,
    ) -> Result<(), Error> {
        let delete = |orphan: ObjectInfo| async move {
            let _guard = self.guard(&orphan.key).write().await;
            match self.head(&orphan.key).await {
                Ok(object) if object.modified >= modified_before => Ok(None),
                Ok(object) => self.delete(&orphan.key).await.map(|()| Some(object.size)),
                Err(Error::NotFound { .. }) => Ok(Some(0)),
                Err(error) => Err(error),
            }
        };
        let mut outcomes = stream::iter(orphans)
            .map(delete)
            .buffer_unordered(DELETES_IN_FLIGHT);
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                None => swept.young += 1,
                Some(bytes) => {
                    swept.deleted += 1;
                    swept.deleted_bytes += bytes;
                }
            }
        }
        Ok(())
    }

    async fn delete_remains(&self, prefix: &Prefix, modified_before: SystemTime) -> Result<u64, Error> {
        let Some(directories) = self.inner.local.clone() else {
            return Ok(0);
        };
        let name = prefix.to_string();
        let delete = move || directories.delete_staged(&name, modified_before);
        self.blocking(Operation::Delete, prefix.as_str(), delete).await
    }
}
