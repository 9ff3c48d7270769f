//! Two gateways on one PostgreSQL and one bucket: whatever is asked of one, the other knows.

use std::time::Duration;

use pentad_identity::{KeyFamily, NewKey};
use pentad_kernel::{ScopeSet, secret};
use pentad_store::testing::TestDb;
use pentad_testkit::{Setup, TestGateway};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::examples_of_sync::archive;

/// How long something that one gateway did may be unknown to the other, where a contract allows for that.
const SOON: Duration = Duration::from_secs(5);

/// Gateways that share everything, and a key with scope `*`.
struct Pair {
    here: TestGateway,
    there: TestGateway,
    key: String,
}

impl Pair {
    async fn start() -> Option<Self> {
        let setup = |database| Setup {
            database,
            s3: true,
            exec: pentad_testkit::engine().map(|engine| (engine, pentad_testkit::exec_settings())),
            ..Setup::default()
        };
        let here = TestGateway::with(setup(Some(TestDb::postgres().await?))).await;
        let there = here.beside(setup(None)).await;
        let key = here.key().to_owned();
        Some(Self { here, there, key })
    }

    /// Both, beginning with the one whose turn it is.
    fn from(&self, turn: usize) -> [&TestGateway; 2] {
        if turn.is_multiple_of(2) {
            [&self.here, &self.there]
        } else {
            [&self.there, &self.here]
        }
    }

    fn request(&self, gateway: &TestGateway, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = gateway
            .client()
            .request(method.parse().unwrap(), gateway.url(path));
        request.bearer_auth(&self.key)
    }

    async fn call(&self, gateway: &TestGateway, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(gateway, method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// A call that has to succeed.
    async fn good(&self, gateway: &TestGateway, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(gateway, method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asks again until the answer is as wanted, for as long as a contract allows.
async fn soon<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let Some(found) = ask().await {
            return Some(found);
        }
        tokio::task::yield_now().await;
    }
    None
}

fn files(name: &str, text: &str) -> Form {
    Form::new().part(
        "files",
        Part::bytes(text.as_bytes().to_vec()).file_name(name.to_owned()),
    )
}

#[tokio::test]
async fn a_grep_session_answers_on_both_whatever_its_storage() {
    let Some(pair) = Pair::start().await else { return };
    for (turn, storage) in ["memory", "s3"].into_iter().enumerate() {
        let [one, other] = pair.from(turn);
        let form = files("a.txt", "needle one\n").text("storage", storage);
        let (status, made) = answer(pair.request(one, "POST", "/api/v1/sessions").multipart(form)).await;
        assert_eq!(status, 201, "{made}");
        let session = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
        let search = format!("{session}/grep?query=needle");
        let count = async |gateway| pair.good(gateway, "GET", &search, Value::Null).await["total"].clone();
        assert_eq!(count(other).await, 1);
        let more = files("b.txt", "needle two\n");
        let appended = answer(
            pair.request(other, "PUT", &format!("{session}/append"))
                .multipart(more),
        )
        .await;
        assert_eq!(appended.0, 200, "{}", appended.1);
        assert_eq!(count(one).await, 2);
        pair.good(one, "DELETE", &format!("{session}?permanently=true"), Value::Null)
            .await;
        let gone = pair.call(other, "GET", &search, Value::Null).await;
        assert_eq!(gone.0, 404, "{}", gone.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_a_session_take_their_turns_on_both() {
    if pentad_testkit::engine().is_none() {
        return;
    }
    let Some(pair) = Pair::start().await else { return };
    pair.good(
        &pair.here,
        "POST",
        "/api/sessions",
        json!({"language": "python", "session_id": "turns"}),
    )
    .await;
    // Each run reads what the one before has written; two at once would count one step less.
    let code = "import pathlib\nf = pathlib.Path('count')\nn = int(f.read_text()) if f.exists() else 0\n\
                f.write_text(str(n + 1))\nprint(n + 1)";
    let runs = (0..6).map(|turn| {
        let [one, _] = pair.from(turn);
        pair.good(one, "POST", "/api/sessions/turns/run", json!({ "code": code }))
    });
    let mut counted: Vec<i64> = futures(runs)
        .await
        .iter()
        .map(|run| run["stdout"].as_str().unwrap().trim().parse().unwrap())
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [1, 2, 3, 4, 5, 6]);
}

/// All of them, at once.
pub(crate) async fn futures<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut answers: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut left = false;
        for (future, answer) in waiting.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *answer = Some(output),
                    std::task::Poll::Pending => left = true,
                }
            }
        }
        if left {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(answers.iter_mut().map(|answer| answer.take().unwrap()).collect())
    })
    .await
}

