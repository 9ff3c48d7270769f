//! The documented operations on recorded runs.

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::examples::Walk;

fn image() -> Form {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
    bytes.extend([0; 8]);
    let part = Part::bytes(bytes)
        .file_name("shot.png")
        .mime_str("image/png")
        .unwrap();
    Form::new().part("image", part)
}

/// The example of the operation's body in the document.
fn example(walk: &Walk, operation: &str) -> Value {
    let (method, path) = operation.split_once(' ').unwrap();
    let document = serde_json::to_value(&pentad_gateway::documents()[0].api).unwrap();
    let operation = &document["paths"][path][method.to_lowercase()];
    let mut example = operation["requestBody"]["content"]["application/json"]["example"].clone();
    assert!(example.is_object(), "{method} {path} shows no example");
    if path.ends_with("/auth/login") {
        example["email"] = walk.gateway.admin().email.as_str().into();
        example["password"] = "administrator".into();
    }
    example
}

/// Sends what the document shows.
async fn send(walk: &mut Walk, operation: &str, path: &str) -> Value {
    let body = example(walk, operation);
    walk.call(operation, path, None, Some(body)).await
}

async fn read(walk: &mut Walk, documented: &str, path: &str) -> Value {
    walk.call(
        &format!("GET /api/v1{documented}"),
        &format!("/api/v1{path}"),
        None,
        None,
    )
    .await
}

pub(crate) async fn walk(walk: &mut Walk) {
    accounts(walk).await;
    record(walk).await;
    read_back(walk).await;
    interchange(walk).await;
    walk.call("DELETE /api/v1/runs/{run_id}", "/api/v1/runs/run_abc", None, None)
        .await;
}

async fn accounts(walk: &mut Walk) {
    for (operation, path) in [
        ("POST /api/v1/auth/login", "/api/v1/auth/login"),
        ("PUT /api/v1/tenant/settings", "/api/v1/tenant/settings"),
        ("POST /api/v1/admin/tenants", "/api/v1/admin/tenants"),
        ("POST /api/v1/admin/users", "/api/v1/admin/users"),
        ("POST /api/v1/admin/impersonate", "/api/v1/admin/impersonate"),
    ] {
        send(walk, operation, path).await;
    }
    let minted = send(walk, "POST /api/v1/tenant/dsns", "/api/v1/tenant/dsns").await;
    let key = format!("/api/v1/tenant/dsns/{}", minted["id"].as_str().unwrap());
    walk.call("DELETE /api/v1/tenant/dsns/{id}", &key, None, None)
        .await;
    walk.call("POST /api/v1/auth/logout", "/api/v1/auth/logout", None, None)
        .await;
    for path in [
        "/auth/me",
        "/tenant/dsns",
        "/tenant/settings",
        "/admin/tenants",
        "/connections",
        "/healthz",
    ] {
        read(walk, path, path).await;
    }
}

async fn record(walk: &mut Walk) {
    send(walk, "POST /api/v1/heartbeat", "/api/v1/heartbeat").await;
    send(walk, "POST /api/v1/runs", "/api/v1/runs").await;
    for (method, below) in [
        ("PUT", "trace"),
        ("PUT", "costs"),
        ("POST", "events"),
        ("POST", "logs"),
        ("POST", "side-effects"),
        ("POST", "reasoning"),
        ("POST", "outcomes"),
        ("POST", "eval-candidates"),
        ("POST", "commands"),
    ] {
        let operation = format!("{method} /api/v1/runs/{{run_id}}/{below}");
        send(walk, &operation, &format!("/api/v1/runs/run_abc/{below}")).await;
    }
    let step = "PUT /api/v1/runs/{run_id}/steps/{step_index}";
    send(walk, step, "/api/v1/runs/run_abc/steps/0").await;
    let judge = "POST /api/v1/runs/{run_id}/steps/{step_index}/judge-decisions";
    send(walk, judge, "/api/v1/runs/run_abc/steps/0/judge-decisions").await;
    let modelio = "POST /api/v1/runs/{run_id}/modelio/{relpath}";
    send(walk, modelio, "/api/v1/runs/run_abc/modelio/0000-planner-0.json").await;
    let shot = "POST /api/v1/runs/{run_id}/screenshots/{step_index}/{kind}";
    walk.call(
        shot,
        "/api/v1/runs/run_abc/screenshots/0/pre",
        Some(image()),
        None,
    )
    .await;
}

