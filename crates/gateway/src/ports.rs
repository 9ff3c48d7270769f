//! Where sessions and projects, which do not know each other, meet.

use std::sync::Arc;

use pentad_identity::Identity;
use pentad_kernel::{Actor, OrganisationId, SharedClock, Timestamp, UserId};
use pentad_projects::{Captured, OwnSession, PortError, Projects, SessionFacts, Sessions};
use pentad_session_sync::{LearnedFrom, Project, SessionSync};
use pentad_store::Db;

use crate::Deps;

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The sessions, and the projects they belong to.
pub fn with_projects(
    sync: SessionSync,
    db: Db,
    identity: Identity,
    clock: SharedClock,
) -> (SessionSync, Projects) {
    let projects = Projects::new(db, identity, clock, Arc::new(CapturedSessions(sync.clone())))
        .with_model_urls(sync.settings().judge_urls);
    let sync = sync.with_projects(Arc::new(RegisteredProjects(projects.clone())));
    (sync, projects)
}

/// Takes evidence from the sessions of projects that were pushed since an instant.
pub(crate) async fn learn(deps: &Deps, since: Timestamp) -> pentad_projects::Result<()> {
    let pushed = deps.sync.pushed_to_projects(since).await;
    for session in pushed.map_err(|error| pentad_projects::Error::Sessions(error.into()))? {
        let mut session = session;
        let Some(project) = session.project.clone() else {
            continue;
        };
        let project = match deps.projects.project(&project).await {
            Ok(project) => project,
            // It was deleted since; the other sessions teach all the same.
            Err(pentad_projects::Error::ProjectNotFound) => continue,
            Err(error) => return Err(error),
        };
        if session.narrative.is_none() && project.auto_narrative {
            let user = UserId::new(session.user.as_str());
            let told = deps.sync.narrate_unasked(&user, &session.session).await;
            session.narrative = told.map_err(|error| pentad_projects::Error::Sessions(error.into()))?;
        }
        deps.projects.extract(&project, &facts(session)).await?;
    }
    Ok(())
}

fn facts(learned: LearnedFrom) -> SessionFacts {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let told = learned.narrative.unwrap_or_default();
    SessionFacts {
        session: learned.session,
        user: learned.user,
        message_count: whole(learned.facts.message_count),
        files_modified: learned.facts.files_modified.into_iter().collect(),
        tests_failed: whole(learned.facts.tests_failed),
        tests_run: whole(learned.facts.tests_run),
        packages_installed: learned.facts.packages_installed.into_iter().collect(),
        key_decisions: told.key_decisions,
        open_issues: told.open_issues,
    }
}

/// The sessions as projects see them.
#[derive(Debug)]
struct CapturedSessions(SessionSync);

impl Sessions for CapturedSessions {
    fn captured<'a>(
        &'a self,
        user: &'a UserId,
        project: &'a str,
        remotes: &'a [String],
    ) -> Answer<'a, Result<bool, PortError>> {
        Box::pin(async move { self.0.has_captured(user, project, remotes).await.map_err(told) })
    }

    fn remotes_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<Vec<String>, PortError>> {
        Box::pin(async move { self.0.captured_remotes(user).await.map_err(told) })
    }

    fn counts<'a>(&'a self, projects: &'a [Captured]) -> Answer<'a, Result<Vec<i64>, PortError>> {
        Box::pin(async move {
            let places = projects
                .iter()
                .map(|captured| (captured.project.as_str(), &*captured.remotes));
            let places: Vec<_> = places.collect();
            self.0.captured_counts(&places).await.map_err(told)
        })
    }

    fn recent<'a>(
        &'a self,
        user: &'a UserId,
        remote: &'a str,
        limit: u32,
    ) -> Answer<'a, Result<Vec<SessionFacts>, PortError>> {
        Box::pin(async move {
            let recent = self.0.recent_facts(user, remote, limit).await.map_err(told)?;
            Ok(recent.into_iter().map(facts).collect())
        })
    }

    fn owned<'a>(
        &'a self,
        user: &'a UserId,
        session: &'a str,
    ) -> Answer<'a, Result<Option<OwnSession>, PortError>> {
        Box::pin(async move {
            let owned = self.0.owned_since(user, session).await.map_err(told)?;
            Ok(owned.map(|(created_at, retrieval_audit_id)| OwnSession {
                created_at,
                retrieval_audit_id,
            }))
        })
    }

    fn unlink<'a>(&'a self, project: &'a str) -> Answer<'a, Result<(), PortError>> {
        Box::pin(async move { self.0.unlink_project(project).await.map_err(told) })
    }

    fn pending_handoffs<'a>(
        &'a self,
        project: &'a str,
        persona: &'a str,
    ) -> Answer<'a, Result<i64, PortError>> {
        Box::pin(async move { self.0.pending_handoffs(project, persona).await.map_err(told) })
    }

    fn of_user<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<i64, PortError>> {
        Box::pin(async move { self.0.sessions_of_user(user).await.map_err(told) })
    }

    fn stored_bytes<'a>(&'a self, users: &'a [UserId]) -> Answer<'a, Result<i64, PortError>> {
        Box::pin(async move { self.0.stored_bytes(users).await.map_err(told) })
    }
}

