//! SIGTERM ends the server soon, and loses nobody's request.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::program::{Server, key};

/// Far more than the program may take, far less than for ever.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A request of which the last byte is missing.
async fn half_sent(server: &Server, key: &str) -> TcpStream {
    let body = r#"{"value": "1"}"#;
    let address = server.address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /api/storage/kv/shutdown/key HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server has taken the request up when it asks for the rest.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
    stream
        .write_all(&body.as_bytes()[..body.len() - 1])
        .await
        .unwrap();
    stream
}

async fn is_refused(server: &Server) -> bool {
    TcpStream::connect(server.address.strip_prefix("http://").unwrap())
        .await
        .is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_request_is_finished_and_no_new_one_taken() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path()).await;
    let key = key(directory.path(), "user").await;
    let mut stream = half_sent(&server, &key).await;
    server.terminate().await;
    while !is_refused(&server).await {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let ended = tokio::time::timeout(TOO_LONG, server.ended()).await.unwrap();
    assert!(ended.success(), "{ended}");
    let again = Server::start(directory.path()).await;
    let read = reqwest::Client::new().get(format!("{}/api/storage/kv/shutdown/key", again.address));
    let read = read.bearer_auth(&key).send().await.unwrap();
    assert_eq!(read.status(), 200, "what was answered is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let bound = [("PENTAD_SHUTDOWN_SECONDS".to_owned(), "1".to_owned())];
    let server = Server::start_with(directory.path(), &[], &bound).await;
    let key = key(directory.path(), "user").await;
    let _never = half_sent(&server, &key).await;
    // Also a stream that lasts as long as its run, and a program without an end.
    let client = reqwest::Client::new();
    let post = |path: &str| client.post(format!("{}{path}", server.address)).bearer_auth(&key);
    let opened = post("/api/v1/runs/waiting/logs")
        .json(&serde_json::json!({"text": "begun"}))
        .send()
        .await
        .unwrap();
    assert!(opened.status().is_success());
    let get = |path: &str| client.get(format!("{}{path}", server.address)).bearer_auth(&key);
    let stream = get("/api/v1/runs/waiting/stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let program = serde_json::json!({"language": "python", "session_id": "endless"});
    assert!(
        post("/api/sessions")
            .json(&program)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let endless = serde_json::json!({"code": "print('begun', flush=True)\nwhile True: pass"});
    let mut running = post("/api/sessions/endless/stream")
        .json(&endless)
        .send()
        .await
        .unwrap();
    assert_eq!(running.status(), 200);
    assert!(running.chunk().await.unwrap().is_some(), "the program runs");
    server.terminate().await;
    let ended = tokio::time::timeout(TOO_LONG, server.ended())
        .await
        .expect("the server ends");
    assert!(ended.success(), "{ended}");
}
