//! The rows of sessions and of their stored segments.

use pentad_blob::BlobId;
use pentad_kernel::{OrganisationId, Timestamp};
use pentad_store::{Db, Tx, affected, with_reader, with_tx, with_writer};

use crate::{Error, Result, Session, SessionId, State, Storage};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: String,
    organisation_id: String,
    storage: String,
    state: String,
    file_count: i64,
    text_bytes: i64,
    created_at: i64,
    expires_at: Option<i64>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::new(row.id),
            organisation: OrganisationId::new(row.organisation_id),
            storage: Storage::parse(&row.storage).unwrap_or_default(),
            state: State::parse(&row.state),
            file_count: row.file_count.unsigned_abs(),
            text_bytes: row.text_bytes.unsigned_abs(),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_micros),
        }
    }
}

/// A stored segment.
#[derive(Debug)]
pub(crate) struct StoredSegment {
    /// Its place among the segments of its session, from 1; 0 before it has one.
    pub(crate) sequence: i64,
    pub(crate) blob: BlobId,
    pub(crate) text_bytes: u64,
    pub(crate) stored_bytes: u64,
}

#[derive(sqlx::FromRow)]
struct SegmentRow {
    sequence: i64,
    blob_id: String,
    text_bytes: i64,
    stored_bytes: i64,
}

macro_rules! columns {
    () => {
        "id, organisation_id, storage, state, file_count, text_bytes, created_at, expires_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO grep_sessions (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const BY_ID: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM grep_sessions WHERE id = $1 AND organisation_id = $2"
);
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM grep_sessions
     WHERE organisation_id = $1 AND state <> 'deleted' AND (expires_at IS NULL OR expires_at > $2)
       AND (created_at < $3 OR (created_at = $3 AND id < $4))
     ORDER BY created_at DESC, id DESC LIMIT $5"
);
const SET_STATE: &str = "UPDATE grep_sessions SET state = $2 WHERE id = $1 AND state <> 'deleted'";
const END_MEMORY: &str =
    "UPDATE grep_sessions SET state = 'stopped' WHERE id = $1 AND storage = 'memory' AND state = 'live'";
/// Also takes the row's lock, behind which nobody else changes the session.
const SET_SIZE: &str = "
    UPDATE grep_sessions SET file_count = $2, text_bytes = $3
    WHERE id = $1 AND (state = 'live' OR (storage = 's3' AND state = 'stopped'))";
const LAST_SEGMENT: &str =
    "SELECT CAST(COALESCE(MAX(sequence), 0) AS BIGINT) FROM grep_segments WHERE session_id = $1";
const STANDING: &str = "
    SELECT state, CAST(COALESCE((SELECT MAX(sequence) FROM grep_segments WHERE session_id = $1), 0) AS BIGINT)
    FROM grep_sessions WHERE id = $1";
const LIVE: &str = "
    SELECT COUNT(*) FROM grep_sessions
    WHERE organisation_id = $1 AND state = 'live' AND (expires_at IS NULL OR expires_at > $2)";
const INSERT_SEGMENT: &str = "
    INSERT INTO grep_segments (session_id, sequence, blob_id, text_bytes, stored_bytes)
    SELECT $1, COALESCE(MAX(sequence), 0) + 1, $2, $3, $4 FROM grep_segments WHERE session_id = $1";
const SEGMENTS: &str = "
    SELECT sequence, blob_id, text_bytes, stored_bytes FROM grep_segments
    WHERE session_id = $1 AND sequence > $2 ORDER BY sequence";
const DELETE_SEGMENTS: &str = "DELETE FROM grep_segments WHERE session_id = $1";
const STORED_BYTES: &str = "
    SELECT CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) FROM grep_segments
    JOIN grep_sessions ON grep_sessions.id = grep_segments.session_id
    WHERE organisation_id = $1 AND storage = 's3'";
