//! `cargo xtask postgres`, and the server that `cargo xtask test` runs on.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::programs::{self, find, is_root, user_number};
use crate::workspace::{Workspace, output};

/// The variable that names the server to the tests.
pub(crate) const VARIABLE: &str = "PENTAD_TEST_POSTGRES";

const SCRIPT: &str = include_str!("postgres.sh");

/// Start a PostgreSQL server for tests and leave it running, for the edit loop.
///
/// Prints the line that tells tests about it: eval "$(cargo xtask postgres)". A second call prints the
/// line of the server that runs already. The server listens on a free port of this machine, syncs
/// nothing to disk, and runs as the user `postgres` when this is root. `cargo xtask test` needs no
/// such server, but uses it when PENTAD_TEST_POSTGRES names one.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Stop the server and remove what it stored.
    #[arg(long)]
    stop: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let note = workspace.target().join("xtask-postgres.json");
    let running = std::fs::read(&note)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Cluster>(&bytes).ok())
        .filter(|cluster| cluster.directory.join("data/postmaster.pid").exists());
    if arguments.stop {
        if let Some(cluster) = running {
            output(&mut cluster.script("stop")?)?;
        }
        return match std::fs::remove_file(&note) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        };
    }
    let cluster = match running {
        Some(cluster) => cluster,
        None => {
            if find(programs::POSTGRES.name).is_none() {
                bail!("PostgreSQL is missing: `cargo xtask test` installs it");
            }
            let cluster = Cluster::new()?;
            output(&mut cluster.script("start")?)?;
            std::fs::create_dir_all(workspace.target())?;
            std::fs::write(&note, serde_json::to_vec(&cluster)?)?;
            cluster
        }
    };
    println!("export {VARIABLE}={}", cluster.url());
    Ok(())
}

/// A server's place: a directory of its own and a port.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Cluster {
    directory: PathBuf,
    port: u16,
}

impl Cluster {
    fn new() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("pentad-postgres-")
            .tempdir()?
            .keep();
        if is_root()? {
            let (user, group) = postgres_user()?;
            chown(&directory, Some(user), Some(group))?;
        }
        // Free now; the server says so if somebody else is faster.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { directory, port })
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The script with one of its actions, as the user `postgres` where this is root, as which
    /// PostgreSQL refuses to run.
    fn script(&self, action: &str) -> anyhow::Result<Command> {
        let initdb = find(programs::POSTGRES.name).context("PostgreSQL is missing")?;
        let programs = std::fs::canonicalize(initdb)?;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "postgres.sh"])
            .arg(programs.parent().unwrap_or(Path::new("/")))
            .args([&self.port.to_string(), action])
            .current_dir(&self.directory);
        if is_root()? {
            let (user, group) = postgres_user()?;
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

fn postgres_user() -> anyhow::Result<(u32, u32)> {
    let user = user_number(&["postgres"]).context("the user postgres, which comes with PostgreSQL")?;
    let printed = output(Command::new("id").args(["-g", "postgres"]))?;
    Ok((user, String::from_utf8_lossy(&printed).trim().parse()?))
}

/// A running server. It is stopped and removed when this is dropped, and also when this process is
/// killed: a shell waits for the end of a pipe that only this process holds.
#[derive(Debug)]
pub(crate) struct TestServer {
    keeper: Child,
    url: String,
}

impl TestServer {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::new()?;
        let mut keeper = cluster
            .script("keep")?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut said = String::new();
        let stdout = keeper.stdout.take().context("the script's output is a pipe")?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said.trim() != "ready" {
            bail!("PostgreSQL did not start: {}", keeper.wait()?);
        }
        Ok(Self {
            keeper,
            url: cluster.url(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            println!("the test database was not stopped: {error}");
        }
    }
}
