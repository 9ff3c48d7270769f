//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The self-hosted back-end for AI agents: five documented HTTP APIs in one program.
///
/// `pentad serve` needs nothing installed: it keeps its data in ./pentad-data. Every option can also be
/// set by an environment variable, named beside it, or in pentad.toml; the command line wins over the
/// environment, and the environment over the file.
#[derive(Debug, Parser)]
#[command(name = "pentad", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) logging: LoggingArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the program logs, on standard error.
#[derive(Debug, Args)]
pub(crate) struct LoggingArguments {
    /// What is logged: error, warn, info, debug or trace, also per module as in info,sqlx=warn.
    #[arg(
        long,
        global = true,
        env = "PENTAD_LOG",
        default_value = "info,sqlx=warn,actix_server=warn",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
    /// The form of the log.
    #[arg(long, global = true, env = "PENTAD_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway.
    ///
    /// The first start on an empty store creates the schema, the organisation "default", an
    /// administrator and one key, and prints them once. PENTAD_ADMIN_EMAIL and PENTAD_ADMIN_PASSWORD
    /// choose the administrator.
    Serve(Box<ServeArguments>),
    /// Create, list and revoke keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create users, tenants and DSNs; put somebody on a plan.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Bring the database schema up to date and exit.
    Migrate(StorageArguments),
    /// Remove the objects that nothing refers to any more, and say how many.
    ///
    /// Running gateways do so by themselves every now and then, for objects that are old enough.
    Sweep(SweepArguments),
    /// Copy everything that is stored into a directory, while the gateway serves.
    ///
    /// The backup holds the database as it was at one instant, every object that its rows name, the SQL
    /// databases of agents, and the secret that seals saved keys; not the configuration. A manifest has the
    /// size and SHA-256 of every file. Nothing is locked and requests are not held up. On PostgreSQL, pg_dump
    /// has to be installed, of the server's version or later.
    ///
    /// Run it with the same --data-dir, --database-url and --object-store as the gateway. A backup holds
    /// everything that the gateway keeps, secrets included: only its owner can read it.
    ///
    /// Exit codes: 0 when the backup is complete; 1 when there is none, or when the store has lost files
    /// that the database names, which the backup then lists. A directory without a manifest.json is what an
    /// interrupted backup left: remove it.
    Backup(BackupArguments),
    /// Bring a backup back into an empty data directory.
    ///
    /// Everything in the backup is verified before anything is written. Nothing is overwritten: the data
    /// directory has to be empty or missing, and so does the database; on PostgreSQL create an empty one, and
    /// have pg_restore installed. The objects go to --object-store, from files to S3 or back as you like.
    /// Afterwards start the gateway; a backup of an earlier version is brought up to date by that.
    Restore(RestoreArguments),
    /// Print an OpenAPI document, or write all of them.
    Openapi(OpenapiArguments),
    /// Check what the gateway depends on, and say what to do about each failure.
    Doctor(DoctorArguments),
    /// Load a small data set into all five APIs of a running server, and say what to open and try.
    ///
    /// It goes through the same HTTP as any client's data. Called again, it adds what is missing. The data is
    /// Pentad's own: its documentation and sources, and texts written for the purpose.
    Demo(DemoArguments),
    /// Print what a shell needs to complete pentad's commands and options.
    ///
    /// For bash: pentad completions bash > ~/.local/share/bash-completion/completions/pentad
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the reference of commands and options as Markdown; `cargo xtask configuration` calls it.
    #[command(hide = true)]
    Reference,
}

/// Where everything is stored. The same for every command, so that commands work beside a running server.
#[derive(Clone, Debug, Args)]
pub(crate) struct StorageArguments {
    /// The configuration file; pentad.toml in this directory is read when there is one.
    #[arg(long, env = "PENTAD_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where data is kept that is given no other place [default: ./pentad-data]
    #[arg(long, env = "PENTAD_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// sqlite:FILE or postgres://… [default: sqlite:<data-dir>/pentad.db]
    #[arg(long, env = "PENTAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// file:DIR or s3://bucket/prefix, which takes its address and credentials from AWS_ENDPOINT_URL,
    /// AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY [default: file:<data-dir>/objects]
    #[arg(long, env = "PENTAD_OBJECT_STORE", value_name = "URL")]
    pub(crate) object_store: Option<String>,
    /// The address under which clients reach the gateway [default: http://<listen>]
    #[arg(long, env = "PENTAD_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// What a commit on SQLite survives: fsync for power loss, os for the death of the process
    /// [default: fsync]
    #[arg(long, env = "PENTAD_DURABILITY", value_name = "HOW")]
    pub(crate) durability: Option<DurabilityChoice>,
    #[command(flatten)]
    pub(crate) waits: Waits,
}

