//! Whether what is stored is what the client signed.
//!
//! The manifest holds the SHA-256 of every file that the SDK wrote to its own disk. Files are rendered
//! here as the SDK renders them, so equal content has an equal hash.

use std::collections::BTreeMap;

use pentad_kernel::{Actor, secret};

use crate::bundle::{Path, digest, events_file};
use crate::json::Json;
use crate::names::RunId;
use crate::reading::{self, RunInfo};
use crate::record::Kind;
use crate::rows::RecordRow;
use crate::signed_order::Effort;
use crate::{Error, Result, Runs};

/// How a signed file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is byte for byte what was signed.
    Verified,
    /// It is there, but something else was signed.
    Mismatched,
    /// It never arrived.
    Missing,
    /// Clients do not send this file.
    NotStreamed,
}

impl State {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Mismatched => "mismatched",
            Self::Missing => "missing",
            Self::NotStreamed => "not_streamed",
        }
    }
}

/// How the signed files of a run stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every signed file.
    pub files: BTreeMap<String, State>,
    /// Whether a manifest with signatures has arrived.
    pub signed: bool,
}

impl Report {
    /// How many files stand like this.
    pub fn count(&self, state: State) -> usize {
        self.files.values().filter(|&&known| known == state).count()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.files.keys().map(|path| path.len() + 64).sum()
    }

    /// The whole in a word: `verified`, `mismatched`, `missing`, or `unsigned`.
    pub fn verdict(&self) -> &'static str {
        if !self.signed {
            "unsigned"
        } else if self.count(State::Missing) > 0 {
            State::Missing.name()
        } else if self.count(State::Mismatched) > 0 {
            State::Mismatched.name()
        } else {
            State::Verified.name()
        }
    }
}

impl Runs {
    /// Compares what is stored of a run with what its manifest signs.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn integrity(&self, actor: &Actor, run_id: &RunId) -> Result<Report> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        match reading::by_key(&self.db, info.id, Kind::Manifest, "").await? {
            Some(row) => self.verify(&info, &row.plain()?).await,
            None => Ok(Report::default()),
        }
    }

    pub(crate) async fn verify(&self, info: &RunInfo, manifest: &Json) -> Result<Report> {
        let Some(signatures) = manifest.get("signatures").and_then(Json::members) else {
            return Ok(Report::default());
        };
        if let Some(known) = self.reports.get(&(info.id, info.rev)) {
            return Ok((*known).clone());
        }
        let shots = reading::of_kind(&self.db, info.id, Kind::Screenshot).await?;
        let shots: BTreeMap<(i64, &str), &str> = shots
            .iter()
            .filter_map(|row| {
                Some((
                    (row.step_index?, row.key.rsplit('/').next()?),
                    row.object.as_deref()?,
                ))
            })
            .collect();
        let steps: BTreeMap<u64, _> = self
            .steps(info)
            .await?
            .into_iter()
            .map(|step| (step.index, step))
            .collect();
        let mut events = BTreeMap::<Option<u64>, Vec<RecordRow>>::new();
        for row in reading::of_kind(&self.db, info.id, Kind::Events).await? {
            let index = row.step_index.and_then(|index| u64::try_from(index).ok());
            events.entry(index).or_default().push(row);
        }
        let mut effort = Effort::of_run();
        let mut files = BTreeMap::new();
        for (path, signature) in signatures {
            let signature = signature.text().unwrap_or_default();
            let found = match Path::parse(path) {
                // The server writes its own.
                None | Some(Path::Agent | Path::Findings) => {
                    files.insert(path.clone(), State::NotStreamed);
                    continue;
                }
                // A screenshot is stored under its hash: there is no need to read it.
                Some(Path::Screenshot(index, kind)) => i64::try_from(index)
                    .ok()
                    .and_then(|index| shots.get(&(index, kind.name())))
                    .map(|&sha256| sha256.to_owned()),
                Some(Path::Step(index)) => steps
                    .get(&index)
                    .map(|step| secret::sha256_hex(step.canonical().to_file())),
                Some(Path::Iteration(index, name)) => steps
                    .get(&index)
                    .and_then(|step| step.iteration(&name))
                    .map(|body| secret::sha256_hex(body.to_file())),
                Some(Path::Events(index)) => match events.get(&index) {
                    Some(rows) => Some(digest(&events_file(rows, Some(signature), &mut effort)?)),
                    None => None,
                },
                Some(path) => match self.record_file(info, &path, signatures, &mut effort).await {
                    Ok(file) => Some(digest(&file)),
                    Err(Error::FileNotFound) => None,
                    Err(other) => return Err(other),
                },
            };
            let state = match found {
                Some(found) if found == signature => State::Verified,
                Some(_) => State::Mismatched,
                None => State::Missing,
            };
            files.insert(path.clone(), state);
        }
        let report = Report { files, signed: true };
        self.reports
            .insert((info.id, info.rev), std::sync::Arc::new(report.clone()));
        Ok(report)
    }
}
