//! Sessions: made, changed, copied, deleted; and what stays in them.

use pentad_identity::{KeyFamily, PlanName};
use serde_json::json;

use crate::client::{Answer, Client, both_databases};

both_databases! {
    async fn a_session_is_made_listed_changed_and_deleted(client) {
        let made = client
            .post("/api/sessions", &json!({"language": "py", "session_id": "prod:user:1", "data": {"user": "d"},
                                           "metadata": {"v": 1}, "default_timeout": 5}))
            .await;
        assert_eq!(made.status, 201, "{}", made.json);
        for (name, value) in [
            ("id", json!("prod:user:1")), ("session_id", json!("prod:user:1")), ("language", json!("python")),
            ("persistent", json!(true)), ("last_run_at", json!("")), ("file_count", json!(0)),
            ("total_size_bytes", json!(0)), ("metadata", json!({"v": 1})), ("data", json!({"user": "d"})),
            ("default_timeout", json!(5)), ("allowInternetAccess", json!(false)),
        ] {
            assert_eq!(made.json[name], value, "{name}");
        }
        let taken = client.post("/api/sessions", &json!({"language": "go", "session_id": "prod:user:1"})).await;
        assert_eq!((taken.status, taken.code()), (409, "SESSION_EXISTS"));
        let changed = client
            .patch("/api/sessions/prod:user:1", &json!({"default_timeout": 120, "allowPublicAccess": true}))
            .await;
        assert_eq!(changed.json["success"], true);
        assert_eq!(changed.json["metadata"]["default_timeout"], 120);
        assert_eq!(changed.json["metadata"]["metadata"], json!({"v": 1}));
        let half = client.patch("/api/sessions/prod:user:1", &json!({"default_timeout": 2.5})).await;
        assert_eq!(half.json["metadata"]["default_timeout"], 2.5);
        let listed = client.get("/api/sessions").await.json;
        assert_eq!((&listed["count"], &listed["total"]), (&json!(1), &json!(1)));
        assert_eq!(client.get("/api/sessions/prod:user:1").await.json["files"], json!([]));
        let deleted = client.delete("/api/sessions/prod:user:1").await;
        assert_eq!((&deleted.json["success"], &deleted.json["id"]), (&json!(true), &json!("prod:user:1")));
        for answer in [
            client.get("/api/sessions/prod:user:1").await,
            client.delete("/api/sessions/prod:user:1").await,
            client.run("prod:user:1", "1").await,
            client.get("/api/sessions/prod:user:1/files").await,
        ] {
            assert_eq!((answer.status, answer.code()), (404, "SESSION_NOT_FOUND"));
        }
    }

    async fn what_a_run_leaves_is_there_for_the_next_one(client) {
        client.session("s").await;
        let first = client
            .run("s", "import os\nos.makedirs('d/e')\nopen('d/e/f.txt', 'w').write('1')\nopen('g', 'w').write('22')\n\
                       open('big', 'wb').write(b'x' * 70000)\nos.symlink('g', 'link')\nos.symlink('/etc/passwd', 'out')\n\
                       os.mkfifo('pipe')\nos.chmod('g', 0o755)\nprint('ok')")
            .await;
        assert_eq!(first.stdout(), "ok\n");
        assert_eq!(first.json["files_modified"], 4, "three files and a link: {}", first.json);
        assert_eq!(client.paths("s").await, ["big", "d/e/f.txt", "g"]);
        let session = client.get("/api/sessions/s").await.json;
        assert_eq!((&session["file_count"], &session["total_size_bytes"]), (&json!(3), &json!(70003)));
        let second = client
            .run("s", "import os\nprint(open('d/e/f.txt').read(), open('link').read(), os.access('g', os.X_OK), len(open('big').read()))\n\
                       print(os.path.lexists('out'), os.path.lexists('pipe'))\n\
                       os.remove('g')\nos.rename('d/e/f.txt', 'h')\nopen('h', 'a').write('3')")
            .await;
        assert_eq!(second.stdout(), "1 22 True 70000\nFalse False\n");
        assert_eq!(second.json["files_modified"], 3, "{}", second.json);
        assert_eq!(client.get("/api/sessions/s/files/h").await.bytes, b"13");
        assert_eq!(client.paths("s").await, ["big", "h"]);
        let nothing = client.run("s", "print(open('h').read())").await;
        assert_eq!((nothing.stdout(), &nothing.json["files_modified"]), ("13\n", &json!(0)));
        // A failure, a kill and a timeout leave what they did as well.
        client.run("s", "open('failed', 'w')\nraise SystemExit(1)").await;
        client.run("s", "open('killed', 'w').close()\nimport os\nos.kill(os.getpid(), 9)").await;
        let late = client
            .post("/api/sessions/s/run", &json!({"code": "open('late', 'w').close()\nimport time\ntime.sleep(60)", "timeout_ms": 700}))
            .await;
        assert_eq!((late.status, late.code(), &late.json["files_modified"]), (408, "EXECUTION_TIMEOUT", &json!(1)));
        assert_eq!(client.paths("s").await, ["big", "failed", "h", "killed", "late"]);
    }

    async fn data_goes_into_a_run_and_comes_back(client) {
        client.session_with(&json!({"language": "python", "session_id": "s", "data": {"n": 1, "keep": true}})).await;
        let run = "/api/sessions/s/run";
        let code = "import json\nd = json.load(open('.session_data.json'))\nprint(d['n'], d['m'])\nd['n'] += 1\n\
                    json.dump(d, open('.session_data.json', 'w'))";
        let answer = client.post(run, &json!({"code": code, "update_data": {"m": 5}})).await;
        assert_eq!((answer.stdout(), &answer.json["files_modified"]), ("1 5\n", &json!(0)));
        let expected = json!({"n": 2, "m": 5, "keep": true});
        assert_eq!((&answer.json["data"], &client.get("/api/sessions/s").await.json["data"]), (&expected, &expected));
        for bad in ["open('.session_data.json', 'w').write('no json')", "import os\nos.remove('.session_data.json')",
                    "open('.session_data.json', 'w').write('[1]')",
                    "open('.session_data.json', 'w').write('{\"a\":' * 100 + '1' + '}' * 100)",
                    "open('.session_data.json', 'w').write('{\"a\":\"' + 'x' * 300000 + '\"}')",
                    "import os\nos.remove('.session_data.json')\nos.symlink('/etc/passwd', '.session_data.json')"] {
            assert_eq!(client.run("s", bad).await.status, 200);
            assert_eq!(client.get("/api/sessions/s").await.json["data"], expected, "{bad}");
        }
        assert_eq!(client.paths("s").await, [""; 0]);
        assert_eq!(client.get("/api/sessions/s/files/.session_data.json").await.status, 404);
    }

    async fn stored_code_keeps_its_description_until_there_is_another(client) {
        client.session("s").await;
        let code = "/api/sessions/s/code";
        for (body, description) in [
            (json!({"code": "1"}), json!(null)),
            (json!({"code": "2", "description": "greets"}), json!("greets")),
            (json!({"code": "333"}), json!("greets")),
            (json!({"code": "4", "description": "new"}), json!("new")),
        ] {
            let stored = client.send(reqwest::Method::PUT, code, Some(&body)).await;
            assert_eq!((stored.status, &stored.json["success"]), (200, &json!(true)));
            let told = client.get(code).await.json;
            assert_eq!((&told["code"], &told["description"]), (&body["code"], &description));
            assert_eq!(told["code_length"], body["code"].as_str().unwrap().len());
        }
    }

    async fn a_copy_shares_nothing_with_its_source(client) {
        client.session_with(&json!({"language": "python", "session_id": "s", "data": {"a": 1}})).await;
        client.run("s", "open('x', 'w').write('1')\nopen('big', 'w').write('b' * 50000)").await;
        let code = json!({"code": "print(open('x').read())", "description": "reads"});
        assert_eq!(client.send(reqwest::Method::PUT, "/api/sessions/s/code", Some(&code)).await.status, 200);
        let copy = client.post("/api/sessions/s/duplicate", &json!({"new_id": "t"})).await;
        assert_eq!((copy.status, &copy.json["source_session_id"], &copy.json["file_count"]), (201, &json!("s"), &json!(2)));
        client.run("t", "open('x', 'w').write('2')").await;
        assert_eq!(client.post("/api/sessions/s/run", &json!({})).await.stdout(), "1\n");
        assert_eq!(client.post("/api/sessions/t/run", &json!({})).await.stdout(), "2\n");
        let replaced = client.post("/api/sessions/s/duplicate", &json!({"id": "u", "data": {"b": 2}})).await;
        assert_eq!(replaced.json["data"], json!({"b": 2}));
        let named = Answer::of(client.request(reqwest::Method::POST, "/api/sessions/s/duplicate").send().await.unwrap()).await;
        assert_eq!((named.status, &named.json["id"]), (201, &json!("s-copy-1")));
        client.delete("/api/sessions/s").await;
        assert_eq!(client.get("/api/sessions/t/files/big").await.bytes.len(), 50000);
        let all = client.delete("/api/sessions").await;
        assert_eq!((&all.json["deleted_count"], all.json["deleted_sessions"].as_array().unwrap().len()), (&json!(3), 3));
        assert_eq!(client.get("/api/sessions").await.json["count"], 0);
    }
}

