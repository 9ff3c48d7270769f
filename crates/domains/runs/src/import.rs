//! Taking a bundle that the client wrote to its own disk: what was lost on its way is there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use bytes::Bytes;
use pentad_archive::{Caps, ZipReader};
use pentad_kernel::{Actor, secret};

use crate::bundle::Path;
use crate::error::Fault;
use crate::json::Json;
use crate::names::RunId;
use crate::png::Png;
use crate::record::{Change, Client, Kind, Rule, Submission};
use crate::{Error, Limits, Result, Runs};

/// What is done about files that are not what the manifest signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// The bundle is refused.
    Required,
    /// It is taken all the same; [`Runs::integrity`] tells afterwards.
    Ignored,
}

/// What became of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many files were taken.
    pub files: u64,
    /// Files that are no part of a recorded run, or that the organisation does not record.
    pub skipped: Vec<String>,
    /// Files that the manifest signs and the bundle lacks.
    pub missing: Vec<String>,
}

impl Runs {
    /// Takes a zip archive of a bundle, in the form of [`Runs::bundle_zip`] and of the SDK. Every file in it
    /// replaces what is recorded under its path; what the bundle lacks stays. All of it is written, or nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an archive that is none, that lacks its manifest or trace, whose manifest names
    /// another run, or whose files are not what it signs.
    pub async fn import(
        &self,
        actor: &Actor,
        run_id: &RunId,
        archive: Bytes,
        signatures: Signatures,
    ) -> Result<Imported> {
        let settings = self.settings(actor).await?;
        let (run, limits) = (run_id.clone(), self.limits.clone());
        let read = tokio::task::spawn_blocking(move || {
            let files = unpack(archive, &limits)?;
            let bundle = Bundle::open(&run, files, &limits)?;
            bundle.read(signatures, settings.modelio_enabled, settings.log_scrub)
        });
        let (submission, imported) = read.await.map_err(|_| Error::ShuttingDown)??;
        self.ingest(actor, submission).await?;
        Ok(imported)
    }
}

fn unpack(archive: Bytes, limits: &Limits) -> Result<BTreeMap<String, Bytes>> {
    let caps = Caps {
        max_members: limits.bundle_files as u64,
        max_member_bytes: limits.bundle_bytes as u64,
        max_unpacked_bytes: limits.bundle_bytes as u64,
        ..Caps::default()
    };
    let refused = |error: &pentad_archive::Error| {
        let message = format!("{error} (limits bundle_bytes, bundle_files)");
        Error::invalid(&["body"], "value_error", message)
    };
    let mut reader = ZipReader::open(Cursor::new(archive), caps).map_err(|error| refused(&error))?;
    let mut files = BTreeMap::new();
    let unpacked = reader.for_each(|path, content| {
        let mut bytes = Vec::new();
        content
            .read_to_end(&mut bytes)
            .map_err(|source| pentad_archive::Error::Read { source })?;
        files.insert(path.as_str().to_owned(), Bytes::from(bytes));
        Ok::<_, pentad_archive::Error>(())
    });
    unpacked.map_err(|error| refused(&error))?;
    // People pack the folder as well as what is in it.
    let folder = files
        .keys()
        .filter_map(|path| path.strip_suffix("manifest.json"))
        .min_by_key(|folder| folder.len())
        .unwrap_or_default()
        .to_owned();
    Ok(files
        .into_iter()
        .filter_map(|(path, content)| Some((path.strip_prefix(&folder)?.to_owned(), content)))
        .collect())
}

/// A bundle that is being read.
struct Bundle<'a> {
    run: RunId,
    files: BTreeMap<String, Bytes>,
    manifest: Json,
    signed: BTreeMap<String, String>,
    /// The steps whose place is empty already.
    cleared: BTreeSet<u64>,
    limits: &'a Limits,
}

