//! The recorded session in any order gives the SDK's own bundle, byte for byte.

use std::collections::BTreeMap;

use pentad_runs::{Runs, State};
use pentad_store::testing::TestDb;
use pentad_store::{Db, both_engines};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::recording::{self, Request};
use crate::{actor, start};

/// How many orders are tried on each engine.
const ORDERS: u32 = 60;

/// An order of the requests, some of them twice.
fn orders(requests: Vec<Request>) -> impl Strategy<Value = Vec<Request>> {
    let repeated = proptest::sample::subsequence(requests.clone(), 0..=requests.len() / 3);
    (Just(requests), repeated)
        .prop_map(|(mut requests, repeated)| {
            requests.extend(repeated.into_iter().filter(Request::is_idempotent));
            requests
        })
        .prop_shuffle()
}

/// What the run reads as, for the paths that the SDK's bundle has.
async fn read(
    runs: &Runs,
    organisation: &str,
    paths: impl Iterator<Item = &String>,
) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for path in paths {
        let file = runs.file(&actor(organisation), &recording::run(), path).await;
        let file = file.unwrap_or_else(|error| panic!("{path}: {error}"));
        files.insert(path.clone(), file.content.to_vec());
    }
    files
}

fn same(
    found: &BTreeMap<String, Vec<u8>>,
    expected: &BTreeMap<String, Vec<u8>>,
) -> Result<(), TestCaseError> {
    for (path, content) in expected {
        prop_assert_eq!(
            String::from_utf8_lossy(&found[path]),
            String::from_utf8_lossy(content),
            "{}",
            path
        );
    }
    Ok(())
}

/// Runs the case for many orders, each in an organisation of its own.
fn for_many_orders(
    database: &TestDb,
    requests: Vec<Request>,
    case: &impl AsyncFn(&Runs, &str) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let db = database.db();
    let runs = runtime.block_on(async { start(db) });
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases: ORDERS,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&orders(requests), |order| {
        number.set(number.get() + 1);
        let organisation = format!("org_{}", number.get());
        runtime.block_on(async {
            let sent: Vec<_> = order
                .iter()
                .map(|request| {
                    let (runs, actor, request) = (runs.clone(), actor(&organisation), request.clone());
                    async move { request.send(&runs, &actor).await }
                })
                .collect();
            for request in sent {
                request.await;
            }
            case(&runs, &organisation).await
        })
    });
    runtime.block_on(runs.close());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn any_order_gives_the_bundle(database: &TestDb) {
    let bundle = recording::files();
    for_many_orders(database, recording::requests(), &async |runs, organisation| {
        let found = read(runs, organisation, bundle.keys()).await;
        same(&found, &bundle)?;
        let report = runs
            .integrity(&actor(organisation), &recording::run())
            .await
            .unwrap();
        prop_assert_eq!(report.verdict(), "verified");
        prop_assert_eq!(
            report.count(State::Verified),
            bundle.len() - 1,
            "all but the manifest are signed"
        );
        Ok(())
    });
}

fn without_the_final_posts_every_step_is_there(database: &TestDb) {
    let mut bundle = recording::files();
    bundle.retain(|path, _| path != "manifest.json" && path != "trace.json");
    let requests = recording::requests()
        .into_iter()
        .filter(|request| !request.is_final())
        .collect();
    for_many_orders(database, requests, &async |runs, organisation| {
        let found = read(runs, organisation, bundle.keys()).await;
        same(&found, &bundle)?;
        let trace = runs
            .file(&actor(organisation), &recording::run(), "trace.json")
            .await
            .unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&trace.content).unwrap();
        prop_assert_eq!(trace["steps"].as_array().unwrap().len(), 4);
        prop_assert_eq!(&trace["session"]["status"], "running");
        Ok(())
    });
}

fn on_sqlite(scenario: fn(&TestDb)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(TestDb::sqlite());
    scenario(&database);
}

fn on_postgres(scenario: fn(&TestDb)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(database) = runtime.block_on(TestDb::postgres()) {
        scenario(&database);
    }
}

#[test]
fn any_order_gives_the_bundle_on_sqlite() {
    on_sqlite(any_order_gives_the_bundle);
}

#[test]
fn any_order_gives_the_bundle_on_postgres() {
    on_postgres(any_order_gives_the_bundle);
}

#[test]
fn without_the_final_posts_every_step_is_there_on_sqlite() {
    on_sqlite(without_the_final_posts_every_step_is_there);
}

#[test]
fn without_the_final_posts_every_step_is_there_on_postgres() {
    on_postgres(without_the_final_posts_every_step_is_there);
}

both_engines! {
    async fn all_at_once_gives_the_bundle_too(db: Db) {
        let runs = start(db);
        let sent: Vec<_> = recording::requests()
            .into_iter()
            .map(|request| {
                let runs = runs.clone();
                tokio::spawn(async move { request.send(&runs, &actor("acme")).await })
            })
            .collect();
        for request in sent {
            request.await.unwrap();
        }
        let bundle = recording::files();
        let found = read(&runs, "acme", bundle.keys()).await;
        assert!(same(&found, &bundle).is_ok());
        let listed = runs.files(&actor("acme"), &recording::run()).await.unwrap();
        for path in bundle.keys() {
            assert!(listed.contains(path), "{path}");
        }
        runs.close().await;
    }
}
