//! Sessions of coding agents, kept for their people: push and pull, search, summaries, share links,
//! audits by a language model, handoffs from person to person, and what their devices sync by themselves.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_blob::Blobs;
//! use pentad_identity::{Identity, PlanTable};
//! use pentad_kernel::SystemClock;
//! use pentad_session_sync::{ListQuery, SessionSync, Settings};
//! use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(pentad_kernel::id::random_uuid());
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.display()), &Options::default()).await?;
//! db.migrate().await?;
//! let clock = Arc::new(SystemClock);
//! let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
//! let sync = SessionSync::new(db, Blobs::open("memory:")?, identity.clone(), clock, Settings::default());
//!
//! let user = identity.create_user("ada@example.com", None, false).await?;
//! let ada = identity.web_caller(&user, &user.home_organisation).await?;
//! let page = sync.list(&ada.actor, &ListQuery::default()).await?;
//! assert_eq!(page.total, 0);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! A session is an archive, stored as it came under its own hash, and what one pass over it found: the
//! columns that lists show, its messages in frames that can be read alone, and facts for its summary.
//! Bytes are durable before the row that refers to them; what no row refers to is swept.

mod audit;
mod autosync;
mod bookmarks;
mod changes;
mod edits;
mod error;
mod findings;
mod for_projects;
mod frames;
pub mod handoffs;
mod health;
mod ingest;
mod judge;
mod manifest;
mod message;
mod narrative;
mod objects;
mod projects;
mod push;
mod reads;
mod redact;
mod reindex;
mod sealed;
mod search;
mod secrets;
mod session;
mod share;
mod slots;
mod summaries;
mod summary;
mod surrogates;
mod title;
pub mod uploads;

use std::sync::Arc;
use std::time::Duration;

use pentad_blob::Blobs;
use pentad_identity::{Caller, Feature, Identity, Plan, Upgrade};
use pentad_kernel::SharedClock;
use pentad_store::Db;
use tokio::sync::Semaphore;

pub use audit::{AuditRequest, AuditStatus, Audited, PastAudit, Report};
pub use autosync::{AuditTrigger, AutosyncSettings, Mode, SyncStatus, Watch, WatchStatus};
pub use bookmarks::{Bookmark, BookmarkFolder, EditFolder};
pub use changes::{Changes, FileChange, Operation};
pub use edits::{DeleteScope, Edit, Purged, Restored};
pub use error::Error;
pub use findings::Dismissal;
pub use for_projects::LearnedFrom;
pub use health::Watcher;
pub use ingest::{ArchiveLimits, SecretScan};
pub use judge::{JudgeSettings, NewJudge};
pub use manifest::{MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS, Provenance};
pub use narrative::{Narrated, Narrative};
pub use objects::{ArchiveStream, ORPHAN_AGE, named_objects};
pub use pentad_language_model::UrlPolicy;
pub use projects::{NoProjects, Project, Projects};
pub use push::{Client, NewSession, Push, Pushed};
pub use reads::{ListQuery, MessageOrder, MessagePage, MessageQuery, Page, Sort, Target};
pub use reindex::Reindexed;
pub use search::{Found, Match, SearchQuery};
pub use secrets::{kinds_of_secrets, redacted};
pub use session::{Session, SessionRef, valid_alias, valid_session_id};
pub use share::{Share, SharedLink};
pub use summaries::Summary;
pub use summary::Facts;
pub use uploads::{NewUpload, StoredPart, UploadProgress};

/// What a call on sessions gives.
pub type Result<T> = std::result::Result<T, Error>;

/// How sessions are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What bounds the reading of archives.
    pub archives: ArchiveLimits,
    /// What is done about secrets in pushed sessions.
    pub secret_scan: SecretScan,
    /// Pushes of one user at once, over all gateways. Default 3.
    pub concurrent_pushes: u32,
    /// How long a push waits for its turn. Default 30 s.
    pub push_wait: Duration,
    /// How long the trash keeps a session. Default 30 days.
    pub trash_days: u32,
    /// Which addresses a judge may be called at.
    pub judge_urls: UrlPolicy,
    /// The secret that stored keys of language models are sealed with; without one, such keys are not
    /// readable after a restart.
    pub sealing_secret: Option<secrecy::SecretString>,
    /// How long a language model may take to answer. Default 120 s.
    pub judge_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            archives: ArchiveLimits::default(),
            secret_scan: SecretScan::default(),
            concurrent_pushes: 3,
            push_wait: Duration::from_secs(30),
            trash_days: 30,
            judge_urls: UrlPolicy::default(),
            sealing_secret: None,
            judge_timeout: Duration::from_secs(120),
        }
    }
}

/// The sessions. Clones share the same store.
#[derive(Clone, Debug)]
pub struct SessionSync {
    db: Db,
    blobs: Blobs,
    identity: Identity,
    clock: SharedClock,
    settings: Arc<Settings>,
    projects: Arc<dyn Projects>,
    seal: sealed::Seal,
    /// Argon2 takes memory on purpose: at most two passwords of links are computed at a time.
    passwords: Arc<Semaphore>,
    read_frames: reads::ReadFrames,
    indexing: Arc<search::Turns>,
    parts_on_their_way: uploads::PartsOnTheirWay,
}

impl SessionSync {
    /// The sessions in this database and object store.
    pub fn new(db: Db, blobs: Blobs, identity: Identity, clock: SharedClock, settings: Settings) -> Self {
        let seal = sealed::Seal::new(settings.sealing_secret.as_ref());
        Self {
            db,
            blobs,
            identity,
            clock,
            seal,
            settings: Arc::new(settings),
            projects: Arc::new(NoProjects),
            passwords: Arc::new(Semaphore::new(2)),
            read_frames: reads::read_frames(),
            indexing: Arc::default(),
            parts_on_their_way: uploads::PartsOnTheirWay::default(),
        }
    }

    /// The same, linking sessions to these projects.
    #[must_use]
    pub fn with_projects(mut self, projects: Arc<dyn Projects>) -> Self {
        self.projects = projects;
        self
    }

    /// How sessions are kept.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The limits of the plan that the caller has.
    fn plan_of(&self, caller: &Caller) -> &Plan {
        self.identity.plans().plan(caller.effective_plan)
    }

    /// Bytes of one file in an archive that the caller may push.
    pub fn member_limit(&self, caller: &Caller) -> u64 {
        let most = self.settings.archives.member_bytes;
        self.plan_of(caller)
            .sync_member_bytes
            .map_or(most, |plan| plan.min(most))
    }

    /// Bytes of an archive that the caller may push.
    pub fn archive_limit(&self, caller: &Caller) -> u64 {
        let most = self.settings.archives.archive_bytes;
        self.plan_of(caller)
            .sync_archive_bytes
            .map_or(most, |plan| plan.min(most))
    }
}

/// Refuses what the caller's plan does not include.
///
/// # Errors
/// [`Error::UpgradeRequired`].
pub fn require_feature(caller: &Caller, feature: Feature) -> Result<()> {
    Upgrade::check(feature, caller.effective_plan, "user").map_err(Error::UpgradeRequired)
}
