//! The servers that are measured, each a process of its own with an empty store on this disk.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use pentad_bench::server::{Process, Server, free_address};
use tempfile::TempDir;
use tokio::net::TcpStream;

fn store() -> TempDir {
    // Not in /tmp, which may be memory.
    tempfile::tempdir_in(".").expect("a directory can be made here")
}

async fn until_it_accepts(address: &str, patience: Duration) {
    let waiting = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, waiting)
        .await
        .expect("the server starts in time");
}

/// A bare actix server.
pub struct Hello {
    _process: Process,
    pub address: String,
}

impl Hello {
    pub async fn start() -> Self {
        let address = free_address();
        let program = std::env::current_exe().expect("this program has a path");
        let process = Process::start(Command::new(program).args(["hello", &address]));
        until_it_accepts(&address, Duration::from_secs(10)).await;
        Self {
            _process: process,
            address,
        }
    }
}

/// What the process of [`Hello`] does.
pub async fn say_hello() {
    let address = std::env::args().nth(2).expect("an address");
    let app = || App::new().route("/", web::get().to(async || "hello"));
    let server = HttpServer::new(app).bind(address).expect("the port is free");
    server.run().await.expect("it serves");
}

/// Pentad with its defaults.
pub struct Pentad {
    server: Server,
    _data: TempDir,
    /// Records.
    pub key: String,
    /// Reads.
    pub reader: String,
}

impl Pentad {
    pub fn start(program: &Path) -> Self {
        let data = store();
        let server = Server::start(program, data.path(), &[]);
        let key = |family: &str| {
            let mut create = Command::new(program);
            create.args([
                "keys",
                "create",
                "--org",
                "default",
                "--family",
                family,
                "--data-dir",
            ]);
            let output = create.arg(data.path()).output().expect("pentad can be started");
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{complaint}");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        Self {
            key: key("ingest"),
            reader: key("user"),
            server,
            _data: data,
        }
    }

    pub fn address(&self) -> &str {
        &self.server.address
    }
}

/// Arize Phoenix on SQLite.
pub struct Phoenix {
    process: Process,
    data: TempDir,
    python: std::path::PathBuf,
    pub address: String,
}

impl Phoenix {
    pub async fn start(program: &Path) -> Self {
        let (address, inner) = (free_address(), free_address());
        let port = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
        let data = store();
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env("PHOENIX_WORKING_DIR", data.path())
            .env("PHOENIX_HOST", "127.0.0.1")
            .env("PHOENIX_PORT", port(&address))
            .env("PHOENIX_GRPC_PORT", port(&inner))
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::start(&mut command);
        until_it_accepts(&address, Duration::from_secs(120)).await;
        Self {
            process,
            data,
            python: program.with_file_name("python"),
            address,
        }
    }

    /// Kills it where it stands, and counts the spans in its database.
    pub fn kill_and_count(self) -> String {
        let database = self.data.path().join("phoenix.db");
        drop(self.process);
        let count = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('select count(*) from spans').fetchone()[0])";
        let output = Command::new(self.python)
            .args(["-c", count])
            .arg(database)
            .output();
        output.map_or_else(
            |error| format!("? ({error})"),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }
}
