//! Restoring a backup into an empty place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use pentad_blob::{Blobs, Key};
use pentad_kernel::id;
use pentad_store::Db;

use super::manifest::{Engine, Manifest, write_new};
use super::objects::{self, Outcome};
use super::progress::Progress;
use super::{
    OBJECTS, POSTGRES_DUMP, SEALING_SECRET, SQL_DATABASES, SQLITE_COPY, counted, in_bytes, postgres,
};
use crate::cli::RestoreArguments;
use crate::config::Storage;
use crate::setup;

pub(crate) async fn run(arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let backup = std::path::absolute(&arguments.path)?;
    let mut progress = Progress::start();
    let manifest = Manifest::read(&backup)?;
    let known = Db::known_schema_version();
    if manifest.schema_version > known {
        bail!(
            "the backup has schema version {}, written by pentad {}; this one, {}, knows versions up to {known}: \
             restore it with that version or a later one",
            manifest.schema_version,
            manifest.pentad,
            env!("CARGO_PKG_VERSION")
        );
    }
    let parts = Parts::of(&manifest)?;
    progress.begin(&format!(
        "verifying {}, {}",
        counted(manifest.files.len(), "file"),
        in_bytes(manifest.bytes())
    ));
    manifest.verify(&backup, &mut progress)?;
    if arguments.check {
        say!(
            "{} is complete: {}, {}, taken at {} by pentad {}",
            backup.display(),
            counted(manifest.files.len(), "file"),
            in_bytes(manifest.bytes()),
            manifest.taken_at,
            manifest.pentad
        );
        return Ok(warn_of_missing(&manifest));
    }
    let storage = arguments.storage.resolve()?;
    let target = Target::empty(&storage, manifest.engine, arguments.keep_objects).await?;
    target.fill(&backup, &manifest, parts, &mut progress).await?;
    say!(
        "restored what pentad {} backed up at {}\n  data directory {}\n  objects        {}",
        manifest.pentad,
        manifest.taken_at,
        storage.data_dir.display(),
        storage.object_store,
    );
    if manifest.file(SEALING_SECRET).is_none() {
        say!("  sealing secret not in the backup: set PENTAD_SEALING_SECRET to what it was");
    }
    Ok(warn_of_missing(&manifest))
}

/// What a backup never had is said again. It is no failure of restoring.
fn warn_of_missing(manifest: &Manifest) -> ExitCode {
    if !manifest.missing.is_empty() {
        eprintln!(
            "pentad: when the backup was taken, {} that the database names could not be copied:",
            counted(manifest.missing.len(), "file")
        );
        for path in &manifest.missing {
            eprintln!("  {path}");
        }
    }
    ExitCode::SUCCESS
}

/// The files of a backup, by what they are.
struct Parts {
    objects: Vec<Key>,
    sql_databases: Vec<String>,
    sealing_secret: bool,
}

impl Parts {
    /// Sorts the files. A name that leads elsewhere is no file of a backup.
    fn of(manifest: &Manifest) -> anyhow::Result<Self> {
        let mut parts = Self {
            objects: Vec::new(),
            sql_databases: Vec::new(),
            sealing_secret: false,
        };
        let database = match manifest.engine {
            Engine::Sqlite => SQLITE_COPY,
            Engine::Postgres => POSTGRES_DUMP,
        };
        let mut has_database = false;
        for file in &manifest.files {
            let below = |directory: &str| file.path.strip_prefix(directory)?.strip_prefix('/');
            if let Some(key) = below(OBJECTS).and_then(|name| Key::parse(name).ok()) {
                parts.objects.push(key);
            } else if let Some(name) = below(SQL_DATABASES).filter(|name| is_sql_database(name)) {
                parts.sql_databases.push(name.to_owned());
            } else if file.path == SEALING_SECRET {
                parts.sealing_secret = true;
            } else if file.path == database {
                has_database = true;
            } else {
                bail!("the backup has a file that has no place in one: {:?}", file.path);
            }
        }
        if !has_database {
            bail!("the backup has no {database}");
        }
        Ok(parts)
    }
}

fn is_sql_database(name: &str) -> bool {
    name.strip_suffix(".db").is_some_and(id::is_uuid)
}

/// Where a backup is restored to.
struct Target {
    data_dir: PathBuf,
    database: Database,
    objects: Blobs,
}

enum Database {
    Sqlite(PathBuf),
    /// By its URL.
    Postgres(String),
}

