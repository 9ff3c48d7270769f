//! The server ends while programs run: killed or asked to, it leaves no sandbox, and every session is as after
//! its last committed run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pentad_store::testing::TestDb;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::program::{Server, key_with};

/// Sessions in each of which a program runs when the end comes.
const SESSIONS: usize = 3;

struct Caller {
    client: Client,
    base: String,
    key: String,
}

impl Caller {
    fn new(server: &Server, key: &str) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(60)).build();
        Self {
            client: client.unwrap(),
            base: server.address.clone(),
            key: key.to_owned(),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method, url).bearer_auth(&self.key)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(method, path).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    async fn run(&self, session: usize, code: &str) -> String {
        let path = format!("/api/sessions/s{session}/run");
        let (status, answer) = self.send(Method::POST, &path, &json!({ "code": code })).await;
        assert_eq!(status, 200, "{answer}");
        answer["stdout"].as_str().unwrap().to_owned()
    }
}

/// Processes below one, by number and name.
fn descendants(of: u32) -> Vec<(u32, String)> {
    let mut children: BTreeMap<u32, Vec<(u32, String)>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((before, after)) = stat.rsplit_once(") ") {
            let parent = after.split(' ').nth(1).unwrap().parse().unwrap();
            let name = before.split_once('(').unwrap().1.to_owned();
            children.entry(parent).or_default().push((pid, name));
        }
    }
    let (mut found, mut pending) = (Vec::new(), vec![of]);
    while let Some(pid) = pending.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            pending.push(child.0);
            found.push(child);
        }
    }
    found
}

/// Directories of control groups that belong to a server.
fn groups(server: u32) -> Vec<PathBuf> {
    let own = format!("pentad-sandbox-{server}-");
    let (mut found, mut pending) = (Vec::new(), vec![(PathBuf::from("/sys/fs/cgroup"), 0)]);
    while let Some((directory, depth)) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth < 5 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(&own) {
                    found.push(entry.path());
                }
                pending.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn is_there((pid, name): &(u32, String)) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim_end() == name)
}

/// Brings the sessions to a committed state and has a program change all of it that never ends.
async fn begin(caller: &Caller) -> bool {
    let probe = json!({"language": "python", "code": "print(1)"});
    if caller.send(Method::POST, "/api/execute", &probe).await.0 == 503 {
        assert!(std::env::var_os("CI").is_none(), "no sandbox in CI");
        eprintln!("SKIPPED: no sandbox can be made here");
        return false;
    }
    for session in 0..SESSIONS {
        let new = json!({"language": "python", "session_id": format!("s{session}"), "data": {"at": 0}});
        assert_eq!(caller.send(Method::POST, "/api/sessions", &new).await.0, 201);
        // Beyond what is handed over directly, so that one of them has a directory on disk.
        let size = if session == 0 { 12 << 20 } else { 100_000 };
        let first = format!(
            "import json\nopen('kept', 'w').write('first')\nopen('large', 'wb').write(b'l' * {size})\n\
             json.dump({{'at': 1}}, open('.session_data.json', 'w'))\n\
             from era_storage import kv, d1, r2\nkv.set('app', 'k{session}', 'v')\nr2.put('app', 'o{session}', b'o' * 50000)\n\
             d1.exec('app', 'CREATE TABLE IF NOT EXISTS t (n INTEGER)'); d1.exec('app', 'INSERT INTO t VALUES ({session})')"
        );
        caller.run(session, &first).await;
        let second = "import json, os, time\nopen('kept', 'w').write('second')\nopen('new', 'w')\nos.remove('large')\n\
                      json.dump({'at': 2}, open('.session_data.json', 'w'))\nprint('under way', flush=True)\n\
                      if os.fork() == 0:\n    os.setsid()\n    os.fork()\n\
                      while True: time.sleep(1)";
        let path = format!("/api/sessions/s{session}/stream");
        let body = json!({ "code": second, "timeout": 300 });
        let mut stream = caller
            .request(Method::POST, &path)
            .json(&body)
            .send()
            .await
            .unwrap();
        let mut seen = String::new();
        while !seen.contains("under way") {
            seen += &String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap());
        }
        // Who stops reading ends the run: this reader goes with the server.
        tokio::spawn(async move { while let Ok(Some(_)) = stream.chunk().await {} });
    }
    true
}

