//! Which record of a step is the step, and what a session looks like before its trace arrived.

use std::collections::BTreeMap;

use pentad_kernel::secret;

use crate::json::{Json, Members, object};
use crate::merge::iterations;
use crate::reading::RunInfo;
use crate::rows::RecordRow;
use crate::{Error, Result};

/// The records of one step: one, or several when it was tried again under another identifier.
#[derive(Clone, Debug)]
pub(crate) struct StepRecords {
    pub(crate) index: u64,
    canonical: usize,
    records: Vec<(RecordRow, Json)>,
}

impl StepRecords {
    /// The record that is the step.
    pub(crate) fn canonical(&self) -> &Json {
        &self.records[self.canonical].1
    }

    fn canonical_mut(&mut self) -> &mut Json {
        &mut self.records[self.canonical].1
    }

    /// Each record with the name of its file; there are none when the step has one record only.
    pub(crate) fn iterations(&self) -> impl Iterator<Item = (String, &Json)> {
        let several = self.records.len() > 1;
        self.records.iter().filter(move |_| several).map(|(_, body)| {
            let id = body.text_at("step_id").unwrap_or_default();
            (secret::sha256_hex(id)[..8].to_owned(), body)
        })
    }

    /// The record whose identifier's hash begins like this.
    pub(crate) fn iteration(&self, name: &str) -> Option<&Json> {
        self.records.iter().map(|(_, body)| body).find(|body| {
            body.text_at("step_id")
                .is_some_and(|id| secret::sha256_hex(id).starts_with(name))
        })
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }
}

/// The run's steps by index, from their records.
pub(crate) fn steps(info: &RunInfo, rows: Vec<RecordRow>) -> Result<Vec<StepRecords>> {
    let mut by_index = BTreeMap::<u64, Vec<(RecordRow, Json)>>::new();
    for row in rows {
        let index = row
            .step_index
            .and_then(|index| u64::try_from(index).ok())
            .ok_or(Error::Damaged("a step without an index"))?;
        let body = if info.streamed {
            row.streamed()?
        } else {
            row.plain()?
        };
        by_index.entry(index).or_default().push((row, body));
    }
    Ok(by_index
        .into_iter()
        .map(|(index, mut records)| {
            records.sort_by_key(|(row, _)| row.ordinal);
            StepRecords {
                index,
                canonical: choose(&info.run_id, index, &records),
                records,
            }
        })
        .collect())
}

/// The trace's record is the step. Before there is one: that which was tried most often; then that with
/// the identifier the SDK gives first; then whichever came first.
fn choose(run_id: &str, index: u64, records: &[(RecordRow, Json)]) -> usize {
    let in_trace = records
        .iter()
        .enumerate()
        .filter_map(|(at, (row, _))| Some((row.trace_position?, at)))
        .max();
    if let Some((_, at)) = in_trace {
        return at;
    }
    let mut best = 0;
    let mut most = iterations(&records[0].1);
    for (at, (_, body)) in records.iter().enumerate().skip(1) {
        if iterations(body) > most {
            (best, most) = (at, iterations(body));
        }
    }
    if most > 1 {
        return best;
    }
    let first_id = format!("{run_id}/step/{index:04}");
    records
        .iter()
        .position(|(_, body)| body.text_at("step_id") == Some(&first_id))
        .unwrap_or(0)
}

/// Adds to each step what judges decided about it, where the step does not say so itself. The SDK sends a
/// decision on its own and again inside the step; a settled step is not touched.
pub(crate) fn join_decisions(
    info: &RunInfo,
    steps: &mut [StepRecords],
    decisions: &[RecordRow],
) -> Result<()> {
    let settled = info.streamed && info.sealed_at.is_some();
    for row in decisions {
        let Some(step) = steps
            .iter_mut()
            .find(|step| i64::try_from(step.index).ok() == row.step_index)
        else {
            continue;
        };
        let in_trace = step.records[step.canonical].0.trace_position.is_some();
        if settled && in_trace {
            continue;
        }
        let Json::Object(mut decision) = row.plain()? else {
            continue;
        };
        decision.remove("step_index");
        let decision = Json::Object(decision);
        if let Json::Object(members) = step.canonical_mut() {
            let known = members
                .entry("judge_decisions".to_owned())
                .or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(known) = known
                && !known.contains(&decision)
            {
                known.push(decision);
            }
        }
    }
    Ok(())
}

/// The session of the trace, or what is known before there is one.
pub(crate) fn session(info: &RunInfo, steps: &[StepRecords]) -> Json {
    if let Some(session) = &info.session {
        return session.clone();
    }
    let started_at = steps
        .iter()
        .filter_map(|step| step.canonical().text_at("started_at"))
        .min()
        .map_or_else(|| info.created_at.to_string(), str::to_owned);
    object([
        ("schema_version", "0.1".into()),
        ("debug_session_id", debug_session_id(info)),
        ("run_id", info.run_id.as_str().into()),
        ("client", client(info)),
        ("capture_mode", capture_mode(info)),
        ("started_at", started_at.into()),
        ("status", info.status.as_str().into()),
    ])
}

