//! What sessions need to know of projects, which live in a crate of their own.

use std::fmt;

use futures_util::future::BoxFuture;
use pentad_kernel::{OrganisationId, UserId};

use crate::Result;

/// A project, as far as sessions are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its identifier.
    pub id: String,
    /// The organisation it belongs to; `None` for a personal one.
    pub organisation: Option<OrganisationId>,
}

/// Where sessions learn about projects.
pub trait Projects: fmt::Debug + Send + Sync {
    /// The projects that this remote is registered with, whoever may see them.
    fn of_remote<'a>(&'a self, remote: &'a str) -> BoxFuture<'a, Result<Vec<Project>>>;

    /// The project that a session of this user on this remote is linked to.
    fn link<'a>(&'a self, user: &'a UserId, remote: &'a str) -> BoxFuture<'a, Result<Option<String>>>;

    /// The project with this identifier.
    fn by_id<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Project>>>;

    /// Whether the project has a `kb_entry`, `wiki_page`, `ticket` or `persona` of this identifier, and
    /// what it is called.
    fn part<'a>(
        &'a self,
        project: &'a str,
        kind: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>>>;

    /// The lease of a ticket, for whoever takes over the work on it.
    fn ticket_lease<'a>(&'a self, project: &'a str, ticket: &'a str) -> BoxFuture<'a, Result<Option<i64>>>;

    /// Whether it is this user's own work in this project whose retrievals are recorded under this
    /// identifier.
    fn records_retrievals<'a>(
        &'a self,
        user: &'a UserId,
        project: &'a str,
        retrieval_audit_id: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// No projects: every session is on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProjects;

impl Projects for NoProjects {
    fn of_remote<'a>(&'a self, _remote: &'a str) -> BoxFuture<'a, Result<Vec<Project>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn link<'a>(&'a self, _user: &'a UserId, _remote: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn by_id<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Option<Project>>> {
        Box::pin(async { Ok(None) })
    }

    fn part<'a>(
        &'a self,
        _project: &'a str,
        _kind: &'a str,
        _id: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn ticket_lease<'a>(&'a self, _project: &'a str, _ticket: &'a str) -> BoxFuture<'a, Result<Option<i64>>> {
        Box::pin(async { Ok(None) })
    }

    fn records_retrievals<'a>(
        &'a self,
        _user: &'a UserId,
        _project: &'a str,
        _retrieval_audit_id: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(false) })
    }
}
