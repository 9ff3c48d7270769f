//! The rows of files: what is in a workspace.

use bytes::Bytes;
use pentad_kernel::Timestamp;
use pentad_sandbox::WorkspacePath;
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
const BELOW: &str = "SELECT path FROM exec_files WHERE session_id = $1 AND path > $2 AND path < $3 LIMIT 1";
const IS_THERE: &str = "SELECT path FROM exec_files WHERE session_id = $1 AND path = $2";
const UPSERT_HEAD: &str = concat!("INSERT INTO exec_files (session_id, ", columns!(), ") ");
const UPSERT_TAIL: &str = "
    ON CONFLICT (session_id, path) DO UPDATE SET
        size = excluded.size, modified_at = excluded.modified_at, executable = excluded.executable,
        content_type = excluded.content_type, bytes = excluded.bytes, blob_id = excluded.blob_id,
        target = excluded.target";
const DELETE: &str = "DELETE FROM exec_files WHERE session_id = $1 AND path = $2";
const DELETE_BELOW: &str = "DELETE FROM exec_files WHERE session_id = $1 AND path > $2 AND path < $3";
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

/// Refuses a path of which a part is a file, or below which there are files.
pub(crate) async fn refuse_conflict(tx: &mut Tx, session: &str, path: &WorkspacePath) -> Result<()> {
    let text = path.as_str();
    let mut other = None;
    for (end, _) in text.match_indices('/') {
        let parent = &text[..end];
        let found: Option<String> = with_tx!(*tx, |conn| sqlx::query_scalar(IS_THERE)
            .bind(session)
            .bind(parent)
            .fetch_optional(conn)
            .await)?;
        other = other.or(found);
    }
    let (first, end) = below(text);
    let found: Option<String> = with_tx!(*tx, |conn| sqlx::query_scalar(BELOW)
        .bind(session)
        .bind(first)
        .bind(end)
        .fetch_optional(conn)
        .await)?;
    match other.or(found) {
        Some(other) => Err(Error::PathConflict {
            path: text.to_owned(),
            other,
        }),
        None => Ok(()),
    }
}

/// Removes what cannot stand beside a new file: files where it needs directories, and files below it.
pub(crate) async fn make_way(tx: &mut Tx, session: &str, path: &str) -> Result<()> {
    for (end, _) in path.match_indices('/') {
        delete(tx, session, &path[..end]).await?;
    }
    let (first, end) = below(path);
    with_tx!(*tx, |conn| sqlx::query(DELETE_BELOW)
        .bind(session)
        .bind(first)
        .bind(end)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
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
    let deleted = with_tx!(*tx, |conn| sqlx::query(DELETE)
        .bind(session)
        .bind(path)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(deleted > 0)
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
