//! The documented operations on memories.

use serde_json::{Value, json};

use crate::examples::Walk;

async fn add(walk: &mut Walk, body: Value) -> String {
    let stored = walk
        .call("POST /agent/memories", "/agent/memories", None, Some(body))
        .await;
    stored["memory_id"].as_str().unwrap().to_owned()
}

async fn get(walk: &mut Walk, documented: &str, path: &str) -> Value {
    walk.call(&format!("GET {documented}"), path, None, None).await
}

pub(crate) async fn walk(walk: &mut Walk) {
    let old = add(walk, json!({"content": "Ada lives in London."})).await;
    let new = add(walk, json!({"content": "Ada lives in Turin."})).await;
    let supersede = format!("/memories/{old}/supersede");
    let body = Some(json!({"superseded_by": new}));
    let superseded = walk
        .call("POST /memories/{id}/supersede", &supersede, None, body)
        .await;
    assert_eq!(superseded["status"], "superseded");

    // The clock of a test stands still, and each write takes an instant of its own.
    walk.gateway.clock().advance_micros(1_000);
    let listed = get(walk, "/agent/memories", "/agent/memories").await;
    assert_eq!(listed["count"], 1, "{listed}");
    let timeline = get(
        walk,
        "/memories/{id}/timeline",
        &format!("/memories/{old}/timeline"),
    )
    .await;
    assert_eq!(timeline["chain_length"], 2);
    get(walk, "/memories/{id}/audit", &format!("/memories/{old}/audit")).await;
    get(walk, "/agent/memories/{id}", &format!("/agent/memories/{new}")).await;

    let question = json!({"question": "Where does Ada live?", "include_proof_tree": true});
    let answer = walk
        .call("POST /agent/query", "/agent/query", None, Some(question))
        .await;
    assert!(answer["answer"].as_str().unwrap().contains("Turin"), "{answer}");
    let claim = json!({"answer": answer["answer"], "proof_tree": answer["proof_tree"]});
    let verdict = walk
        .call(
            "POST /agent/proofs/verify",
            "/agent/proofs/verify",
            None,
            Some(claim),
        )
        .await;
    assert_eq!(verdict["valid"], true, "{verdict}");

    for path in ["/agent/settings", "/plan/status", "/agent/usage", "/agent/export"] {
        get(walk, path, path).await;
    }
    let change = Some(json!({"freshness_half_life_days": 7.0}));
    let changed = walk
        .call("PATCH /agent/settings", "/agent/settings", None, change)
        .await;
    assert_eq!(changed["status"], "updated");

    walk.call(
        "DELETE /agent/memories/{id}",
        &format!("/agent/memories/{old}"),
        None,
        None,
    )
    .await;
    walk.call("DELETE /memories/{id}", &format!("/memories/{new}"), None, None)
        .await;
    add(walk, json!({"content": "A note.", "tenant_id": "t1"})).await;
    walk.call(
        "DELETE /agent/tenants/{tenant_id}",
        "/agent/tenants/t1",
        None,
        None,
    )
    .await;
}
