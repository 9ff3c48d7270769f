//! The published documents, walked.

use std::collections::BTreeSet;

use pentad_testkit::TestGateway;
use serde_json::Value;

use crate::Operation;

#[test]
fn every_operation_is_described_and_shows_its_answers() {
    let mut identifiers = BTreeSet::new();
    for operation in Operation::all() {
        let name = operation.name();
        let body = &operation.body;
        assert!(
            body["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{name} has no summary"
        );
        assert!(
            body["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{name} has no tag"
        );
        let id = body["operationId"].as_str().unwrap_or_default();
        assert!(
            identifiers.insert(id.to_owned()),
            "{name}: the operation id {id:?} is used twice"
        );
        // Without a payment provider nothing can be bought, and the operations say so.
        let sells = operation.path.starts_with("/api/v1/billing/");
        assert!(
            sells || !operation.successes().is_empty(),
            "{name} shows no success"
        );
        for parameter in body["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty());
            assert!(described, "{name}: {} is not described", parameter["name"]);
        }
        for (status, response) in body["responses"].as_object().unwrap() {
            assert!(
                response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{name} {status}"
            );
            if status.as_str() >= "400" {
                assert!(
                    response["content"].is_object(),
                    "{name} {status} shows no envelope"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_names_say_their_surface() {
    for document in pentad_gateway::documents() {
        let api = serde_json::to_value(&document.api).unwrap();
        let schemas = api["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(
                name.contains('.'),
                "{}: the schema {name} does not say its surface",
                document.name
            );
        }
        let mut references = Vec::new();
        collect_references(&api, &mut references);
        for reference in references {
            let name = reference.trim_start_matches("#/components/schemas/");
            assert!(
                schemas.contains_key(name),
                "{}: {reference} leads nowhere",
                document.name
            );
        }
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(array) => array.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// The operations that the seeds document, of the surfaces that are served.
const SEEDS: &[(&str, &str)] = &[
    ("POST", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/{id}/grep"),
    ("PUT", "/api/v1/sessions/{id}/append"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("POST", "/api/v1/sessions/{id}/restart"),
    ("POST", "/api/v1/auth/signup"),
    ("GET", "/api/v1/auth/me"),
    ("POST", "/api/v1/auth/keys"),
    ("GET", "/api/v1/auth/keys"),
    ("DELETE", "/api/v1/auth/keys/{key_id}"),
    ("GET", "/api/v1/auth/verify/{token}"),
    ("GET", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/{id}"),
    ("PUT", "/api/v1/sessions/{id}/sync"),
    ("GET", "/api/v1/sessions/{id}/sync"),
    ("GET", "/api/v1/sessions/{id}/messages"),
    ("GET", "/api/v1/sessions/{id}/summary"),
    ("POST", "/api/v1/sessions/{id}/summary"),
    ("PUT", "/api/v1/sessions/{id}/alias"),
    ("DELETE", "/api/v1/sessions/{id}/alias"),
    ("POST", "/api/v1/sessions/{id}/share"),
    ("DELETE", "/api/v1/sessions/{id}/share/{link_id}"),
    ("GET", "/api/v1/sessions/share/{token}"),
    ("POST", "/api/v1/sessions/share/{token}"),
    ("GET", "/api/v1/sessions/search"),
    ("POST", "/api/v1/sessions/{id}/audit"),
    ("GET", "/api/v1/sessions/{id}/audit"),
    ("GET", "/api/v1/sessions/{id}/audits"),
    ("GET", "/api/v1/sessions/{id}/audit/status"),
    ("POST", "/api/v1/handoffs"),
    ("GET", "/api/v1/handoffs/{id}"),
    ("POST", "/api/v1/handoffs/{id}/claim"),
    ("GET", "/api/v1/handoffs/inbox"),
    ("GET", "/api/v1/handoffs/sent"),
    ("GET", "/api/v1/handoffs/{id}/summary"),
    ("GET", "/api/v1/sync/settings"),
    ("PUT", "/api/v1/sync/settings"),
    ("GET", "/api/v1/sync/watchlist"),
    ("POST", "/api/v1/sync/watch/{id}"),
    ("DELETE", "/api/v1/sync/watch/{id}"),
    ("PUT", "/api/v1/sync/watch/{id}/{status}"),
    ("GET", "/api/v1/sync/status"),
    ("GET", "/api/v1/settings/judge"),
    ("PUT", "/api/v1/settings/judge"),
    ("DELETE", "/api/v1/settings/judge"),
    ("GET", "/api/v1/settings/judge/models"),
    ("GET", "/api/v1/settings/audit-trigger"),
    ("PUT", "/api/v1/settings/audit-trigger"),
    ("GET", "/health"),
    ("POST", "/api/v1/runs"),
    ("PUT", "/api/v1/runs/{run_id}/trace"),
    ("PUT", "/api/v1/runs/{run_id}/steps/{step_index}"),
    ("POST", "/api/v1/runs/{run_id}/events"),
    ("POST", "/api/v1/runs/{run_id}/screenshots/{step_index}/{kind}"),
    ("POST", "/api/v1/runs/{run_id}/modelio/{relpath}"),
    ("POST", "/api/v1/runs/{run_id}/logs"),
    ("POST", "/api/v1/heartbeat"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/runs/{run_id}/manifest.json"),
    ("GET", "/api/v1/runs/{run_id}/trace.json"),
    ("GET", "/api/v1/runs/{run_id}/steps/{step}.json"),
    ("GET", "/api/v1/runs/{run_id}/events/{name}.jsonl"),
    ("GET", "/api/v1/runs/{run_id}/screenshots/{name}.png"),
    ("GET", "/api/v1/runs/{run_id}/diagnostics/findings.json"),
    ("GET", "/api/v1/connections"),
    ("GET", "/api/v1/tenant/dsns"),
    ("POST", "/api/v1/tenant/dsns"),
    ("GET", "/api/v1/healthz"),
    ("GET", "/api/v1/admin/tenants"),
    ("POST", "/api/v1/admin/impersonate"),
    ("POST", "/api/execute"),
    ("POST", "/api/sessions"),
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions"),
    ("GET", "/api/sessions/{id}"),
    ("PATCH", "/api/sessions/{id}"),
    ("DELETE", "/api/sessions/{id}"),
    ("POST", "/api/sessions/{id}/run"),
    ("POST", "/api/sessions/{id}/stream"),
    ("POST", "/api/sessions/{id}/duplicate"),
    ("GET", "/api/sessions/{id}/files"),
    ("GET", "/api/sessions/{id}/files/{path}"),
    ("PUT", "/api/sessions/{id}/files/{path}"),
    ("GET", "/api/storage/kv/{namespace}"),
    ("GET", "/api/storage/kv/{namespace}/{key}"),
    ("PUT", "/api/storage/kv/{namespace}/{key}"),
    ("DELETE", "/api/storage/kv/{namespace}/{key}"),
    ("POST", "/api/storage/d1/{namespace}/query"),
    ("POST", "/api/storage/d1/{namespace}/exec"),
    ("GET", "/api/storage/r2/{namespace}"),
    ("GET", "/api/storage/r2/{namespace}/{key}"),
    ("PUT", "/api/storage/r2/{namespace}/{key}"),
    ("DELETE", "/api/storage/r2/{namespace}/{key}"),
    ("GET", "/api/resources/list"),
    ("GET", "/api/resources/stats"),
];

#[test]
fn what_the_seeds_document_is_documented() {
    let operations = Operation::all();
    for (method, path) in SEEDS {
        let found = operations
            .iter()
            .any(|operation| operation.method == *method && operation.path == *path);
        assert!(found, "{method} {path}");
    }
}

#[tokio::test]
async fn the_documents_are_served_as_they_are_generated() {
    let gateway = TestGateway::start().await;
    for document in pentad_gateway::documents() {
        let served: Value = gateway
            .client()
            .get(gateway.url(document.path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            served,
            serde_json::to_value(&document.api).unwrap(),
            "{}",
            document.name
        );
        assert!(
            served["openapi"].as_str().unwrap().starts_with("3.1"),
            "{}",
            document.name
        );
    }
}

#[tokio::test]
async fn the_pages_are_served_whole_and_load_nothing_from_elsewhere() {
    let gateway = TestGateway::start().await;
    let get = async |path: &str| gateway.client().get(gateway.url(path)).send().await.unwrap();
    for path in [
        "/api/docs",
        "/api/docs/",
        "/api/v1/docs/",
        "/api/redoc",
        "/api/v1/redoc/",
    ] {
        let page = get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        let policy = page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(policy.starts_with("default-src 'self'"), "{path}: {policy}");
        let text = page.text().await.unwrap();
        assert!(
            !text.contains("src=\"http") && !text.contains("href=\"http"),
            "{path}: {text}"
        );
    }
    let script = get("/api/redoc/redoc.standalone.js").await.text().await.unwrap();
    assert!(
        script.len() > 1_000_000 && !script.contains("cdn.redoc.ly"),
        "{}",
        script.len()
    );
}

#[test]
fn an_operation_of_two_surfaces_has_the_same_statuses_in_every_document() {
    let documents: Vec<Value> = pentad_gateway::documents()
        .iter()
        .map(|document| serde_json::to_value(&document.api).unwrap())
        .collect();
    for (path, method) in [
        ("/api/v1/sessions", "get"),
        ("/api/v1/sessions", "post"),
        ("/api/v1/sessions/{id}", "get"),
        ("/api/v1/sessions/{id}", "delete"),
        ("/api/v1/sessions/{id}", "patch"),
    ] {
        let statuses: Vec<Vec<&String>> = documents
            .iter()
            .filter_map(|document| document["paths"][path][method]["responses"].as_object())
            .map(|responses| responses.keys().collect())
            .collect();
        assert!(statuses.len() > 1, "{method} {path}");
        for other in &statuses[1..] {
            assert_eq!(&statuses[0], other, "{method} {path}");
        }
    }
}
