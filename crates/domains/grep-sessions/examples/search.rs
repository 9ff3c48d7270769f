//! Opens a session with two files, searches it, and adds a third: `cargo run -p pentad-grep-sessions --example search`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_grep_engine::Query;
use pentad_grep_sessions::{GrepSessions, NewSession, Settings};
use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::SystemClock;
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
    let key = NewKey::of(KeyFamily::Grep);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let caller = identity.authenticate(key.secret()).await?;

    let sessions = GrepSessions::new(db, Blobs::open("memory:")?, clock, Settings::default());
    let mut upload = sessions.upload(&caller.plan);
    for (path, text) in [
        ("src/main.rs", "fn main() { run() }\n"),
        ("src/run.rs", "pub fn run() {}\n"),
    ] {
        let mut file = upload.file(path)?;
        file.write(text.as_bytes()).await?;
        upload.add(file).await?;
    }
    let created = sessions
        .create(&caller.actor, &caller.plan, upload, NewSession::default())
        .await?;
    let page = sessions
        .grep(&caller.actor, &created.session.id, Query::plain("run"))
        .await?;
    println!("{} lines with run", page.total);
    Ok(())
}
