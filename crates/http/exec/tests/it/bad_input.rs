//! What is refused, and that it changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

#[tokio::test]
async fn every_wrong_field_is_400_in_the_envelope() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    let many: Value = (0..65)
        .map(|i| (format!("V{i}"), json!("1")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for (method, path, body, code) in [
        ("POST", "/api/execute", json!({}), "VALIDATION_ERROR"),
        (
            "PUT",
            "/api/sessions/s/code",
            json!({"code": "print(1)\u{0}"}),
            "VALIDATION_ERROR",
        ),
        (
            "PUT",
            "/api/sessions/s/code",
            json!({"code": "print(1)", "description": "\u{0}"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": ""}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": 5}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "cobol", "code": "x"}),
            "INVALID_LANGUAGE",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "timeout_ms": -1}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "timeout_ms": 0}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "timeout_ms": "x"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "timeout": 601}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "env": many}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "env": {"A=B": "1"}}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "files": {"../x": "1"}}),
            "INVALID_PATH",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "files": {"x": {"base64": "!"}}}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "files": {"a": "1", "a/b": "2"}}),
            "PATH_CONFLICT",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"session_id": "x"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "cobol"}),
            "INVALID_LANGUAGE",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "session_id": "a/b"}),
            "INVALID_SESSION_ID",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "session_id": ""}),
            "INVALID_SESSION_ID",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "session_id": "é"}),
            "INVALID_SESSION_ID",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "data": [1]}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "persistent": "yes"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "default_timeout": -1}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "setup": {"pip": ["x; rm -rf /"]}}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "setup": {"npm": ["--registry=http://x"]}}),
            "VALIDATION_ERROR",
        ),
        ("POST", "/api/sessions/s/run", json!({}), "NO_CODE"),
        (
            "POST",
            "/api/sessions/s/run",
            json!({"code": "1", "update_data": [1]}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions/s/run",
            json!({"code": "1", "env": {"A": 1}}),
            "VALIDATION_ERROR",
        ),
        (
            "PATCH",
            "/api/sessions/s",
            json!({"default_timeout": true}),
            "VALIDATION_ERROR",
        ),
        (
            "PATCH",
            "/api/sessions/s",
            json!({"default_timeout": 0}),
            "VALIDATION_ERROR",
        ),
        (
            "PATCH",
            "/api/sessions/s",
            json!({"default_timeout": 601}),
            "VALIDATION_ERROR",
        ),
        (
            "PATCH",
            "/api/sessions/s",
            json!({"allowInternetAccess": "no"}),
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/sessions/s/duplicate",
            json!({"new_id": "a b"}),
            "INVALID_SESSION_ID",
        ),
        ("PUT", "/api/sessions/s/code", json!({}), "VALIDATION_ERROR"),
        ("PUT", "/api/sessions/s/files", json!({}), "VALIDATION_ERROR"),
        ("GET", "/api/sessions/s/host", json!({}), "VALIDATION_ERROR"),
        (
            "GET",
            "/api/sessions/s/host?port=0",
            json!({}),
            "VALIDATION_ERROR",
        ),
        ("GET", "/api/sessions?limit=0", json!({}), "VALIDATION_ERROR"),
        ("GET", "/api/sessions?cursor=junk", json!({}), "VALIDATION_ERROR"),
    ] {
        let answer = client.send(method.parse().unwrap(), path, Some(&body)).await;
        let status = if code == "PATH_CONFLICT" { 409 } else { 400 };
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{method} {path} {body}: {}",
            answer.json
        );
    }
    for broken in ["{not json", "[", ""] {
        let request = client
            .request(Method::POST, "/api/execute")
            .header("content-type", "application/json")
            .body(broken);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 400, "{broken:?}");
        assert_eq!(answer.code() == "INVALID_JSON", !broken.is_empty(), "{broken:?}");
    }
    assert_eq!(client.get("/api/sessions").await.json["count"], 1);
    let session = client.get("/api/sessions/s").await.json;
    assert_eq!(
        (&session["default_timeout"], &session["last_run_at"]),
        (&json!(null), &json!("")),
        "nothing changed"
    );
}

#[tokio::test]
async fn what_is_too_large_is_413_and_names_its_limit() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    let long = "#".repeat((1 << 20) + 1);
    let data = json!({"x": "y".repeat(300_000)});
    for (method, path, body, limit) in [
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": long}),
            "code_bytes",
        ),
        ("POST", "/api/sessions/s/run", json!({"code": long}), "code_bytes"),
        ("PUT", "/api/sessions/s/code", json!({"code": long}), "code_bytes"),
        (
            "POST",
            "/api/sessions",
            json!({"language": "python", "data": data}),
            "data_bytes",
        ),
        (
            "POST",
            "/api/sessions/s/run",
            json!({"code": "1", "update_data": data}),
            "data_bytes",
        ),
        (
            "POST",
            "/api/sessions/s/run",
            json!({"code": "1", "env": {"A": "x".repeat(70_000)}}),
            "env_bytes",
        ),
        (
            "POST",
            "/api/execute",
            json!({"language": "python", "code": "1", "stdin": "x".repeat(3 << 20)}),
            "2097152 bytes",
        ),
    ] {
        let answer = client.send(method.parse().unwrap(), path, Some(&body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (413, "PAYLOAD_TOO_LARGE"),
            "{method} {path}: {}",
            answer.json
        );
        assert!(
            answer.json["message"].as_str().unwrap().contains(limit),
            "{}",
            answer.json
        );
    }
}
