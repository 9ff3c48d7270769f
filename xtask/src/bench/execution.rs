//! `cargo xtask bench exec`: programs over HTTP, then sandboxes alone.

use std::process::Command;

use anyhow::Context as _;

use super::folder;
use crate::programs::{self, Program};
use crate::runtimes;
use crate::server::FreshServer;
use crate::workspace::{self, Workspace};

/// Starts a gateway of its own, measures it from outside, and then the sandbox alone.
pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
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
    let server = FreshServer::start(workspace, "fast")?;
    let address = server
        .base
        .strip_prefix("http://")
        .context("the server is near")?;
    workspace::run(
        Command::new(workspace.target().join("fast/examples/over_http"))
            .args([address, &server.key])
            .args(arguments)
            .env(runtimes::VARIABLE, &directories),
    )?;
    drop(server);
    let rounds = arguments.first().map_or("30", String::as_str);
    workspace::run(
        Command::new(workspace.target().join("fast/examples/bench"))
            .arg(rounds)
            .env(runtimes::VARIABLE, &directories)
            .env("PENTAD_STATE", data.join("sandbox")),
    )
}
