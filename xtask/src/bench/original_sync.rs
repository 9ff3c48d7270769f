//! What the benchmark of session sync needs: the program as it is released, and the original server from its
//! package.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{self, Workspace};

/// The original server, and the driver for SQLite that its package leaves to whoever tests.
const PACKAGES: &[&str] = &["sessionfs[server]==0.26.0", "aiosqlite"];

pub(super) fn arguments(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let python = match std::env::var_os("PENTAD_BENCH_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => original(&super::folder(workspace).join("sessionfs"))?,
    };
    workspace::run(&mut workspace.cargo(&["build", "--profile", "fast", "-p", "pentad"]))?;
    let pentad = workspace.target().join("fast/pentad");
    let mut arguments = vec![
        "--pentad".to_owned(),
        pentad.display().to_string(),
        "--python".to_owned(),
        python.display().to_string(),
    ];
    if let Ok(url) = std::env::var("PENTAD_TEST_POSTGRES") {
        arguments.extend(["--postgres".to_owned(), url]);
    }
    Ok(arguments)
}

/// An interpreter that has the original server, installed once.
fn original(folder: &Path) -> anyhow::Result<PathBuf> {
    let python = folder.join("bin/python");
    let known = Command::new(&python)
        .args(["-c", "import sessionfs.server, aiosqlite, asyncpg"])
        .output();
    if known.is_ok_and(|output| output.status.success()) {
        return Ok(python);
    }
    workspace::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    workspace::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(PACKAGES),
    )?;
    Ok(python)
}
