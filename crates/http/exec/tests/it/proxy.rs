//! Requests that reach into a session.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Answer, Client};

async fn anonymous(client: &Client, method: Method, path: &str, body: &'static str) -> Answer {
    let request = client.gateway.client().request(method, client.gateway.url(path));
    let request = request
        .header("cookie", "secret=1")
        .header("x-mine", "yes")
        .body(body);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn stored_code_answers_requests() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowPublicAccess": true}))
        .await;
    let host = client.get("/api/sessions/s/host?port=3000").await.json;
    let path = host["url"]
        .as_str()
        .unwrap()
        .strip_prefix(&client.gateway.base())
        .unwrap()
        .to_owned();
    assert_eq!((&host["session_id"], &host["port"]), (&json!("s"), &json!(3000)));
    assert_eq!(host["base_url"], host["url"]);
    assert!(path.ends_with("/3000"), "clients add their path to it: {path}");
    let none = anonymous(&client, Method::GET, &path, "").await;
    assert_eq!((none.status, none.code()), (400, "NO_CODE"));
    let code = "import json, os\ne = os.environ\nprint(json.dumps({'status': 201, 'contentType': 'application/json',\n\
                'headers': {'X-Made': 'here', 'Set-Cookie': 'a=1'}, 'data': {'method': e['ERA_HTTP_METHOD'], 'path': e['ERA_HTTP_PATH'],\n\
                'query': e['ERA_HTTP_QUERY'], 'headers': json.loads(e['ERA_HTTP_HEADERS']), 'body': e['ERA_HTTP_BODY'],\n\
                'mode': e['ERA_REQUEST_MODE']}}))";
    client
        .send(
            Method::PUT,
            "/api/sessions/s/code",
            Some(&json!({ "code": code })),
        )
        .await;
    let answer = anonymous(&client, Method::POST, &format!("{path}/a/b?c=d"), "hello").await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    let told = &answer.json;
    assert_eq!(
        (
            &told["method"],
            &told["path"],
            &told["query"],
            &told["body"],
            &told["mode"]
        ),
        (
            &json!("POST"),
            &json!("/a/b"),
            &json!("?c=d"),
            &json!("hello"),
            &json!("proxy")
        )
    );
    assert_eq!(
        (&told["headers"]["x-mine"], &told["headers"]["cookie"]),
        (&json!("yes"), &json!(null))
    );
    assert_eq!(answer.headers["x-made"], "here");
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(
        answer.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox")
    );
    // Its owner may use the id; to strangers it means nothing.
    assert_eq!(client.get("/proxy/s/3000/x").await.status, 201);
    assert_eq!(
        anonymous(&client, Method::GET, "/proxy/s/3000/x", "")
            .await
            .status,
        404
    );
    client
        .patch("/api/sessions/s", &json!({"allowPublicAccess": false}))
        .await;
    let closed = client.get("/proxy/s/3000/x").await;
    assert_eq!((closed.status, closed.code()), (403, "PUBLIC_ACCESS_DISABLED"));
    assert_eq!(anonymous(&client, Method::GET, &path, "").await.status, 404);
}

