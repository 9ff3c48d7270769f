//! What is backed up while it is being written to, is there again after a restore, on every surface.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pentad_blob::testing::S3Server;
use pentad_store::testing::TestDb;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::program::{Ended, Server, pentad};
use crate::surfaces::{Asker, Keys, differences, finds_nothing};

/// Where a gateway keeps its data.
struct Store {
    data: PathBuf,
    environment: Vec<(String, String)>,
}

impl Store {
    fn files(directory: &Path) -> Self {
        Self {
            data: directory.to_owned(),
            environment: Vec::new(),
        }
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn objects_on(self, server: &S3Server, prefix: &str) -> Self {
        let settings = server.env.iter();
        settings
            .fold(self, |store, (name, value)| store.and(name, value))
            .and("PENTAD_OBJECT_STORE", &server.url(prefix))
    }

    async fn serve(&self) -> Server {
        Server::start_with(&self.data, &[], &self.environment).await
    }

    async fn keys(&self) -> Keys {
        Keys::of(&self.data, &self.environment).await
    }

    async fn backup(&self, to: &Path) -> Ended {
        pentad(&self.data, &["backup", to.to_str().unwrap()], &self.environment).await
    }

    async fn restore(&self, from: &Path) -> Ended {
        pentad(
            &self.data,
            &["restore", from.to_str().unwrap()],
            &self.environment,
        )
        .await
    }
}

/// Writes that go on until they are told to stop, among them ones that delete objects at once.
struct Writers {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Writers {
    fn start(base: &str, keys: &Keys) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let asker = Asker::new(base, keys);
        let (until, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let running = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                let number = counted.load(Ordering::Relaxed);
                asker
                    .write(
                        "PUT",
                        &format!("/api/storage/kv/counters/{number}"),
                        json!({"value": "1"}),
                    )
                    .await;
                let object = json!({"content": "YnV5IG1pbGs=", "metadata": {}});
                asker.write("PUT", "/api/storage/r2/churn/same", object).await;
                let insert = json!({"sql": "INSERT INTO ticks (number) VALUES (?)", "params": [number]});
                asker.write("POST", "/api/storage/d1/churn/exec", insert).await;
                asker.grep_and_delete().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            rounds,
            running,
        }
    }

