//! `pentad serve` as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client::Client;
use crate::processor;

/// An address that nobody listens on yet.
pub fn free_address() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.expect("a free port").to_string()
}

/// A process that ends with its owner.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let started = command.spawn();
        Self(started.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display())))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on a free port with data of its own, killed when this is dropped.
pub struct Server {
    process: Process,
    pub address: String,
    pub key: String,
}

impl Server {
    /// Starts `program serve` on an empty directory and waits until it answers.
    pub fn start(program: &Path, directory: &Path, options: &[&str]) -> Self {
        Self::start_with(program, directory, options, &[])
    }

    /// The same with variables beside those of this process.
    pub fn start_with(
        program: &Path,
        directory: &Path,
        options: &[&str],
        environment: &[(&str, &Path)],
    ) -> Self {
        let address = free_address();
        let mut command = Command::new(program);
        command
            .args(["--log", "warn", "serve", "--listen", &address, "--data-dir"])
            .arg(directory)
            .args(options)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut lines = BufReader::new(process.0.stdout.take().expect("a pipe")).lines();
        let key = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("key ").map(|key| key.trim().to_owned()))
            .expect("an empty store prints its key");
        // The pipe is read to its end, so that the server never waits for us.
        std::thread::spawn(move || lines.count());
        let server = Self {
            process,
            address,
            key,
        };
        while !server
            .client()
            .get("/health")
            .is_ok_and(|answer| answer.status == 200)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address, &self.key)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks the server to stop, as an operator does, and waits for it; false when it does not, or not well.
    pub fn stop(&mut self) -> bool {
        let asked = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status();
        asked.is_ok_and(|status| status.success())
            && self.process.0.wait().is_ok_and(|status| status.success())
    }

    /// Processor time that the server and its helpers have used.
    pub fn cpu_time(&self) -> Duration {
        processor::time(self.id())
    }

    /// Bytes of memory that the server holds now.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        let kibibytes: u64 = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number");
        kibibytes << 10
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).expect("the server is alive")
    }
}
