//! Records a step and reads it back as the recorder would have written it: `cargo run -p pentad-runs --example record`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::SystemClock;
use pentad_runs::{Json, Limits, RunId, Runs, Submission};
use pentad_store::{Db, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(
        &format!("sqlite:{}/pentad.db", folder.path().display()),
        &Options::default(),
    )
    .await?;
    db.migrate().await?;
    let clock = Arc::new(SystemClock);
    let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
    let user = identity.create_user("ada@example.com", None, false).await?;
    let key = NewKey::of(KeyFamily::Ingest);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let actor = identity.authenticate(key.secret()).await?.actor.clone();

    let runs = Runs::start(db, Blobs::open("memory:")?, clock, Limits::default());
    let run = RunId::parse("login-1").ok_or("that is no name of a run")?;
    let step = br#"{"step_id": "s0", "step_index": 0, "step_type": "click", "status": "succeeded",
        "started_at": "2026-05-19T00:00:00Z", "action": {"type": "click", "params": {"x": 1e-07}}}"#;
    let step = Submission::step(run.clone(), 0, Json::parse(step)?)?;
    runs.ingest(&actor, step).await?;
    let file = runs.file(&actor, &run, "steps/0000.json").await?;
    println!("{}", String::from_utf8_lossy(&file.content));
    runs.close().await;
    Ok(())
}
