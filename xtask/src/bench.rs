//! `cargo xtask bench`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::programs::{self, Program};
use crate::runtimes;
use crate::workspace::{self, Workspace};

/// Measure an engine beside the tools people would use instead.
///
/// Builds the benchmark in release mode, installs the tools it is compared with, and prints markdown:
/// ratios of one run on one machine. A benchmark is a program of its own, in the folder `bench` of the
/// crate that it measures. Without arguments for it, it gets what it is meant for: `grep` the Linux
/// kernel's sources, 1.4 GB, from the distribution.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// What follows goes to the benchmark, instead of the default: `cargo xtask bench grep -- TREE`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The engine of grep sessions, beside ripgrep and csearch.
    Grep,
    /// Memories on both time axes, on SQLite and, where `PENTAD_TEST_POSTGRES` names a server, on PostgreSQL:
    /// bench memories -- COUNT
    Memories,
    /// Programs in five languages over HTTP beside bare processes, then sandboxes beside bwrap: bench exec -- ROUNDS
    Exec,
}

/// Where a benchmark lies and what it needs.
struct Benchmark {
    manifest: &'static str,
    program: &'static str,
    beside: &'static [Program],
    default: fn(&Workspace) -> anyhow::Result<Vec<String>>,
}

impl What {
    /// The benchmark, where it is a program that needs more than the workspace.
    const fn benchmark(self) -> Option<Benchmark> {
        match self {
            Self::Memories | Self::Exec => None,
            Self::Grep => Some(Benchmark {
                manifest: "crates/engines/grep-engine/bench/Cargo.toml",
                program: "pentad-grep-bench",
                beside: &[
                    Program {
                        name: "rg",
                        package: "ripgrep",
                        purpose: "scans the tree anew for every query",
                    },
                    Program {
                        name: "csearch",
                        package: "codesearch",
                        purpose: "keeps an index of trigrams on disk",
                    },
                ],
                default: |workspace| {
                    let tree = linux_sources(workspace)?;
                    Ok(vec![tree.display().to_string(), "--csearch".to_owned()])
                },
            }),
        }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if matches!(arguments.what, What::Exec) {
        return exec(workspace, &arguments.arguments);
    }
    let Some(benchmark) = arguments.what.benchmark() else {
        let mut command = workspace.cargo(&["bench", "-p", "pentad-memories", "--bench", "memories", "--"]);
        return workspace::run(command.args(&arguments.arguments));
    };
    programs::ensure(benchmark.beside)?;
    let given = if arguments.arguments.is_empty() {
        (benchmark.default)(workspace)?
    } else {
        arguments.arguments.clone()
    };
    let mut command = workspace.cargo(&["run", "--release", "--manifest-path", benchmark.manifest]);
    command
        .args(["--bin", benchmark.program, "--"])
        .args(given)
        // One folder for all of them, ignored and swept with everything else that is built.
        .env("CARGO_TARGET_DIR", folder(workspace));
    workspace::run(&mut command)
}

/// Starts a gateway of its own, measures it from outside, and then the sandbox alone.
fn exec(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    runtimes::ensure(workspace)?;
    programs::ensure(&[Program {
        name: "bwrap",
        package: "bubblewrap",
        purpose: "starts every program in a new sandbox",
    }])?;
    let fast = ["--profile", "fast"];
    for what in [
        &["build", "-p", "pentad"][..],
        &["build", "-p", "pentad-http-exec", "--example", "over_http"],
        &["build", "-p", "pentad-sandbox", "--example", "bench"],
    ] {
        workspace::run(workspace.cargo(what).args(fast))?;
    }
    let directories = runtimes::directories(workspace)?;
    let data = folder(workspace).join("exec");
    std::fs::create_dir_all(&data)?;
    let database = data.join("pentad.db");
    // A first start prints its key.
    for left in ["pentad.db", "pentad.db-wal", "pentad.db-shm"] {
        match std::fs::remove_file(data.join(left)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let address = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .to_string();
    let mut server = Command::new(workspace.target().join("fast/pentad"))
        .args(["--log", "warn", "serve", "--listen", &address, "--data-dir"])
        .arg(&data)
        .arg("--database-url")
        .arg(format!("sqlite:{}", database.display()))
        .env(runtimes::VARIABLE, &directories)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start pentad")?;
    let measured = measure(workspace, &mut server, &address, &directories, arguments);
    server.kill()?;
    server.wait()?;
    measured?;
    let rounds = arguments.first().map_or("30", String::as_str);
    workspace::run(
        Command::new(workspace.target().join("fast/examples/bench"))
            .arg(rounds)
            .env(runtimes::VARIABLE, &directories)
            .env("PENTAD_STATE", data.join("sandbox")),
    )
}

/// Waits for the key that a first start prints, and runs the client.
fn measure(
    workspace: &Workspace,
    server: &mut Child,
    address: &str,
    directories: &std::ffi::OsStr,
    arguments: &[String],
) -> anyhow::Result<()> {
    let said = server.stdout.take().context("the server says nothing")?;
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let key = lines
        .find_map(|line| Some(line.trim().strip_prefix("key")?.trim().to_owned()))
        .context("the server prints no key")?;
    // It has more to say, and must find somebody who listens.
    std::thread::spawn(move || lines.for_each(drop));
    workspace::run(
        Command::new(workspace.target().join("fast/examples/over_http"))
            .args([address, &key])
            .args(arguments)
            .env(runtimes::VARIABLE, directories),
    )
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("bench")
}

/// The sources of the distribution's kernel, unpacked once.
fn linux_sources(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let tree = folder(workspace).join("linux");
    if tree.exists() {
        return Ok(tree);
    }
    let archive = match linux_archive() {
        Some(archive) => archive,
        None => {
            programs::install(&["linux-source"])?;
            linux_archive().context("the package linux-source brings no archive")?
        }
    };
    // Under its name only when it is whole.
    let unpacking = tree.with_extension("unpacking");
    std::fs::create_dir_all(&unpacking)?;
    workspace::run(
        Command::new("tar")
            .args(["--extract", "--strip-components=1", "--file"])
            .arg(archive)
            .current_dir(&unpacking),
    )?;
    std::fs::rename(unpacking, &tree)?;
    Ok(tree)
}

fn linux_archive() -> Option<PathBuf> {
    let entries = std::fs::read_dir(Path::new("/usr/src")).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().display().to_string();
        name.starts_with("linux-source-") && name.contains(".tar")
    })
}