fn debug_session_id(info: &RunInfo) -> Json {
    info.debug_session_id.as_deref().unwrap_or("dbg_unknown").into()
}

fn capture_mode(info: &RunInfo) -> Json {
    info.capture_mode.as_deref().unwrap_or("off").into()
}

/// The client, as the manifest or a heartbeat names it.
pub(crate) fn client(info: &RunInfo) -> Json {
    if let Some(client) = info.session.as_ref().and_then(|session| session.get("client")) {
        return client.clone();
    }
    let mut members = Members::new();
    members.insert(
        "name".to_owned(),
        info.client_name.as_deref().unwrap_or("unknown").into(),
    );
    if let Some(version) = &info.client_version {
        members.insert("version".to_owned(), version.as_str().into());
    }
    Json::Object(members)
}

/// A manifest for a run whose own has not arrived: without signatures, for nobody signed anything.
pub(crate) fn manifest(info: &RunInfo, steps: &[StepRecords]) -> Json {
    let session = session(info, steps);
    let known = |name: &str, otherwise: Json| session.get(name).cloned().unwrap_or(otherwise);
    object([
        ("schema_version", "0.1".into()),
        ("bundle_format", "augur-bundle".into()),
        ("run_id", info.run_id.as_str().into()),
        (
            "debug_session_id",
            known("debug_session_id", debug_session_id(info)),
        ),
        ("client", known("client", client(info))),
        ("capture_mode", known("capture_mode", capture_mode(info))),
        ("created_at", info.created_at.to_string().into()),
        ("trace", "trace.json".into()),
        ("step_count", steps.len().into()),
        (
            "paths",
            object([
                ("steps", "steps/".into()),
                ("screenshots", "screenshots/".into()),
                ("events", "events/".into()),
                ("logs", "logs/".into()),
            ]),
        ),
    ])
}

/// The events of a file, in the order of the bundle.
pub(crate) fn events(rows: &[RecordRow]) -> Result<Vec<Json>> {
    let mut events = events_of(rows.iter())?;
    events.sort_by_cached_key(|event| (event_key(event), event.to_line()));
    Ok(events)
}

/// The same, in the order in which they came.
pub(crate) fn events_as_they_came(rows: &[RecordRow]) -> Result<Vec<Json>> {
    events_of(by_arrival(rows).into_iter())
}

fn events_of<'r>(rows: impl Iterator<Item = &'r RecordRow>) -> Result<Vec<Json>> {
    let mut events = Vec::new();
    for row in rows {
        match row.plain()? {
            Json::Array(batch) => events.extend(batch),
            _ => return Err(Error::Damaged("events that are no array")),
        }
    }
    Ok(events)
}

/// What the SDK sorts events by.
pub(crate) fn event_key(event: &Json) -> [String; 4] {
    ["ts", "layer", "kind", "summary"].map(|name| event.text_at(name).unwrap_or_default().to_owned())
}

fn by_arrival(rows: &[RecordRow]) -> Vec<&RecordRow> {
    let mut rows: Vec<&RecordRow> = rows.iter().collect();
    rows.sort_by_key(|row| row.ordinal);
    rows
}

/// The bodies of records, in the order in which they came.
pub(crate) fn as_they_came(rows: &[RecordRow]) -> Result<Vec<Json>> {
    by_arrival(rows).into_iter().map(RecordRow::plain).collect()
}

/// Reasoning in the order of the bundle: by time, then by step, that of the run last.
pub(crate) fn reasoning(rows: &[RecordRow]) -> Result<Vec<Json>> {
    let mut records = bodies(rows)?;
    records.sort_by_cached_key(|record| {
        let step = record.get("step_index").and_then(Json::whole).unwrap_or(1 << 60);
        (
            record.text_at("ts").unwrap_or_default().to_owned(),
            step,
            record.to_line(),
        )
    });
    Ok(records)
}

/// Outcomes in the order of the bundle: by time, those of steps before that of the session.
pub(crate) fn outcomes(rows: &[RecordRow]) -> Result<Vec<Json>> {
    let mut records = as_they_came(rows)?;
    records.sort_by_cached_key(|record| {
        let step = record
            .get("step_index")
            .and_then(Json::whole)
            .map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX));
        let of_session = record.text_at("scope") != Some("step");
        (
            record.text_at("finalized_at").unwrap_or_default().to_owned(),
            of_session,
            step,
        )
    });
    Ok(records)
}

/// The bodies of records, in the order of the records.
pub(crate) fn bodies(rows: &[RecordRow]) -> Result<Vec<Json>> {
    rows.iter().map(RecordRow::plain).collect()
}