#[tokio::test]
async fn storage_is_one_for_both_and_statements_at_once_are_all_done() {
    let Some(pair) = Pair::start().await else { return };
    let exec = "/api/storage/d1/shared/exec";
    pair.good(
        &pair.here,
        "POST",
        exec,
        json!({"sql": "CREATE TABLE t (n INTEGER PRIMARY KEY, by TEXT)"}),
    )
    .await;
    let inserts = (0..12).map(|number| {
        let [one, _] = pair.from(number);
        let sql = json!({"sql": "INSERT INTO t (by) VALUES (?)", "params": [format!("writer {number}")]});
        pair.good(one, "POST", exec, sql)
    });
    futures(inserts).await;
    for gateway in pair.from(0) {
        let query = json!({"sql": "SELECT COUNT(DISTINCT by) AS c, MAX(n) AS last FROM t"});
        let read = pair
            .good(gateway, "POST", "/api/storage/d1/shared/query", query)
            .await;
        let text = read.to_string();
        assert!(text.contains("12"), "{text}");
    }
    pair.good(&pair.here, "PUT", "/api/storage/kv/n/k", json!({"value": "here"}))
        .await;
    let read = pair
        .good(&pair.there, "GET", "/api/storage/kv/n/k", Value::Null)
        .await;
    assert_eq!(read["value"], "here");
}

#[tokio::test]
async fn a_memory_is_known_to_both_and_the_chain_of_events_has_one_order() {
    let Some(pair) = Pair::start().await else { return };
    let adds = (0..8).map(|number| {
        let [one, _] = pair.from(number);
        pair.good(
            one,
            "POST",
            "/agent/memories",
            json!({"content": format!("The harbour number {number} is open")}),
        )
    });
    futures(adds).await;
    // The clock of a test stands still, and each write takes an instant of its own.
    pair.here.clock().advance_micros(1_000);
    for gateway in pair.from(1) {
        let list = pair
            .good(gateway, "GET", "/agent/memories?limit=50", Value::Null)
            .await;
        let count = list.to_string().matches("The harbour number").count();
        assert!(count >= 8, "{list}");
        let found = pair
            .good(
                gateway,
                "POST",
                "/agent/query",
                json!({"question": "Which harbour is open?"}),
            )
            .await;
        assert!(found.to_string().contains("harbour number"), "{found}");
    }
}