#[tokio::test]
async fn a_session_that_is_not_persistent_begins_with_its_uploads_each_time() {
    let Some(client) = Client::start().await else {
        return;
    };
    client
        .session_with(&json!({"language": "python", "session_id": "s", "persistent": false}))
        .await;
    client.put_bytes("/api/sessions/s/files/in.txt", "up").await;
    let code = "import os\nprint(os.listdir('.').count('out'), open('in.txt').read())\nopen('out', 'w')\nopen('in.txt', 'w')";
    for _ in 0..2 {
        assert_eq!(client.run("s", code).await.stdout(), "0 up\n");
    }
}

#[tokio::test]
async fn sessions_of_others_are_not_there() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    client.put_bytes("/api/sessions/s/files/x", "1").await;
    let (_, stranger) = client.gateway.tenant(KeyFamily::Exec, PlanName::Unlimited).await;
    let mine = Client {
        gateway: client.gateway,
        key: stranger,
    };
    for path in [
        "/api/sessions/s",
        "/api/sessions/s/files",
        "/api/sessions/s/files/x",
        "/api/sessions/s/code",
        "/api/sessions/s/host?port=1",
    ] {
        let answer = mine.get(path).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "SESSION_NOT_FOUND"),
            "{path}"
        );
    }
    assert_eq!(mine.run("s", "1").await.status, 404);
    assert_eq!(mine.delete("/api/sessions/s").await.status, 404);
    assert_eq!(mine.get("/api/sessions").await.json["count"], 0);
    assert_eq!(mine.delete("/api/sessions").await.json["deleted_count"], 0);
    mine.session("s").await;
    assert_eq!(mine.paths("s").await, [""; 0], "the same id is another session");
}

