//! What the gateway is given.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use pentad_exec::Exec;
use pentad_grep_sessions::GrepSessions;
use pentad_http_identity::SignUps;
use pentad_http_kit::{Gate, PublicUrl};
use pentad_mail::Mailer;
use pentad_memories::Memories;
use pentad_projects::Projects;
use pentad_runs::Runs;
use pentad_session_sync::SessionSync;
use pentad_storage::Storage;
use pentad_store::Db;

/// Everything the gateway needs, made by the program or by a test.
#[derive(Clone)]
pub struct Deps {
    /// Who may do what.
    pub gate: Gate,
    /// The database, for readiness.
    pub db: Db,
    /// The temporal memories.
    pub memories: Memories,
    /// Code execution.
    pub exec: Exec,
    /// The grep sessions.
    pub grep: GrepSessions,
    /// Projects, with everything in them.
    pub projects: Projects,
    /// The synced sessions.
    pub sync: SessionSync,
    /// The recorded runs.
    pub runs: Runs,
    /// The storage of agents.
    pub storage: Storage,
    /// Who may sign up.
    pub sign_ups: SignUps,
    /// Sends messages to people, or does not.
    pub mailer: Mailer,
    /// The address under which clients reach the gateway.
    pub public_url: PublicUrl,
    /// Renders what was measured; `None` leaves `/metrics` empty.
    pub metrics: Option<PrometheusHandle>,
    /// The bounds of the server itself.
    pub limits: ServerLimits,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps")
            .field("gate", &self.gate)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The bounds of the server itself.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Threads that answer requests.
    pub workers: usize,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long running requests may take to finish once the server is told to stop.
    pub shutdown_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}
