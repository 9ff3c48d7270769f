//! Opening what every command works on.

use std::sync::Arc;

use anyhow::Context as _;
use pentad_identity::Identity;
use pentad_kernel::SystemClock;
use pentad_store::{Db, Options};

use crate::config::Storage;

/// Opens the database and brings its schema up to date.
pub(crate) async fn open_database(storage: &Storage) -> anyhow::Result<Db> {
    let options = Options {
        durability: storage.durability,
        ..Options::default()
    };
    let db = Db::open(&storage.database_url, &options)
        .await
        .context("the database cannot be opened")?;
    db.migrate().await.context("the database cannot be used")?;
    Ok(db)
}

/// The accounts in a database.
pub(crate) fn identity(db: Db, storage: &Storage) -> Identity {
    Identity::new(db, Arc::new(SystemClock), storage.plans.clone())
}
