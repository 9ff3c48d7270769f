//! What earlier versions stored, this one opens.
//!
//! `tests/stores/` has a backup of each released version, with something on every surface. Each is restored, which a
//! later version of the program does as well as its own, and served, which brings its schema up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

use pentad_store::Db;
use serde_json::{Value, json};

use crate::program::{Server, pentad};
use crate::surfaces::{Asker, Keys};

/// Names the version whose store is to be written down; `PENTAD_WRITE_STORE=1 cargo nextest run -p pentad upgrade` before
/// a release.
const WRITE: &str = "PENTAD_WRITE_STORE";

fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

/// Where the store of this version is kept.
fn of_this_version() -> PathBuf {
    stores().join(format!("pentad-{}.tar.gz", env!("CARGO_PKG_VERSION")))
}

/// Fills a store and keeps a backup of it.
async fn write_down() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data).await;
    let asker = Asker::new(&server.address, &Keys::of(&data, &[]).await);
    asker.fill().await;
    asker.wait_until_searchable().await;
    let backup = directory.path().join("backup");
    pentad(&data, &["backup", backup.to_str().unwrap()], &[])
        .await
        .done();
    std::fs::create_dir_all(stores()).unwrap();
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(of_this_version())
        .arg("-C")
        .arg(&backup)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_of_all_versions_open_and_every_surface_reads_them() {
    if std::env::var_os(WRITE).is_some() {
        write_down().await;
    }
    assert!(
        of_this_version().exists(),
        "{} is missing: {WRITE}=1 writes it, and a release keeps it",
        of_this_version().display()
    );
    for entry in std::fs::read_dir(stores()).unwrap() {
        let store = entry.unwrap().path();
        let shown = store.display();
        let directory = tempfile::tempdir().unwrap();
        let (backup, data) = (directory.path().join("backup"), directory.path().join("data"));
        std::fs::create_dir(&backup).unwrap();
        let unpacked = Command::new("tar")
            .arg("-xzf")
            .arg(&store)
            .arg("-C")
            .arg(&backup)
            .status();
        assert!(unpacked.unwrap().success(), "{shown}");
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(backup.join("manifest.json")).unwrap()).unwrap();
        assert!(manifest["schema_version"].as_i64().unwrap() <= Db::known_schema_version());
        pentad(&data, &["restore", backup.to_str().unwrap()], &[])
            .await
            .done();
        let server = Server::start(&data).await;
        let asker = Asker::new(&server.address, &Keys::of(&data, &[]).await);
        let answers = asker.answers().await;
        let failed: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| answer.starts_with('5'))
            .collect();
        assert!(failed.is_empty(), "{shown}: {failed:#?}");
        for (path, expected) in [
            ("/agent/query #1", "Berlin"),
            ("/api/sessions/report/files/scores.csv", "ada,3"),
            ("/api/storage/kv/myapp/user:1", "theme"),
            ("/api/storage/r2/files/today.txt", "YnV5IG1pbGs="),
            ("/api/storage/d1/shop/query #2", "Alice"),
            (
                "/api/v1/projects/acme/widgets",
                "Retries in src/net/retry.rs use full jitter",
            ),
            (
                "/api/v1/runs/checkout-1/logs/step-0.log",
                "retrying after a timeout",
            ),
            (
                "/api/v1/sessions/ses_0123456789abcdef/messages",
                "I pinned the clock",
            ),
            ("/api/v1/sessions/search?q=backoff", "backoff"),
        ] {
            let answer = answers
                .get(path)
                .unwrap_or_else(|| panic!("{path} is not asked: {:#?}", answers.keys()));
            assert!(
                answer.starts_with("200 ") && answer.contains(expected),
                "{shown} {path}: {answer}"
            );
        }
        let found = answers.iter().any(|(path, answer)| {
            path.ends_with("/grep?pattern=runAgentLoop") && answer.contains("src/loop.ts")
        });
        assert!(found, "{shown}: the grep session is not searched");
        // And it can be written to.
        asker
            .write(
                "POST",
                "/agent/memories",
                json!({"content": "Carol plays chess."}),
            )
            .await;
        assert!(server.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_later_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    assert!(Server::start(data).await.stop().await.success());
    let url = format!("sqlite:{}", data.join("pentad.db").display());
    let db = Db::open(&url, &pentad_store::Options::default()).await.unwrap();
    pentad_store::testing::pretend_newer(&db).await;
    db.close().await;
    let before = std::fs::read(data.join("pentad.db")).unwrap();
    let backup = directory.path().with_extension("backup");
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["migrate"],
        &["backup", backup.to_str().unwrap()],
    ] {
        let ended = pentad(data, arguments, &[]).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        let said = &ended.complained;
        let newer = format!("schema version {}", Db::known_schema_version() + 1);
        assert!(said.contains(&newer), "{arguments:?}: {said}");
        assert!(
            said.contains("run the later one again") || said.contains("with the version that serves it"),
            "{said}"
        );
    }
    assert_eq!(
        std::fs::read(data.join("pentad.db")).unwrap(),
        before,
        "nothing was changed"
    );
    assert!(!backup.exists());
}
