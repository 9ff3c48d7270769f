//! Who reaches what.

use pentad_http_kit::OpenExec;
use pentad_identity::{KeyFamily, PlanName};
use pentad_testkit::Setup;
use serde_json::{Value, json};

use crate::client::{Client, answer, error};

const VALUE: &str = "/api/storage/kv/app/secret";

#[tokio::test]
async fn another_organisation_finds_nothing() {
    for mut client in Client::on_both().await {
        client.call("PUT", VALUE, json!({"value": "mine"})).await;
        client
            .call("PUT", "/api/storage/r2/app/secret", json!({"content": ""}))
            .await;
        let exec = "/api/storage/d1/app/exec";
        client
            .call("POST", exec, json!({"sql": "CREATE TABLE secret (x)"}))
            .await;
        let own = client.key.clone();
        client.key = client
            .gateway
            .tenant(KeyFamily::Exec, PlanName::Unlimited)
            .await
            .1;
        assert_eq!(
            error(&client.call("GET", VALUE, Value::Null).await),
            (404, "KEY_NOT_FOUND")
        );
        let object = client
            .call("GET", "/api/storage/r2/app/secret", Value::Null)
            .await;
        assert_eq!(error(&object), (404, "OBJECT_NOT_FOUND"));
        let query = json!({"sql": "SELECT * FROM secret"});
        let table = client.call("POST", "/api/storage/d1/app/query", query).await;
        assert_eq!(error(&table), (400, "SQL_ERROR"));
        for list in [
            "/api/storage/kv/app",
            "/api/storage/r2/app",
            "/api/resources/list",
            "/api/resources/stats",
        ] {
            let (_, found) = client.call("GET", list, Value::Null).await;
            assert!(!found.to_string().contains("secret"), "{list}: {found}");
        }
        assert_eq!(client.call("DELETE", VALUE, Value::Null).await.0, 200);
        client.key = own;
        assert_eq!(client.call("GET", VALUE, Value::Null).await.1["value"], "mine");
    }
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let mut client = Client::new().await;
    let (user, _) = client.gateway.tenant(KeyFamily::Exec, PlanName::Unlimited).await;
    client.key = client
        .gateway
        .key_with(&user, KeyFamily::Service, &["storage:read"])
        .await;
    assert_eq!(
        client.call("GET", "/api/storage/kv/app", Value::Null).await.0,
        200
    );
    let query = json!({"sql": "SELECT 1 AS one"});
    assert_eq!(
        client.call("POST", "/api/storage/d1/app/query", query).await.0,
        200
    );
    for (method, path, body) in [
        ("PUT", VALUE, json!({"value": ""})),
        ("DELETE", VALUE, Value::Null),
        (
            "POST",
            "/api/storage/d1/app/exec",
            json!({"sql": "CREATE TABLE t (x)"}),
        ),
        ("PUT", "/api/storage/r2/app/x", json!({"content": ""})),
    ] {
        let (status, body) = client.call(method, path, body).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn without_a_key_only_this_machine_gets_in() {
    let client = Client::with(Setup {
        open_exec: Some(OpenExec::ThisMachine),
        ..Setup::default()
    })
    .await;
    let http = client.gateway.client();
    let put = http.put(client.gateway.url(VALUE)).json(&json!({"value": "x"}));
    assert_eq!(answer(put).await.0, 200);
    let foreign = http
        .get(client.gateway.url(VALUE))
        .header("origin", "https://example.com");
    assert_eq!(answer(foreign).await.0, 401);
}
