//! Taking a backup while the gateway serves.
//!
//! The database is frozen first, then the objects that its rows name are copied: an object is stored before the row
//! that names it, so all of them were there at that instant. What somebody deletes or a sweep removes in between is
//! found missing; its row has gone by then, and one more freezing, after which little is left to copy, agrees with
//! what is there. Nothing is locked, and no gateway has to know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use pentad_blob::{Blobs, Key, Stored};
use pentad_kernel::{Clock as _, SystemClock, Timestamp};
use pentad_store::{Db, Snapshot};

use super::manifest::{Engine, Entry, Manifest};
use super::objects::{self, Outcome};
use super::progress::Progress;
use super::{
    OBJECTS, POSTGRES_DUMP, SEALING_SECRET, SQL_DATABASES, SQLITE_COPY, counted, in_bytes, postgres,
};
use crate::cli::BackupArguments;
use crate::config::Storage;
use crate::setup;

/// How often the database is frozen before somebody deletes too fast.
const ROUNDS: usize = 10;

/// What a data directory has that is made anew by whoever needs it: packages that were installed, and the scratch
/// space of sandboxes.
const MADE_ANEW: &[&str] = &["cache", "sandbox"];

/// An instant of the database, and what belongs to it.
struct Frozen {
    snapshot: Snapshot,
    at: Timestamp,
    /// Objects that are named and are not in the store, or are not what their name says.
    missing: Vec<String>,
}

/// Where from and where to.
struct Backup {
    storage: Storage,
    db: Db,
    from: Blobs,
    to: Blobs,
    directory: PathBuf,
    copied: BTreeMap<Key, Stored>,
    progress: Progress,
}

pub(crate) async fn run(arguments: &BackupArguments) -> anyhow::Result<ExitCode> {
    let storage = arguments.storage.resolve()?;
    let directory = std::path::absolute(&arguments.path)?;
    let db = setup::connect(&storage).await?;
    let known = Db::known_schema_version();
    match db.schema_version().await? {
        0 => bail!("there is nothing to back up: the database was never used by pentad"),
        found if found != known => bail!(
            "the database has schema version {found}, this pentad, {}, has {known}: take the backup with the version \
             that serves it",
            env!("CARGO_PKG_VERSION")
        ),
        _ => {}
    }
    make_empty(&directory, &storage)?;
    let from = Blobs::open(&storage.object_store).context("the object store cannot be opened")?;
    let to = Blobs::open(&format!("file:{}", directory.join(OBJECTS).display()))
        .context("the backup cannot be written")?;
    let mut backup = Backup {
        storage,
        db,
        from,
        to,
        directory,
        copied: BTreeMap::new(),
        progress: Progress::start(),
    };
    let manifest = backup.take().await?;
    backup.db.close().await;
    Ok(report(&backup.directory, &manifest, &strangers(&backup.storage)?))
}

impl Backup {
    async fn take(&mut self) -> anyhow::Result<Manifest> {
        let frozen = self.freeze().await?;
        self.forget_unnamed(&frozen).await?;
        let engine = match frozen.snapshot.name() {
            None => Engine::Sqlite,
            Some(_) => Engine::Postgres,
        };
        let version = frozen.snapshot.db().schema_version().await?;
        let mut manifest = Manifest::new(engine, version, frozen.at.to_string());
        manifest.missing.clone_from(&frozen.missing);
        let database = match frozen.snapshot.name() {
            None => SQLITE_COPY,
            Some(name) => {
                self.progress.begin("dumping the database");
                let file = self.directory.join(POSTGRES_DUMP);
                postgres::dump(&self.storage.database_url, name, &file).await?;
                POSTGRES_DUMP
            }
        };
        manifest
            .files
            .push(Entry::of(&self.directory, database.to_owned())?);
        self.copy_sql_databases(&frozen.snapshot, &mut manifest).await?;
        frozen.snapshot.close().await;
        let secret = self.storage.data_dir.join(SEALING_SECRET);
        if secret.exists() {
            fs::copy(&secret, self.directory.join(SEALING_SECRET))
                .with_context(|| format!("cannot copy {}", secret.display()))?;
            manifest
                .files
                .push(Entry::of(&self.directory, SEALING_SECRET.to_owned())?);
        }
        for (key, stored) in &self.copied {
            let path = format!("{OBJECTS}/{key}");
            let there = fs::metadata(self.directory.join(&path)).is_ok_and(|file| file.len() == stored.size);
            if !there {
                bail!(
                    "{path} is not in the backup although it was written: is something else working there?"
                );
            }
            manifest.files.push(Entry {
                path,
                bytes: stored.size,
                sha256: stored.id.to_string(),
            });
        }
        manifest.write(&self.directory)?;
        Ok(manifest)
    }

