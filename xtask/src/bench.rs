//! `cargo xtask bench`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::programs::{self, Program};
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
    /// Recording runs through the whole program, beside a bare web server, a bare disk and Arize Phoenix:
    /// bench runs -- --seconds 10
    Runs,
    /// Memories on both time axes, on SQLite and, where `PENTAD_TEST_POSTGRES` names a server, on PostgreSQL:
    /// bench memories -- COUNT
    Memories,
}

/// What runs are recorded beside.
const PHOENIX: &str = "arize-phoenix==20.26.1";

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
            Self::Memories | Self::Runs => None,
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
    if matches!(arguments.what, What::Runs) {
        return runs(workspace, &arguments.arguments);
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

/// The program is measured as a process of its own, so it has to be built first.
fn runs(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    workspace::run(&mut workspace.cargo(&["build", "--profile", "fast", "-p", "pentad"]))?;
    let mut command = workspace.cargo(&[
        "run",
        "--release",
        "--manifest-path",
        "crates/domains/runs/bench/Cargo.toml",
        "--",
    ]);
    command
        .arg("--pentad")
        .arg(workspace.target().join("fast/pentad"))
        .arg("--phoenix")
        .arg(phoenix(workspace)?)
        .args(arguments)
        .env("CARGO_TARGET_DIR", folder(workspace));
    workspace::run(&mut command)
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
