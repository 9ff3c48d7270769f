//! Grep sessions (seed 000): upload a tree of text, search it, extend it, stop and restart it.
//!
//! A session's text lives in memory, held by the engine of `pentad-grep-engine`. A *memory* session is
//! nowhere else and ends at its time; an *s3* session's files are also objects, from which it is loaded
//! again whenever it is asked for.
//!
//! Beside other gateways, on one PostgreSQL, the files of memory sessions are objects as well, which end with
//! them; any gateway loads any session, and looks before it answers whether another one has changed it.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_blob::Blobs;
//! use pentad_grep_engine::Query;
//! use pentad_grep_sessions::{GrepSessions, NewSession, Settings};
//! # use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
//! # use pentad_kernel::SystemClock;
//! # use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let db = Db::open(&format!("sqlite:{}/pentad.db", directory.path().display()), &Options::default()).await?;
//! # db.migrate().await?;
//! # let clock = Arc::new(SystemClock);
//! # let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
//! # let key = identity.bootstrap("admin@localhost", None).await?.ok_or("not empty")?.key;
//! # let caller = identity.authenticate(key.secret()).await?;
//! let sessions = GrepSessions::new(db, Blobs::open("memory:")?, clock, Settings::default());
//! let mut upload = sessions.upload(&caller.plan);
//! let mut file = upload.file("src/main.rs")?;
//! file.write(b"fn main() { run() }\n").await?;
//! upload.add(file).await?;
//! let created = sessions.create(&caller.actor, &caller.plan, upload, NewSession::default()).await?;
//!
//! let page = sessions.grep(&caller.actor, &created.session.id, Query::plain("run")).await?;
//! assert_eq!(page.total, 1);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod budget;
#[cfg(test)]
mod change_model;
mod create;
mod error;
mod files;
mod lifecycle;
mod live;
mod quota;
mod repository;
mod search;
mod segment;
mod session;
mod settings;
mod upkeep;
mod upload;

use std::sync::Arc;

use dashmap::DashMap;
use pentad_blob::Blobs;
use pentad_grep_engine::QueryCache;
use pentad_kernel::SharedClock;
use pentad_store::Db;
use tokio::sync::Semaphore;

pub use create::{Appended, Created, NewSession};
pub use error::{Error, UploadError};
pub use files::{FileEntry, FileSlice};
pub use session::{Session, SessionId, State, Storage};
pub use settings::Settings;
pub use upkeep::{Swept, named_objects};
pub use upload::{SkipReason, Skipped, Upload, UploadFile};

/// What a call on grep sessions gives.
pub type Result<T> = std::result::Result<T, Error>;

/// The grep sessions of every organisation. Clones share them.
#[derive(Clone, Debug)]
pub struct GrepSessions(Arc<Inner>);

/// Compiled queries that are kept: agents page through one, and ask the same of several sessions. One that a regular
/// expression was made for may hold some ten megabytes on each thread that has searched with it.
const COMPILED_QUERIES: usize = 32;

#[derive(Debug)]
struct Inner {
    db: Db,
    blobs: Blobs,
    clock: SharedClock,
    settings: Settings,
    live: DashMap<SessionId, Arc<live::Slot>>,
    budget: budget::Budget,
    opening: quota::Claims,
    storing: quota::Claims,
    searches: Semaphore,
    queries: Arc<QueryCache>,
    upkeep: Arc<Semaphore>,
}

impl GrepSessions {
    /// Whether the files of such sessions are objects, too: what any gateway is to find has to be.
    pub(crate) fn is_stored(&self, storage: Storage) -> bool {
        storage == Storage::S3 || self.0.db.is_shared()
    }

    /// The sessions in this database and object store.
    pub fn new(db: Db, blobs: Blobs, clock: SharedClock, settings: Settings) -> Self {
        let budget = budget::Budget::new(settings.memory_bytes);
        let searches = Semaphore::new(settings.concurrent_searches);
        let upkeep = Arc::new(Semaphore::new(settings.concurrent_upkeep));
        Self(Arc::new(Inner {
            db,
            blobs,
            clock,
            settings,
            live: DashMap::new(),
            budget,
            opening: quota::Claims::default(),
            storing: quota::Claims::default(),
            searches,
            queries: Arc::new(QueryCache::new(COMPILED_QUERIES)),
            upkeep,
        }))
    }
}