#[tokio::test]
async fn a_run_has_one_order_whoever_writes_and_both_tell_of_it() {
    let Some(pair) = Pair::start().await else { return };
    let events = "/api/v1/runs/shared/events";
    let body = |number| {
        json!({"step_index": 0, "events": [
            {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "info", "summary": format!("event {number}")}]})
    };
    pair.good(&pair.here, "POST", events, body(0)).await;
    // Somebody watches at the one gateway, and the other is written to.
    let mut watched = pair
        .request(&pair.there, "GET", "/api/v1/runs/shared/stream")
        .send()
        .await
        .unwrap();
    futures((1..20).map(|number| {
        let [one, _] = pair.from(number);
        pair.good(one, "POST", events, body(number))
    }))
    .await;
    let read = async |gateway| {
        let path = "/api/v1/runs/shared/events/0000.jsonl";
        let answer = pair.request(gateway, "GET", path).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let (one, other) = (read(&pair.here).await, read(&pair.there).await);
    assert_eq!(one, other);
    for number in 0..20 {
        assert_eq!(one.matches(&format!("\"event {number}\"")).count(), 1, "{one}");
    }
    let told = tokio::time::timeout(SOON, async {
        let mut text = String::new();
        while !text.contains("event: change") {
            text += std::str::from_utf8(&watched.chunk().await.unwrap().unwrap()).unwrap();
        }
    });
    told.await.expect("the follower at the other gateway is told");
}

#[tokio::test]
async fn a_follower_learns_of_what_only_the_other_gateway_wrote() {
    let Some(pair) = Pair::start().await else { return };
    let log = |text: &str| json!({ "text": text });
    pair.good(&pair.here, "POST", "/api/v1/runs/quiet/logs", log("one\n"))
        .await;
    let mut watched = pair
        .request(&pair.there, "GET", "/api/v1/runs/quiet/stream")
        .send()
        .await
        .unwrap();
    pair.good(&pair.here, "POST", "/api/v1/runs/quiet/logs", log("two\n"))
        .await;
    let told = tokio::time::timeout(SOON, async {
        let mut text = String::new();
        while !text.contains("event: change") {
            text += std::str::from_utf8(&watched.chunk().await.unwrap().unwrap()).unwrap();
        }
    });
    told.await.expect("the follower at the other gateway is told");
}

#[tokio::test]
async fn a_client_is_one_connection_whichever_gateway_it_speaks_to() {
    let Some(pair) = Pair::start().await else { return };
    let beat = json!({"client_id": "sdk_1", "client_name": "sdk", "capture_mode": "full", "run_id": "r1"});
    pair.good(&pair.here, "POST", "/api/v1/heartbeat", beat).await;
    // Of a run that nobody named, the record itself is the sign.
    pair.good(
        &pair.here,
        "POST",
        "/api/v1/runs/ghost/logs",
        json!({"text": "line\n"}),
    )
    .await;
    let listed = pair
        .good(&pair.there, "GET", "/api/v1/connections", Value::Null)
        .await;
    assert!(listed.to_string().contains("run:ghost"), "{listed}");
    // The other gateway does not know who is behind the run.
    pair.good(
        &pair.there,
        "POST",
        "/api/v1/runs/r1/logs",
        json!({"text": "line\n"}),
    )
    .await;
    for gateway in pair.from(0) {
        let listed = pair
            .good(gateway, "GET", "/api/v1/connections", Value::Null)
            .await;
        let text = listed.to_string();
        assert!(text.contains("sdk_1") && !text.contains("run:r1"), "{text}");
    }
}

#[tokio::test]
async fn settings_that_were_changed_here_count_there_at_once() {
    let Some(pair) = Pair::start().await else { return };
    let call = "/api/v1/runs/r/modelio/0000-planner-0.json";
    let body = json!({"request": {}, "response": {}});
    assert_eq!(pair.call(&pair.there, "POST", call, body.clone()).await.0, 403);
    pair.good(
        &pair.here,
        "PUT",
        "/api/v1/tenant/settings",
        json!({"modelio_enabled": true}),
    )
    .await;
    let taken = pair.call(&pair.there, "POST", call, body).await;
    assert_ne!(taken.0, 403, "{}", taken.1);
}

#[tokio::test]
async fn what_is_pushed_here_is_pulled_and_found_there() {
    let Some(pair) = Pair::start().await else { return };
    let path = "/api/v1/sessions/ses_0123456789abcdef/sync";
    let form = Form::new().part("file", Part::bytes(archive("Shared")).file_name("session.tar.gz"));
    let (status, pushed) = answer(pair.request(&pair.here, "PUT", path).multipart(form)).await;
    assert!((200..300).contains(&status), "{pushed}");
    let pulled = pair.request(&pair.there, "GET", path).send().await.unwrap();
    assert_eq!(pulled.status(), 200);
    assert_eq!(pulled.bytes().await.unwrap(), archive("Shared"));
    let found = pair
        .good(
            &pair.there,
            "GET",
            "/api/v1/sessions/search?q=quokka",
            Value::Null,
        )
        .await;
    assert!(found.to_string().contains("ses_0123456789abcdef"), "{found}");
}

#[tokio::test]
async fn a_key_revoked_here_opens_nothing_there_within_five_seconds() {
    let Some(pair) = Pair::start().await else { return };
    let new = NewKey::of(KeyFamily::Service).with_scopes(ScopeSet::parse(["memories:read"]).unwrap());
    let minted = pair
        .here
        .identity()
        .mint_key(&pair.here.admin().home_organisation, &pair.here.admin().id, new)
        .await
        .unwrap();
    let ask = async || {
        let request = pair.there.client().get(pair.there.url("/agent/memories?limit=1"));
        request
            .bearer_auth(minted.secret())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(ask().await, 200);
    pair.here
        .identity()
        .revoke_key(&minted.key.id, "test")
        .await
        .unwrap();
    let refused = soon(async || (ask().await == 401).then_some(())).await;
    assert!(refused.is_some(), "the key still opens after {SOON:?}");
}

#[tokio::test]
async fn gateways_that_start_on_an_empty_store_at_once_make_it_one_store() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let identities: Vec<_> = (0..4)
        .map(|_| {
            let clock = std::sync::Arc::new(pentad_kernel::SystemClock);
            pentad_identity::Identity::new(database.db(), clock, pentad_identity::PlanTable::default())
        })
        .collect();
    let made = futures(identities.iter().map(|identity| {
        let password = secret::random_hex(8);
        identity.bootstrap("admin@localhost", Some(password.into()))
    }))
    .await;
    let first = made.into_iter().filter_map(|outcome| outcome.unwrap()).count();
    assert_eq!(first, 1, "one of them makes the administrator");
}
