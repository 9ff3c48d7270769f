//! `cargo xtask test`.

mod tally;

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::postgres::{self, TestServer};
use crate::programs::{self, find};
use crate::steps::Steps;
use crate::workspace::{Workspace, shown};
use crate::{check, clients, configuration, openapi, runtimes, schemathesis};
use tally::Tally;

/// Check and test everything, as CI does.
///
/// In this order: installs the programs that tests start (as root, where apt-get is there; else says
/// what to install); format; layers; lints; documentation; OpenAPI documents; unit and integration tests on SQLite
/// and on a PostgreSQL server of its own, pages in Chromium, hostile programs in Python, Node, TypeScript, Go
/// and Deno; made-up requests compared with the documents; the examples in the documentation. Runs
/// tests with cargo nextest where that is installed, else with cargo test. What is missing fails: no
/// test is skipped, but for documented commands of clients whose packages cannot be had, which are named.
/// The server is stopped and removed at the end, however the end comes about.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let mut tally = Tally::default();
    steps.run("programs that tests start", || {
        programs::ensure(programs::FOR_TESTS)
    });
    steps.run("languages that tests run programs in", || {
        runtimes::ensure(workspace)
    });
    check::before_building(workspace, &mut steps);
    let built = steps.run("build (all tests)", || {
        crate::workspace::run(&mut workspace.cargo(&["build", "--workspace", "--all-targets", "--locked"]))
    });
    if built.is_some() {
        steps.run("OpenAPI documents (openapi/)", || openapi::check_built(workspace));
        steps.run("configuration (docs/configuration.md)", || {
            configuration::check_built(workspace)
        });
        steps.run("answers as the documents say (schemathesis)", || {
            schemathesis::check_built(workspace)
        });
        steps.run("generated clients (Python, TypeScript)", || {
            clients::check_built(workspace)
        });
        if let Some(server) = steps.run("PostgreSQL", Server::for_tests) {
            steps.run("tests (SQLite and PostgreSQL)", || {
                tested(workspace, &mut tests(workspace), &server, &mut tally)
            });
            steps.run("examples in the documentation", || {
                let mut documentation = workspace.cargo(&["test", "--workspace", "--doc", "--locked"]);
                tested(workspace, &mut documentation, &server, &mut tally)
            });
        }
    }
    let outcome = steps.finish();
    // The runner's closing line, for whoever counts tests: that of the last run alone says too little.
    println!("\n{tally}");
    outcome
}

/// The server the tests run on: one that is named, or one of our own.
enum Server {
    Named(String),
    Own(TestServer),
}

impl Server {
    fn for_tests() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(postgres::VARIABLE) {
            println!("the server that {} names", postgres::VARIABLE);
            return Ok(Self::Named(url));
        }
        let server = TestServer::start()?;
        println!("{}, stopped and removed afterwards", server.url());
        Ok(Self::Own(server))
    }

    fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Own(server) => server.url(),
        }
    }
}

/// Without the benchmarks, which are programs of their own and measure for minutes.
fn tests(workspace: &Workspace) -> Command {
    if find("cargo-nextest").is_some() {
        workspace.cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        workspace.cargo(&[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--locked",
            "--no-fail-fast",
        ])
    }
}

/// Runs tests, shows what they print, and counts them.
fn tested(
    workspace: &Workspace,
    command: &mut Command,
    server: &Server,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    println!("$ {}", shown(command));
    let mut child = command
        .env(postgres::VARIABLE, server.url())
        .env(runtimes::VARIABLE, runtimes::directories(workspace)?)
        .env(runtimes::STATE_VARIABLE, runtimes::state(workspace)?)
        // Where this is set, a test fails that lacks what it needs, and does not skip.
        .env("CI", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as _),
        child.stderr.take().map(|stream| Box::new(stream) as _),
    ];
    let before = tally.total();
    std::thread::scope(|scope| {
        let readers: Vec<_> = streams
            .into_iter()
            .flatten()
            .map(|stream| scope.spawn(|| show(stream)))
            .collect();
        for reader in readers {
            *tally += reader.join().unwrap_or_default();
        }
    });
    let status = child.wait()?;
    if !status.success() {
        bail!("{status}");
    }
    if tally.total() == before {
        bail!("no test ran");
    }
    Ok(())
}

fn show(stream: impl Read) -> Tally {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        tally += Tally::of_line(&text);
        line.clear();
    }
    tally
}
