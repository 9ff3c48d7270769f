//! Objects from one store to another.

use futures_util::{StreamExt as _, stream};
use pentad_blob::{Blobs, Error, Key, Stored};
use pentad_store::Db;

/// Objects on their way at a time.
const IN_FLIGHT: usize = 16;
/// How often an object is begun anew that was written again meanwhile.
const ATTEMPTS: usize = 5;

/// What became of an object.
pub(super) enum Outcome {
    Copied(Stored),
    /// The store has none by this name.
    Gone,
    /// Its bytes are not those that its name says.
    Damaged,
}

/// Every object that rows name.
pub(super) async fn named(db: &Db) -> anyhow::Result<Vec<Key>> {
    let mut keys = pentad_grep_sessions::named_objects(db).await?;
    keys.extend(pentad_session_sync::named_objects(db).await?);
    keys.extend(pentad_exec::named_objects(db).await?);
    keys.extend(pentad_runs::named_objects(db).await?);
    keys.extend(pentad_storage::named_objects(db).await?);
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// Copies objects, several at a time, and tells of each.
pub(super) async fn copy(
    from: &Blobs,
    to: &Blobs,
    keys: Vec<Key>,
    mut tell: impl FnMut(Key, Outcome),
) -> anyhow::Result<()> {
    let mut copies = stream::iter(keys)
        .map(|key| async move {
            let outcome = copy_one(from, to, &key).await;
            outcome.map(|outcome| (key, outcome))
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(copied) = copies.next().await {
        let (key, outcome) = copied?;
        tell(key, outcome);
    }
    Ok(())
}

async fn copy_one(from: &Blobs, to: &Blobs, key: &Key) -> Result<Outcome, Error> {
    let mut attempt = 1;
    loop {
        let outcome = match from.download(key).await {
            Ok(download) => to.put_stream(key, u64::MAX, download.into_stream()).await,
            Err(error) => Err(error),
        };
        let failure = match outcome {
            Ok(stored) if is_what_its_name_says(key, &stored) => return Ok(Outcome::Copied(stored)),
            Ok(_) => {
                to.delete(key).await?;
                return Ok(Outcome::Damaged);
            }
            Err(Error::Content { source, .. }) if source.is::<Error>() => match source.downcast() {
                Ok(reading) => *reading,
                Err(_) => unreachable!("it was asked what it is"),
            },
            Err(other) => other,
        };
        match failure {
            Error::NotFound { .. } => return Ok(Outcome::Gone),
            // The same bytes, written again to be young.
            Error::Replaced { .. } if attempt < ATTEMPTS => attempt += 1,
            other => return Err(other),
        }
    }
}

/// Whether an object that has its content's hash for a name has that content.
fn is_what_its_name_says(key: &Key, stored: &Stored) -> bool {
    let name = key.as_str().rsplit('/').next().unwrap_or_default();
    name.parse()
        .map_or(true, |id: pentad_blob::BlobId| id == stored.id)
}
