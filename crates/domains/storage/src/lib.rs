//! Storage for agents: key-value pairs, SQL databases and objects, in namespaces of their organisation.
//!
//! A [`Storage`] is one handle on all three. Every call takes the [`Actor`](pentad_kernel::Actor) first and looks
//! only into its organisation:
//!
//! ```
//! use pentad_kernel::{Actor, SystemClock};
//! use pentad_storage::{Key, Namespace, NewEntry, Settings, Statement, Storage};
//!
//! # async fn example(db: pentad_store::Db, actor: Actor) -> Result<(), pentad_storage::Error> {
//! # let directory = tempfile::tempdir().unwrap();
//! let blobs = pentad_blob::Blobs::open("memory:").unwrap();
//! let settings = Settings::in_directory(directory.path());
//! let storage = Storage::open(db, blobs, std::sync::Arc::new(SystemClock), settings)?;
//! let app = Namespace::parse("app")?;
//!
//! let theme = Key::parse("config/theme")?;
//! storage.kv_set(&actor, &app, &theme, NewEntry::of("dark")).await?;
//! assert_eq!(storage.kv_get(&actor, &app, &theme).await?.value, "dark");
//!
//! storage.d1_exec(&actor, &app, Statement::of("CREATE TABLE users (name TEXT)")).await?;
//! let answer = storage.d1_query(&actor, &app, Statement::of("SELECT * FROM users")).await?;
//! assert_eq!((answer.columns.as_slice(), answer.rows.len()), (["name".to_owned()].as_slice(), 0));
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! #     let database = pentad_store::testing::TestDb::sqlite().await;
//! #     let clock = std::sync::Arc::new(SystemClock);
//! #     let identity = pentad_identity::Identity::new(database.db(), clock, Default::default());
//! #     identity.bootstrap("admin@localhost", None).await.unwrap();
//! #     example(database.db(), identity.local_caller().await.unwrap().actor).await.unwrap();
//! # });
//! ```
//!
//! # Where things lie
//! - **KV** is rows of the database.
//! - **R2** is a row for an object, and its bytes in the object store under an identifier made for this one
//!   write. A key of a client is never the name of anything. What was replaced is removed an hour later, so that
//!   whoever is reading it can finish.
//! - **D1** is one SQLite file for each namespace. Beside an embedded database the file itself is the truth.
//!   Beside PostgreSQL, which several gateways share, a row lists the chunks of the file and the object store holds
//!   them; each gateway keeps a copy, and whoever writes holds the lock of the row.
//!
//! # Untrusted SQL
//! Statements come from strangers. The module `d1::guard` says what they may do, and which bounds they have; the
//! statements that the tests try to break it with are in `tests/it/hostile.rs`. SQLite runs in this process: a
//! fault in its own code is a fault of the gateway.

mod backup;
mod d1;
mod error;
mod kv;
mod limits;
mod names;
mod r2;
mod resources;
mod sweep;

use std::sync::Arc;

use pentad_blob::Blobs;
use pentad_kernel::SharedClock;
use pentad_store::Db;

pub use backup::{copy_database, database_files, named_objects};
pub use d1::{Answer, SqlValue, Statement};
pub use error::{Error, Result};
pub use kv::{Entry, EntryPage, ListedEntry, NewEntry};
pub use limits::{Limits, Settings};
pub use names::{Key, ListRequest, MAX_PAGE, Namespace};
pub use r2::{ListedObject, Metadata, Object, ObjectMetadata, ObjectPage, StoredObject};
pub use resources::{Resource, ResourceFilter, ResourceKind, ResourcePage, Statistics};
pub use sweep::Swept;

/// The storage of all organisations. Clones are one storage.
#[derive(Clone, Debug)]
pub struct Storage {
    pub(crate) db: Db,
    pub(crate) blobs: Blobs,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Arc<Limits>,
    pub(crate) databases: Arc<d1::Databases>,
}

impl Storage {
    /// Opens the storage, whose rows are in `db`, which has the schema, and whose objects are in `blobs`.
    ///
    /// # Errors
    /// [`Error::Directory`] when the directory for SQL databases cannot be made.
    pub fn open(db: Db, blobs: Blobs, clock: SharedClock, settings: Settings) -> Result<Self> {
        let limits = Arc::new(settings.limits);
        let databases = d1::Databases::open(&db, &settings.directory, settings.durability, &limits)?;
        Ok(Self {
            db,
            blobs,
            clock,
            limits,
            databases: Arc::new(databases),
        })
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
