//! Objects: a row that says what an object is, and bytes under an identifier of their own.

use bytes::Bytes;
use futures_util::Stream;
use pentad_blob::{Download, Key as BlobKey, Prefix};
use pentad_kernel::{Actor, Timestamp, id};
use pentad_store::{affected, with_reader, with_tx};

use crate::names::{page, text};
use crate::{Error, Key, ListRequest, Namespace, Result, Storage};

/// Below which the bytes of all objects lie.
pub(crate) const ROOT: &str = "storage/r2";

const GET: &str = "SELECT blob_id, size, etag, uploaded_at, http_metadata, custom_metadata FROM r2_objects
     WHERE organisation_id = $1 AND namespace = $2 AND key = $3";
const RETIRE: &str = "INSERT INTO r2_retired (blob_id, retired_at)
     SELECT blob_id, $4 FROM r2_objects WHERE organisation_id = $1 AND namespace = $2 AND key = $3
     ON CONFLICT (blob_id) DO NOTHING";
const PUT: &str = "INSERT INTO r2_objects
     (organisation_id, namespace, key, blob_id, size, etag, created_at, uploaded_at, http_metadata, custom_metadata)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)
     ON CONFLICT (organisation_id, namespace, key) DO UPDATE SET
         blob_id = excluded.blob_id, size = excluded.size, etag = excluded.etag,
         uploaded_at = excluded.uploaded_at, http_metadata = excluded.http_metadata,
         custom_metadata = excluded.custom_metadata";
const DELETE: &str = "DELETE FROM r2_objects WHERE organisation_id = $1 AND namespace = $2 AND key = $3";
const LIST: &str = "SELECT key, size, uploaded_at FROM r2_objects
     WHERE organisation_id = $1 AND namespace = $2 AND key >= $3 AND key < $4 ORDER BY key LIMIT $5";

/// Facts about a value or an object, as JSON.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// Facts about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectMetadata {
    /// How it is served: `contentType` and the like.
    pub http: Metadata,
    /// What whoever stored it wants to know of it.
    pub custom: Metadata,
}

/// What a write has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of the bytes, in hex.
    pub etag: String,
}

/// An object on its way out.
#[derive(Debug)]
pub struct Object {
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of the bytes, in hex.
    pub etag: String,
    /// When it was stored.
    pub uploaded: Timestamp,
    /// Facts about it.
    pub metadata: ObjectMetadata,
    /// The bytes.
    pub content: Download,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    pub uploaded: Timestamp,
}

/// A page of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, in the order of the bytes of their keys.
    pub objects: Vec<ListedObject>,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    blob_id: String,
    size: i64,
    etag: String,
    uploaded_at: i64,
    http_metadata: String,
    custom_metadata: String,
}

pub(crate) fn parse_metadata(text: &str) -> Result<Metadata> {
    serde_json::from_str(text).map_err(|_| Error::Damaged("metadata is not JSON"))
}

pub(crate) fn write_metadata(metadata: &Metadata, limit: usize, name: &'static str) -> Result<String> {
    let text = serde_json::to_string(metadata).map_err(|_| Error::Damaged("metadata has no JSON form"))?;
    if text.len() > limit {
        return Err(Error::TooLarge {
            what: "the metadata",
            limit: limit as u64,
            name,
        });
    }
    Ok(text)
}

/// Where the bytes with an identifier lie.
pub(crate) fn blob_key(blob_id: &str) -> Result<BlobKey> {
    let shard = blob_id.get(..2).unwrap_or_default();
    Prefix::parse(ROOT)
        .and_then(|root| root.key(&format!("{shard}/{blob_id}")))
        .map_err(|_| Error::Damaged("the identifier of an object"))
}

impl Storage {
    /// Stores an object under a key, in place of what was there, at once and whole.
    ///
    /// # Errors
    /// [`Error::LongKey`]; [`Error::TooLarge`] for the content or the metadata; [`Error::Content`] when the content
    /// fails; [`Error::Store`], [`Error::Objects`]. What was there is then still there.
    pub async fn r2_put<E>(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        key: &Key,
        metadata: &ObjectMetadata,
        content: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<StoredObject>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let key = key.bytes_within(&self.limits)?;
        let limit = self.limits.r2_metadata_bytes;
        let http = write_metadata(&metadata.http, limit, "r2_metadata_bytes")?;
        let custom = write_metadata(&metadata.custom, limit, "r2_metadata_bytes")?;
        let blob_id = id::random_uuid();
        let stored = self
            .blobs
            .put_stream(&blob_key(&blob_id)?, self.limits.r2_object_bytes, content)
            .await
            .map_err(|error| match error {
                pentad_blob::Error::TooLarge { limit, .. } => Error::TooLarge {
                    what: "the object",
                    limit,
                    name: "r2_object_bytes",
                },
                pentad_blob::Error::Content { source, .. } => Error::Content(source.to_string()),
                other => other.into(),
            })?;
        let etag = stored.id.to_string();
        let now = self.clock.now().as_micros();
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(RETIRE)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .bind(now)
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(tx, |conn| sqlx::query(PUT)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .bind(&blob_id)
            .bind(i64::try_from(stored.size).unwrap_or(i64::MAX))
            .bind(&etag)
            .bind(now)
            .bind(&http)
            .bind(&custom)
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        Ok(StoredObject {
            size: stored.size,
            etag,
        })
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Error::ObjectNotFound`], [`Error::LongKey`], [`Error::Store`], [`Error::Objects`].
    pub async fn r2_get(&self, actor: &Actor, namespace: &Namespace, key: &Key) -> Result<Object> {
        let key = key.bytes_within(&self.limits)?;
        let row: Option<Row> = with_reader!(self.db, |conn| sqlx::query_as(GET)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or(Error::ObjectNotFound)?;
        let content = self.blobs.download(&blob_key(&row.blob_id)?).await?;
        Ok(Object {
            size: u64::try_from(row.size).unwrap_or(0),
            etag: row.etag,
            uploaded: Timestamp::from_micros(row.uploaded_at),
            metadata: ObjectMetadata {
                http: parse_metadata(&row.http_metadata)?,
                custom: parse_metadata(&row.custom_metadata)?,
            },
            content,
        })
    }

    /// Removes an object. One that is not there counts as removed.
    ///
    /// # Errors
    /// [`Error::LongKey`], [`Error::Store`].
    pub async fn r2_delete(&self, actor: &Actor, namespace: &Namespace, key: &Key) -> Result<()> {
        let key = key.bytes_within(&self.limits)?;
        let now = self.clock.now().as_micros();
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(RETIRE)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .bind(now)
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(tx, |conn| sqlx::query(DELETE)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        Ok(())
    }

    /// Lists objects in the order of the bytes of their keys.
    ///
    /// # Errors
    /// [`Error::Cursor`], [`Error::Store`].
    pub async fn r2_list(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        request: &ListRequest,
    ) -> Result<ObjectPage> {
        let range = request.range()?;
        let limit = request.limit();
        let rows: Vec<(Vec<u8>, i64, i64)> = with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(range.from)
            .bind(range.to)
            .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
            .fetch_all(conn)
            .await)?;
        let objects = rows
            .into_iter()
            .map(|(key, size, uploaded)| {
                Ok(ListedObject {
                    key: text(key)?,
                    size: u64::try_from(size).unwrap_or(0),
                    uploaded: Timestamp::from_micros(uploaded),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let (objects, cursor) = page(objects, limit, |object| &object.key);
        Ok(ObjectPage { objects, cursor })
    }
}
