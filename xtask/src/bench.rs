//! `cargo xtask bench`.

mod all;
mod execution;
mod original_sync;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::programs::{self, Program};
use crate::runtimes;
use crate::workspace::{self, Workspace};

/// Measure an engine beside the tools people would use instead.
///
/// Builds the benchmark in release mode, installs the tools it is compared with, and prints markdown:
/// ratios of one run on one machine. What measures a running gateway is in the folder `bench`, what measures an
/// engine in that of its crate. Without arguments for it, it gets what it is meant for: `grep` the Linux
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
    /// All but the soak, and what they print into docs/benchmarks.md, with the machine and the versions.
    All,
    /// The engine of grep sessions, beside ripgrep, csearch and fff.
    Grep,
    /// Grep sessions over HTTP, beside the gateway's smallest answer.
    GrepHttp,
    /// A thousand grep sessions for ten minutes, every answer checked: bench grep-soak -- SECONDS SESSIONS
    GrepSoak,
    /// Recording runs through the whole program, beside a bare web server, a bare disk and Arize Phoenix:
    /// bench runs -- --seconds 10
    Runs,
    /// Memories on both time axes, on SQLite and, where `PENTAD_TEST_POSTGRES` names a server, on PostgreSQL:
    /// bench memories -- COUNT
    Memories,
    /// Programs in five languages over HTTP beside bare processes, then sandboxes beside bwrap: bench exec -- ROUNDS
    Exec,
    /// Two hundred clients who run programs for two minutes, a fifth of them hostile, every answer checked and what
    /// is left looked for: bench exec-load -- SECONDS CLIENTS
    ExecLoad,
    /// Session sync and projects, beside the original server of seed 002, on SQLite and, where
    /// `PENTAD_TEST_POSTGRES` names a server, on PostgreSQL: bench sync -- --only push. `PENTAD_BENCH_PYTHON`
    /// names an interpreter that has the original server; without it, it is installed from its package.
    Sync,
}

/// What runs are recorded beside.
const PHOENIX: &str = "arize-phoenix==20.26.1";

/// A benchmark that is a program in a workspace of its own.
struct Benchmark {
    manifest: &'static str,
    program: &'static str,
    features: &'static [&'static str],
    beside: &'static [Program],
    /// What the benchmark is given whatever else it is given.
    always: fn(&Workspace) -> anyhow::Result<Vec<String>>,
    /// Its arguments when none are given.
    default: fn(&Workspace) -> anyhow::Result<Vec<String>>,
}

/// Benchmarks that measure a running gateway.
const OVER_HTTP: Benchmark = Benchmark {
    manifest: "bench/Cargo.toml",
    program: "",
    features: &[],
    beside: &[],
    always: pentad_program,
    default: |_| Ok(vec![]),
};

impl What {
    /// The benchmark, where it is a program of its own.
    const fn benchmark(self) -> Option<Benchmark> {
        match self {
            Self::All | Self::Memories | Self::Exec => None,
            Self::Runs => Some(Benchmark {
                program: "runs",
                always: beside_phoenix,
                ..OVER_HTTP
            }),
            Self::Sync => Some(Benchmark {
                program: "sync",
                always: original_sync::arguments,
                ..OVER_HTTP
            }),
            Self::Grep => Some(Benchmark {
                manifest: "crates/engines/grep-engine/bench/Cargo.toml",
                program: "pentad-grep-bench",
                features: &["--features", "fff"],
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
                always: |_| Ok(Vec::new()),
                default: |workspace| {
                    let tree = linux_sources(workspace)?.display().to_string();
                    Ok(vec![tree, "--csearch".to_owned(), "--fff".to_owned()])
                },
            }),
            Self::GrepHttp => Some(Benchmark {
                program: "grep_http",
                default: |workspace| Ok(vec![linux_sources(workspace)?.display().to_string()]),
                ..OVER_HTTP
            }),
            Self::ExecLoad => Some(Benchmark {
                program: "exec_load",
                ..OVER_HTTP
            }),
            Self::GrepSoak => Some(Benchmark {
                program: "grep_soak",
                ..OVER_HTTP
            }),
        }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.what {
        What::All => return all::run(workspace),
        What::Exec => return execution::run(workspace, &arguments.arguments),
        _ => {}
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
        .args(benchmark.features)
        .args(["--bin", benchmark.program, "--"])
        .args((benchmark.always)(workspace)?)
        .args(given)
        // One folder for all of them, ignored and swept with everything else that is built.
        .env("CARGO_TARGET_DIR", folder(workspace));
    if matches!(arguments.what, What::ExecLoad) {
        runtimes::ensure(workspace)?;
        command.env(runtimes::VARIABLE, runtimes::directories(workspace)?);
    }
    workspace::run(&mut command)
}

/// Builds the program, and says where it is.
fn pentad_program(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    workspace::run(&mut workspace.cargo(&["build", "--package", "pentad", "--profile", "fast"]))?;
    Ok(vec![workspace.target().join("fast/pentad").display().to_string()])
}

/// The program, and Arize Phoenix beside it.
fn beside_phoenix(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut arguments = vec!["--pentad".to_owned()];
    arguments.extend(pentad_program(workspace)?);
    arguments.extend(["--phoenix".to_owned(), phoenix(workspace)?.display().to_string()]);
    Ok(arguments)
}

/// Arize Phoenix in a Python environment of its own, made once.
fn phoenix(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let home = folder(workspace).join("phoenix");
    let program = home.join("bin/phoenix");
    if !program.is_file() {
        workspace::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let mut install = Command::new(home.join("bin/python"));
        workspace::run(install.args(["-m", "pip", "install", "--quiet", PHOENIX]))?;
    }
    Ok(program)
}

pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
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
