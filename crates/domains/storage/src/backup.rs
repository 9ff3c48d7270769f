//! What a backup of the rows has to hold besides.

use std::path::Path;
use std::time::Duration;

use pentad_blob::Key as BlobKey;
use pentad_store::{Db, with_reader};
use rusqlite::{Connection, OpenFlags};

use crate::d1::{Chunks, Form, chunk_list, form_beside};
use crate::r2::blob_key;
use crate::{Error, Result};

const R2: &str = "SELECT blob_id FROM r2_objects";
const D1: &str = "SELECT id, chunks FROM d1_databases";
const D1_FILES: &str = "SELECT id FROM d1_databases WHERE version > 0";

/// How long a copy waits for a statement that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The keys of all objects that rows name.
///
/// # Errors
/// [`Error::Store`]; [`Error::Damaged`] when a row holds no name.
pub async fn named_objects(db: &Db) -> Result<Vec<BlobKey>> {
    let objects: Vec<String> = with_reader!(*db, |conn| sqlx::query_scalar(R2).fetch_all(conn).await)?;
    let mut keys: Vec<BlobKey> = objects.iter().map(|id| blob_key(id)).collect::<Result<_>>()?;
    let databases: Vec<(String, Vec<u8>)> =
        with_reader!(*db, |conn| sqlx::query_as(D1).fetch_all(conn).await)?;
    for (id, list) in databases {
        let mut chunks = chunk_list(&list)?;
        chunks.sort_unstable();
        chunks.dedup();
        keys.extend(
            chunks
                .iter()
                .map(|chunk| Chunks::key(&id, chunk))
                .collect::<Result<Vec<_>>>()?,
        );
    }
    Ok(keys)
}

/// The names, in the directory of SQL databases, of the files that are databases; none beside PostgreSQL, where
/// files are copies of objects.
///
/// # Errors
/// [`Error::Store`].
pub async fn database_files(db: &Db) -> Result<Vec<String>> {
    if form_beside(db) == Form::Chunks {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = with_reader!(*db, |conn| sqlx::query_scalar(D1_FILES).fetch_all(conn).await)?;
    Ok(ids.into_iter().map(|id| format!("{id}.db")).collect())
}

/// Copies the file of a SQL database while statements run on it. The copy has every statement that ended before
/// this began, and each whole or not at all; it is not flushed to the disk. Statements that write wait meanwhile.
///
/// # Errors
/// [`Error::Directory`] when a file cannot be read or written, [`Error::Engine`] when SQLite refuses to read it.
pub fn copy_database(from: &Path, to: &Path) -> Result<()> {
    // Not to be made when it is gone; to be written to when a statement was interrupted half-way.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(from, flags).map_err(Error::Engine)?;
    connection.busy_timeout(PATIENCE).map_err(Error::Engine)?;
    // From the first read to the end of the transaction nobody changes the file: writers journal into another one,
    // and need the file alone to commit (sqlite.org/lockingv3.html).
    connection.execute_batch("BEGIN").map_err(Error::Engine)?;
    connection
        .pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))
        .map_err(Error::Engine)?;
    std::fs::copy(from, to).map_err(Error::Directory)?;
    connection.execute_batch("COMMIT").map_err(Error::Engine)
}
