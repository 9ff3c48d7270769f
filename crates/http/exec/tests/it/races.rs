//! Several at once.

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{Client, both_databases};

both_databases! {
    async fn runs_of_one_session_take_their_turns_and_lose_nothing(client) {
        client.session("s").await;
        client.run("s", "open('n', 'w').write('0')").await;
        let one = |i: usize| {
            let code = format!("import time\nn = int(open('n').read())\ntime.sleep(0.05)\nopen('n', 'w').write(str(n + 1))\nopen('f{i}', 'w')");
            let client = &client;
            async move { client.run("s", &code).await.status }
        };
        let all = join_all((0..5).map(one)).await;
        assert_eq!(all, [200; 5]);
        assert_eq!(client.get("/api/sessions/s/files/n").await.bytes, b"5");
        assert_eq!(client.paths("s").await, ["f0", "f1", "f2", "f3", "f4", "n"]);
    }

    async fn a_session_that_is_deleted_during_a_run_stays_deleted(client) {
        client.session("s").await;
        let run = client.run("s", "open('left', 'w').write('x')\nimport time\ntime.sleep(60)");
        let delete = async {
            // The run has begun once the session says so.
            while client.get("/api/sessions/s").await.json["last_run_at"] == "" {}
            let deleted = client.delete("/api/sessions/s").await;
            client.session("s").await;
            deleted
        };
        let (run, deleted) = futures_util::join!(run, delete);
        assert_eq!(deleted.status, 200);
        assert!(matches!(run.status, 404 | 503), "{}", run.json);
        assert_eq!(client.paths("s").await, [""; 0], "a new session with the id is empty");
        assert_eq!(client.run("s", "print('free')").await.stdout(), "free\n");
    }

    async fn an_upload_during_a_run_is_kept_beside_what_the_run_did(client) {
        client.session("s").await;
        client.put_bytes("/api/sessions/s/files/both", "before").await;
        let run = client.run("s", "import time\nopen('mine', 'w').write('m')\nopen('x', 'w').write('run')\ntime.sleep(1.5)");
        let upload = async {
            while client.get("/api/sessions/s").await.json["last_run_at"] == "" {}
            client.put_bytes("/api/sessions/s/files/yours", "y").await;
            client.put_bytes("/api/sessions/s/files/both", "after").await;
            client.put_bytes("/api/sessions/s/files/x/y", "in the way").await.status
        };
        let (run, upload) = futures_util::join!(run, upload);
        assert_eq!((run.status, upload), (200, 200), "{}", run.json);
        assert_eq!(client.paths("s").await, ["both", "mine", "x", "yours"]);
        assert_eq!(client.get("/api/sessions/s/files/both").await.bytes, b"after");
    }

    async fn those_who_change_different_settings_at_once_all_do(client) {
        client.session("s").await;
        for _ in 0..20 {
            client.patch("/api/sessions/s", &json!({"default_timeout": 1, "allowPublicAccess": false,
                "allowInternetAccess": false, "metadata": {}})).await;
            let changes = [json!({"default_timeout": 9}), json!({"allowPublicAccess": true}),
                json!({"allowInternetAccess": true}), json!({"metadata": {"a": 1}})];
            let changed = join_all(changes.iter().map(|change| client.patch("/api/sessions/s", change))).await;
            assert!(changed.iter().all(|answer| answer.status == 200));
            let now = client.get("/api/sessions/s").await.json;
            assert_eq!(
                (&now["default_timeout"], &now["allowPublicAccess"], &now["allowInternetAccess"], &now["metadata"]),
                (&json!(9), &json!(true), &json!(true), &json!({"a": 1}))
            );
        }
        assert_eq!(client.patch("/api/sessions/none", &json!({"default_timeout": 9})).await.status, 404);
    }

    async fn one_id_is_made_once(client) {
        let body = json!({"language": "python", "session_id": "s"});
        let made = join_all((0..8).map(|_| client.post("/api/sessions", &body))).await;
        let mut statuses: Vec<u16> = made.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let settings = pentad_exec::Settings {
        concurrent_runs: 1,
        queued_runs: 4,
        ..pentad_testkit::exec_settings()
    };
    let Some(client) = Client::with(None, settings).await else {
        return;
    };
    let codes = join_all((0..8).map(|_| client.execute("python", "import time\ntime.sleep(0.5)"))).await;
    let busy: Vec<_> = codes.iter().filter(|answer| answer.status == 429).collect();
    assert!(!busy.is_empty() && codes.iter().any(|answer| answer.status == 200));
    for answer in busy {
        assert_eq!(answer.code(), "BUSY");
        assert!(
            answer.headers["retry-after"]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= 1
        );
        assert!(
            answer.json["message"].as_str().unwrap().contains("queued_runs"),
            "{}",
            answer.json
        );
    }
}
