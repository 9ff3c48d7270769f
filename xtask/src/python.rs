//! Python environments with packages, made once and kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::programs::{self, find};
use crate::workspace::{Workspace, run};

/// The `bin` directory of an environment that has exactly these packages, made when it is not there.
///
/// # Errors
/// When Python is missing, or the packages cannot be fetched.
pub(crate) fn with(workspace: &Workspace, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let home = workspace.target().join("tests").join(name);
    let complete = home.join("complete");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&complete).is_ok_and(|has| has == wanted) {
        println!("present: {wanted}");
        return Ok(home.join("bin"));
    }
    make(&home)?;
    install(&home, packages)?;
    std::fs::write(complete, wanted)?;
    Ok(home.join("bin"))
}

/// Makes an empty environment.
///
/// # Errors
/// When Python, or the part of it that makes environments, is missing and cannot be installed.
pub(crate) fn make(directory: &Path) -> anyhow::Result<()> {
    let python = find("python3").context("python3 is missing")?;
    // Debian splits the part that `venv` needs off into a package of its own.
    let whole = Command::new(&python)
        .args(["-c", "import ensurepip"])
        .stderr(Stdio::null())
        .status()?;
    if !whole.success() {
        programs::install(&["python3-venv"])?;
    }
    run(Command::new(python)
        .args(["-m", "venv", "--clear"])
        .arg(directory))
}

/// Installs packages into an environment.
///
/// # Errors
/// When they cannot be fetched.
pub(crate) fn install(environment: &Path, packages: &[&str]) -> anyhow::Result<()> {
    run(Command::new(environment.join("bin/python3"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(packages)
        .stdin(Stdio::null()))
}
