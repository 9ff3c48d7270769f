//! Code execution over HTTP, as seed 003 documents it.
//!
//! The API is a list of endpoints; the gateway mounts them and puts one [`Api`] beside them:
//!
//! ```
//! let paths: Vec<String> = pentad_http_exec::routes()
//!     .endpoints()
//!     .iter()
//!     .map(|endpoint| endpoint.path().to_owned())
//!     .collect();
//! assert!(paths.contains(&"/api/execute".to_owned()));
//! ```

mod answers;
mod code;
mod execute;
mod faults;
mod files;
mod gone;
mod mcp;
mod port;
mod proxy;
mod run;
mod sessions;
mod setup;
mod wire;

use pentad_exec::Exec;
use pentad_http_kit::{Access, Endpoint, PublicUrl, Surface, SurfaceRoutes, endpoint};
use pentad_kernel::Scope;

use code::*;
use execute::*;
use files::*;
use mcp::*;
use proxy::*;
use run::*;
use sessions::*;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Api {
    /// Code execution.
    pub exec: Exec,
    /// The address under which clients reach the gateway.
    pub public_url: PublicUrl,
}

/// Runs code or changes a session.
const RUN: Access = Access::Exec(&[Scope::ExecRun]);
/// Reads a session.
const READ: Access = Access::Exec(&[Scope::ExecRead, Scope::ExecRun]);
/// Bytes of a JSON body.
const BODY: usize = 2 << 20;

/// The operations of code execution.
pub fn routes() -> SurfaceRoutes {
    let json = |endpoint: Endpoint| endpoint.body_limit("execution_body_bytes", BODY);
    let relay = |endpoint: Endpoint| endpoint.mounted_at("/proxy/{id}/{port:[^/]+}{path:.*}").tail();
    SurfaceRoutes::new(
        Surface::Exec,
        vec![
            json(endpoint!(execute, RUN)),
            json(endpoint!(create_session, RUN)),
            endpoint!(list_sessions, READ),
            endpoint!(delete_sessions, RUN),
            json(endpoint!(run_code, RUN)),
            json(endpoint!(stream_code, RUN)),
            json(endpoint!(duplicate_session, RUN)),
            json(endpoint!(put_code, RUN)),
            endpoint!(get_code, READ),
            endpoint!(host, READ),
            endpoint!(list_files, READ),
            endpoint!(extract_files, RUN),
            endpoint!(get_file, READ).tail(),
            endpoint!(put_file, RUN).tail(),
            endpoint!(delete_file, RUN).tail(),
            endpoint!(get_session, READ),
            json(endpoint!(patch_session, RUN)),
            endpoint!(delete_session, RUN),
            json(endpoint!(mcp, READ)),
            relay(endpoint!(relay_get, Access::Visitor)),
            relay(endpoint!(relay_post, Access::Visitor)),
            relay(endpoint!(relay_put, Access::Visitor)),
            relay(endpoint!(relay_patch, Access::Visitor)),
            relay(endpoint!(relay_delete, Access::Visitor)),
            relay(endpoint!(relay_head, Access::Visitor)),
            relay(endpoint!(relay_options, Access::Visitor)),
        ],
    )
}
