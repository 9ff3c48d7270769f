//! Runs two programs in one session; the second finds what the first has left: `cargo run -p pentad-exec --example session`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_exec::{Engine, Exec, NewSession, RunRequest, Settings};
use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::SystemClock;
use pentad_sandbox::{ExecutorOptions, Language, LinuxBackend, LinuxOptions, RuntimeSearch};
use pentad_store::{Db, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the runtime and its threads: what makes sandboxes is a copy of a process with one thread.
    let backend = LinuxBackend::start(&LinuxOptions::default())?;
    tokio::runtime::Runtime::new()?.block_on(example(backend))
}

async fn example(backend: LinuxBackend) -> Result<(), Box<dyn std::error::Error>> {
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
    let key = NewKey::of(KeyFamily::Exec);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let actor = &identity.authenticate(key.secret()).await?.actor;

    let engine = Engine::start(backend, &RuntimeSearch::default(), ExecutorOptions::default());
    let exec = Exec::new(db, Blobs::open("memory:")?, clock, engine, Settings::default())?;
    let session = exec.create(actor, NewSession::of(Language::Python)).await?;
    for code in ["open('answer', 'w').write('42')", "print(open('answer').read())"] {
        let request = RunRequest {
            code: Some(code.to_owned()),
            ..RunRequest::default()
        };
        let run = exec.run(actor, &session.id, request).await?;
        println!(
            "exit code {}, {} files changed",
            run.execution.exit_code, run.files_modified
        );
    }
    Ok(())
}
