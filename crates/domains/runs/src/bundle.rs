//! A run as the tree of files that the SDK writes: the same paths, the same bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use pentad_kernel::{Actor, secret};
use pentad_store::with_reader;

use crate::canonical::{self, StepRecords};
use crate::diagnostics::Finding;
use crate::json::{Json, Members, object};
use crate::names::{
    RunId, ShotKind, index_in_file, is_log_name, is_modelio_name, is_replay_name, is_side_effect_id,
};
use crate::reading::{self, RunInfo};
use crate::record::{Kind, screenshot_key};
use crate::rows::RecordRow;
use crate::signed_order::{self, Effort};
use crate::steps::Shot;
use crate::{Error, Result, Runs};

/// What a file of a bundle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// One JSON document.
    Json,
    /// A JSON document a line.
    JsonLines,
    /// A PNG image.
    Png,
    /// Text that nobody should interpret.
    Text,
    /// Markdown.
    Markdown,
}

impl Media {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Png => "image/png",
            Self::Text => "text/plain; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }
}

/// A file of a bundle.
#[derive(Clone, Debug)]
pub struct File {
    /// What it holds.
    pub media: Media,
    /// Its content.
    pub content: Bytes,
    /// The SHA-256 of the content, where it is known without reading it.
    pub sha256: Option<String>,
    /// Whether it was made up, because the client has not sent it yet.
    pub synthetic: bool,
}

impl File {
    pub(crate) fn new(media: Media, content: impl Into<Bytes>) -> Self {
        Self {
            media,
            content: content.into(),
            sha256: None,
            synthetic: false,
        }
    }

    pub(crate) fn json(value: &Json) -> Self {
        Self::new(Media::Json, value.to_file())
    }

    pub(crate) fn lines(records: &[Json]) -> Self {
        let mut text = String::new();
        for record in records {
            text.push_str(&record.to_line());
            text.push('\n');
        }
        Self::new(Media::JsonLines, text)
    }
}

/// The path of a file in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Manifest,
    Trace,
    Step(u64),
    Iteration(u64, String),
    Events(Option<u64>),
    Reasoning,
    Screenshot(u64, ShotKind),
    ModelIo(String),
    Log(String),
    SideEffect(u64, String),
    Outcomes,
    EvalCandidates,
    Replay(String),
    Spans,
    Findings,
    Agent,
}

impl Path {
    /// Reads a path; `None` for one that no bundle has.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let parsed = match (parts.next()?, parts.next(), parts.next()) {
            ("manifest.json", None, _) => Self::Manifest,
            ("trace.json", None, _) => Self::Trace,
            ("outcomes.json", None, _) => Self::Outcomes,
            ("eval_candidates.json", None, _) => Self::EvalCandidates,
            ("AGENT.md", None, _) => Self::Agent,
            ("spans.jsonl", None, _) => Self::Spans,
            ("steps", Some(name), None) => Self::Step(index_in_file(name.strip_suffix(".json")?)?),
            ("steps", Some(index), Some(name)) => {
                let hash = name.strip_suffix(".json").filter(|hash| is_short_hash(hash))?;
                Self::Iteration(index_in_file(index)?, hash.to_owned())
            }
            ("events", Some("run.jsonl"), None) => Self::Events(None),
            ("events", Some("reasoning.jsonl"), None) => Self::Reasoning,
            ("events", Some(name), None) => Self::Events(Some(index_in_file(name.strip_suffix(".jsonl")?)?)),
            ("screenshots", Some(name), None) => {
                let (index, kind) = name.strip_suffix(".png")?.split_once('_')?;
                Self::Screenshot(index_in_file(index)?, kind.parse().ok()?)
            }
            ("modelio", Some(name), None) if is_modelio_name(name) => Self::ModelIo(name.to_owned()),
            ("logs", Some(name), None) => {
                let name = name.strip_suffix(".log").filter(|name| is_log_name(name))?;
                Self::Log(name.to_owned())
            }
            ("side_effects", Some(name), None) => {
                let (index, id) = name.strip_suffix(".json")?.split_once('-')?;
                Self::SideEffect(
                    index_in_file(index)?,
                    Some(id).filter(|id| is_side_effect_id(id))?.to_owned(),
                )
            }
            ("replay", Some(name), None) if is_replay_name(name) => Self::Replay(name.to_owned()),
            ("diagnostics", Some("findings.json"), None) => Self::Findings,
            _ => return None,
        };
        parts.next().is_none().then_some(parsed)
    }

    /// Whether the order of what is in the file may be known by its signature alone.
    const fn has_a_signed_order(&self) -> bool {
        matches!(self, Self::Events(_) | Self::Reasoning | Self::Outcomes)
    }
}

