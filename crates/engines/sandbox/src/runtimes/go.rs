//! Go: a standard library compiled once, programs compiled and linked directly, binaries kept by content.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::find::{ask, at_least, candidates, first};
use super::{Runtime, RuntimeKind, RuntimeSearch, base_env};
use crate::backend::{Backend, Control, Discard};
use crate::error::{Error, Result};
use crate::spec::{InputContent, InputFile, Mount, Program, Run, Shape, Workspace};
use crate::{Changes, Limits, Outcome, RunLimits, WorkspacePath};

/// Where the tools, and the compiled standard library, appear inside.
const ROOT: &str = "/opt/go";
const STANDARD: &str = "/opt/go-std";
/// The compiled program in the workspace of its build.
const BINARY: &str = ".program";
/// Part of the key of a binary: changes when the way of building does.
const RECIPE: &str = "1";

pub(super) fn discover(search: &RuntimeSearch) -> std::result::Result<Runtime, String> {
    first(candidates(search, RuntimeKind::Go, &["go"]), |candidate| {
        let answer = ask(candidate, &["env", "GOROOT", "GOVERSION"])?;
        let (root, version) = answer
            .split_once('\n')
            .ok_or_else(|| format!("{} answers oddly", candidate.display()))?;
        at_least(version, 1, 21)?;
        let root = fs::canonicalize(root).map_err(|error| format!("{root}: {error}"))?;
        Ok(Runtime {
            kind: RuntimeKind::Go,
            version: version.trim_start_matches("go").to_owned(),
            host: root.join("bin/go"),
            mounts: vec![Mount {
                source: root,
                target: ROOT.to_owned(),
            }],
            program: format!("{ROOT}/bin/go"),
        })
    })
}

/// The Go tools with their compiled standard library and the binaries built so far.
pub(crate) struct GoTools {
    runtime: Runtime,
    /// Library and importcfg.
    standard: PathBuf,
    binaries: PathBuf,
    binaries_most_bytes: u64,
    preparing: Mutex<()>,
    compiling: Mutex<Compiling>,
}

/// Whether the standard library is being compiled.
enum Compiling {
    No,
    In(Box<dyn Control>),
    /// Nor will it be: nobody needs it any more.
    Never,
}

/// A program ready to run, or the result of the compiler that refused it.
pub(crate) enum Built {
    Binary(PathBuf),
    Refused(Box<Outcome>),
}

impl GoTools {
    pub(crate) fn new(runtime: Runtime, state: &Path, binaries_most_bytes: u64) -> io::Result<Self> {
        let standard = state.join(format!("go-{}-std-{RECIPE}", runtime.version));
        let binaries = state.join("go-binaries");
        fs::create_dir_all(&binaries)?;
        Ok(Self {
            runtime,
            standard,
            binaries,
            binaries_most_bytes,
            preparing: Mutex::new(()),
            compiling: Mutex::new(Compiling::No),
        })
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.standard.join("importcfg").is_file()
    }