/// How long the stores are waited for before a request ends with 503.
#[derive(Clone, Debug, Default, Args, serde::Deserialize)]
#[command(next_help_heading = "Waiting for the stores")]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Waits {
    /// Connections to PostgreSQL, or for reading from SQLite [default: 8]
    #[arg(long, env = "PENTAD_DATABASE_CONNECTIONS", value_name = "N")]
    pub(crate) database_connections: Option<u32>,
    /// Seconds that a request waits for a connection to the database [default: 5]
    #[arg(long, env = "PENTAD_DATABASE_WAIT_SECONDS", value_name = "N")]
    pub(crate) database_wait_seconds: Option<u64>,
    /// Seconds that PostgreSQL may take for one statement [default: 30]
    #[arg(long, env = "PENTAD_DATABASE_STATEMENT_SECONDS", value_name = "N")]
    pub(crate) database_statement_seconds: Option<u64>,
    /// Seconds for one operation on the object store with all its retries, apart from the time its bytes take
    /// [default: 30]
    #[arg(long, env = "PENTAD_OBJECTS_SECONDS", value_name = "N")]
    pub(crate) objects_seconds: Option<u64>,
    /// Seconds for one attempt at it, over a network [default: 10]
    #[arg(long, env = "PENTAD_OBJECTS_ATTEMPT_SECONDS", value_name = "N")]
    pub(crate) objects_attempt_seconds: Option<u64>,
    /// Attempts after the first, over a network [default: 3]
    #[arg(long, env = "PENTAD_OBJECTS_RETRIES", value_name = "N")]
    pub(crate) objects_retries: Option<usize>,
}

impl Waits {
    /// These settings, and those of `file` where these say nothing.
    pub(crate) fn over(&self, file: &Self) -> Self {
        Self {
            database_connections: self.database_connections.or(file.database_connections),
            database_wait_seconds: self.database_wait_seconds.or(file.database_wait_seconds),
            database_statement_seconds: self
                .database_statement_seconds
                .or(file.database_statement_seconds),
            objects_seconds: self.objects_seconds.or(file.objects_seconds),
            objects_attempt_seconds: self.objects_attempt_seconds.or(file.objects_attempt_seconds),
            objects_retries: self.objects_retries.or(file.objects_retries),
        }
    }

    /// How the database is opened.
    pub(crate) fn database(&self, durability: pentad_store::Durability) -> pentad_store::Options {
        let usual = pentad_store::Options::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        pentad_store::Options {
            durability,
            connections: self.database_connections.unwrap_or(usual.connections).max(1),
            acquire_timeout: seconds(self.database_wait_seconds, usual.acquire_timeout),
            statement_timeout: seconds(self.database_statement_seconds, usual.statement_timeout),
        }
    }

