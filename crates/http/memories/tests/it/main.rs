//! The surface as its clients see it: the real gateway, over HTTP.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use pentad_identity::{KeyFamily, Plan, PlanName, PlanTable};
use pentad_testkit::{Setup, TestGateway};
use serde_json::{Value, json};

struct Client<'a> {
    gateway: &'a TestGateway,
    key: String,
}

impl Client<'_> {
    async fn new(gateway: &TestGateway) -> Client<'_> {
        let (_, key) = gateway.tenant(KeyFamily::Memory, PlanName::Unlimited).await;
        Client { gateway, key }
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.send_with(method, path, body, &[]).await
    }

    async fn send_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let method = method.parse::<reqwest::Method>().unwrap();
        let mut request = self
            .gateway
            .client()
            .request(method, self.gateway.url(path))
            .bearer_auth(&self.key);
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "").await
    }

    async fn add(&self, body: Value) -> String {
        self.gateway.clock().advance(Duration::from_secs(1));
        let (status, answer) = self.post("/agent/memories", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["memory_id"].as_str().unwrap().to_owned()
    }
}

const UNKNOWN: &str = "0198f2d0-7c1b-7000-8000-000000000000";

#[tokio::test]
async fn every_bad_request_has_the_status_that_the_sdk_maps() {
    let gateway = TestGateway::start().await;
    let client = Client::new(&gateway).await;
    let id = client.add(json!({"content": "fact"})).await;
    let supersede = format!("/memories/{id}/supersede");
    let big = json!({"content": "x".repeat(2 << 20)}).to_string();
    let long = json!({"content": "x".repeat(70_000)}).to_string();
    for (method, path, body, expected) in [
        ("POST", "/agent/memories", "{nope", 400),
        ("POST", "/agent/memories", r#"{"topic":"x"}"#, 422),
        ("POST", "/agent/memories", r#"{"content":"a","messages":[]}"#, 422),
        ("POST", "/agent/memories", r#"{"content":"  "}"#, 422),
        ("POST", "/agent/memories", r#"{"content":5}"#, 422),
        ("POST", "/agent/memories", r#"{"messages":[]}"#, 422),
        (
            "POST",
            "/agent/memories",
            r#"{"messages":[{"role":"user"}]}"#,
            422,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","importance_score":11}"#,
            400,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","importance":"urgent"}"#,
            400,
        ),
        ("POST", "/agent/memories", r#"{"content":"a\u0000b"}"#, 400),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","tenant_id":""}"#,
            422,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","valid_from":"yesterday"}"#,
            400,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","valid_from":"2026-02-01","valid_to":"2026-01-01"}"#,
            400,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","llm":{"provider":"skynet","api_key":"k","model":"m"}}"#,
            400,
        ),
        (
            "POST",
            "/agent/memories",
            r#"{"content":"a","llm":{"provider":"openai","model":"m"}}"#,
            400,
        ),
        ("POST", "/agent/memories", big.as_str(), 413),
        ("POST", "/agent/memories", long.as_str(), 400),
        ("POST", "/agent/query", "{}", 422),
        ("POST", "/agent/query", r#"{"question":5}"#, 422),
        ("POST", "/agent/query", r#"{"question":"a","limit":0}"#, 400),
        ("POST", "/agent/query", r#"{"question":"a","limit":101}"#, 400),
        ("POST", "/agent/query", r#"{"question":"a","as_of":"never"}"#, 400),
        (
            "POST",
            "/agent/proofs/verify",
            r#"{"answer":"a","proof_tree":{}}"#,
            422,
        ),
        ("GET", "/agent/memories?limit=0", "", 400),
        ("GET", "/agent/memories?limit=1001", "", 400),
        ("GET", "/agent/memories?limit=abc", "", 422),
        ("GET", "/agent/memories?as_of=", "", 400),
        (
            "GET",
            "/agent/memories?transaction_as_of=2026-13-01T00:00:00Z",
            "",
            400,
        ),
        ("GET", "/agent/memories?cursor=junk", "", 400),
        ("GET", "/agent/memories/not-a-uuid", "", 404),
        ("GET", &format!("/memories/{UNKNOWN}/audit"), "", 404),
        ("GET", &format!("/memories/{UNKNOWN}/timeline"), "", 404),
        ("POST", &supersede, "{}", 400),
        ("POST", &supersede, &json!({"superseded_by": id}).to_string(), 400),
        (
            "POST",
            &supersede,
            &json!({"superseded_by": UNKNOWN}).to_string(),
            404,
        ),
        ("POST", &supersede, r#"{"valid_to":"1999-01-01T00:00:00Z"}"#, 400),
        ("PATCH", "/agent/settings", "{}", 400),
        ("PATCH", "/agent/settings", r#"{"min_confidence":"high"}"#, 422),
        (
            "PATCH",
            "/agent/settings",
            r#"{"classifier_model":"gpt-4o"}"#,
            400,
        ),
        ("DELETE", "/agent/tenants/never", "", 404),
        ("PUT", "/agent/query", "{}", 405),
        ("GET", "/agent/nope", "", 404),
    ] {
        let (status, answer) = client.send(method, path, body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(status, expected, "{method} {path} {shown}: {answer}");
        assert!(!answer["detail"].is_null(), "{method} {path} {shown}: {answer}");
    }
    let (_, answer) = client
        .send("PATCH", "/agent/settings", r#"{"freshness_half_life_days":0}"#)
        .await;
    assert!(
        ["detail", "hint", "status", "error"]
            .iter()
            .all(|field| answer[field].is_string()),
        "{answer}"
    );
    let (_, listed) = client.get("/agent/memories").await;
    assert_eq!(listed["count"], 1, "nothing of a refused request is kept");
}

#[tokio::test]
async fn without_a_key_nothing_is_told() {
    let gateway = TestGateway::start().await;
    for path in [
        "/agent/memories",
        "/agent/settings",
        "/plan/status",
        "/memories/not-a-uuid/audit",
        "/agent/export",
    ] {
        let response = gateway.client().get(gateway.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({"detail": "Not authenticated"})
        );
        let response = gateway
            .client()
            .get(gateway.url(path))
            .bearer_auth("aurra_unknown")
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({"detail": "Invalid API key"})
        );
    }
}

#[tokio::test]
async fn a_memory_of_another_account_is_forbidden_and_says_nothing() {
    let gateway = TestGateway::start().await;
    let (ada, eve) = (Client::new(&gateway).await, Client::new(&gateway).await);
    let id = ada
        .add(json!({"content": "the launch code is 1234", "tenant_id": "t"}))
        .await;
    for (method, path, body) in [
        ("GET", format!("/agent/memories/{id}"), ""),
        ("GET", format!("/memories/{id}/audit"), ""),
        ("GET", format!("/memories/{id}/timeline"), ""),
        (
            "POST",
            format!("/memories/{id}/supersede"),
            r#"{"valid_to":"2030-01-01"}"#,
        ),
        ("DELETE", format!("/agent/memories/{id}"), ""),
        ("DELETE", format!("/memories/{id}"), ""),
    ] {
        let (status, answer) = eve.send(method, &path, body).await;
        assert_eq!(status, 403, "{method} {path}");
        assert!(!answer.to_string().contains("1234"), "{answer}");
    }
    assert_eq!(eve.get("/agent/memories?tenant_id=t").await.1["count"], 0);
    let (_, answer) = eve
        .post(
            "/agent/query",
            &json!({"question": "launch code", "tenant_id": "t"}),
        )
        .await;
    assert_eq!(
        (&answer["memories_searched"], &answer["citations"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(eve.get("/agent/export").await.1, json!(""));
}

#[tokio::test]
async fn a_memory_is_shown_in_every_form_that_clients_read() {
    let gateway = TestGateway::start().await;
    let client = Client::new(&gateway).await;
    let body = json!({
        "content": "Alice works at Acme.", "topic": "people", "importance_score": 8, "session_id": "s-1",
        "metadata": {"ticket": 7}, "unknown_field": true,
    });
    let id = client.add(body).await;
    let (_, memory) = client
        .get(&format!("/agent/memories/{}", id.to_uppercase()))
        .await;
    assert_eq!(memory["decision"], "Alice works at Acme.");
    assert_eq!(memory["summary"], memory["decision"]);
    assert_eq!(
        (&memory["importance"], &memory["source"], &memory["channel"]),
        (&json!("high"), &json!("agent"), &json!("s-1"))
    );
    assert_eq!(memory["metadata"], json!({"ticket": 7}));
    assert_eq!(memory["tenant_id"], Value::Null);
    assert!(memory["created_at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(memory["temporal"]["is_current"], true);
    assert_eq!(memory["source_citation"]["captured_at"], memory["created_at"]);
    let (_, deleted) = client.send("DELETE", &format!("/agent/memories/{id}"), "").await;
    assert_eq!(deleted, json!({"status": "deleted", "memory_id": id}));
    assert_eq!(client.get(&format!("/agent/memories/{id}")).await.0, 404);
}

#[tokio::test]
async fn a_repeated_request_answers_the_same_and_another_body_is_refused() {
    let gateway = TestGateway::start().await;
    let client = Client::new(&gateway).await;
    let send = async |body: &str| {
        client
            .send_with("POST", "/agent/memories", body, &[("idempotency-key", "k-1")])
            .await
    };
    let first = send(r#"{"content":"once"}"#).await;
    assert_eq!(send(r#"{"content":"once"}"#).await, first);
    assert_eq!(send(r#"{"content":"twice"}"#).await.0, 422);
    gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(client.get("/agent/memories").await.1["count"], 1);
}

#[tokio::test]
async fn an_answer_can_be_proved_and_a_forged_proof_is_found() {
    let gateway = TestGateway::start().await;
    let client = Client::new(&gateway).await;
    client.add(json!({"content": "Alice works at Acme."})).await;
    gateway.clock().advance(Duration::from_secs(1));
    let question = json!({"question": "Where does Alice work?", "include_proof_tree": true});
    let (_, answer) = client.post("/agent/query", &question).await;
    assert_eq!(answer["answer_with_citations"], "Alice works at Acme [mem-1].");
    let verify = async |tree: &Value| {
        let body = json!({"answer": answer["answer"], "proof_tree": tree});
        client.post("/agent/proofs/verify", &body).await.1
    };
    assert_eq!(
        verify(&answer["proof_tree"]).await,
        json!({"valid": true, "mismatches": []})
    );
    let mut forged = answer["proof_tree"].clone();
    forged["evidence_chain"][0]["decision"] = "Alice works at Initech.".into();
    assert_eq!(verify(&forged).await["valid"], false);
}

#[tokio::test]
async fn an_export_has_every_memory_and_a_whole_chain_of_events() {
    let gateway = TestGateway::start().await;
    let client = Client::new(&gateway).await;
    for number in 0..3 {
        client.add(json!({"content": format!("fact {number}")})).await;
    }
    let (_, text) = client.get("/agent/export").await;
    let lines: Vec<Value> = text
        .as_str()
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |record: &str| {
        lines
            .iter()
            .filter(|line| line["record"] == record)
            .collect::<Vec<_>>()
    };
    assert_eq!((of("memory").len(), of("event").len()), (3, 3));
    assert!(
        of("event")
            .windows(2)
            .all(|pair| pair[1]["previous_hash"] == pair[0]["hash"])
    );
    assert_eq!(of("memory")[0]["versions"][0]["cause"], "created");
}

#[tokio::test]
async fn a_used_up_plan_refuses_writes_with_the_time_until_the_next_month() {
    let mut plans = PlanTable::default();
    plans.set(
        PlanName::Free,
        Plan {
            memory_writes: Some(1),
            ..Plan::default()
        },
    );
    let gateway = TestGateway::with(Setup {
        plans: Some(plans),
        ..Setup::default()
    })
    .await;
    let (_, key) = gateway.tenant(KeyFamily::Memory, PlanName::Free).await;
    let client = Client {
        gateway: &gateway,
        key,
    };
    client.add(json!({"content": "first"})).await;
    assert_eq!(client.get("/plan/status").await.1["in_grace_period"], true);
    let (status, answer) = client
        .post("/agent/memories", &json!({"content": "second"}))
        .await;
    assert_eq!(status, 200, "one of one is within the grace: {answer}");
    let (status, answer) = client.post("/agent/memories", &json!({"content": "third"})).await;
    assert_eq!(status, 429, "{answer}");
    assert_eq!(client.get("/agent/memories").await.0, 200, "reads go on");
    assert_eq!(client.get("/plan/status").await.1["blocked"], true);
}
