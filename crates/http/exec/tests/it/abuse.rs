//! What programs try beyond their sandbox: the files that are given to every run, the proxy to the internet, and
//! the door to storage.

use serde_json::json;

use crate::client::Client;

/// What a program makes of the names that every run fills, and what callers send there, harms no later run.
#[tokio::test]
async fn names_that_every_run_fills_stay_free() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    let code = "import os\nfor name in ('era_storage.py', '.session_data.json'):\n\
                \x20   os.unlink(name); os.mkdir(name); open(name + '/below', 'w').write('1')\n\
                open('kept', 'w').write('1')";
    let run = client.run("s", code).await;
    assert_eq!((run.stdout(), &run.json["files_modified"]), ("", &json!(1)));
    assert_eq!(client.paths("s").await, ["kept"]);
    let next = client
        .run(
            "s",
            "import os, era_storage\nprint(os.path.isfile('.session_data.json'))",
        )
        .await;
    assert_eq!(next.stdout(), "True\n", "{}", next.json);
    for path in ["era_storage.py/x", "era_storage.js/x", ".session_data.json/x"] {
        let put = client
            .put_bytes(&format!("/api/sessions/s/files/{path}"), "1")
            .await;
        assert_eq!((put.status, put.code()), (400, "INVALID_PATH"), "{path}");
        let body = json!({"language": "python", "code": "1", "files": {(path): "1"}});
        let execute = client.post("/api/execute", &body).await;
        assert_eq!((execute.status, execute.code()), (400, "INVALID_PATH"), "{path}");
    }
    // Where Deno's own program lies, whatever the session holds there.
    let made = json!({"language": "deno", "session_id": "d"});
    if client.post("/api/sessions", &made).await.status == 201 {
        client.put_bytes("/api/sessions/d/files/.main.ts/x", "1").await;
        let run = client.run("d", "console.log('here')").await;
        assert!(run.status == 503 || run.stdout() == "here\n", "{}", run.json);
    }
}

#[tokio::test]
async fn source_deeper_than_any_stack_is_an_error_of_its_own() {
    let Some(client) = Client::start().await else {
        return;
    };
    for code in [
        format!("{}1{}", "(".repeat(200_000), ")".repeat(200_000)),
        format!("1{}", "+1".repeat(400_000)),
        format!("type A = {}1", "keyof ".repeat(100_000)),
    ] {
        let answer = client.execute("typescript", &code).await;
        assert_eq!(answer.status, 200, "{}", answer.json["code"]);
        assert_eq!(answer.json["exit_code"], 1);
        assert!(
            answer.json["stderr"].as_str().unwrap().contains("SyntaxError"),
            "{}",
            answer.json["stderr"]
        );
    }
    // Long is not deep.
    let long = format!(
        "enum E {{ A = 1 }}\nlet n: number = 0;\n{}console.log(n)",
        "n += E.A as number;\n".repeat(2000)
    );
    assert_eq!(client.execute("typescript", &long).await.stdout(), "2000\n");
}

/// Sends the lines through the proxy, and prints the status of each answer.
const PROXY: &str = r#"
import socket
def ask(line):
    s = socket.create_connection(('127.0.0.1', 3128), 10); s.settimeout(20)
    s.sendall(line.encode('latin-1') + b'\r\n\r\n')
    answer = b''
    while b'\r\n' not in answer:
        more = s.recv(4096)
        if not more: break
        answer += more
    return answer.split(b' ')[1].decode() if answer.startswith(b'HTTP/') else repr(answer[:20])
"#;

