//! Where the bytes of screenshots lie: small ones in their row, large ones in the object store.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use pentad_blob::{BlobId, Blobs, Key, Prefix};
use pentad_kernel::{OrganisationId, Timestamp};
use pentad_store::{Db, with_reader};

use crate::record::Submission;
use crate::{Error, Result};

/// Up to this size an image is written with its row: one flush instead of two.
const INLINE_BYTES: usize = 48 << 10;

/// Below which all objects of runs lie.
const ROOT: &str = "runs";
const NAMED: &str = "SELECT organisation_id, sha256 FROM run_objects WHERE bytes IS NULL";
const EXISTS: &str = "SELECT sha256 FROM run_objects WHERE organisation_id = $1 AND sha256 = $2";

/// The objects of all organisations, each in a namespace of its own: nobody can find out whether
/// somebody else has the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    blobs: Blobs,
    largest: u64,
}

fn namespace(organisation: &OrganisationId) -> Result<Prefix> {
    Prefix::parse(&format!("{ROOT}/{organisation}"))
        .map_err(|_| Error::Damaged("an organisation's identifier"))
}

/// The keys of all objects that rows name: what a backup of the rows has to hold besides.
///
/// # Errors
/// [`Error::Store`]; [`Error::Damaged`] when a row holds no name.
pub async fn named_objects(db: &Db) -> Result<Vec<Key>> {
    let rows: Vec<(String, String)> = with_reader!(*db, |conn| sqlx::query_as(NAMED).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(organisation, sha256)| {
            let id: BlobId = sha256.parse().map_err(|_| Error::Damaged("a hash"))?;
            Ok(Key::addressed(
                &namespace(&OrganisationId::new(organisation))?,
                &id,
            ))
        })
        .collect()
}

impl Objects {
    pub(crate) const fn new(blobs: Blobs, largest: u64) -> Self {
        Self { blobs, largest }
    }

    /// Stores what is too large for a row, before the row that refers to it is written.
    pub(crate) async fn put_large(
        &self,
        organisation: &OrganisationId,
        submission: &mut Submission,
    ) -> Result<()> {
        for change in &mut submission.changes {
            let Some(object) = &mut change.object else {
                continue;
            };
            let Some(bytes) = object.bytes.take_if(|bytes| bytes.len() > INLINE_BYTES) else {
                continue;
            };
            submission.bytes = submission.bytes.saturating_sub(bytes.len());
            self.blobs.put_addressed(&namespace(organisation)?, bytes).await?;
        }
        Ok(())
    }

    /// Removes what no row refers to and was last written before an instant.
    pub(crate) async fn sweep(&self, db: &Db, before: Timestamp) -> Result<()> {
        let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before.as_micros()).unwrap_or(0));
        let all = Prefix::parse(ROOT).map_err(|_| Error::Damaged("a prefix"))?;
        self.blobs
            .sweep(&all, before, |keys| async move {
                let mut orphans = Vec::new();
                for key in keys {
                    let mut parts = key.as_str().split('/').skip(1);
                    let (organisation, _, sha256) = (parts.next(), parts.next(), parts.next());
                    let known: Option<String> = with_reader!(*db, |conn| sqlx::query_scalar(EXISTS)
                        .bind(organisation)
                        .bind(sha256)
                        .fetch_optional(conn)
                        .await)?;
                    if known.is_none() {
                        orphans.push(key);
                    }
                }
                Ok::<_, pentad_store::Error>(orphans)
            })
            .await?;
        Ok(())
    }

    /// The bytes with a hash.
    pub(crate) async fn get(&self, organisation: &OrganisationId, sha256: &str) -> Result<Bytes> {
        let id: BlobId = sha256.parse().map_err(|_| Error::Damaged("a hash"))?;
        Ok(self
            .blobs
            .get_addressed(&namespace(organisation)?, &id, self.largest)
            .await?)
    }
}
