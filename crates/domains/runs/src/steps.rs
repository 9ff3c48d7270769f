//! A run step by step: a page of the list of its steps, and everything that was recorded about one.

use std::collections::BTreeMap;

use pentad_kernel::Actor;
use pentad_store::with_reader;

use crate::bundle::File;
use crate::canonical::{self, StepRecords};
use crate::diagnostics::Finding;
use crate::json::Json;
use crate::names::{RunId, ShotKind};
use crate::reading::{self, RunInfo};
use crate::record::Kind;
use crate::rows::{RecordRow, StoredRecord, record_columns};
use crate::{Error, Result, Runs};

/// The most steps of one page.
pub const MAX_STEPS: u32 = 1_000;

/// A step in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSummary {
    /// Its place in the run.
    pub index: u64,
    /// The identifier of the attempt that counts.
    pub step_id: String,
    /// The family of its action: `click`, `type`, `verify`, …
    pub step_type: String,
    /// `pending`, `running`, `succeeded`, `failed`, `skipped` or `recovered`.
    pub status: String,
    /// What the agent wanted.
    pub intent: Option<String>,
    /// What it aimed at, in words.
    pub target: Option<String>,
    /// How it failed.
    pub failure_class: Option<String>,
    /// The verdict: `passed`, `failed`, `recoverable`, `skipped` or `unknown`.
    pub verdict: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: Option<String>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// How many records of it there are: more than one when it was tried again.
    pub attempts: u64,
    /// Its screenshots.
    pub screenshots: BTreeMap<ShotKind, Shot>,
}

/// A screenshot in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// The SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
    /// Pixels from left to right.
    pub width: u64,
    /// Pixels from top to bottom.
    pub height: u64,
}

impl Shot {
    pub(crate) fn of(row: RecordRow) -> Result<Self> {
        let body = row.plain()?;
        let side = |name: &str| body.get(name).and_then(Json::whole).unwrap_or_default();
        Ok(Self {
            width: side("width"),
            height: side("height"),
            sha256: row.object.ok_or(Error::Damaged("a screenshot without a hash"))?,
        })
    }
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPage {
    /// The steps, by index.
    pub steps: Vec<StepSummary>,
    /// The index that the next page begins with.
    pub next_from: Option<u64>,
    /// How many steps the run has.
    pub total: u64,
}

/// Everything that was recorded about one step.
#[derive(Clone, Debug)]
pub struct StepDetail {
    /// As the list shows it.
    pub summary: StepSummary,
    /// The step.
    pub step: Json,
    /// Each attempt with the name of its file, when there were several.
    pub attempts: Vec<(String, Json)>,
    /// The decision events.
    pub events: Vec<Json>,
    /// What models thought.
    pub reasoning: Vec<Json>,
    /// The calls of models by the names of their files.
    pub model_calls: Vec<(String, Json)>,
    /// What was done to the world outside.
    pub side_effects: Vec<Json>,
    /// How it ended.
    pub outcomes: Vec<Json>,
    /// Why it is worth keeping as a test.
    pub eval_candidate: Option<Json>,
    /// Its log.
    pub log: Option<String>,
    /// What looks wrong about it.
    pub findings: Vec<Finding>,
}

/// What was recorded about the run as a whole.
#[derive(Clone, Debug)]
pub struct RunDetail {
    /// The session: of the trace, or what is known before there is one.
    pub session: Json,
    /// The decision events of no step.
    pub events: Vec<Json>,
    /// What models thought about no step.
    pub reasoning: Vec<Json>,
    /// The calls of models for no step, by the names of their files.
    pub model_calls: Vec<(String, Json)>,
    /// How steps and the session ended.
    pub outcomes: Vec<Json>,
    /// What was done to the world outside.
    pub side_effects: Vec<Json>,
    /// The names of all logs.
    pub logs: Vec<String>,
}

const PAGE: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = 'step' AND key >= $2 ORDER BY key LIMIT $3"
);
const RANGE: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 AND key >= $3 AND key < $4 ORDER BY key"
);
const OF_INDEX: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 AND step_index = $3 ORDER BY key"
);
const WITHOUT_INDEX: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM run_records WHERE run = $1 AND kind = $2 AND step_index IS NULL ORDER BY key"
);
const KEYS: &str = "SELECT key FROM run_records WHERE run = $1 AND kind = $2 ORDER BY key";
const TOTAL: &str = "SELECT COUNT(DISTINCT step_index) FROM run_records WHERE run = $1 AND kind = 'step'";

