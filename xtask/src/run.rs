//! `cargo xtask run`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::runtimes;
use crate::workspace::{self, Workspace};

/// Build pentad and start it.
///
/// Builds with the profile `fast`: the speed of a release without its long link. The first build takes
/// some minutes, later ones seconds. Needs nothing but the Rust toolchain; Go and Deno, for code execution, come
/// from PyPI where they are missing. Then starts `pentad serve`,
/// which keeps its data in ./pentad-data; the first start prints an administrator and a key, once.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build with the profile `dev`: quick to build, slow to run.
    #[arg(long)]
    dev: bool,
    /// What follows goes to `pentad serve`: for example --listen 127.0.0.1:9000. `-- --help` lists it.
    #[arg(last = true)]
    serve: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let (profile, folder) = if arguments.dev {
        ("dev", "debug")
    } else {
        ("fast", "fast")
    };
    println!("Building pentad (profile {profile}); the first time takes some minutes.");
    workspace::run(&mut workspace.cargo(&["build", "--package", "pentad", "--profile", profile]))?;
    let program = workspace.target().join(folder).join("pentad");
    let mut serve = Command::new(program);
    serve.arg("serve").args(&arguments.serve);
    // A language that cannot be had is missing from the server, which says so; the rest is served.
    if let Err(error) = runtimes::ensure(workspace) {
        println!("Go and Deno are not installed: {error:#}");
    }
    if std::env::var_os(runtimes::VARIABLE).is_none() {
        serve.env(runtimes::VARIABLE, runtimes::directories(workspace)?);
    }
    println!("$ {}\n", workspace::shown(&serve));
    // In this process's place, so that signals and the exit code are the server's own.
    Err(anyhow::Error::new(serve.exec()).context("cannot start pentad"))
}
