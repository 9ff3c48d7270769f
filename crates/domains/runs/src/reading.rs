//! Reading rows; readers never wait for the writer.

use pentad_kernel::{OrganisationId, Timestamp};
use pentad_store::{Db, with_reader};

use crate::json::Json;
use crate::names::RunId;
use crate::record::Kind;
use crate::rows::{RecordRow, StoredRecord, record_columns};
use crate::{Error, Result};

/// A run's own row.
#[derive(Clone, Debug)]
pub(crate) struct RunInfo {
    pub(crate) id: i64,
    pub(crate) run_id: String,
    pub(crate) rev: i64,
    pub(crate) streamed: bool,
    pub(crate) sealed_at: Option<i64>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_activity_at: Timestamp,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) capture_mode: Option<String>,
    pub(crate) debug_session_id: Option<String>,
    pub(crate) status: String,
    pub(crate) parent_run_id: Option<String>,
    pub(crate) session: Option<Json>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct InfoRow {
    id: i64,
    run_id: String,
    rev: i64,
    streamed: bool,
    sealed_at: Option<i64>,
    created_at: i64,
    last_activity_at: i64,
    client_name: Option<String>,
    client_version: Option<String>,
    capture_mode: Option<String>,
    debug_session_id: Option<String>,
    status: String,
    parent_run_id: Option<String>,
    session: Option<String>,
}

impl TryFrom<InfoRow> for RunInfo {
    type Error = Error;

    fn try_from(row: InfoRow) -> Result<Self> {
        let session = row
            .session
            .map(|session| Json::parse(session.as_bytes()).map_err(|_| Error::Damaged("a session")))
            .transpose()?;
        Ok(Self {
            id: row.id,
            run_id: row.run_id,
            rev: row.rev,
            streamed: row.streamed,
            sealed_at: row.sealed_at,
            created_at: Timestamp::from_micros(row.created_at),
            last_activity_at: Timestamp::from_micros(row.last_activity_at),
            client_name: row.client_name,
            client_version: row.client_version,
            capture_mode: row.capture_mode,
            debug_session_id: row.debug_session_id,
            status: row.status,
            parent_run_id: row.parent_run_id,
            session,
        })
    }
}

/// The columns of [`InfoRow`].
macro_rules! info_columns {
    () => {
        "runs.id, runs.run_id, rev, streamed, sealed_at, created_at, last_activity_at, client_name, client_version,
         capture_mode, debug_session_id, status, parent_run_id, session"
    };
}
pub(crate) use info_columns;

const RUN: &str = concat!(
    "SELECT ",
    info_columns!(),
    " FROM runs WHERE organisation_id = $1 AND run_id = $2"
);
const OF_KIND: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 ORDER BY key"
);
const OF_STEP: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 AND key >= $3 AND key < $4 ORDER BY key"
);
const BY_KEY: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 AND key = $3"
);
const ALL: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 ORDER BY kind, key"
);

/// The run with the client's identifier.
pub(crate) async fn run(db: &Db, organisation: &OrganisationId, run_id: &RunId) -> Result<RunInfo> {
    let row: Option<InfoRow> = with_reader!(*db, |conn| sqlx::query_as(RUN)
        .bind(organisation.as_str())
        .bind(run_id.as_str())
        .fetch_optional(conn)
        .await)?;
    row.ok_or(Error::RunNotFound)?.try_into()
}

fn read(rows: Vec<StoredRecord>) -> Result<Vec<RecordRow>> {
    rows.into_iter().map(RecordRow::try_from).collect()
}

/// The run's records of a kind, in the order of their keys.
pub(crate) async fn of_kind(db: &Db, run: i64, kind: Kind) -> Result<Vec<RecordRow>> {
    read(with_reader!(*db, |conn| sqlx::query_as(OF_KIND)
        .bind(run)
        .bind(kind.name())
        .fetch_all(conn)
        .await)?)
}

/// The run's records of a kind whose keys lie below a name: those of one step, of one log.
pub(crate) async fn below(db: &Db, run: i64, kind: Kind, name: &str) -> Result<Vec<RecordRow>> {
    // '0' is the character after '/'.
    let (from, to) = (format!("{name}/"), format!("{name}0"));
    read(with_reader!(*db, |conn| sqlx::query_as(OF_STEP)
        .bind(run)
        .bind(kind.name())
        .bind(&from)
        .bind(&to)
        .fetch_all(conn)
        .await)?)
}

/// The record with a key.
pub(crate) async fn by_key(db: &Db, run: i64, kind: Kind, key: &str) -> Result<Option<RecordRow>> {
    let row: Option<StoredRecord> = with_reader!(*db, |conn| sqlx::query_as(BY_KEY)
        .bind(run)
        .bind(kind.name())
        .bind(key)
        .fetch_optional(conn)
        .await)?;
    row.map(RecordRow::try_from).transpose()
}

/// Everything that was recorded of the run.
pub(crate) async fn all(db: &Db, run: i64) -> Result<Vec<RecordRow>> {
    read(with_reader!(*db, |conn| sqlx::query_as(ALL)
        .bind(run)
        .fetch_all(conn)
        .await)?)
}