const REFERENCED: &str = "SELECT 1 FROM grep_segments WHERE session_id = $1 AND blob_id = $2";
// What a session named that can never answer again may be gone already.
const NAMED: &str = "
    SELECT DISTINCT session_id, blob_id FROM grep_segments JOIN grep_sessions ON grep_sessions.id = session_id
    WHERE state = 'live' OR (state = 'stopped' AND storage = 's3')";
const HALF_DELETED: &str = "
    SELECT DISTINCT grep_sessions.id FROM grep_sessions JOIN grep_segments ON session_id = grep_sessions.id
    WHERE state = 'deleted' OR (storage = 'memory' AND (state = 'stopped' OR expires_at <= $1)) LIMIT 100";
const END_LOST: &str = "
    UPDATE grep_sessions SET state = 'stopped' WHERE storage = 'memory' AND state = 'live' AND expires_at <= $1
    RETURNING id";

pub(crate) async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    with_tx!(*tx, |conn| sqlx::query(INSERT)
        .bind(session.id.as_str())
        .bind(session.organisation.as_str())
        .bind(session.storage.name())
        .bind(session.state.name())
        .bind(signed(session.file_count))
        .bind(signed(session.text_bytes))
        .bind(session.created_at.as_micros())
        .bind(session.expires_at.map(Timestamp::as_micros))
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

pub(crate) async fn find(db: &Db, organisation: &OrganisationId, id: &SessionId) -> Result<Session> {
    let row: Option<SessionRow> = with_reader!(*db, |conn| sqlx::query_as(BY_ID)
        .bind(id.as_str())
        .bind(organisation.as_str())
        .fetch_optional(conn)
        .await)?;
    row.map(Session::from).ok_or(Error::NotFound)
}

/// Sessions that are neither deleted nor ended, newest first, after a position.
pub(crate) async fn page(
    db: &Db,
    organisation: &OrganisationId,
    now: Timestamp,
    after: &(i64, String),
    limit: u32,
) -> Result<Vec<Session>> {
    let rows: Vec<SessionRow> = with_reader!(*db, |conn| sqlx::query_as(PAGE)
        .bind(organisation.as_str())
        .bind(now.as_micros())
        .bind(after.0)
        .bind(&after.1)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Whether the session was not yet deleted for good.
pub(crate) async fn set_state(db: &Db, id: &SessionId, state: State) -> Result<bool> {
    let changed = with_writer!(*db, |conn| sqlx::query(SET_STATE)
        .bind(id.as_str())
        .bind(state.name())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(changed > 0)
}

/// Ends a memory session; whether it had not ended before.
pub(crate) async fn end_memory(db: &Db, id: &SessionId) -> Result<bool> {
    let changed = with_writer!(*db, |conn| sqlx::query(END_MEMORY)
        .bind(id.as_str())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(changed > 0)
}

/// What became of a change to a session.
pub(crate) enum Changed {
    /// The session's last segment is now of this number.
    To(i64),
    /// Somebody else changed the session meanwhile.
    Behind,
    /// The session has ended, or was deleted.
    Gone,
}

/// Adds segments to a session whose last one is `seen`, and notes what the session holds then.
pub(crate) async fn change(
    db: &Db,
    id: &SessionId,
    seen: i64,
    (file_count, text_bytes): (u64, u64),
    segments: &[StoredSegment],
) -> Result<Changed> {
    let mut tx = db.begin().await?;
    let changed = with_tx!(tx, |conn| sqlx::query(SET_SIZE)
        .bind(id.as_str())
        .bind(signed(file_count))
        .bind(signed(text_bytes))
        .execute(conn)
        .await
        .map(affected))?;
    if changed == 0 {
        return Ok(Changed::Gone);
    }
    let last: i64 = with_tx!(tx, |conn| sqlx::query_scalar(LAST_SEGMENT)
        .bind(id.as_str())
        .fetch_one(conn)
        .await)?;
    if last != seen {
        return Ok(Changed::Behind);
    }
    insert_segments(&mut tx, id, segments).await?;
    tx.commit().await?;
    Ok(Changed::To(last + segments.len() as i64))
}

/// How a session stands: its state, and the number of its last segment. `None` when there is none.
pub(crate) async fn standing(db: &Db, id: &SessionId) -> Result<Option<(State, i64)>> {
    let row: Option<(String, i64)> = with_reader!(*db, |conn| sqlx::query_as(STANDING)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await)?;
    Ok(row.map(|(state, last)| (State::parse(&state), last)))
}

/// How many sessions of an organisation have not ended.
pub(crate) async fn count_live(db: &Db, organisation: &OrganisationId, now: Timestamp) -> Result<u64> {
    let count: i64 = with_reader!(*db, |conn| sqlx::query_scalar(LIVE)
        .bind(organisation.as_str())
        .bind(now.as_micros())
        .fetch_one(conn)
        .await)?;
    Ok(count.unsigned_abs())
}

pub(crate) async fn insert_segments(tx: &mut Tx, id: &SessionId, segments: &[StoredSegment]) -> Result<()> {
    for segment in segments {
        with_tx!(*tx, |conn| sqlx::query(INSERT_SEGMENT)
            .bind(id.as_str())
            .bind(segment.blob.to_string())
            .bind(signed(segment.text_bytes))
            .bind(signed(segment.stored_bytes))
            .execute(conn)
            .await
            .map(affected))?;
    }
    Ok(())
}

/// The segments after one of them, 0 for all.
pub(crate) async fn segments(db: &Db, id: &SessionId, after: i64) -> Result<Vec<StoredSegment>> {
    let rows: Vec<SegmentRow> = with_reader!(*db, |conn| sqlx::query_as(SEGMENTS)
        .bind(id.as_str())
        .bind(after)
        .fetch_all(conn)
        .await)?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredSegment {
                sequence: row.sequence,
                blob: row
                    .blob_id
                    .parse()
                    .map_err(|_| Error::Damaged("its name is no hash".to_owned()))?,
                text_bytes: row.text_bytes.unsigned_abs(),
                stored_bytes: row.stored_bytes.unsigned_abs(),
            })
        })
        .collect()
}

pub(crate) async fn delete_segments(db: &Db, id: &SessionId) -> Result<()> {
    with_writer!(*db, |conn| sqlx::query(DELETE_SEGMENTS)
        .bind(id.as_str())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

pub(crate) async fn stored_bytes(db: &Db, organisation: &OrganisationId) -> Result<u64> {
    let sum: i64 = with_reader!(*db, |conn| sqlx::query_scalar(STORED_BYTES)
        .bind(organisation.as_str())
        .fetch_one(conn)
        .await)?;
    Ok(sum.unsigned_abs())
}

pub(crate) async fn is_referenced(db: &Db, id: &str, blob: &str) -> Result<bool> {
    let found: Option<i32> = with_reader!(*db, |conn| sqlx::query_scalar(REFERENCED)
        .bind(id)
        .bind(blob)
        .fetch_optional(conn)
        .await)?;
    Ok(found.is_some())
}

/// Sessions that are over and whose objects are still there.
pub(crate) async fn half_deleted(db: &Db, now: Timestamp) -> Result<Vec<SessionId>> {
    let ids: Vec<String> = with_reader!(*db, |conn| sqlx::query_scalar(HALF_DELETED)
        .bind(now.as_micros())
        .fetch_all(conn)
        .await)?;
    Ok(ids.into_iter().map(SessionId::new).collect())
}

/// The session and the hash of all stored segments that are wanted.
pub(crate) async fn named(db: &Db) -> Result<Vec<(String, String)>> {
    Ok(with_reader!(*db, |conn| sqlx::query_as(NAMED)
        .fetch_all(conn)
        .await)?)
}

/// Marks memory sessions whose time is over as stopped. Those that this call did, and no other.
pub(crate) async fn end_expired(db: &Db, now: Timestamp) -> Result<Vec<SessionId>> {
    let ids: Vec<String> = with_writer!(*db, |conn| sqlx::query_scalar(END_LOST)
        .bind(now.as_micros())
        .fetch_all(conn)
        .await)?;
    Ok(ids.into_iter().map(SessionId::new).collect())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