fn events_path(index: Option<u64>) -> String {
    match index {
        Some(index) => format!("events/{index:04}.jsonl"),
        None => "events/run.jsonl".to_owned(),
    }
}

fn is_short_hash(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

const OBJECT: &str = "SELECT bytes FROM run_objects WHERE organisation_id = $1 AND sha256 = $2";

impl Runs {
    /// A file of a run's bundle by its path, as `steps/0003.json`.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::FileNotFound`].
    pub async fn file(&self, actor: &Actor, run_id: &RunId, path: &str) -> Result<File> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let path = Path::parse(path).ok_or(Error::FileNotFound)?;
        let signatures = if path.has_a_signed_order() {
            self.signatures(&info).await?
        } else {
            Members::new()
        };
        let mut effort = Effort::of_file();
        self.file_of(actor, &info, &path, &signatures, &mut effort).await
    }

    /// A file of a run whose manifest holds these signatures.
    pub(crate) async fn file_of(
        &self,
        actor: &Actor,
        info: &RunInfo,
        path: &Path,
        signatures: &Members,
        effort: &mut Effort,
    ) -> Result<File> {
        match path {
            Path::Screenshot(index, kind) => {
                let shot = self.shot(info, *index, *kind).await?;
                self.screenshot_file(actor, &shot).await
            }
            Path::Findings => {
                let findings = self.findings_of(info).await?;
                let findings: Vec<Json> = findings.iter().map(Finding::to_json).collect();
                Ok(File::json(&Json::Array(findings)))
            }
            recorded => self.record_file(info, recorded, signatures, effort).await,
        }
    }

    /// What is known of a screenshot by its path, as `screenshots/0003_pre.png`.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::FileNotFound`].
    pub async fn screenshot(&self, actor: &Actor, run_id: &RunId, path: &str) -> Result<Shot> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        match Path::parse(path) {
            Some(Path::Screenshot(index, kind)) => self.shot(&info, index, kind).await,
            _ => Err(Error::FileNotFound),
        }
    }

    async fn shot(&self, info: &RunInfo, index: u64, kind: ShotKind) -> Result<Shot> {
        let key = screenshot_key(index, kind);
        let row = reading::by_key(&self.db, info.id, Kind::Screenshot, &key).await?;
        Shot::of(row.ok_or(Error::FileNotFound)?)
    }

    /// A screenshot itself.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    pub async fn screenshot_file(&self, actor: &Actor, shot: &Shot) -> Result<File> {
        let content = self.object(actor, &shot.sha256).await?;
        Ok(File {
            sha256: Some(shot.sha256.clone()),
            ..File::new(Media::Png, content)
        })
    }

    /// A file that is made of records alone.
    pub(crate) async fn record_file(
        &self,
        info: &RunInfo,
        path: &Path,
        signatures: &Members,
        effort: &mut Effort,
    ) -> Result<File> {
        let db = &self.db;
        let signature = |path: &str| signatures.get(path).and_then(Json::text);
        match path {
            Path::Screenshot(..) | Path::Findings => Err(Error::FileNotFound),
            Path::Manifest => match reading::by_key(db, info.id, Kind::Manifest, "").await? {
                Some(row) => Ok(File::json(&row.plain()?)),
                None => Ok(File {
                    synthetic: true,
                    ..File::json(&canonical::manifest(info, &self.steps(info).await?))
                }),
            },
            Path::Trace => self.trace(info).await,
            Path::Step(index) => {
                let step = self.step(info, *index).await?;
                Ok(File::json(step.canonical()))
            }
            Path::Iteration(index, name) => {
                let step = self.step(info, *index).await?;
                step.iteration(name).map(File::json).ok_or(Error::FileNotFound)
            }
            Path::Events(index) => {
                let file = index.map_or_else(|| "run".to_owned(), |index| format!("{index:09}"));
                let rows = reading::below(db, info.id, Kind::Events, &file).await?;
                events_file(&rows, signature(&events_path(*index)), effort)
            }
            Path::Reasoning => {
                let rows = reading::of_kind(db, info.id, Kind::Reasoning).await?;
                let signature = signature("events/reasoning.jsonl");
                let arrived = canonical::as_they_came(&rows)?;
                let time = |record: &Json| record.text_at("ts").unwrap_or_default().to_owned();
                let place = |record: &Json| (time(record), record.get("step_index").cloned());
                let records = canonical::reasoning(&rows)?;
                signed_order::file(signature, records, arrived, time, place, lines, effort)
            }
            Path::Spans => {
                let rows = reading::of_kind(db, info.id, Kind::Span).await?;
                lines(&canonical::bodies(&rows)?)
            }
            Path::ModelIo(name) => self.document(info, Kind::ModelIo, name).await,
            Path::Replay(name) => self.document(info, Kind::Replay, name).await,
            Path::Log(name) => self.log(info, name).await,
            Path::SideEffect(index, id) => {
                let row = reading::by_key(db, info.id, Kind::SideEffect, id).await?;
                let row = row.filter(|row| row.step_index == i64::try_from(*index).ok());
                Ok(File::json(&row.ok_or(Error::FileNotFound)?.plain()?))
            }
            Path::Outcomes => {
                let rows = reading::of_kind(db, info.id, Kind::Outcome).await?;
                let signature = signature("outcomes.json");
                let arrived = canonical::as_they_came(&rows)?;
                let time = |record: &Json| record.text_at("finalized_at").unwrap_or_default().to_owned();
                let render = |records: &[Json]| list("outcomes", records.to_vec());
                let place = |record: &Json| (time(record), record.get("step_index").cloned());
                let records = canonical::outcomes(&rows)?;
                signed_order::file(signature, records, arrived, time, place, render, effort)
            }
            Path::EvalCandidates => {
                let rows = reading::of_kind(db, info.id, Kind::EvalCandidate).await?;
                list("candidates", canonical::bodies(&rows)?)
            }
            Path::Agent => {
                let steps = self.steps(info).await?;
                Ok(File::new(Media::Markdown, crate::agent::index(info, &steps)))
            }
        }
    }

    /// The hashes of the client's own files by their paths, as its manifest has them.
    pub(crate) async fn signatures(&self, info: &RunInfo) -> Result<Members> {
        let Some(row) = reading::by_key(&self.db, info.id, Kind::Manifest, "").await? else {
            return Ok(Members::new());
        };
        Ok(match row.plain()? {
            Json::Object(mut manifest) => match manifest.remove("signatures") {
                Some(Json::Object(signatures)) => signatures,
                _ => Members::new(),
            },
            _ => Members::new(),
        })
    }

    /// The paths of everything that can be read of the run, sorted.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn files(&self, actor: &Actor, run_id: &RunId) -> Result<Vec<String>> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        self.paths(&info).await
    }

    pub(crate) async fn paths(&self, info: &RunInfo) -> Result<Vec<String>> {
        let mut paths: BTreeSet<String> = [
            "manifest.json",
            "trace.json",
            "AGENT.md",
            "diagnostics/findings.json",
        ]
        .map(str::to_owned)
        .into();
        let mut steps = Vec::new();
        for row in reading::all(&self.db, info.id).await? {
            let index = row.step_index.and_then(|index| u64::try_from(index).ok());
            let path = match row.kind {
                Kind::Step => {
                    steps.push(row);
                    continue;
                }
                Kind::Events => events_path(index),
                Kind::Screenshot => {
                    let kind = row.key.rsplit('/').next().unwrap_or_default();
                    format!("screenshots/{:04}_{kind}.png", index.unwrap_or_default())
                }
                Kind::ModelIo => format!("modelio/{}", row.key),
                Kind::Replay => format!("replay/{}", row.key),
                Kind::Span => "spans.jsonl".to_owned(),
                Kind::Log => format!("logs/{}.log", row.key),
                Kind::SideEffect => format!("side_effects/{:04}-{}.json", index.unwrap_or_default(), row.key),
                Kind::Reasoning => "events/reasoning.jsonl".to_owned(),
                Kind::Outcome => "outcomes.json".to_owned(),
                Kind::EvalCandidate => "eval_candidates.json".to_owned(),
                Kind::Manifest | Kind::Trace | Kind::Costs | Kind::LogChunk | Kind::JudgeDecision => continue,
            };
            paths.insert(path);
        }
        for step in canonical::steps(info, steps)? {
            let index = step.index;
            if step.count() == 1 {
                paths.insert(format!("steps/{index:04}.json"));
            }
            paths.extend(
                step.iterations()
                    .map(|(name, _)| format!("steps/{index:04}/{name}.json")),
            );
        }
        Ok(paths.into_iter().collect())
    }

    async fn document(&self, info: &RunInfo, kind: Kind, key: &str) -> Result<File> {
        let row = reading::by_key(&self.db, info.id, kind, key).await?;
        Ok(File::json(&row.ok_or(Error::FileNotFound)?.plain()?))
    }

    /// All steps, each as it is known best.
    pub(crate) async fn steps(&self, info: &RunInfo) -> Result<Vec<StepRecords>> {
        let rows = reading::of_kind(&self.db, info.id, Kind::Step).await?;
        let mut steps = canonical::steps(info, rows)?;
        let decisions = reading::of_kind(&self.db, info.id, Kind::JudgeDecision).await?;
        canonical::join_decisions(info, &mut steps, &decisions)?;
        Ok(steps)
    }

    pub(crate) async fn step(&self, info: &RunInfo, index: u64) -> Result<StepRecords> {
        let name = format!("{index:09}");
        let rows = reading::below(&self.db, info.id, Kind::Step, &name).await?;
        let mut steps = canonical::steps(info, rows)?;
        let decisions = reading::below(&self.db, info.id, Kind::JudgeDecision, &name).await?;
        canonical::join_decisions(info, &mut steps, &decisions)?;
        steps.pop().ok_or(Error::FileNotFound)
    }

    async fn trace(&self, info: &RunInfo) -> Result<File> {
        if info.streamed
            && info.sealed_at.is_some()
            && let Some(row) = reading::by_key(&self.db, info.id, Kind::Trace, "").await?
        {
            return Ok(File::json(&row.plain()?));
        }
        let steps = self.steps(info).await?;
        let bodies = steps.iter().map(|step| step.canonical().clone()).collect();
        let trace = object([
            ("session", canonical::session(info, &steps)),
            ("steps", Json::Array(bodies)),
        ]);
        Ok(File {
            synthetic: info.session.is_none(),
            ..File::json(&trace)
        })
    }

    pub(crate) async fn log(&self, info: &RunInfo, name: &str) -> Result<File> {
        // `step-0007` is what the bundle layout calls the log of a step that the route calls `step-7`.
        let plain = name
            .strip_prefix("step-")
            .and_then(index_in_file)
            .map(|index| format!("step-{index}"));
        for name in [Some(name), plain.as_deref()].into_iter().flatten() {
            if reading::by_key(&self.db, info.id, Kind::Log, name)
                .await?
                .is_some()
            {
                let chunks = reading::below(&self.db, info.id, Kind::LogChunk, name).await?;
                let mut text = String::new();
                for chunk in &chunks {
                    text.push_str(chunk.plain()?.text().unwrap_or_default());
                }
                return Ok(File::new(Media::Text, text));
            }
        }
        Err(Error::FileNotFound)
    }

    /// The bytes of a screenshot by their hash.
    pub(crate) async fn object(&self, actor: &Actor, sha256: &str) -> Result<Bytes> {
        let row: Option<Option<Vec<u8>>> = with_reader!(self.db, |conn| sqlx::query_scalar(OBJECT)
            .bind(actor.organisation.as_str())
            .bind(sha256)
            .fetch_optional(conn)
            .await)?;
        match row {
            Some(Some(bytes)) => Ok(bytes.into()),
            Some(None) => self.objects.get(&actor.organisation, sha256).await,
            None => Err(Error::Damaged("a screenshot without its bytes")),
        }
    }
}

