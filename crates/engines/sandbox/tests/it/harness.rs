//! Runs the table and looks for what is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pentad_sandbox::{
    Backend, Discard, Executor, ExecutorOptions, InputFile, Job, KilledBy, Language, Limits, LinuxBackend,
    LinuxOptions, Outcome, RuntimeSearch, Runtimes, WorkspacePath,
};

/// One hostile program and what must come of it.
#[derive(Clone)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) language: Language,
    pub(crate) code: String,
    pub(crate) env: Vec<(&'static str, &'static str)>,
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) timeout: Duration,
    pub(crate) expected: Vec<Expected>,
}

/// One thing that must be true of an outcome.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Standard output is this.
    Says(&'static str),
    /// Standard output has this in it.
    Mentions(&'static str),
    /// Neither stream has this in it.
    Hides(&'static str),
    /// The exit code is this.
    Exit(i32),
    /// Any exit code but zero.
    Fails,
    /// This limit ended it.
    KilledBy(KilledBy),
    /// One of these limits ended it, or the program gave up by itself.
    Limited(&'static [KilledBy]),
    /// No limit ended it.
    Unkilled,
    /// It was over within this time.
    Within(Duration),
    /// The output was cut, and its true length is at least this.
    Floods(u64),
    /// These are the changed paths.
    Changes(&'static [&'static str]),
    /// This path is not among the changes.
    DoesNotKeep(&'static str),
}

pub(crate) use Expected::*;

/// Python with the tools of the trade: `call(number, ...)` makes a system call and returns the name of its
/// error, or OK.
const PYTHON: &str = r#"
import ctypes, errno, os, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return 'OK' if result >= 0 else errno.errorcode.get(ctypes.get_errno(), '?')
def attempt(action):
    try:
        action()
        return 'DONE'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return type(error).__name__
"#;

/// A Python program that must say `contained` and end well, unless told otherwise.
pub(crate) fn python(name: &'static str, code: &str) -> Attack {
    attack(name, Language::Python, &format!("{PYTHON}{code}")).expect([
        Says("contained\n"),
        Exit(0),
        Unkilled,
    ])
}

pub(crate) fn attack(name: &'static str, language: Language, code: &str) -> Attack {
    Attack {
        name,
        language,
        code: code.to_owned(),
        env: vec![],
        files: vec![],
        timeout: Duration::from_secs(20),
        expected: vec![],
    }
}

impl Attack {
    /// Replaces what is expected.
    pub(crate) fn expect(mut self, expected: impl IntoIterator<Item = Expected>) -> Self {
        self.expected = expected.into_iter().collect();
        self
    }

    pub(crate) fn and(mut self, expected: Expected) -> Self {
        self.expected.push(expected);
        self
    }

    pub(crate) fn timeout(mut self, milliseconds: u64) -> Self {
        self.timeout = Duration::from_millis(milliseconds);
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub(crate) fn file(mut self, path: &'static str, content: &'static str) -> Self {
        self.files.push((path, content));
        self
    }

    pub(crate) fn job(&self) -> Job {
        let mut job = Job::new(self.language, self.code.clone());
        job.env = self
            .env
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        job.workspace.files = self
            .files
            .iter()
            .map(|(path, content)| {
                InputFile::new(WorkspacePath::parse(path).expect("path"), content.as_bytes())
            })
            .collect();
        job.run.timeout = self.timeout;
        job.run.kept_output_bytes = 64 << 10;
        job
    }
}

/// Small limits, so that exhausting them takes no time.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_bytes: 192 << 20,
        processes: 40,
        cpu_millis: 1000,
        open_files: 256,
        file_bytes: 6 << 20,
        workspace_bytes: 16 << 20,
        workspace_files: 600,
        tmp_bytes: 8 << 20,
    }
}

/// An executor, and the state of the system before it.
pub(crate) struct Ground {
    pub(crate) executor: Executor,
    before: Left,
    state: tempfile::TempDir,
}

/// What could be left behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    processes: BTreeSet<String>,
    mounts: String,
    cgroups: BTreeSet<PathBuf>,
    temporary: BTreeSet<PathBuf>,
}

impl Ground {
    pub(crate) fn prepare(test: &str) -> Option<Self> {
        let state = tempfile::Builder::new()
            .prefix("attack-state-")
            .tempdir()
            .expect("state directory");
        let before = Left::now();
        let backend = match LinuxBackend::start(&LinuxOptions::default()) {
            Ok(backend) => Arc::new(backend),
            Err(error) => {
                skip(test, &error.to_string());
                return None;
            }
        };
        eprintln!("{}", backend.guards());
        let runtimes = runtimes();
        eprintln!("{runtimes}");
        let options = ExecutorOptions {
            limits: limits(),
            listen: vec![8787],
            state: Some(state_directory(state.path())),
            ..ExecutorOptions::default()
        };
        let executor = Executor::start(backend, runtimes, options).expect("executor");
        Some(Self {
            executor,
            before,
            state,
        })
    }

    pub(crate) fn withstand(&self, attacks: &[Attack]) {
        let only = std::env::var("ATTACK").unwrap_or_default();
        let mut wrong = Vec::new();
        for attack in attacks.iter().filter(|attack| attack.name.contains(&only)) {
            if let Err(error) = self.executor.runtimes().of(attack.language) {
                skip(attack.name, &error.to_string());
                continue;
            }
            let started = Instant::now();
            let outcome = match self.executor.execute(attack.job(), &mut Discard) {
                Ok(outcome) => outcome,
                Err(error) => {
                    wrong.push(format!(
                        "{}: {error}: {:?}",
                        attack.name,
                        std::error::Error::source(&error)
                    ));
                    continue;
                }
            };
            eprintln!("{:4} ms  {}", started.elapsed().as_millis(), attack.name);
            for expected in &attack.expected {
                if let Err(why) = holds(expected, &outcome) {
                    wrong.push(format!(
                        "{}: {why}\n  exit {} signal {:?} killed_by {:?} after {:?}\n  stdout: {:?}\n  stderr: {:?}",
                        attack.name,
                        outcome.exit_code,
                        outcome.signal,
                        outcome.killed_by,
                        outcome.duration,
                        head(&outcome.stdout.text),
                        head(&outcome.stderr.text),
                    ));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {}:\n{}",
            wrong.len(),
            attacks.len(),
            wrong.join("\n")
        );
    }

    pub(crate) fn assert_nothing_is_left(self) {
        drop(self.executor);
        drop(self.state);
        assert_eq!(Left::now(), self.before, "something is left behind");
    }
}

fn holds(expected: &Expected, outcome: &Outcome) -> Result<(), String> {
    let (out, err) = (&outcome.stdout, &outcome.stderr);
    let changed = || {
        outcome
            .changes
            .iter()
            .map(|change| change.path.as_str())
            .collect::<Vec<_>>()
    };
    let ok = match expected {
        Says(text) => out.text == *text,
        Mentions(text) => out.text.contains(text),
        Hides(text) => !out.text.contains(text) && !err.text.contains(text),
        Exit(code) => outcome.exit_code == *code,
        Fails => outcome.exit_code != 0,
        KilledBy(limit) => outcome.killed_by == Some(*limit),
        Limited(limits) => match outcome.killed_by {
            Some(limit) => limits.contains(&limit),
            None => outcome.signal.is_none(),
        },
        Unkilled => outcome.killed_by.is_none() && !outcome.stopped,
        Within(time) => outcome.duration <= *time,
        Floods(bytes) => {
            let flood = if err.truncated { err } else { out };
            flood.truncated && flood.total_bytes >= *bytes && flood.text.len() <= (64 << 10) + 100
        }
        Changes(paths) => changed() == *paths,
        DoesNotKeep(path) => !changed().contains(path),
    };
    if ok {
        Ok(())
    } else {
        Err(format!("{expected:?} does not hold; changes {:?}", changed()))
    }
}

fn head(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Says loudly that something was not tested; an error where everything has to be.
pub(crate) fn skip(what: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} cannot be tested: {why}");
    eprintln!("\n*** SKIPPED *** {what}: {why}\n");
}

/// The runtimes of the host, and those in the directories of `PENTAD_RUNTIMES` (as in `PATH`).
pub(crate) fn runtimes() -> Runtimes {
    let directories = std::env::var_os("PENTAD_RUNTIMES")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    Runtimes::discover(&RuntimeSearch {
        directories,
        ..RuntimeSearch::default()
    })
}

/// Where Go's compiled library is kept: `PENTAD_TEST_STATE`, so that it is not compiled for every test.
pub(crate) fn state_directory(scratch: &std::path::Path) -> PathBuf {
    std::env::var_os("PENTAD_TEST_STATE").map_or_else(|| scratch.join("go"), PathBuf::from)
}

/// A backend, or a loud word about why there is none.
pub(crate) fn backend(test: &str) -> Option<Arc<LinuxBackend>> {
    match LinuxBackend::start(&LinuxOptions::default()) {
        Ok(backend) => Some(Arc::new(backend)),
        Err(error) => {
            skip(test, &error.to_string());
            None
        }
    }
}

/// Set in a process that runs one test alone.
pub(crate) const ALONE: &str = "PENTAD_TEST_ALONE";

/// As whom a test is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Oneself,
    /// User 65534, when the tests run as root; else there is nothing to add.
    OrdinaryUser,
}

/// Runs a test of this binary in a process of its own.
pub(crate) fn alone(test: &str, user: As) {
    let directory = tempfile::Builder::new()
        .prefix("attack-alone-")
        .tempdir()
        .expect("directory");
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    if user == As::OrdinaryUser {
        if fs::read_to_string("/proc/self/status").is_ok_and(|status| !status.contains("Uid:\t0\t0")) {
            eprintln!("not root: {test} has run as an ordinary user already");
            return;
        }
        command = as_ordinary_user(directory.path());
    }
    let output = command
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("the test binary");
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// This binary, copied to where the user can reach it, with a home of its own.
fn as_ordinary_user(directory: &std::path::Path) -> Command {
    let open = |path: &std::path::Path| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    };
    open(directory);
    let program = directory.join("it");
    fs::copy(std::env::current_exe().expect("own path"), &program).expect("copy");
    open(&program);
    let home = directory.join("home");
    fs::create_dir(&home).expect("home");
    let state = home.join("go");
    if let Some(made) = std::env::var_os("PENTAD_TEST_STATE") {
        // What another test is making at this moment need not come over whole: it is made again.
        let copied = Command::new("cp").arg("-r").arg(made).arg(&state).status();
        assert!(copied.is_ok(), "copying the state directory");
    }
    let given = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(&home)
        .status();
    assert!(given.is_ok_and(|status| status.success()), "giving the home away");
    let mut command = Command::new(&program);
    command
        .env("TMPDIR", &home)
        .env("HOME", &home)
        .env("PENTAD_TEST_STATE", &state)
        .current_dir("/")
        .gid(65534)
        .uid(65534);
    command
}

impl Left {
    fn now() -> Self {
        let own = std::process::id();
        let processes = descendants(own)
            .into_iter()
            .map(|(pid, name)| format!("{pid} {name}"))
            .collect();
        let mut cgroups = BTreeSet::new();
        let mut directories = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
        while let Some((directory, depth)) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || depth > 4 {
                    continue;
                }
                if entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with(&format!("pentad-sandbox-{own}-"))
                {
                    cgroups.insert(entry.path());
                }
                directories.push((entry.path(), depth + 1));
            }
        }
        let temporary = fs::read_dir(std::env::temp_dir())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().contains("sandbox"))
            .collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self {
            processes,
            mounts,
            cgroups,
            temporary,
        }
    }
}

/// All processes below one, with their names.
pub(crate) fn descendants(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut pending = vec![pid];
    while let Some(pid) = pending.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                if let Some(name) = process_name(child) {
                    found.push((child, name));
                    pending.push(child);
                }
            }
        }
    }
    found
}

pub(crate) fn process_name(pid: u32) -> Option<String> {
    Some(
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .ok()?
            .trim()
            .to_owned(),
    )
}
