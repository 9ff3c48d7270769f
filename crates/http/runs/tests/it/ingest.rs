//! What is taken, and what is refused without a trace.

use pentad_runs::Limits;
use pentad_testkit::{Setup, TestGateway};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::client::{Agent, Browser, send};
use crate::{manifest, png, step};

#[tokio::test]
async fn the_first_manifest_opens_a_run_and_later_ones_replace_it() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let first = agent.post("/runs", &manifest("run")).await;
    assert_eq!(
        (first.status, first.json()["run_id"].as_str()),
        (201, Some("run"))
    );
    assert_eq!(agent.post("/runs/", &manifest("run")).await.status, 202);
    let late = agent.put("/runs/other/steps/3", &step(3, &json!({}))).await;
    assert_eq!(late.status, 202, "a step opens a run as well");
    assert_eq!(late.json()["path"], "steps/0003.json");
}

#[tokio::test]
async fn a_refused_call_creates_nothing() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let log = |name: &str| json!({ "text": "x", "name": name });
    for (status, answer) in [
        (422, agent.post("/runs", &json!([1])).await),
        (422, agent.post("/runs", &json!({})).await),
        (422, agent.put("/runs/r/steps/1", &step(0, &json!({}))).await),
        (
            422,
            agent
                .put("/runs/r/steps/0", &step(0, &json!({"status": "great"})))
                .await,
        ),
        (404, agent.put("/runs/r/steps/abc", &step(0, &json!({}))).await),
        (
            422,
            agent
                .put("/runs/..%2f..%2fetc/steps/0", &step(0, &json!({})))
                .await,
        ),
        (422, agent.put("/runs/r/costs", &json!({})).await),
        (422, agent.put("/runs/r/trace", &json!({"steps": []})).await),
        (
            422,
            agent
                .post("/runs/r/events", &json!({"events": [{"layer": "planner"}]}))
                .await,
        ),
        (422, agent.post("/runs/r/logs", &log("../../evil")).await),
        (422, agent.post("/runs/r/logs", &json!({"name": "run"})).await),
        (
            403,
            agent
                .post("/runs/r/modelio/0000-planner-0.json", &json!({}))
                .await,
        ),
        (422, agent.post("/runs/r/modelio/abc.json", &json!({})).await),
        (
            415,
            agent
                .screenshot("/runs/r/screenshots/0/pre", "image", "image/gif", b"GIF89a")
                .await,
        ),
        (
            415,
            agent
                .screenshot(
                    "/runs/r/screenshots/0/pre",
                    "image",
                    "image/png",
                    b"\xff\xd8\xff\xe0",
                )
                .await,
        ),
        (
            422,
            agent
                .screenshot("/runs/r/screenshots/0/pre", "file", "image/png", &png())
                .await,
        ),
        (
            422,
            agent
                .screenshot("/runs/r/screenshots/0/sideways", "image", "image/png", &png())
                .await,
        ),
        (405, agent.post("/runs/r", &json!({})).await),
        (404, agent.post("/runs/r/nonsense", &json!({})).await),
        (422, agent.post("/heartbeat", &json!({"client_name": "x"})).await),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json()["detail"].is_string(), "{answer:?}");
    }
    let put = |media: &'static str, body: &'static str| {
        send(
            agent
                .request(Method::PUT, "/runs/r/steps/0")
                .header(CONTENT_TYPE, media)
                .body(body),
        )
    };
    assert_eq!(put("text/plain", "{}").await.status, 415);
    assert_eq!(put("application/json", "{not json").await.status, 422);
    assert_eq!(
        put("application/json", r#"{"duration_ms":NaN}"#).await.status,
        422
    );
    assert!(Browser::signed_in(&gateway).await.runs().await.is_empty());
}

#[tokio::test]
async fn every_wrong_member_is_named() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let answer = agent
        .put("/runs/r/steps/0", &json!({"step_id": 1, "step_index": 0}))
        .await
        .json();
    let errors = answer["errors"].as_array().unwrap();
    assert!(
        errors.contains(&json!({
            "loc": ["body", "status"], "msg": "field required", "type": "missing",
        })),
        "{answer}"
    );
    assert!(
        errors
            .iter()
            .any(|error| error["loc"] == json!(["body", "step_id"])),
        "{answer}"
    );
}

#[tokio::test]
async fn a_queue_that_is_full_says_when_to_come_back() {
    let limits = Limits {
        queued_records: 0,
        ..Limits::default()
    };
    let gateway = TestGateway::with(Setup {
        runs: Some(limits),
        ..Setup::default()
    })
    .await;
    let agent = Agent::new(&gateway).await;
    let answer = agent.post("/runs", &manifest("run")).await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("queued_records")
    );
    assert!(Browser::signed_in(&gateway).await.runs().await.is_empty());
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_before_it_is_read() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let answer = agent
        .put(
            "/runs/r/costs",
            &json!({"total_usd": 1, "note": "x".repeat(5 << 20)}),
        )
        .await;
    assert_eq!(answer.status, 413);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("4194304 bytes")
    );
}

#[tokio::test]
async fn model_calls_are_recorded_once_the_tenant_wants_it() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let call = json!({
        "schema_version": "0.1", "layer": "planner", "ts": "2026-05-19T00:00:00Z",
        "request": {"model": "m"}, "response": {"text": "x"},
    });
    let path = "/runs/r/modelio/0000-planner-0.json";
    assert_eq!(agent.post(path, &call).await.status, 403);
    let mut browser = Browser::signed_in(&gateway).await;
    let wanted = browser
        .request(Method::PUT, "/tenant/settings")
        .json(&json!({"modelio_enabled": true}));
    assert_eq!(send(wanted).await.json()["modelio_enabled"], true);
    assert_eq!(agent.post(path, &call).await.status, 202);
    assert_eq!(browser.get(path).await.json(), call);
}
