//! What is left when the process that runs programs is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pentad_blob::Blobs;
use pentad_exec::{Engine, Exec, FileBody, NewSession, RunRequest, SessionId, Settings};
use pentad_identity::{Identity, PlanTable};
use pentad_kernel::{Actor, SystemClock};
use pentad_sandbox::{ExecutorOptions, Language, LinuxBackend, LinuxOptions, PoolSizes, RuntimeSearch};
use pentad_store::{Db, Options};

const HOST: &str = "PENTAD_TEST_HOST_DIRECTORY";

/// Code execution on the files in a directory, and whom it is for.
async fn open(directory: &Path) -> Option<(Exec, Actor)> {
    let backend = match LinuxBackend::start(&LinuxOptions::default()) {
        Ok(backend) => backend,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no sandbox in CI: {error}");
            eprintln!("SKIPPED: no sandbox can be made here: {error}");
            return None;
        }
    };
    let options = ExecutorOptions {
        pool: PoolSizes::none(),
        ..ExecutorOptions::default()
    };
    let engine = Engine::start(backend, &RuntimeSearch::default(), options);
    let url = format!("sqlite:{}", directory.join("pentad.db").display());
    let db = Db::open(&url, &Options::default()).await.unwrap();
    db.migrate().await.unwrap();
    let identity = Identity::new(db.clone(), Arc::new(SystemClock), PlanTable::default());
    identity
        .bootstrap("admin@localhost", Some("administrator".into()))
        .await
        .unwrap();
    let actor = identity.local_caller().await.unwrap().actor;
    let blobs = Blobs::open(&format!("file:{}", directory.join("objects").display())).unwrap();
    let exec = Exec::new(db, blobs, Arc::new(SystemClock), engine, Settings::default()).unwrap();
    exec.recover().await.unwrap();
    Some((exec, actor))
}

fn code(text: &str) -> RunRequest {
    RunRequest {
        code: Some(text.to_owned()),
        ..RunRequest::default()
    }
}

/// The process that is killed: it leaves one run committed and one under way, in each of two sessions.
#[tokio::test]
async fn host() {
    let Some(directory) = std::env::var_os(HOST).map(PathBuf::from) else {
        return;
    };
    let Some((exec, actor)) = open(&directory).await else {
        return;
    };
    let endless = |id: &'static str| {
        let (exec, actor) = (exec.clone(), actor.clone());
        async move {
            let id = SessionId::parse(id).unwrap();
            let new = NewSession {
                id: Some(id.clone()),
                ..NewSession::of(Language::Python)
            };
            exec.create(&actor, new).await.unwrap();
            let first = "open('kept', 'w').write('first')\nopen('large', 'wb').write(b'l' * 100000)";
            exec.run(&actor, &id, code(first)).await.unwrap();
            let second = "import os, time\nopen('kept', 'w').write('second')\nopen('new', 'w')\nos.remove('large')\n\
                          print('under way', flush=True)\nos.fork()\ntime.sleep(1000)";
            let mut streaming = exec.stream(&actor, &id, code(second)).await.unwrap();
            streaming.next().await.unwrap();
            streaming
        }
    };
    let (_one, _two) = tokio::join!(endless("one"), endless("two"));
    std::fs::write(directory.join("under way"), "").unwrap();
    std::future::pending::<()>().await;
}

/// Processes below one, with their names.
fn descendants(of: u32) -> Vec<(u32, String)> {
    let mut all = std::collections::HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((before, after)) = stat.rsplit_once(')') else {
            continue;
        };
        let parent: u32 = after
            .split_whitespace()
            .nth(1)
            .unwrap_or("0")
            .parse()
            .unwrap_or(0);
        all.insert(
            pid,
            (
                parent,
                before.split_once('(').map_or("", |(_, name)| name).to_owned(),
            ),
        );
    }
    let below = |mut pid: u32| loop {
        match all.get(&pid) {
            Some((parent, _)) if *parent == of => return true,
            Some((parent, _)) if *parent > 1 => pid = *parent,
            _ => return false,
        }
    };
    all.iter()
        .filter(|(pid, _)| below(**pid))
        .map(|(pid, (_, name))| (*pid, name.clone()))
        .collect()
}

fn is_there(pid: u32, name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim_end() == name)
}

async fn read(exec: &Exec, actor: &Actor, id: &SessionId, path: &str) -> Vec<u8> {
    match exec.file(actor, id, path).await.unwrap().body {
        FileBody::Bytes(bytes) => bytes.to_vec(),
        FileBody::Parts(parts) => parts.bytes().await.unwrap().to_vec(),
    }
}

#[tokio::test]
async fn no_program_survives_and_sessions_are_as_after_their_last_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["killed::host", "--exact", "--nocapture"])
        .env(HOST, directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !directory.path().join("under way").exists() {
        if host.try_wait().unwrap().is_some() {
            return eprintln!("SKIPPED: no sandbox can be made here");
        }
        assert!(Instant::now() < deadline, "the runs did not begin");
        std::thread::yield_now();
    }
    let inside = descendants(host.id());
    assert!(inside.len() >= 5, "the programs run: {inside:?}");
    host.kill().unwrap();
    host.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while inside.iter().any(|(pid, name)| is_there(*pid, name)) {
        assert!(Instant::now() < deadline, "something survived: {inside:?}");
        std::thread::yield_now();
    }
    let (exec, actor) = open(directory.path()).await.unwrap();
    for id in ["one", "two"] {
        let id = SessionId::parse(id).unwrap();
        let files = exec.files(&actor, &id).await.unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["kept", "large"]);
        assert_eq!(read(&exec, &actor, &id, "kept").await, b"first");
        assert_eq!(read(&exec, &actor, &id, "large").await.len(), 100_000);
        // And it is free at once.
        let started = Instant::now();
        let run = exec
            .run(&actor, &id, code("print(open('kept').read())"))
            .await
            .unwrap();
        assert_eq!(run.execution.stdout.text, "first\n");
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}