    /// Finds an instant whose objects are all in the backup.
    async fn freeze(&mut self) -> anyhow::Result<Frozen> {
        let file = self.directory.join(SQLITE_COPY);
        let mut gone_before = BTreeSet::new();
        for round in 1..=ROUNDS {
            self.progress.begin(match round {
                1 => "copying the database",
                _ => "copying the database again: objects were deleted meanwhile",
            });
            if round > 1 && file.exists() {
                fs::remove_file(&file)?;
            }
            let at = SystemClock.now();
            let snapshot = self
                .db
                .snapshot(&file)
                .await
                .context("the database cannot be copied")?;
            let named = objects::named(snapshot.db()).await?;
            let (gone, damaged) = self.copy_objects(named).await?;
            // What is missing although rows still name it, after all that was deleted has lost its row, is lost.
            if gone.is_subset(&gone_before) {
                let missing = gone
                    .iter()
                    .chain(&damaged)
                    .map(|key| format!("{OBJECTS}/{key}"))
                    .collect();
                return Ok(Frozen {
                    snapshot,
                    at,
                    missing,
                });
            }
            gone_before = gone;
            snapshot.close().await;
        }
        bail!("objects are deleted faster than they can be copied: try again when less is going on");
    }

    /// Copies what is not yet in the backup, and tells what could not be.
    async fn copy_objects(&mut self, named: Vec<Key>) -> anyhow::Result<(BTreeSet<Key>, BTreeSet<Key>)> {
        let wanted: Vec<Key> = named
            .into_iter()
            .filter(|key| !self.copied.contains_key(key))
            .collect();
        let all = wanted.len();
        if all > 0 {
            self.progress
                .begin(&format!("copying {}", counted(all, "object")));
        }
        let (mut gone, mut damaged) = (BTreeSet::new(), BTreeSet::new());
        let (mut done, mut bytes) = (0, 0);
        let (copied, progress) = (&mut self.copied, &mut self.progress);
        let copying = objects::copy(&self.from, &self.to, wanted, |key, outcome| {
            done += 1;
            match outcome {
                Outcome::Copied(stored) => {
                    bytes += stored.size;
                    copied.insert(key, stored);
                }
                Outcome::Gone => _ = gone.insert(key),
                Outcome::Damaged => _ = damaged.insert(key),
            }
            progress.at(|| format!("{done} of {}, {}", counted(all, "object"), in_bytes(bytes)));
        });
        copying.await.context("the objects cannot be copied")?;
        Ok((gone, damaged))
    }

    /// Removes objects whose rows have gone since they were copied.
    async fn forget_unnamed(&mut self, frozen: &Frozen) -> anyhow::Result<()> {
        let named: BTreeSet<Key> = objects::named(frozen.snapshot.db()).await?.into_iter().collect();
        let unnamed: Vec<Key> = self
            .copied
            .keys()
            .filter(|key| !named.contains(*key))
            .cloned()
            .collect();
        for key in &unnamed {
            self.copied.remove(key);
        }
        Ok(self.to.delete_many(unnamed).await?)
    }

