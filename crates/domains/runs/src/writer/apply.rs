//! One batch, one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pentad_store::{Db, Tx};

use super::{LogReceipt, Operation, Receipt};
use crate::json::{Json, object};
use crate::merge;
use crate::record::{Change, Client, Kind, Rule, Submission};
use crate::rows::{self, NewRun, RecordRow, RunFacts, RunRow};
use crate::schema::index_of;
use crate::watch::RunChanged;
use crate::{Error, Limits, Result};

/// Room for the records of one revision in the order of arrival.
const ORDINALS_PER_REVISION: i64 = 1 << 20;

pub(crate) struct Applied {
    /// One for each operation, in their order.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) changes: Vec<RunChanged>,
}

/// A run while a batch changes it.
struct RunState {
    row: RunRow,
    records: HashMap<(Kind, String), RecordRow>,
    changed: BTreeSet<(Kind, String)>,
    /// Ranges of keys whose records of before the batch go: kind, first key, key after the last.
    cleared: Vec<(Kind, String, String)>,
    facts: Option<RunFacts>,
    next_ordinal: i64,
    paths: BTreeSet<String>,
}

/// Writes the operations, in their order, or none of them.
pub(crate) async fn apply(db: &Db, operations: &[Operation], limits: &Limits) -> Result<Applied> {
    let mut tx = db.begin().await?;
    let mut runs = open_runs(&mut tx, operations).await?;
    load_present(&mut tx, operations, &mut runs).await?;
    let receipts = operations
        .iter()
        .map(|operation| {
            let key = (operation.organisation.as_str(), operation.submission.run.as_str());
            let run = runs
                .get_mut(&key)
                .ok_or(Error::Damaged("an upsert did not give its row"))?;
            run.take(operation, limits)
        })
        .collect::<Result<Vec<_>>>()?;
    rows::insert_objects(&mut tx, &new_objects(operations)).await?;
    for run in runs.values() {
        for (kind, first, before) in &run.cleared {
            rows::delete_records(&mut tx, run.row.id, *kind, first, before).await?;
        }
    }
    let records: Vec<&RecordRow> = runs.values().flat_map(RunState::changed_records).collect();
    rows::upsert_records(&mut tx, &records).await?;
    for run in runs.values() {
        if let Some(facts) = &run.facts {
            rows::update_run(&mut tx, run.row.id, facts).await?;
        }
    }
    tx.commit().await?;
    let changes = runs
        .into_values()
        .map(|run| RunChanged::new(run.row.id, run.row.rev, run.paths))
        .collect();
    Ok(Applied { receipts, changes })
}

type Runs<'a> = BTreeMap<(&'a str, &'a str), RunState>;

/// Makes or locks the row of every run that the batch touches, always in the same order, so that two
/// gateways never wait for each other in a circle.
async fn open_runs<'a>(tx: &mut Tx, operations: &'a [Operation]) -> Result<Runs<'a>> {
    let mut wanted = BTreeMap::<(&str, &str), NewRun<'_>>::new();
    for Operation {
        organisation,
        submission,
        at,
        ..
    } in operations
    {
        let entry = wanted
            .entry((organisation.as_str(), submission.run.as_str()))
            .or_insert_with(|| NewRun::new(organisation.as_str(), submission.run.as_str(), *at));
        entry.last_activity_at = entry.last_activity_at.max(*at);
        if let Some(client) = &submission.streamed_by {
            entry.streamed = true;
            entry.client = Some(client);
        }
    }
    let wanted: Vec<NewRun<'_>> = wanted.into_values().collect();
    let mut found: HashMap<(String, String), RunRow> = rows::upsert_runs(tx, &wanted)
        .await?
        .into_iter()
        .map(|row| ((row.organisation_id.clone(), row.run_id.clone()), row))
        .collect();
    let states = wanted.iter().filter_map(|new| {
        let row = found.remove(&(new.organisation.to_owned(), new.run_id.to_owned()))?;
        let next_ordinal = row.rev.saturating_mul(ORDINALS_PER_REVISION);
        let state = RunState {
            row,
            records: HashMap::new(),
            changed: BTreeSet::new(),
            cleared: Vec::new(),
            facts: None,
            next_ordinal,
            paths: BTreeSet::new(),
        };
        Some(((new.organisation, new.run_id), state))
    });
    Ok(states.collect())
}

