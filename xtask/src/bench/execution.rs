//! `cargo xtask bench exec`: programs over HTTP, then sandboxes alone.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::folder;
use crate::programs::{self, Program};
use crate::runtimes;
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
