//! What works at once after `pentad serve` in an empty folder, whose data directory is named relative to it.

use serde_json::{Value, json};

use crate::server::Server;

async fn post(server: &Server, path: &str, body: &Value) -> Value {
    let asked = reqwest::Client::new()
        .post(format!("{}{path}", server.base))
        .bearer_auth(&server.key)
        .json(body);
    let answer = asked.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn compiled_programs_and_kept_workspaces_find_their_files() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = Server::start();
    let go = "package main\nimport \"fmt\"\nfunc main() { fmt.Println(6 * 7) }\n";
    let compiled = post(&server, "/api/execute", &json!({"language": "go", "code": go})).await;
    assert_eq!(compiled["stdout"], "42\n", "{compiled}");

    let session = json!({"session_id": "kept", "language": "python", "persistent": true});
    post(&server, "/api/sessions", &session).await;
    let run = async |code: &str| post(&server, "/api/sessions/kept/run", &json!({"code": code})).await;
    let wrote = run("open('kept.txt', 'w').write('from before')").await;
    assert_eq!(wrote["exit_code"], 0, "{wrote}");
    let read = run("print(open('kept.txt').read())").await;
    assert_eq!(read["stdout"], "from before\n", "{read}");
}
