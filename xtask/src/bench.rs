//! `cargo xtask bench`.

use clap::ValueEnum;

use crate::programs::{self, Program};
use crate::workspace::{self, Workspace};

/// Measure an engine beside the tools people would use instead.
///
/// Builds the benchmark in release mode, installs the tools it is compared with, and prints markdown:
/// ratios of one run on one machine. A benchmark is a program of its own, in the folder `bench` of the
/// crate that it measures.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// What follows goes to the benchmark: `cargo xtask bench grep -- --help`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Grep sessions' engine beside ripgrep and csearch: bench grep -- TREE
    Grep,
    /// Memories on both time axes, on SQLite and, where `PENTAD_TEST_POSTGRES` names a server, on PostgreSQL:
    /// bench memories -- COUNT
    Memories,
}

/// Where a benchmark lies and what it needs.
#[derive(Debug)]
struct Benchmark {
    manifest: &'static str,
    programs: &'static [Program],
}

impl What {
    /// The benchmark, where it is a program that needs more than the workspace.
    const fn benchmark(self) -> Option<Benchmark> {
        match self {
            Self::Memories => None,
            Self::Grep => Some(Benchmark {
                manifest: "crates/engines/grep-engine/bench/Cargo.toml",
                programs: &[
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
            }),
        }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let Some(benchmark) = arguments.what.benchmark() else {
        let mut command = workspace.cargo(&["bench", "-p", "pentad-memories", "--bench", "memories", "--"]);
        return workspace::run(command.args(&arguments.arguments));
    };
    programs::ensure(benchmark.programs)?;
    let mut command = workspace.cargo(&["run", "--release", "--manifest-path", benchmark.manifest, "--"]);
    // One folder for all of them, which is ignored and swept with everything else that is built.
    command
        .args(&arguments.arguments)
        .env("CARGO_TARGET_DIR", workspace.target().join("bench"));
    workspace::run(&mut command)
}
