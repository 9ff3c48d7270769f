//! Files a ticket and claims it: `cargo run -p pentad-projects --example claim`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::SystemClock;
use pentad_projects::{NewProject, NewTicket, NoSessions, Projects};
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
    let key = NewKey::of(KeyFamily::User);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let actor = &identity.authenticate(key.secret()).await?.actor;

    let projects = Projects::new(db, identity.clone(), clock, Arc::new(NoSessions));
    let new = NewProject {
        name: "Widgets".to_owned(),
        git_remote: "git@github.com:acme/widgets.git".to_owned(),
        organisation: None,
    };
    let project = projects.create(actor, new).await?;
    let filed = NewTicket::titled("Fix the retry loop");
    let ticket = projects.create_ticket(actor, &project.id, filed).await?.ticket;
    let started = projects
        .start_ticket(actor, &project.id, &ticket.id, Default::default())
        .await?;
    println!(
        "{}: {} in {}, lease {}",
        ticket.id, ticket.title, project.git_remote, started.ticket.ticket.lease_epoch
    );
    Ok(())
}
