//! Killed without warning while grep sessions are made, changed and deleted, the server serves each one that is
//! kept as its last acknowledged change left it, and leaves no object behind that belongs to none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pentad_kernel::secret;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::program::{Server, key, pentad};

const ROUNDS: usize = 5;
/// Clients at the same time.
const CLIENTS: usize = 6;
/// After so many acknowledged changes at most the server is killed.
const MOST: usize = 60;

/// What may be in a session after the kill: the files that were acknowledged, and those of the call that was under
/// way, all of them or none.
#[derive(Clone, Debug, Default)]
struct Known {
    files: BTreeSet<String>,
    under_way: BTreeSet<String>,
    /// Whether nobody knows if it is still there.
    deleting: bool,
}

type Sessions = Arc<Mutex<BTreeMap<String, Known>>>;

struct Caller {
    client: Client,
    base: String,
    key: String,
}

/// A form of files, each with its own name in its text, and of what keeps the session.
fn form(names: &BTreeSet<String>, kept: bool) -> String {
    let mut form = String::new();
    if kept {
        form += "--edge\r\nContent-Disposition: form-data; name=\"storage\"\r\n\r\ns3\r\n";
    }
    for name in names {
        form += &format!(
            "--edge\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\nmarker {name}\n\r\n"
        );
    }
    form + "--edge--\r\n"
}

impl Caller {
    async fn send(&self, method: Method, path: &str, body: String) -> reqwest::Result<(StatusCode, Value)> {
        let request = self
            .client
            .request(method, format!("{}/api/v1/sessions{path}", self.base))
            .bearer_auth(&self.key)
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(body);
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Makes a session, appends to it, and deletes every third, until the server is gone.
    async fn work(self, sessions: Sessions, acknowledged: Arc<AtomicUsize>) {
        for number in 0.. {
            if self.one(number, &sessions, &acknowledged).await.is_err() {
                break;
            }
        }
    }

    async fn one(
        &self,
        number: usize,
        sessions: &Sessions,
        acknowledged: &AtomicUsize,
    ) -> reqwest::Result<()> {
        let note = |id: &str, change: &dyn Fn(&mut Known)| {
            change(sessions.lock().unwrap().entry(id.to_owned()).or_default());
        };
        let first: BTreeSet<String> = (0..3).map(|file| format!("first/{file}.txt")).collect();
        let (status, made) = self.send(Method::POST, "", form(&first, true)).await?;
        assert!(status.is_success(), "{status} {made}");
        let id = made["id"].as_str().unwrap();
        note(id, &|known| known.files.clone_from(&first));
        acknowledged.fetch_add(1, Ordering::Relaxed);
        for round in 0..3 {
            let more: BTreeSet<String> = (0..2).map(|file| format!("more/{round}/{file}.txt")).collect();
            note(id, &|known| known.under_way.clone_from(&more));
            let (status, told) = self
                .send(Method::PUT, &format!("/{id}/append"), form(&more, false))
                .await?;
            assert_eq!(status, StatusCode::OK, "{told}");
            note(id, &|known| {
                known.files.extend(std::mem::take(&mut known.under_way));
            });
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        if number % 3 == 2 {
            note(id, &|known| known.deleting = true);
            let path = format!("/{id}?permanently=true");
            let (status, told) = self.send(Method::DELETE, &path, String::new()).await?;
            assert_eq!(status, StatusCode::OK, "{told}");
            sessions.lock().unwrap().remove(id);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Which files a session has; `None` when there is none.
    async fn files(&self, id: &str) -> Option<BTreeSet<String>> {
        let path = format!("/{id}/grep?query=marker&page_limit=100");
        let (status, found) = self.send(Method::GET, &path, String::new()).await.unwrap();
        if status == StatusCode::NOT_FOUND {
            return None;
        }
        assert_eq!(status, StatusCode::OK, "{id}: {found}");
        let files = found["hits"].as_array().unwrap().iter().map(|hit| {
            let path = hit["path"].as_str().unwrap().to_owned();
            assert_eq!(hit["matches"][0]["snippet"], format!("marker {path}"), "{id}");
            path
        });
        Some(files.collect())
    }
}

/// The objects of grep sessions.
fn objects(data: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![data.join("objects/grep")];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_sessions_are_as_they_were_acknowledged_and_nothing_is_orphaned() {
    pentad_blob::install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let mut server = Server::start(data).await;
    let key = key(data, "grep").await;
    let caller = |server: &Server| Caller {
        client: Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap(),
        base: server.address.clone(),
        key: key.clone(),
    };
    let sessions = Sessions::default();
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(caller(&server).work(Arc::clone(&sessions), Arc::clone(&acknowledged)));
        }
        let random = usize::from_str_radix(&secret::random_hex(3), 16).unwrap();
        let enough = 1 + random % MOST;
        while acknowledged.load(Ordering::Relaxed) < enough {
            assert!(clients.try_join_next().is_none(), "a client was refused");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill().await;
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        server = Server::start(data).await;
        let reader = caller(&server);
        let expected = sessions.lock().unwrap().clone();
        for (id, known) in expected {
            let found = reader.files(&id).await;
            if found.is_none() && known.deleting {
                sessions.lock().unwrap().remove(&id);
                continue;
            }
            let found = found.unwrap_or_else(|| panic!("round {round}: {id} is gone"));
            let with_more = known.files.union(&known.under_way).cloned().collect();
            assert!(
                found == known.files || found == with_more,
                "round {round}: {id} has {found:?} of {known:?}"
            );
            let kept = Known {
                files: found,
                ..Known::default()
            };
            sessions.lock().unwrap().insert(id, kept);
        }
    }
    let reader = caller(&server);
    let left: Vec<String> = sessions.lock().unwrap().keys().cloned().collect();
    assert!(!left.is_empty() && !objects(data).is_empty());
    // A session that was made for a client who never heard of it is one of the account's all the same.
    loop {
        let (_, listed) = reader
            .send(Method::GET, "?limit=100", String::new())
            .await
            .unwrap();
        let listed = listed["sessions"].as_array().unwrap();
        for session in listed {
            let path = format!("/{}?permanently=true", session["id"].as_str().unwrap());
            let (status, told) = reader.send(Method::DELETE, &path, String::new()).await.unwrap();
            assert_eq!(status, StatusCode::OK, "{told}");
        }
        if listed.is_empty() {
            break;
        }
    }
    for id in left {
        assert_eq!(reader.files(&id).await, None, "{id}");
    }
    assert!(server.stop().await.success());
    pentad(data, &["sweep", "--older-than", "0"], &[]).await.done();
    assert_eq!(objects(data), [] as [std::path::PathBuf; 0], "orphans");
}
