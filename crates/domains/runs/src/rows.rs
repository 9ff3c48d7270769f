//! The statements on runs and their records, the same for both engines.

use pentad_kernel::Timestamp;
use pentad_store::{Tx, affected, with_tx};

use crate::json::{Json, Members};
use crate::record::{Client, Kind};
use crate::{Error, Result};

/// A run's row, as far as the writer needs it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct RunRow {
    pub(crate) id: i64,
    pub(crate) organisation_id: String,
    pub(crate) run_id: String,
    pub(crate) rev: i64,
    pub(crate) streamed: bool,
    pub(crate) sealed_at: Option<i64>,
}

/// A run that may have to be made.
pub(crate) struct NewRun<'a> {
    pub(crate) organisation: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) streamed: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) last_activity_at: Timestamp,
    pub(crate) client: Option<&'a Client>,
}

impl<'a> NewRun<'a> {
    pub(crate) const fn new(organisation: &'a str, run_id: &'a str, at: Timestamp) -> Self {
        Self {
            organisation,
            run_id,
            streamed: false,
            created_at: at,
            last_activity_at: at,
            client: None,
        }
    }
}

/// A record as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct RecordRow {
    pub(crate) run: i64,
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) step_index: Option<i64>,
    pub(crate) body: String,
    pub(crate) merged: Option<String>,
    pub(crate) object: Option<String>,
    pub(crate) items: i64,
    pub(crate) trace_position: Option<i64>,
    pub(crate) failure_class: Option<String>,
    pub(crate) ordinal: i64,
    pub(crate) at: i64,
}

impl RecordRow {
    /// What a client that sends in order last sent.
    pub(crate) fn plain(&self) -> Result<Json> {
        Json::parse(self.body.as_bytes()).map_err(|_| Error::Damaged("a body"))
    }

    /// What a client that sends out of order meant last.
    pub(crate) fn streamed(&self) -> Result<Json> {
        match &self.merged {
            Some(merged) => Json::parse(merged.as_bytes()).map_err(|_| Error::Damaged("a merged body")),
            None => self.plain(),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct StoredRecord {
    run: i64,
    kind: String,
    key: String,
    step_index: Option<i64>,
    body: String,
    merged: Option<String>,
    object: Option<String>,
    items: i64,
    trace_position: Option<i64>,
    failure_class: Option<String>,
    ordinal: i64,
    at: i64,
}

impl TryFrom<StoredRecord> for RecordRow {
    type Error = Error;

    fn try_from(row: StoredRecord) -> Result<Self> {
        Ok(Self {
            run: row.run,
            kind: Kind::parse(&row.kind).ok_or(Error::Damaged("the kind of a record"))?,
            key: row.key,
            step_index: row.step_index,
            body: row.body,
            merged: row.merged,
            object: row.object,
            items: row.items,
            trace_position: row.trace_position,
            failure_class: row.failure_class,
            ordinal: row.ordinal,
            at: row.at,
        })
    }
}

/// The bytes of a screenshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectRow<'a> {
    pub(crate) organisation: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) size: usize,
    /// `None` when they lie in the object store.
    pub(crate) bytes: Option<&'a [u8]>,
    pub(crate) at: Timestamp,
}

/// What the list of runs needs to know of a run, changed by its manifest or trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunFacts {
    session: Option<SessionFacts>,
    manifest: Option<Envelope>,
}

#[derive(Clone, Debug)]
struct SessionFacts {
    envelope: Envelope,
    line: String,
    status: String,
    parent_run_id: Option<String>,
    tags: String,
    search: String,
    sealed_at: Option<i64>,
}

#[derive(Clone, Debug)]
struct Envelope {
    debug_session_id: Option<String>,
    client_name: Option<String>,
    client_version: Option<String>,
    capture_mode: Option<String>,
}

impl Envelope {
    fn of(body: &Json) -> Self {
        let text = |path: &[&str]| body.at(path).and_then(Json::text).map(without_nul);
        Self {
            debug_session_id: text(&["debug_session_id"]),
            client_name: text(&["client", "name"]),
            client_version: text(&["client", "version"]),
            capture_mode: text(&["capture_mode"]),
        }
    }
}

