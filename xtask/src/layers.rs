//! `cargo xtask layers`: the arrows between crates are those of ARCHITECTURE.md.

mod arrows;
mod manifests;
mod tree;

use anyhow::bail;

use crate::workspace::Workspace;
use tree::Tree;

/// Check that crates import each other only as ARCHITECTURE.md allows.
///
/// Reads `cargo metadata` and fails on an arrow to the same layer or a higher one, on actix or utoipa
/// below http, on sqlx outside of store, identity and the domains, on tokio in the engines, and on a
/// crate that does not inherit lints, package fields and dependencies from the workspace.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    check(workspace)
}

pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let tree = Tree::read(workspace)?;
    let mut violations = arrows::violations(&tree);
    violations.extend(manifests::violations(&tree));
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!(
            "{} arrows or manifests are not as ARCHITECTURE.md has them",
            violations.len()
        );
    }
    println!("{} crates, every arrow allowed", tree.crates.len());
    Ok(())
}
