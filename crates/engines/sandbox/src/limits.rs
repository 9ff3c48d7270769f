//! What one sandbox may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// What the whole tree of processes of one sandbox may use. Fixed when the sandbox is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of all processes together, in bytes. Files of the workspace and of `/tmp` have limits of
    /// their own and are not counted here.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Processor time a second, in thousandths of a core.
    pub cpu_millis: u32,
    /// Open descriptors of one process.
    pub open_files: u32,
    /// Size of one file, in bytes.
    pub file_bytes: u64,
    /// Bytes of all files of the workspace that the run creates or changes.
    pub workspace_bytes: u64,
    /// Number of files and directories of the workspace that the run creates or changes.
    pub workspace_files: u32,
    /// Bytes of all files under `/tmp`.
    pub tmp_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 * MIB,
            processes: 128,
            cpu_millis: 1000,
            open_files: 1024,
            file_bytes: 128 * MIB,
            workspace_bytes: 512 * MIB,
            workspace_files: 20_000,
            tmp_bytes: 128 * MIB,
        }
    }
}

/// How long one run may take and how much of its output is kept. Chosen for each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunLimits {
    /// Wall time. At its end the program's process group receives SIGTERM.
    pub timeout: Duration,
    /// Time between that SIGTERM and the end of the whole process tree.
    pub grace: Duration,
    /// Bytes of standard output, and of standard error, kept for the result: the first three quarters and
    /// the last quarter. The program is never stopped for writing more.
    pub kept_output_bytes: usize,
    /// Bytes of each stream handed to the sink while the program runs; what follows is dropped with a
    /// marker line.
    pub streamed_output_bytes: usize,
    /// Total bytes of output after which the run is stopped (`killed_by` output). None: never.
    pub fatal_output_bytes: Option<u64>,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            grace: Duration::from_millis(200),
            kept_output_bytes: 1 << 20,
            streamed_output_bytes: 16 << 20,
            fatal_output_bytes: None,
        }
    }
}
