//! The rows that tell of databases.

use std::collections::BTreeMap;

use pentad_blob::BlobId;
use pentad_kernel::{OrganisationId, Timestamp, id};
use pentad_store::{Db, Tx, affected, with_reader, with_tx, with_writer};

use super::tables::{Known, Measured};
use crate::{Error, Namespace, Result};

macro_rules! columns {
    () => {
        "id, version, size, chunks, schema_version, measured_size"
    };
}

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM d1_databases WHERE organisation_id = $1 AND namespace = $2"
);
const MAKE: &str = "INSERT INTO d1_databases
     (organisation_id, namespace, id, version, size, chunks, schema_version, measured_size, created_at, updated_at)
     VALUES ($1, $2, $3, 0, 0, $4, 0, 0, $5, $5) ON CONFLICT (organisation_id, namespace) DO NOTHING";
const WRITE: &str =
    "UPDATE d1_databases SET version = version + 1, size = $2, chunks = $3, schema_version = $4,
     measured_size = $5, updated_at = $6 WHERE id = $1";
const TABLES: &str = "SELECT name, size FROM d1_tables WHERE database_id = $1";
const ADD_TABLE: &str = "INSERT INTO d1_tables (database_id, name, size, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (database_id, name) DO UPDATE SET size = excluded.size";
const DROP_TABLE: &str = "DELETE FROM d1_tables WHERE database_id = $1 AND name = $2";

/// The row of a database.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) size: i64,
    chunks: Vec<u8>,
    pub(crate) schema_version: i64,
    measured_size: i64,
}

impl Row {
    pub(super) async fn find(
        db: &Db,
        organisation: &OrganisationId,
        namespace: &Namespace,
    ) -> Result<Option<Self>> {
        Ok(with_reader!(*db, |conn| sqlx::query_as(FIND)
            .bind(organisation.as_str())
            .bind(namespace.as_str())
            .fetch_optional(conn)
            .await)?)
    }

    pub(super) async fn find_or_make(
        db: &Db,
        organisation: &OrganisationId,
        namespace: &Namespace,
        now: Timestamp,
    ) -> Result<Self> {
        if let Some(found) = Self::find(db, organisation, namespace).await? {
            return Ok(found);
        }
        let id = id::random_uuid();
        with_writer!(*db, |conn| sqlx::query(MAKE)
            .bind(organisation.as_str())
            .bind(namespace.as_str())
            .bind(&id)
            .bind(Vec::<u8>::new())
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        // Somebody else may have been faster.
        Self::find(db, organisation, namespace)
            .await?
            .ok_or(Error::Damaged("the row of a database"))
    }

    /// The row, which nobody else can lock before the transaction ends.
    pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Self> {
        dialect::lock(tx, id)
            .await?
            .ok_or(Error::Damaged("the row of a database"))
    }

    pub(super) const fn measured(&self) -> Known {
        Known {
            schema_version: self.schema_version,
            measured_size: self.measured_size,
        }
    }

    /// The names of its chunks, in order.
    pub(crate) fn chunks(&self) -> Result<Vec<BlobId>> {
        chunk_list(&self.chunks)
    }

    /// Writes down what the database is now.
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        measured: &Measured,
        chunks: &[BlobId],
        now: Timestamp,
    ) -> Result<()> {
        let chunks: Vec<u8> = chunks.iter().flat_map(|name| *name.as_bytes()).collect();
        let measured_size = if measured.tables.is_some() {
            measured.size
        } else {
            self.measured_size
        };
        with_tx!(*tx, |conn| sqlx::query(WRITE)
            .bind(&self.id)
            .bind(measured.size)
            .bind(&chunks)
            .bind(measured.schema_version)
            .bind(measured_size)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        match &measured.tables {
            Some(tables) => self.write_tables(tx, tables, now).await,
            None => Ok(()),
        }
    }

    async fn write_tables(&self, tx: &mut Tx, tables: &BTreeMap<String, i64>, now: Timestamp) -> Result<()> {
        let known: Vec<(Vec<u8>, i64)> = with_tx!(*tx, |conn| sqlx::query_as(TABLES)
            .bind(&self.id)
            .fetch_all(conn)
            .await)?;
        let known: BTreeMap<Vec<u8>, i64> = known.into_iter().collect();
        for (name, size) in tables {
            if known.get(name.as_bytes()) == Some(size) {
                continue;
            }
            with_tx!(*tx, |conn| sqlx::query(ADD_TABLE)
                .bind(&self.id)
                .bind(name.as_bytes())
                .bind(size)
                .bind(now.as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        let is_gone = |name: &[u8]| std::str::from_utf8(name).map_or(true, |name| !tables.contains_key(name));
        for name in known.keys().filter(|name| is_gone(name)) {
            with_tx!(*tx, |conn| sqlx::query(DROP_TABLE)
                .bind(&self.id)
                .bind(name)
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(())
    }
}

/// The names of chunks, as a row has them.
pub(crate) fn chunk_list(column: &[u8]) -> Result<Vec<BlobId>> {
    let (names, rest) = column.as_chunks::<32>();
    if rest.is_empty() {
        Ok(names.iter().map(|name| BlobId::from_bytes(*name)).collect())
    } else {
        Err(Error::Damaged("the chunks of a database"))
    }
}

/// A row's lock: SQLite has one writer, whose transaction is the lock.
mod dialect {
    use pentad_store::{Tx, with_tx};

    use super::Row;
    use crate::Result;

    const BY_ID: &str = concat!("SELECT ", columns!(), " FROM d1_databases WHERE id = $1");
    const BY_ID_FOR_UPDATE: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM d1_databases WHERE id = $1 FOR UPDATE"
    );

    pub(super) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Row>> {
        let statement = match tx {
            Tx::Sqlite(_) => BY_ID,
            Tx::Postgres(_) => BY_ID_FOR_UPDATE,
        };
        Ok(with_tx!(*tx, |conn| sqlx::query_as(statement)
            .bind(id)
            .fetch_optional(conn)
            .await)?)
    }
}
