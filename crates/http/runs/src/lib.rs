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
mod interchange;
mod list;
mod otlp;
mod render;
mod steps;
mod stream;
mod tenant;

use pentad_http_kit::{Access, Endpoint, PublicUrl, Surface, SurfaceRoutes, endpoint};
use pentad_identity::{Identity, Limiter};
use pentad_kernel::Scope;
use pentad_runs::{Limits, Runs};

pub use auth::who_am_i;

use admin::*;
use auth::{__path_login, __path_logout, __path_me, login, logout, me};
use commands::*;
use files::*;
use ingest::*;
use interchange::*;
use list::*;
use otlp::*;
use steps::*;
use stream::*;
use tenant::*;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Api {
    /// The recorded runs.
    pub runs: Runs,
    /// The accounts.
    pub identity: Identity,
    /// The buckets of login attempts.
    pub limiter: Limiter,
    /// The address under which clients reach the gateway.
    pub public_url: PublicUrl,
}

/// The scopes that record.
const RECORD: Access = Access::Ingest(&[Scope::RunsIngest, Scope::RunsWrite]);
/// The scopes that read.
const READ: Access = Access::Browser(&[Scope::RunsRead]);
/// The scopes that change what is recorded.
const CHANGE: Access = Access::Browser(&[Scope::RunsWrite]);
/// A person in a browser, or a key that may do everything.
const MANAGE: Access = Access::Browser(&[Scope::AdminAll]);

/// The operations of the surface, within the default limits.
pub fn routes() -> SurfaceRoutes {
    routes_within(&Limits::default())
}

/// The operations of the surface, which read no more of a body than these limits allow.
pub fn routes_within(limits: &Limits) -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Ingest, endpoints(limits))
}

fn endpoints(limits: &Limits) -> Vec<Endpoint> {
    let record = |endpoint: Endpoint| endpoint.body_limit("record_bytes", limits.record_bytes);
    vec![
        endpoint!(login, Access::Public),
        endpoint!(logout, Access::Public),
        endpoint!(me, READ).shared_with(&[Surface::Sync]),
        endpoint!(list_dsns, MANAGE),
        endpoint!(mint_dsn, MANAGE),
        endpoint!(revoke_dsn, MANAGE),
        endpoint!(read_recording_settings, MANAGE),
        endpoint!(change_recording_settings, MANAGE),
        endpoint!(list_tenants, Access::Admin),
        endpoint!(create_tenant, Access::Admin),
        endpoint!(create_user, Access::Admin),
        endpoint!(impersonate, Access::Admin),
        endpoint!(healthz, Access::Public),
        endpoint!(list_connections, READ),
        endpoint!(heartbeat, RECORD),
        endpoint!(create_run, RECORD).body_limit("manifest_bytes", limits.manifest_bytes),
        endpoint!(list_runs, READ),
        endpoint!(put_trace, RECORD).body_limit("trace_bytes", limits.trace_bytes),
        record(endpoint!(put_step, RECORD)).number(),
        record(endpoint!(put_costs, RECORD)),
        record(endpoint!(add_events, RECORD)),
        endpoint!(put_screenshot, RECORD)
            .body_limit("screenshot_bytes", limits.screenshot_bytes + (64 << 10)),
        endpoint!(put_modelio, RECORD).body_limit("modelio_bytes", limits.modelio_bytes),
        // A character may be sent as an escape of six bytes.
        endpoint!(add_log, RECORD).body_limit("log_post_bytes", 6 * limits.log_post_bytes),
        record(endpoint!(put_side_effect, RECORD)),
        record(endpoint!(add_reasoning, RECORD)),
        record(endpoint!(add_outcome, RECORD)),
        record(endpoint!(put_eval_candidate, RECORD)),
        record(endpoint!(add_judge_decision, RECORD)),
        endpoint!(poll_commands, RECORD).slow_to_refuse(),
        endpoint!(send_command, CHANGE),
        endpoint!(list_run_commands, READ),
        endpoint!(read_manifest, READ),
        endpoint!(read_trace, READ),
        endpoint!(list_steps, READ),
        endpoint!(read_step, READ),
        endpoint!(read_iteration, READ),
        endpoint!(read_events, READ),
        endpoint!(read_screenshot, READ),
        endpoint!(read_modelio, READ),
        endpoint!(read_log, READ),
        endpoint!(read_side_effect, READ),
        endpoint!(read_outcomes, READ),
        endpoint!(read_eval_candidates, READ),
        endpoint!(read_agent_index, READ),
        endpoint!(read_findings, READ),
        endpoint!(read_replay, READ),
        endpoint!(read_spans, READ),
        endpoint!(list_run_files, READ),
        endpoint!(read_bundle, READ),
        endpoint!(import_bundle, CHANGE).body_limit("bundle_bytes", limits.bundle_bytes),
        endpoint!(export_atif, READ),
        endpoint!(export_otlp, READ),
        endpoint!(export_openai, READ),
        endpoint!(add_traces, RECORD).body_limit("otlp_bytes", limits.otlp_bytes),
        endpoint!(add_traces_below_api, RECORD).body_limit("otlp_bytes", limits.otlp_bytes),
        endpoint!(read_integrity, READ),
        endpoint!(follow_run, READ),
        endpoint!(read_run, READ),
        endpoint!(delete_run, CHANGE),
    ]
}