/// Everything is as the committed runs left it, and free.
async fn check(caller: &Caller) {
    for session in 0..SESSIONS {
        let (_, files) = caller.get(&format!("/api/sessions/s{session}/files")).await;
        let files: Value = serde_json::from_slice(&files).unwrap();
        let paths: Vec<_> = files["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| &file["path"])
            .collect();
        assert_eq!(paths, ["kept", "large"], "session {session}");
        assert_eq!(
            caller
                .get(&format!("/api/sessions/s{session}/files/kept"))
                .await
                .1,
            b"first"
        );
        let (_, about) = caller.get(&format!("/api/sessions/s{session}")).await;
        let about: Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(about["data"]["at"], 1, "{about}");
        let started = Instant::now();
        let code = format!(
            "import os\nfrom era_storage import kv, d1, r2\nprint(open('kept').read(), os.path.getsize('large'), kv.get('app', 'k{session}'),\n\
             len(r2.get('app', 'o{session}')), d1.query('app', 'SELECT count(*) AS n FROM t')[0]['n'])"
        );
        let size = if session == 0 { 12 << 20 } else { 100_000 };
        assert_eq!(
            caller.run(session, &code).await,
            format!("first {size} v 50000 {SESSIONS}\n")
        );
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the session is free at once"
        );
    }
}

/// Every session is as after a whole run: the one that was cut short counts, or does not.
async fn check_whole(caller: &Caller) {
    for session in 0..SESSIONS {
        let (_, kept) = caller.get(&format!("/api/sessions/s{session}/files/kept")).await;
        let (_, files) = caller.get(&format!("/api/sessions/s{session}/files")).await;
        let files: Value = serde_json::from_slice(&files).unwrap();
        let has = |name| {
            files["files"]
                .as_array()
                .unwrap()
                .iter()
                .any(|file| file["path"] == name)
        };
        let (_, about) = caller.get(&format!("/api/sessions/s{session}")).await;
        let about: Value = serde_json::from_slice(&about).unwrap();
        match &kept[..] {
            b"first" => assert!(
                has("large") && !has("new") && about["data"]["at"] == 1,
                "{files} {about}"
            ),
            b"second" => assert!(
                has("new") && !has("large") && about["data"]["at"] == 2,
                "{files} {about}"
            ),
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
}

async fn killed(data: &Path, options: &[&str]) {
    let server = Server::start_with(data, options, &[]).await;
    let key = key_with(data, "exec", options, &[]).await;
    if !begin(&Caller::new(&server, &key)).await {
        return;
    }
    let (id, inside) = (server.id(), descendants(server.id()));
    assert!(inside.len() > 3 * SESSIONS, "the programs run: {inside:?}");
    server.kill().await;
    wait_until("something survives", || !inside.iter().any(is_there));
    let server = Server::start_with(data, options, &[]).await;
    assert_eq!(groups(id), Vec::<PathBuf>::new(), "the next start clears away");
    check(&Caller::new(&server, &key)).await;
}

#[tokio::test]
async fn killed_it_leaves_no_sandbox_and_no_half_of_a_run() {
    pentad_blob::install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    killed(directory.path(), &[]).await;
}

#[tokio::test]
async fn killed_beside_postgres_too() {
    pentad_blob::install_crypto_provider();
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    killed(directory.path(), &["--database-url", database.url()]).await;
}

#[tokio::test]
async fn asked_to_end_it_leaves_nothing_at_all() {
    pentad_blob::install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    let options = ["--shutdown-seconds", "1"];
    let server = Server::start_with(directory.path(), &options, &[]).await;
    let key = key_with(directory.path(), "exec", &[], &[]).await;
    if !begin(&Caller::new(&server, &key)).await {
        return;
    }
    let (id, inside) = (server.id(), descendants(server.id()));
    assert!(server.stop().await.success(), "it ends well");
    assert!(!inside.iter().any(is_there), "something survives");
    assert_eq!(groups(id), Vec::<PathBuf>::new());
    let server = Server::start_with(directory.path(), &options, &[]).await;
    check_whole(&Caller::new(&server, &key)).await;
}
