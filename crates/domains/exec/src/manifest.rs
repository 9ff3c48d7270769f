//! The rows of files: what is in a workspace.

use std::collections::BTreeSet;

use bytes::Bytes;
use pentad_kernel::Timestamp;
use pentad_store::{Db, Tx, affected, with_reader, with_tx};

use crate::{Error, Result};

/// A file or link of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) modified_at: Timestamp,
    pub(crate) executable: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) content: Content,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In the row.
    Inline(Bytes),
    /// In the object store, under their hash.
    Blob(String),
    /// It is a link.
    Link(String),
}

/// A file as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Relative path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    path: String,
    size: i64,
    modified_at: i64,
    executable: bool,
    content_type: Option<String>,
    bytes: Option<Vec<u8>>,
    blob_id: Option<String>,
    target: Option<String>,
}

impl TryFrom<EntryRow> for Entry {
    type Error = Error;

    fn try_from(row: EntryRow) -> Result<Self> {
        let content = match (row.target, row.blob_id, row.bytes) {
            (Some(target), _, _) => Content::Link(target),
            (None, Some(blob), _) => Content::Blob(blob),
            (None, None, Some(bytes)) => Content::Inline(bytes.into()),
            (None, None, None) => return Err(Error::Damaged("a file without bytes")),
        };
        Ok(Self {
            path: row.path,
            size: row.size.unsigned_abs(),
            modified_at: Timestamp::from_micros(row.modified_at),
            executable: row.executable,
            content_type: row.content_type,
            content,
        })
    }
}

macro_rules! columns {
    () => {
        "path, size, modified_at, executable, content_type, bytes, blob_id, target"
    };
}

const ALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM exec_files WHERE session_id = $1 ORDER BY path"
);
const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM exec_files WHERE session_id = $1 AND path = $2"
);
const LIST: &str = "
    SELECT path, size, modified_at FROM exec_files WHERE session_id = $1 AND target IS NULL ORDER BY path";
const UPSERT_HEAD: &str = concat!("INSERT INTO exec_files (session_id, ", columns!(), ") ");
const UPSERT_TAIL: &str = "
    ON CONFLICT (session_id, path) DO UPDATE SET
        size = excluded.size, modified_at = excluded.modified_at, executable = excluded.executable,
        content_type = excluded.content_type, bytes = excluded.bytes, blob_id = excluded.blob_id,
        target = excluded.target";
const COPY: &str = concat!(
    "INSERT INTO exec_files (session_id, ",
    columns!(),
    ") SELECT $2, ",
    columns!(),
    " FROM exec_files WHERE session_id = $1"
);
const BLOB_IN_USE: &str = "
    SELECT 1 FROM exec_files JOIN exec_sessions ON exec_sessions.id = exec_files.session_id
    WHERE blob_id = $1 AND organisation_id = $2 LIMIT 1";
const BLOBS: &str = "
    SELECT DISTINCT organisation_id, blob_id
    FROM exec_files JOIN exec_sessions ON exec_sessions.id = exec_files.session_id WHERE blob_id IS NOT NULL";

/// Paths that one statement looks around: SQLite refuses conditions of a thousand parts.
const PATHS: usize = 200;
/// Rows written by one statement: nine values a row, and an engine's limit on values is 32 766.
const ROWS: usize = 400;

/// Everything in a workspace, in order of path.
pub(crate) async fn all(db: &Db, session: &str) -> Result<Vec<Entry>> {
    let rows: Vec<EntryRow> = with_reader!(*db, |conn| sqlx::query_as(ALL)
        .bind(session)
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(Entry::try_from).collect()
}

pub(crate) async fn one(db: &Db, session: &str, path: &str) -> Result<Option<Entry>> {
    let row: Option<EntryRow> = with_reader!(*db, |conn| sqlx::query_as(ONE)
        .bind(session)
        .bind(path)
        .fetch_optional(conn)
        .await)?;
    row.map(Entry::try_from).transpose()
}

/// The regular files, in order of path.
pub(crate) async fn list(db: &Db, session: &str) -> Result<Vec<FileEntry>> {
    let rows: Vec<(String, i64, i64)> = with_reader!(*db, |conn| sqlx::query_as(LIST)
        .bind(session)
        .fetch_all(conn)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|(path, size, modified_at)| FileEntry {
            path,
            size: size.unsigned_abs(),
            modified_at: Timestamp::from_micros(modified_at),
        })
        .collect())
}

