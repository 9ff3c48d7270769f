//! The wire format of session sync (seed 002).
//!
//! One file a resource. Operations whose paths other surfaces have too are offered as functions, which the
//! gateway calls once it knows that a request is meant for sync.
//!
//! ```
//! let routes = pentad_http_sync::routes();
//! let document = routes.document("Session sync", "");
//! assert!(document.paths.paths.contains_key("/api/v1/sessions/{id}/sync"));
//! ```

mod archives;
mod audits;
mod autosync;
mod bookmarks;
mod faults;
mod handoffs;
mod messages;
mod search;
mod sessions;
mod settings;
mod share;
mod summaries;
mod uploads;
mod wire;

use pentad_http_kit::{Surface, SurfaceRoutes};

pub use sessions::{
    EditSession, delete_session, describe_session, edit_session, list_sessions, upload_session,
};
pub use wire::{PushedAnswer, SessionAnswer, SessionList, UploadedAnswer};

/// The operations of the surface.
pub fn routes() -> SurfaceRoutes {
    let endpoints = [
        search::endpoints(),
        share::endpoints(),
        sessions::endpoints(),
        archives::endpoints(),
        uploads::endpoints(),
        messages::endpoints(),
        summaries::endpoints(),
        audits::endpoints(),
        handoffs::endpoints(),
        bookmarks::endpoints(),
        autosync::endpoints(),
        settings::endpoints(),
    ];
    SurfaceRoutes::new(Surface::Sync, endpoints.concat())
}