    /// How the object store is opened.
    pub(crate) fn objects(&self) -> pentad_blob::Options {
        let usual = pentad_blob::Limits::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        pentad_blob::Options {
            limits: pentad_blob::Limits {
                timeout: seconds(self.objects_seconds, usual.timeout),
                attempt_timeout: seconds(self.objects_attempt_seconds, usual.attempt_timeout),
                retries: self.objects_retries.unwrap_or(usual.retries),
                ..usual
            },
            ..pentad_blob::Options::default()
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityChoice {
    /// Power loss.
    Fsync,
    /// The death of the process.
    Os,
}

#[derive(Clone, Copy, Debug, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretScanChoice {
    /// Nothing is looked for.
    Off,
    /// What is found is noted on the session.
    Warn,
    /// What is found is noted, and blotted out before anything is stored.
    Redact,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Where the server is.
    #[arg(
        long,
        env = "PENTAD_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub(crate) url: String,
    /// A key of a person, as the first start of `pentad serve` prints one.
    #[arg(long, env = "PENTAD_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) key: String,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    /// Seconds since an object was written. While a gateway runs, longer than any request takes: its object comes
    /// before its row.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub(crate) older_than: u64,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    /// The directory of the backup; it is made, or is empty.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    /// The directory of the backup.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Only verify the backup: read every file and compare it with the manifest.
    #[arg(long)]
    pub(crate) check: bool,
    /// Add the objects to an object store that holds some already. Only when no other gateway uses it: each
    /// sweeps away what its own database does not name.
    #[arg(long)]
    pub(crate) keep_objects: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    #[command(flatten)]
    pub(crate) exec: ExecArguments,
}

/// How code is executed.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ExecArguments {
    /// Execute code: true or false [default: true; where no sandbox can be made, the gateway says so and
    /// serves everything else]
    #[arg(long, env = "PENTAD_EXEC", value_name = "BOOL")]
    pub(crate) exec: Option<bool>,
    /// Execute code although required guards of the sandbox are missing. Never for code one does not trust
    #[arg(long, env = "PENTAD_EXEC_UNGUARDED", value_name = "BOOL")]
    pub(crate) exec_unguarded: Option<bool>,
    /// Directories to look for python3, node, deno and go in, before those of PATH, separated by colons
    #[arg(long, env = "PENTAD_RUNTIMES", value_name = "DIRS")]
    pub(crate) exec_runtimes: Option<std::ffi::OsString>,
    /// Megabytes of memory of one program with all its processes [default: 512]
    #[arg(long, env = "PENTAD_EXEC_MEMORY_MB", value_name = "N")]
    pub(crate) exec_memory_mb: Option<u64>,
    /// Processes and threads of one program [default: 128]
    #[arg(long, env = "PENTAD_EXEC_PROCESSES", value_name = "N")]
    pub(crate) exec_processes: Option<u32>,
    /// Processor time of one program, in thousandths of a core [default: 1000]
    #[arg(long, env = "PENTAD_EXEC_CPU_MILLIS", value_name = "N")]
    pub(crate) exec_cpu_millis: Option<u32>,
    /// Seconds that a program may take when it does not say [default: 30]
    #[arg(long, env = "PENTAD_EXEC_TIMEOUT", value_name = "N")]
    pub(crate) exec_timeout: Option<u64>,
    /// The most seconds that a program or session may ask for [default: 600]
    #[arg(long, env = "PENTAD_EXEC_MAX_TIMEOUT", value_name = "N")]
    pub(crate) exec_max_timeout: Option<u64>,
    /// Programs that run at once [default: two a core, at least 4]
    #[arg(long, env = "PENTAD_EXEC_CONCURRENT", value_name = "N")]
    pub(crate) exec_concurrent: Option<usize>,
    /// Runs that may wait for their turn; one organisation may use half [default: 1024]
    #[arg(long, env = "PENTAD_EXEC_QUEUE", value_name = "N")]
    pub(crate) exec_queue: Option<usize>,
    /// Interpreters that wait when nothing happens, as in python=2,node=2,deno=1,empty=1,go_build=1; 0 for none
    #[arg(long, env = "PENTAD_EXEC_POOL", value_name = "SIZES")]
    pub(crate) exec_pool: Option<String>,
    /// The most interpreters of one kind that wait, however great the demand [default: 8]
    #[arg(long, env = "PENTAD_EXEC_POOL_MOST", value_name = "N")]
    pub(crate) exec_pool_most: Option<usize>,
    /// Host names that packages come from, separated by commas; those that are named may be on private networks
    /// [default: those of PyPI, npm and Go]
    #[arg(long, env = "PENTAD_EXEC_REGISTRIES", value_name = "HOSTS")]
    pub(crate) exec_registries: Option<String>,
    /// Host names that sandboxes with internet access may reach, with all names below them, separated by
    /// commas [default: everything but private addresses]
    #[arg(long, env = "PENTAD_EXEC_EGRESS_HOSTS", value_name = "HOSTS")]
    pub(crate) exec_egress_hosts: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    #[command(flatten)]
    pub(crate) exec: ExecArguments,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "PENTAD_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Threads that answer requests [default: one per core]
    #[arg(long, env = "PENTAD_WORKERS", value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Run code without a key: true for everybody, false for nobody [default: only for requests from
    /// this machine while the gateway listens on loopback]
    #[arg(long, env = "PENTAD_EXEC_OPEN", value_name = "BOOL")]
    pub(crate) exec_open: Option<bool>,
    /// Let audits call language models on this machine and in private networks, also without TLS
    /// [default: only while the gateway listens on loopback]
    #[arg(long, env = "PENTAD_JUDGE_PRIVATE", value_name = "BOOL")]
    pub(crate) judge_private: Option<bool>,
    /// What is done about secrets in pushed sessions [default: off]
    #[arg(long, env = "PENTAD_SECRET_SCAN", value_enum)]
    pub(crate) secret_scan: Option<SecretScanChoice>,
    /// The SMTP server that messages are sent through: smtps://user:password@host, smtp://host?tls=required, or
    /// smtp://host:25 on this machine [default: none, nothing is sent]
    #[arg(long, env = "PENTAD_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) smtp_url: Option<String>,
    /// Who messages are from [default: pentad@ the SMTP server's name]
    #[arg(long, env = "PENTAD_MAIL_FROM", value_name = "ADDRESS")]
    pub(crate) mail_from: Option<String>,
    /// Whether new users prove their address by a message before they can push; needs an SMTP server
    /// [default: false]
    #[arg(long, env = "PENTAD_VERIFY_EMAIL", value_name = "BOOL")]
    pub(crate) verify_email: Option<bool>,
    /// Sign-ups that one address may send at once, after that one a second; 0 for as many as it likes
    /// [default: 100]
    #[arg(long, env = "PENTAD_SIGN_UPS", value_name = "N")]
    pub(crate) sign_ups: Option<u32>,
    /// The plan of new organisations: free, starter, pro, team, scale, enterprise or unlimited
    /// [default: unlimited]
    #[arg(long, env = "PENTAD_DEFAULT_PLAN", value_name = "PLAN")]
    pub(crate) default_plan: Option<String>,
    /// Refused credentials a second that one address may send; 0 for as many as it likes [default: 20]
    #[arg(long, env = "PENTAD_REFUSALS_PER_SECOND", value_name = "N")]
    pub(crate) refusals_per_second: Option<u32>,
    /// Seconds that running requests get to finish when the server stops [default: 30]
    #[arg(long, env = "PENTAD_SHUTDOWN_SECONDS", value_name = "N")]
    pub(crate) shutdown_seconds: Option<u64>,
    /// The address of a collector that traces are sent to by OTLP over HTTP, as in http://localhost:4318. The
    /// OTEL_… variables of OpenTelemetry set headers, sampling and the name of the service [default: none]
    #[arg(long, env = "PENTAD_OTLP", value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// Megabytes of memory that grep sessions may hold together [default: half of the machine's]
    #[arg(long, env = "PENTAD_GREP_MEMORY_MB", value_name = "N")]
    pub(crate) grep_memory_mb: Option<u64>,
    #[command(flatten)]
    pub(crate) runs: crate::runs::RunsFile,
    /// The administrator's address at the first start.
    #[arg(
        long,
        env = "PENTAD_ADMIN_EMAIL",
        default_value = "admin@localhost",
        value_name = "EMAIL"
    )]
    pub(crate) admin_email: String,
}