#[tokio::test]
async fn what_stored_code_prints_is_the_answer() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowPublicAccess": true}))
        .await;
    // The code prints what it is sent, so that the printed and the answered stand side by side here.
    let code = json!({"code": "import os\nprint(os.environ['ERA_HTTP_BODY'])"});
    client
        .send(Method::PUT, "/api/sessions/s/code", Some(&code))
        .await;
    let (json, text) = ("application/json", "text/plain; charset=utf-8");
    for (printed, status, content_type, body) in [
        (
            r#"{"message": "hi", "n": 1}"#,
            200,
            json,
            r#"{"message": "hi", "n": 1}"#,
        ),
        (r#"{"status": "online"}"#, 200, json, r#"{"status": "online"}"#),
        (
            r#"{"status": 404, "error": "no"}"#,
            404,
            json,
            r#"{"status": 404, "error": "no"}"#,
        ),
        (r#"{"data": [1, 2]}"#, 200, json, r#"{"data": [1, 2]}"#),
        (
            r#"{"status": "done", "data": {"a": 1}}"#,
            200,
            json,
            r#"{"status": "done", "data": {"a": 1}}"#,
        ),
        (r#"{"status": 201, "data": {"a": 1}}"#, 201, json, r#"{"a":1}"#),
        (
            r#"{"contentType": "text/html", "data": "<p>"}"#,
            200,
            "text/html",
            "<p>",
        ),
        (r#"{"status": 200, "data": "hi"}"#, 200, text, "hi"),
        (
            r#"{"headers": {"content-type": "text/css"}, "data": "p {}"}"#,
            200,
            "text/css",
            "p {}",
        ),
        (
            r#"{"contentType": "text/html\r\nX-Mine: 1", "data": "hi"}"#,
            200,
            text,
            "hi",
        ),
        ("[1, 2]", 200, json, "[1, 2]"),
        ("hello\nyou", 200, text, "hello\nyou\n"),
    ] {
        let answer = anonymous_to(&client, Method::POST, printed).await;
        assert_eq!(
            (
                answer.status,
                answer.headers["content-type"].to_str().unwrap(),
                &answer.bytes[..]
            ),
            (status, content_type, body.as_bytes()),
            "{printed}"
        );
        assert!(
            answer.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("sandbox")
        );
    }
    let printed = r#"{"headers": {"Access-Control-Allow-Origin": "*"}, "ok": true}"#;
    let preflight = anonymous_to(&client, Method::OPTIONS, printed).await;
    assert_eq!(
        (
            preflight.status,
            &preflight.headers["access-control-allow-origin"]
        ),
        (200, &"*".parse().unwrap())
    );
    let head = anonymous_to(&client, Method::HEAD, r#"{"status": 410}"#).await;
    assert_eq!((head.status, head.bytes.len()), (410, 0));
    // Without a path, and with one that needs its encoding.
    let code = json!({"code": "import os\nprint(os.environ['ERA_HTTP_PATH'], '|', os.environ['ERA_HTTP_QUERY'], '|')"});
    client
        .send(Method::PUT, "/api/sessions/s/code", Some(&code))
        .await;
    for (path, told) in [
        ("", "/ |  |\n"),
        ("/", "/ |  |\n"),
        ("/a%20b/?x=%2F", "/a%20b/ | ?x=%2F |\n"),
    ] {
        let answer = client.get(&format!("/proxy/s/8000{path}")).await;
        assert_eq!(String::from_utf8_lossy(&answer.bytes), told, "{path}");
    }
}

/// Where strangers reach port 8000 of a session.
async fn public_path(client: &Client, session: &str) -> String {
    let host = client
        .get(&format!("/api/sessions/{session}/host?port=8000"))
        .await
        .json;
    let path = host["url"].as_str().unwrap().strip_prefix(&client.gateway.base());
    path.unwrap().to_owned()
}

/// A request of a stranger to the stored code of the session `s`.
async fn anonymous_to(client: &Client, method: Method, body: &'static str) -> Answer {
    let path = public_path(client, "s").await;
    anonymous(client, method, &format!("{path}/x"), body).await
}

#[tokio::test]
async fn a_program_that_listens_is_reached_while_it_runs() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowPublicAccess": true}))
        .await;
    let code = "from http.server import *\nclass H(BaseHTTPRequestHandler):\n    def do_POST(self):\n        b = self.rfile.read(int(self.headers['Content-Length']))\n\
                \x20       self.send_response(202)\n        self.send_header('X-Path', self.path)\n        self.end_headers()\n        self.wfile.write(b.upper() * 1000)\n\
                \x20   def log_message(self, *a): pass\ns = HTTPServer(('127.0.0.1', 8000), H)\nopen('up', 'w')\ns.handle_request()\nprint('served')";
    let run = client.run("s", code);
    let ask = async {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(25);
        loop {
            assert!(std::time::Instant::now() < deadline, "the program is not reached");
            let answer = Answer::of(
                client
                    .request(Method::POST, "/proxy/s/8000/a%20b?c=1")
                    .body("abc")
                    .send()
                    .await
                    .unwrap(),
            )
            .await;
            // Until it listens: nothing runs yet, or nothing listens yet.
            match answer.status {
                202 => return answer,
                400 | 502 => assert!(matches!(answer.code(), "NO_CODE" | "PROXY_UNREACHABLE")),
                other => panic!("{other}: {}", answer.json),
            }
        }
    };
    let (run, answer) = futures_util::join!(run, ask);
    assert_eq!(run.stdout(), "served\n");
    assert_eq!(
        (answer.bytes.len(), &answer.headers["x-path"]),
        (3000, &"/a%20b?c=1".parse().unwrap())
    );
}

/// All that comes back over one connection for a head that is sent as it is.
async fn exchange(client: &Client, head: &str) -> String {
    let address = client.gateway.base().trim_start_matches("http://").to_owned();
    let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("an end of the answer")
        .unwrap();
    answer
}

/// A client or a proxy takes what follows the head of such an answer for the next answer.
#[tokio::test]
async fn an_answer_that_ends_with_its_head_has_nothing_behind_it() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowPublicAccess": true}))
        .await;
    let path = public_path(&client, "s").await;
    for status in [204, 304] {
        let printed = json!({"status": status, "data": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nowned"});
        let code = json!({"code": format!("print({:?})", printed.to_string())});
        client
            .send(Method::PUT, "/api/sessions/s/code", Some(&code))
            .await;
        let answer = exchange(&client, &format!("GET {path}/ HTTP/1.1")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    // A session of its own, in which no stored code answers before the program does.
    client
        .session_with(&json!({"language": "python", "session_id": "p", "allowPublicAccess": true}))
        .await;
    let path = public_path(&client, "p").await;
    let code = "import socket\nl = socket.socket(); l.bind(('127.0.0.1', 8000)); l.listen()\n\
                for _ in range(4):\n    c, _ = l.accept(); status = c.recv(9999).split(b' ')[1].strip(b'/')\n\
                \x20   c.sendall(b'HTTP/1.1 ' + status + b' x\\r\\nSet-Cookie2: a\\r\\nNEL: {}\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\n\\r\\nowned'); c.close()";
    let ask = async {
        for (told, status) in [(204, 204), (304, 304), (100, 502), (101, 502)] {
            let deadline = std::time::Instant::now() + Duration::from_secs(25);
            let answer = loop {
                let answer = exchange(&client, &format!("GET {path}/{told} HTTP/1.1")).await;
                // Until it listens: nothing runs yet, or nothing listens yet.
                if !answer.contains("NO_CODE") && !answer.contains("nothing listens") {
                    break answer;
                }
                assert!(std::time::Instant::now() < deadline, "{answer}");
            };
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{told}: {answer}"
            );
            assert!(
                !answer.contains("owned") && !answer.contains("nel:"),
                "{told}: {answer}"
            );
        }
    };
    let (run, ()) = futures_util::join!(client.run("p", code), ask);
    assert_eq!(run.json["exit_code"], 0, "{}", run.json);
}

#[tokio::test]
async fn what_the_code_is_told_of_a_request_is_the_whole_of_it() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowPublicAccess": true}))
        .await;
    let code = json!({"code": "import os\nprint(os.environ['ERA_HTTP_HEADERS'])"});
    client
        .send(Method::PUT, "/api/sessions/s/code", Some(&code))
        .await;
    let path = public_path(&client, "s").await;
    let head = format!("GET {path}/ HTTP/1.1\r\nX-Many: 1\r\nX-Many: 2\r\nX-Hop: 1\r\nConnection: X-Hop");
    let answer = exchange(&client, &head).await;
    assert!(
        answer.contains(r#""x-many":"1, 2""#) && !answer.contains("x-hop"),
        "{answer}"
    );
    // Nobody waits for a body that was not announced, whatever else the client would like to speak.
    let head = format!("GET {path}/ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade");
    let answer = exchange(&client, &head).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
