//! The projects that somebody may read: few or many, they take the same statements.

use std::collections::{BTreeMap, BTreeSet};

use pentad_kernel::Actor;
use pentad_store::with_reader;
use sqlx::QueryBuilder;

use crate::access::standing_level;
use crate::project::project_columns;
use crate::repositories::remotes_among;
use crate::{Captured, Error, Level, Project, ProjectView, Projects, Repository, Result};

/// Identifiers in one statement: databases bound what a statement may hold.
const AT_ONCE: usize = 500;

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    project: Project,
    context_document: String,
    role: Option<String>,
    organisation_plan: Option<String>,
}

/// Which projects are wanted.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// Those that the user owns, and those of the user's organisations.
    Own,
    /// Those that have one of these repositories.
    WithRemotes(&'a [String]),
}

impl Projects {
    /// The projects that the actor may read, the last changed first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<ProjectView>> {
        let mut rows = self.listed(actor, Wanted::Own).await?;
        let remotes = self.sessions.remotes_of(&actor.user).await;
        for some in remotes.map_err(Error::Sessions)?.chunks(AT_ONCE) {
            rows.extend(self.listed(actor, Wanted::WithRemotes(some)).await?);
        }
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(row.project.id.clone()));
        rows.sort_by(|ListedRow { project: a, .. }, ListedRow { project: b, .. }| {
            b.updated_at.cmp(&a.updated_at).then_with(|| a.id.cmp(&b.id))
        });
        let ids: Vec<String> = seen.into_iter().collect();
        let mut repositories = self.repositories_of(&ids).await?;
        let captured: Vec<Captured> = rows
            .iter()
            .map(|row| Captured {
                project: row.project.id.clone(),
                remotes: repositories
                    .get(&row.project.id)
                    .map_or_else(Vec::new, |repositories| remotes_among(repositories)),
            })
            .collect();
        let counts = self.sessions.counts(&captured).await.map_err(Error::Sessions)?;
        let mut views = Vec::with_capacity(rows.len());
        for (row, session_count) in rows.into_iter().zip(counts) {
            let project = row.project;
            views.push(ProjectView {
                plan: self.plan_of(&project, row.organisation_plan.as_deref()).await?,
                // Whoever has no standing in it captured a session in one of its repositories.
                level: standing_level(actor, &project, row.role.as_deref()).unwrap_or(Level::Read),
                can_delete: project.may_be_deleted_by(actor),
                context_document: row.context_document,
                session_count,
                repositories: repositories.remove(&project.id).unwrap_or_default(),
                project,
            });
        }
        Ok(views)
    }

    async fn listed(&self, actor: &Actor, wanted: Wanted<'_>) -> Result<Vec<ListedRow>> {
        let user = actor.user.as_str();
        Ok(with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(concat!(
                "SELECT ",
                project_columns!(),
                ", context_document,
                   (SELECT plan FROM organisations WHERE organisations.id = projects.organisation_id)
                       AS organisation_plan,
                   (SELECT role FROM memberships
                    WHERE memberships.organisation_id = projects.organisation_id AND user_id = "
            ));
            builder
                .push_bind(user.to_owned())
                .push(") AS role FROM projects WHERE ");
            match wanted {
                Wanted::Own => {
                    builder.push("owner_id = ").push_bind(user.to_owned());
                    builder
                        .push(" OR organisation_id IN (SELECT organisation_id FROM memberships WHERE user_id = ")
                        .push_bind(user.to_owned())
                        .push(")");
                }
                Wanted::WithRemotes(remotes) => {
                    builder.push("id IN (SELECT project_id FROM project_repositories WHERE git_remote IN (");
                    let mut list = builder.separated(", ");
                    for remote in remotes {
                        list.push_bind(remote.clone());
                    }
                    builder.push("))");
                }
            }
            builder.build_query_as().fetch_all(conn).await
        })?)
    }

    /// The repositories of these projects, by project, the primary ones first.
    async fn repositories_of(&self, projects: &[String]) -> Result<BTreeMap<String, Vec<Repository>>> {
        let mut found: BTreeMap<String, Vec<Repository>> = BTreeMap::new();
        for some in projects.chunks(AT_ONCE) {
            let repositories: Vec<Repository> = with_reader!(self.db, |conn| {
                let mut builder = QueryBuilder::new(
                    "SELECT id, project_id, git_remote, is_primary, added_by, created_at
                     FROM project_repositories WHERE project_id IN (",
                );
                let mut list = builder.separated(", ");
                for project in some {
                    list.push_bind(project.clone());
                }
                builder.push(") ORDER BY is_primary DESC, created_at, id");
                builder.build_query_as().fetch_all(conn).await
            })?;
            for repository in repositories {
                found
                    .entry(repository.project_id.clone())
                    .or_default()
                    .push(repository);
            }
        }
        Ok(found)
    }
}
