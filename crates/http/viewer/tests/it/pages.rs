//! The pages without a browser: who may see them, and what they carry.

use pentad_identity::{KeyFamily, NewKey, PlanName};
use pentad_testkit::TestGateway;
use reqwest::header::{CONTENT_SECURITY_POLICY, LOCATION};
use serde_json::json;

use crate::agent::Agent;

async fn get(gateway: &TestGateway, path: &str, key: Option<&str>) -> reqwest::Response {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client.get(gateway.url(path));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_shown_the_way() {
    let gateway = TestGateway::start().await;
    for (path, next) in [
        ("/viewer", "%2Fviewer"),
        ("/viewer/", "%2Fviewer%2F"),
        ("/viewer/runs/r%201?x=1", "%2Fviewer%2Fruns%2Fr%25201%3Fx%3D1"),
        (
            "/viewer/compare?run=a&run=b",
            "%2Fviewer%2Fcompare%3Frun%3Da%26run%3Db",
        ),
    ] {
        let answer = get(&gateway, path, None).await;
        assert_eq!(answer.status(), 303, "{path}");
        assert_eq!(answer.headers()[LOCATION], format!("/viewer/login?next={next}"));
    }
    for piece in [
        "/viewer/runs/r/head",
        "/viewer/runs/r/about",
        "/viewer/runs/r/steps/0",
    ] {
        assert_eq!(get(&gateway, piece, None).await.status(), 401, "{piece}");
    }
    let login = get(&gateway, "/viewer/login?next=https://elsewhere.example/", None).await;
    assert_eq!(login.status(), 200);
    assert!(login.text().await.unwrap().contains(r#"data-next="/viewer/""#));
}

#[tokio::test]
async fn what_was_recorded_is_text_and_nothing_else() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let evil = r#"</pre><script>alert(1)</script><img src=x onerror=alert(1)>"#;
    let run = "a%20run%3F";
    agent
        .step(
            run,
            0,
            &json!({"step_id": evil, "intent": evil, "failure_class": evil, "step_type": evil,
                    "action": {"type": evil, "params": {evil: evil}},
                    "grounding": {"provider": evil, "provenance": "dom", "target_label": evil, "coordinates": {"x": 1, "y": 1}},
                    "verdict": {"status": "failed", "reason": evil}}),
        )
        .await;
    let event = json!({"events": [{"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "error", "summary": evil,
                                   "detail": {evil: evil}}], "step_index": 0});
    agent
        .send(reqwest::Method::POST, &format!("/runs/{run}/events"), &event)
        .await;
    for path in [
        "/viewer/".to_owned(),
        format!("/viewer/runs/{run}"),
        format!("/viewer/runs/{run}/steps/0"),
        format!("/viewer/runs/{run}/about"),
        format!("/viewer/compare?run={run}&run={run}"),
        format!("/viewer/?q={}", "%22%3E%3Cscript%3E"),
    ] {
        let answer = get(&gateway, &path, Some(gateway.key())).await;
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let text = answer.text().await.unwrap();
        assert!(
            !text.contains("<script>") && !text.contains("<img src=x"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_broken_link_to_a_page_of_the_list_shows_the_newest_runs() {
    let gateway = TestGateway::start().await;
    Agent::new(&gateway).await.step("first", 0, &json!({})).await;
    let answer = get(&gateway, "/viewer/?cursor=broken", Some(gateway.key())).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("/viewer/runs/first"));
}

#[tokio::test]
async fn of_thousands_of_events_a_page_shows_the_first() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent
        .step("chatty", 0, &json!({"intent": "x".repeat(50_000)}))
        .await;
    let summary = "y".repeat(20_000);
    let event = json!({"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "info", "summary": summary});
    let events = json!({"step_index": 0, "events": vec![event; 60]});
    for _ in 0..10 {
        agent
            .send(reqwest::Method::POST, "/runs/chatty/events", &events)
            .await;
    }
    let piece = get(&gateway, "/viewer/runs/chatty/steps/0", Some(gateway.key())).await;
    let piece = piece.text().await.unwrap();
    assert!(piece.contains("The first 500 of 600."));
    assert!(piece.contains("/api/v1/runs/chatty/events/0000.jsonl"));
    assert!(piece.len() < 6_000_000, "{} bytes", piece.len());
}

#[tokio::test]
async fn a_run_of_another_organisation_is_not_there() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    agent.step("secret", 0, &json!({})).await;
    let (user, _) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    let stranger = gateway.mint(&user, NewKey::of(KeyFamily::User)).await;
    for path in [
        "/viewer/runs/secret",
        "/viewer/runs/secret/head",
        "/viewer/runs/secret/steps/0",
        "/viewer/compare?run=secret&run=secret",
    ] {
        assert_eq!(get(&gateway, path, Some(&stranger)).await.status(), 404, "{path}");
    }
    let list = get(&gateway, "/viewer/", Some(&stranger)).await;
    assert!(!list.text().await.unwrap().contains("secret"));
}

#[tokio::test]
async fn assets_are_named_by_their_content() {
    let gateway = TestGateway::start().await;
    let page = get(&gateway, "/viewer/login", None).await.text().await.unwrap();
    let addresses: Vec<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/viewer/assets/"))
        .collect();
    assert!(addresses.len() >= 3);
    for address in addresses {
        let answer = get(&gateway, address, None).await;
        assert_eq!(answer.status(), 200, "{address}");
        assert!(
            answer.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    assert_eq!(
        get(&gateway, "/viewer/assets/viewer.css", None).await.status(),
        404
    );
}
