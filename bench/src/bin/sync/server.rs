//! The two servers, each started empty on a free port.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pentad_bench::client::Client;
use pentad_bench::server::{self, Process, free_address};
use serde_json::json;
use tempfile::TempDir;

use crate::caller::Caller;

/// A running server. Dropped, it ends, and what it stored goes.
pub struct Server {
    pub name: &'static str,
    pub client: Caller,
    process: Running,
    _directory: TempDir,
    _database: Option<Database>,
}

enum Running {
    Original(Process),
    Pentad(server::Server),
}

impl Server {
    /// The process whose time is measured.
    pub fn process(&self) -> u32 {
        match &self.process {
            Running::Original(process) => process.id(),
            Running::Pentad(server) => server.id(),
        }
    }

    /// The original, from its package.
    pub fn original(python: &Path, postgres: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let database = postgres.map(|url| Database::create(url, "original"));
        let url = match &database {
            Some(database) => database.url().replacen("postgres://", "postgresql+asyncpg://", 1),
            None => format!("sqlite+aiosqlite:///{}/sessionfs.db", directory.path().display()),
        };
        let program = directory.path().join("original.py");
        std::fs::write(&program, include_str!("original.py")).expect("the directory can be written to");
        let address = free_address();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(python);
            command
                .arg(&program)
                .args(arguments)
                .env("SFS_DATABASE_URL", &url)
                .env("SFS_BLOB_STORE_LOCAL_PATH", directory.path().join("blobs"))
                .env("SFS_REQUIRE_EMAIL_VERIFICATION", "false")
                .env("SFS_RATE_LIMIT_PER_MINUTE", "0")
                .env("SFS_LOG_LEVEL", "WARNING")
                .env("SFS_VERIFICATION_SECRET", "0123456789abcdef0123456789abcdef")
                .current_dir(&directory);
            command
        };
        let (_, port) = address.rsplit_once(':').expect("an address has a port");
        let process = Process::start(&mut command(&[port]));
        wait_for(&address);
        let made = Caller::new(Client::new(&address, ""))
            .post("/api/v1/auth/signup", &json!({"email": "bench@example.com"}));
        let promoted = command(&["promote", "bench@example.com"])
            .status()
            .expect("Python runs");
        assert!(promoted.success());
        let key = made["raw_key"].as_str().expect("a key");
        Self {
            name: "original",
            client: Caller::new(Client::new(&address, key)),
            process: Running::Original(process),
            _directory: directory,
            _database: database,
        }
    }

    pub fn pentad(program: &Path, postgres: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let database = postgres.map(|url| Database::create(url, "pentad"));
        let url = database.as_ref().map(Database::url);
        let options: Vec<&str> = url
            .iter()
            .flat_map(|url| ["--database-url", url.as_str()])
            .collect();
        let server = server::Server::start(program, directory.path(), &options);
        Self {
            name: "Pentad",
            client: Caller::new(server.client()),
            process: Running::Pentad(server),
            _directory: directory,
            _database: database,
        }
    }
}

/// A database of its own on a PostgreSQL server, dropped with this.
struct Database {
    server: String,
    name: String,
}

impl Database {
    fn create(server: &str, name: &str) -> Self {
        let name = format!("pentad_bench_{name}_{}", std::process::id());
        psql(server, &format!("CREATE DATABASE {name}"));
        Self {
            server: server.to_owned(),
            name,
        }
    }

    fn url(&self) -> String {
        let (server, _) = self
            .server
            .rsplit_once('/')
            .expect("the address names a database");
        format!("{server}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn psql(url: &str, statement: &str) {
    let done = Command::new("psql")
        .args([url, "--quiet", "--command", statement])
        .status();
    assert!(done.is_ok_and(|status| status.success()), "psql: {statement}");
}

fn wait_for(address: &str) {
    let start = Instant::now();
    while Client::new(address, "").get("/health").is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "a server does not start"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
