//! The repositories of a project.

use pentad_kernel::{Actor, id, normalised_remote};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::project::checked_remote;
use crate::{At, Error, Level, Projects, Result};

/// A git repository of a project.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Repository {
    /// `repo_` and 16 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The remote, as [`normalised_remote`](pentad_kernel::normalised_remote) writes it.
    pub git_remote: String,
    /// Whether the project goes by this remote.
    pub is_primary: bool,
    /// Who linked it.
    pub added_by: String,
    /// When it was linked.
    pub created_at: At,
}

const OF_PROJECT: &str = "
    SELECT id, project_id, git_remote, is_primary, added_by, created_at FROM project_repositories
    WHERE project_id = $1 ORDER BY is_primary DESC, created_at, id";
const REMOTES: &str = "SELECT git_remote FROM project_repositories WHERE project_id = $1";
const INSERT: &str = "
    INSERT INTO project_repositories (id, project_id, git_remote, is_primary, added_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)";
const SET_PRIMARY: &str = "UPDATE project_repositories SET is_primary = (id = $2) WHERE project_id = $1";
const SET_PROJECT_REMOTE: &str = "UPDATE projects SET git_remote = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM project_repositories WHERE id = $1 AND project_id = $2";

/// The remotes of these repositories.
pub(crate) fn remotes_among(repositories: &[Repository]) -> Vec<String> {
    let remotes = repositories
        .iter()
        .map(|repository| repository.git_remote.clone());
    remotes.collect()
}

impl Projects {
    pub(crate) async fn remotes(&self, project: &str) -> Result<Vec<String>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_scalar(REMOTES)
            .bind(project)
            .fetch_all(conn)
            .await)?)
    }

    pub(crate) async fn repositories(&self, project: &str) -> Result<Vec<Repository>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(OF_PROJECT)
            .bind(project)
            .fetch_all(conn)
            .await)?)
    }

    /// The repositories of a project, the primary one first.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn list_repositories(&self, actor: &Actor, project: &str) -> Result<Vec<Repository>> {
        self.open(actor, project, Level::Read).await?;
        self.repositories(project).await
    }

    pub(crate) async fn insert_repository(
        &self,
        tx: &mut Tx,
        project: &str,
        remote: &str,
        is_primary: bool,
        actor: &Actor,
    ) -> Result<Repository> {
        let repository = Repository {
            id: id::prefixed("repo_", 16),
            project_id: project.to_owned(),
            git_remote: remote.to_owned(),
            is_primary,
            added_by: actor.user.to_string(),
            created_at: At(self.now()),
        };
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(&repository.id)
            .bind(&repository.project_id)
            .bind(&repository.git_remote)
            .bind(repository.is_primary)
            .bind(&repository.added_by)
            .bind(repository.created_at.timestamp().as_micros())
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| {
            if error.is_duplicate() {
                Error::RepositoryLinked {
                    project: project.to_owned(),
                }
            } else {
                error.into()
            }
        })?;
        Ok(repository)
    }

    /// Links a further repository; as primary one it becomes the remote that the project goes by.
    ///
    /// # Errors
    /// As [`Projects::open`] for administering; [`Error::RepositoryLinked`], [`Error::Taken`];
    /// [`Error::Senseless`] for what is no remote.
    pub async fn link_repository(
        &self,
        actor: &Actor,
        project: &str,
        remote: &str,
        is_primary: bool,
    ) -> Result<Repository> {
        self.open(actor, project, Level::Admin).await?;
        if normalised_remote(remote).is_none() {
            return Err(Error::Senseless("git_remote: not a git remote".to_owned()));
        }
        let remote = checked_remote(remote)?;
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let repository = self
            .insert_repository(&mut tx, project, &remote, false, actor)
            .await?;
        if is_primary {
            self.make_primary(&mut tx, &repository).await?;
        }
        tx.commit().await?;
        Ok(Repository {
            is_primary,
            ..repository
        })
    }

    async fn make_primary(&self, tx: &mut Tx, repository: &Repository) -> Result<()> {
        let (project, remote) = (&repository.project_id, &repository.git_remote);
        with_tx!(*tx, |conn| sqlx::query(SET_PRIMARY)
            .bind(project)
            .bind(&repository.id)
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(SET_PROJECT_REMOTE)
            .bind(project)
            .bind(remote)
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| {
            if error.is_duplicate() {
                Error::Taken(format!("A project for {remote} exists already"))
            } else {
                error.into()
            }
        })?;
        Ok(())
    }

    /// Unlinks a repository. After the primary one the project goes by the oldest that is left.
    ///
    /// # Errors
    /// As [`Projects::open`] for administering; [`Error::NotFound`]; [`Error::LastRepository`];
    /// [`Error::Taken`] when another project goes by the oldest that is left.
    pub async fn unlink_repository(&self, actor: &Actor, project: &str, repository: &str) -> Result<()> {
        self.open(actor, project, Level::Admin).await?;
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let mut left: Vec<Repository> = with_tx!(tx, |conn| sqlx::query_as(OF_PROJECT)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let found = left
            .iter()
            .position(|known| known.id == repository)
            .ok_or(Error::NotFound { kind: "Repository" })?;
        let removed = left.remove(found);
        let heir = left.first().ok_or(Error::LastRepository)?;
        with_tx!(tx, |conn| sqlx::query(DELETE)
            .bind(repository)
            .bind(project)
            .execute(conn)
            .await
            .map(affected))?;
        if removed.is_primary {
            self.make_primary(&mut tx, heir).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
