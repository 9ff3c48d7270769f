//! Lists the sessions of somebody who has none yet: `cargo run -p pentad-session-sync --example list`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_identity::{Identity, PlanTable};
use pentad_kernel::SystemClock;
use pentad_session_sync::{ListQuery, SessionSync, Settings};
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
    let blobs = Blobs::open("memory:")?;
    let sync = SessionSync::new(db, blobs, identity.clone(), clock, Settings::default());
    let ada = identity.web_caller(&user, &user.home_organisation).await?;
    let page = sync.list(&ada.actor, &ListQuery::default()).await?;
    println!("{} sessions", page.total);
    Ok(())
}