/// Files that cannot stand beside files with these paths: where those need directories, and below them.
pub(crate) async fn in_the_way(tx: &mut Tx, session: &str, paths: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for piece in paths.chunks(PATHS) {
        let parents: BTreeSet<&str> = piece.iter().flat_map(|path| parents(path)).collect();
        let rows: Vec<String> = with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new("SELECT path FROM exec_files WHERE session_id = ");
            query.push_bind(session.to_owned()).push(" AND (path IN (");
            let mut listed = query.separated(", ");
            // An empty list is none in PostgreSQL, and no path is empty.
            listed.push_bind(String::new());
            for parent in &parents {
                listed.push_bind((*parent).to_owned());
            }
            query.push(")");
            for path in piece {
                let (first, end) = below(path);
                query.push(" OR (path > ").push_bind(first);
                query.push(" AND path < ").push_bind(end).push(")");
            }
            query.push(")");
            query.build_query_scalar().fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// The directories above a path.
pub(crate) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// The paths below a directory lie between these two: `0` follows `/`.
fn below(path: &str) -> (String, String) {
    (format!("{path}/"), format!("{path}0"))
}

/// Writes files over those with the same paths.
pub(crate) async fn put(tx: &mut Tx, session: &str, entries: &[Entry]) -> Result<()> {
    for piece in entries.chunks(ROWS) {
        with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new(UPSERT_HEAD);
            query.push_values(piece, |mut row, entry| {
                let (bytes, blob, target) = match &entry.content {
                    Content::Inline(bytes) => (Some(bytes.to_vec()), None, None),
                    Content::Blob(blob) => (None, Some(blob.clone()), None),
                    Content::Link(target) => (None, None, Some(target.clone())),
                };
                row.push_bind(session.to_owned())
                    .push_bind(entry.path.clone())
                    .push_bind(i64::try_from(entry.size).unwrap_or(i64::MAX))
                    .push_bind(entry.modified_at.as_micros())
                    .push_bind(entry.executable)
                    .push_bind(entry.content_type.clone())
                    .push_bind(bytes)
                    .push_bind(blob)
                    .push_bind(target);
            });
            query.push(UPSERT_TAIL);
            query.build().execute(conn).await.map(affected)
        })?;
    }
    Ok(())
}

/// Whether the file was there.
pub(crate) async fn delete(tx: &mut Tx, session: &str, path: &str) -> Result<bool> {
    Ok(delete_all(tx, session, &[path]).await? > 0)
}

/// How many of the files were there.
pub(crate) async fn delete_all(tx: &mut Tx, session: &str, paths: &[&str]) -> Result<u64> {
    let mut deleted = 0;
    for piece in paths.chunks(ROWS) {
        deleted += with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new("DELETE FROM exec_files WHERE session_id = ");
            query.push_bind(session.to_owned()).push(" AND path IN (");
            let mut listed = query.separated(", ");
            for path in piece {
                listed.push_bind((*path).to_owned());
            }
            query.push(")");
            query.build().execute(conn).await.map(affected)
        })?;
    }
    Ok(deleted)
}

/// Gives a session the files of another one.
pub(crate) async fn copy(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    with_tx!(*tx, |conn| sqlx::query(COPY)
        .bind(from)
        .bind(to)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

/// The organisation and the hash of all bytes that are not in a row.
pub(crate) async fn blobs(db: &Db) -> Result<Vec<(String, String)>> {
    Ok(with_reader!(*db, |conn| sqlx::query_as(BLOBS)
        .fetch_all(conn)
        .await)?)
}

/// Whether a file of the organisation has these bytes.
pub(crate) async fn is_in_use(db: &Db, blob: &str, organisation: &str) -> Result<bool> {
    let found: Option<i32> = with_reader!(*db, |conn| sqlx::query_scalar(BLOB_IN_USE)
        .bind(blob)
        .bind(organisation)
        .fetch_optional(conn)
        .await)?;
    Ok(found.is_some())
}
