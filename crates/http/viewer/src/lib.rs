//! The pages in which a person looks at recorded runs, at `/viewer/`.
//!
//! Pages are rendered here; what changes while they are open comes from the public API, so that nothing is
//! shown that cannot also be read there. What agents recorded is not to be trusted: it reaches a page as text
//! or as a checked image, and the pages' policy lets no script run but their own.
//!
//! ```
//! let paths: Vec<String> = pentad_http_viewer::routes()
//!     .endpoints()
//!     .iter()
//!     .map(|endpoint| endpoint.path().to_owned())
//!     .collect();
//! assert!(paths.contains(&"/viewer/runs/{run_id}".to_owned()));
//! ```

mod about;
mod assets;
mod compare;
mod findings;
mod json;
mod login;
mod model_call;
mod overlay;
mod page;
mod run;
mod runs;
mod step;
mod words;

use pentad_http_kit::{Access, Surface, SurfaceRoutes, endpoint};
use pentad_identity::Identity;
use pentad_kernel::Scope;
use pentad_runs::Runs;

use about::*;
use assets::*;
use compare::*;
use login::*;
use run::*;
use runs::*;
use step::*;

/// What the pages are made from.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The recorded runs.
    pub runs: Runs,
    /// The accounts.
    pub identity: Identity,
}

/// A page, or the way to sign in.
const PAGE: Access = Access::Page(&[Scope::RunsRead]);
/// A piece of a page that is open already.
const PIECE: Access = Access::Browser(&[Scope::RunsRead]);

/// The pages and their pieces. They stand in no document: programs read the API.
pub fn routes() -> SurfaceRoutes {
    let endpoints = [
        endpoint!(asset, Access::Public),
        endpoint!(login_page, Access::Public),
        endpoint!(runs_page, PAGE),
        endpoint!(compare_page, PAGE),
        endpoint!(run_page, PAGE),
        endpoint!(run_head, PIECE),
        endpoint!(run_about, PIECE),
        endpoint!(step_piece, PIECE),
    ];
    SurfaceRoutes::new(
        Surface::Ingest,
        endpoints.map(pentad_http_kit::Endpoint::undocumented).into(),
    )
}
