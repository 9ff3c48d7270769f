//! The wire format of temporal memories (seed 001).
//!
//! One file a resource: `memories` stores, lists, reads and erases them, `history` supersedes them and tells
//! what happened to them, `query` answers questions and verifies proofs, `settings` and `account` are about the
//! key and its organisation, `export` hands out everything.
//!
//! ```
//! let routes = pentad_http_memories::routes();
//! let document = routes.document("Temporal memories", "");
//! assert!(document.paths.paths.contains_key("/agent/memories"));
//! ```

mod account;
mod export;
mod faults;
mod history;
mod memories;
mod proof;
mod query;
mod request;
mod settings;
mod wire;

use pentad_http_kit::{Surface, SurfaceRoutes};
use pentad_kernel::Scope;

/// What reads memories.
pub const READ: &[Scope] = &[Scope::MemoriesRead];
/// What stores, supersedes and erases them.
pub const WRITE: &[Scope] = &[Scope::MemoriesWrite];

/// The operations of the surface.
pub fn routes() -> SurfaceRoutes {
    let endpoints = [
        memories::endpoints(),
        history::endpoints(),
        query::endpoints(),
        settings::endpoints(),
        account::endpoints(),
        export::endpoints(),
    ];
    SurfaceRoutes::new(Surface::Memory, endpoints.concat())
}
