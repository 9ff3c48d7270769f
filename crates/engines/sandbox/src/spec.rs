//! What to run: the shape of a sandbox and one run inside it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Limits, RunLimits, WorkspacePath};

/// The directory every program starts in.
pub const WORKSPACE: &str = "/workspace";

/// Where [`Run::executable`] appears.
pub const EXECUTABLE: &str = "/opt/program";

/// A program and its complete environment; nothing of the caller's environment is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Absolute path inside the sandbox, then the arguments.
    pub argv: Vec<String>,
    /// Environment, in order.
    pub env: Vec<(String, String)>,
}

/// A file or directory of the host that the sandbox sees, read-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Path on the host.
    pub source: PathBuf,
    /// Absolute path inside the sandbox.
    pub target: String,
}

/// What a finished sandbox looks like before anything is known of the run that will use it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Read-only mounts beyond the minimal root (`/usr`, a few files of `/etc`, `/dev/null` and its like).
    pub mounts: Vec<Mount>,
    /// A program started at once, which reads what it has to do from standard input. `None` leaves the
    /// sandbox empty until a run brings its own program.
    pub interpreter: Option<Interpreter>,
    /// Limits of the sandbox.
    pub limits: Limits,
    /// Ports of 127.0.0.1 inside the sandbox on which the *caller* accepts connections, see
    /// [`Slot::take_listener`](crate::Slot::take_listener).
    pub listen: Vec<u16>,
}

/// A program started before its run is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program.
    pub program: Program,
    /// Whether it writes one [`READY`] byte to standard output when it waits for its payload.
    pub announces: bool,
}

/// The byte a waiting interpreter writes to standard output: ASCII ACK.
pub const READY: u8 = 0x06;

/// One run in a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The program, for a sandbox without an interpreter.
    pub program: Option<Program>,
    /// A file of the host shown, for this run only, as [`EXECUTABLE`].
    pub executable: Option<PathBuf>,
    /// Whether that program announces itself with a [`READY`] byte.
    pub announces: bool,
    /// Bytes written to standard input first: what a waiting interpreter reads as its orders.
    pub payload: Vec<u8>,
    /// Standard input of the program, after the payload. Then end of file.
    pub stdin: Vec<u8>,
    /// The files the program finds.
    pub workspace: Workspace,
    /// Time and output.
    pub limits: RunLimits,
}

/// The files of the working directory.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// A directory of the host that shows through, never written: overlaid where the kernel allows it,
    /// copied where not.
    pub base: Option<PathBuf>,
    /// Files written over it.
    pub files: Vec<InputFile>,
}

/// One file handed in.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where.
    pub path: WorkspacePath,
    /// What.
    pub content: InputContent,
    /// Visible to the program, but not the user's: never among the changes.
    pub injected: bool,
}

/// What an input file is.
#[derive(Clone, Debug)]
pub enum InputContent {
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Arc<[u8]>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A relative symbolic link that stays inside the workspace.
    Symlink {
        /// Target, relative to the directory of the link.
        target: String,
    },
}

impl InputFile {
    /// A regular file.
    #[must_use]
    pub fn new(path: WorkspacePath, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            path,
            content: InputContent::File {
                bytes: bytes.into(),
                executable: false,
            },
            injected: false,
        }
    }

    /// A regular file that the program sees and that is never among the changes.
    #[must_use]
    pub fn injected(path: WorkspacePath, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            injected: true,
            ..Self::new(path, bytes)
        }
    }
}
