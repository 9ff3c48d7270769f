//! The rows of sessions.

use std::time::Duration;

use pentad_kernel::{OrganisationId, Timestamp};
use pentad_sandbox::Language;
use pentad_store::{Db, Tx, affected, with_reader, with_tx, with_writer};

use crate::session::{Code, Object, Session, SessionId, SessionSettings};
use crate::{Error, Result};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: String,
    organisation_id: String,
    name: String,
    language: String,
    persistent: bool,
    created_at: i64,
    updated_at: i64,
    last_run_at: Option<i64>,
    metadata: String,
    data: String,
    default_timeout_ms: Option<i64>,
    allow_internet: bool,
    allow_public: bool,
    setup: Option<String>,
    setup_status: Option<String>,
    setup_result: Option<String>,
    generation: i64,
    file_count: i64,
    total_bytes: i64,
}

impl TryFrom<SessionRow> for Session {
    type Error = Error;

    fn try_from(row: SessionRow) -> Result<Self> {
        let object = |text: &str| {
            serde_json::from_str::<Object>(text).map_err(|_| Error::Damaged("JSON of a session"))
        };
        Ok(Self {
            metadata: object(&row.metadata)?,
            data: object(&row.data)?,
            setup: row.setup.as_deref().map(object).transpose()?,
            setup_result: row
                .setup_result
                .map(|text| serde_json::from_str(&text))
                .transpose()
                .map_err(|_| Error::Damaged("JSON of a session"))?,
            id: SessionId::stored(row.name),
            key: row.id,
            organisation: OrganisationId::new(row.organisation_id),
            language: Language::parse(&row.language).ok_or(Error::Damaged("the language of a session"))?,
            persistent: row.persistent,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            last_run_at: row.last_run_at.map(Timestamp::from_micros),
            default_timeout: row
                .default_timeout_ms
                .map(|millis| Duration::from_millis(millis.unsigned_abs())),
            allow_internet: row.allow_internet,
            allow_public: row.allow_public,
            setup_status: row.setup_status,
            file_count: row.file_count.unsigned_abs(),
            total_bytes: row.total_bytes.unsigned_abs(),
            generation: row.generation,
        })
    }
}

macro_rules! columns {
    () => {
        "id, organisation_id, name, language, persistent, created_at, updated_at, last_run_at, metadata, data,
         default_timeout_ms, allow_internet, allow_public, setup, setup_status, setup_result, generation,
         file_count, total_bytes"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO exec_sessions (",
    columns!(),
    ", run_until, run_epoch)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0, 0)"
);
const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM exec_sessions WHERE organisation_id = $1 AND name = $2"
);
const BY_KEY: &str = concat!("SELECT ", columns!(), " FROM exec_sessions WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM exec_sessions WHERE organisation_id = $1 AND (created_at < $2 OR (created_at = $2 AND id < $3))
     ORDER BY created_at DESC, id DESC LIMIT $4"
);
const COUNT: &str = "SELECT COUNT(*) FROM exec_sessions WHERE organisation_id = $1";
const SET_SETTINGS: &str = concat!(
    "UPDATE exec_sessions SET default_timeout_ms = COALESCE($3, default_timeout_ms),
        allow_internet = COALESCE($4, allow_internet), allow_public = COALESCE($5, allow_public),
        metadata = COALESCE($6, metadata), updated_at = $7
     WHERE organisation_id = $1 AND name = $2 RETURNING ",
    columns!()
);
const SET_CODE: &str = "
    UPDATE exec_sessions SET code = $3, code_description = COALESCE($4, code_description), code_updated_at = $5,
        updated_at = $5
    WHERE organisation_id = $1 AND name = $2";
const CODE: &str = "SELECT code, code_description, code_updated_at FROM exec_sessions WHERE id = $1";
const COPY_CODE: &str = "
    UPDATE exec_sessions SET
        code = (SELECT code FROM exec_sessions AS source WHERE source.id = $2),
        code_description = (SELECT code_description FROM exec_sessions AS source WHERE source.id = $2),
        code_updated_at = (SELECT code_updated_at FROM exec_sessions AS source WHERE source.id = $2)
    WHERE id = $1";
