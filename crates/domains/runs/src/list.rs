//! The list of runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::{Actor, Timestamp, cursor};
use pentad_store::with_reader;
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::json::{Json, Members};
use crate::names::RunId;
use crate::reading::{self, InfoRow, RunInfo, info_columns};
use crate::record::Kind;
use crate::rows::without_nul;
use crate::{Error, Result, Runs};

/// The most runs of one page.
pub const MAX_PAGE: u32 = 500;

/// Which runs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// With this status.
    pub status: Option<String>,
    /// Of the client with this name.
    pub client: Option<String>,
    /// With these tags.
    pub tags: Vec<(String, String)>,
    /// With a step of this failure class.
    pub failure_class: Option<String>,
    /// With this text in the identifiers, the client's name, the task or the tags.
    pub search: Option<String>,
    /// Branches of this run.
    pub parent: Option<String>,
    /// Active at or after this instant.
    pub since: Option<Timestamp>,
    /// Also runs that are branches of recorded ones; a filter by parent includes them anyway.
    pub include_branches: bool,
}

/// How a run stands, as far as its silence tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Its agent is at work.
    Live,
    /// Nothing was heard for a minute.
    Idle,
    /// Nothing was heard for half an hour.
    Lost,
    /// It has ended.
    Closed,
}

impl Liveness {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Idle => "idle",
            Self::Lost => "lost",
            Self::Closed => "closed",
        }
    }
}

/// A run in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Its identifier.
    pub run_id: String,
    /// Changes whenever the run does.
    pub rev: i64,
    /// The identifier of the client's debug session.
    pub debug_session_id: Option<String>,
    /// `{name, version?, …}`.
    pub client: Json,
    /// What is recorded.
    pub capture_mode: Option<String>,
    /// What the client says of it: `running`, `succeeded`, `failed`, `cancelled`, `halted`.
    pub status: String,
    /// What its silence says.
    pub liveness: Liveness,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// The last record.
    pub last_activity_at: Timestamp,
    /// The run that it is a branch of.
    pub parent_run_id: Option<String>,
    /// How many branches it has.
    pub child_count: u64,
    /// `{name: text}`.
    pub tags: Json,
    /// The tag `augur.session_type`.
    pub session_type: Option<String>,
    /// The class of its task.
    pub task_class: Option<String>,
    /// Its task, in the words that the agent was given.
    pub instruction: Option<String>,
    /// Whether a trace with an end arrived.
    pub sealed: bool,
    /// Cumulative costs.
    pub costs: Option<Json>,
    /// How many findings of which severity.
    pub finding_counts: BTreeMap<&'static str, u64>,
    /// What is counted over its records.
    pub digest: Arc<Digest>,
}

/// What is counted over a run's records; the same for one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Digest {
    /// Steps.
    pub step_count: u64,
    /// Records of steps: more than steps when some were tried again.
    pub iteration_count: u64,
    /// Decision events.
    pub event_count: u64,
    /// Screenshots.
    pub screenshot_count: u64,
    /// How many steps failed in which way.
    pub failure_classes: BTreeMap<String, u64>,
    /// The first step that failed.
    pub first_failed_step: Option<u64>,
    /// The manifest's fingerprint of the trajectory.
    pub trajectory_fingerprint: Option<String>,
    /// Whether the files are what the manifest signs; `None` before a manifest and an end arrived.
    pub integrity: Option<&'static str>,
    reported_costs: Option<Json>,
}

impl Digest {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.failure_classes.keys().map(|class| class.len() + 64).sum()
    }
}

/// What an organisation has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// How many runs.
    pub run_count: u64,
    /// The last record of any of them.
    pub last_activity_at: Timestamp,
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The runs, the latest active first.
    pub runs: Vec<RunSummary>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Position(i64, i64);

const LIST: &str = concat!("SELECT ", info_columns!(), " FROM runs WHERE organisation_id = ");

#[derive(sqlx::FromRow)]
struct ItemCount {
    kind: String,
    rows: i64,
    items: i64,
}

const COUNTS: &str = "
    SELECT kind, COUNT(*) AS rows, CAST(COALESCE(SUM(items), 0) AS BIGINT) AS items FROM run_records
    WHERE run = $1 AND kind IN ('events', 'screenshot') GROUP BY kind";
const CHILDREN: &str = "
    SELECT COUNT(*) FROM runs WHERE organisation_id = $1 AND parent_run_id = $2";

