//! Boots the real gateway on a free port, with a temporary database and object store, for black-box tests.
//!
//! ```no_run
//! # async fn example() {
//! use pentad_testkit::TestGateway;
//!
//! let gateway = TestGateway::start().await;
//! let answer = gateway.client().get(gateway.url("/health")).send().await.unwrap();
//! assert_eq!(answer.status(), 200);
//! # }
//! ```

mod browser;
mod engine;
mod proxy;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use pentad_blob::Blobs;
use pentad_blob::testing::S3Server;
use pentad_exec::{Engine, Exec};
use pentad_gateway::{Deps, ServerLimits};
use pentad_grep_sessions::{GrepSessions, Settings};
use pentad_http_identity::SignUps;
use pentad_http_kit::{Gate, OpenExec, PublicUrl, RefusalLimit};
use pentad_identity::{Identity, KeyFamily, Limiter, NewKey, PlanName, PlanTable, User};
use pentad_kernel::{Clock as _, ManualClock, ScopeSet, SharedClock, SystemClock, UserId};
use pentad_mail::{Mailer, Smtp};
use pentad_memories::{Config, Memories};
use pentad_runs::{Limits, Runs};
use pentad_session_sync::SessionSync;
use pentad_storage::Storage;
use pentad_store::Db;
use pentad_store::testing::TestDb;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use browser::Browser;
pub use engine::{engine, exec_settings};
pub use pentad_mail::testing::{Mail, SmtpServer};
pub use proxy::Proxy;

/// What a test gateway runs on. The default is SQLite and objects in memory.
#[derive(Debug, Default)]
pub struct Setup {
    /// The database; SQLite in a temporary directory when none is given.
    pub database: Option<TestDb>,
    /// How the database is reached, when not directly: by this URL, with these bounds.
    pub database_access: Option<(String, pentad_store::Options)>,
    /// Keep objects on an S3 server of its own.
    pub s3: bool,
    /// Keep objects on this server, reached as these options say.
    pub bucket: Option<(Arc<S3Server>, pentad_blob::Options)>,
    /// The bounds of grep sessions.
    pub grep: Option<Settings>,
    /// The bounds of synced sessions.
    pub sync: Option<pentad_session_sync::Settings>,
    /// How memories are set up.
    pub memories: Option<Config>,
    /// The bounds of code execution, and what runs programs; without it nothing can be run.
    pub exec: Option<(Engine, pentad_exec::Settings)>,
    /// The bounds of recorded runs.
    pub runs: Option<Limits>,
    /// The bounds of the storage of agents.
    pub storage: Option<pentad_storage::Limits>,
    /// The SMTP server that messages are sent through; without one, none are sent.
    pub smtp: Option<String>,
    /// Whether addresses of new users are to be proven.
    pub verify_email: bool,
    /// The plans.
    pub plans: Option<PlanTable>,
    /// How many refused credentials one address may send; `None` for as many as it likes.
    pub refusals: Option<RefusalLimit>,
    /// Whether code may be run without a key.
    pub open_exec: Option<OpenExec>,
    /// Threads that answer requests. Default 2.
    pub workers: Option<usize>,
}

/// A running gateway. Dropped, it is gone, with everything it stored.
#[derive(Debug)]
pub struct TestGateway {
    address: std::net::SocketAddr,
    identity: Identity,
    clock: ManualClock,
    client: reqwest::Client,
    admin: User,
    key: String,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<std::io::Result<()>>>,
    database: Arc<TestDb>,
    storage: Storage,
    runs: Runs,
    blobs: Blobs,
    s3: Option<Arc<S3Server>>,
    _directory: tempfile::TempDir,
}

/// What gateways that work together have in common.
struct Common {
    database: Arc<TestDb>,
    s3: Option<Arc<S3Server>>,
    blobs: Blobs,
    clock: ManualClock,
    /// The administrator and its key; the first gateway makes them.
    admin: Option<(User, String)>,
}

