//! A recorded session of the real SDK: what it sent, and the bundle that it wrote meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pentad_kernel::Actor;
use pentad_runs::{Heartbeat, Json, Limits, Png, RunId, Runs, Submission};

/// One request of the recording.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The path below `/api/v1/`, decoded.
    pub(crate) path: Vec<String>,
    body: Option<Json>,
    image: Option<Bytes>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The run of the recording.
pub(crate) fn run() -> RunId {
    RunId::parse("run_full_1").unwrap()
}

/// Everything the SDK sent, in the order of arrival.
pub(crate) fn requests() -> Vec<Request> {
    let images: BTreeMap<String, Bytes> = files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".png"))
        .map(|(_, bytes)| (pentad_kernel::secret::sha256_hex(&bytes), Bytes::from(bytes)))
        .collect();
    let lines = std::fs::read_to_string(fixtures().join("wire/requests.jsonl")).unwrap();
    lines
        .lines()
        .map(|line| Json::parse(line.as_bytes()).unwrap())
        .filter_map(|record| {
            let line = record.text_at("line")?;
            let mut words = line.split(' ');
            let (method, path) = (words.next()?, words.next()?);
            let path = path.strip_prefix("/api/v1/")?;
            (method != "GET").then(|| Request {
                path: path.split('/').map(str::to_owned).collect(),
                body: record.get("json").cloned(),
                image: record.text_at("part_sha256").map(|sha256| images[sha256].clone()),
            })
        })
        .collect()
}

/// The files of the bundle that the SDK wrote, by path.
pub(crate) fn files() -> BTreeMap<String, Vec<u8>> {
    fn visit(directory: &Path, below: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                visit(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    visit(&fixtures().join("bundle"), "", &mut files);
    // Clients do not send it: the server writes its own.
    files.remove("AGENT.md");
    files
}

impl Request {
    /// Whether it comes last from the SDK, when the session is closed.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.parts().as_slice(), ["runs"] | ["runs", _, "trace"])
    }

    /// Whether sending it again changes nothing.
    pub(crate) fn is_idempotent(&self) -> bool {
        !matches!(self.parts().as_slice(), ["runs", _, "events" | "logs"])
    }

    fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Sends it.
    pub(crate) async fn send(&self, runs: &Runs, actor: &Actor) {
        let body = self.body.clone().unwrap_or(Json::Null);
        let limits = Limits::default();
        let run = run();
        let submission = match self.parts().as_slice() {
            ["heartbeat"] => {
                runs.heartbeat(actor, &Heartbeat::read(&body).unwrap())
                    .await
                    .unwrap();
                return;
            }
            ["runs"] => Submission::manifest(body),
            ["runs", _, "trace"] => Submission::trace(run, body),
            ["runs", _, "costs"] => Submission::costs(run, body),
            ["runs", _, "events"] => Submission::events(run, &body, None, &limits),
            ["runs", _, "logs"] => Submission::log(run, &body, true, &limits),
            ["runs", _, "side-effects"] => Submission::side_effect(run, body),
            ["runs", _, "reasoning"] => Submission::reasoning(run, body),
            ["runs", _, "outcomes"] => Submission::outcome(run, body),
            ["runs", _, "eval-candidates"] => Submission::eval_candidate(run, body),
            ["runs", _, "modelio", name] => Submission::modelio(run, name, body),
            ["runs", _, "steps", index, "judge-decisions"] => {
                Submission::judge_decision(run, index.parse().unwrap(), body)
            }
            ["runs", _, "steps", index] => Submission::step(run, index.parse().unwrap(), body),
            ["runs", _, "screenshots", index, kind] => {
                let image = Png::new(self.image.clone().unwrap(), &limits).unwrap();
                Ok(Submission::screenshot(
                    run,
                    index.parse().unwrap(),
                    kind.parse().unwrap(),
                    image,
                ))
            }
            other => panic!("{other:?}"),
        };
        runs.ingest(actor, submission.unwrap()).await.unwrap();
    }
}
