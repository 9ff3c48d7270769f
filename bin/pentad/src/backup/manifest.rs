//! What a backup holds, and whether it still does.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use pentad_kernel::secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::in_bytes;
use super::progress::Progress;

/// The form that this program writes and reads.
const FORMAT: u32 = 1;
const NAME: &str = "manifest.json";
const SUM: &str = "manifest.sha256";
/// Bytes read at a time.
const PIECE: usize = 1 << 20;
/// So many damaged files are named.
const NAMED: usize = 10;

/// The engine of the database in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The version of the program that took the backup.
    pub(super) pentad: String,
    /// The instant of the database.
    pub(super) taken_at: String,
    pub(super) engine: Engine,
    pub(super) schema_version: i64,
    /// Files that should be in the backup but were not where the database said.
    pub(super) missing: Vec<String>,
    /// All files but the manifest itself, by path.
    pub(super) files: Vec<Entry>,
}

/// One file of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path below the backup.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// Hex.
    pub(super) sha256: String,
}

impl Entry {
    /// The entry of a file that is in the backup, which is on disk when this returns.
    pub(super) fn of(backup: &Path, path: String) -> anyhow::Result<Self> {
        let file = backup.join(&path);
        let measured = File::open(&file)
            .and_then(|open| open.sync_all())
            .and_then(|()| digest(&file));
        let (bytes, sha256) = measured.with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self { path, bytes, sha256 })
    }
}

impl Manifest {
    pub(super) fn new(engine: Engine, schema_version: i64, taken_at: String) -> Self {
        Self {
            format: FORMAT,
            pentad: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            engine,
            schema_version,
            missing: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Makes the backup complete: everything else has to be on disk.
    pub(super) fn write(&self, backup: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        let sum = format!("{}  {NAME}\n", secret::sha256_hex(&text));
        let written = write_new(&backup.join(SUM), sum.as_bytes())
            .and_then(|()| write_new(&backup.join(NAME), &text))
            .and_then(|()| File::open(backup)?.sync_all());
        written.with_context(|| format!("cannot write {NAME} in {}", backup.display()))
    }

    /// Reads the manifest of a backup, and refuses one that cannot be trusted.
    pub(super) fn read(backup: &Path) -> anyhow::Result<Self> {
        let shown = backup.display();
        if !backup.is_dir() {
            bail!("there is no backup at {shown}: it is no directory");
        }
        let read = |name: &str| {
            std::fs::read(backup.join(name)).with_context(|| {
                format!(
                    "{shown} is no complete backup: its {name} cannot be read; `pentad backup` writes it last"
                )
            })
        };
        let (text, sum) = (read(NAME)?, read(SUM)?);
        if !sum.starts_with(secret::sha256_hex(&text).as_bytes()) {
            bail!("the backup {shown} is damaged: its {NAME} is not what {SUM} says; nothing was restored");
        }
        // Told apart first: what a later format is like, nobody knows here.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            pentad: String,
        }
        let Format { format, pentad } =
            serde_json::from_slice(&text).with_context(|| format!("{NAME} in {shown} is not understood"))?;
        if format != FORMAT {
            bail!(
                "the backup {shown} has format {format}, written by pentad {pentad}; this one, {}, reads format \
                 {FORMAT}: restore it with that version",
                env!("CARGO_PKG_VERSION")
            );
        }
        serde_json::from_slice(&text).with_context(|| format!("{NAME} in {shown} is not understood"))
    }

    /// All bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The files below a directory of the backup, by what follows it.
    pub(super) fn below(&self, directory: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let files = self.files.iter();
        files.filter_map(move |file| Some((file.path.strip_prefix(directory)?.strip_prefix('/')?, file)))
    }

    /// The file with a path.
    pub(super) fn file(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Reads every file and compares it with what the manifest says.
    pub(super) fn verify(&self, backup: &Path, progress: &mut Progress) -> anyhow::Result<()> {
        let all = self.bytes();
        let mut read = 0;
        let mut wrong = Vec::new();
        for file in &self.files {
            match digest(&backup.join(&file.path)) {
                Err(error) => wrong.push(format!("{}: {error}", file.path)),
                Ok((bytes, _)) if bytes != file.bytes => {
                    wrong.push(format!(
                        "{}: it has {bytes} bytes instead of {}",
                        file.path, file.bytes
                    ));
                }
                Ok((_, sha256)) if sha256 != file.sha256 => {
                    wrong.push(format!("{}: its content has changed", file.path));
                }
                Ok(_) => {}
            }
            read += file.bytes;
            progress.at(|| format!("verified {} of {}", in_bytes(read), in_bytes(all)));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let more = match wrong.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("\n  and {more} more"),
        };
        wrong.truncate(NAMED);
        bail!(
            "the backup {} is damaged; nothing was restored\n  {}{more}",
            backup.display(),
            wrong.join("\n  ")
        );
    }
}

/// Size and SHA-256 of a file.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((bytes, secret::hex(&hasher.finalize()))),
            read => {
                hasher.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
