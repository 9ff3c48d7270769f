//! The Model Context Protocol.

use pentad_identity::{KeyFamily, PlanName};
use serde_json::{Value, json};

use crate::client::Client;

async fn call(client: &Client, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = client.post("/mcp/v1", &body).await;
    assert_eq!(
        (answer.status, &answer.json["id"]),
        (200, &json!(7)),
        "{}",
        answer.json
    );
    answer.json
}

async fn tool(client: &Client, name: &str, arguments: Value) -> Value {
    let answer = call(
        client,
        "tools/call",
        json!({"name": name, "arguments": arguments}),
    )
    .await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

#[tokio::test]
async fn an_agent_finds_its_way() {
    let Some(client) = Client::start().await else {
        return;
    };
    let hello = call(&client, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(hello["result"]["serverInfo"]["name"], "era-agent-mcp");
    let newest = call(&client, "initialize", json!({"protocolVersion": "1999-01-01"})).await;
    assert_eq!(newest["result"]["protocolVersion"], "2025-11-25");
    let noted = client
        .post(
            "/mcp/v1",
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        )
        .await;
    assert_eq!((noted.status, noted.bytes.len()), (202, 0));
    let tools = call(&client, "tools/list", json!({})).await;
    let names: Vec<&str> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 15);
    let ran = tool(&client, "era_python", json!({"code": "print(6 * 7)"})).await;
    assert_eq!(
        (&ran["isError"], &ran["content"][0]["text"]),
        (&json!(false), &json!("42\n"))
    );
    let failed = tool(&client, "era_shell", json!({"command": "echo out; exit 3"})).await;
    assert_eq!(
        (&failed["isError"], &failed["structuredContent"]["exit_code"]),
        (&json!(true), &json!(3))
    );
    let slow = tool(
        &client,
        "era_execute_code",
        json!({"language": "py", "code": "import time\ntime.sleep(9)", "timeout": 0.5}),
    )
    .await;
    assert_eq!(slow["structuredContent"]["killed_by"], "timeout");
    let ran = tool(
        &client,
        "era_execute_code",
        json!({"language": "python", "code": "import os\nprint(open('a/b').read(), os.environ['A'])",
               "files": {"a/b": "file"}, "envs": {"A": "variable"}}),
    )
    .await;
    assert_eq!(ran["content"][0]["text"], "file variable\n");
    let made = tool(
        &client,
        "era_create_session",
        json!({"language": "python", "session_id": "s", "default_timeout": 7, "allowInternetAccess": true}),
    )
    .await;
    let told = made["content"][0]["text"].as_str().unwrap();
    assert!(
        told.starts_with("Session ID: s\n") && told.contains(r#""id":"s""#),
        "{told}"
    );
    // Clients cut an id out of the text as letters, digits and hyphens.
    let unnamed = tool(&client, "era_create_session", json!({"language": "python"})).await;
    let id = unnamed["structuredContent"]["id"].as_str().unwrap();
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        "{id}"
    );
    tool(&client, "era_delete_session", json!({ "session_id": id })).await;
    let session = &made["structuredContent"];
    assert_eq!(
        (
            &session["default_timeout"],
            &session["allowInternetAccess"],
            &session["allowPublicAccess"]
        ),
        (&json!(7), &json!(true), &json!(false))
    );
    tool(
        &client,
        "era_upload_file",
        json!({"session_id": "s", "path": "a.txt", "content": "hello"}),
    )
    .await;
    let ran = tool(
        &client,
        "era_run_in_session",
        json!({"session_id": "s", "code": "open('b', 'w').write(open('a.txt').read().upper())"}),
    )
    .await;
    assert_eq!(ran["structuredContent"]["files_modified"], 1);
    let read = tool(&client, "era_read_file", json!({"session_id": "s", "path": "b"})).await;
    assert_eq!(read["structuredContent"]["content"], "HELLO");
    let files = tool(&client, "era_list_files", json!({"session_id": "s"})).await;
    assert_eq!(files["structuredContent"]["files"].as_array().unwrap().len(), 2);
    tool(
        &client,
        "era_update_session",
        json!({"session_id": "s", "default_timeout": 9}),
    )
    .await;
    assert_eq!(
        tool(&client, "era_get_session", json!({"session_id": "s"})).await["structuredContent"]["default_timeout"],
        9.0
    );
    assert_eq!(
        tool(&client, "era_list_sessions", json!({})).await["structuredContent"]["count"],
        1
    );
    let resources = call(&client, "resources/list", json!({})).await;
    assert_eq!(resources["result"]["resources"][1]["uri"], "session://s/files");
    let read = call(&client, "resources/read", json!({"uri": "session://s/files"})).await;
    assert!(
        read["result"]["contents"][0]["text"]
            .as_str()
            .unwrap()
            .contains("a.txt"),
        "{read}"
    );
    tool(&client, "era_delete_session", json!({"session_id": "s"})).await;
    let gone = tool(&client, "era_get_session", json!({"session_id": "s"})).await;
    assert_eq!(gone["isError"], true);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_words_of_the_protocol() {
    let Some(client) = Client::start().await else {
        return;
    };
    for (method, params, code) in [
        ("nonsense", json!({}), -32601),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({"name": "rm"}), -32601),
        (
            "tools/call",
            json!({"name": "era_python", "arguments": {"code": 5}}),
            -32602,
        ),
        ("resources/read", json!({"uri": "session://nope"}), -32002),
        ("resources/read", json!({"uri": "file:///etc/passwd"}), -32002),
    ] {
        assert_eq!(
            call(&client, method, params).await["error"]["code"],
            code,
            "{method}"
        );
    }
    let batch = client
        .post("/mcp/v1", &json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]))
        .await;
    assert_eq!(batch.json["error"]["code"], -32600);
    for (malformed, id) in [
        (json!({"jsonrpc": "2.0", "id": 1}), json!(1)),
        (json!({"jsonrpc": "2.0", "id": "a", "method": 5}), json!("a")),
        (json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}), json!(null)),
        (json!({"jsonrpc": "2.0"}), json!(null)),
        (json!("ping"), json!(null)),
    ] {
        let answer = client.post("/mcp/v1", &malformed).await;
        assert_eq!(
            (&answer.json["error"]["code"], &answer.json["id"]),
            (&json!(-32600), &id),
            "{malformed}"
        );
    }
    for unanswered in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        assert_eq!(
            client.post("/mcp/v1", &unanswered).await.status,
            202,
            "{unanswered}"
        );
    }
    assert_eq!(client.get("/mcp/v1").await.status, 405);
    let (user, _) = client.gateway.tenant(KeyFamily::Exec, PlanName::Unlimited).await;
    let key = client
        .gateway
        .key_with(&user, KeyFamily::Service, &["exec:read"])
        .await;
    let reader = Client {
        gateway: client.gateway,
        key,
    };
    assert!(call(&reader, "tools/call", json!({"name": "era_list_sessions"})).await["error"].is_null());
    let refused = call(
        &reader,
        "tools/call",
        json!({"name": "era_python", "arguments": {"code": "1"}}),
    )
    .await;
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("exec:run"),
        "{refused}"
    );
}
