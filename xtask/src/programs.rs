//! Programs that tests and benchmarks start, installed from the distribution where they are missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::workspace::{output, run};

/// A program, and the package of Debian and its relatives that brings it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) purpose: &'static str,
}

/// What `cargo xtask test` needs beyond the Rust toolchain.
pub(crate) const FOR_TESTS: &[Program] = &[
    POSTGRES,
    Program {
        name: "chromium",
        package: "chromium",
        purpose: "opens the pages as a person would",
    },
    Program {
        name: "strace",
        package: "strace",
        purpose: "kills the program between two system calls",
    },
    Program {
        name: "rg",
        package: "ripgrep",
        purpose: "gives the answers that grep sessions are compared with",
    },
    Program {
        name: "jq",
        package: "jq",
        purpose: "documented shell programs call it",
    },
    Program {
        name: "curl",
        package: "curl",
        purpose: "documented shell programs call it",
    },
    Program {
        name: "python3",
        package: "python3",
        purpose: "documented Python programs are run",
    },
    Program {
        name: "node",
        package: "nodejs",
        purpose: "documented Node programs are run",
    },
    Program {
        name: "npm",
        package: "npm",
        purpose: "installs what the documented Node programs use",
    },
];

/// The database server; its programs lie outside of PATH.
pub(crate) const POSTGRES: Program = Program {
    name: "initdb",
    package: "postgresql",
    purpose: "the second of the two databases",
};

/// Makes sure that the programs are there.
///
/// # Errors
/// When some are missing and cannot be installed; the message is the command that would.
pub(crate) fn ensure(programs: &[Program]) -> anyhow::Result<()> {
    let missing = missing(programs);
    if missing.is_empty() {
        let names: Vec<&str> = programs.iter().map(|program| program.name).collect();
        println!("present: {}", names.join(", "));
        return Ok(());
    }
    for program in &missing {
        println!("missing: {} ({})", program.name, program.purpose);
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    if find("apt-get").is_none() || !is_root()? {
        bail!(
            "install what is missing; on Debian and its relatives: sudo apt-get install {}",
            packages.join(" ")
        );
    }
    run(apt_get().arg("update"))?;
    run(apt_get()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(&packages))?;
    let still: Vec<&str> = self::missing(programs)
        .iter()
        .map(|program| program.name)
        .collect();
    if !still.is_empty() {
        bail!(
            "the packages are installed, yet these programs are not found: {}",
            still.join(", ")
        );
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

fn missing(programs: &[Program]) -> Vec<&Program> {
    programs
        .iter()
        .filter(|program| find(program.name).is_none())
        .collect()
}

/// Where a program is: in PATH, or among those of the newest PostgreSQL.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(postgres_directories())
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Debian keeps each major version's programs in a directory of its own. Newest first.
fn postgres_directories() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut numbered: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            Some((
                version.file_name().to_str()?.parse().ok()?,
                version.path().join("bin"),
            ))
        })
        .collect();
    numbered.sort_by(|one, other| other.cmp(one));
    numbered.into_iter().map(|(_, directory)| directory).collect()
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(user_number(&[])? == 0)
}

/// The number of a user, of the current one without a name.
pub(crate) fn user_number(name: &[&str]) -> anyhow::Result<u32> {
    let printed = output(Command::new("id").arg("-u").args(name))?;
    String::from_utf8_lossy(&printed)
        .trim()
        .parse()
        .context("`id -u` prints a number")
}
