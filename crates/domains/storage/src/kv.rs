//! Key-value pairs.

use pentad_kernel::Actor;
use pentad_store::{affected, with_reader, with_writer};

use crate::names::{page, text};
use crate::r2::{Metadata, parse_metadata, write_metadata};
use crate::{Error, Key, ListRequest, Namespace, Result, Storage};

const SET: &str = "INSERT INTO kv_entries
     (organisation_id, namespace, key, size, created_at, updated_at, metadata, value)
     VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
     ON CONFLICT (organisation_id, namespace, key) DO UPDATE SET
         size = excluded.size, updated_at = excluded.updated_at,
         metadata = excluded.metadata, value = excluded.value";
const GET: &str =
    "SELECT value, metadata FROM kv_entries WHERE organisation_id = $1 AND namespace = $2 AND key = $3";
const DELETE: &str = "DELETE FROM kv_entries WHERE organisation_id = $1 AND namespace = $2 AND key = $3";
const LIST: &str = "SELECT key, metadata FROM kv_entries
     WHERE organisation_id = $1 AND namespace = $2 AND key >= $3 AND key < $4 ORDER BY key LIMIT $5";

/// What to store under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// The value.
    pub value: String,
    /// Facts about it.
    pub metadata: Metadata,
}

impl NewEntry {
    /// A value without metadata.
    pub fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            metadata: Metadata::new(),
        }
    }
}

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: String,
    /// Facts about it.
    pub metadata: Metadata,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedEntry {
    /// The key.
    pub key: String,
    /// Facts about its value.
    pub metadata: Metadata,
}

/// A page of keys.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPage {
    /// The keys, in the order of their bytes.
    pub entries: Vec<ListedEntry>,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}

impl Storage {
    /// Stores a value under a key, in place of what was there.
    ///
    /// # Errors
    /// [`Error::LongKey`]; [`Error::TooLarge`] for the value or the metadata; [`Error::Store`].
    pub async fn kv_set(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        key: &Key,
        entry: NewEntry,
    ) -> Result<()> {
        let key = key.bytes_within(&self.limits)?;
        let size = entry.value.len();
        if size > self.limits.kv_value_bytes {
            return Err(Error::TooLarge {
                what: "the value",
                limit: self.limits.kv_value_bytes as u64,
                name: "kv_value_bytes",
            });
        }
        let metadata = write_metadata(
            &entry.metadata,
            self.limits.kv_metadata_bytes,
            "kv_metadata_bytes",
        )?;
        with_writer!(self.db, |conn| sqlx::query(SET)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .bind(self.clock.now().as_micros())
            .bind(metadata)
            .bind(entry.value.into_bytes())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Reads what is stored under a key.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::LongKey`], [`Error::Store`].
    pub async fn kv_get(&self, actor: &Actor, namespace: &Namespace, key: &Key) -> Result<Entry> {
        let key = key.bytes_within(&self.limits)?;
        let found: Option<(Vec<u8>, String)> = with_reader!(self.db, |conn| sqlx::query_as(GET)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .fetch_optional(conn)
            .await)?;
        let (value, metadata) = found.ok_or(Error::KeyNotFound)?;
        Ok(Entry {
            value: String::from_utf8(value).map_err(|_| Error::Damaged("a value is not text"))?,
            metadata: parse_metadata(&metadata)?,
        })
    }

    /// Removes a key. One that is not there counts as removed.
    ///
    /// # Errors
    /// [`Error::LongKey`], [`Error::Store`].
    pub async fn kv_delete(&self, actor: &Actor, namespace: &Namespace, key: &Key) -> Result<()> {
        let key = key.bytes_within(&self.limits)?;
        with_writer!(self.db, |conn| sqlx::query(DELETE)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(key)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Lists keys in the order of their bytes.
    ///
    /// # Errors
    /// [`Error::Cursor`], [`Error::Store`].
    pub async fn kv_list(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        request: &ListRequest,
    ) -> Result<EntryPage> {
        let range = request.range()?;
        let limit = request.limit();
        let rows: Vec<(Vec<u8>, String)> = with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(actor.organisation.as_str())
            .bind(namespace.as_str())
            .bind(range.from)
            .bind(range.to)
            .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
            .fetch_all(conn)
            .await)?;
        let entries = rows
            .into_iter()
            .map(|(key, metadata)| {
                Ok(ListedEntry {
                    key: text(key)?,
                    metadata: parse_metadata(&metadata)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let (entries, cursor) = page(entries, limit, |entry| &entry.key);
        Ok(EntryPage { entries, cursor })
    }
}
