//! The database or the bucket is away, slow, or refuses: requests end in time with 503 and a time to come back, and
//! everything works again as soon as it is back.

use std::sync::Arc;
use std::time::Duration;

use pentad_blob::Limits;
use pentad_blob::testing::S3Server;
use pentad_store::Options;
use pentad_store::testing::TestDb;
use pentad_testkit::{Proxy, Setup, TestGateway};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::several::futures;

/// Longer than any of the bounds below together.
const BOUND: Duration = Duration::from_secs(10);

/// A gateway with a door between it and each of its stores.
struct Fragile {
    gateway: TestGateway,
    database: Proxy,
    bucket: Proxy,
}

impl Fragile {
    async fn start() -> Option<Self> {
        let database = TestDb::postgres().await?;
        let to_database = Proxy::to(authority(database.url())).await;
        let options = Options {
            connections: 4,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            ..Options::default()
        };
        let access = (to_database.in_front_of(database.url()), options);
        let server = Arc::new(S3Server::start().await);
        let to_bucket = Proxy::to(authority(&server.endpoint)).await;
        let mut options = server.options();
        for (name, value) in &mut options.environment {
            if name == "AWS_ENDPOINT_URL" {
                *value = format!("http://{}", to_bucket.address());
            }
        }
        options.limits = Limits {
            timeout: Duration::from_secs(2),
            attempt_timeout: Duration::from_secs(1),
            retries: 1,
            ..Limits::default()
        };
        let setup = Setup {
            database: Some(database),
            database_access: Some(access),
            bucket: Some((server, options)),
            ..Setup::default()
        };
        Some(Self {
            gateway: TestGateway::with(setup).await,
            database: to_database,
            bucket: to_bucket,
        })
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .gateway
            .client()
            .request(method.parse().unwrap(), self.gateway.url(path));
        request.bearer_auth(self.gateway.key())
    }

