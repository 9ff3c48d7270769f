//! The two servers, each started empty on a free port.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;

/// A running server. Dropped, it ends, and what it stored goes.
pub struct Server {
    pub name: &'static str,
    pub client: Client,
    child: Child,
    directory: PathBuf,
    /// The database to drop, and the server it is on.
    database: Option<(String, String)>,
}

impl Server {
    /// The process whose time is measured.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The original, from its package.
    pub fn original(python: &Path, postgres: Option<&str>) -> Self {
        let (directory, database) = fresh("original", postgres);
        let url = match &database {
            Some((url, name)) => with_name(url, name).replacen("postgres://", "postgresql+asyncpg://", 1),
            None => format!("sqlite+aiosqlite:///{}/sessionfs.db", directory.display()),
        };
        let port = free_port();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(python);
            command
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peer.py"))
                .args(arguments)
                .env("SFS_DATABASE_URL", &url)
                .env("SFS_BLOB_STORE_LOCAL_PATH", directory.join("blobs"))
                .env("SFS_REQUIRE_EMAIL_VERIFICATION", "false")
                .env("SFS_RATE_LIMIT_PER_MINUTE", "0")
                .env("SFS_VERIFICATION_SECRET", "0123456789abcdef0123456789abcdef")
                .current_dir(&directory);
            command
        };
        let child = command(&[&port.to_string()]).spawn().expect("the original server can be started");
        let mut client = Client::new(format!("http://127.0.0.1:{port}"));
        wait_for(&client);
        let made = client.post("/api/v1/auth/signup", &json!({"email": "bench@example.com"}));
        client.key = made["raw_key"].as_str().expect("a key").to_owned();
        let promoted = command(&["promote", "bench@example.com"]).status().expect("Python runs");
        assert!(promoted.success());
        Self {
            name: "original",
            client,
            child,
            directory,
            database,
        }
    }

    pub fn pentad(program: &Path, postgres: Option<&str>) -> Self {
        let (directory, database) = fresh("pentad", postgres);
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(&directory)
            .current_dir(&directory)
            .stdout(Stdio::piped());
        if let Some((url, name)) = &database {
            command.args(["--database-url", &with_name(url, name)]);
        }
        let mut child = command.spawn().expect("pentad can be started");
        let mut client = Client::new(format!("http://127.0.0.1:{port}"));
        let output = BufReader::new(child.stdout.take().expect("the output is piped"));
        for line in output.lines().map_while(Result::ok) {
            if let Some(key) = line.trim().strip_prefix("key ") {
                client.key = key.trim().to_owned();
                break;
            }
        }
        wait_for(&client);
        Self {
            name: "Pentad",
            client,
            child,
            directory,
            database,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
        if let Some((url, name)) = &self.database {
            psql(url, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// A directory and, on PostgreSQL, a database of its own.
fn fresh(name: &str, postgres: Option<&str>) -> (PathBuf, Option<(String, String)>) {
    let unique = format!("pentad_bench_{name}_{}", std::process::id());
    let directory = std::env::temp_dir().join(&unique);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
    let database = postgres.map(|url| {
        psql(url, &format!("CREATE DATABASE {unique}"));
        (url.to_owned(), unique)
    });
    (directory, database)
}

fn psql(url: &str, statement: &str) {
    let done = Command::new("psql").args([url, "--quiet", "--command", statement]).status();
    assert!(done.is_ok_and(|status| status.success()), "psql: {statement}");
}

/// The address of another database of the same server.
fn with_name(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("the address names a database");
    format!("{server}/{name}")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn wait_for(client: &Client) {
    let start = Instant::now();
    while !client.is_up() {
        assert!(start.elapsed() < Duration::from_secs(120), "a server does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
}
