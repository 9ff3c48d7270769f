//! `pentad serve` as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pentad");

/// A running server.
pub(crate) struct Server {
    process: Child,
    /// Kept, so that the server can go on printing.
    _output: BufReader<ChildStdout>,
    pub(crate) address: String,
    /// From the start of the process to its first answer.
    pub(crate) start_up: Duration,
}

impl Server {
    /// Starts the server on a free port and waits until it answers.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[], &[]).await
    }

    /// The same with further options, and variables in its environment.
    pub(crate) async fn start_with(data: &Path, options: &[&str], environment: &[(String, String)]) -> Self {
        // The tests' own clients need one.
        pentad_blob::install_crypto_provider();
        let begun = Instant::now();
        let mut process = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--data-dir"])
            .arg(data)
            .args(options)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(output.read_line(&mut line).await.unwrap() > 0, "the server ended");
            if let Some(at) = line.find("http://") {
                break line[at..].split_whitespace().next().unwrap().to_owned();
            }
        };
        // It listens already: the request waits until it is served.
        let answer = reqwest::get(format!("{address}/api/v1/healthz")).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            process,
            _output: output,
            address,
            start_up: begun.elapsed(),
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Asks the process to stop.
    pub(crate) async fn terminate(&self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status();
        assert!(asked.await.unwrap().success());
    }

    /// Waits until it has.
    pub(crate) async fn ended(mut self) -> std::process::ExitStatus {
        self.process.wait().await.unwrap()
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) async fn stop(self) -> std::process::ExitStatus {
        self.terminate().await;
        self.ended().await
    }

    /// Kills the process where it stands.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// A key of the organisation `default`.
pub(crate) async fn key(data: &Path, family: &str) -> String {
    key_with(data, family, &[], &[]).await
}

/// The same, by a command with further options and variables in its environment.
pub(crate) async fn key_with(
    data: &Path,
    family: &str,
    options: &[&str],
    environment: &[(String, String)],
) -> String {
    let ended = pentad(
        data,
        &[
            &["keys", "create", "--org", "default", "--family", family],
            options,
        ]
        .concat(),
        environment,
    )
    .await;
    ended.done().trim().to_owned()
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) printed: String,
    pub(crate) complained: String,
}

impl Ended {
    /// What it printed, having done what it was told.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.printed, self.complained);
        self.printed
    }
}

/// Runs a command on a data directory.
pub(crate) async fn pentad(data: &Path, arguments: &[&str], environment: &[(String, String)]) -> Ended {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Ended {
        code: output.status.code(),
        printed: String::from_utf8(output.stdout).unwrap(),
        complained: String::from_utf8(output.stderr).unwrap(),
    }
}
