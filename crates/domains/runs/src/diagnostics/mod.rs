//! What looks wrong in a run, each with the files that show it.
//!
//! Two packs of rules: `cua`, which gives the verdicts of the SDK's pack of the same name, and `gw` for
//! what only a server can see. A rule reads one revision of a run and nothing else.

mod cua;
mod gw;

use std::collections::{BTreeMap, BTreeSet};

use crate::canonical::StepRecords;
use crate::json::{Json, object};
use crate::reading::{self, RunInfo};
use crate::record::Kind;
use crate::rows::RecordRow;
use crate::{Result, Runs, canonical, integrity};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Hygiene.
    Low,
    /// Probably a fault.
    Medium,
    /// A fault.
    High,
    /// A fault that explains others.
    Critical,
}

impl Severity {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A file that shows a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// `step`, `event`, `screenshot`, `log` or `trace`.
    pub kind: &'static str,
    /// The path of the file in the bundle.
    pub path: String,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that fired.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub summary: String,
    /// What to do about it.
    pub recommendation: &'static str,
    /// The step it is about.
    pub step_index: Option<u64>,
    /// The files that show it; at least one.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let evidence: usize = self.evidence.iter().map(|item| item.path.len() + 64).sum();
        self.summary.len() + evidence + 128
    }

    /// The form of `diagnostics/findings.json`.
    pub fn to_json(&self) -> Json {
        let evidence = self
            .evidence
            .iter()
            .map(|item| object([("type", item.kind.into()), ("ref", item.path.as_str().into())]))
            .collect();
        let mut json = object([
            ("rule_id", self.rule.into()),
            ("severity", self.severity.name().into()),
            ("summary", self.summary.as_str().into()),
            ("recommendation", self.recommendation.into()),
            ("evidence", Json::Array(evidence)),
        ]);
        if let (Some(index), Json::Object(members)) = (self.step_index, &mut json) {
            members.insert("step_index".to_owned(), index.into());
        }
        json
    }
}

/// What the rules look at.
pub(crate) struct Subject {
    pub(crate) steps: Vec<(u64, Json)>,
    /// Steps with an event of the verifier.
    pub(crate) verified: BTreeSet<u64>,
    pub(crate) screenshots: BTreeMap<String, Screenshot>,
    /// What the manifest says is missing.
    pub(crate) missing: BTreeSet<String>,
    /// Each log with how many bytes of it were dropped.
    pub(crate) logs: BTreeMap<String, u64>,
    pub(crate) side_effects: Vec<Json>,
    /// The names of what was kept for replays.
    pub(crate) replays: BTreeSet<String>,
    pub(crate) sealed: bool,
    /// Whether nothing more is on its way: the run is sealed, or was silent for a while.
    pub(crate) quiet: bool,
    /// Whether the run has been silent so long that its agent is gone.
    pub(crate) lost: bool,
    /// The largest costs reported and those of the session.
    pub(crate) reported_usd: Option<f64>,
    pub(crate) session_usd: Option<f64>,
    pub(crate) integrity: Option<integrity::Report>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screenshot {
    pub(crate) sha256: String,
    pub(crate) width: u64,
    pub(crate) height: u64,
}

/// All findings: the worst first, then by step, then in the order of the rules.
pub(crate) fn evaluate(subject: &Subject) -> Vec<Finding> {
    let mut findings = cua::evaluate(subject);
    findings.extend(gw::evaluate(subject));
    findings.sort_by_key(|finding| {
        (
            std::cmp::Reverse(finding.severity),
            finding.step_index.unwrap_or(u64::MAX),
        )
    });
    findings
}

pub(crate) fn step_file(index: u64) -> Evidence {
    Evidence {
        kind: "step",
        path: format!("steps/{index:04}.json"),
    }
}

pub(crate) fn events_file(index: u64) -> Evidence {
    Evidence {
        kind: "event",
        path: format!("events/{index:04}.jsonl"),
    }
}

/// Evidence of whatever kind the path is.
pub(crate) fn file(path: &str) -> Evidence {
    let kind = match path.split('/').next() {
        Some("steps") => "step",
        Some("events") => "event",
        Some("screenshots") => "screenshot",
        Some("logs") => "log",
        _ => "trace",
    };
    Evidence {
        kind,
        path: path.to_owned(),
    }
}

impl Runs {
    /// The findings of one revision of a run, from memory when it was looked at before.
    pub(crate) async fn findings_of(&self, info: &RunInfo) -> Result<std::sync::Arc<Vec<Finding>>> {
        let silent_for = self.clock.now().since(info.last_activity_at);
        let sealed = info.sealed_at.is_some();
        let quiet = sealed || silent_for >= self.limits.idle_after;
        let lost = !sealed && silent_for >= self.limits.lost_after;
        let key = (info.id, info.rev, quiet, lost);
        if let Some(known) = self.findings.get(&key) {
            return Ok(known);
        }
        let steps = self.steps(info).await?;
        let subject = self.subject(info, &steps, quiet, lost).await?;
        let findings = std::sync::Arc::new(evaluate(&subject));
        self.findings.insert(key, std::sync::Arc::clone(&findings));
        Ok(findings)
    }