/// Whole runs: out as archives and exports, and back in.
async fn interchange(walk: &mut Walk) {
    send(walk, "POST /v1/traces", "/v1/traces").await;
    let below = "POST /api/v1/otel/v1/traces";
    send(walk, below, "/api/v1/otel/v1/traces").await;
    let trace = "/runs/5b8efff798038103d269b633813fc60c/spans.jsonl";
    read(walk, "/runs/{run_id}/spans.jsonl", trace).await;
    for export in ["atif.json", "otlp.json", "openai.jsonl"] {
        let documented = format!("/runs/{{run_id}}/export/{export}");
        read(walk, &documented, &format!("/runs/run_abc/export/{export}")).await;
    }
    let archive = walk
        .gateway
        .client()
        .get(walk.gateway.url("/api/v1/runs/run_abc/bundle.zip"))
        .bearer_auth(walk.gateway.key());
    let archive = archive.send().await.unwrap().bytes().await.unwrap();
    walk.used
        .insert("GET /api/v1/runs/{run_id}/bundle.zip".to_owned());
    let archive = with_replay(&archive);
    let import = "POST /api/v1/runs/{run_id}/bundle";
    walk.raw(import, "/api/v1/runs/run_abc/bundle", archive).await;
    let replay = "/runs/run_abc/replay/0000_fixture.json";
    read(walk, "/runs/{run_id}/replay/{name}", replay).await;
}

/// The archive with one more file, which only the clients' own bundles have.
fn with_replay(archive: &[u8]) -> Vec<u8> {
    use std::io::{Cursor, Write as _};
    let mut writer = zip::ZipWriter::new_append(Cursor::new(archive.to_vec())).unwrap();
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("replay/0000_fixture.json", options).unwrap();
    writer.write_all(b"{}").unwrap();
    writer.finish().unwrap().into_inner()
}

async fn read_back(walk: &mut Walk) {
    // The first eight digits of the SHA-256 of the step's identifier.
    let iteration = &pentad_kernel::secret::sha256_hex("run_abc/step/0000")[..8];
    for (documented, path) in [
        ("", ""),
        ("/manifest.json", "/manifest.json"),
        ("/trace.json", "/trace.json"),
        ("/outcomes.json", "/outcomes.json"),
        ("/eval_candidates.json", "/eval_candidates.json"),
        ("/AGENT.md", "/AGENT.md"),
        ("/diagnostics/findings.json", "/diagnostics/findings.json"),
        ("/files", "/files"),
        ("/steps", "/steps?from=0&limit=10"),
        ("/integrity", "/integrity"),
        ("/commands", "/commands?wait=0"),
        ("/commands/history", "/commands/history"),
        ("/steps", "/steps?limit=1"),
        ("/steps/{step}.json", "/steps/0000.json"),
        (
            "/steps/{step}/{iteration}.json",
            &format!("/steps/0000/{iteration}.json"),
        ),
        ("/events/{name}.jsonl", "/events/0000.jsonl"),
        ("/screenshots/{name}.png", "/screenshots/0000_pre.png"),
        ("/modelio/{relpath}", "/modelio/0000-planner-0.json"),
        ("/logs/{name}.log", "/logs/step-3.log"),
        ("/side_effects/{name}.json", "/side_effects/0000-se_1.json"),
    ] {
        read(
            walk,
            &format!("/runs/{{run_id}}{documented}"),
            &format!("/runs/run_abc{path}"),
        )
        .await;
    }
    assert_eq!(
        read(walk, "/runs", "/runs?limit=1").await["runs"][0]["run_id"],
        "run_abc"
    );
    // The stream does not end by itself.
    let stream = walk
        .gateway
        .client()
        .get(walk.gateway.url("/api/v1/runs/run_abc/stream"))
        .bearer_auth(walk.gateway.key());
    assert_eq!(stream.send().await.unwrap().status(), 200);
    walk.used.insert("GET /api/v1/runs/{run_id}/stream".to_owned());
}
