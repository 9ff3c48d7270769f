//! The documented operations of code execution.

use serde_json::{Value, json};

use crate::examples::Walk;

/// The example of the operation's body in the document.
fn example(operation: &str) -> Value {
    let (method, path) = operation.split_once(' ').unwrap();
    let document = serde_json::to_value(&pentad_gateway::documents()[0].api).unwrap();
    let schema =
        &document["paths"][path][method.to_lowercase()]["requestBody"]["content"]["application/json"];
    let example = match schema["schema"]["$ref"].as_str() {
        Some(name) => {
            let name = name.trim_start_matches("#/components/schemas/");
            &document["components"]["schemas"][name]["example"]
        }
        None => &schema["example"],
    };
    assert!(example.is_object(), "{operation} shows no example");
    example.clone()
}

async fn send(walk: &mut Walk, operation: &str, path: &str) -> Value {
    walk.call(operation, path, None, Some(example(operation))).await
}

pub(crate) async fn walk(walk: &mut Walk) {
    let ran = send(walk, "POST /api/execute", "/api/execute").await;
    assert_eq!(
        (&ran["stdout"], &ran["exit_code"]),
        (&json!("Hello World\n"), &json!(0))
    );
    send(walk, "POST /api/sessions", "/api/sessions").await;
    let session = "/api/sessions/my-session";
    let run = send(walk, "POST /api/sessions/{id}/run", &format!("{session}/run")).await;
    assert_eq!(run["stdout"], "my-session\n");
    let stream = send(
        walk,
        "POST /api/sessions/{id}/stream",
        &format!("{session}/stream"),
    )
    .await;
    assert!(
        stream.as_str().unwrap().contains("event: done\ndata: {"),
        "{stream}"
    );
    send(walk, "PATCH /api/sessions/{id}", session).await;
    files(walk, session).await;
    send(walk, "PUT /api/sessions/{id}/code", &format!("{session}/code")).await;
    walk.call(
        "GET /api/sessions/{id}/code",
        &format!("{session}/code"),
        None,
        None,
    )
    .await;
    relay(walk, session).await;
    send(
        walk,
        "POST /api/sessions/{id}/duplicate",
        &format!("{session}/duplicate"),
    )
    .await;
    let tools = send(walk, "POST /mcp/v1", "/mcp/v1").await;
    assert!(tools["result"]["tools"].is_array(), "{tools}");
    walk.call("GET /api/sessions/{id}", session, None, None).await;
    let listed = walk
        .call("GET /api/sessions", "/api/sessions?limit=10", None, None)
        .await;
    assert_eq!(listed["count"], 2);
    walk.call("DELETE /api/sessions/{id}", session, None, None).await;
    let deleted = walk
        .call("DELETE /api/sessions", "/api/sessions", None, None)
        .await;
    assert_eq!(deleted["deleted_sessions"], json!(["my-session-backup"]));
}

async fn files(walk: &mut Walk, session: &str) {
    let (file, path) = (
        "/api/sessions/{id}/files/{path}",
        format!("{session}/files/data.json"),
    );
    let stored = walk
        .raw(&format!("PUT {file}"), &path, b"{\"a\": 1}".to_vec())
        .await;
    assert_eq!(stored, json!({"path": "data.json", "size": 8}));
    assert_eq!(
        walk.call(&format!("GET {file}"), &path, None, None).await,
        json!({"a": 1})
    );
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    archive.append_data(&mut header, "src/a.txt", &b"hi"[..]).unwrap();
    let archive = archive.into_inner().unwrap();
    let unpack = format!("{session}/files?extract=tar");
    walk.raw("PUT /api/sessions/{id}/files", &unpack, archive).await;
    let listed = walk
        .call(
            "GET /api/sessions/{id}/files",
            &format!("{session}/files"),
            None,
            None,
        )
        .await;
    assert_eq!(listed["total_count"], 2);
    walk.call(&format!("DELETE {file}"), &path, None, None).await;
}

async fn relay(walk: &mut Walk, session: &str) {
    let open = json!({"allowPublicAccess": true});
    walk.call("PATCH /api/sessions/{id}", session, None, Some(open))
        .await;
    let host = format!("{session}/host?port=3000");
    let host = walk.call("GET /api/sessions/{id}/host", &host, None, None).await;
    let path = host["url"].as_str().unwrap().replace(&walk.gateway.base(), "") + "/hello";
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
        let operation = format!("{method} /proxy/{{id}}/{{port}}/{{path}}");
        let body = if method == "HEAD" { "" } else { "hello\n" };
        assert_eq!(walk.call(&operation, &path, None, None).await, body);
    }
}
