//! `cargo xtask check`, and the checks that `cargo xtask test` begins with.

use crate::steps::Steps;
use crate::workspace::{self, Workspace};
use crate::{configuration, layers, openapi};

/// Check everything that needs no test run: format, layers, lints, documentation, OpenAPI documents,
/// configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    before_building(workspace, &mut steps);
    steps.run("OpenAPI documents (openapi/)", || openapi::check(workspace));
    steps.run("configuration (docs/configuration.md)", || {
        configuration::check_built(workspace)
    });
    steps.finish()
}

/// The checks that need no program of ours, the quick ones first.
pub(crate) fn before_building(workspace: &Workspace, steps: &mut Steps) {
    steps.run("format (cargo fmt)", || {
        workspace::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
    });
    steps.run("layers (ARCHITECTURE.md)", || layers::check(workspace));
    steps.run("lints (cargo clippy)", || {
        workspace::run(&mut workspace.cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ]))
    });
    steps.run("documentation of the crates (cargo doc)", || {
        let mut documentation = workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        workspace::run(documentation.env("RUSTDOCFLAGS", "--deny warnings"))
    });
}