/// PostgreSQL keeps no NUL in a text; inside JSON it is escaped, elsewhere it has to go.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl RunFacts {
    pub(crate) fn take_manifest(&mut self, manifest: &Json) {
        self.manifest = Some(Envelope::of(manifest));
    }

    pub(crate) fn take_session(&mut self, session: &Json, run_id: &str, sealed_at: Option<i64>) {
        let text = |path: &[&str]| session.at(path).and_then(Json::text).map(without_nul);
        let tags = session
            .get("tags")
            .cloned()
            .unwrap_or(Json::Object(Members::new()));
        let search = [
            Some(run_id.to_owned()),
            text(&["debug_session_id"]),
            text(&["client", "name"]),
            text(&["task_spec", "task_class"]),
            text(&["task_spec", "instruction"]),
            Some(tags.to_line()),
        ];
        let search: Vec<String> = search.into_iter().flatten().collect();
        self.session = Some(SessionFacts {
            envelope: Envelope::of(session),
            line: session.to_line(),
            status: text(&["status"]).unwrap_or_default(),
            parent_run_id: text(&["branch_context", "parent_run_id"]),
            tags: tags.to_line(),
            search: search.join("\n").to_lowercase(),
            sealed_at,
        });
    }
}

/// Rows for multi-row statements, in pieces of few sizes, so that few statements are prepared.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [64, 16, 4, 1].into_iter().find(|&size| size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

const UPSERT_RUNS: &str = "
    INSERT INTO runs (organisation_id, run_id, rev, streamed, created_at, last_activity_at, client_id, client_name,
                      client_version, capture_mode, status, tags, search) ";
const UPSERT_RUNS_TAIL: &str = "
    ON CONFLICT (organisation_id, run_id) DO UPDATE SET
        rev = runs.rev + 1,
        streamed = runs.streamed OR excluded.streamed,
        last_activity_at = excluded.last_activity_at,
        client_id = COALESCE(excluded.client_id, runs.client_id),
        client_name = COALESCE(runs.client_name, excluded.client_name),
        client_version = COALESCE(runs.client_version, excluded.client_version),
        capture_mode = COALESCE(runs.capture_mode, excluded.capture_mode)
    RETURNING id, organisation_id, run_id, rev, streamed, sealed_at";

/// Makes or touches the runs and gives their rows, which the transaction then holds.
pub(crate) async fn upsert_runs(tx: &mut Tx, runs: &[NewRun<'_>]) -> Result<Vec<RunRow>> {
    let mut rows = Vec::with_capacity(runs.len());
    for piece in pieces(runs) {
        let found: Vec<RunRow> = with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new(UPSERT_RUNS);
            query.push_values(piece, |mut row, run| {
                let (id, name, version, mode) = run
                    .client
                    .map(Client::of)
                    .map_or((None, None, None, None), |(id, name, version, mode)| {
                        (Some(id), name, version, mode)
                    });
                row.push_bind(run.organisation.to_owned())
                    .push_bind(run.run_id.to_owned())
                    .push("1")
                    .push_bind(run.streamed)
                    .push_bind(run.created_at.as_micros())
                    .push_bind(run.last_activity_at.as_micros())
                    .push_bind(id.map(str::to_owned))
                    .push_bind(name.map(str::to_owned))
                    .push_bind(version.map(str::to_owned))
                    .push_bind(mode.map(str::to_owned))
                    .push("'running', '{}'")
                    .push_bind(run.run_id.to_lowercase());
            });
            query.push(UPSERT_RUNS_TAIL);
            query.build_query_as().fetch_all(conn).await
        })?;
        rows.extend(found);
    }
    Ok(rows)
}

/// The columns of a record.
macro_rules! record_columns {
    () => {
        "run_records.run, run_records.kind, run_records.key, step_index, body, merged, object, items, trace_position,
         failure_class, ordinal, at"
    };
}
pub(crate) use record_columns;

const SELECT_RECORDS: &str = concat!("SELECT ", record_columns!(), " FROM run_records JOIN (");
const SELECT_RECORDS_TAIL: &str = ") AS wanted
    ON run_records.run = wanted.column1 AND run_records.kind = wanted.column2 AND run_records.key = wanted.column3";

/// The records with these keys that exist.
pub(crate) async fn select_records(tx: &mut Tx, wanted: &[(i64, Kind, &str)]) -> Result<Vec<RecordRow>> {
    let mut rows = Vec::new();
    for piece in pieces(wanted) {
        let found: Vec<StoredRecord> = with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new(SELECT_RECORDS);
            query.push_values(piece, |mut row, (run, kind, key)| {
                row.push_bind(*run)
                    .push_bind(kind.name())
                    .push_bind((*key).to_owned());
            });
            query.push(SELECT_RECORDS_TAIL);
            query.build_query_as().fetch_all(conn).await
        })?;
        for row in found {
            rows.push(RecordRow::try_from(row)?);
        }
    }
    Ok(rows)
}

const SELECT_STEPS: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = 'step'"
);

