//! The five surfaces and the gateway's own operations.

use pentad_http_kit::{Surface, SurfaceRoutes};

use crate::operations;

/// The surfaces, in the order in which their paths are tried.
pub fn surfaces() -> Vec<SurfaceRoutes> {
    vec![]
}

/// The operations of the gateway itself. Their failures take the envelope of seed 002, which is where a
/// path outside all surfaces belongs.
pub fn gateway_routes() -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Sync, operations::endpoints())
}
