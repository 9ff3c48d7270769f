//! `pentad sweep`: what the gateways do by themselves now and then, done now.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pentad_blob::Blobs;
use pentad_exec::{Engine, Exec};
use pentad_grep_sessions::GrepSessions;
use pentad_kernel::{SharedClock, SystemClock};
use pentad_runs::Runs;
use pentad_session_sync::SessionSync;
use pentad_storage::Storage;

use crate::cli::SweepArguments;
use crate::setup;

/// Removes the objects that nothing refers to, of all surfaces.
pub(crate) async fn run(arguments: &SweepArguments) -> anyhow::Result<()> {
    let storage = arguments.storage.resolve()?;
    let age = Duration::from_secs(arguments.older_than);
    let db = setup::open_database(&storage).await?;
    let identity = setup::identity(db.clone(), &storage);
    let blobs = Blobs::open_with(&storage.object_store, &storage.objects)
        .context("the object store cannot be opened")?;
    let clock: SharedClock = Arc::new(SystemClock);

    let settings = pentad_grep_sessions::Settings {
        orphan_age: age,
        ..pentad_grep_sessions::Settings::default()
    };
    let grep = GrepSessions::new(db.clone(), blobs.clone(), Arc::clone(&clock), settings);
    let swept = grep.sweep().await.context("grep sessions")?;
    say!(
        "grep      {} objects, {} deletions finished",
        swept.orphans,
        swept.deletions
    );

    let settings = pentad_session_sync::Settings::default();
    let sync = SessionSync::new(db.clone(), blobs.clone(), identity, Arc::clone(&clock), settings);
    sync.sweep_uploads().await.context("uploads of sessions")?;
    say!(
        "sync      {} objects",
        sync.sweep_objects(age).await.context("sessions")?.deleted
    );

    let engine = Engine::unavailable("nothing is run here");
    let settings = pentad_exec::Settings::default();
    let exec = Exec::new(db.clone(), blobs.clone(), Arc::clone(&clock), engine, settings)
        .context("code execution cannot be set up")?;
    say!(
        "exec      {} objects",
        exec.sweep_objects(age).await.context("files of programs")?
    );

    let settings = pentad_storage::Settings {
        limits: pentad_storage::Limits {
            orphan_seconds: arguments.older_than,
            ..storage.limits()
        },
        ..pentad_storage::Settings::in_directory(storage.data_dir.join("d1"))
    };
    let agents = Storage::open(db.clone(), blobs.clone(), Arc::clone(&clock), settings)
        .context("the storage of agents cannot be opened")?;
    let swept = agents.sweep().await.context("the storage of agents")?;
    say!(
        "storage   {} replaced, {} orphans, {} chunks",
        swept.replaced,
        swept.orphans,
        swept.chunks
    );

    let runs = Runs::start(db.clone(), blobs, clock, pentad_runs::Limits::default());
    runs.sweep_objects(age).await.context("recorded runs")?;
    runs.close().await;
    say!("runs      done");
    db.close().await;
    Ok(())
}
