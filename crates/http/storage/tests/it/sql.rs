//! SQL over HTTP.

use pentad_storage::Limits;
use pentad_testkit::Setup;
use serde_json::{Value, json};

use crate::client::{Client, error};

async fn sql(client: &Client, operation: &str, sql: &str, params: Value) -> (u16, Value) {
    let path = format!("/api/storage/d1/app/{operation}");
    client
        .call("POST", &path, json!({"sql": sql, "params": params}))
        .await
}

#[tokio::test]
async fn statements_change_and_queries_read() {
    for client in Client::on_both().await {
        let made = sql(
            &client,
            "exec",
            "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, n)",
            Value::Null,
        )
        .await;
        assert_eq!(
            (made.0, &made.1["meta"]["changes"]),
            (200, &json!(0)),
            "{}",
            made.1
        );
        let values = json!([9_007_199_254_740_993_i64, 0.5, "it's", [0, 255], null]);
        let inserted = sql(&client, "exec", "INSERT INTO t VALUES (?, ?, ?, ?, ?)", values)
            .await
            .1;
        assert_eq!(
            (&inserted["meta"]["changes"], &inserted["meta"]["last_row_id"]),
            (&json!(1), &json!(1))
        );
        assert!(inserted["meta"]["duration"].is_f64() && inserted.get("results").is_none());
        let read = sql(&client, "query", "SELECT i, r, s, b, n, 1 AS i FROM t", json!([]))
            .await
            .1;
        assert_eq!(
            read["results"],
            json!([{"i": 1, "r": 0.5, "s": "it's", "b": [0, 255], "n": null}])
        );
        let big = sql(
            &client,
            "query",
            "SELECT i FROM t WHERE i = ?",
            json!([9_007_199_254_740_993_i64]),
        )
        .await
        .1;
        assert_eq!(big["results"], json!([{"i": 9_007_199_254_740_993_i64}]));
        let gone = sql(&client, "exec", "DELETE FROM t RETURNING s", json!([]))
            .await
            .1;
        assert_eq!(
            (&gone["results"], &gone["meta"]["changes"]),
            (&json!([{"s": "it's"}]), &json!(1))
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_envelope() {
    let limits = Limits {
        d1_timeout_ms: 300,
        d1_database_bytes: 1 << 20,
        ..Limits::default()
    };
    let client = Client::with(Setup {
        storage: Some(limits),
        ..Setup::default()
    })
    .await;
    sql(&client, "exec", "CREATE TABLE t (x)", Value::Null).await;
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c";
    let long = format!("SELECT '{}'", "x".repeat(100_000));
    for (operation, text, params, status, code) in [
        ("query", "SELEC 1", json!([]), 400, "SQL_ERROR"),
        ("query", "SELECT * FROM nope", json!([]), 400, "SQL_ERROR"),
        ("query", "SELECT ?", json!([1, 2, 3]), 400, "SQL_ERROR"),
        ("query", "SELECT ?", json!([{}]), 400, "VALIDATION_ERROR"),
        ("query", "SELECT 1", json!("x"), 400, "VALIDATION_ERROR"),
        ("query", "DELETE FROM t", json!([]), 400, "SQL_NOT_READ_ONLY"),
        (
            "query",
            "SELECT 1; SELECT 2",
            json!([]),
            400,
            "SQL_MULTIPLE_STATEMENTS",
        ),
        ("exec", "ATTACH '/etc/passwd' AS p", json!([]), 400, "SQL_ERROR"),
        (
            "exec",
            "INSERT INTO t VALUES (randomblob(2000000))",
            json!([]),
            507,
            "QUOTA_EXCEEDED",
        ),
        ("query", endless, json!([]), 408, "SQL_TIMEOUT"),
        ("query", &long, json!([]), 413, "PAYLOAD_TOO_LARGE"),
        ("query", "SELECT 1", json!(vec![1; 101]), 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let answered = sql(&client, operation, text, params).await;
        assert_eq!(error(&answered), (status, code), "{text}: {}", answered.1);
    }
    let nothing = client.call("POST", "/api/storage/d1/app/query", json!({})).await;
    assert_eq!(error(&nothing), (400, "VALIDATION_ERROR"));
    let wrong = client.call("GET", "/api/storage/d1/app/query", Value::Null).await;
    assert_eq!(error(&wrong), (405, "METHOD_NOT_ALLOWED"));
}

#[tokio::test]
async fn bodies_are_as_large_as_the_configured_limits_need() {
    let limits = Limits {
        d1_statement_bytes: 12 << 20,
        kv_value_bytes: 1000,
        ..Limits::default()
    };
    let client = Client::with(Setup {
        storage: Some(limits),
        ..Setup::default()
    })
    .await;
    let sql = format!("SELECT 1 AS n -- {}", "x".repeat(9 << 20));
    let (status, answer) = client
        .call("POST", "/api/storage/d1/app/query", json!({ "sql": sql }))
        .await;
    assert_eq!(
        (status, &answer["results"]),
        (200, &json!([{ "n": 1 }])),
        "{answer}"
    );
    let value = json!({ "value": "x".repeat(1001) });
    let refused = client.call("PUT", "/api/storage/kv/app/k", value).await;
    assert_eq!(error(&refused), (413, "PAYLOAD_TOO_LARGE"));
    assert!(refused.1["message"].as_str().unwrap().contains("kv_value_bytes"));
}