const SET_SETUP: &str =
    "UPDATE exec_sessions SET setup_status = $2, setup_result = $3, updated_at = $4 WHERE id = $1";
const DELETE: &str = "DELETE FROM exec_sessions WHERE organisation_id = $1 AND name = $2";
const DELETE_ALL: &str = "DELETE FROM exec_sessions WHERE organisation_id = $1 RETURNING id, name";
const BEGIN_RUN: &str = "
    UPDATE exec_sessions SET run_epoch = run_epoch + 1, run_until = $2, last_run_at = $3
    WHERE id = $1 AND run_until <= $3 RETURNING run_epoch";
const RUN_UNTIL: &str = "SELECT run_until FROM exec_sessions WHERE id = $1";
const RENEW_RUN: &str = "UPDATE exec_sessions SET run_until = $3 WHERE id = $1 AND run_epoch = $2";
const END_RUN: &str = "UPDATE exec_sessions SET run_until = 0 WHERE id = $1 AND run_epoch = $2";
const COMMIT_RUN: &str = "
    UPDATE exec_sessions SET data = COALESCE($3, data), updated_at = $4, generation = generation + 1, run_until = 0
    WHERE id = $1 AND run_epoch = $2 RETURNING generation";
const TOUCH_FILES: &str = "
    UPDATE exec_sessions SET generation = generation + 1, updated_at = $3
    WHERE organisation_id = $1 AND name = $2 RETURNING id";
const COUNT_FILES: &str = "
    UPDATE exec_sessions SET
        file_count = (SELECT COUNT(*) FROM exec_files WHERE session_id = $1 AND target IS NULL),
        total_bytes = (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM exec_files WHERE session_id = $1)
    WHERE id = $1 RETURNING file_count, total_bytes";
const RELEASE_ALL: &str = "UPDATE exec_sessions SET run_until = 0 WHERE run_until > 0";
const FAIL_SETUPS: &str = "
    UPDATE exec_sessions SET setup_status = 'failed', setup_result = $1
    WHERE setup_status IN ('pending', 'running') AND updated_at <= $2";

fn json(object: &Object) -> String {
    serde_json::Value::Object(object.clone()).to_string()
}

