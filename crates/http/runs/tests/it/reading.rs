//! Reading back.

use futures_util::StreamExt as _;
use pentad_testkit::TestGateway;
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, Browser, send};
use crate::{png, step};

#[tokio::test]
async fn a_screenshot_is_served_whole_in_part_and_not_again() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let stored = agent
        .screenshot("/runs/run/screenshots/0/pre", "image", "image/png", &png())
        .await;
    assert_eq!((stored.status, &stored.json()["width"]), (202, &json!(1)));
    let browser = Browser::signed_in(&gateway).await;
    let get = |name: &'static str, value: String| {
        send(
            browser
                .request(Method::GET, "/runs/run/screenshots/0000_pre.png")
                .header(name, value),
        )
    };
    let whole = get("accept", "image/png".to_owned()).await;
    assert_eq!(
        (whole.body.as_slice(), whole.header("content-type")),
        (png().as_slice(), Some("image/png"))
    );
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(get("if-none-match", tag).await.status, 304);
    let part = get("range", "bytes=1-3".to_owned()).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"PNG"[..]));
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 1-3/{}", png().len()).as_str())
    );
    assert_eq!(get("range", "bytes=500-".to_owned()).await.status, 416);
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent.put("/runs/run/steps/0", &step(0, &json!({}))).await;
    let mut browser = Browser::signed_in(&gateway).await;
    assert_eq!(browser.get("/runs/run/steps/0000.json").await.status, 200);
    for path in [
        "/runs/run/steps/..%2fmanifest.json",
        "/runs/run/steps/0.json",
        "/runs/run/steps/00000.json",
        "/runs/run/steps/abcd.json",
        "/runs/run/steps/%30000.json.bak",
        "/runs/run/events/..%2f..%2fx.jsonl",
        "/runs/run/screenshots/..%2f0000_pre.png",
        "/runs/run/diagnostics/..%2fmanifest.json",
        "/runs/none/manifest.json",
        "/runs/%2e%2e/manifest.json",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_run_is_listed_filtered_and_removed() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent
        .put(
            "/runs/run/steps/0",
            &step(0, &json!({"status": "failed", "failure_class": "infra"})),
        )
        .await;
    let mut browser = Browser::signed_in(&gateway).await;
    let run = browser.get("/runs/run").await.json();
    assert_eq!(
        (&run["step_count"], &run["first_failed_step"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(run["liveness"], "live");
    assert_eq!(
        browser.get("/runs?failure_class=infra&limit=1").await.json()["runs"][0]["run_id"],
        "run"
    );
    assert_eq!(browser.get("/runs?nonsense=1").await.status, 422);
    assert_eq!(browser.get("/runs?limit=0").await.status, 422);
    assert_eq!(browser.get("/runs/run/steps?limit=0").await.status, 422);
    let files = browser.get("/runs/run/files").await.json();
    assert!(
        files["files"]
            .as_array()
            .unwrap()
            .contains(&json!("steps/0000.json"))
    );
    assert_eq!(
        browser.get("/runs/run/integrity").await.json()["verdict"],
        "unsigned"
    );
    assert_eq!(
        send(browser.request(Method::DELETE, "/runs/run")).await.status,
        204
    );
    assert!(browser.runs().await.is_empty());
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent.put("/runs/run/steps/0", &step(0, &json!({}))).await;
    let browser = Browser::signed_in(&gateway).await;
    let stream = browser
        .request(Method::GET, "/runs/run/stream")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut chunks = stream.bytes_stream();
    agent.put("/runs/run/steps/1", &step(1, &json!({}))).await;
    let mut text = String::new();
    while !text.contains("steps/0001.json") {
        text.push_str(&String::from_utf8_lossy(&chunks.next().await.unwrap().unwrap()));
    }
    assert!(text.contains("event: change"));
    drop(chunks);
    gateway.stop().await;
}
