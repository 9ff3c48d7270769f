//! The five surfaces and the gateway's own operations.

use pentad_http_kit::{Surface, SurfaceRoutes};

use crate::{crossroads, operations};

/// The surfaces, in the order in which their paths are tried.
pub fn surfaces() -> Vec<SurfaceRoutes> {
    surfaces_within(
        &pentad_runs::Limits::default(),
        &pentad_storage::Limits::default(),
    )
}

/// The same, with other limits for recorded runs and for storage.
pub(crate) fn surfaces_within(
    runs: &pentad_runs::Limits,
    storage: &pentad_storage::Limits,
) -> Vec<SurfaceRoutes> {
    vec![
        pentad_http_grep::routes(),
        pentad_http_memories::routes(),
        sync(),
        pentad_http_runs::routes_within(runs),
        exec(storage),
    ]
}

/// Seed 002: accounts, sessions and projects are crates of their own.
fn sync() -> SurfaceRoutes {
    let parts = [
        pentad_http_identity::routes(),
        pentad_http_sync::routes(),
        pentad_http_projects::routes(),
    ];
    SurfaceRoutes::new(
        Surface::Sync,
        parts
            .iter()
            .flat_map(|part| part.endpoints().iter().cloned())
            .collect(),
    )
}

/// Seed 003: running code, and the storage beside it, are crates of their own.
fn exec(storage: &pentad_storage::Limits) -> SurfaceRoutes {
    let parts = [
        pentad_http_exec::routes(),
        pentad_http_storage::routes_within(storage),
    ];
    SurfaceRoutes::new(
        Surface::Exec,
        parts
            .iter()
            .flat_map(|part| part.endpoints().iter().cloned())
            .collect(),
    )
}

/// The operations of the gateway itself. Their failures take the envelope of seed 002, which is where a
/// path outside all surfaces belongs.
pub fn gateway_routes() -> SurfaceRoutes {
    SurfaceRoutes::new(
        Surface::Sync,
        [crossroads::endpoints(), operations::endpoints()].concat(),
    )
}
