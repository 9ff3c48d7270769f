//! Packages from a registry, installed in the sandbox through the proxy and used by later runs.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

use pentad_exec::Settings;
use pentad_testkit::exec_settings;
use serde_json::{Value, json};

use crate::client::Client;

/// Makes the packages `greet` of all three kinds below a directory, as their registries serve them.
const PACKAGES: &str = r#"
import hashlib, io, json, os, sys, tarfile, zipfile
root, base = sys.argv[1:]
def put(path, content):
    os.makedirs(os.path.dirname(f'{root}/{path}'), exist_ok=True)
    open(f'{root}/{path}', 'wb').write(content if isinstance(content, bytes) else content.encode())
def zipped(files):
    bytes = io.BytesIO()
    with zipfile.ZipFile(bytes, 'w') as archive:
        for name, text in files.items(): archive.writestr(name, text)
    return bytes.getvalue()
info = 'greet-1.0.dist-info'
put('simple/greet/index.html', '<a href="greet-1.0-py3-none-any.whl">greet-1.0-py3-none-any.whl</a>')
put('simple/greet/greet-1.0-py3-none-any.whl', zipped({
    'greet.py': 'def hello(): return "hello from pip"\n',
    f'{info}/METADATA': 'Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n',
    f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    f'{info}/RECORD': f'greet.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n'}))
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode='w:gz') as archive:
    for name, text in {'package.json': '{"name": "greet", "version": "1.0.0", "main": "index.js"}',
                       'index.js': 'module.exports = () => "hello from npm"\n'}.items():
        entry = tarfile.TarInfo('package/' + name); entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
put('npm/greet/-/greet-1.0.0.tgz', packed.getvalue())
put('npm/greet/index.html', json.dumps({'name': 'greet', 'dist-tags': {'latest': '1.0.0'}, 'versions': {'1.0.0': {
    'name': 'greet', 'version': '1.0.0', 'main': 'index.js',
    'dist': {'tarball': f'{base}/npm/greet/-/greet-1.0.0.tgz', 'shasum': hashlib.sha1(packed.getvalue()).hexdigest()}}}}))
module = 'module example.com/greet\n\ngo 1.21\n'
put('go/example.com/greet/@v/list', 'v1.0.0\n')
put('go/example.com/greet/@v/v1.0.0.info', '{"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"}')
put('go/example.com/greet/@v/v1.0.0.mod', module)
put('go/example.com/greet/@v/v1.0.0.zip', zipped({
    'example.com/greet@v1.0.0/go.mod': module,
    'example.com/greet@v1.0.0/greet.go': 'package greet\n\nfunc Hello() string { return "hello from go" }\n'}))
"#;

/// A registry of all three kinds on an address of this machine that is not its loopback, which package managers
/// would not ask a proxy for. `None` on a machine without any network.
fn registry(directory: &Path) -> Option<(String, String)> {
    // Nothing is sent.
    let probe = UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    let host = probe.local_addr().ok()?.ip().to_string();
    let listener = TcpListener::bind((host.as_str(), 0)).ok()?;
    let base = format!("http://{}", listener.local_addr().ok()?);
    let made = Command::new("python3")
        .args(["-c", PACKAGES])
        .arg(directory)
        .arg(&base)
        .status();
    assert!(made.unwrap().success(), "the packages are made");
    let directory = directory.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let directory = directory.clone();
            std::thread::spawn(move || answer(connection.unwrap(), &directory));
        }
    });
    Some((host, base))
}