    async fn copy_sql_databases(
        &mut self,
        snapshot: &Snapshot,
        manifest: &mut Manifest,
    ) -> anyhow::Result<()> {
        let files = pentad_storage::database_files(snapshot.db()).await?;
        if files.is_empty() {
            return Ok(());
        }
        self.progress
            .begin(&format!("copying {}", counted(files.len(), "SQL database")));
        fs::create_dir(self.directory.join(SQL_DATABASES))?;
        for (done, name) in files.iter().enumerate() {
            let path = format!("{SQL_DATABASES}/{name}");
            let from = self.storage.data_dir.join(SQL_DATABASES).join(name);
            if from.exists() {
                let to = self.directory.join(&path);
                tokio::task::spawn_blocking(move || pentad_storage::copy_database(&from, &to))
                    .await?
                    .with_context(|| format!("{path} cannot be copied"))?;
                manifest.files.push(Entry::of(&self.directory, path)?);
            } else {
                manifest.missing.push(path);
            }
            self.progress
                .at(|| format!("{} of {}", done + 1, counted(files.len(), "SQL database")));
        }
        Ok(())
    }
}

/// Makes the directory of the backup, which nobody else may read: it holds secrets.
fn make_empty(directory: &Path, storage: &Storage) -> anyhow::Result<()> {
    let shown = directory.display();
    let data = std::path::absolute(&storage.data_dir)?;
    if directory.starts_with(&data) {
        bail!(
            "the backup {shown} would be inside of what it is a backup of, {}: give it a place of its own",
            data.display()
        );
    }
    match fs::read_dir(directory).map(|entries| entries.count() > 0) {
        Ok(true) => {
            bail!("{shown} is not empty: a backup gets a directory of its own");
        }
        Ok(false) => fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot use {shown}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("cannot make {shown}")),
        Err(error) => Err(error).with_context(|| format!("cannot use {shown}")),
    }
}

/// What lies in the data directory and is nothing of ours.
fn strangers(storage: &Storage) -> anyhow::Result<Vec<String>> {
    let database = storage.database_url.strip_prefix("sqlite:").map(Path::new);
    let database = database
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy().into_owned());
    let is_ours = |name: &str| {
        [OBJECTS, SQL_DATABASES, SEALING_SECRET].contains(&name)
            || MADE_ANEW.contains(&name)
            || database
                .as_ref()
                .is_some_and(|stem| name.starts_with(stem.as_str()))
    };
    let entries = match fs::read_dir(&storage.data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_ours(&name) {
            found.push(name);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Says what is in the backup. One that lacks something is a backup all the same, but no success.
fn report(directory: &Path, manifest: &Manifest, strangers: &[String]) -> ExitCode {
    let database = [SQLITE_COPY, POSTGRES_DUMP]
        .iter()
        .find_map(|name| manifest.file(name));
    let of = |below: &str| {
        let files: Vec<&Entry> = manifest.below(below).map(|(_, file)| file).collect();
        (files.len(), in_bytes(files.iter().map(|file| file.bytes).sum()))
    };
    let (objects, object_bytes) = of(OBJECTS);
    let (databases, database_bytes) = of(SQL_DATABASES);
    say!(
        "{}\n  taken at       {}\n  database       {}, schema version {}\n  objects        {objects}, {object_bytes}\n  \
         SQL databases  {databases}, {database_bytes}\n  sealing secret {}",
        directory.display(),
        manifest.taken_at,
        in_bytes(database.map_or(0, |file| file.bytes)),
        manifest.schema_version,
        match manifest.file(SEALING_SECRET) {
            Some(_) => "in the backup: keep it as you keep a password",
            None => "not in the backup: keep PENTAD_SEALING_SECRET yourself, if you set it",
        },
    );
    if !strangers.is_empty() {
        say!("  left out       {}: nothing of pentad's", strangers.join(", "));
    }
    if manifest.missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "pentad: {} that the database names could not be copied, because it is gone or damaged where it is stored:",
        counted(manifest.missing.len(), "file")
    );
    for path in &manifest.missing {
        eprintln!("  {path}");
    }
    ExitCode::FAILURE
}
