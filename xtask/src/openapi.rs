//! `cargo xtask openapi`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::bail;

use crate::workspace::{self, Workspace, output};

/// Where the documents are checked in.
const DIRECTORY: &str = "openapi";

/// Write the OpenAPI documents into openapi/, from the code.
///
/// Run it after every change of a route, a request or an answer, and commit what it wrote.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only compare, and fail when code and documents differ.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.check {
        return check(workspace);
    }
    build(workspace)?;
    let fresh = generate(workspace)?;
    let kept = workspace.path(DIRECTORY);
    std::fs::create_dir_all(&kept)?;
    for difference in differences(&kept, fresh.path())? {
        let (name, from) = (difference.name(), fresh.path().join(difference.name()));
        match difference {
            Difference::Gone(_) => std::fs::remove_file(kept.join(name))?,
            Difference::New(_) | Difference::Changed(_) => {
                std::fs::copy(from, kept.join(name))?;
            }
        }
        println!("{difference}");
    }
    Ok(())
}

/// Builds the program and compares.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    build(workspace)?;
    check_built(workspace)
}

/// Builds the program that knows its documents.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    workspace::run(&mut workspace.cargo(&["build", "--package", "pentad", "--locked"]))
}

/// Fails when the documents that are checked in are not those of the program that was built last.
pub(crate) fn check_built(workspace: &Workspace) -> anyhow::Result<()> {
    let fresh = generate(workspace)?;
    let differences = differences(&workspace.path(DIRECTORY), fresh.path())?;
    for difference in &differences {
        println!("{difference}");
    }
    if !differences.is_empty() {
        bail!("openapi/ is not what the code says: run `cargo xtask openapi` and commit");
    }
    println!("openapi/ is what the code says");
    Ok(())
}

fn generate(workspace: &Workspace) -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let pentad = workspace.target().join("debug/pentad");
    output(
        std::process::Command::new(pentad)
            .args(["openapi", "--directory"])
            .arg(directory.path()),
    )?;
    Ok(directory)
}

#[derive(Debug, PartialEq, Eq)]
enum Difference {
    New(String),
    Changed(String),
    Gone(String),
}

impl Difference {
    fn name(&self) -> &str {
        match self {
            Self::New(name) | Self::Changed(name) | Self::Gone(name) => name,
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self {
            Self::New(_) => "new",
            Self::Changed(_) => "changed",
            Self::Gone(_) => "gone",
        };
        write!(f, "{what:<8} {DIRECTORY}/{}", self.name())
    }
}

fn differences(kept: &Path, fresh: &Path) -> anyhow::Result<Vec<Difference>> {
    let (old, new) = (names(kept)?, names(fresh)?);
    let mut differences: Vec<Difference> = old.difference(&new).cloned().map(Difference::Gone).collect();
    for name in new {
        if !old.contains(&name) {
            differences.push(Difference::New(name));
        } else if std::fs::read(kept.join(&name))? != std::fs::read(fresh.join(&name))? {
            differences.push(Difference::Changed(name));
        }
    }
    Ok(differences)
}

fn names(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    if !directory.exists() {
        return Ok(BTreeSet::new());
    }
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().display().to_string();
        if name.ends_with(".json") {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_may_be_new_changed_or_gone() {
        let (kept, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (directory, name, text) in [
            (&kept, "same.json", "{}"),
            (&fresh, "same.json", "{}"),
            (&kept, "changed.json", "1"),
            (&fresh, "changed.json", "2"),
            (&kept, "gone.json", "{}"),
            (&fresh, "new.json", "{}"),
            (&kept, "README.md", "is no document"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        assert_eq!(
            differences(kept.path(), fresh.path()).unwrap(),
            [
                Difference::Gone("gone.json".into()),
                Difference::Changed("changed.json".into()),
                Difference::New("new.json".into()),
            ]
        );
    }
}