impl TestGateway {
    /// A gateway on the default setup.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A gateway on this setup.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn with(setup: Setup) -> Self {
        pentad_blob::install_crypto_provider();
        let mut setup = setup;
        let database = match setup.database.take() {
            Some(database) => database,
            None => TestDb::sqlite().await,
        };
        let bucket = match (setup.bucket.take(), setup.s3) {
            (Some(bucket), _) => Some(bucket),
            (None, true) => {
                let server = Arc::new(S3Server::start().await);
                let options = server.options();
                Some((server, options))
            }
            (None, false) => None,
        };
        let (s3, blobs) = match bucket {
            Some((server, options)) => (Some(Arc::clone(&server)), open_bucket(&server, &options)),
            None => (
                None,
                Blobs::open("memory:").expect("a store in memory can be opened"),
            ),
        };
        let common = Common {
            database: Arc::new(database),
            s3,
            blobs,
            // The clock begins at the true time, because objects carry the times of their store.
            clock: ManualClock::at(SystemClock.now()),
            admin: None,
        };
        Self::on(common, setup).await
    }

    /// A gateway beside this one, with the same database, objects and clock, and connections of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn beside(&self, setup: Setup) -> Self {
        let blobs = match &self.s3 {
            Some(server) => open_bucket(server, &server.options()),
            None => self.blobs.clone(),
        };
        let common = Common {
            database: Arc::clone(&self.database),
            s3: self.s3.clone(),
            blobs,
            clock: self.clock.clone(),
            admin: Some((self.admin.clone(), self.key.clone())),
        };
        Self::on(common, setup).await
    }

    async fn on(common: Common, setup: Setup) -> Self {
        let Common {
            database,
            s3,
            blobs,
            clock,
            admin,
        } = common;
        let access = match setup.database_access {
            None if admin.is_some() => Some((database.url().to_owned(), pentad_store::Options::default())),
            access => access,
        };
        let db = match access {
            Some((url, options)) => Db::open(&url, &options)
                .await
                .expect("the database can be reached"),
            None => database.db(),
        };
        let shared: SharedClock = Arc::new(clock.clone());
        let identity = Identity::new(db.clone(), Arc::clone(&shared), setup.plans.unwrap_or_default());
        let (admin, key) = match admin {
            Some(known) => known,
            None => {
                let made = identity
                    .bootstrap("admin@localhost", Some("administrator".into()))
                    .await
                    .expect("accounts can be made")
                    .expect("the database was empty");
                (made.admin, made.key.secret().to_owned())
            }
        };
        let sync = SessionSync::new(
            db.clone(),
            blobs.clone(),
            identity.clone(),
            Arc::clone(&shared),
            setup.sync.unwrap_or_default(),
        );
        let (sync, projects) =
            pentad_gateway::with_projects(sync, db.clone(), identity.clone(), Arc::clone(&shared));
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = Storage::open(
            db.clone(),
            blobs.clone(),
            Arc::clone(&shared),
            pentad_storage::Settings {
                durability: pentad_store::Durability::Os,
                limits: setup.storage.unwrap_or_default(),
                ..pentad_storage::Settings::in_directory(directory.path())
            },
        )
        .expect("the storage can be opened");
        let grep = GrepSessions::new(
            db.clone(),
            blobs.clone(),
            Arc::clone(&shared),
            setup.grep.unwrap_or_else(small_grep_settings),
        );
        let (engine, exec_settings) = setup
            .exec
            .unwrap_or_else(|| (Engine::unavailable("this test runs no programs"), exec_settings()));
        let exec = Exec::new(
            db.clone(),
            blobs.clone(),
            Arc::clone(&shared),
            engine,
            exec_settings,
        )
        .expect("code execution can be set up");
        let exec = pentad_gateway::with_storage(exec, &storage).expect("a thread can be started");
        exec.recover().await.expect("what was left can be taken up");
        let runs = Runs::start(
            db.clone(),
            blobs.clone(),
            Arc::clone(&shared),
            setup.runs.unwrap_or_else(short_polls),
        );
        let memories = Memories::new(
            db.clone(),
            identity.clone(),
            shared,
            setup.memories.unwrap_or_default(),
        )
        .expect("the memories can be set up");
        let listener = pentad_gateway::listen(([127, 0, 0, 1], 0).into()).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let deps = Deps {
            gate: Gate {
                identity: identity.clone(),
                limiter: Limiter::default(),
                open_exec: setup.open_exec.unwrap_or(OpenExec::Closed),
                refusals: setup.refusals,
            },
            db,
            exec,
            grep,
            projects,
            sync,
            memories,
            runs: runs.clone(),
            storage: storage.clone(),
            sign_ups: SignUps {
                verify_email: setup.verify_email,
                ..SignUps::default()
            },
            mailer: mailer(&format!("http://{address}"), setup.smtp),
            public_url: PublicUrl::default(),
            metrics: pentad_gateway::install_metrics(),
            limits: ServerLimits {
                workers: setup.workers.unwrap_or(2),
                shutdown_timeout: Duration::from_secs(5),
                ..ServerLimits::default()
            },
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            // The sender that is dropped says stop as well as one that is used.
            pentad_gateway::run(listener, deps, async { stopped.await.unwrap_or_default() }).await
        });
        Self {
            address,
            identity,
            clock,
            client: reqwest::Client::new(),
            key,
            admin,
            stop: Some(stop),
            running: Some(running),
            database,
            storage,
            runs,
            blobs,
            s3,
            _directory: directory,
        }
    }

    /// The address of a path of the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of the gateway itself.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An HTTP client.
    pub const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The key with scope `*` in the organisation `default`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The platform administrator, whose password is `administrator`.
    pub const fn admin(&self) -> &User {
        &self.admin
    }

    /// The accounts.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The clock of everything but the network. It stands until it is moved.
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The database.
    pub fn database(&self) -> &TestDb {
        &self.database
    }

    /// The storage of agents.
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The recorded runs.
    pub const fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The objects.
    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A user with an organisation of its own on this plan, and a key of the family.
    ///
    /// # Panics
    /// When accounts cannot be made.
    pub async fn tenant(&self, family: KeyFamily, plan: PlanName) -> (User, String) {
        let email = format!("{}@example.com", pentad_kernel::secret::random_hex(6));
        let user = self
            .identity
            .create_user(&email, None, false)
            .await
            .expect("the address is new");
        self.identity
            .set_plan(&user.home_organisation, plan)
            .await
            .expect("the organisation is there");
        let key = self.mint(&user, NewKey::of(family)).await;
        (user, key)
    }

    /// A key of the user with these scopes and of this family.
    pub async fn key_with(&self, user: &User, family: KeyFamily, scopes: &[&str]) -> String {
        let scopes = ScopeSet::parse(scopes).expect("the scopes are known");
        self.mint(user, NewKey::of(family).with_scopes(scopes)).await
    }

    /// A key of the user.
    ///
    /// # Panics
    /// When accounts cannot be changed.
    pub async fn mint(&self, user: &User, new: NewKey) -> String {
        let minted = self
            .identity
            .mint_key(&user.home_organisation, &user.id, new)
            .await;
        minted.expect("a key can be minted").secret().to_owned()
    }

    /// The user with this identifier.
    ///
    /// # Panics
    /// When there is none.
    pub async fn user(&self, id: &UserId) -> User {
        self.identity.user(id).await.expect("the user is there")
    }

    /// Stops the gateway as a signal would and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            running
                .await
                .expect("the gateway does not panic")
                .expect("the gateway ends well");
        }
    }
}