fn answer(mut connection: std::net::TcpStream, directory: &Path) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match connection.read(&mut piece) {
            Ok(read) if read > 0 => head.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().trim_matches('/');
    assert!(!path.contains(".."), "{path}");
    let found = std::fs::read(directory.join(path))
        .or_else(|_| std::fs::read(directory.join(path).join("index.html")));
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let kind = if path.starts_with("simple") && !path.ends_with(".whl") {
        "text/html"
    } else {
        "application/octet-stream"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The other end may have gone.
    let _ = connection.write_all(&[head.as_bytes(), &body].concat());
}

async fn installed(client: &Client, id: &str) -> Value {
    loop {
        let session = client.get(&format!("/api/sessions/{id}")).await.json;
        match session["setup_status"].as_str().unwrap() {
            "pending" | "running" => tokio::task::yield_now().await,
            _ => return session,
        }
    }
}

#[tokio::test]
async fn packages_of_all_registries_are_there_for_later_runs() {
    let directory = tempfile::tempdir().unwrap();
    let Some((host, base)) = registry(directory.path()) else {
        assert!(std::env::var_os("CI").is_none(), "no network address in CI");
        return eprintln!("SKIPPED: this machine has no address but its loopback");
    };
    let settings = Settings {
        registries: vec![host.clone()],
        ..exec_settings()
    };
    let Some(client) = Client::with(None, settings).await else {
        return;
    };
    let environment: BTreeMap<&str, String> = [
        ("PIP_INDEX_URL", format!("{base}/simple")),
        ("PIP_TRUSTED_HOST", host),
        ("npm_config_registry", format!("{base}/npm/")),
        ("GOPROXY", format!("{base}/go")),
        ("GOSUMDB", "off".to_owned()),
    ]
    .into();
    let cases = [
        (
            "python",
            "pip",
            "greet",
            "import greet\nprint(greet.hello())",
            "hello from pip\n",
        ),
        (
            "node",
            "npm",
            "greet",
            "console.log(require('greet')())",
            "hello from npm\n",
        ),
        (
            "go",
            "go",
            "example.com/greet@v1.0.0",
            "package main\nimport (\"fmt\"; \"example.com/greet\")\nfunc main() { fmt.Println(greet.Hello()) }",
            "hello from go\n",
        ),
    ];
    for (language, kind, package, code, said) in cases {
        let setup = json!({ (kind): [package], "envs": environment });
        let body = json!({ "language": language, "session_id": language, "setup": setup });
        let made = client.post("/api/sessions", &body).await;
        assert_eq!(made.status, 201, "{}", made.json);
        let session = installed(&client, language).await;
        assert_eq!(session["setup_status"], "completed", "{session}");
        let run = client.run(language, code).await;
        assert_eq!(run.stdout(), said, "{}", run.json);
    }
    // What the registry does not have, and a registry that is none of those named, are failures that say so.
    for (id, package, index) in [
        ("absent", "nothing-of-this-name", format!("{base}/simple")),
        ("elsewhere", "greet", "http://10.0.0.1/simple".to_owned()),
    ] {
        let environment =
            json!({ "PIP_INDEX_URL": index, "PIP_RETRIES": "0", "PIP_TRUSTED_HOST": "10.0.0.1" });
        let setup = json!({ "pip": [package], "envs": environment });
        let body = json!({ "language": "python", "session_id": id, "setup": setup });
        assert_eq!(client.post("/api/sessions", &body).await.status, 201);
        let session = installed(&client, id).await;
        assert_eq!(session["setup_status"], "failed", "{session}");
        assert!(session["setup_result"]["error"].is_string(), "{session}");
        assert_eq!(client.run(id, "print('usable')").await.stdout(), "usable\n");
    }
}

#[tokio::test]
async fn a_copy_made_during_the_installation_says_that_it_lacks_the_packages() {
    let Some(client) = Client::start().await else {
        return;
    };
    let setup = json!({"commands": ["sleep 5"]});
    client
        .session_with(&json!({"language": "python", "session_id": "s", "setup": setup}))
        .await;
    let copied = client
        .post("/api/sessions/s/duplicate", &json!({"new_id": "copy"}))
        .await;
    assert_eq!(copied.status, 201, "{}", copied.json);
    let copy = client.get("/api/sessions/copy").await.json;
    assert_eq!(copy["setup_status"], "failed", "{copy}");
    assert!(copy["setup_result"]["error"].is_string(), "{copy}");
    assert_eq!(client.run("copy", "print('usable')").await.stdout(), "usable\n");
    assert_eq!(client.delete("/api/sessions/s").await.status, 200);
}