#[tokio::test]
async fn the_proxy_leads_nowhere_private() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "allowInternetAccess": true}))
        .await;
    let port = client.gateway.base().rsplit(':').next().unwrap().to_owned();
    let refused = [
        format!("CONNECT 127.0.0.1:{port} HTTP/1.1"),
        format!("CONNECT localhost:{port} HTTP/1.1"),
        format!("CONNECT LOCALHOST:{port} HTTP/1.1"),
        format!("CONNECT [::1]:{port} HTTP/1.1"),
        format!("CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1"),
        format!("CONNECT [::ffff:7f00:1]:{port} HTTP/1.1"),
        format!("CONNECT 0.0.0.0:{port} HTTP/1.1"),
        format!("CONNECT [::]:{port} HTTP/1.1"),
        format!("CONNECT 127.1:{port} HTTP/1.1"),
        format!("CONNECT 2130706433:{port} HTTP/1.1"),
        format!("CONNECT 0x7f000001:{port} HTTP/1.1"),
        format!("CONNECT 0177.0.0.1:{port} HTTP/1.1"),
        "CONNECT 169.254.169.254:80 HTTP/1.1".to_owned(),
        "CONNECT 10.0.0.1:80 HTTP/1.1".to_owned(),
        "CONNECT 192.168.1.1:443 HTTP/1.1".to_owned(),
        "CONNECT [fd00::1]:80 HTTP/1.1".to_owned(),
        "CONNECT [fe80::1%lo]:80 HTTP/1.1".to_owned(),
        "CONNECT [64:ff9b::7f00:1]:80 HTTP/1.1".to_owned(),
        format!("GET http://127.0.0.1:{port}/health HTTP/1.1"),
        format!("GET http://localhost:{port}/health HTTP/1.1"),
        format!("GET http://1.1.1.1@127.0.0.1:{port}/health HTTP/1.1"),
        format!("GET http://127.0.0.1:{port} HTTP/1.1\r\nHost: example.com"),
        "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1".to_owned(),
        // What is no request to a proxy.
        "GET / HTTP/1.1".to_owned(),
        "GET ftp://127.0.0.1/ HTTP/1.1".to_owned(),
        "GET file:///etc/passwd HTTP/1.1".to_owned(),
        "CONNECT 127.0.0.1 HTTP/1.1".to_owned(),
        "CONNECT :80 HTTP/1.1".to_owned(),
        "CONNECT 127.0.0.1:99999 HTTP/1.1".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
    ];
    let code = format!(
        "{PROXY}\nlines = {}\nsaid = {{line: ask(line) for line in lines}}\n\
         print([(line, status) for line, status in said.items() if status not in ('400', '403', '502')] or 'contained')",
        json!(refused)
    );
    let run = client.run("s", &code).await;
    assert_eq!(run.stdout(), "contained\n", "{}", run.json);
    // Deno, which asks for leave itself, has it; without, it says what is missing.
    let made = json!({"language": "deno", "session_id": "d", "allowInternetAccess": true});
    client.session_with(&made).await;
    let code =
        "try { console.log((await fetch('http://10.0.0.1/')).status) } catch (e) { console.log(e.name) }";
    let fetched = client.run("d", code).await;
    if fetched.status != 503 {
        assert_eq!(fetched.stdout(), "403\n", "{}", fetched.json);
        client
            .patch("/api/sessions/d", &json!({"allowInternetAccess": false}))
            .await;
        assert_eq!(client.run("d", code).await.stdout(), "NotCapable\n");
    }
    // And without leave there is no proxy at all.
    client
        .patch("/api/sessions/s", &json!({"allowInternetAccess": false}))
        .await;
    let code = "import os, socket\nprint([name for name in os.environ if 'proxy' in name.lower()], socket.socket().connect_ex(('127.0.0.1', 3128)))";
    assert_eq!(client.run("s", code).await.stdout(), "[] 111\n");
}

/// A program that keeps hundreds of connections to storage open has its own share of it, and no more.
#[tokio::test]
async fn one_program_does_not_keep_storage_from_the_others() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("hog").await;
    let hog = "import http.client, json, socket, time\n\
               first = http.client.HTTPConnection('127.0.0.1', 8787); first.connect()\n\
               held = []\n\
               for _ in range(700):\n    s = socket.socket(); s.setblocking(False); s.connect_ex(('127.0.0.1', 8787)); held.append(s)\n\
               time.sleep(0.5)\n\
               first.request('PUT', '/api/storage/kv/app/ready', json.dumps({'value': '1'}), {'Content-Type': 'application/json'})\n\
               print(first.getresponse().status, flush=True)\ntime.sleep(1000)";
    let greedy = client.run("hog", hog);
    let others = async {
        while client.get("/api/storage/kv/app/ready").await.status != 200 {
            tokio::task::yield_now().await;
        }
        for number in 0..4 {
            let code = format!(
                "from era_storage import kv\nkv.set('app', 'k', '{number}'); print(kv.get('app', 'k'))"
            );
            let answer = client.execute("python", &code).await;
            assert_eq!(answer.stdout(), format!("{number}\n"), "{}", answer.json);
        }
        client.delete("/api/sessions/hog").await
    };
    let (greedy, gone) = tokio::join!(greedy, others);
    assert_eq!(gone.status, 200);
    assert!(
        matches!(greedy.status, 404 | 503),
        "its session was deleted: {}",
        greedy.json
    );
}