    async fn subject(
        &self,
        info: &RunInfo,
        steps: &[StepRecords],
        quiet: bool,
        lost: bool,
    ) -> Result<Subject> {
        let db = &self.db;
        let manifest = match reading::by_key(db, info.id, Kind::Manifest, "").await? {
            Some(row) => Some(row.plain()?),
            None => None,
        };
        let missing = manifest
            .as_ref()
            .and_then(|manifest| manifest.get("missing"))
            .and_then(Json::elements)
            .unwrap_or_default();
        let shots = reading::of_kind(db, info.id, Kind::Screenshot).await?;
        let sealed = info.sealed_at.is_some();
        let integrity = match &manifest {
            Some(manifest) if sealed => Some(self.verify(info, manifest).await?),
            _ => None,
        };
        let reported = reading::by_key(db, info.id, Kind::Costs, "").await?;
        let usd = |costs: &Json| costs.get("total_usd").and_then(Json::number);
        Ok(Subject {
            steps: steps
                .iter()
                .map(|step| (step.index, step.canonical().clone()))
                .collect(),
            verified: verified(&reading::of_kind(db, info.id, Kind::Events).await?)?,
            screenshots: screenshots(&shots)?,
            missing: missing.iter().filter_map(Json::text).map(str::to_owned).collect(),
            logs: logs(&reading::of_kind(db, info.id, Kind::Log).await?)?,
            replays: reading::of_kind(db, info.id, Kind::Replay)
                .await?
                .into_iter()
                .map(|row| row.key)
                .collect(),
            side_effects: canonical::bodies(&reading::of_kind(db, info.id, Kind::SideEffect).await?)?,
            sealed,
            quiet,
            lost,
            reported_usd: reported
                .as_ref()
                .map(RecordRow::streamed)
                .transpose()?
                .as_ref()
                .and_then(usd),
            session_usd: info
                .session
                .as_ref()
                .and_then(|session| session.get("costs"))
                .and_then(usd),
            integrity,
        })
    }
}

fn verified(rows: &[RecordRow]) -> Result<BTreeSet<u64>> {
    let mut steps = BTreeSet::new();
    for row in rows {
        let Some(index) = row.step_index.and_then(|index| u64::try_from(index).ok()) else {
            continue;
        };
        let Json::Array(events) = row.plain()? else {
            continue;
        };
        if events
            .iter()
            .any(|event| event.text_at("layer") == Some("verifier"))
        {
            steps.insert(index);
        }
    }
    Ok(steps)
}

fn screenshots(rows: &[RecordRow]) -> Result<BTreeMap<String, Screenshot>> {
    let mut shots = BTreeMap::new();
    for row in rows {
        let (Some(index), Some(kind)) = (row.step_index, row.key.rsplit('/').next()) else {
            continue;
        };
        let body = row.plain()?;
        let side = |name: &str| body.get(name).and_then(Json::whole).unwrap_or(0);
        let shot = Screenshot {
            sha256: row.object.clone().unwrap_or_default(),
            width: side("width"),
            height: side("height"),
        };
        shots.insert(format!("screenshots/{index:04}_{kind}.png"), shot);
    }
    Ok(shots)
}

fn logs(rows: &[RecordRow]) -> Result<BTreeMap<String, u64>> {
    rows.iter()
        .map(|row| {
            let dropped = row.plain()?.get("dropped").and_then(Json::whole).unwrap_or(0);
            Ok((format!("logs/{}.log", row.key), dropped))
        })
        .collect()
}

#[cfg(test)]
pub(crate) fn subject_of(steps: &[&str]) -> Subject {
    let steps = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            (
                index as u64,
                Json::parse(step.as_bytes()).expect("a test's step is JSON"),
            )
        })
        .collect();
    Subject {
        steps,
        verified: BTreeSet::new(),
        screenshots: BTreeMap::new(),
        missing: BTreeSet::new(),
        logs: BTreeMap::new(),
        side_effects: Vec::new(),
        replays: BTreeSet::new(),
        sealed: true,
        quiet: true,
        lost: false,
        reported_usd: None,
        session_usd: None,
        integrity: None,
    }
}
