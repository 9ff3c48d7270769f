//! What came of a run.

use std::fmt;
use std::time::Duration;

use crate::changes::Changes;

/// Which limit ended a run.
///
/// `Timeout` and `Output` mean that the sandbox stopped the program. `Memory`, `Processes` and `Disk` mean
/// either that, or that the program gave up by itself (non-zero exit) after the kernel had refused it
/// more of that resource; [`Outcome::stopped`] tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KilledBy {
    /// The wall time was over.
    Timeout,
    /// The processes together used too much memory.
    Memory,
    /// Too many processes.
    Processes,
    /// Too many bytes or files written.
    Disk,
    /// Too much output, where that is fatal.
    Output,
}

impl KilledBy {
    /// The word for it: `timeout`, `memory`, `processes`, `disk`, `output`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Disk => "disk",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for KilledBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all processes, without the start of a pre-started interpreter.
    pub cpu: Duration,
    /// Largest memory seen, in bytes: of the whole tree with a memory cgroup, of the largest process without.
    pub max_memory_bytes: u64,
}

/// One captured stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// What was kept; invalid UTF-8 replaced by U+FFFD.
    pub text: String,
    /// Whether something was dropped (a marker line in the text says how much).
    pub truncated: bool,
    /// Bytes the program wrote.
    pub total_bytes: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// The program's exit code; 128 + n when signal n ended it; 124 when the time was over.
    pub exit_code: i32,
    /// The signal that ended the program, if one did.
    pub signal: Option<i32>,
    /// The limit that ended the run.
    pub killed_by: Option<KilledBy>,
    /// Whether the sandbox stopped the program; false when it ended by itself.
    pub stopped: bool,
    /// Whether the sink asked to stop.
    pub cancelled: bool,
    /// Wall time from the moment the program was let go.
    pub duration: Duration,
    /// Wall time spent compiling before the run, which is not part of `duration`.
    pub build: Option<Duration>,
    /// Wall time until the first byte of output.
    pub first_output: Option<Duration>,
    /// What it used.
    pub usage: Usage,
    /// What it did to the files of the workspace.
    pub changes: Changes,
}

impl Outcome {
    /// Takes the changes out, which hold memory until they are dropped.
    #[must_use]
    pub fn take_changes(&mut self) -> Changes {
        std::mem::replace(&mut self.changes, Changes::none())
    }

    /// Of a program that could not be started because its source is in error.
    pub(crate) fn source_error(message: &str) -> Self {
        let stderr = Captured {
            text: format!("{message}\n"),
            truncated: false,
            total_bytes: message.len() as u64 + 1,
        };
        Self {
            stdout: Captured::default(),
            stderr,
            exit_code: 1,
            signal: None,
            killed_by: None,
            stopped: false,
            cancelled: false,
            duration: Duration::ZERO,
            build: None,
            first_output: None,
            usage: Usage::default(),
            changes: Changes::none(),
        }
    }
}