impl Target {
    /// Refuses a place where something is already.
    async fn empty(storage: &Storage, engine: Engine, keep_objects: bool) -> anyhow::Result<Self> {
        let data_dir = std::path::absolute(&storage.data_dir)?;
        refuse_used(&data_dir)?;
        let database = match (engine, storage.database_url.strip_prefix("sqlite:")) {
            (Engine::Sqlite, Some(path)) => {
                let path = std::path::absolute(path.trim_start_matches("//"))?;
                if path.exists() {
                    bail!("{} is there already: nothing is overwritten", path.display());
                }
                Database::Sqlite(path)
            }
            (Engine::Postgres, None) => {
                let db = setup::connect(storage).await?;
                let is_empty = db.is_empty().await?;
                db.close().await;
                if !is_empty {
                    bail!(
                        "the database has tables already: nothing is overwritten; give --database-url an empty one"
                    );
                }
                Database::Postgres(storage.database_url.clone())
            }
            (Engine::Sqlite, None) => bail!(
                "the backup is one of SQLite and cannot be restored into PostgreSQL: leave --database-url out, or \
                 give sqlite:FILE"
            ),
            (Engine::Postgres, Some(_)) => bail!(
                "the backup is one of PostgreSQL and cannot be restored into SQLite: give --database-url an empty \
                 PostgreSQL database"
            ),
        };
        let objects = Blobs::open(&storage.object_store).context("the object store cannot be opened")?;
        if !keep_objects
            && !objects
                .is_empty()
                .await
                .context("the object store does not answer")?
        {
            bail!(
                "{} holds objects already: give --object-store an empty place, or say --keep-objects when nobody else \
                 uses this one",
                storage.object_store
            );
        }
        Ok(Self {
            data_dir,
            database,
            objects,
        })
    }

    /// The database comes last: before that, nothing looks like a store that could be served.
    async fn fill(
        &self,
        backup: &Path,
        manifest: &Manifest,
        parts: Parts,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(&self.data_dir)
            .with_context(|| format!("cannot make {}", self.data_dir.display()))?;
        self.copy_objects(backup, parts.objects, progress).await?;
        if !parts.sql_databases.is_empty() {
            let (from, to) = (backup.join(SQL_DATABASES), self.data_dir.join(SQL_DATABASES));
            fs::create_dir_all(&to)?;
            for name in &parts.sql_databases {
                copy_file(&from.join(name), &to.join(name))?;
            }
            File::open(&to)?.sync_all()?;
        }
        if parts.sealing_secret {
            write_new(
                &self.data_dir.join(SEALING_SECRET),
                &fs::read(backup.join(SEALING_SECRET))?,
            )?;
        }
        progress.begin("restoring the database");
        match &self.database {
            Database::Postgres(url) => postgres::restore(url, &backup.join(POSTGRES_DUMP)).await?,
            Database::Sqlite(path) => {
                let parent = path.parent().unwrap_or(&self.data_dir);
                fs::create_dir_all(parent)?;
                let building = path.with_extension("restoring");
                copy_file(&backup.join(SQLITE_COPY), &building)?;
                fs::rename(&building, path)?;
                File::open(parent)?.sync_all()?;
            }
        }
        File::open(&self.data_dir)?.sync_all()?;
        tracing::debug!(files = manifest.files.len(), "backup restored");
        Ok(())
    }

    async fn copy_objects(
        &self,
        backup: &Path,
        keys: Vec<Key>,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let from = Blobs::open(&format!("file:{}", backup.join(OBJECTS).display()))?;
        let all = keys.len();
        progress.begin(&format!("restoring {}", counted(all, "object")));
        let (mut done, mut lost) = (0, Vec::new());
        objects::copy(&from, &self.objects, keys, |key, outcome| {
            done += 1;
            if !matches!(outcome, Outcome::Copied(_)) {
                lost.push(key);
            }
            progress.at(|| format!("{done} of {}", counted(all, "object")));
        })
        .await
        .context("the objects cannot be restored")?;
        match lost.first() {
            None => Ok(()),
            Some(key) => {
                bail!("{OBJECTS}/{key} was in the backup a moment ago, and is not what it was any more")
            }
        }
    }
}

/// Refuses a data directory that holds anything but what file systems put into their roots.
fn refuse_used(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    for entry in entries {
        if entry?.file_name() != "lost+found" {
            bail!(
                "the data directory {shown} is not empty: nothing is overwritten; give --data-dir an empty one, or \
                 move this one away"
            );
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to)
        .and_then(|_| File::open(to)?.sync_all())
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
