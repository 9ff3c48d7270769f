//! Recorded runs over HTTP, as seed 004 documents them and `augur-sdk` sends them.
//!
//! The API is a list of endpoints; the gateway mounts them and puts one [`Api`] beside them:
//!
//! ```
//! let paths: Vec<String> = pentad_http_runs::routes()
//!     .endpoints()
//!     .iter()
//!     .map(|endpoint| endpoint.path().to_owned())
//!     .collect();
//! assert!(paths.contains(&"/api/v1/heartbeat".to_owned()));
//! ```

mod admin;
mod auth;
mod body;
mod commands;
mod files;
mod ingest;
mod list;
mod render;
mod stream;
mod tenant;

use pentad_http_kit::{Access, Endpoint, Surface, SurfaceRoutes, endpoint};
use pentad_identity::{Identity, Limiter};
use pentad_kernel::Scope;
use pentad_runs::{Limits, Runs};

pub use auth::who_am_i;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Api {
    /// The recorded runs.
    pub runs: Runs,
    /// The accounts.
    pub identity: Identity,
    /// The buckets of login attempts.
    pub limiter: Limiter,
    /// The address under which clients reach the gateway; without it that of the request is used.
    pub public_url: Option<String>,
}

/// The scopes that record.
const RECORD: Access = Access::Ingest(&[Scope::RunsIngest, Scope::RunsWrite]);
/// The scopes that read.
const READ: Access = Access::Browser(&[Scope::RunsRead]);
/// The scopes that change what is recorded.
const CHANGE: Access = Access::Browser(&[Scope::RunsWrite]);
/// A person in a browser, or a key that may do everything.
const MANAGE: Access = Access::Browser(&[Scope::AdminAll]);

/// The operations of the surface.
pub fn routes() -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Ingest, endpoints())
}

fn endpoints() -> Vec<Endpoint> {
    let limits = Limits::default();
    let record = |endpoint: Endpoint| endpoint.body_limit(limits.record_bytes);
    vec![
        endpoint!(auth::login, Access::Public),
        endpoint!(auth::logout, Access::Public),
        endpoint!(auth::me, READ).shared(),
        endpoint!(tenant::list_dsns, MANAGE),
        endpoint!(tenant::mint_dsn, MANAGE),
        endpoint!(tenant::revoke_dsn, MANAGE),
        endpoint!(tenant::read_settings, MANAGE),
        endpoint!(tenant::change_settings, MANAGE),
        endpoint!(admin::list_tenants, Access::Admin),
        endpoint!(admin::create_tenant, Access::Admin),
        endpoint!(admin::create_user, Access::Admin),
        endpoint!(admin::impersonate, Access::Admin),
        endpoint!(list::healthz, Access::Public),
        endpoint!(list::list_connections, READ),
        endpoint!(ingest::heartbeat, RECORD),
        endpoint!(ingest::create_run, RECORD).body_limit(limits.manifest_bytes),
        endpoint!(list::list_runs, READ),
        endpoint!(ingest::put_trace, RECORD).body_limit(limits.trace_bytes),
        record(endpoint!(ingest::put_step, RECORD)),
        record(endpoint!(ingest::put_costs, RECORD)),
        record(endpoint!(ingest::add_events, RECORD)),
        endpoint!(ingest::put_screenshot, RECORD).body_limit(limits.screenshot_bytes + (64 << 10)),
        endpoint!(ingest::put_modelio, RECORD).body_limit(limits.modelio_bytes),
        endpoint!(ingest::add_log, RECORD).body_limit(limits.log_post_bytes),
        record(endpoint!(ingest::put_side_effect, RECORD)),
        record(endpoint!(ingest::add_reasoning, RECORD)),
        record(endpoint!(ingest::add_outcome, RECORD)),
        record(endpoint!(ingest::put_eval_candidate, RECORD)),
        record(endpoint!(ingest::add_judge_decision, RECORD)),
        endpoint!(commands::poll_commands, RECORD),
        endpoint!(commands::send_command, CHANGE),
        endpoint!(list::list_commands, READ),
        endpoint!(files::manifest, READ),
        endpoint!(files::trace, READ),
        endpoint!(files::step, READ),
        endpoint!(files::iteration, READ),
        endpoint!(files::events, READ),
        endpoint!(files::screenshot, READ),
        endpoint!(files::modelio, READ),
        endpoint!(files::log, READ),
        endpoint!(files::side_effect, READ),
        endpoint!(files::outcomes, READ),
        endpoint!(files::eval_candidates, READ),
        endpoint!(files::agent, READ),
        endpoint!(files::findings, READ),
        endpoint!(list::list_files, READ),
        endpoint!(list::integrity, READ),
        endpoint!(stream::follow_run, READ),
        endpoint!(list::read_run, READ),
        endpoint!(list::delete_run, CHANGE),
    ]
}
