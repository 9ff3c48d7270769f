//! Killed without warning under load, the server has lost nothing that it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pentad_kernel::secret;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::program::{Server, key};

/// How often the server is killed, unless `PENTAD_KILL_ROUNDS` says otherwise.
const ROUNDS: usize = 5;
/// Agents that record at the same time.
const AGENTS: usize = 16;
/// After so many acknowledged records at most the server is killed.
const MOST: u64 = 400;

/// What the server acknowledged, by run.
#[derive(Default)]
struct Acknowledged(BTreeMap<String, Recorded>);

#[derive(Default)]
struct Recorded {
    steps: BTreeSet<u64>,
    events: BTreeSet<String>,
    /// The SHA-256 of each screenshot, by path.
    screenshots: BTreeMap<String, String>,
    log: Vec<String>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.0
            .values()
            .map(|run| run.steps.len() + run.events.len() + run.screenshots.len() + run.log.len())
            .sum()
    }
}

/// An image whose content nobody else sends; every other one is too large for a row of the database.
fn image(seed: &str, large: bool) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
    bytes.extend(
        seed.as_bytes()
            .iter()
            .cycle()
            .take(if large { 90_000 } else { 900 }),
    );
    bytes
}

fn form(image: &[u8]) -> Vec<u8> {
    let head = "--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"s.png\"\r\nContent-Type: image/png\r\n\r\n";
    [head.as_bytes(), image, b"\r\n--edge--\r\n"].concat()
}

struct Agent {
    client: Client,
    base: String,
    key: String,
    run: String,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Agent {
    /// Records until the server is gone.
    async fn record(self) {
        let mut index = 0;
        while self.one(index).await.is_ok() {
            index += 1;
        }
    }

    async fn one(&self, index: u64) -> reqwest::Result<()> {
        let post = |path: &str| self.client.post(self.url(path)).bearer_auth(&self.key);
        let step = json!({"step_id": format!("s{index}"), "step_index": index, "step_type": "click", "status": "succeeded",
                          "started_at": "2026-05-19T00:00:00Z", "intent": "x".repeat(600)});
        let put = self
            .client
            .put(self.url(&format!("steps/{index}")))
            .bearer_auth(&self.key);
        if taken(&put.json(&step).send().await?) {
            self.note(|run| _ = run.steps.insert(index));
        }
        let summary = format!("event {index}");
        let events = json!({"step_index": index, "events": [
            {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "info", "summary": summary}]});
        if taken(&post("events").json(&events).send().await?) {
            self.note(|run| _ = run.events.insert(summary));
        }
        let line = format!("line {index}\n");
        if taken(&post("logs").json(&json!({"text": line})).send().await?) {
            self.note(|run| run.log.push(line));
        }
        let shot = image(&format!("{}/{index}", self.run), index % 2 == 1);
        let sent = post(&format!("screenshots/{index}/pre"))
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(form(&shot));
        if taken(&sent.send().await?) {
            let path = format!("screenshots/{index:04}_pre.png");
            self.note(|run| _ = run.screenshots.insert(path, secret::sha256_hex(&shot)));
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/runs/{}/{path}", self.base, self.run)
    }

    fn note(&self, what: impl FnOnce(&mut Recorded)) {
        let mut acknowledged = self.acknowledged.lock().unwrap();
        what(acknowledged.0.entry(self.run.clone()).or_default());
    }
}

/// Whether the server says that it has it; a refusal is no promise.
fn taken(answer: &Response) -> bool {
    let status = answer.status();
    assert!(
        status == StatusCode::ACCEPTED || status == StatusCode::TOO_MANY_REQUESTS,
        "{status}"
    );
    status == StatusCode::ACCEPTED
}

/// What is missing of what was acknowledged, and files that cannot be read.
async fn lost(server: &Server, key: &str, acknowledged: &Acknowledged) -> Vec<String> {
    let client = Client::new();
    let read = async |run: &str, path: &str| {
        let url = format!("{}/api/v1/runs/{run}/{path}", server.address);
        let answer = client.get(url).bearer_auth(key).send().await.unwrap();
        let status = answer.status();
        (status == StatusCode::OK).then_some(answer.bytes().await.unwrap())
    };
    let mut lost = Vec::new();
    for (run, recorded) in &acknowledged.0 {
        let Some(files) = read(run, "files").await else {
            lost.push(run.clone());
            continue;
        };
        let files: Value = serde_json::from_slice(&files).unwrap();
        let mut contents = BTreeMap::new();
        for path in files["files"].as_array().unwrap() {
            let path = path.as_str().unwrap();
            match read(run, path).await {
                Some(content) => _ = contents.insert(path.to_owned(), content),
                None => lost.push(format!("{run}/{path} cannot be read")),
            }
        }
        let text = |path: &str| {
            let content = contents.get(path).map(|content| content.to_vec());
            String::from_utf8(content.unwrap_or_default()).unwrap()
        };
        for index in &recorded.steps {
            if !contents.contains_key(&format!("steps/{index:04}.json")) {
                lost.push(format!("{run} step {index}"));
            }
        }
        for summary in &recorded.events {
            let index: u64 = summary.rsplit(' ').next().unwrap().parse().unwrap();
            if !text(&format!("events/{index:04}.jsonl")).contains(&format!("\"{summary}\"")) {
                lost.push(format!("{run} {summary}"));
            }
        }
        let log = text("logs/run.log");
        lost.extend(recorded.log.iter().filter(|line| !log.contains(*line)).cloned());
        for (path, sha256) in &recorded.screenshots {
            if contents
                .get(path)
                .is_none_or(|content| secret::sha256_hex(content) != *sha256)
            {
                lost.push(format!("{run}/{path}"));
            }
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let rounds = std::env::var("PENTAD_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    pentad_blob::install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let mut server = Server::start(data).await;
    let (agents_key, readers_key) = (key(data, "ingest").await, key(data, "user").await);
    let (mut total, mut start_ups) = (0, Vec::new());
    for round in 0..rounds {
        let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
        let mut agents = JoinSet::new();
        for number in 0..AGENTS {
            let agent = Agent {
                client: Client::builder()
                    .timeout(Duration::from_secs(60))
                    .build()
                    .unwrap(),
                base: server.address.clone(),
                key: agents_key.clone(),
                run: format!("round-{round}-agent-{number}"),
                acknowledged: Arc::clone(&acknowledged),
            };
            agents.spawn(agent.record());
        }
        let random = u64::from_str_radix(&secret::random_hex(6), 16).unwrap();
        let enough = 1 + random % MOST;
        while (acknowledged.lock().unwrap().count() as u64) < enough {
            tokio::task::yield_now().await;
        }
        server.kill().await;
        while let Some(ended) = agents.join_next().await {
            ended.unwrap();
        }
        server = Server::start(data).await;
        start_ups.push(server.start_up);
        let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
        total += acknowledged.count();
        assert_eq!(
            lost(&server, &readers_key, &acknowledged).await,
            [] as [String; 0],
            "round {round}"
        );
    }
    start_ups.sort();
    println!(
        "{rounds} kills, {total} records acknowledged, none lost; start-up: median {:?}, longest {:?}",
        start_ups[rounds / 2],
        start_ups[rounds - 1],
    );
}
