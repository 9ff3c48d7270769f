//! What works at once after `pentad serve` in an empty folder, whose data directory is named relative to it.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::program::pentad;
use crate::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pentad");

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

#[tokio::test]
async fn a_start_that_fails_leaves_the_key_to_the_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = ["serve", "--exec", "false", "--listen"];
    for wrong in [
        &[address.as_str()][..],
        &["127.0.0.1:0", "--object-store", "ftp://nowhere"],
        &["127.0.0.1:0", "--smtp-url", "nowhere", "--mail-from", "nobody"],
    ] {
        let ended = pentad(folder.path(), &[&serve, wrong].concat(), &[]).await;
        assert_eq!(ended.code, Some(1), "{wrong:?}: {}", ended.complained);
        assert_eq!(ended.printed, "");
    }
    let mut process = tokio::process::Command::new(PROGRAM)
        .args(serve)
        .args(["127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(process.stdout.take().unwrap()).lines();
    let key = async {
        while let Some(line) = printed.next_line().await.unwrap() {
            if line.starts_with("  key ") {
                return line;
            }
        }
        panic!("it ended");
    };
    let key = tokio::time::timeout(Duration::from_secs(60), key).await;
    assert!(key.unwrap().contains("sk_sfs_"));
    process.kill().await.unwrap();
}

#[tokio::test]
async fn an_address_that_links_cannot_begin_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for address in [
        "pentad.example",
        "not an address",
        "ftp://pentad.example",
        "https://",
    ] {
        let ended = pentad(folder.path(), &["migrate", "--public-url", address], &[]).await;
        assert_eq!(ended.code, Some(1), "{address}");
        assert!(ended.complained.contains("public_url"), "{}", ended.complained);
    }
}

#[test]
fn a_reader_who_leaves_ends_a_command_in_peace() {
    let mut process = Command::new(PROGRAM)
        .arg("openapi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let ended = process.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
