//! Recorded runs of computer-use agents.
//!
//! Clients send the pieces of a run as they come about: steps, events, screenshots, model calls, logs. The
//! pieces arrive in any order, some twice, some never; what is read back is the same tree of files that
//! the SDK writes to its own disk, byte for byte.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_blob::Blobs;
//! use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
//! use pentad_kernel::SystemClock;
//! use pentad_runs::{Json, Limits, RunId, Runs, Submission};
//! use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(pentad_kernel::id::random_uuid());
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.display()), &Options::default()).await?;
//! db.migrate().await?;
//! let clock = Arc::new(SystemClock);
//! let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
//! let user = identity.create_user("ada@example.com", None, false).await?;
//! let key = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Ingest)).await?;
//! let actor = identity.authenticate(key.secret()).await?.actor.clone();
//!
//! let runs = Runs::start(db, Blobs::open("memory:")?, clock, Limits::default());
//! let run = RunId::parse("login-1").unwrap();
//! let step = br#"{"step_id":"s0","step_index":0,"step_type":"click","status":"succeeded",
//!                 "started_at":"2026-05-19T00:00:00Z","action":{"type":"click","params":{"x":1e-07}}}"#;
//! runs.ingest(&actor, Submission::step(run.clone(), 0, Json::parse(step)?)?).await?;
//!
//! let file = runs.file(&actor, &run, "steps/0000.json").await?;
//! assert!(String::from_utf8_lossy(&file.content).contains("\"x\": 1e-07"));
//! runs.close().await;
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! A run exists from the first record that names it. [`Runs::ingest`] returns when the record is on the
//! disk. What a record means when it arrives late is decided in `merge`, what is read back in
//! `canonical`.

mod agent;
mod bundle;
mod canonical;
mod commands;
mod connections;
mod diagnostics;
mod error;
mod export;
mod import;
mod integrity;
mod json;
mod limits;
mod list;
mod merge;
mod names;
mod objects;
mod otel;
mod png;
mod reading;
mod record;
mod removal;
mod rows;
mod schema;
mod scrub;
mod settings;
mod signed_order;
mod steps;
mod thumbnails;
mod watch;
mod writer;
mod zip;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use moka::sync::Cache;
use pentad_blob::Blobs;
use pentad_kernel::{Actor, OrganisationId, SharedClock, Timestamp};
use pentad_store::Db;

pub use bundle::{File, Media};
pub use commands::{Command, CommandKind, NewCommand};
pub use connections::{Connection, Heartbeat};
pub use diagnostics::{Evidence, Finding, Severity};
pub use error::{Error, Fault};
pub use export::Format;
pub use import::{Imported, Signatures};
pub use integrity::{Report, State};
pub use json::{Json, Members, ParseError};
pub use limits::Limits;
pub use list::{Activity, Digest, Filter, Liveness, MAX_PAGE, Page, RunSummary};
pub use names::{RunId, ShotKind, index_in_path};
pub use objects::named_objects;
pub use otel::{Span, SpanEvent};
pub use png::Png;
pub use record::{Submission, check_modelio_name};
pub use removal::ORPHAN_AGE;
pub use settings::Settings;
pub use steps::{MAX_STEPS, RunDetail, Shot, StepDetail, StepPage, StepSummary};
pub use thumbnails::THUMBNAIL_WIDTHS;
pub use watch::{Change, Follower};
pub use writer::{LogReceipt, Receipt};
pub use zip::BundleZip;

/// What a call on the runs gives.
pub type Result<T> = std::result::Result<T, Error>;

/// How many organisations have their settings and waiting polls remembered.
const REMEMBERED: u64 = 20_000;
/// How many bytes of digests, of findings, and of reports are remembered. Each revision of a run has its own, and
/// those of a long run are large.
const REMEMBERED_BYTES: u64 = 32 << 20;

/// What is remembered of revisions, within [`REMEMBERED_BYTES`].
fn revisions<K, V>(bytes: fn(&V) -> usize) -> Cache<K, Arc<V>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(REMEMBERED_BYTES)
        .weigher(move |_, value: &Arc<V>| u32::try_from(256 + bytes(value)).unwrap_or(u32::MAX))
        .build()
}

/// The recorded runs. Clones share the same writer.
#[derive(Clone)]
pub struct Runs {
    db: Db,
    clock: SharedClock,
    limits: Arc<Limits>,
    objects: objects::Objects,
    writer: writer::Writer,
    writing: Arc<tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>>,
    watch: watch::Watch,
    connections: connections::Connections,
    settings: Cache<OrganisationId, Settings>,
    polls: Cache<OrganisationId, Arc<AtomicUsize>>,
    span_turns: otel::Turns,
    digests: Cache<(i64, i64), Arc<Digest>>,
    findings: Cache<(i64, i64, bool, bool), Arc<Vec<Finding>>>,
    reports: Cache<(i64, i64), Arc<Report>>,
    thumbnails: Arc<thumbnails::Thumbnails>,
    closing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs")
            .field("db", &self.db)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Runs {
    /// The runs in this database, with large screenshots in the object store. Starts the writing task, for
    /// which a tokio runtime has to be there.
    pub fn start(db: Db, blobs: Blobs, clock: SharedClock, limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let watch = watch::Watch::new();
        let (writer, task) =
            writer::Writer::start(db.clone(), Arc::clone(&clock), Arc::clone(&limits), watch.clone());
        Self {
            objects: objects::Objects::new(blobs, limits.screenshot_bytes as u64),
            db,
            clock,
            limits,
            writer,
            writing: Arc::new(tokio::sync::Mutex::new(Some(task))),
            watch,
            connections: connections::Connections::default(),
            settings: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(std::time::Duration::from_secs(2))
                .build(),
            polls: Cache::builder().max_capacity(REMEMBERED).build(),
            span_turns: otel::Turns::default(),
            digests: revisions(Digest::bytes),
            findings: revisions(|findings: &Vec<Finding>| findings.iter().map(Finding::bytes).sum()),
            reports: revisions(Report::bytes),
            thumbnails: Arc::default(),
            closing: Arc::default(),
        }
    }

    /// The present instant, by the clock of the runs.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Writes a record. The answer means that it is on the disk.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when it could not be written soon; otherwise what the database or the
    /// object store says. A refused record leaves nothing behind.
    pub async fn ingest(&self, actor: &Actor, mut submission: Submission) -> Result<Receipt> {
        let organisation = &actor.organisation;
        let (run, event) = (submission.run.clone(), submission.event);
        self.objects.put_large(organisation, &mut submission).await?;
        let receipt = self.writer.write(organisation, submission).await?;
        self.stamp(organisation, &run, event).await;
        Ok(receipt)
    }

    /// Follows what happens to a run from now on.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn follow(&self, actor: &Actor, run_id: &RunId) -> Result<Follower> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        Ok(Follower::new(self.db.clone(), info.id, info.rev, &self.watch))
    }

    /// How many records wait to be written: for metrics.
    pub fn waiting(&self) -> usize {
        self.writer.waiting()
    }

    /// Lets the polls for commands return, which would otherwise hold up the end of the program.
    pub fn stop_waiting(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether the program is about to end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Takes no more records, writes those that wait, and lets polls return.
    pub async fn close(&self) {
        self.stop_waiting();
        self.writer.close();
        let task = self.writing.lock().await.take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer of runs failed");
        }
        if let Err(error) = self.flush_connections().await {
            tracing::warn!(%error, "the last signs of life were not written down");
        }
    }
}
