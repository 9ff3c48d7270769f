//! Whole runs over HTTP.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use pentad_testkit::TestGateway;
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Browser, send};
use crate::{manifest, png, step};

#[tokio::test]
async fn a_run_is_downloaded_deleted_and_taken_back() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent
        .put("/runs/run/steps/0", &step(0, &json!({"intent": "é"})))
        .await;
    agent
        .screenshot("/runs/run/screenshots/0/pre", "image", "image/png", &png())
        .await;
    agent.post("/runs", &manifest("run")).await;
    let mut browser = Browser::signed_in(&gateway).await;
    let archive = browser.get("/runs/run/bundle.zip").await;
    assert_eq!(
        (archive.status, archive.header("content-type")),
        (200, Some("application/zip"))
    );
    assert_eq!(
        archive.header("content-disposition"),
        Some("attachment; filename=\"run.zip\"")
    );
    assert_eq!(
        send(browser.request(Method::DELETE, "/runs/run")).await.status,
        204
    );
    let give = |media: &'static str, path: &'static str, body: Vec<u8>| {
        send(
            browser
                .request(Method::POST, path)
                .header("content-type", media)
                .body(body),
        )
    };
    let zip = "application/zip";
    assert_eq!(
        give("text/plain", "/runs/run/bundle", archive.body.clone())
            .await
            .status,
        415
    );
    assert_eq!(give(zip, "/runs/run/bundle", b"PK".to_vec()).await.status, 422);
    assert_eq!(
        give(zip, "/runs/other/bundle", archive.body.clone()).await.status,
        422
    );
    let taken = give(zip, "/runs/run/bundle", archive.body.clone()).await;
    assert_eq!((taken.status, &taken.json()["missing"]), (202, &json!([])));
    assert_eq!(browser.get("/runs/run/bundle.zip").await.body, archive.body);
    assert_eq!(browser.runs().await, ["run"]);
    assert_eq!(browser.get("/runs/none/bundle.zip").await.status, 404);
    for export in ["atif.json", "otlp.json", "openai.jsonl"] {
        assert_eq!(
            browser.get(&format!("/runs/run/export/{export}")).await.status,
            200,
            "{export}"
        );
    }
    for (packs, status) in [("cua", 200), ("cua,gw", 200), ("nonsense", 422)] {
        let path = format!("/runs/run/diagnostics/findings.json?packs={packs}");
        assert_eq!(browser.get(&path).await.status, status, "{packs}");
    }
}

fn spans(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

#[tokio::test]
async fn traces_are_taken_as_protobuf_and_as_json() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let key = agent.request(Method::GET, "/").build().unwrap().headers()["authorization"].clone();
    let post = |path: &str, media: &'static str, body: Vec<u8>| {
        send(
            gateway
                .client()
                .post(gateway.url(path))
                .header("authorization", key.clone())
                .header("content-type", media)
                .body(body),
        )
    };
    let good = Span {
        trace_id: vec![7; 16],
        span_id: vec![1; 8],
        name: "GET /".to_owned(),
        start_time_unix_nano: 1_779_148_800_000_000_000,
        end_time_unix_nano: 1_779_148_801_000_000_000,
        ..Span::default()
    };
    let bad = Span {
        trace_id: vec![7; 3],
        ..good.clone()
    };
    let answer = post(
        "/v1/traces",
        "application/x-protobuf",
        spans(vec![good, bad]).encode_to_vec(),
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/x-protobuf"))
    );
    let response = ExportTraceServiceResponse::decode(answer.body.as_slice()).unwrap();
    assert_eq!(response.partial_success.unwrap().rejected_spans, 1);
    let json = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "07070707070707070707070707070707", "spanId": "eee19b7ec3c1b174", "name": "tool", "kind": 1,
        "startTimeUnixNano": "1779148800000000000", "endTimeUnixNano": "1779148801000000000",
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}}]}]}]}]});
    let answer = post(
        "/api/v1/otel/v1/traces/",
        "application/json",
        json.to_string().into_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut browser = Browser::signed_in(&gateway).await;
    let run = "/runs/07070707070707070707070707070707";
    let lines = browser.get(&format!("{run}/spans.jsonl")).await.body;
    let names: Vec<Value> = String::from_utf8(lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
        .collect();
    assert_eq!(names, ["GET /", "tool"]);
    assert_eq!(
        browser.get(&format!("{run}/steps/0000.json")).await.json()["step_type"],
        "tool"
    );
    for (media, body, status) in [
        ("text/plain", &b"x"[..], 415),
        ("application/x-protobuf", b"\xff\xff", 422),
        ("application/json", b"[", 422),
    ] {
        let answer = post("/v1/traces", media, body.to_vec()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json()["detail"].is_string(), "{answer:?}");
    }
    let nobody = gateway.client().post(gateway.url("/v1/traces")).body("");
    assert_eq!(send(nobody).await.status, 401);
}
