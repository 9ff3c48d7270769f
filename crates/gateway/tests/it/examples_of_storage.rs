//! The documented operations on storage.

use serde_json::{Value, json};

use crate::examples::Walk;

pub(crate) async fn walk(walk: &mut Walk) {
    let kv = "/api/storage/kv/{namespace}/{key}";
    let config = "/api/storage/kv/myapp/config/theme";
    let body = json!({"value": "{\"theme\":\"dark\"}", "metadata": {"custom": "data"}});
    let stored = walk
        .call(&format!("PUT {kv}"), config, None, Some(body.clone()))
        .await;
    assert_eq!(stored, json!({"success": true}));
    let read = walk.call(&format!("GET {kv}"), config, None, None).await;
    assert_eq!(read, body);
    let listed = "/api/storage/kv/myapp?prefix=config/&limit=50";
    let keys = walk
        .call("GET /api/storage/kv/{namespace}", listed, None, None)
        .await;
    let expected = json!({"keys": [{"name": "config/theme", "metadata": {"custom": "data"}}],
                          "list_complete": true, "cursor": ""});
    assert_eq!(keys, expected);

    let exec = async |walk: &mut Walk, sql: &str, params: Value| {
        let body = Some(json!({"sql": sql, "params": params}));
        let path = "/api/storage/d1/myapp/exec";
        walk.call("POST /api/storage/d1/{namespace}/exec", path, None, body)
            .await
    };
    exec(
        walk,
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
        json!([]),
    )
    .await;
    let inserted = exec(walk, "INSERT INTO users (name) VALUES (?)", json!(["Bob"])).await;
    assert_eq!(
        (&inserted["success"], &inserted["meta"]["changes"]),
        (&json!(true), &json!(1))
    );
    let question = Some(json!({"sql": "SELECT * FROM users WHERE id = ?", "params": [1]}));
    let query = (
        "POST /api/storage/d1/{namespace}/query",
        "/api/storage/d1/myapp/query",
    );
    let answer = walk.call(query.0, query.1, None, question).await;
    assert_eq!(answer["results"], json!([{"id": 1, "name": "Bob"}]));

    let r2 = "/api/storage/r2/{namespace}/{key}";
    let file = "/api/storage/r2/myapp/dir/file.txt";
    let body = Some(json!({"content": "aGVsbG8=", "metadata": {"type": "text/plain"}}));
    let stored = walk.call(&format!("PUT {r2}"), file, None, body).await;
    assert_eq!((&stored["success"], &stored["size"]), (&json!(true), &json!(5)));
    let object = walk.call(&format!("GET {r2}"), file, None, None).await;
    assert_eq!(
        (&object["content"], &object["customMetadata"]),
        (&json!("aGVsbG8="), &json!({"type": "text/plain"}))
    );
    let objects = walk
        .call(
            "GET /api/storage/r2/{namespace}",
            "/api/storage/r2/myapp",
            None,
            None,
        )
        .await;
    assert_eq!(objects["objects"][0]["key"], "dir/file.txt");

    let resources = walk
        .call(
            "GET /api/resources/list",
            "/api/resources/list?namespace=myapp",
            None,
            None,
        )
        .await;
    assert_eq!(
        (&resources["total"], &resources["has_more"]),
        (&json!(3), &json!(false))
    );
    let statistics = walk
        .call("GET /api/resources/stats", "/api/resources/stats", None, None)
        .await;
    assert_eq!(statistics["by_type"], json!({"kv": 1, "d1": 1, "r2": 1, "do": 0}));

    walk.call(&format!("DELETE {kv}"), config, None, None).await;
    walk.call(&format!("DELETE {r2}"), file, None, None).await;
}
