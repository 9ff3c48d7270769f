//! The servers that are measured, each a process of its own with an empty store on this disk.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

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
        let address = format!("127.0.0.1:{}", free_port());
        let program = std::env::current_exe().expect("this program has a path");
        let process = Command::new(program)
            .args(["hello", &address])
            .spawn()
            .expect("it can be started");
        until_it_accepts(&address, Duration::from_secs(10)).await;
        Self {
            _process: Process(process),
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
    _process: Process,
    _data: TempDir,
    pub address: String,
    /// Records.
    pub key: String,
    /// Reads.
    pub reader: String,
}

impl Pentad {
    pub async fn start(program: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let data = store();
        let process = Command::new(program)
            .args(["serve", "--log", "error", "--listen", &address, "--data-dir"])
            .arg(data.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("pentad can be started");
        let process = Process(process);
        until_it_accepts(&address, Duration::from_secs(30)).await;
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
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        Self {
            key: key("ingest"),
            reader: key("user"),
            address,
            _process: process,
            _data: data,
        }
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
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let data = store();
        let process = Command::new(program)
            .arg("serve")
            .env("PHOENIX_WORKING_DIR", data.path())
            .env("PHOENIX_HOST", "127.0.0.1")
            .env("PHOENIX_PORT", port.to_string())
            .env("PHOENIX_GRPC_PORT", free_port().to_string())
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("phoenix can be started");
        let process = Process(process);
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