/// Every step of a run.
pub(crate) async fn select_steps(tx: &mut Tx, run: i64) -> Result<Vec<RecordRow>> {
    let rows: Vec<StoredRecord> = with_tx!(*tx, |conn| sqlx::query_as(SELECT_STEPS)
        .bind(run)
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(RecordRow::try_from).collect()
}

const UPSERT_RECORDS: &str = "
    INSERT INTO run_records (run, kind, key, step_index, body, merged, object, items, trace_position, failure_class,
                             ordinal, at) ";
const UPSERT_RECORDS_TAIL: &str = "
    ON CONFLICT (run, kind, key) DO UPDATE SET
        step_index = excluded.step_index, body = excluded.body, merged = excluded.merged, object = excluded.object,
        items = excluded.items, trace_position = excluded.trace_position, failure_class = excluded.failure_class,
        at = excluded.at";

/// Writes records; each key at most once.
pub(crate) async fn upsert_records(tx: &mut Tx, records: &[&RecordRow]) -> Result<()> {
    for piece in pieces(records) {
        with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new(UPSERT_RECORDS);
            query.push_values(piece, |mut row, record| {
                row.push_bind(record.run)
                    .push_bind(record.kind.name())
                    .push_bind(record.key.clone())
                    .push_bind(record.step_index)
                    .push_bind(record.body.clone())
                    .push_bind(record.merged.clone())
                    .push_bind(record.object.clone())
                    .push_bind(record.items)
                    .push_bind(record.trace_position)
                    .push_bind(record.failure_class.clone())
                    .push_bind(record.ordinal)
                    .push_bind(record.at);
            });
            query.push(UPSERT_RECORDS_TAIL);
            query.build().execute(conn).await.map(affected)
        })?;
    }
    Ok(())
}

const DELETE_RECORDS: &str =
    "DELETE FROM run_records WHERE run = $1 AND kind = $2 AND key >= $3 AND key < $4";

/// Removes the records of a kind with keys from `first` on, up to `before`.
pub(crate) async fn delete_records(
    tx: &mut Tx,
    run: i64,
    kind: Kind,
    first: &str,
    before: &str,
) -> Result<()> {
    with_tx!(*tx, |conn| sqlx::query(DELETE_RECORDS)
        .bind(run)
        .bind(kind.name())
        .bind(first)
        .bind(before)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

const INSERT_OBJECTS: &str = "INSERT INTO run_objects (organisation_id, sha256, size, bytes, created_at) ";
// A row that is there already is made young again: a sweep that runs beside this leaves it alone.
const INSERT_OBJECTS_TAIL: &str =
    " ON CONFLICT (organisation_id, sha256) DO UPDATE SET created_at = excluded.created_at";

/// Stores bytes that are not there yet.
pub(crate) async fn insert_objects(tx: &mut Tx, objects: &[ObjectRow<'_>]) -> Result<()> {
    for piece in pieces(objects) {
        with_tx!(*tx, |conn| {
            let mut query = sqlx::QueryBuilder::new(INSERT_OBJECTS);
            query.push_values(piece, |mut row, object| {
                row.push_bind(object.organisation.to_owned())
                    .push_bind(object.sha256.to_owned())
                    .push_bind(i64::try_from(object.size).unwrap_or(i64::MAX))
                    .push_bind(object.bytes.map(<[u8]>::to_vec))
                    .push_bind(object.at.as_micros());
            });
            query.push(INSERT_OBJECTS_TAIL);
            query.build().execute(conn).await.map(affected)
        })?;
    }
    Ok(())
}

const SET_SESSION: &str = "
    UPDATE runs SET session = $2, status = $3, debug_session_id = $4, client_name = $5, client_version = $6,
        capture_mode = $7, parent_run_id = $8, tags = $9, search = $10, sealed_at = $11
    WHERE id = $1";
const SET_ENVELOPE: &str = "
    UPDATE runs SET debug_session_id = $2, client_name = $3, client_version = $4, capture_mode = $5
    WHERE id = $1 AND session IS NULL";

/// Writes what the list of runs needs to know.
pub(crate) async fn update_run(tx: &mut Tx, run: i64, facts: &RunFacts) -> Result<()> {
    if let Some(session) = &facts.session {
        with_tx!(*tx, |conn| sqlx::query(SET_SESSION)
            .bind(run)
            .bind(&session.line)
            .bind(&session.status)
            .bind(&session.envelope.debug_session_id)
            .bind(&session.envelope.client_name)
            .bind(&session.envelope.client_version)
            .bind(&session.envelope.capture_mode)
            .bind(&session.parent_run_id)
            .bind(&session.tags)
            .bind(&session.search)
            .bind(session.sealed_at)
            .execute(conn)
            .await
            .map(affected))?;
    } else if let Some(manifest) = &facts.manifest {
        with_tx!(*tx, |conn| sqlx::query(SET_ENVELOPE)
            .bind(run)
            .bind(&manifest.debug_session_id)
            .bind(&manifest.client_name)
            .bind(&manifest.client_version)
            .bind(&manifest.capture_mode)
            .execute(conn)
            .await
            .map(affected))?;
    }
    Ok(())
}