impl<'a> Bundle<'a> {
    fn open(run: &RunId, files: BTreeMap<String, Bytes>, limits: &'a Limits) -> Result<Self> {
        for needed in ["manifest.json", "trace.json"] {
            if !files.contains_key(needed) {
                return Err(Error::invalid(
                    &["body", needed],
                    "missing",
                    "the bundle lacks this file",
                ));
            }
        }
        let manifest = parse("manifest.json", &files["manifest.json"])?;
        if manifest.text_at("run_id") != Some(run.as_str()) {
            return Err(Error::invalid(
                &["body", "manifest.json", "run_id"],
                "value_error",
                "does not match the run id of the path",
            ));
        }
        let signed = manifest
            .get("signatures")
            .and_then(Json::members)
            .into_iter()
            .flatten()
            .filter_map(|(path, signature)| Some((path.clone(), signature.text()?.to_owned())))
            .collect();
        Ok(Self {
            run: run.clone(),
            files,
            manifest,
            signed,
            cleared: BTreeSet::new(),
            limits,
        })
    }

    fn read(mut self, signatures: Signatures, modelio: bool, scrub: bool) -> Result<(Submission, Imported)> {
        let mut imported = Imported::default();
        let mut changes = Vec::new();
        let mut last = Vec::new();
        let mut faults = Vec::new();
        for (path, content) in std::mem::take(&mut self.files) {
            let parsed = match Path::parse(&path) {
                // The server writes its own.
                Some(Path::Agent | Path::Findings) => continue,
                Some(Path::ModelIo(_)) if !modelio => None,
                parsed => parsed,
            };
            let Some(parsed) = parsed else {
                imported.skipped.push(path);
                continue;
            };
            let signature = self.signed.remove(&path);
            let is_signed = signature.is_some();
            if signatures == Signatures::Required
                && signature.is_some_and(|signature| signature != secret::sha256_hex(&content))
            {
                faults.push(Fault::new(
                    &["body", &path],
                    "value_error",
                    "the file is not what the manifest signs",
                ));
                continue;
            }
            imported.files += 1;
            match parsed {
                // After the steps, whose places it says.
                Path::Trace => last.extend(self.trace(&content)?),
                other => changes.extend(self.file(&path, other, content, scrub && !is_signed)?),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        imported.missing = self
            .signed
            .into_keys()
            .filter(|path| !matches!(Path::parse(path), None | Some(Path::Agent | Path::Findings)))
            .collect();
        changes.extend(last);
        let mut submission = Submission::new(self.run, "import", None, changes);
        let text = |path: &[&str]| self.manifest.at(path).and_then(Json::text).map(str::to_owned);
        submission.streamed_by = Some(Client {
            id: "import".to_owned(),
            name: text(&["client", "name"]),
            version: text(&["client", "version"]),
            capture_mode: text(&["capture_mode"]),
        });
        Ok((submission, imported))
    }

    fn trace(&self, content: &[u8]) -> Result<Vec<Change>> {
        Ok(Submission::trace(self.run.clone(), parse("trace.json", content)?)?.changes)
    }

    /// What a file changes: what was there goes, what is in the file comes.
    fn file(&mut self, path: &str, parsed: Path, content: Bytes, scrub: bool) -> Result<Vec<Change>> {
        let run = self.run.clone();
        let json = || parse(path, &content);
        let mut changes = Vec::new();
        match parsed {
            Path::Manifest => return Ok(Submission::manifest(self.manifest.clone())?.changes),
            Path::Step(index) | Path::Iteration(index, _) => {
                let step = Submission::step(run, index, json()?)?;
                // The attempts of a step are files of their own: the first one clears the place.
                if self.cleared.insert(index) {
                    changes.push(Change::clear_below(Kind::Step, &format!("{index:09}")));
                    changes.push(Change::clear_below(Kind::JudgeDecision, &format!("{index:09}")));
                }
                changes.extend(step.changes);
            }
            Path::Events(index) => {
                let file = index.map_or_else(|| "run".to_owned(), |index| format!("{index:09}"));
                let events = lines(path, &content)?;
                let count = events.len() as u64;
                let mut body = vec![("events".to_owned(), Json::Array(events))];
                body.extend(index.map(|index| ("step_index".to_owned(), index.into())));
                let body: Json = body.into_iter().collect();
                let limits = Limits {
                    events_per_post: usize::MAX,
                    ..self.limits.clone()
                };
                // Only to check them: the file keeps its events together, whatever they say themselves.
                Submission::events(run, &body, None, &limits)?;
                let events = body.get("events").cloned().unwrap_or(Json::Null);
                changes.push(Change::clear_below(Kind::Events, &file));
                changes.push(Change {
                    step_index: index,
                    items: count,
                    ..Change::new(Kind::Events, format!("{file}/bundle"), events, Rule::Replace)
                });
            }
            Path::Reasoning => {
                changes.push(Change::clear_all(Kind::Reasoning));
                for record in lines(path, &content)? {
                    changes.extend(Submission::reasoning(run.clone(), record)?.changes);
                }
                keep_repeated(&mut changes);
            }
            Path::Outcomes => {
                changes.push(Change::clear_all(Kind::Outcome));
                for record in list(path, &json()?, "outcomes")? {
                    changes.extend(Submission::outcome(run.clone(), record)?.changes);
                }
                keep_repeated(&mut changes);
            }
            Path::EvalCandidates => {
                changes.push(Change::clear_all(Kind::EvalCandidate));
                for record in list(path, &json()?, "candidates")? {
                    changes.extend(Submission::eval_candidate(run.clone(), record)?.changes);
                }
            }
            Path::Screenshot(index, kind) => {
                let image = Png::new(content, self.limits)?;
                changes.extend(Submission::screenshot(run, index, kind, image).changes);
            }
            Path::ModelIo(name) => changes.extend(Submission::modelio(run, &name, json()?)?.changes),
            Path::SideEffect(..) => {
                for mut change in Submission::side_effect(run, json()?)?.changes {
                    change.rule = Rule::Replace;
                    changes.push(change);
                }
            }
            Path::Spans => {
                changes.push(Change::clear_all(Kind::Span));
                for span in lines(path, &content)? {
                    changes.push(crate::otel::raw_span(span));
                }
            }
            Path::Replay(name) => changes.push(Change::new(Kind::Replay, name, json()?, Rule::Replace)),
            Path::Log(name) => {
                let text = String::from_utf8_lossy(&content).into_owned();
                let (text, replaced) = if scrub {
                    crate::scrub::scrub(&text)
                } else {
                    (text, 0)
                };
                let name = canonical_log(&name);
                // Names have no character that sorts before this one: the range holds the log itself.
                let before = format!("{name}!");
                changes.push(Change::new(
                    Kind::Log,
                    name.clone(),
                    Json::Null,
                    Rule::Clear { before },
                ));
                changes.push(Change::clear_below(Kind::LogChunk, &name));
                changes.push(Change {
                    step_index: name.strip_prefix("step-").and_then(|index| index.parse().ok()),
                    items: replaced,
                    ..Change::new(Kind::Log, name, Json::Text(text), Rule::Log { order: None })
                });
            }
            Path::Trace | Path::Agent | Path::Findings => {}
        }
        Ok(changes)
    }
}

/// A record that comes again is the same post sent twice; in a file it was made twice.
fn keep_repeated(changes: &mut [Change]) {
    let mut seen = BTreeMap::<String, u64>::new();
    for change in changes {
        let count = seen.entry(change.key.clone()).or_default();
        if *count > 0 {
            change.key = format!("{}/{count}", change.key);
        }
        *count += 1;
    }
}

/// The name that a log has here: `step-0007` is what the bundle layout calls `step-7`.
fn canonical_log(name: &str) -> String {
    name.strip_prefix("step-")
        .and_then(crate::names::index_in_file)
        .map_or_else(|| name.to_owned(), |index| format!("step-{index}"))
}

fn parse(path: &str, content: &[u8]) -> Result<Json> {
    Json::parse(content).map_err(|error| Error::invalid(&["body", path], "json_invalid", error.to_string()))
}

fn lines(path: &str, content: &[u8]) -> Result<Vec<Json>> {
    content
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
        .map(|line| parse(path, line))
        .collect()
}

fn list(path: &str, document: &Json, name: &str) -> Result<Vec<Json>> {
    let elements = document.get(name).and_then(Json::elements);
    elements
        .map(<[Json]>::to_vec)
        .ok_or_else(|| Error::invalid(&["body", path, name], "list_type", "expected an array"))
}
