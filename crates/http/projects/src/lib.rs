//! The wire format of the second half of session sync (seed 002): organisations, invites, service keys,
//! projects, knowledge, wiki, personas, tickets, agent runs, rules, retrieval audit, integrations,
//! administration and billing.
//!
//! One file a resource. Which scopes open an operation to service keys stands beside its handler.
//!
//! ```
//! let routes = pentad_http_projects::routes();
//! let document = routes.document("Projects", "");
//! assert!(document.paths.paths.contains_key("/api/v1/projects/{project_id}/tickets"));
//! ```

mod admin;
mod agent_runs;
mod billing;
mod comments;
mod compile;
mod entries;
mod integrations;
mod invites;
mod organisations;
mod parameters;
mod personas;
mod projects;
mod repositories;
mod retrieval;
mod rules;
mod service_keys;
mod ticket_actions;
mod tickets;
mod wiki;
mod wire;

use pentad_http_kit::{Endpoint, Surface, SurfaceRoutes};

/// The operations, in the order in which overlapping paths are tried.
fn endpoints() -> Vec<Endpoint> {
    let by_id = [
        repositories::endpoints(),
        entries::endpoints(),
        compile::endpoints(),
        wiki::endpoints(),
        personas::endpoints(),
        tickets::endpoints(),
        ticket_actions::endpoints(),
        comments::endpoints(),
        agent_runs::endpoints(),
        retrieval::endpoints(),
        rules::endpoints(),
        projects::endpoints_by_id(),
    ];
    [
        invites::endpoints(),
        organisations::endpoints(),
        service_keys::endpoints(),
        integrations::endpoints(),
        admin::endpoints(),
        billing::endpoints(),
        retrieval::endpoints_outside_projects(),
        by_id.concat().into_iter().map(with_project_id).collect(),
        projects::endpoints_by_remote(),
    ]
    .concat()
}

/// The same as a surface of its own.
pub fn routes() -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Sync, endpoints())
}

/// Only text of this form is an identifier: a repository that is called like a part of a project, as
/// `acme/tickets`, is still reached by its remote. The names of wiki pages contain slashes.
fn with_project_id(endpoint: Endpoint) -> Endpoint {
    let pattern = endpoint
        .path()
        .replacen("{project_id}", "{project_id:proj_[0-9a-f]{16}}", 1)
        .replacen("{slug}", "{slug:.*[^/]}", 1);
    endpoint.mounted_at(pattern)
}
