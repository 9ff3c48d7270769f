//! The configuration file, and how it meets flags and environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pentad_http_identity::SignUps;
use pentad_identity::{Plan, PlanName, PlanTable};
use pentad_mail::{Mailer, Smtp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::cli::{DurabilityChoice, SecretScanChoice, ServeArguments, StorageArguments, Waits};
use crate::exec::ExecFile;
use crate::memory::MemoryFile;
use crate::runs::RunsFile;
use crate::setup;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "pentad.toml";

/// `pentad.toml`. An unknown name is an error: a misspelt limit must not go unnoticed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    object_store: Option<String>,
    public_url: Option<String>,
    durability: Option<DurabilityChoice>,
    /// How long the stores are waited for.
    waits: Waits,
    listen: Option<SocketAddr>,
    workers: Option<usize>,
    exec_open: Option<bool>,
    default_plan: Option<String>,
    refusals_per_second: Option<u32>,
    shutdown_seconds: Option<u64>,
    grep_memory_mb: Option<u64>,
    judge_private: Option<bool>,
    secret_scan: Option<SecretScanChoice>,
    smtp_url: Option<String>,
    mail_from: Option<String>,
    verify_email: Option<bool>,
    sign_ups: Option<u32>,
    /// Plans by name; a named plan replaces the built-in one as a whole.
    plans: BTreeMap<String, Plan>,
    /// How temporal memories are set up.
    memory: MemoryFile,
    /// The bounds of key-value, SQL and object storage.
    storage: pentad_storage::Limits,
    /// How code is executed.
    exec: ExecFile,
    /// The bounds of recorded runs.
    runs: RunsFile,
}

impl File {
    fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        toml::from_str(&text).with_context(|| format!("{} is not a valid configuration", path.display()))
    }
}

/// Where everything is stored, with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub(crate) database_url: String,
    pub(crate) object_store: String,
    pub(crate) public_url: Option<String>,
    /// How the database is opened.
    pub(crate) database: pentad_store::Options,
    /// How the object store is opened.
    pub(crate) objects: pentad_blob::Options,
    pub(crate) data_dir: PathBuf,
    pub(crate) plans: PlanTable,
    pub(crate) memory: MemoryFile,
    pub(crate) exec: ExecFile,
    file: File,
}

impl Storage {
    /// The bounds of the storage of agents.
    pub(crate) fn limits(&self) -> pentad_storage::Limits {
        self.file.storage.clone()
    }
}

impl StorageArguments {
    pub(crate) fn resolve(&self) -> anyhow::Result<Storage> {
        let file = File::read(self.config.as_deref())?;
        let data_dir = self
            .data_dir
            .clone()
            .or_else(|| file.data_dir.clone())
            .unwrap_or_else(|| PathBuf::from("pentad-data"));
        let below = |name: &str| data_dir.join(name).display().to_string();
        let durability = match self.durability.or(file.durability) {
            Some(DurabilityChoice::Os) => pentad_store::Durability::Os,
            Some(DurabilityChoice::Fsync) | None => pentad_store::Durability::Fsync,
        };
        let mut plans = PlanTable::default();
        for (name, plan) in &file.plans {
            plans.set(PlanName::parse(name)?, plan.clone());
        }
        if let Some(name) = &file.default_plan {
            plans.default_plan = PlanName::parse(name)?;
        }
        let waits = self.waits.over(&file.waits);
        Ok(Storage {
            database: waits.database(durability),
            objects: waits.objects(),
            database_url: self
                .database_url
                .clone()
                .or_else(|| file.database_url.clone())
                .unwrap_or_else(|| format!("sqlite:{}", below("pentad.db"))),
            object_store: self
                .object_store
                .clone()
                .or_else(|| file.object_store.clone())
                .unwrap_or_else(|| format!("file:{}", below("objects"))),
            public_url: self
                .public_url
                .clone()
                .or_else(|| file.public_url.clone())
                .map(checked_address)
                .transpose()?,
            data_dir,
            plans,
            memory: file.memory.clone(),
            exec: file.exec.clone(),
            file,
        })
    }
}

/// Refuses what links cannot begin with.
fn checked_address(text: String) -> anyhow::Result<String> {
    let url = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    });
    match url {
        Some(_) => Ok(text),
        None => anyhow::bail!("public_url {text:?} is no address: write https://HOST, or http://HOST:PORT"),
    }
}