/// Reads the records that the batch may merge with.
async fn load_present(tx: &mut Tx, operations: &[Operation], runs: &mut Runs<'_>) -> Result<()> {
    let mut wanted = BTreeSet::<(i64, Kind, &str)>::new();
    let mut with_trace = BTreeSet::<i64>::new();
    for Operation {
        organisation,
        submission,
        ..
    } in operations
    {
        let Some(run) = runs.get(&(organisation.as_str(), submission.run.as_str())) else {
            continue;
        };
        // A run that this batch makes has no records yet.
        if run.row.rev == 1 {
            continue;
        }
        for change in &submission.changes {
            if change.rule == Rule::Trace {
                with_trace.insert(run.row.id);
            }
            if !matches!(change.rule, Rule::Append | Rule::Clear { .. }) {
                wanted.insert((run.row.id, change.kind, &change.key));
            }
        }
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut present = rows::select_records(tx, &wanted).await?;
    for run in with_trace {
        present.extend(rows::select_steps(tx, run).await?);
    }
    let mut by_id: HashMap<i64, &mut RunState> = runs.values_mut().map(|run| (run.row.id, run)).collect();
    for row in present {
        if let Some(run) = by_id.get_mut(&row.run) {
            run.records.insert((row.kind, row.key.clone()), row);
        }
    }
    Ok(())
}

fn new_objects(operations: &[Operation]) -> Vec<rows::ObjectRow<'_>> {
    let mut objects = BTreeMap::new();
    for operation in operations {
        for object in operation
            .submission
            .changes
            .iter()
            .filter_map(|change| change.object.as_ref())
        {
            let row = rows::ObjectRow {
                organisation: operation.organisation.as_str(),
                sha256: &object.sha256,
                size: object.size,
                bytes: object.bytes.as_deref(),
                at: operation.at,
            };
            objects.insert((row.organisation, row.sha256), row);
        }
    }
    objects.into_values().collect()
}

impl RunState {
    fn changed_records(&self) -> impl Iterator<Item = &RecordRow> {
        self.changed.iter().filter_map(|key| self.records.get(key))
    }

    fn take(&mut self, operation: &Operation, limits: &Limits) -> Result<Receipt> {
        let submission: &Submission = &operation.submission;
        // Every batch that touches a run raises its revision by one.
        if submission.made_from.is_some_and(|rev| rev + 1 != self.row.rev) {
            return Err(Error::Moved);
        }
        let mut receipt = Receipt {
            applied: true,
            path: submission.path.clone(),
            ..Receipt::default()
        };
        for change in &submission.changes {
            self.take_change(change, operation, limits, &mut receipt)?;
        }
        self.paths.extend(submission.path.clone());
        Ok(receipt)
    }

    fn take_change(
        &mut self,
        change: &Change,
        operation: &Operation,
        limits: &Limits,
        receipt: &mut Receipt,
    ) -> Result<()> {
        let present = self.records.get(&(change.kind, change.key.clone()));
        match &change.rule {
            Rule::Replace => {
                if change.kind == Kind::Manifest {
                    receipt.first_manifest = present.is_none();
                    self.facts.get_or_insert_default().take_manifest(&change.body);
                }
                let row = self.row_of(change, operation);
                self.put(row);
            }
            Rule::Keep if present.is_some() => receipt.applied = false,
            Rule::Keep => {
                receipt.accepted += change.items;
                let row = self.row_of(change, operation);
                self.put(row);
            }
            Rule::Append => {
                receipt.accepted += change.items;
                let mut row = self.row_of(change, operation);
                row.key = format!("{}/{:020}", change.key, row.ordinal);
                self.put(row);
            }
            Rule::Step => {
                let row = self.row_of(change, operation);
                receipt.applied = self.put_step(row, &change.body)?;
            }
            Rule::Costs => {
                let known = present.map(RecordRow::streamed).transpose()?;
                let mut row = self.row_of(change, operation);
                row.merged = known
                    .map(|known| merge::larger_costs(&change.body, &known).to_line())
                    .filter(|merged| *merged != row.body);
                self.put(row);
            }
            Rule::SideEffect => {
                if let Some(present) = present
                    && merge::is_older_side_effect(&change.body, &present.plain()?)
                {
                    receipt.applied = false;
                } else {
                    let row = self.row_of(change, operation);
                    self.put(row);
                }
            }
            Rule::Log { order } => {
                let log = self.append_log(change, order.as_deref(), operation, limits)?;
                receipt.log = Some(log);
            }
            Rule::Trace => receipt.applied = self.put_trace(change, operation)?,
            Rule::Clear { before } => self.clear(change.kind, &change.key, before),
        }
        Ok(())
    }

    fn clear(&mut self, kind: Kind, first: &str, before: &str) {
        let goes =
            |(known, key): &(Kind, String)| *known == kind && key.as_str() >= first && key.as_str() < before;
        self.records.retain(|key, _| !goes(key));
        self.changed.retain(|key| !goes(key));
        self.cleared.push((kind, first.to_owned(), before.to_owned()));
    }

    /// A row for the change; one that replaces another keeps its place in the order of arrival.
    fn row_of(&mut self, change: &Change, operation: &Operation) -> RecordRow {
        let ordinal = match self.records.get(&(change.kind, change.key.clone())) {
            Some(present) => present.ordinal,
            None => self.ordinal(),
        };
        RecordRow {
            run: self.row.id,
            kind: change.kind,
            key: change.key.clone(),
            step_index: change.step_index.and_then(|index| i64::try_from(index).ok()),
            body: change.body.to_line(),
            merged: None,
            object: change.object.as_ref().map(|object| object.sha256.clone()),
            items: i64::try_from(change.items).unwrap_or(i64::MAX),
            trace_position: None,
            failure_class: None,
            ordinal,
            at: operation.at.as_micros(),
        }
    }