#[derive(Debug, Args)]
pub(crate) struct OpenapiArguments {
    /// Which document: openapi for the whole gateway, or the name of a surface.
    #[arg(default_value = "openapi")]
    pub(crate) document: String,
    /// Write every document into this directory instead.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Mint a key and print its secret alone.
    Create {
        #[command(flatten)]
        storage: StorageArguments,
        /// What the key is for; it decides the secret's form and the default scopes.
        #[arg(long, value_enum)]
        family: FamilyChoice,
        /// The organisation's slug [default: the user's own; "default" without a user]
        #[arg(long, value_name = "SLUG")]
        org: Option<String>,
        /// The user it belongs to [default: the first administrator]
        #[arg(long, value_name = "EMAIL")]
        email: Option<String>,
        /// Scopes, separated by commas [default: those of the family]
        #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Vec<String>,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
    },
    /// List an organisation's keys: id, prefix, family, scopes, state.
    List {
        #[command(flatten)]
        storage: StorageArguments,
        /// The organisation's slug.
        #[arg(long, default_value = "default", value_name = "SLUG")]
        org: String,
    },
    /// Revoke a key; running gateways follow within five seconds.
    Revoke {
        #[command(flatten)]
        storage: StorageArguments,
        /// The key's id, as `keys list` shows it.
        id: String,
        /// Why.
        #[arg(long, default_value = "revoked on the command line")]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FamilyChoice {
    /// A person's key: everything.
    User,
    /// Grep sessions.
    Grep,
    /// Memories.
    Memory,
    /// Code execution and storage.
    Exec,
    /// Recording runs, write only.
    Ingest,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Create a user, with a personal organisation.
    UserCreate {
        #[command(flatten)]
        storage: StorageArguments,
        /// The address.
        #[arg(long)]
        email: String,
        /// Read a password from standard input; without it the user can only use keys.
        #[arg(long)]
        password_stdin: bool,
        /// Make the user a platform administrator.
        #[arg(long)]
        admin: bool,
    },
    /// Create an organisation, which is what ingest calls a tenant.
    TenantCreate {
        #[command(flatten)]
        storage: StorageArguments,
        /// Its slug.
        slug: String,
    },
    /// Issue a DSN for recording runs and print it alone.
    DsnIssue {
        #[command(flatten)]
        storage: StorageArguments,
        /// The tenant's slug.
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// A name for people.
        #[arg(long)]
        label: Option<String>,
    },
    /// Put a user's own organisation, or an organisation, on a plan.
    SetPlan {
        #[command(flatten)]
        storage: StorageArguments,
        /// A user's address or an organisation's slug.
        who: String,
        /// free, starter, pro, team, scale, enterprise or unlimited; `admin` makes the user a platform
        /// administrator.
        plan: String,
    },
}
