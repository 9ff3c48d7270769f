//! `cargo xtask clients`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::programs::find;
use crate::server::FreshServer;
use crate::workspace::{Workspace, run};
use crate::{openapi, python};

const PYTHON_GENERATOR: &str = "openapi-python-client==0.29.1";
const TYPESCRIPT_PACKAGES: [&str; 2] = ["@hey-api/openapi-ts@0.80.18", "typescript@5.9.3"];

/// Generate clients from the OpenAPI document in Python and TypeScript, and use them.
///
/// Generators that many people use (from PyPI and npm) make a client each of the whole gateway's document. A
/// warning of a generator, code that does not compile, or a call that does not answer fails. The clients are
/// left in target/tests/clients.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run_all(workspace: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    openapi::build(workspace)?;
    check_built(workspace)
}

/// The same, with the program that was built last.
pub(crate) fn check_built(workspace: &Workspace) -> anyhow::Result<()> {
    let folder = workspace.target().join("tests/clients");
    std::fs::create_dir_all(&folder)?;
    let server = FreshServer::start(workspace, "debug")?;
    in_python(workspace, &folder.join("python"), &server)?;
    in_typescript(workspace, &folder.join("typescript"), &server)
}

fn in_python(workspace: &Workspace, folder: &Path, server: &FreshServer) -> anyhow::Result<()> {
    let programs = python::with(workspace, "openapi-python-client", &[PYTHON_GENERATOR])?;
    run(Command::new(programs.join("openapi-python-client"))
        .args(["generate", "--overwrite", "--fail-on-warning"])
        .arg("--path")
        .arg(workspace.path("openapi/openapi.json"))
        .arg("--config")
        .arg(workspace.path("xtask/clients/openapi-python-client.yaml"))
        .arg("--output-path")
        .arg(folder))?;
    run(Command::new(programs.join("python3"))
        .arg(workspace.path("xtask/clients/smoke.py"))
        .env("PYTHONPATH", folder)
        .env("PENTAD", &server.base)
        .env("KEY", &server.key)
        .stdin(Stdio::null()))
}

fn in_typescript(workspace: &Workspace, folder: &Path, server: &FreshServer) -> anyhow::Result<()> {
    let npm = find("npm").context("npm is missing")?;
    let node = find("node").context("node is missing")?;
    std::fs::create_dir_all(folder)?;
    let complete = folder.join("complete");
    let wanted = TYPESCRIPT_PACKAGES.join(" ");
    if !std::fs::read_to_string(&complete).is_ok_and(|has| has == wanted) {
        std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        run(Command::new(npm)
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--loglevel",
                "error",
                "--save-exact",
            ])
            .args(TYPESCRIPT_PACKAGES)
            .current_dir(folder)
            .stdin(Stdio::null()))?;
        std::fs::write(&complete, &wanted)?;
    }
    run(Command::new(folder.join("node_modules/.bin/openapi-ts"))
        .arg("--input")
        .arg(workspace.path("openapi/openapi.json"))
        .args(["--output", "source/client", "--client", "@hey-api/client-fetch"])
        .current_dir(folder)
        .stdin(Stdio::null()))?;
    std::fs::copy(
        workspace.path("xtask/clients/smoke.ts"),
        folder.join("source/smoke.ts"),
    )?;
    run(Command::new(folder.join("node_modules/.bin/tsc"))
        .args([
            "--strict",
            "--target",
            "es2022",
            "--lib",
            "es2022,dom,dom.iterable",
        ])
        .args(["--module", "commonjs", "--moduleResolution", "node10"])
        .args(["--outDir", "compiled", "source/smoke.ts"])
        .current_dir(folder))?;
    run(Command::new(node)
        .arg("compiled/smoke.js")
        .current_dir(folder)
        .env("PENTAD", &server.base)
        .env("KEY", &server.key)
        .stdin(Stdio::null()))
}
