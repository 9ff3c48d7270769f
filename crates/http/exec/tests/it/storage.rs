//! Storage, as programs reach it from inside.

use pentad_identity::KeyFamily;
use serde_json::json;

use crate::client::{Client, both_databases};

both_databases! {
    async fn programs_reach_the_storage_of_their_owner_and_nothing_else(client) {
        client.session("s").await;
        let code = "import era_storage as e\nprint(e.kv.set('app', 'k', 'v1'), e.kv.get('app', 'k'), e.kv.get('app', 'absent'))\n\
                    e.d1.exec('app', 'CREATE TABLE t (n INTEGER)')\ne.d1.exec('app', 'INSERT INTO t VALUES (?)', [7])\n\
                    print(e.d1.query('app', 'SELECT n FROM t'))\nprint(e.r2.put('app', 'o', b'abc'), e.r2.get('app', 'o'))";
        let run = client.run("s", code).await;
        assert_eq!(run.stdout(), "True v1 None\n[{'n': 7}]\nTrue b'abc'\n", "{}", run.json);
        assert_eq!(run.json["files_modified"], 0);
        assert_eq!(client.paths("s").await, [""; 0], "the modules are nobody's files");
        assert_eq!(client.get("/api/storage/kv/app/k").await.json["value"], "v1");
        // One-shot programs too, in every language that has a module.
        let node = "const { KVStorage } = require('./era_storage.js');\nKVStorage.get('app', 'k').then(console.log)";
        assert_eq!(client.execute("node", node).await.stdout(), "v1\n");
        let named = "import { KVStorage } from './era_storage.js';\nconsole.log(await KVStorage.get('app', 'k'))";
        let whole = "import storage from './era_storage.js';\nconsole.log(await storage.kv.get('app', 'k'))";
        let global = "import './era_storage.js';\nconsole.log(await KVStorage.get('app', 'k'))";
        for (language, code) in [
            ("node", named), ("node", whole), ("typescript", named), ("typescript", whole),
            ("deno", named), ("deno", whole), ("deno", global),
        ] {
            let run = client.execute(language, code).await;
            if run.status != 503 {
                assert_eq!(run.stdout(), "v1\n", "{language} {code} {}", run.json);
            }
        }
        // Also in a project whose files are modules.
        client.session_with(&json!({"language": "node", "session_id": "modules"})).await;
        client.put_bytes("/api/sessions/modules/files/package.json", r#"{"type": "module"}"#).await;
        for code in [named, node] {
            let run = client.run("modules", code).await;
            assert_eq!(run.stdout(), "v1\n", "{code} {}", run.json);
        }
        // The same routes by hand, and none but them.
        let code = "import os, urllib.request, urllib.error\nfor path in ('/api/storage/kv/app/k', '/api/sessions', '/api/execute', '/health', '/api/v1/auth/me', '/metrics'):\n\
                    \x20   try: print(urllib.request.urlopen(os.environ['ERA_STORAGE_URL'] + path).status)\n    except urllib.error.HTTPError as e: print(e.code)";
        assert_eq!(client.run("s", code).await.stdout(), "200\n404\n404\n404\n404\n404\n");
    }
}

#[tokio::test]
async fn a_program_has_no_more_rights_than_whoever_runs_it() {
    let Some(client) = Client::start().await else {
        return;
    };
    let (user, other) = client
        .gateway
        .tenant(KeyFamily::Exec, pentad_identity::PlanName::Unlimited)
        .await;
    let code = "import era_storage as e\ntry: print(e.kv.set('app', 'k', 'v'))\nexcept e.StorageError as error: print(error.status)";
    let only_runs = client
        .gateway
        .key_with(&user, KeyFamily::Service, &["exec:run"])
        .await;
    let own = client.key.clone();
    assert_eq!(client.execute("python", code).await.stdout(), "True\n");
    let mut client = client;
    client.key = only_runs;
    assert_eq!(client.execute("python", code).await.stdout(), "403\n");
    client.key = other;
    let read = "import era_storage as e\nprint(e.kv.get('app', 'k'))";
    assert_eq!(
        client.execute("python", read).await.stdout(),
        "None\n",
        "another organisation has its own"
    );
    client.key = own;
    let set = json!({"language": "python", "code": read});
    assert_eq!(client.post("/api/execute", &set).await.stdout(), "v\n");
}
