//! Keys and values.

use pentad_storage::Limits;
use pentad_testkit::Setup;
use serde_json::{Value, json};

use crate::client::{Client, answer, error};

#[tokio::test]
async fn a_key_is_the_rest_of_the_path_decoded_once() {
    for client in Client::on_both().await {
        for (path, name) in [
            ("plain", "plain"),
            ("a/b/c", "a/b/c"),
            ("a%2Fd", "a/d"),
            ("sp%20ace+plus", "sp ace+plus"),
            ("%2541", "%41"),
            ("..%2F..%2Fetc", "../../etc"),
            ("a%00b", "a\0b"),
            ("%C3%A4", "ä"),
            ("slash/", "slash/"),
        ] {
            let namespace = "/api/storage/kv/keys";
            let path = format!("{namespace}/{path}");
            let body = json!({"value": name, "metadata": null});
            assert_eq!(client.call("PUT", &path, body).await.0, 200, "{path}");
            let read = client.call("GET", &path, Value::Null).await;
            assert_eq!((read.0, &read.1["value"]), (200, &json!(name)), "{path}");
            let prefix = format!(
                "{namespace}?prefix={}",
                &path[namespace.len() + 1..].replace('+', "%2B")
            );
            let listed = client.call("GET", &prefix, Value::Null).await;
            assert_eq!(listed.1["keys"][0]["name"], name, "{path}");
        }
        let broken = client.call("GET", "/api/storage/kv/keys/%FF", Value::Null).await;
        assert_eq!(error(&broken), (400, "VALIDATION_ERROR"));
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let client = Client::new().await;
    for n in 0..7 {
        let path = format!("/api/storage/kv/pages/k{n}");
        client.call("PUT", &path, json!({"value": ""})).await;
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/storage/kv/pages/?limit=3&cursor={cursor}");
        let (status, page) = client.call("GET", &path, Value::Null).await;
        assert_eq!(status, 200);
        let keys = page["keys"].as_array().unwrap();
        names.extend(keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        assert_eq!(page["list_complete"], json!(cursor.is_empty()));
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(names, (0..7).map(|n| format!("k{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_envelope() {
    let limits = Limits {
        kv_value_bytes: 10,
        ..Limits::default()
    };
    let client = Client::with(Setup {
        storage: Some(limits),
        ..Setup::default()
    })
    .await;
    let (put, get) = ("PUT", "GET");
    let key = "/api/storage/kv/ns/k";
    let long = format!("/api/storage/kv/ns/{}", "k".repeat(513));
    let metadata = json!({"value": "", "metadata": {"m": "x".repeat(1024)}});
    for (method, path, body, status, code) in [
        (get, key, Value::Null, 404, "KEY_NOT_FOUND"),
        (
            get,
            "/api/storage/kv/n%20s/k",
            Value::Null,
            400,
            "INVALID_NAMESPACE",
        ),
        (
            get,
            "/api/storage/kv/a%2Fb",
            Value::Null,
            400,
            "INVALID_NAMESPACE",
        ),
        (
            get,
            "/api/storage/kv/ns?limit=0",
            Value::Null,
            400,
            "VALIDATION_ERROR",
        ),
        (
            get,
            "/api/storage/kv/ns?limit=1001",
            Value::Null,
            400,
            "VALIDATION_ERROR",
        ),
        (
            get,
            "/api/storage/kv/ns?limit=x",
            Value::Null,
            400,
            "VALIDATION_ERROR",
        ),
        (
            get,
            "/api/storage/kv/ns?cursor=x",
            Value::Null,
            400,
            "VALIDATION_ERROR",
        ),
        (get, "/api/storage/zz/ns/k", Value::Null, 404, "NOT_FOUND"),
        ("POST", key, json!({}), 405, "METHOD_NOT_ALLOWED"),
        (put, key, json!({"value": 5}), 400, "VALIDATION_ERROR"),
        (put, key, json!({}), 400, "VALIDATION_ERROR"),
        (
            put,
            key,
            json!({"value": "", "metadata": []}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            put,
            key,
            json!({"value": "12345678901"}),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (put, key, metadata, 413, "PAYLOAD_TOO_LARGE"),
        (put, &long, json!({"value": ""}), 400, "VALIDATION_ERROR"),
    ] {
        let answered = client.call(method, path, body.clone()).await;
        assert_eq!(
            error(&answered),
            (status, code),
            "{method} {path} {body}: {}",
            answered.1
        );
    }
    let junk = client
        .request(put, key)
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(error(&answer(junk).await), (400, "INVALID_JSON"));
    let gone = client.call("DELETE", key, Value::Null).await;
    assert_eq!(gone, (200, json!({"success": true})));
}