fn open_bucket(server: &S3Server, options: &pentad_blob::Options) -> Blobs {
    Blobs::open_with(&server.url("gateway"), options).expect("the test S3 server can be opened")
}

/// Rates for a test that wants refused credentials to be limited.
///
/// # Panics
/// When a number is zero.
pub const fn refusal_limit(per_second: u32, burst: u32) -> RefusalLimit {
    RefusalLimit {
        per_second: NonZeroU32::new(per_second).expect("a rate is at least one"),
        burst: NonZeroU32::new(burst).expect("a burst is at least one"),
    }
}

fn mailer(public_url: &str, smtp: Option<String>) -> Mailer {
    match smtp {
        Some(url) => {
            let smtp = Smtp {
                url: url.into(),
                from: "Pentad <pentad@example.com>".to_owned(),
            };
            Mailer::smtp(public_url, &smtp).expect("the address of a test server can be used")
        }
        None => Mailer::off(public_url),
    }
}

/// Bounds that let many tests run beside each other.
fn small_grep_settings() -> Settings {
    Settings {
        memory_bytes: 1 << 30,
        max_session_bytes: 1 << 30,
        ..Settings::default()
    }
}

/// Agents of a test wait for commands no longer than a test may take.
fn short_polls() -> Limits {
    Limits {
        command_hold: Duration::from_millis(500),
        ..Limits::default()
    }
}