    /// Asks until everything answers again: connections that died are noticed by their first use.
    async fn recovered(&self, calls: &[Call]) {
        let deadline = Instant::now() + BOUND;
        for call in calls {
            loop {
                let answer = call.send(self).await;
                if answer.status < 300 {
                    break;
                }
                assert_eq!(answer.status, 503, "{}: {}", call.path, answer.body);
                assert!(
                    Instant::now() < deadline,
                    "{} is still away: {}",
                    call.path,
                    answer.body
                );
                tokio::task::yield_now().await;
            }
        }
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    let authority = rest.split('/').next().unwrap();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A request of one surface, and where its envelope keeps the message.
struct Call {
    method: &'static str,
    path: &'static str,
    body: Body,
    message: &'static str,
}

enum Body {
    None,
    Json(Value),
    Files(&'static [(&'static str, &'static str)]),
    Bytes,
}

struct Answered {
    status: u16,
    retry_after: Option<u64>,
    body: Value,
}

impl Call {
    async fn send(&self, fragile: &Fragile) -> Answered {
        let request = fragile.request(self.method, self.path);
        let request = match &self.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Bytes => request
                .header("content-type", "application/octet-stream")
                .body(vec![7_u8; 100_000]),
            Body::Files(fields) => {
                let file = Part::bytes(&b"needle\n"[..]).file_name("a.txt");
                let form = Form::new().part("files", file);
                let form = fields
                    .iter()
                    .fold(form, |form, (name, value)| form.text(*name, *value));
                request.multipart(form)
            }
        };
        let begun = Instant::now();
        let answer = request.send().await.unwrap();
        assert!(
            begun.elapsed() < BOUND,
            "{} took {:?}",
            self.path,
            begun.elapsed()
        );
        let header = |name: &str| answer.headers().get(name)?.to_str().ok()?.parse().ok();
        Answered {
            status: answer.status().as_u16(),
            retry_after: header("retry-after"),
            body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
        }
    }

    async fn is_unavailable(&self, fragile: &Fragile) {
        let answer = self.send(fragile).await;
        assert_eq!(answer.status, 503, "{}: {}", self.path, answer.body);
        assert!(
            answer.retry_after.is_some_and(|seconds| seconds > 0),
            "{}",
            self.path
        );
        let message = answer.body.pointer(self.message).and_then(Value::as_str);
        assert!(
            message.is_some_and(|message| !message.is_empty()),
            "{}: {}",
            self.path,
            answer.body
        );
    }
}

fn json(path: &'static str, body: Value, message: &'static str) -> Call {
    Call {
        method: "POST",
        path,
        body: Body::Json(body),
        message,
    }
}

fn get(path: &'static str, message: &'static str) -> Call {
    Call {
        method: "GET",
        path,
        body: Body::None,
        message,
    }
}

/// What needs the database, of every surface, reading and writing.
fn of_database() -> Vec<Call> {
    vec![
        Call {
            method: "POST",
            path: "/api/v1/sessions",
            body: Body::Files(&[("storage", "memory")]),
            message: "/error",
        },
        json(
            "/agent/memories",
            json!({"content": "The harbour is open"}),
            "/detail",
        ),
        get("/agent/memories?limit=1", "/detail"),
        get("/api/v1/sessions", "/error/message"),
        get("/api/sessions", "/message"),
        json("/api/sessions", json!({"language": "python"}), "/message"),
        json("/api/v1/runs/r/logs", json!({"text": "line\n"}), "/detail"),
        get("/api/v1/runs", "/detail"),
        Call {
            method: "PUT",
            path: "/api/storage/kv/n/k",
            body: Body::Json(json!({"value": "v"})),
            message: "/message",
        },
        json(
            "/api/storage/d1/n/exec",
            json!({"sql": "CREATE TABLE IF NOT EXISTS t (n)"}),
            "/message",
        ),
        get("/readyz", "/error/message"),
    ]
}

/// What needs the bucket: a statement that changes nothing does not, so each round makes another table.
fn of_bucket(round: usize) -> Vec<Call> {
    vec![
        Call {
            method: "POST",
            path: "/api/v1/sessions",
            body: Body::Files(&[("storage", "s3")]),
            message: "/error",
        },
        Call {
            method: "PUT",
            path: "/api/storage/r2/n/object",
            body: Body::Bytes,
            message: "/message",
        },
        json(
            "/api/storage/d1/m/exec",
            json!({"sql": format!("CREATE TABLE IF NOT EXISTS t{round} (n)")}),
            "/message",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_is_waited_for_within_bounds_and_found_again() {
    let Some(fragile) = Fragile::start().await else {
        return;
    };
    let calls = of_database();
    fragile.recovered(&calls).await;
    fragile.database.refuse();
    futures(calls.iter().map(|call| call.is_unavailable(&fragile))).await;
    // What asks nothing of the database goes on.
    assert_eq!(get("/health", "").send(&fragile).await.status, 200);
    fragile.database.pass();
    fragile.recovered(&calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_says_nothing_is_given_up_in_time_and_heard_again() {
    let Some(fragile) = Fragile::start().await else {
        return;
    };
    let calls = of_database();
    fragile.recovered(&calls).await;
    fragile.database.stall();
    futures(calls.iter().map(|call| call.is_unavailable(&fragile))).await;
    fragile.database.pass();
    fragile.recovered(&calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_cut_unseen_cost_a_few_requests_and_no_record_twice() {
    let Some(fragile) = Fragile::start().await else {
        return;
    };
    let post = async |number: usize| {
        let body = json!({"step_index": 0, "events": [
            {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "info", "summary": format!("event {number}")}]});
        let request = fragile.request("POST", "/api/v1/runs/cut/events").json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..60 {
        if number % 10 == 5 {
            fragile.database.cut();
        }
        match post(number).await {
            202 => taken.push(number),
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused <= 12, "{refused} of 60 requests failed for 6 cuts");
    let path = "/api/v1/runs/cut/events/0000.jsonl";
    let recorded = fragile
        .request("GET", path)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for number in 0..60 {
        let times = recorded.matches(&format!("\"event {number}\"")).count();
        assert!(times <= 1, "event {number} is there {times} times");
        assert!(
            times == 1 || !taken.contains(&number),
            "event {number} was taken and is missing"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_or_silent_leaves_nothing_by_halves() {
    let Some(fragile) = Fragile::start().await else {
        return;
    };
    for (round, take_away) in [Proxy::refuse, Proxy::stall].into_iter().enumerate() {
        let calls = of_bucket(round);
        take_away(&fragile.bucket);
        futures(calls.iter().map(|call| call.is_unavailable(&fragile))).await;
        // What asks nothing of the bucket goes on.
        let kv = json!({"value": "v"});
        let stored = fragile
            .request("PUT", "/api/storage/kv/n/k")
            .json(&kv)
            .send()
            .await
            .unwrap();
        assert_eq!(stored.status(), 200);
        let listed = get("/api/storage/r2/n", "").send(&fragile).await;
        assert_eq!(listed.body["objects"], json!([]));
        fragile.bucket.pass();
        fragile.recovered(&calls).await;
        let removed = fragile
            .request("DELETE", "/api/storage/r2/n/object")
            .send()
            .await
            .unwrap();
        assert!(removed.status().is_success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_lost_is_written_at_the_end() {
    let Some(fragile) = Fragile::start().await else {
        return;
    };
    let beat = json!({"client_id": "sdk_1", "client_name": "sdk"});
    fragile
        .request("POST", "/api/v1/heartbeat")
        .json(&beat)
        .send()
        .await
        .unwrap();
    fragile.recovered(&of_database()).await;
    let Fragile { gateway, .. } = fragile;
    let beside = gateway.beside(Setup::default()).await;
    // The connections that requests opened outlive the threads that answered them.
    gateway.stop().await;
    let listed = beside
        .client()
        .get(beside.url("/api/v1/connections"))
        .bearer_auth(beside.key());
    let listed = listed.send().await.unwrap().text().await.unwrap();
    assert!(listed.contains("sdk_1"), "{listed}");
    let keys = beside.identity().user_keys(&beside.admin().id).await.unwrap();
    assert!(keys.iter().all(|key| key.last_used_at.is_some()), "{keys:?}");
}
