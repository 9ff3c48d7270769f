//! Code execution (seed 003): run untrusted programs once, or in sessions that keep their files.
//!
//! A program runs in a sandbox of `pentad-sandbox`, which knows nothing of sessions. This crate knows whose
//! turn it is, which files a program finds, what of them is kept, and what a program may reach.
//!
//! ```no_run
//! use pentad_exec::{Engine, Exec, Execute, NewSession, RunRequest, Settings};
//! use pentad_sandbox::{ExecutorOptions, Language, LinuxBackend, LinuxOptions, RuntimeSearch};
//! # use std::sync::Arc;
//! # use pentad_blob::Blobs;
//! # use pentad_kernel::{Actor, SystemClock};
//! # use pentad_store::Db;
//!
//! # async fn example(db: Db, actor: Actor) -> Result<(), Box<dyn std::error::Error>> {
//! let backend = LinuxBackend::start(&LinuxOptions::default())?;
//! let engine = Engine::start(backend, &RuntimeSearch::default(), ExecutorOptions::default());
//! let exec = Exec::new(db, Blobs::open("memory:")?, Arc::new(SystemClock), engine, Settings::default())?;
//!
//! let session = exec.create(&actor, NewSession::of(Language::Python)).await?;
//! let request = RunRequest {
//!     code: Some("open('answer', 'w').write('42')".to_owned()),
//!     ..RunRequest::default()
//! };
//! let run = exec.run(&actor, &session.id, request).await?;
//! assert_eq!((run.execution.exit_code, run.files_modified), (0, 1));
//! # Ok(())
//! # }
//! ```
//!
//! - A session's runs take their turns, also across gateways: a row says whose turn it is, and its number is
//!   compared where the workspace is committed. So what outlived its turn, or its session, writes nothing.
//! - A workspace is rows, with the bytes of larger files in the object store under their hash. What a run
//!   changed is written by one transaction after it, whatever ended it.
//! - Whoever stops waiting for a run ends it.

mod admission;
mod cache;
mod egress;
mod engine;
mod error;
mod execution;
mod files;
mod interest;
mod lifecycle;
mod manifest;
mod objects;
mod public;
mod repository;
mod run;
mod session;
mod settings;
mod setup;
mod storage;
#[cfg(test)]
mod turn_model;
mod upkeep;
mod workspace;

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_kernel::{SharedClock, Timestamp};
use pentad_store::Db;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

pub use admission::Load;
pub use engine::{EGRESS_PORT, Engine, Piece, STORAGE_PORT};
pub use error::Error;
pub use execution::{Execute, Execution, TighterLimits};
pub use files::{File, FileBody, Upload};
pub use lifecycle::Page;
pub use manifest::FileEntry;
pub use objects::named_objects;
pub use public::{Relayed, Target};
pub use run::{RunRequest, SessionRun, Streaming};
pub use session::{Code, Env, NewSession, Object, Session, SessionId, SessionSettings};
pub use settings::Settings;
pub use setup::Setup;
pub use storage::Storage;
pub use upkeep::ORPHAN_AGE;

/// What a call on code execution gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Setups that go on at once.
const SETUPS: usize = 2;

/// Code execution for every organisation. Clones share everything.
#[derive(Clone)]
pub struct Exec(Arc<Inner>);

struct Inner {
    db: Db,
    objects: objects::Objects,
    clock: SharedClock,
    engine: Engine,
    settings: Settings,
    admission: admission::Admission,
    setups: admission::Admission,
    setup_steps: admission::Admission,
    live: Arc<run::Live>,
    cache: Option<Arc<cache::Cache>>,
    egress: egress::Egress,
    storage: Option<Arc<dyn Storage>>,
    /// Runs go on here when the request that asked for them is gone, until they are written down.
    runtime: Handle,
    /// Held for reading by each of them.
    tasks: Arc<RwLock<()>>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec")
            .field("engine", &self.0.engine)
            .field("load", &self.0.admission.load())
            .finish_non_exhaustive()
    }
}

impl Exec {
    /// Code execution on this database, object store and engine. Called inside the runtime that outlives every
    /// run.
    ///
    /// # Errors
    /// When the cache directory cannot be used.
    pub fn new(db: Db, blobs: Blobs, clock: SharedClock, engine: Engine, settings: Settings) -> Result<Self> {
        let cache = match &settings.cache {
            Some(root) => Some(Arc::new(
                cache::Cache::new(&root.join("workspaces"), settings.workspace_cache_bytes)
                    .map_err(Error::io("making the cache of workspaces"))?,
            )),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            db,
            objects: objects::Objects::new(blobs),
            clock,
            engine,
            admission: admission::Admission::new(
                settings.concurrent_runs,
                settings.queued_runs,
                settings.longest_wait,
            ),
            setups: admission::Admission::new(SETUPS, 64, settings.setup_timeout * 4),
            setup_steps: admission::Admission::new(SETUPS + 1, 64, settings.longest_wait),
            live: Arc::default(),
            cache,
            egress: egress::Egress::new(&settings.egress_hosts),
            storage: None,
            runtime: Handle::current(),
            tasks: Arc::default(),
            settings,
        })))
    }

    /// The same, with storage that programs reach from inside their sandboxes.
    ///
    /// # Panics
    /// When there are clones already.
    #[must_use]
    pub fn with_storage(mut self, storage: Arc<dyn Storage>) -> Self {
        Arc::get_mut(&mut self.0)
            .expect("storage is given before anything is shared")
            .storage = Some(storage);
        self
    }

    /// What runs programs here.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The bounds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How busy it is.
    #[must_use]
    pub fn load(&self) -> Load {
        self.0.admission.load()
    }

    fn db(&self) -> &Db {
        &self.0.db
    }

    fn objects(&self) -> &objects::Objects {
        &self.0.objects
    }

    fn admission(&self) -> &admission::Admission {
        &self.0.admission
    }

    fn setups(&self) -> &admission::Admission {
        &self.0.setups
    }

    fn setup_steps(&self) -> &admission::Admission {
        &self.0.setup_steps
    }

    fn live(&self) -> &Arc<run::Live> {
        &self.0.live
    }

    fn cache(&self) -> Option<&Arc<cache::Cache>> {
        self.0.cache.as_ref()
    }

    fn egress(&self) -> &egress::Egress {
        &self.0.egress
    }

    fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.0.storage.as_ref()
    }

    /// The time, as sessions are stamped with it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Starts work that goes on without the request that asked for it.
    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let tasks = Arc::clone(&self.0.tasks);
        self.0.runtime.spawn(async move {
            let _counted = tasks.read_owned().await;
            work.await
        })
    }
}
