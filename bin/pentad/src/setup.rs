//! Opening what every command works on.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pentad_identity::Identity;
use pentad_kernel::SystemClock;
use pentad_memories::Memories;
use pentad_store::Db;
use secrecy::SecretString;

use crate::config::Storage;

/// Opens a database that is there, and leaves its schema as it is.
pub(crate) async fn connect(storage: &Storage) -> anyhow::Result<Db> {
    if let Some(path) = storage.database_url.strip_prefix("sqlite:") {
        let path = std::path::Path::new(path.trim_start_matches("//"));
        if !path.is_file() {
            bail!(
                "there is no database at {}: give --data-dir or --database-url as the gateway has it",
                path.display()
            );
        }
    }
    Db::open(&storage.database_url, &storage.database)
        .await
        .context("the database cannot be opened")
}

/// Opens the database and brings its schema up to date.
pub(crate) async fn open_database(storage: &Storage) -> anyhow::Result<Db> {
    let db = Db::open(&storage.database_url, &storage.database)
        .await
        .context("the database cannot be opened")?;
    db.migrate().await.context("the database cannot be used")?;
    Ok(db)
}

/// The accounts in a database.
pub(crate) fn identity(db: Db, storage: &Storage) -> Identity {
    Identity::new(db, Arc::new(SystemClock), storage.plans.clone())
}

/// The secret that stored keys of language models are sealed with: `PENTAD_SEALING_SECRET`, which several
/// gateways on one database have to share, or a file in the data directory, made at the first start.
pub(crate) fn sealing_secret(storage: &Storage) -> anyhow::Result<SecretString> {
    if let Ok(text) = std::env::var("PENTAD_SEALING_SECRET") {
        return Ok(SecretString::from(text));
    }
    let path = storage.data_dir.join("sealing-secret");
    let read = || std::fs::read_to_string(&path).map(|text| SecretString::from(text.trim().to_owned()));
    if let Ok(known) = read() {
        return Ok(known);
    }
    std::fs::create_dir_all(&storage.data_dir).context("the data directory cannot be made")?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let secret = pentad_kernel::secret::random_hex(32);
            file.write_all(secret.as_bytes())
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(SecretString::from(secret))
        }
        // Another program was first.
        Err(_) => read().with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The temporal memories in a database.
pub(crate) fn memories(db: Db, identity: Identity, storage: &Storage) -> anyhow::Result<Memories> {
    let config = storage
        .memory
        .resolve()
        .context("the [memory] configuration cannot be used")?;
    Memories::new(db, identity, Arc::new(SystemClock), config)
        .context("the [memory] configuration cannot be used")
}
