//! A first start of the program in an empty folder, as the README says to do it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program, serving from a folder of its own. Dropped, it is gone, with everything it stored.
pub(crate) struct Server {
    process: Child,
    folder: tempfile::TempDir,
    pub(crate) base: String,
    pub(crate) key: String,
}

impl Server {
    /// Starts `pentad serve` and reads what it prints: its address and, once, the key.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let mut process = clean(Command::new(env!("CARGO_BIN_EXE_pentad")))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path().join("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut after = |beginning: &str| {
            let line = printed
                .by_ref()
                .map(Result::unwrap)
                .find(|line| line.starts_with(beginning));
            let Some(line) = line else {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
                panic!("the program ended before it said {beginning:?}: {log}");
            };
            line.split_whitespace().next_back().unwrap().to_owned()
        };
        let (base, key) = (after("pentad "), after("  key "));
        // It may have more to say, and nobody else listens.
        std::thread::spawn(move || printed.for_each(drop));
        Self {
            process,
            folder,
            base,
            key,
        }
    }

    /// The folder the program was started in, which has its `pentad-data`.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A file outside of the folder that commands see.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of somebody who sits in that folder: `pentad` and the programs of `first` are in PATH.
    pub(crate) fn command(&self, program: &str, first: &[&Path]) -> Command {
        let mut command = clean(Command::new(program));
        let own = Path::new(env!("CARGO_BIN_EXE_pentad")).parent().unwrap();
        let usual = std::env::var_os("PATH").unwrap();
        let path = first
            .iter()
            .map(|folder| folder.to_path_buf())
            .chain([own.to_owned()])
            .chain(std::env::split_paths(&usual));
        command
            .current_dir(self.work())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.beside("home"))
            .stdin(Stdio::null());
        command
    }

    /// Bytes of memory, by a name that the kernel has for them (proc(5), status).
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let kibibytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() << 10
    }

    /// Lets the peak, `VmHWM`, begin anew.
    pub(crate) fn forget_peak_memory(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
    }

    /// What a sub-command prints, without the line end.
    pub(crate) fn pentad(&self, arguments: &[&str]) -> String {
        let output = self.command("pentad", &[]).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "pentad {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// Without settings of whoever runs the tests, and on a terminal without colours that is 100 wide.
fn clean(mut command: Command) -> Command {
    let theirs = |name: &str| {
        let ours = matches!(name, "PENTAD_RUNTIMES");
        !ours
            && ["PENTAD_", "AURRA_", "AUGUR_", "SESSIONFS_", "SFS_"]
                .iter()
                .any(|start| name.starts_with(start))
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(theirs) {
            command.env_remove(name);
        }
    }
    command
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .env("TERM", "dumb");
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
