//! What programs in a sandbox import, run by the real interpreters against the real routes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use pentad_http_storage::{Door, PYTHON_MODULE, SCRIPT_MODULE};
use pentad_kernel::{Actor, ScopeSet};
use pentad_testkit::TestGateway;

const PYTHON: &str = r#"
import era_storage as e
from era_storage import kv, d1, r2
print(kv.set("app", "a/b c?", "v1", {"m": 1}), kv.get("app", "a/b c?"), kv.get("app", "absent"))
print(kv.list("app", prefix="a/"), kv.delete("app", "a/b c?"), kv.get("app", "a/b c?"))
print(d1.exec("app", "CREATE TABLE users (name TEXT)")["success"])
print(d1.exec("app", "INSERT INTO users VALUES (?)", ["Bob"])["meta"]["changes"])
print(d1.query("app", "SELECT name FROM users WHERE name = ?", ["Bob"]))
print(r2.put("app", "i.txt", bytes(range(256))), r2.get("app", "i.txt") == bytes(range(256)), r2.get("app", "no"))
print(r2.put("app", "empty", b""), r2.get("app", "empty"), [o["key"] for o in r2.list("app")], r2.delete("app", "empty"))
try:
    d1.query("app", "SELEC 1")
except e.StorageError as error:
    print(error.code, error.status)
try:
    kv.get("no good", "x")
except e.StorageError as error:
    print(error.code, error.status)
"#;

const PYTHON_SAYS: &str = "\
True v1 None
[{'name': 'a/b c?', 'metadata': {'m': 1}}] True None
True
1
[{'name': 'Bob'}]
True True None
True b'' ['empty', 'i.txt'] True
SQL_ERROR 400
INVALID_NAMESPACE 400
";

const SCRIPT: &str = r#"
(async () => {
  console.log(await KVStorage.set('app', 'a/b c?', 'v1'), await KVStorage.get('app', 'a/b c?'), await KVStorage.get('app', 'absent'));
  console.log((await KVStorage.list('app', 'a/')).map((key) => key.name).join(), await KVStorage.delete('app', 'a/b c?'));
  await D1Storage.exec('app', 'CREATE TABLE users (name TEXT)');
  console.log((await D1Storage.exec('app', 'INSERT INTO users VALUES (?)', ['Bob'])).meta.changes);
  console.log(JSON.stringify(await D1Storage.query('app', 'SELECT name FROM users WHERE name = ?', ['Bob'])));
  console.log(await R2Storage.put('app', 'i.txt', new Uint8Array([0, 128, 255])), [...(await R2Storage.get('app', 'i.txt'))], await R2Storage.get('app', 'no'));
  console.log(await R2Storage.put('app', 'text', 'ä'), (await R2Storage.list('app', 't'))[0].size, await R2Storage.delete('app', 'text'));
  try {
    await D1Storage.query('app', 'SELEC 1');
  } catch (error) {
    console.log(error.name, error.code, error.status);
  }
})();
"#;

const SCRIPT_SAYS: &str = "\
true v1 null
a/b c? true
1
[{\"name\":\"Bob\"}]
true [ 0, 128, 255 ] null
true 2 true
StorageError SQL_ERROR 400
";

/// A listener as there is in a sandbox: whoever connects is the actor's program.
fn listen(door: Door, actor: Actor) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(door.serve(actor.clone(), connection.unwrap()));
        }
    });
    url
}

async fn local(gateway: &TestGateway) -> Actor {
    gateway.identity().local_caller().await.unwrap().actor
}

async fn run(directory: &Path, program: &str, arguments: &[&str], url: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .env("ERA_STORAGE_URL", url)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let found = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    match found {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "{program} must be there in CI");
            println!("SKIPPED: there is no {program}");
            None
        }
        outcome => Some(outcome.unwrap()),
    }
}

fn says(output: &Output, expected: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{errors}");
}

#[tokio::test]
async fn a_python_program_stores_and_reads() {
    let gateway = TestGateway::start().await;
    let door = Door::open(gateway.storage().clone()).unwrap();
    let url = listen(door, local(&gateway).await);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("era_storage.py"), PYTHON_MODULE).unwrap();
    std::fs::write(directory.path().join("main.py"), PYTHON).unwrap();
    if let Some(output) = run(directory.path(), "python3", &["main.py"], &url).await {
        says(&output, PYTHON_SAYS);
    }
}

#[tokio::test]
async fn a_script_stores_and_reads_in_node_and_in_deno() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    file("era_storage.js", SCRIPT_MODULE);
    let names = "{ KVStorage, D1Storage, R2Storage }";
    file(
        "main.cjs",
        &format!("const {names} = require('./era_storage.js');{SCRIPT}"),
    );
    file(
        "main.mjs",
        &format!("import {names} from './era_storage.js';{SCRIPT}"),
    );
    file("main.ts", &format!("import './era_storage.js';{SCRIPT}"));
    let runtimes = std::env::var("PENTAD_RUNTIMES").unwrap_or_default();
    let deno = runtimes
        .split(':')
        .map(|folder| Path::new(folder).join("deno"))
        .find(|path| path.exists())
        .map_or_else(|| "deno".to_owned(), |path| path.display().to_string());
    for (program, arguments) in [
        ("node", ["main.cjs"].as_slice()),
        ("node", &["main.mjs"]),
        (
            deno.as_str(),
            &["run", "--no-check", "--allow-env", "--allow-net", "main.ts"],
        ),
    ] {
        let gateway = TestGateway::start().await;
        let door = Door::open(gateway.storage().clone()).unwrap();
        let url = listen(door, local(&gateway).await);
        if let Some(output) = run(directory.path(), program, arguments, &url).await {
            says(&output, SCRIPT_SAYS);
        }
    }
}

#[tokio::test]
async fn a_connection_is_whose_program_made_it() {
    let gateway = TestGateway::start().await;
    let door = Door::open(gateway.storage().clone()).unwrap();
    let actor = local(&gateway).await;
    let url = listen(door.clone(), actor.clone());
    let http = reqwest::Client::new();
    let value = format!("{url}/api/storage/kv/app/k");
    let stored = http.put(&value).json(&serde_json::json!({"value": "x"}));
    // A key in the request changes nothing: the connection is what counts.
    let stored = stored.bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(stored.status(), 200);

    // What is not storage is not there.
    for path in [
        "/api/resources/list",
        "/api/v1/sessions",
        "/api/sessions",
        "/health",
    ] {
        let answer = http.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    // A program has the scopes of whoever runs it.
    let reader = Actor {
        kind: pentad_kernel::ActorKind::ServiceKey,
        scopes: ScopeSet::parse(["storage:read"]).unwrap(),
        ..actor.clone()
    };
    let url = listen(door.clone(), reader);
    let value = format!("{url}/api/storage/kv/app/k");
    assert_eq!(http.get(&value).send().await.unwrap().status(), 200);
    assert_eq!(http.delete(&value).send().await.unwrap().status(), 403);
    // A program of somebody else finds nothing.
    let (user, _) = gateway
        .tenant(
            pentad_identity::KeyFamily::Exec,
            pentad_identity::PlanName::Unlimited,
        )
        .await;
    let url = listen(
        door,
        Actor {
            organisation: user.home_organisation,
            ..actor
        },
    );
    let found = http
        .get(format!("{url}/api/storage/kv/app/k"))
        .send()
        .await
        .unwrap();
    assert_eq!(found.status(), 404);
}