/// What sessions fail with, as projects tell it on: a failure of the database stays one.
fn told(error: pentad_session_sync::Error) -> PortError {
    match error {
        pentad_session_sync::Error::Store(error) => error.into(),
        other => other.into(),
    }
}

/// The projects as sessions see them.
#[derive(Debug)]
struct RegisteredProjects(Projects);

fn failed(error: pentad_projects::Error) -> pentad_session_sync::Error {
    match error {
        pentad_projects::Error::Store(error) => error.into(),
        other => pentad_session_sync::Error::Internal(Box::new(other)),
    }
}

fn seen(project: pentad_projects::Project) -> Project {
    Project {
        id: project.id,
        organisation: project.organisation_id.map(OrganisationId::new),
    }
}

impl pentad_session_sync::Projects for RegisteredProjects {
    fn of_remote<'a>(&'a self, remote: &'a str) -> Answer<'a, pentad_session_sync::Result<Vec<Project>>> {
        Box::pin(async move {
            let registered = self.0.registered_for(remote).await.map_err(failed)?;
            Ok(registered.into_iter().map(seen).collect())
        })
    }

    fn link<'a>(
        &'a self,
        user: &'a UserId,
        remote: &'a str,
    ) -> Answer<'a, pentad_session_sync::Result<Option<String>>> {
        Box::pin(async move { self.0.for_captured_session(user, remote).await.map_err(failed) })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Answer<'a, pentad_session_sync::Result<Option<Project>>> {
        Box::pin(async move {
            match self.0.project(id).await {
                Ok(project) => Ok(Some(seen(project))),
                Err(pentad_projects::Error::ProjectNotFound) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn part<'a>(
        &'a self,
        project: &'a str,
        kind: &'a str,
        id: &'a str,
    ) -> Answer<'a, pentad_session_sync::Result<Option<String>>> {
        Box::pin(async move { self.0.part(project, kind, id).await.map_err(failed) })
    }

    fn ticket_lease<'a>(
        &'a self,
        project: &'a str,
        ticket: &'a str,
    ) -> Answer<'a, pentad_session_sync::Result<Option<i64>>> {
        Box::pin(async move { self.0.ticket_lease(project, ticket).await.map_err(failed) })
    }

    fn records_retrievals<'a>(
        &'a self,
        user: &'a UserId,
        project: &'a str,
        retrieval_audit_id: &'a str,
    ) -> Answer<'a, pentad_session_sync::Result<bool>> {
        Box::pin(async move {
            self.0
                .records_retrievals(user, project, retrieval_audit_id)
                .await
                .map_err(failed)
        })
    }
}

/// Storage as programs in sandboxes reach it.
struct StorageDoor(pentad_http_storage::Door);

impl pentad_exec::Storage for StorageDoor {
    fn connect(&self, actor: &Actor, connection: std::net::TcpStream) -> tokio::sync::oneshot::Receiver<()> {
        self.0.serve(actor.clone(), connection)
    }

    fn python_module(&self) -> &'static str {
        pentad_http_storage::PYTHON_MODULE
    }

    fn script_module(&self) -> &'static str {
        pentad_http_storage::SCRIPT_MODULE
    }

    fn deno_module(&self) -> &'static str {
        pentad_http_storage::DENO_MODULE
    }
}

/// Code execution whose programs reach the storage of those they run for.
///
/// # Errors
/// When there can be no further thread.
pub fn with_storage(
    exec: pentad_exec::Exec,
    storage: &pentad_storage::Storage,
) -> std::io::Result<pentad_exec::Exec> {
    let door = pentad_http_storage::Door::open(storage.clone())?;
    Ok(exec.with_storage(Arc::new(StorageDoor(door))))
}