fn millis(duration: Option<Duration>) -> Option<i64> {
    duration.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    let inserted = with_tx!(*tx, |conn| sqlx::query(INSERT)
        .bind(&session.key)
        .bind(session.organisation.as_str())
        .bind(session.id.as_str())
        .bind(session.language.as_str())
        .bind(session.persistent)
        .bind(session.created_at.as_micros())
        .bind(session.updated_at.as_micros())
        .bind(session.last_run_at.map(Timestamp::as_micros))
        .bind(json(&session.metadata))
        .bind(json(&session.data))
        .bind(millis(session.default_timeout))
        .bind(session.allow_internet)
        .bind(session.allow_public)
        .bind(session.setup.as_ref().map(json))
        .bind(session.setup_status.as_deref())
        .bind(session.setup_result.as_ref().map(ToString::to_string))
        .bind(session.generation)
        .bind(signed(session.file_count))
        .bind(signed(session.total_bytes))
        .execute(conn)
        .await
        .map(affected));
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.is_duplicate() => Err(Error::SessionExists(session.id.to_string())),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn find(db: &Db, organisation: &OrganisationId, id: &SessionId) -> Result<Session> {
    let row: Option<SessionRow> = with_reader!(*db, |conn| sqlx::query_as(BY_NAME)
        .bind(organisation.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await)?;
    row.ok_or_else(|| Error::SessionNotFound(id.to_string()))?
        .try_into()
}

/// The session as it is now; `None` when it was deleted.
pub(crate) async fn by_key(db: &Db, key: &str) -> Result<Option<Session>> {
    let row: Option<SessionRow> = with_reader!(*db, |conn| sqlx::query_as(BY_KEY)
        .bind(key)
        .fetch_optional(conn)
        .await)?;
    row.map(Session::try_from).transpose()
}

/// Sessions, newest first, after a position.
pub(crate) async fn page(
    db: &Db,
    organisation: &OrganisationId,
    after: &(i64, String),
    limit: i64,
) -> Result<Vec<Session>> {
    let rows: Vec<SessionRow> = with_reader!(*db, |conn| sqlx::query_as(PAGE)
        .bind(organisation.as_str())
        .bind(after.0)
        .bind(&after.1)
        .bind(limit)
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(Session::try_from).collect()
}

pub(crate) async fn count(db: &Db, organisation: &OrganisationId) -> Result<u64> {
    let count: i64 = with_reader!(*db, |conn| sqlx::query_scalar(COUNT)
        .bind(organisation.as_str())
        .fetch_one(conn)
        .await)?;
    Ok(count.unsigned_abs())
}

/// The session as it is now; `None` when it is not there. Those who change different settings at once all do.
pub(crate) async fn set_settings(
    db: &Db,
    organisation: &OrganisationId,
    id: &SessionId,
    change: &SessionSettings,
    now: Timestamp,
) -> Result<Option<Session>> {
    let row: Option<SessionRow> = with_writer!(*db, |conn| sqlx::query_as(SET_SETTINGS)
        .bind(organisation.as_str())
        .bind(id.as_str())
        .bind(millis(change.default_timeout))
        .bind(change.allow_internet)
        .bind(change.allow_public)
        .bind(change.metadata.as_ref().map(json))
        .bind(now.as_micros())
        .fetch_optional(conn)
        .await)?;
    row.map(Session::try_from).transpose()
}

/// Whether the session was there.
pub(crate) async fn set_code(
    db: &Db,
    organisation: &OrganisationId,
    id: &SessionId,
    code: &Code,
) -> Result<bool> {
    let changed = with_writer!(*db, |conn| sqlx::query(SET_CODE)
        .bind(organisation.as_str())
        .bind(id.as_str())
        .bind(&code.code)
        .bind(code.description.as_deref())
        .bind(code.updated_at.as_micros())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(changed > 0)
}

pub(crate) async fn code(db: &Db, key: &str) -> Result<Option<Code>> {
    let row: Option<(Option<String>, Option<String>, Option<i64>)> =
        with_reader!(*db, |conn| sqlx::query_as(CODE)
            .bind(key)
            .fetch_optional(conn)
            .await)?;
    Ok(match row {
        Some((Some(code), description, updated_at)) => Some(Code {
            code,
            description,
            updated_at: Timestamp::from_micros(updated_at.unwrap_or(0)),
        }),
        _ => None,
    })
}

pub(crate) async fn copy_code(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    with_tx!(*tx, |conn| sqlx::query(COPY_CODE)
        .bind(to)
        .bind(from)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

pub(crate) async fn set_setup(
    db: &Db,
    key: &str,
    status: &str,
    result: Option<&serde_json::Value>,
    now: Timestamp,
) -> Result<()> {
    with_writer!(*db, |conn| sqlx::query(SET_SETUP)
        .bind(key)
        .bind(status)
        .bind(result.map(ToString::to_string))
        .bind(now.as_micros())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

/// Whether the session was there. Its files go with it.
pub(crate) async fn delete(db: &Db, organisation: &OrganisationId, id: &SessionId) -> Result<bool> {
    let deleted = with_writer!(*db, |conn| sqlx::query(DELETE)
        .bind(organisation.as_str())
        .bind(id.as_str())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(deleted > 0)
}

/// Keys and ids of the sessions that were there. Their files go with them.
pub(crate) async fn delete_all(db: &Db, organisation: &OrganisationId) -> Result<Vec<(String, String)>> {
    Ok(with_writer!(*db, |conn| sqlx::query_as(DELETE_ALL)
        .bind(organisation.as_str())
        .fetch_all(conn)
        .await)?)
}

/// The number of the run that may now be under way; `None` while another one is, or when the session is
/// gone.
pub(crate) async fn begin_run(db: &Db, key: &str, now: Timestamp, until: Timestamp) -> Result<Option<i64>> {
    Ok(with_writer!(*db, |conn| sqlx::query_scalar(BEGIN_RUN)
        .bind(key)
        .bind(until.as_micros())
        .bind(now.as_micros())
        .fetch_optional(conn)
        .await)?)
}

/// Whether some run is under way.
pub(crate) async fn is_running(db: &Db, key: &str, now: Timestamp) -> Result<bool> {
    let until: Option<i64> = with_reader!(*db, |conn| sqlx::query_scalar(RUN_UNTIL)
        .bind(key)
        .fetch_optional(conn)
        .await)?;
    Ok(until.is_some_and(|until| until > now.as_micros()))
}

/// Whether the run is still the one under way.
pub(crate) async fn renew_run(db: &Db, key: &str, epoch: i64, until: Timestamp) -> Result<bool> {
    let renewed = with_writer!(*db, |conn| sqlx::query(RENEW_RUN)
        .bind(key)
        .bind(epoch)
        .bind(until.as_micros())
        .execute(conn)
        .await
        .map(affected))?;
    Ok(renewed > 0)
}

/// Ends a run that changes nothing.
pub(crate) async fn end_run(db: &Db, key: &str, epoch: i64) -> Result<()> {
    with_writer!(*db, |conn| sqlx::query(END_RUN)
        .bind(key)
        .bind(epoch)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

/// The workspace's new generation, when the run is still the one under way and the session still there;
/// else nothing may be written. The run is over with the transaction.
pub(crate) async fn commit_run(
    tx: &mut Tx,
    key: &str,
    epoch: i64,
    data: Option<&Object>,
    now: Timestamp,
) -> Result<Option<i64>> {
    Ok(with_tx!(*tx, |conn| sqlx::query_scalar(COMMIT_RUN)
        .bind(key)
        .bind(epoch)
        .bind(data.map(json))
        .bind(now.as_micros())
        .fetch_optional(conn)
        .await)?)
}

/// Holds the session for a change of its files; gives its key.
pub(crate) async fn touch_files(
    tx: &mut Tx,
    organisation: &OrganisationId,
    id: &SessionId,
    now: Timestamp,
) -> Result<String> {
    let key: Option<String> = with_tx!(*tx, |conn| sqlx::query_scalar(TOUCH_FILES)
        .bind(organisation.as_str())
        .bind(id.as_str())
        .bind(now.as_micros())
        .fetch_optional(conn)
        .await)?;
    key.ok_or_else(|| Error::SessionNotFound(id.to_string()))
}

/// Counts the files anew: number and bytes.
pub(crate) async fn count_files(tx: &mut Tx, key: &str) -> Result<(u64, u64)> {
    let (files, bytes): (i64, i64) = with_tx!(*tx, |conn| sqlx::query_as(COUNT_FILES)
        .bind(key)
        .fetch_one(conn)
        .await)?;
    Ok((files.unsigned_abs(), bytes.unsigned_abs()))
}

/// Takes the session from every run: for a gateway that has the database for itself and has just begun.
pub(crate) async fn release_all(db: &Db) -> Result<()> {
    with_writer!(*db, |conn| sqlx::query(RELEASE_ALL)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

/// Marks installations that nobody can be working on any more.
pub(crate) async fn fail_setups(db: &Db, result: &serde_json::Value, before: Timestamp) -> Result<u64> {
    Ok(with_writer!(*db, |conn| sqlx::query(FAIL_SETUPS)
        .bind(result.to_string())
        .bind(before.as_micros())
        .execute(conn)
        .await
        .map(affected))?)
}