    async fn after(&self, rounds: usize) {
        let enough = self.rounds.load(Ordering::Relaxed) + rounds;
        while self.rounds.load(Ordering::Relaxed) < enough && !self.running.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.unwrap();
    }
}

/// Takes a backup while writes go on, restores it and compares the answers.
async fn comes_back(source: Store, target: Store, backup: &Path) {
    let server = source.serve().await;
    let keys = source.keys().await;
    let asker = Asker::new(&server.address, &keys);
    asker.fill().await;
    asker
        .write(
            "POST",
            "/api/storage/d1/churn/exec",
            json!({"sql": "CREATE TABLE ticks (number)"}),
        )
        .await;
    asker.wait_until_searchable().await;
    let before = asker.answers().await;
    let refused: Vec<_> = before
        .iter()
        .filter(|(path, answer)| !answer.starts_with("200") && !finds_nothing(path))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(
        differences(&before, &asker.answers().await),
        [] as [String; 0],
        "asked twice"
    );

    let writers = Writers::start(&server.address, &keys);
    writers.after(3).await;
    let printed = source.backup(backup).await.done();
    writers.after(3).await;
    writers.stop().await;
    assert!(!printed.contains("left out"), "{printed}");

    target.restore(backup).await.done();
    let restored = target.serve().await;
    let asker = Asker::new(&restored.address, &keys);
    let differ = differences(&before, &asker.answers().await);
    let from_writers = |answer: &String| answer.contains("churn") || answer.contains("/api/resources/");
    let differ: Vec<String> = differ
        .into_iter()
        .filter(|answer| !from_writers(answer))
        .collect();
    assert_eq!(differ, [] as [String; 0]);
    // What was written meanwhile is there up to an instant, and whole.
    let ticks = json!({"sql": "SELECT COUNT(*) AS number, MAX(number) AS most FROM ticks"});
    let ticks = asker.write("POST", "/api/storage/d1/churn/query", ticks).await;
    let row = &ticks["results"][0];
    assert!(row["number"].as_i64().unwrap() >= 3, "{ticks}");
    assert_eq!(
        row["number"].as_i64().unwrap(),
        row["most"].as_i64().unwrap() + 1,
        "{ticks}"
    );
    let milk = asker.read("/api/storage/r2/churn/same").await;
    assert_eq!(milk["content"], "YnV5IG1pbGs=");
    // And it goes on from there.
    asker
        .write(
            "POST",
            "/agent/memories",
            json!({"content": "Carol plays chess."}),
        )
        .await;
    assert!(restored.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (source, target) = (Store::files(&path("data")), Store::files(&path("restored")));
    comes_back(source, target, &path("backup")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_and_s3_come_back() {
    let (Some(old), Some(new)) = (TestDb::postgres().await, TestDb::empty_postgres().await) else {
        return;
    };
    let s3 = S3Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let store = |name: &str, database: &str| {
        Store::files(&path(name))
            .and("PENTAD_DATABASE_URL", database)
            .objects_on(&s3, name)
    };
    comes_back(
        store("data", old.url()),
        store("restored", new.url()),
        &path("backup"),
    )
    .await;
}

/// A small backup that was taken well.
async fn backed_up(directory: &Path) -> (PathBuf, Value) {
    let store = Store::files(&directory.join("data"));
    let server = store.serve().await;
    let asker = Asker::new(&server.address, &store.keys().await);
    asker.fill().await;
    let backup = directory.join("backup");
    store.backup(&backup).await.done();
    assert!(server.stop().await.success());
    let manifest = serde_json::from_slice(&std::fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    (backup, manifest)
}

fn first_file(manifest: &Value, below: &str) -> String {
    let files = manifest["files"].as_array().unwrap();
    let paths = files.iter().map(|file| file["path"].as_str().unwrap());
    paths
        .into_iter()
        .find(|path| path.starts_with(below))
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_is_refused_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let (backup, manifest) = backed_up(directory.path()).await;
    let check = async || {
        let arguments = ["restore", backup.to_str().unwrap(), "--check"];
        pentad(&directory.path().join("checked"), &arguments, &[]).await
    };
    assert!(check().await.done().contains(" is complete: "));
    let target = Store::files(&directory.path().join("target"));
    let refused = async |expected: &str| {
        for ended in [check().await, target.restore(&backup).await] {
            assert_eq!(ended.code, Some(1), "{expected}: {}", ended.printed);
            assert!(
                ended.complained.contains(expected),
                "{expected}: {}",
                ended.complained
            );
        }
        assert!(!target.data.exists(), "{expected}: something was restored");
    };
    for (below, named) in [
        ("database.sqlite", "database.sqlite"),
        ("objects/", "objects/"),
        ("d1/", "d1/"),
    ] {
        let file = backup.join(first_file(&manifest, below));
        let intact = std::fs::read(&file).unwrap();
        let mut flipped = intact.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        refused(&format!(
            "{named}{}",
            &file.display().to_string().split(named).nth(1).unwrap()
        ))
        .await;
        refused("its content has changed").await;
        std::fs::write(&file, &intact[1..]).unwrap();
        refused("bytes instead of").await;
        std::fs::remove_file(&file).unwrap();
        refused("No such file").await;
        std::fs::write(&file, &intact).unwrap();
    }
    let text = std::fs::read_to_string(backup.join("manifest.json")).unwrap();
    let changed = text.replacen("\"schema_version\"", "\"schema_versiom\"", 1);
    std::fs::write(backup.join("manifest.json"), changed).unwrap();
    refused("its manifest.json is not what manifest.sha256 says").await;
    let sealed = |text: &str| {
        std::fs::write(backup.join("manifest.json"), text).unwrap();
        let sum = pentad_kernel::secret::sha256_hex(text);
        std::fs::write(backup.join("manifest.sha256"), format!("{sum}  manifest.json\n")).unwrap();
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        sealed(&manifest.to_string());
    };
    with(&|manifest| manifest["schema_version"] = json!(9_999));
    refused("restore it with that version or a later one").await;
    with(&|manifest| manifest["format"] = json!(2));
    refused("reads format 1").await;
    with(&|manifest| manifest["files"][0]["path"] = json!("objects/../../escape"));
    refused("has no place in one").await;
    sealed(&text);
    std::fs::remove_file(backup.join("manifest.json")).unwrap();
    refused("is no complete backup").await;
    sealed(&text);

    std::fs::create_dir(&target.data).unwrap();
    std::fs::write(target.data.join("notes.txt"), "mine").unwrap();
    let ended = target.restore(&backup).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.complained.contains("is not empty: nothing is overwritten"),
        "{}",
        ended.complained
    );
    std::fs::remove_file(target.data.join("notes.txt")).unwrap();
    target.restore(&backup).await.done();
    let again = target.restore(&backup).await;
    assert!(again.complained.contains("is not empty"), "{}", again.complained);
    assert!(target.serve().await.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_says_what_the_store_has_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (_, manifest) = backed_up(directory.path()).await;
    let store = Store::files(&directory.path().join("data"));
    let lost = first_file(&manifest, "objects/sync");
    let damaged = first_file(&manifest, "objects/runs");
    std::fs::remove_file(store.data.join(&lost)).unwrap();
    std::fs::write(store.data.join(&damaged), b"something else").unwrap();
    let backup = directory.path().join("again");
    let ended = store.backup(&backup).await;
    assert_eq!(ended.code, Some(1), "{}", ended.complained);
    for expected in [
        "2 files that the database names could not be copied",
        &lost,
        &damaged,
    ] {
        assert!(
            ended.complained.contains(expected),
            "{expected}: {}",
            ended.complained
        );
    }
    // What is left is worth having.
    let target = Store::files(&directory.path().join("restored"));
    let ended = target.restore(&backup).await;
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    assert!(ended.complained.contains(&lost), "{}", ended.complained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_gets_a_place_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = Store::files(&directory.path().join("nothing"));
    let ended = nothing.backup(&directory.path().join("backup")).await;
    assert!(
        ended.complained.contains("there is no database at"),
        "{}",
        ended.complained
    );
    assert!(!nothing.data.exists(), "a backup makes no store");
    let store = Store::files(&directory.path().join("data"));
    assert!(store.serve().await.stop().await.success());
    for (place, expected) in [
        ("data", "inside of what it is a backup of"),
        ("data/backup", "inside of what"),
        (".", "is not empty"),
    ] {
        let ended = store.backup(&directory.path().join(place)).await;
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.complained.contains(expected),
            "{place}: {}",
            ended.complained
        );
    }
    let backup = directory.path().join("backup");
    store.backup(&backup).await.done();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&backup).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "it holds secrets");
}