    /// Compiles the standard library, if that has not been done. Half a minute, once.
    pub(crate) fn prepare(&self, backend: &dyn Backend) -> Result<()> {
        let _one_at_a_time = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_prepared() {
            return Ok(());
        }
        let format = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}";
        let script =
            format!("cd {ROOT}/src && {ROOT}/bin/go list -export -f '{format}' std > /workspace/importcfg");
        let limits = Limits {
            memory_bytes: 4 << 30,
            processes: 1024,
            cpu_millis: 64_000,
            workspace_bytes: 4 << 30,
            workspace_files: 200_000,
            tmp_bytes: 2 << 30,
            file_bytes: 1 << 30,
            ..Limits::default()
        };
        let shape = Shape {
            mounts: self.runtime.mounts.clone(),
            limits,
            ..Shape::default()
        };
        let mut run = shell(&script, "/workspace/cache");
        run.limits.timeout = Duration::from_secs(1800);
        let slot = backend.prepare(&shape)?;
        match &mut *self.compiling() {
            Compiling::Never => return Err(unavailable("the gateway stops".to_owned())),
            state => *state = Compiling::In(slot.control()),
        }
        let outcome = slot.run(run, &mut Discard);
        match &mut *self.compiling() {
            Compiling::Never => return Err(unavailable("the gateway stops".to_owned())),
            state => *state = Compiling::No,
        }
        let outcome = outcome?;
        if outcome.exit_code != 0 {
            return Err(unavailable(format!(
                "its standard library does not compile: {}",
                outcome.stderr.text.lines().last().unwrap_or_default()
            )));
        }
        self.keep_standard(&outcome.changes)
            .map_err(Error::io("keeping Go's compiled standard library"))
    }

    /// Gives up compiling the standard library, for good.
    pub(crate) fn stop(&self) {
        if let Compiling::In(slot) = std::mem::replace(&mut *self.compiling(), Compiling::Never) {
            slot.cancel();
        }
    }

    fn compiling(&self) -> MutexGuard<'_, Compiling> {
        self.compiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the compiled library out of the sandbox; it appears at once or not at all.
    fn keep_standard(&self, changes: &Changes) -> io::Result<()> {
        let parent = self.standard.parent().unwrap_or(Path::new("."));
        let scratch = tempfile::Builder::new().prefix(".go-std-").tempdir_in(parent)?;
        for change in changes.iter() {
            let target = scratch.path().join(&change.path);
            if let Some(directory) = target.parent() {
                fs::create_dir_all(directory)?;
            }
            if change.path != "importcfg" {
                io::copy(&mut changes.open(&change.path)?, &mut fs::File::create(&target)?)?;
            }
        }
        let list = String::from_utf8_lossy(&changes.read("importcfg")?)
            .replace("/workspace/cache", &format!("{STANDARD}/cache"));
        let kept: String = list
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(scratch.path().join("importcfg"), kept)?;
        readable_by_all(scratch.path())?;
        match fs::rename(scratch.path(), &self.standard) {
            // Another process was faster.
            Err(_) if self.is_prepared() => Ok(()),
            other => other.map(|()| std::mem::forget(scratch)),
        }
    }

    /// The sandbox programs are built in.
    pub(crate) fn build_shape(&self) -> Shape {
        let mut mounts = self.runtime.mounts.clone();
        mounts.push(Mount {
            source: self.standard.clone(),
            target: STANDARD.to_owned(),
        });
        let limits = Limits {
            memory_bytes: 1 << 30,
            processes: 256,
            cpu_millis: 4000,
            tmp_bytes: 512 << 20,
            ..Limits::default()
        };
        Shape {
            mounts,
            limits,
            ..Shape::default()
        }
    }

    /// The binary of a program: one built before, or a new one made in `slot`.
    pub(crate) fn build(
        &self,
        code: &str,
        workspace: &Workspace,
        slot: impl FnOnce() -> Result<Box<dyn crate::Slot>>,
    ) -> Result<Built> {
        let module = is_module(workspace);
        let key = self.key(code, module.then_some(workspace));
        if let Some(key) = &key {
            let known = self.binaries.join(key);
            if known.is_file() {
                // The time of last use decides what is removed first.
                let _ = fs::File::open(&known).and_then(|file| file.set_modified(now()));
                return Ok(Built::Binary(known));
            }
        }
        let main = WorkspacePath::parse("main.go").map_err(|error| Error::Io {
            doing: "naming the main file",
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        let mut files = if module { workspace.files.clone() } else { vec![] };
        files.retain(|file| file.path != main);
        files.push(InputFile::new(main, code.as_bytes()));
        let base = if module { workspace.base.clone() } else { None };
        let script = if module || code.contains("//go:embed") {
            with_driver()
        } else {
            directly()
        };
        let mut run = shell(&script, "/tmp/go-cache");
        run.workspace = Workspace { base, files };
        run.limits.timeout = Duration::from_secs(120);
        let outcome = slot()?.run(run, &mut Discard)?;
        if outcome.exit_code != 0 {
            return Ok(Built::Refused(Box::new(outcome)));
        }
        let name = key.unwrap_or_else(|| format!("once-{}", unique()));
        self.keep_binary(&outcome.changes, &name)
            .map(Built::Binary)
            .map_err(Error::io("keeping a compiled program"))
    }

    /// Everything that decides what a build makes; none for a base directory, which is not read here.
    fn key(&self, code: &str, module: Option<&Workspace>) -> Option<String> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(RECIPE.as_bytes());
        part(self.runtime.version.as_bytes());
        part(code.as_bytes());
        if let Some(workspace) = module {
            if workspace.base.is_some() {
                return None;
            }
            let files: BTreeMap<_, _> = workspace
                .files
                .iter()
                .map(|file| (&file.path, &file.content))
                .collect();
            for (path, content) in files {
                part(path.as_str().as_bytes());
                match content {
                    InputContent::File { bytes, .. } => part(bytes),
                    InputContent::Symlink { target } => part(target.as_bytes()),
                }
            }
        }
        Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn keep_binary(&self, changes: &Changes, name: &str) -> io::Result<PathBuf> {
        let mut made = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.binaries)?;
        io::copy(&mut changes.open(BINARY)?, made.as_file_mut())?;
        let target = self.binaries.join(name);
        fs::set_permissions(made.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        made.persist(&target)?;
        self.forget_old_binaries()?;
        Ok(target)
    }

    /// Removes the binaries longest unused until the others fit.
    fn forget_old_binaries(&self) -> io::Result<()> {
        let mut binaries: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(&self.binaries)?
            .flatten()
            .filter_map(|entry| {
                let found = entry.metadata().ok()?;
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        binaries.sort();
        let mut sum: u64 = binaries.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in binaries {
            if sum <= self.binaries_most_bytes {
                break;
            }
            fs::remove_file(path)?;
            sum -= size;
        }
        Ok(())
    }
}

/// The compiler and the linker, without the driver that decides what to do with them.
fn directly() -> String {
    let tools = format!("{ROOT}/pkg/tool/linux_{}", go_arch());
    let config = format!("-importcfg {STANDARD}/importcfg");
    format!(
        "{tools}/compile -p main -complete -trimpath /workspace -pack {config} -o /tmp/main.a ./main.go 1>&2 && \
         {tools}/link -s -w -buildmode=exe {config} -o {BINARY} /tmp/main.a 1>&2"
    )
}

/// The driver, for modules: on a copy of the library's cache that it can add to.
fn with_driver() -> String {
    format!(
        "cp -rs {STANDARD}/cache /tmp/go-cache && \
         {{ [ ! -d vendor ] || export GOFLAGS=-mod=vendor; }} && \
         {{ [ -e go.mod ] || export GO111MODULE=off; }} && {ROOT}/bin/go build -trimpath -o {BINARY} ."
    )
}

fn is_module(workspace: &Workspace) -> bool {
    workspace.files.iter().any(|file| file.path.as_str() == "go.mod")
        || workspace
            .base
            .as_ref()
            .is_some_and(|base| base.join("go.mod").is_file())
}

fn shell(script: &str, cache: &str) -> Run {
    let mut env = base_env();
    let go = [
        ("GOROOT", ROOT),
        ("GOCACHE", cache),
        ("GOPATH", "/tmp/go"),
        ("GOFLAGS", "-mod=mod"),
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOTELEMETRY", "off"),
        ("CGO_ENABLED", "0"),
    ];
    env.extend(go.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Run {
        program: Some(Program { argv, env }),
        limits: RunLimits::default(),
        ..Run::default()
    }
}

fn unavailable(remedy: String) -> Error {
    Error::LanguageUnavailable {
        language: "go",
        remedy,
    }
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn readable_by_all(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time a cache entry was used, for its eviction only"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
