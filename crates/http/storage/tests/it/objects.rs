//! Objects over HTTP.

use pentad_storage::Limits;
use pentad_testkit::Setup;
use serde_json::{Value, json};

use crate::client::{Client, answer, error};

const PATH: &str = "/api/storage/r2/app/dir/file.bin";

#[tokio::test]
async fn an_object_goes_in_and_out_as_json_or_as_it_is() {
    for client in Client::on_both().await {
        let bytes: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
        let raw = client.request("PUT", PATH).header("content-type", "image/png");
        let (status, stored) = answer(raw.body(bytes.clone())).await;
        assert_eq!((status, &stored["size"]), (200, &json!(bytes.len())), "{stored}");
        let read = client
            .request("GET", PATH)
            .header("accept", "application/octet-stream");
        let read = read.send().await.unwrap();
        for (name, value) in [
            ("content-type", "image/png"),
            ("content-length", "3000000"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
        ] {
            assert_eq!(read.headers()[name], value);
        }
        assert!(read.bytes().await.unwrap() == bytes);
        let (_, object) = client.call("GET", PATH, Value::Null).await;
        assert_eq!(
            (&object["size"], &object["httpMetadata"]),
            (&json!(3_000_000), &json!({"contentType": "image/png"}))
        );
        assert_eq!(object["content"].as_str().unwrap().len(), 4_000_000);

        let metadata = json!({"content": object["content"], "metadata": {"a": 1}, "httpMetadata": {"contentType": "a/b"}});
        assert_eq!(client.call("PUT", PATH, metadata).await.1["etag"], stored["etag"]);
        let (_, object) = client.call("GET", PATH, Value::Null).await;
        assert_eq!(
            (&object["customMetadata"], &object["httpMetadata"]),
            (&json!({"a": 1}), &json!({"contentType": "a/b"}))
        );
        assert_eq!(
            client.call("DELETE", PATH, Value::Null).await,
            (200, json!({"success": true}))
        );
        assert_eq!(
            error(&client.call("GET", PATH, Value::Null).await),
            (404, "OBJECT_NOT_FOUND")
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_envelope_and_changes_nothing() {
    let limits = Limits {
        r2_object_bytes: 1_000,
        ..Limits::default()
    };
    let client = Client::with(Setup {
        storage: Some(limits),
        ..Setup::default()
    })
    .await;
    client.call("PUT", PATH, json!({"content": "b2xk"})).await;
    let large = "A".repeat(2_000);
    let metadata = json!({"content": "", "metadata": {"m": "x".repeat(9_000)}});
    for (body, status, code) in [
        (json!({"content": "not base64!!"}), 400, "VALIDATION_ERROR"),
        (json!({"content": 5}), 400, "VALIDATION_ERROR"),
        (json!({}), 400, "VALIDATION_ERROR"),
        (json!({"content": large}), 413, "PAYLOAD_TOO_LARGE"),
        (metadata, 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let answered = client.call("PUT", PATH, body.clone()).await;
        assert_eq!(error(&answered), (status, code), "{body}: {}", answered.1);
    }
    let raw = client.request("PUT", PATH).header("content-type", "text/plain");
    assert_eq!(
        error(&answer(raw.body(vec![0; 1_001])).await),
        (413, "PAYLOAD_TOO_LARGE")
    );
    let (_, object) = client.call("GET", PATH, Value::Null).await;
    assert_eq!(object["content"], "b2xk");
}

#[tokio::test]
async fn a_list_is_in_pages() {
    let client = Client::new().await;
    for n in 0..4 {
        let path = format!("/api/storage/r2/app/p/{n}");
        client.call("PUT", &path, json!({"content": ""})).await;
    }
    let (_, first) = client
        .call("GET", "/api/storage/r2/app?prefix=p/&limit=3", Value::Null)
        .await;
    assert_eq!(
        (first["objects"].as_array().unwrap().len(), &first["truncated"]),
        (3, &json!(true))
    );
    let next = format!(
        "/api/storage/r2/app?prefix=p/&cursor={}",
        first["cursor"].as_str().unwrap()
    );
    let (_, second) = client.call("GET", &next, Value::Null).await;
    assert_eq!(
        (&second["objects"][0]["key"], &second["truncated"]),
        (&json!("p/3"), &json!(false))
    );
}