const ACTIVITY: &str = "
    SELECT organisation_id, COUNT(*), MAX(last_activity_at) FROM runs GROUP BY organisation_id";

impl Runs {
    /// What each organisation has recorded, for those that recorded anything. For administrators of the
    /// whole platform: the caller checks that.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn activity(&self) -> Result<BTreeMap<String, Activity>> {
        let rows: Vec<(String, i64, i64)> =
            with_reader!(self.db, |conn| sqlx::query_as(ACTIVITY).fetch_all(conn).await)?;
        Ok(rows
            .into_iter()
            .map(|(organisation, count, last)| {
                let activity = Activity {
                    run_count: u64::try_from(count).unwrap_or_default(),
                    last_activity_at: Timestamp::from_micros(last),
                };
                (organisation, activity)
            })
            .collect())
    }

    /// A page of the organisation's runs, the latest active first.
    ///
    /// # Errors
    /// [`Error::Cursor`].
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &Filter,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Page> {
        let position: Option<Position> = after
            .map(|after| cursor::decode(after).ok_or(Error::Cursor))
            .transpose()?;
        let limit = limit.clamp(1, MAX_PAGE);
        let rows: Vec<InfoRow> = with_reader!(self.db, |conn| {
            let mut query = sqlx::QueryBuilder::new(LIST);
            query.push_bind(actor.organisation.as_str());
            if let Some(status) = &filter.status {
                query.push(" AND status = ").push_bind(without_nul(status));
            }
            if let Some(client) = &filter.client {
                query.push(" AND client_name = ").push_bind(without_nul(client));
            }
            for (name, value) in &filter.tags {
                let member: Json = [(name.clone(), Json::from(value.as_str()))].into_iter().collect();
                let line = member.to_line();
                // REPLACE takes a text literally, on both engines.
                query
                    .push(" AND REPLACE(tags, ")
                    .push_bind(line[1..line.len() - 1].to_owned())
                    .push(", '') <> tags");
            }
            if let Some(text) = filter.search.as_deref().filter(|text| !text.is_empty()) {
                query
                    .push(" AND REPLACE(search, ")
                    .push_bind(without_nul(text).to_lowercase())
                    .push(", '') <> search");
            }
            if let Some(class) = &filter.failure_class {
                query
                    .push(
                        " AND EXISTS (SELECT 1 FROM run_records WHERE run_records.run = runs.id
                          AND kind = 'step' AND failure_class = ",
                    )
                    .push_bind(without_nul(class))
                    .push(")");
            }
            if let Some(parent) = &filter.parent {
                query.push(" AND parent_run_id = ").push_bind(without_nul(parent));
            } else if !filter.include_branches {
                // A branch whose parent was never recorded, or is gone, stands for itself.
                query.push(
                    " AND (parent_run_id IS NULL OR NOT EXISTS (SELECT 1 FROM runs AS parents
                      WHERE parents.organisation_id = runs.organisation_id AND parents.run_id = runs.parent_run_id))",
                );
            }
            if let Some(since) = filter.since {
                query
                    .push(" AND last_activity_at >= ")
                    .push_bind(since.as_micros());
            }
            if let Some(Position(at, id)) = &position {
                query
                    .push(" AND (last_activity_at, id) < (")
                    .push_bind(*at)
                    .push(", ")
                    .push_bind(*id)
                    .push(")");
            }
            query
                .push(" ORDER BY last_activity_at DESC, id DESC LIMIT ")
                .push_bind(i64::from(limit) + 1);
            query.build_query_as().fetch_all(conn).await
        })?;
        let mut infos = rows
            .into_iter()
            .map(RunInfo::try_from)
            .collect::<Result<Vec<_>>>()?;
        let more = infos.len() > limit as usize;
        infos.truncate(limit as usize);
        let next_cursor = infos
            .last()
            .filter(|_| more)
            .map(|last| cursor::encode(&Position(last.last_activity_at.as_micros(), last.id)));
        let mut runs = Vec::with_capacity(infos.len());
        for info in infos {
            runs.push(self.summarise(actor, info).await?);
        }
        Ok(Page { runs, next_cursor })
    }

    /// One run as the list shows it.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn summary(&self, actor: &Actor, run_id: &RunId) -> Result<RunSummary> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        self.summarise(actor, info).await
    }

    async fn summarise(&self, actor: &Actor, info: RunInfo) -> Result<RunSummary> {
        let digest = self.digest(&info).await?;
        let mut finding_counts = BTreeMap::new();
        for finding in self.findings_of(&info).await?.iter() {
            *finding_counts.entry(finding.severity.name()).or_default() += 1;
        }
        let child_count: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(CHILDREN)
            .bind(actor.organisation.as_str())
            .bind(&info.run_id)
            .fetch_one(conn)
            .await)?;
        let session = info.session.as_ref();
        let text = |path: &[&str]| {
            session
                .and_then(|session| session.at(path))
                .and_then(Json::text)
                .map(str::to_owned)
        };
        let of_session = session.and_then(|session| session.get("costs")).filter(|costs| {
            costs.members().is_some_and(|members| !members.is_empty())
                && (info.sealed_at.is_some() || digest.reported_costs.is_none())
        });
        Ok(RunSummary {
            rev: info.rev,
            client: canonical::client(&info),
            started_at: text(&["started_at"]).unwrap_or_else(|| info.created_at.to_string()),
            ended_at: text(&["ended_at"]),
            liveness: self.liveness(actor, &info),
            last_activity_at: info.last_activity_at,
            child_count: u64::try_from(child_count).unwrap_or_default(),
            tags: session
                .and_then(|session| session.get("tags"))
                .cloned()
                .unwrap_or(Json::Object(Members::new())),
            session_type: text(&["tags", "augur.session_type"]),
            task_class: text(&["task_spec", "task_class"]),
            instruction: text(&["task_spec", "instruction"]),
            sealed: info.sealed_at.is_some(),
            costs: of_session.or(digest.reported_costs.as_ref()).cloned(),
            run_id: info.run_id,
            debug_session_id: info.debug_session_id,
            capture_mode: info.capture_mode,
            status: info.status,
            parent_run_id: info.parent_run_id,
            finding_counts,
            digest,
        })
    }

    fn liveness(&self, actor: &Actor, info: &RunInfo) -> Liveness {
        if info.sealed_at.is_some() {
            return Liveness::Closed;
        }
        let heard = self
            .connections
            .heard_of(&actor.organisation, &info.run_id)
            .unwrap_or(info.last_activity_at);
        let silence: Duration = self.clock.now().since(heard.max(info.last_activity_at));
        if silence < self.limits.idle_after {
            Liveness::Live
        } else if silence < self.limits.lost_after {
            Liveness::Idle
        } else {
            Liveness::Lost
        }
    }

    async fn digest(&self, info: &RunInfo) -> Result<Arc<Digest>> {
        if let Some(known) = self.digests.get(&(info.id, info.rev)) {
            return Ok(known);
        }
        let steps = self.steps(info).await?;
        let mut digest = Digest {
            step_count: steps.len() as u64,
            iteration_count: steps.iter().map(|step| step.count() as u64).sum(),
            ..Digest::default()
        };
        for step in &steps {
            let body = step.canonical();
            if let Some(class) = body.text_at("failure_class").filter(|class| !class.is_empty()) {
                *digest.failure_classes.entry(class.to_owned()).or_default() += 1;
            }
            if digest.first_failed_step.is_none() && body.text_at("status") == Some("failed") {
                digest.first_failed_step = Some(step.index);
            }
        }
        let counts: Vec<ItemCount> = with_reader!(self.db, |conn| sqlx::query_as(COUNTS)
            .bind(info.id)
            .fetch_all(conn)
            .await)?;
        for count in counts {
            match Kind::parse(&count.kind) {
                Some(Kind::Events) => digest.event_count = u64::try_from(count.items).unwrap_or_default(),
                Some(Kind::Screenshot) => {
                    digest.screenshot_count = u64::try_from(count.rows).unwrap_or_default();
                }
                _ => {}
            }
        }
        if let Some(row) = reading::by_key(&self.db, info.id, Kind::Costs, "").await? {
            digest.reported_costs = Some(if info.streamed {
                row.streamed()?
            } else {
                row.plain()?
            });
        }
        if let Some(row) = reading::by_key(&self.db, info.id, Kind::Manifest, "").await? {
            let manifest = row.plain()?;
            digest.trajectory_fingerprint = manifest.text_at("trajectory_fingerprint").map(str::to_owned);
            if info.sealed_at.is_some() {
                digest.integrity = Some(self.verify(info, &manifest).await?.verdict());
            }
        }
        let digest = Arc::new(digest);
        self.digests.insert((info.id, info.rev), Arc::clone(&digest));
        Ok(digest)
    }
}
