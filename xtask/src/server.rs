//! The program on an empty store, for tools that talk to it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::runtimes;
use crate::workspace::Workspace;

/// A first start of the program. Dropped, it is gone with everything it stored.
pub(crate) struct FreshServer {
    process: Child,
    folder: tempfile::TempDir,
    pub(crate) base: String,
    pub(crate) key: String,
}

impl FreshServer {
    /// Starts the program that the profile `debug` or `fast` built last on a free port, and reads what it
    /// prints: its address and, once, the key.
    ///
    /// # Errors
    /// When it ends before it serves; the message is the end of its log.
    pub(crate) fn start(workspace: &Workspace, profile: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let mut process = Command::new(workspace.target().join(profile).join("pentad"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env(runtimes::VARIABLE, runtimes::directories(workspace)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start pentad")?;
        let printed = process.stdout.take().context("its output is a pipe")?;
        let mut lines = BufReader::new(printed).lines().map_while(Result::ok);
        let mut after = |beginning: &str| {
            let line = lines.by_ref().find(|line| line.starts_with(beginning))?;
            line.split_whitespace().next_back().map(str::to_owned)
        };
        let (Some(base), Some(key)) = (after("pentad "), after("  key ")) else {
            // Nothing is left to be said about how it ends.
            let _ = process.kill();
            let _ = process.wait();
            bail!(
                "pentad does not serve: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        };
        // It may have more to say, and nobody else listens.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            process,
            folder,
            base,
            key,
        })
    }

    /// What it has logged at the level of errors, which is what a report of a 500 needs.
    pub(crate) fn errors(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.contains("request failed"))
            .fold(String::new(), |errors, line| errors + line + "\n")
    }
}

impl Drop for FreshServer {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