#[tokio::test]
async fn a_large_workspace_is_kept_beside_and_changed_by_what_changed() {
    let settings = pentad_exec::Settings {
        direct_workspace_bytes: 100_000,
        cache: Some(std::env::temp_dir().join(format!("pentad-test-cache-{}", std::process::id()))),
        ..pentad_testkit::exec_settings()
    };
    let cache = settings.cache.clone().unwrap();
    let Some(client) = Client::with(None, settings).await else {
        return;
    };
    client.session("s").await;
    let code = "import os\nos.makedirs('d')\nfor i in range(20): open(f'd/{i}', 'wb').write(bytes([i]) * 20000)\nos.symlink('d/1', 'l')";
    assert_eq!(client.run("s", code).await.json["files_modified"], 21);
    let code = "print(sum(len(open(f'd/{i}', 'rb').read()) for i in range(20)), len(open('l').read()))\n\
                open('d/3', 'ab').write(b'+')\nimport os\nos.remove('d/4')\nopen('new', 'w').write('n')";
    let second = client.run("s", code).await;
    assert_eq!(
        (second.stdout(), &second.json["files_modified"]),
        ("400000 20000\n", &json!(3))
    );
    client.put_bytes("/api/sessions/s/files/d/5", "five").await;
    let third = client
        .run("s", "import os\nprint(os.path.getsize('d/3'), os.path.exists('d/4'), open('d/5').read(), open('new').read())")
        .await;
    assert_eq!(
        (third.stdout(), &third.json["files_modified"]),
        ("20001 False five n\n", &json!(0))
    );
    client.delete("/api/sessions/s").await;
    drop(client);
    std::fs::remove_dir_all(cache).unwrap();
}
