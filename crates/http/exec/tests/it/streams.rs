//! Output that arrives while the program runs.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

/// The events so far, read until `enough`.
async fn events(
    client: &Client,
    id: &str,
    body: &Value,
    enough: impl Fn(&[(String, Value)]) -> bool,
) -> Vec<(String, Value)> {
    let request = client
        .request(Method::POST, &format!("/api/sessions/{id}/stream"))
        .json(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    // The network cuts where it likes; an event is whole when its empty line has come.
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
        while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
            let frame = String::from_utf8(bytes.drain(..end + 2).collect()).expect("events are UTF-8");
            if let Some((name, data)) = frame.trim_end().split_once('\n') {
                let (name, data) = (
                    name.strip_prefix("event: ").unwrap(),
                    data.strip_prefix("data: ").unwrap(),
                );
                assert!(
                    data.starts_with(&format!("{{\"type\":\"{name}\",")),
                    "shells read the beginning: {data}"
                );
                events.push((name.to_owned(), serde_json::from_str(data).unwrap()));
            }
        }
        if enough(&events) {
            break;
        }
    }
    events
}

#[tokio::test]
async fn lines_arrive_while_the_program_waits_for_us() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    // The program goes on only after its first line was read: a file that the reader uploads tells it nothing,
    // so it is the pause before the second line that would keep a buffered first one back.
    let started = Instant::now();
    let body = json!({"code": "print('first')\nimport time\ntime.sleep(30)"});
    let first = events(&client, "s", &body, |events| !events.is_empty()).await;
    assert_eq!(
        first[0],
        (
            "stdout".to_owned(),
            json!({"type": "stdout", "content": "first\n"})
        )
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "it came before the end"
    );
    // Hanging up has ended the program: the session is free long before the thirty seconds are over.
    assert_eq!(client.run("s", "print('free')").await.stdout(), "free\n");
    assert!(started.elapsed() < Duration::from_secs(25));
}

#[tokio::test]
async fn an_event_a_line_then_one_end() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    let code = "import sys\nfor i in range(3):\n    print('o', i, flush=True)\n    print('e', i, file=sys.stderr, flush=True)\n\
                print('é漢🦀' * 3000)\nopen('f', 'w')\nsys.exit(4)";
    let all = events(&client, "s", &json!({ "code": code }), |_| false).await;
    let of = |name: &str| -> Vec<&str> {
        let named = all.iter().filter(|(event, _)| event == name);
        named
            .map(|(_, data)| data["content"].as_str().unwrap_or_default())
            .collect()
    };
    assert_eq!(of("stdout")[..3], ["o 0\n", "o 1\n", "o 2\n"]);
    assert_eq!(of("stdout")[3..].concat(), "é漢🦀".repeat(3000) + "\n");
    assert_eq!(of("stderr"), ["e 0\n", "e 1\n", "e 2\n"]);
    let (name, done) = all.last().unwrap();
    assert_eq!(
        (name.as_str(), &done["exit_code"], &done["files_modified"]),
        ("done", &json!(4), &json!(1))
    );
    assert!(done["duration"].as_str().unwrap().ends_with('s'));
    assert_eq!(of("done").len(), 1);
}

#[tokio::test]
async fn a_stream_whose_time_is_over_says_so_and_ends() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    let body = json!({"code": "print('x', flush=True)\nimport time\ntime.sleep(60)", "timeout": 1});
    let all = events(&client, "s", &body, |_| false).await;
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["stdout", "error", "done"]);
    assert_eq!(
        (&all[1].1["type"], &all[1].1["code"]),
        (&json!("error"), &json!("EXECUTION_TIMEOUT"))
    );
    assert_eq!(all[2].1["exit_code"], 124);
}

#[tokio::test]
async fn what_is_refused_before_the_beginning_is_an_ordinary_error() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    client
        .session_with(&json!({"language": "typescript", "session_id": "t"}))
        .await;
    for (path, body, expected) in [
        (
            "/api/sessions/nope/stream",
            json!({"code": "1"}),
            (404, "SESSION_NOT_FOUND"),
        ),
        ("/api/sessions/s/stream", json!({}), (400, "NO_CODE")),
        (
            "/api/sessions/s/stream",
            json!({"code": 5}),
            (400, "VALIDATION_ERROR"),
        ),
    ] {
        let answer = client.post(path, &body).await;
        assert_eq!((answer.status, answer.code()), expected, "{path} {body}");
    }
    // Source in error never runs, and still is a result.
    let all = events(&client, "t", &json!({"code": "const x: = 1"}), |_| false).await;
    let last = &all.last().unwrap().1;
    assert!(
        last["exit_code"] == 1 && all.iter().any(|(name, _)| name == "stderr"),
        "{all:?}"
    );
}

#[tokio::test]
async fn whoever_hangs_up_frees_the_place() {
    let settings = pentad_exec::Settings {
        concurrent_runs: 1,
        ..pentad_testkit::exec_settings()
    };
    let Some(client) = Client::with(None, settings).await else {
        return;
    };
    let long = json!({"language": "python", "code": "import time\ntime.sleep(100)", "timeout": 100});
    let request = client
        .request(Method::POST, "/api/execute")
        .json(&long)
        .timeout(Duration::from_millis(1500));
    assert!(request.send().await.is_err(), "the client gives up");
    let started = Instant::now();
    let next = client
        .request(Method::POST, "/api/execute")
        .json(&json!({"language": "python", "code": "print(1)"}));
    assert_eq!(Answer::of(next.send().await.unwrap()).await.stdout(), "1\n");
    assert!(started.elapsed() < Duration::from_secs(60));
}