/// How the server runs, with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) storage: Storage,
    pub(crate) listen: SocketAddr,
    pub(crate) workers: Option<usize>,
    pub(crate) exec_open: Option<bool>,
    pub(crate) refusals_per_second: u32,
    pub(crate) shutdown_seconds: u64,
    grep_memory_mb: Option<u64>,
    judge_private: Option<bool>,
    secret_scan: Option<SecretScanChoice>,
    smtp_url: Option<SecretString>,
    mail_from: Option<String>,
    verify_email: bool,
    sign_ups: u32,
    runs: RunsFile,
}

impl Server {
    /// How the storage of agents is kept.
    pub(crate) fn storage_settings(&self) -> pentad_storage::Settings {
        pentad_storage::Settings {
            directory: self.storage.data_dir.join("d1"),
            durability: self.storage.database.durability,
            limits: self.storage.limits(),
        }
    }

    /// Who may sign up.
    pub(crate) fn sign_ups(&self) -> SignUps {
        SignUps {
            verify_email: self.verify_email,
            burst: NonZeroU32::new(self.sign_ups),
        }
    }

    /// What sends messages, with links that begin with `public_url`.
    pub(crate) fn mailer(&self, public_url: &str) -> anyhow::Result<Mailer> {
        let Some(url) = &self.smtp_url else {
            anyhow::ensure!(
                !self.verify_email,
                "verify_email needs an SMTP server: give smtp_url"
            );
            return Ok(Mailer::off(public_url));
        };
        let from = match &self.mail_from {
            Some(from) => from.clone(),
            None => format!("pentad@{}", host_of(url.expose_secret()).unwrap_or("localhost")),
        };
        let smtp = Smtp {
            url: url.clone(),
            from,
        };
        Mailer::smtp(public_url, &smtp).context("smtp_url or mail_from cannot be used")
    }

    /// How synced sessions are kept. While the gateway listens on loopback only, a language model on this
    /// machine may be called.
    pub(crate) fn sync_settings(&self, on_loopback: bool) -> anyhow::Result<pentad_session_sync::Settings> {
        Ok(pentad_session_sync::Settings {
            secret_scan: match self.secret_scan {
                Some(SecretScanChoice::Redact) => pentad_session_sync::SecretScan::Redact,
                Some(SecretScanChoice::Warn) => pentad_session_sync::SecretScan::Warn,
                Some(SecretScanChoice::Off) | None => pentad_session_sync::SecretScan::Off,
            },
            judge_urls: pentad_session_sync::UrlPolicy {
                allow_private: self.judge_private.unwrap_or(on_loopback),
            },
            sealing_secret: Some(setup::sealing_secret(&self.storage)?),
            ..pentad_session_sync::Settings::default()
        })
    }

    /// The bounds of grep sessions.
    pub(crate) fn grep_settings(&self) -> pentad_grep_sessions::Settings {
        let defaults = pentad_grep_sessions::Settings::default();
        match self
            .grep_memory_mb
            .map(|megabytes| megabytes.saturating_mul(1 << 20))
        {
            Some(memory_bytes) => pentad_grep_sessions::Settings {
                memory_bytes,
                max_session_bytes: memory_bytes,
                ..defaults
            },
            None => defaults,
        }
    }
}

impl Server {
    /// The limits of recorded runs.
    pub(crate) fn run_limits(&self) -> anyhow::Result<pentad_runs::Limits> {
        self.runs.limits()
    }
}

impl ServeArguments {
    pub(crate) fn resolve(&self) -> anyhow::Result<Server> {
        let mut storage = self.storage.resolve()?;
        if let Some(name) = &self.default_plan {
            storage.plans.default_plan = PlanName::parse(name)?;
        }
        let file = storage.file.clone();
        Ok(Server {
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            workers: self.workers.or(file.workers),
            exec_open: self.exec_open.or(file.exec_open),
            refusals_per_second: self
                .refusals_per_second
                .or(file.refusals_per_second)
                .unwrap_or(20),
            shutdown_seconds: self.shutdown_seconds.or(file.shutdown_seconds).unwrap_or(30),
            grep_memory_mb: self.grep_memory_mb.or(file.grep_memory_mb),
            judge_private: self.judge_private.or(file.judge_private),
            secret_scan: self.secret_scan.or(file.secret_scan),
            smtp_url: self.smtp_url.clone().or(file.smtp_url).map(SecretString::from),
            mail_from: self.mail_from.clone().or(file.mail_from),
            verify_email: self.verify_email.or(file.verify_email).unwrap_or(false),
            sign_ups: self.sign_ups.or(file.sign_ups).unwrap_or(100),
            runs: self.runs.over(&file.runs),
            storage,
        })
    }
}

/// The host in `scheme://user:password@host:port/…`.
fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next().filter(|host| !host.is_empty())
}