impl Runs {
    /// A page of a run's steps from an index on.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn list_steps(&self, actor: &Actor, run_id: &RunId, from: u64, limit: u32) -> Result<StepPage> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let limit = limit.clamp(1, MAX_STEPS) as usize;
        let mut rows = self.step_rows(&info, from, limit).await?;
        let total: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(TOTAL)
            .bind(info.id)
            .fetch_one(conn)
            .await)?;
        // A step's attempts must not be torn apart, so the first of the next page ends this one.
        let mut seen = Vec::new();
        let mut end = rows.len();
        for (at, row) in rows.iter().enumerate() {
            if seen.last() != Some(&row.step_index) {
                if seen.len() == limit {
                    end = at;
                    break;
                }
                seen.push(row.step_index);
            }
        }
        let next_from = rows
            .get(end)
            .and_then(|row| row.step_index)
            .and_then(|index| u64::try_from(index).ok());
        rows.truncate(end);
        let records = canonical::steps(&info, rows)?;
        let steps = match (records.first(), records.last()) {
            (Some(first), Some(last)) => {
                let shots = self.shots(&info, first.index, last.index).await?;
                records.iter().map(|step| summarise(step, &shots)).collect()
            }
            _ => Vec::new(),
        };
        Ok(StepPage {
            steps,
            next_from,
            total: u64::try_from(total).unwrap_or_default(),
        })
    }

    /// Rows of at least one step more than asked for, where there are that many.
    async fn step_rows(&self, info: &RunInfo, from: u64, limit: usize) -> Result<Vec<RecordRow>> {
        let mut wanted = limit + 1;
        loop {
            let rows: Vec<StoredRecord> = with_reader!(self.db, |conn| sqlx::query_as(PAGE)
                .bind(info.id)
                .bind(format!("{from:09}/"))
                .bind(i64::try_from(wanted).unwrap_or(i64::MAX))
                .fetch_all(conn)
                .await)?;
            let all = rows.len() < wanted;
            let rows = rows
                .into_iter()
                .map(RecordRow::try_from)
                .collect::<Result<Vec<_>>>()?;
            let mut indexes: Vec<_> = rows.iter().map(|row| row.step_index).collect();
            indexes.dedup();
            if all || indexes.len() > limit {
                return Ok(rows);
            }
            wanted *= 4;
        }
    }

    pub(crate) async fn shots(&self, info: &RunInfo, first: u64, last: u64) -> Result<Shots> {
        let rows = self
            .range(
                info,
                Kind::Screenshot,
                &format!("{first:09}/"),
                &format!("{:09}/", last + 1),
            )
            .await?;
        let mut shots = Shots::new();
        for row in rows {
            let index = row.step_index.and_then(|index| u64::try_from(index).ok());
            let kind = row.key.rsplit('/').next().and_then(|kind| kind.parse().ok());
            let (Some(index), Some(kind)) = (index, kind) else {
                continue;
            };
            shots.entry(index).or_default().insert(kind, Shot::of(row)?);
        }
        Ok(shots)
    }

    async fn range(&self, info: &RunInfo, kind: Kind, from: &str, to: &str) -> Result<Vec<RecordRow>> {
        let rows: Vec<StoredRecord> = with_reader!(self.db, |conn| sqlx::query_as(RANGE)
            .bind(info.id)
            .bind(kind.name())
            .bind(from)
            .bind(to)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(RecordRow::try_from).collect()
    }

    /// The records of a kind for one step, or for none.
    async fn of_index(&self, info: &RunInfo, kind: Kind, index: Option<u64>) -> Result<Vec<RecordRow>> {
        let rows: Vec<StoredRecord> = with_reader!(self.db, |conn| match index {
            Some(index) => {
                sqlx::query_as(OF_INDEX)
                    .bind(info.id)
                    .bind(kind.name())
                    .bind(i64::try_from(index).unwrap_or(i64::MAX))
                    .fetch_all(conn)
                    .await
            }
            None => {
                sqlx::query_as(WITHOUT_INDEX)
                    .bind(info.id)
                    .bind(kind.name())
                    .fetch_all(conn)
                    .await
            }
        })?;
        rows.into_iter().map(RecordRow::try_from).collect()
    }

    /// Everything that was recorded about a step.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::FileNotFound`] when the run has no such step.
    pub async fn step_detail(&self, actor: &Actor, run_id: &RunId, index: u64) -> Result<StepDetail> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let records = self.step(&info, index).await?;
        let shots = self.shots(&info, index, index).await?;
        let events = reading::below(&self.db, info.id, Kind::Events, &format!("{index:09}")).await?;
        let of_index = |kind| self.of_index(&info, kind, Some(index));
        let findings = self.findings_of(&info).await?;
        let eval = reading::by_key(&self.db, info.id, Kind::EvalCandidate, &format!("{index:09}")).await?;
        Ok(StepDetail {
            summary: summarise(&records, &shots),
            step: records.canonical().clone(),
            attempts: records
                .iterations()
                .map(|(name, body)| (name, body.clone()))
                .collect(),
            events: canonical::events(&events)?,
            reasoning: canonical::reasoning(&of_index(Kind::Reasoning).await?)?,
            model_calls: calls(&of_index(Kind::ModelIo).await?)?,
            side_effects: canonical::bodies(&of_index(Kind::SideEffect).await?)?,
            outcomes: canonical::outcomes(&of_index(Kind::Outcome).await?)?,
            eval_candidate: eval.as_ref().map(RecordRow::plain).transpose()?,
            log: self.log_text(&info, &format!("step-{index}")).await?,
            findings: findings
                .iter()
                .filter(|finding| finding.step_index == Some(index))
                .cloned()
                .collect(),
        })
    }

    /// What was recorded about the run as a whole.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn run_detail(&self, actor: &Actor, run_id: &RunId) -> Result<RunDetail> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let events = reading::below(&self.db, info.id, Kind::Events, "run").await?;
        let of_run = |kind| self.of_index(&info, kind, None);
        let logs: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(KEYS)
            .bind(info.id)
            .bind(Kind::Log.name())
            .fetch_all(conn)
            .await)?;
        Ok(RunDetail {
            session: canonical::session(&info, &[]),
            events: canonical::events(&events)?,
            reasoning: canonical::reasoning(&of_run(Kind::Reasoning).await?)?,
            model_calls: calls(&of_run(Kind::ModelIo).await?)?,
            outcomes: canonical::outcomes(&reading::of_kind(&self.db, info.id, Kind::Outcome).await?)?,
            side_effects: canonical::bodies(&reading::of_kind(&self.db, info.id, Kind::SideEffect).await?)?,
            logs,
        })
    }

    /// The findings of a run, the worst first.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn findings(&self, actor: &Actor, run_id: &RunId) -> Result<Vec<Finding>> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        Ok(self.findings_of(&info).await?.to_vec())
    }

    /// `diagnostics/findings.json` of these packs of rules.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn findings_file(&self, actor: &Actor, run_id: &RunId, packs: &[&str]) -> Result<File> {
        let findings = self.findings(actor, run_id).await?;
        let chosen = findings.iter().filter(|finding| {
            packs
                .iter()
                .any(|pack| finding.rule.split('.').next() == Some(pack))
        });
        Ok(File::json(&Json::Array(chosen.map(Finding::to_json).collect())))
    }

    async fn log_text(&self, info: &RunInfo, name: &str) -> Result<Option<String>> {
        match self.log(info, name).await {
            Ok(file) => Ok(Some(String::from_utf8_lossy(&file.content).into_owned())),
            Err(Error::FileNotFound) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

pub(crate) type Shots = BTreeMap<u64, BTreeMap<ShotKind, Shot>>;

fn calls(rows: &[RecordRow]) -> Result<Vec<(String, Json)>> {
    rows.iter()
        .map(|row| Ok((row.key.clone(), row.plain()?)))
        .collect()
}

fn summarise(step: &StepRecords, shots: &Shots) -> StepSummary {
    let body = step.canonical();
    let text = |path: &[&str]| {
        let text = body.at(path).and_then(Json::text);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    StepSummary {
        index: step.index,
        step_id: text(&["step_id"]).unwrap_or_default(),
        step_type: text(&["step_type"]).unwrap_or_default(),
        status: text(&["status"]).unwrap_or_default(),
        intent: text(&["intent"]),
        target: text(&["grounding", "target_label"]),
        failure_class: text(&["failure_class"]),
        verdict: text(&["verdict", "status"]),
        started_at: text(&["started_at"]),
        duration_ms: body.get("duration_ms").and_then(Json::whole),
        attempts: step.count() as u64,
        screenshots: shots.get(&step.index).cloned().unwrap_or_default(),
    }
}
