//! `cargo xtask assets`: what the pages need is in the repository, and no page loads from elsewhere.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::workspace::{self, Workspace};

/// The package of ReDoc, by the name npm knows.
const PACKAGE: &str = "redoc@2.5.4";
/// ReDoc's whole page in one script.
const BUNDLE: &str = "package/bundles/redoc.standalone.js";
/// The licences of what it carries of others.
const BUNDLED_LICENCES: &str = "package/bundles/redoc.standalone.js.LICENSE.txt";
/// Its own licence.
const LICENCE: &str = "package/LICENSE";
/// What the script would load from elsewhere: a logo.
const OUTSIDE: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";
/// What it gets instead: a picture of nothing.
const INSIDE: &str = "data:image/svg+xml,%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22/%3E";

const DIRECTORY: &str = "crates/gateway/assets";
const SCRIPT: &str = "redoc.standalone.js.gz";
const CHECKSUM: &str = "redoc.standalone.js.gz.sha256";

/// Fetch the scripts of the pages anew.
///
/// Takes ReDoc from npm, empties the one address in it that leads elsewhere, compresses it and writes
/// it with its checksum and licences to crates/gateway/assets/. Needs npm, tar and gzip. Swagger UI comes with a
/// crate and needs nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let at = directory.path();
    workspace::run(
        Command::new("npm")
            .args(["pack", "--silent", PACKAGE])
            .current_dir(at),
    )?;
    let archive = PACKAGE.replace('@', "-") + ".tgz";
    workspace::run(Command::new("tar").args(["-xzf", &archive]).current_dir(at))?;
    let script = std::fs::read_to_string(at.join(BUNDLE))?;
    let emptied = script.replace(OUTSIDE, INSIDE);
    if emptied == script {
        bail!("{PACKAGE} does not mention {OUTSIDE} any more: look at what it loads now");
    }
    let plain = at.join("redoc.standalone.js");
    std::fs::write(&plain, emptied)?;
    workspace::run(Command::new("gzip").args(["-9", "-n"]).arg(&plain))?;

    let packed = at.join(SCRIPT);
    let assets = workspace.path(DIRECTORY);
    std::fs::copy(&packed, assets.join(SCRIPT))?;
    std::fs::write(assets.join(CHECKSUM), checksum_line(&packed)?)?;
    std::fs::copy(at.join(LICENCE), assets.join("redoc.LICENSE"))?;
    let bundled = Path::new(BUNDLED_LICENCES);
    std::fs::copy(
        at.join(bundled),
        assets.join(bundled.file_name().context("it names a file")?),
    )?;
    println!("wrote {DIRECTORY}/{SCRIPT}, its checksum and its licences");
    Ok(())
}

/// A line as `sha256sum --check` reads it.
fn checksum_line(script: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(script).with_context(|| format!("cannot read {}", script.display()))?;
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("{hex}  {SCRIPT}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_one_that_was_fetched() {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DIRECTORY);
        let kept = std::fs::read_to_string(assets.join(CHECKSUM)).unwrap();
        assert_eq!(kept, checksum_line(&assets.join(SCRIPT)).unwrap());
    }
}