    fn ordinal(&mut self) -> i64 {
        self.next_ordinal += 1;
        self.next_ordinal
    }

    fn put(&mut self, row: RecordRow) {
        let key = (row.kind, row.key.clone());
        self.changed.insert(key.clone());
        self.records.insert(key, row);
    }

    /// Both readings of a step are kept: what a client that sends in order last sent, and what one that
    /// sends out of order meant last. Which one counts is known when a heartbeat names the run, and that
    /// may come after the step.
    fn put_step(&mut self, mut row: RecordRow, arriving: &Json) -> Result<bool> {
        let mut older = false;
        let mut meant = None;
        if let Some(present) = self.records.get(&(row.kind, row.key.clone())) {
            let known = present.streamed()?;
            row.trace_position = present.trace_position;
            let settled = self.row.sealed_at.is_some() && present.trace_position.is_some();
            older = settled || merge::is_older_step(arriving, &known);
            if older {
                meant = Some(known);
            }
        }
        let counts = meant.as_ref().unwrap_or(arriving);
        row.failure_class = counts.text_at("failure_class").map(rows::without_nul);
        row.merged = meant.map(|step| step.to_line()).filter(|line| *line != row.body);
        self.put(row);
        Ok(!(older && self.row.streamed))
    }

    fn put_trace(&mut self, change: &Change, operation: &Operation) -> Result<bool> {
        let Some(session) = change.body.get("session") else {
            return Ok(false);
        };
        let ended = session.get("ended_at").is_some_and(|end| !end.is_null());
        if self.row.streamed && self.row.sealed_at.is_some() && !ended {
            return Ok(false);
        }
        let no_longer: Vec<RecordRow> = self
            .records
            .values()
            .filter(|row| row.trace_position.is_some())
            .cloned()
            .collect();
        for mut row in no_longer {
            row.trace_position = None;
            self.put(row);
        }
        let steps = change
            .body
            .get("steps")
            .and_then(Json::elements)
            .unwrap_or_default();
        for (position, step) in steps.iter().enumerate() {
            let index = index_of(step, "step_index").unwrap_or_default();
            let mut row = self.row_of(&Change::step(index, step.clone()), operation);
            row.trace_position = i64::try_from(position).ok();
            row.failure_class = step.text_at("failure_class").map(rows::without_nul);
            self.put(row);
        }
        self.row.sealed_at = ended.then(|| operation.at.as_micros());
        self.facts
            .get_or_insert_default()
            .take_session(session, &self.row.run_id, self.row.sealed_at);
        let row = self.row_of(change, operation);
        self.put(row);
        Ok(true)
    }

    /// The head of a log is kept, so that `#L12` goes on to mean the same line.
    fn append_log(
        &mut self,
        change: &Change,
        order: Option<&str>,
        operation: &Operation,
        limits: &Limits,
    ) -> Result<LogReceipt> {
        let text = change.body.text().unwrap_or_default();
        let (mut size, mut dropped, mut scrubbed) = (0, 0, 0);
        if let Some(present) = self.records.get(&(Kind::Log, change.key.clone())) {
            let head = present.plain()?;
            let count = |name: &str| head.get(name).and_then(Json::whole).unwrap_or(0);
            (size, dropped, scrubbed) = (count("bytes"), count("dropped"), count("scrubbed"));
        }
        let room = (limits.log_file_bytes as u64).saturating_sub(size);
        let kept =
            &text[..text.floor_char_boundary(usize::try_from(room).unwrap_or(usize::MAX).min(text.len()))];
        // Once something did not fit, nothing that comes later may stand in its place.
        let kept = if dropped > 0 { "" } else { kept };
        let lost = (text.len() - kept.len()) as u64;
        size += kept.len() as u64;
        dropped += lost;
        scrubbed += change.items;
        let head = Change {
            step_index: change.step_index,
            ..Change::new(
                Kind::Log,
                change.key.clone(),
                object([
                    ("bytes", size.into()),
                    ("dropped", dropped.into()),
                    ("scrubbed", scrubbed.into()),
                ]),
                Rule::Replace,
            )
        };
        let row = self.row_of(&head, operation);
        self.put(row);
        if !kept.is_empty() {
            let order = order.map_or_else(
                || format!("{:020}/{:020}", operation.at.as_micros().max(0), 0),
                str::to_owned,
            );
            let key = format!("{}/{order}", change.key);
            let chunk = Change::new(Kind::LogChunk, key, Json::from(kept), Rule::Append);
            let mut row = self.row_of(&chunk, operation);
            row.key = format!("{}/{:020}", chunk.key, row.ordinal);
            self.put(row);
        }
        Ok(LogReceipt {
            bytes: size,
            dropped: lost,
            scrubbed: change.items,
        })
    }
}

impl Client {
    pub(crate) fn of(&self) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
        (
            &self.id,
            self.name.as_deref(),
            self.version.as_deref(),
            self.capture_mode.as_deref(),
        )
    }
}
