//! Learns that somebody moved, and says where she lives now: `cargo run -p pentad-memories --example believe`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_identity::{Identity, KeyFamily, NewKey, Plan, PlanTable};
use pentad_kernel::SystemClock;
use pentad_memories::{Config, Input, Memories, NewMemory, Query};
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
    let key = NewKey::of(KeyFamily::Memory);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let actor = identity.authenticate(key.secret()).await?.actor.clone();

    let memories = Memories::new(db, identity, clock, Config::default())?;
    for text in ["Alice lives in Berlin.", "Alice moved to Oslo."] {
        let content = Input::Content {
            content: text.to_owned(),
            topic: None,
            importance_score: None,
        };
        let new = NewMemory {
            auto_supersede: Some(true),
            ..NewMemory::of(content)
        };
        memories.add(&actor, &Plan::default(), new).await?;
    }
    let answer = memories
        .query(&actor, &Query::of("Where does Alice live?"))
        .await?;
    println!("{}", answer.answer_with_citations);
    Ok(())
}
