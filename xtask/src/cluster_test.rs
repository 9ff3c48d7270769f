//! `cargo xtask cluster-test`.

use std::path::PathBuf;

use crate::postgres::TestServer;
use crate::programs;
use crate::workspace::{self, Workspace};

/// Put three gateways on one PostgreSQL and one bucket under load, and let everything fail that can.
///
/// Starts a PostgreSQL server, an S3 server and three gateways behind a proxy that gives each request to the next
/// one. First come acceptance scripts, if any are named: once in peace, where each passes whole, and once while
/// everything fails, where a check fails at most when it was told to come back or its answer was lost. Then load over
/// all surfaces goes on while gateways are killed and started again, connections to PostgreSQL are cut, and both
/// stores refuse, are silent or answer errors. An audit at the end looks for what was acknowledged and is missing, or
/// is there twice.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A file with a shell command a line, run against the three gateways before the load; what may stand in it in
    /// braces is said in bench/src/bin/cluster.
    #[arg(long, env = "PENTAD_CLUSTER_SCRIPTS", value_name = "FILE")]
    scripts: Option<PathBuf>,
    /// How many seconds the load goes on.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Measure throughput with one, two and three gateways instead, so many seconds each. Programs are then built as
    /// for a release.
    #[arg(long, value_name = "SECONDS")]
    scale: Option<u64>,
    /// Let load go on without faults for so many minutes instead, and look at memory, descriptors, processes and the
    /// times of answers. Programs are then built as for a release.
    #[arg(long, value_name = "MINUTES", conflicts_with = "scale")]
    soak: Option<u32>,
    /// Makes the same faults happen in the same order again.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    programs::ensure(&[programs::POSTGRES])?;
    let is_measured = arguments.scale.is_some() || arguments.soak.is_some();
    let (profile, folder) = if is_measured {
        ("fast", "fast")
    } else {
        ("dev", "debug")
    };
    workspace::run(&mut workspace.cargo(&["build", "--package", "pentad", "--profile", profile]))?;
    let server = [
        "build",
        "--package",
        "pentad-blob",
        "--features",
        "testing",
        "--example",
        "s3_server",
    ];
    workspace::run(&mut workspace.cargo(&server))?;
    let built = workspace.target().join("debug");
    let postgres = TestServer::start()?;
    let mut command = workspace.cargo(&[
        "run",
        "--manifest-path",
        "bench/Cargo.toml",
        "--bin",
        "cluster",
        "--",
    ]);
    command
        .args([
            workspace.target().join(folder).join("pentad"),
            built.join("examples/s3_server"),
        ])
        .args([
            postgres.url(),
            "--seconds".to_owned(),
            arguments.seconds.to_string(),
        ])
        .env("CARGO_TARGET_DIR", crate::bench::folder(workspace));
    if let Some(seed) = arguments.seed {
        command.args(["--seed".to_owned(), seed.to_string()]);
    }
    if let Some(seconds) = arguments.scale {
        command.args(["--scale".to_owned(), seconds.to_string()]);
    }
    if let Some(minutes) = arguments.soak {
        command.args(["--soak".to_owned(), minutes.to_string()]);
    }
    if let Some(scripts) = &arguments.scripts {
        command.arg("--scripts").arg(std::fs::canonicalize(scripts)?);
    }
    workspace::run(&mut command)
}
