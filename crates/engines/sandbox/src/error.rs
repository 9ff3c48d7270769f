//! Failures of the sandbox itself; a failing program is an [`Outcome`](crate::Outcome).

use std::io;
use std::path::PathBuf;

/// A failure of the sandbox, not of the program in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system lacks guards, and running without them was not allowed.
    #[error("the sandbox cannot be made safe here: {0}")]
    Unguarded(String),
    /// The helper process is gone or does not answer.
    #[error("the sandbox helper process failed while it should {doing}")]
    Helper {
        /// What it was asked.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A step of making a sandbox failed.
    #[error("a sandbox could not be prepared: {step}")]
    Prepare {
        /// The step, as the helper or the first process of the sandbox names it.
        step: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The files handed in do not fit or clash with each other.
    #[error("the workspace could not be filled: {step}")]
    Workspace {
        /// The step.
        step: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The changes of a run could not be read back.
    #[error("the changed files could not be read")]
    Changes(#[source] io::Error),
    /// A mount or base directory does not exist or is not readable.
    #[error("{} cannot be shown inside the sandbox", path.display())]
    Source {
        /// The path on the host.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A run without a program in an empty sandbox, or with one in a sandbox that has an interpreter.
    #[error("a run needs exactly one program: the sandbox's interpreter or its own")]
    Program,
    /// Processes survived the end of the run; the sandbox is given up and reported.
    #[error("processes survived the end of the run")]
    Survivors,
    /// The language is not installed.
    #[error("{language} is not available: {remedy}")]
    LanguageUnavailable {
        /// The language.
        language: &'static str,
        /// How to get it.
        remedy: String,
    },
    /// Everything is busy and the waiting time is over.
    #[error("all {slots} places to run are taken")]
    Busy {
        /// How many runs may be under way.
        slots: usize,
    },
    /// An operation on the host failed.
    #[error("{doing} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            doing,
            source: source.into(),
        }
    }
}

/// Result with the sandbox's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
