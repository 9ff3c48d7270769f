//! The wire format of accounts and keys (seed 002).
//!
//! One file a resource: `accounts` signs up, describes and verifies; `keys` is the seed's own family of key
//! routes, `api_keys` the one that its command line uses. `GET /api/v1/auth/me` is offered as a function,
//! because another surface has the same path.
//!
//! ```
//! let routes = pentad_http_identity::routes();
//! let document = routes.document("Accounts", "");
//! assert!(document.paths.paths.contains_key("/api/v1/auth/signup"));
//! ```

mod accounts;
mod api_keys;
mod keys;

use pentad_http_kit::{Surface, SurfaceRoutes};

pub use accounts::{Me, SignUps, account, me};

/// The operations of accounts and keys.
pub fn routes() -> SurfaceRoutes {
    let endpoints = [accounts::endpoints(), keys::endpoints(), api_keys::endpoints()];
    SurfaceRoutes::new(Surface::Sync, endpoints.concat())
}
