//! The wire format of grep sessions (seed 000).
//!
//! One file a resource: `sessions` opens, lists, stops and restarts them, `append` extends them, `search`
//! and `batch` search them, `files` reads them back. Operations whose paths other surfaces have too are
//! offered as functions, which the gateway calls once it knows that a request is meant for grep.
//!
//! ```
//! let routes = pentad_http_grep::routes();
//! let document = routes.document("Grep sessions", "");
//! assert!(document.paths.paths.contains_key("/api/v1/sessions/{id}/grep"));
//! ```

mod append;
mod batch;
mod files;
mod formats;
mod parameters;
mod search;
mod sessions;
mod upload;
mod wire;

use pentad_http_kit::{Surface, SurfaceRoutes};
use pentad_kernel::Scope;

pub use sessions::{create_session, delete_session, get_session, list_sessions};
pub use wire::{CreatedSession, DeletedSession, SessionAnswer, SessionList};

/// What opens a session's contents.
pub const READ: &[Scope] = &[Scope::GrepRead];
/// What changes a session.
pub const WRITE: &[Scope] = &[Scope::GrepWrite];

/// The operations of the surface.
pub fn routes() -> SurfaceRoutes {
    let endpoints = [
        sessions::endpoints(),
        append::endpoints(),
        search::endpoints(),
        batch::endpoints(),
        files::endpoints(),
    ];
    SurfaceRoutes::new(Surface::Grep, endpoints.concat())
}
