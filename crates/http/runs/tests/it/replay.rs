//! A recorded session of the real SDK, sent again over HTTP.

use std::path::{Path, PathBuf};

use pentad_store::testing::TestDb;
use pentad_testkit::{Setup, TestGateway};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Browser, send};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../domains/runs/tests/fixtures")
}

async fn the_bundle_comes_back(gateway: &TestGateway) {
    let agent = Agent::new(gateway).await;
    let mut browser = Browser::signed_in(gateway).await;
    let wanted = browser
        .request(Method::PUT, "/tenant/settings")
        .json(&json!({"modelio_enabled": true}));
    assert_eq!(send(wanted).await.status, 200);
    let recording = std::fs::read_to_string(fixtures().join("wire/requests.jsonl")).unwrap();
    for line in recording.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let mut words = record["line"].as_str().unwrap().split(' ');
        let (method, path) = (
            words.next().unwrap(),
            words.next().unwrap().strip_prefix("/api/v1").unwrap(),
        );
        if method == "GET" {
            continue;
        }
        let answer = if let Some((_, shot)) = path.split_once("/screenshots/") {
            let (index, kind) = shot.split_once('/').unwrap();
            let file = format!("bundle/screenshots/{index:0>4}_{kind}.png");
            let image = std::fs::read(fixtures().join(file)).unwrap();
            agent.screenshot(path, "image", "image/png", &image).await
        } else {
            send(agent.request(method.parse().unwrap(), path).json(&record["json"])).await
        };
        assert!(matches!(answer.status, 201 | 202), "{line}: {answer:?}");
    }
    let report = browser.get("/runs/run_full_1/integrity").await.json();
    assert_eq!(report["verdict"], "verified", "{report}");
    let manifest = browser.get("/runs/run_full_1/manifest.json").await;
    assert_eq!(
        manifest.body,
        std::fs::read(fixtures().join("bundle/manifest.json")).unwrap()
    );
}

#[tokio::test]
async fn the_bundle_comes_back_on_sqlite() {
    the_bundle_comes_back(&TestGateway::start().await).await;
}

#[tokio::test]
async fn the_bundle_comes_back_on_postgres() {
    if let Some(database) = TestDb::postgres().await {
        let setup = Setup {
            database: Some(database),
            ..Setup::default()
        };
        the_bundle_comes_back(&TestGateway::with(setup).await).await;
    }
}