/// The decision events of one step, or those of the run.
pub(crate) fn events_file(rows: &[RecordRow], signature: Option<&str>, effort: &mut Effort) -> Result<File> {
    let arrived = canonical::events_as_they_came(rows)?;
    let (records, time) = (canonical::events(rows)?, canonical::event_key);
    signed_order::file(signature, records, arrived, time, time, lines, effort)
}

fn lines(records: &[Json]) -> Result<File> {
    if records.is_empty() {
        return Err(Error::FileNotFound);
    }
    Ok(File::lines(records))
}

fn list(name: &str, records: Vec<Json>) -> Result<File> {
    if records.is_empty() {
        return Err(Error::FileNotFound);
    }
    Ok(File::json(&object([(name, Json::Array(records))])))
}

/// The hash of a file's content.
pub(crate) fn digest(file: &File) -> String {
    file.sha256
        .clone()
        .unwrap_or_else(|| secret::sha256_hex(&file.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_bundle_layout_and_no_others() {
        assert_eq!(Path::parse("steps/0003.json"), Some(Path::Step(3)));
        assert_eq!(
            Path::parse("steps/0001/2821723b.json"),
            Some(Path::Iteration(1, "2821723b".to_owned()))
        );
        assert_eq!(Path::parse("events/run.jsonl"), Some(Path::Events(None)));
        assert_eq!(
            Path::parse("screenshots/0000_pre.png"),
            Some(Path::Screenshot(0, ShotKind::Pre))
        );
        assert_eq!(
            Path::parse("side_effects/0002-se_1.json"),
            Some(Path::SideEffect(2, "se_1".to_owned()))
        );
        for wrong in [
            "",
            "steps",
            "steps/0.json",
            "steps/00000.json",
            "steps/../manifest.json",
            "steps/0000.json.bak",
            "steps/0000.json/x",
            "manifest.json/x",
            "events/..",
            "screenshots/0000_evil.png",
            "logs/../x.log",
            "steps/0001/2821723B.json",
            "modelio/x",
            "etc/passwd",
            "replay/../x.json",
            "replay/.json",
            "diagnostics/../manifest.json",
            "/manifest.json",
        ] {
            assert_eq!(Path::parse(wrong), None, "{wrong:?}");
        }
    }
}
