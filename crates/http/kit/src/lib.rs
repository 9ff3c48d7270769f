//! What the five wire formats share.
//!
//! A surface is a list of [`Endpoint`]s: a handler, its `utoipa` annotation and its [`Access`], declared
//! together by [`endpoint!`](crate::endpoint). From that one list come the mounted routes, the guard in
//! front of each, and the surface's OpenAPI document:
//!
//! ```
//! use actix_web::web;
//! use pentad_http_kit::{Access, Endpoint, Fault, Principal, Surface, SurfaceRoutes, endpoint};
//! use pentad_kernel::Scope;
//!
//! /// Who am I
//! #[utoipa::path(get, path = "/api/v1/whoami", responses((status = 200, description = "The e-mail address.")))]
//! async fn who_am_i(principal: Principal) -> Result<String, Fault> {
//!     Ok(principal.actor.email.clone())
//! }
//!
//! fn endpoints() -> Vec<Endpoint> {
//!     vec![endpoint!(who_am_i, Access::Key(&[Scope::GrepRead]))]
//! }
//!
//! let document = SurfaceRoutes::new(Surface::Grep, endpoints()).document("Example", "What it is for.");
//! assert!(document.paths.paths.contains_key("/api/v1/whoami"));
//! ```
//!
//! Handlers return [`Fault`]s; the [`edge`] renders them, and every failure of the framework itself, in
//! the envelope of the surface the request belongs to.

mod access;
mod client;
mod document;
mod edge;
mod endpoint;
mod envelope;
mod fault;
mod form;
mod gate;
mod json;
mod mount;
mod principal;
mod public_url;
mod query;
mod surface;
mod trace;

pub use access::Access;
pub use client::{Client, watch_connection};
pub use document::{Binary, Either, Events, add_security_schemes};
pub use edge::{RequestContext, edge};
pub use endpoint::{Endpoint, SurfaceRoutes};
pub use envelope::render;
pub use fault::{Fault, FieldError};
pub use form::{FileName, Form, Part};
pub use gate::{Gate, OpenExec, Program, RefusalLimit};
pub use json::{BodyLimit, JsonBody};
pub use mount::{mount, mount_for_programs};
pub use principal::{Principal, Visitor};
pub use public_url::PublicUrl;
pub use query::{Query, whole_number};
pub use surface::Surface;
pub use trace::REQUEST_SPANS;

/// What the macros of this crate need at their call sites.
#[doc(hidden)]
pub mod macro_support {
    pub use paste::paste;
}
