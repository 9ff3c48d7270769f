//! Removing bytes that nothing refers to any more.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pentad_blob::{Key, Prefix};
use pentad_kernel::Timestamp;
use pentad_store::{affected, with_reader, with_writer};

use crate::d1::{Chunks, DatabaseRow, Form};
use crate::r2::{ROOT, blob_key};
use crate::{Error, Result, Storage};

const RETIRED: &str = "SELECT blob_id FROM r2_retired WHERE retired_at < $1 ORDER BY retired_at LIMIT 500";
const FORGET: &str = "DELETE FROM r2_retired WHERE blob_id = $1";
const IS_KNOWN: &str = "SELECT blob_id FROM r2_objects WHERE blob_id = $1
     UNION ALL SELECT blob_id FROM r2_retired WHERE blob_id = $1";
const DATABASES: &str = "SELECT id FROM d1_databases WHERE id > $1 ORDER BY id LIMIT 500";

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Contents of objects that were replaced or deleted.
    pub replaced: u64,
    /// Contents of objects that were never finished.
    pub orphans: u64,
    /// Chunks of old versions of databases.
    pub chunks: u64,
}

impl Storage {
    /// Removes bytes in the object store that were replaced or deleted longer than
    /// [`orphan_seconds`](crate::Limits::orphan_seconds) ago, or never got a row. One gateway at a time does so.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Objects`]. Sweep again.
    pub async fn sweep(&self) -> Result<Swept> {
        let before = self.clock.now().minus(self.limits.orphan_age());
        Ok(Swept {
            replaced: self.sweep_retired(before).await?,
            orphans: self.sweep_orphans(before).await?,
            chunks: self.sweep_chunks(before).await?,
        })
    }

    async fn sweep_retired(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        loop {
            let retired: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(RETIRED)
                .bind(before.as_micros())
                .fetch_all(conn)
                .await)?;
            if retired.is_empty() {
                return Ok(removed);
            }
            let keys: Vec<Key> = retired.iter().map(|id| blob_key(id)).collect::<Result<_>>()?;
            self.blobs.delete_many(keys).await?;
            for blob_id in &retired {
                removed += with_writer!(self.db, |conn| sqlx::query(FORGET)
                    .bind(blob_id)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
        }
    }

    async fn sweep_orphans(&self, before: Timestamp) -> Result<u64> {
        let root = Prefix::parse(ROOT).map_err(|_| Error::Damaged("a prefix"))?;
        let swept = self
            .blobs
            .sweep(&root, system_time(before), |keys| async move {
                let mut orphans = Vec::new();
                for key in keys {
                    let blob_id = key.as_str().rsplit('/').next().unwrap_or_default();
                    let known: Option<String> = with_reader!(self.db, |conn| sqlx::query_scalar(IS_KNOWN)
                        .bind(blob_id)
                        .fetch_optional(conn)
                        .await)?;
                    if known.is_none() {
                        orphans.push(key);
                    }
                }
                Ok::<_, pentad_store::Error>(orphans)
            })
            .await?;
        Ok(swept.deleted)
    }

    async fn sweep_chunks(&self, before: Timestamp) -> Result<u64> {
        if self.databases.form() == Form::File {
            return Ok(0);
        }
        let mut removed = 0;
        let mut after = String::new();
        loop {
            let ids: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(DATABASES)
                .bind(&after)
                .fetch_all(conn)
                .await)?;
            let Some(last) = ids.last() else {
                return Ok(removed);
            };
            after.clone_from(last);
            for id in &ids {
                // Under the lock of its row nobody stores chunks of the database.
                let mut tx = self.db.begin().await?;
                let row = DatabaseRow::lock(&mut tx, id).await?;
                let chunks = Chunks::of(&self.blobs, id)?;
                removed += chunks.sweep(&row.chunks()?, system_time(before)).await?;
                tx.commit().await?;
            }
        }
    }
}

fn system_time(instant: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(instant.as_micros()).unwrap_or(0))
}
