//! Keeps a value and asks a database: `cargo run -p pentad-storage --example keep`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::SystemClock;
use pentad_storage::{Key, Namespace, NewEntry, Settings, Statement, Storage};
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
    let key = NewKey::of(KeyFamily::Exec);
    let key = identity.mint_key(&user.home_organisation, &user.id, key).await?;
    let actor = &identity.authenticate(key.secret()).await?.actor;

    let settings = Settings::in_directory(folder.path());
    let storage = Storage::open(db, Blobs::open("memory:")?, clock, settings)?;
    let app = Namespace::parse("app")?;
    let theme = Key::parse("config/theme")?;
    storage.kv_set(actor, &app, &theme, NewEntry::of("dark")).await?;
    println!("{}", storage.kv_get(actor, &app, &theme).await?.value);
    for statement in [
        "CREATE TABLE users (name TEXT)",
        "INSERT INTO users VALUES ('Ada')",
    ] {
        storage.d1_exec(actor, &app, Statement::of(statement)).await?;
    }
    let answer = storage
        .d1_query(actor, &app, Statement::of("SELECT name FROM users"))
        .await?;
    println!("{} with {} rows", answer.columns.join(", "), answer.rows.len());
    Ok(())
}
