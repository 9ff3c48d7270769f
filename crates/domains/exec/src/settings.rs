//! The bounds of code execution.

use std::path::PathBuf;
use std::time::Duration;

/// The bounds of code execution. Each is named in the error that it causes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Wall time of a run that does not ask for another one, without waiting and compiling.
    pub default_timeout: Duration,
    /// Longest wall time that a run or a session may ask for.
    pub max_timeout: Duration,
    /// Programs that run at once.
    pub concurrent_runs: usize,
    /// Runs that may wait for their turn; one organisation may use half.
    pub queued_runs: usize,
    /// How long a run waits for its turn before it is refused.
    pub longest_wait: Duration,
    /// Bytes of a program.
    pub code_bytes: usize,
    /// Bytes of each output stream in an answer.
    pub output_bytes: usize,
    /// Bytes of each output stream of a streamed run.
    pub streamed_output_bytes: usize,
    /// Environment variables of a run.
    pub env_names: usize,
    /// Bytes of all environment variables of a run.
    pub env_bytes: usize,
    /// Bytes of a session's data, and of its metadata, as JSON.
    pub data_bytes: usize,
    /// Bytes of one uploaded file.
    pub file_bytes: u64,
    /// Bytes of all files of a session.
    pub workspace_bytes: u64,
    /// Files of a session.
    pub workspace_files: u64,
    /// Bytes up to which a workspace is handed to a run directly; a larger one is kept in a directory.
    pub direct_workspace_bytes: u64,
    /// Bytes of large workspaces kept on this machine.
    pub workspace_cache_bytes: u64,
    /// Wall time of the installation of packages.
    pub setup_timeout: Duration,
    /// The address under which clients reach the gateway, which programs are told.
    pub public_url: Option<String>,
    /// Where this machine keeps what it can make again. Without it large workspaces go through memory.
    pub cache: Option<PathBuf>,
    /// Where packages come from. Hosts that are named may have addresses of private networks; without any, those
    /// of PyPI, npm and Go are used.
    pub registries: Vec<String>,
    /// Host names, and parents of host names, that sandboxes with internet access may reach; empty for all
    /// that are public.
    pub egress_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            default_timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(600),
            concurrent_runs: (2 * cores).max(4),
            queued_runs: 1024,
            longest_wait: Duration::from_secs(120),
            code_bytes: MIB,
            output_bytes: MIB,
            streamed_output_bytes: 16 * MIB,
            env_names: 64,
            env_bytes: 64 << 10,
            data_bytes: 256 << 10,
            file_bytes: 64 << 20,
            workspace_bytes: 512 << 20,
            workspace_files: 20_000,
            direct_workspace_bytes: 8 << 20,
            workspace_cache_bytes: 4 << 30,
            setup_timeout: Duration::from_secs(300),
            public_url: None,
            cache: None,
            registries: Vec::new(),
            egress_hosts: Vec::new(),
        }
    }
}
