//! Recorded runs on both engines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod interchange;
mod order;
mod recording;
mod records;

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_kernel::{Actor, ActorKind, Clock, ManualClock, OrganisationId, ScopeSet, Timestamp, UserId};
use pentad_runs::{Json, Limits, RunId, Runs, Submission};
use pentad_store::Db;

pub(crate) fn actor(organisation: &str) -> Actor {
    Actor {
        kind: ActorKind::ServiceKey,
        user: UserId::new("someone"),
        email: "someone@example.com".to_owned(),
        organisation: OrganisationId::new(organisation),
        key: None,
        key_name: None,
        scopes: ScopeSet::all(),
        projects: None,
        is_admin: false,
    }
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(Timestamp::parse("2026-05-19T00:00:00Z").unwrap())
}

pub(crate) fn start_at(db: Db, clock: &ManualClock) -> Runs {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Runs::start(db, Blobs::open("memory:").unwrap(), clock, Limits::default())
}

pub(crate) fn start(db: Db) -> Runs {
    start_at(db, &clock())
}

pub(crate) fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

/// A step with more members after the required ones.
pub(crate) fn step(index: u64, more: &str) -> Json {
    json(&format!(
        r#"{{"step_id":"s{index}","step_index":{index},"step_type":"click","started_at":"2026-05-19T00:00:00Z",
            "action":{{"type":"click"}}{more}}}"#
    ))
}

pub(crate) async fn put_step(runs: &Runs, run: &str, index: u64, more: &str) -> bool {
    let submission = Submission::step(id(run), index, step(index, more)).unwrap();
    runs.ingest(&actor("acme"), submission).await.unwrap().applied
}

pub(crate) async fn read(runs: &Runs, run: &str, path: &str) -> Json {
    let file = runs.file(&actor("acme"), &id(run), path).await.unwrap();
    Json::parse(&file.content).unwrap()
}
