//! What projects need to know of captured sessions: a port that whoever keeps sessions answers.

use futures_util::future::BoxFuture;
use pentad_kernel::{Timestamp, UserId};

/// What went wrong behind a port.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;

/// What a pushed session says about the work done in it: knowledge is extracted from this.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SessionFacts {
    /// The session.
    pub session: String,
    /// Whoever pushed it.
    pub user: String,
    /// How many messages it has.
    pub message_count: i64,
    /// Files that were written.
    pub files_modified: Vec<String>,
    /// Tests that failed.
    pub tests_failed: i64,
    /// Tests that were run.
    pub tests_run: i64,
    /// Packages that were installed.
    pub packages_installed: Vec<String>,
    /// Decisions that were taken.
    pub key_decisions: Vec<String>,
    /// What was left open.
    pub open_issues: Vec<String>,
}

/// A session of the one who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSession {
    /// When it was made.
    pub created_at: Timestamp,
    /// The work whose retrievals were recorded in it.
    pub retrieval_audit_id: Option<String>,
}

/// Where the sessions of a project are captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The project.
    pub project: String,
    /// Its remotes.
    pub remotes: Vec<String>,
}

/// The sessions, as far as projects need them.
pub trait Sessions: Send + Sync + std::fmt::Debug {
    /// Whether the user has a live session that is linked to the project or was captured in one of these
    /// remotes.
    fn captured<'a>(
        &'a self,
        user: &'a UserId,
        project: &'a str,
        remotes: &'a [String],
    ) -> BoxFuture<'a, Result<bool, PortError>>;

    /// The remotes in which the user has captured live sessions.
    fn remotes_of<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Vec<String>, PortError>>;

    /// How many live sessions are linked to each of these projects or were captured in one of its remotes, in
    /// the order of the projects.
    fn counts<'a>(&'a self, projects: &'a [Captured]) -> BoxFuture<'a, Result<Vec<i64>, PortError>>;

    /// The facts of the user's latest live sessions in a remote, newest first.
    fn recent<'a>(
        &'a self,
        user: &'a UserId,
        remote: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, PortError>>;

    /// The session, if the user owns it.
    fn owned<'a>(
        &'a self,
        user: &'a UserId,
        session: &'a str,
    ) -> BoxFuture<'a, Result<Option<OwnSession>, PortError>>;

    /// Takes the project off every session linked to it.
    fn unlink<'a>(&'a self, project: &'a str) -> BoxFuture<'a, Result<(), PortError>>;

    /// How many pending handoffs of the project name the persona.
    fn pending_handoffs<'a>(
        &'a self,
        project: &'a str,
        persona: &'a str,
    ) -> BoxFuture<'a, Result<i64, PortError>>;

    /// How many live sessions the user has.
    fn of_user<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<i64, PortError>>;

    /// How many bytes of sessions the members of an organisation keep.
    fn stored_bytes<'a>(&'a self, users: &'a [UserId]) -> BoxFuture<'a, Result<i64, PortError>>;
}

/// The sessions of an installation that keeps none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSessions;

impl Sessions for NoSessions {
    fn captured<'a>(
        &'a self,
        _user: &'a UserId,
        _project: &'a str,
        _remotes: &'a [String],
    ) -> BoxFuture<'a, Result<bool, PortError>> {
        Box::pin(async { Ok(false) })
    }

    fn remotes_of<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<Vec<String>, PortError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn counts<'a>(&'a self, projects: &'a [Captured]) -> BoxFuture<'a, Result<Vec<i64>, PortError>> {
        Box::pin(async { Ok(vec![0; projects.len()]) })
    }

    fn recent<'a>(
        &'a self,
        _user: &'a UserId,
        _remote: &'a str,
        _limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, PortError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn owned<'a>(
        &'a self,
        _user: &'a UserId,
        _session: &'a str,
    ) -> BoxFuture<'a, Result<Option<OwnSession>, PortError>> {
        Box::pin(async { Ok(None) })
    }

    fn unlink<'a>(&'a self, _project: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        Box::pin(async { Ok(()) })
    }

    fn pending_handoffs<'a>(
        &'a self,
        _project: &'a str,
        _persona: &'a str,
    ) -> BoxFuture<'a, Result<i64, PortError>> {
        Box::pin(async { Ok(0) })
    }

    fn of_user<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<i64, PortError>> {
        Box::pin(async { Ok(0) })
    }

    fn stored_bytes<'a>(&'a self, _users: &'a [UserId]) -> BoxFuture<'a, Result<i64, PortError>> {
        Box::pin(async { Ok(0) })
    }
}
