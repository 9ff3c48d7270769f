//! Projects: one for each git remote.

use pentad_identity::{Feature, PlanName, Upgrade};
use pentad_kernel::{Actor, OrganisationId, Timestamp, UserId, id, normalised_remote};
use pentad_store::{affected, with_reader, with_tx, with_writer};

use crate::repositories::remotes_among;
use crate::{At, Captured, Error, Level, Projects, Repository, Result, checked_line, checked_text};

/// The columns of [`Project`].
macro_rules! project_columns {
    () => {
        "projects.id, projects.name, projects.git_remote, projects.owner_id, projects.organisation_id,
         projects.auto_narrative, projects.kb_retention_days, projects.kb_max_context_words,
         projects.kb_section_page_limit, projects.compile_schedule, projects.compile_after_claims,
         projects.last_scheduled_compile_at, projects.created_at, projects.updated_at"
    };
}
pub(crate) use project_columns;

/// A project, without its context document.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Project {
    /// `proj_` and 16 hex digits.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The primary remote, as [`normalised_remote`] writes it.
    pub git_remote: String,
    /// Who made it, or whom it was passed on to.
    pub owner_id: String,
    /// The organisation it belongs to; `None` for a personal project.
    pub organisation_id: Option<String>,
    /// Whether narratives of sessions are written without being asked for.
    pub auto_narrative: bool,
    /// Days after which doubtful entries are dismissed.
    pub kb_retention_days: i64,
    /// Words that compiling leaves in the context document.
    pub kb_max_context_words: i64,
    /// Entries on a section page.
    pub kb_section_page_limit: i64,
    /// `off`, `nightly` or `weekly`.
    pub compile_schedule: String,
    /// Compile when this many claims wait.
    pub compile_after_claims: Option<i64>,
    /// When the schedule last compiled it.
    pub last_scheduled_compile_at: Option<At>,
    /// When it was made.
    pub created_at: At,
    /// When it was last changed.
    pub updated_at: At,
}

impl Project {
    /// Whether the actor may delete it: its owner may, and platform administrators.
    pub(crate) fn may_be_deleted_by(&self, actor: &Actor) -> bool {
        self.owner_id == actor.user.as_str() || actor.is_admin
    }
}

/// A project as one reader sees it.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// The project.
    pub project: Project,
    /// The context document, in Markdown.
    pub context_document: String,
    /// Live sessions captured in it.
    pub session_count: i64,
    /// Its repositories, the primary one first.
    pub repositories: Vec<Repository>,
    /// The plan that bounds it.
    pub plan: PlanName,
    /// How far the reader gets.
    pub level: Level,
    /// Whether the reader may delete it.
    pub can_delete: bool,
}

/// What a project shall be.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its name for people.
    pub name: String,
    /// Its git remote in any form.
    pub git_remote: String,
    /// The organisation it shall belong to.
    pub organisation: Option<OrganisationId>,
}

/// Settings to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    /// See [`Project::auto_narrative`].
    pub auto_narrative: Option<bool>,
    /// See [`Project::kb_retention_days`]: 1 to 3650.
    pub kb_retention_days: Option<i64>,
    /// See [`Project::kb_max_context_words`]: 100 to 100,000.
    pub kb_max_context_words: Option<i64>,
    /// See [`Project::kb_section_page_limit`]: 1 to 1,000.
    pub kb_section_page_limit: Option<i64>,
    /// See [`Project::compile_schedule`].
    pub compile_schedule: Option<String>,
    /// See [`Project::compile_after_claims`]: 1 to 10,000, or `Some(None)` for never.
    pub compile_after_claims: Option<Option<i64>>,
}

const TEMPLATE: &str = "# Project Context

## Overview

## Architecture

## Conventions

## API Contracts

## Key Decisions

## Team
";

const INSERT: &str = "
    INSERT INTO projects (id, name, git_remote, context_document, owner_id, organisation_id, auto_narrative,
                          kb_retention_days, kb_max_context_words, kb_section_page_limit, compile_schedule,
                          created_at, updated_at, turn)
    VALUES ($1, $2, $3, $4, $5, $6, FALSE, $8, $9, $10, 'nightly', $7, $7, 0)";
const BY_ID: &str = concat!("SELECT ", project_columns!(), " FROM projects WHERE id = $1");
const BY_REMOTE: &str = concat!(
    "SELECT ",
    project_columns!(),
    " FROM project_repositories JOIN projects ON projects.id = project_repositories.project_id
      WHERE project_repositories.git_remote = $1
      ORDER BY is_primary DESC, project_repositories.created_at, projects.id"
);
const CONTEXT: &str = "SELECT context_document FROM projects WHERE id = $1";
const SET_CONTEXT: &str = "UPDATE projects SET context_document = $2, updated_at = $3 WHERE id = $1";
const RENAME: &str = "UPDATE projects SET name = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM projects WHERE id = $1";
const SET_SETTINGS: &str = "
    UPDATE projects SET auto_narrative = $2, kb_retention_days = $3, kb_max_context_words = $4,
        kb_section_page_limit = $5, compile_schedule = $6, compile_after_claims = $7, updated_at = $8
    WHERE id = $1";

impl Projects {
    /// Registers a project for a git remote.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::UpgradeRequired`], [`Error::Taken`] when the remote has a project,
    /// [`Error::NotYours`] for an organisation that the actor does not belong to.
    pub async fn create(&self, actor: &Actor, new: NewProject) -> Result<Project> {
        let name = checked_name(&new.name)?;
        let git_remote = checked_remote(&new.git_remote)?;
        if let Some(organisation) = &new.organisation
            && self.identity.role_in(organisation, &actor.user).await?.is_none()
        {
            return Err(Error::NotYours("You are not a member of this organization"));
        }
        let plan = self.plan_for(actor, new.organisation.as_ref()).await?;
        let scope = if new.organisation.is_some() { "org" } else { "user" };
        Upgrade::check(Feature::ProjectContext, plan, scope).map_err(|upgrade| Error::UpgradeRequired {
            upgrade,
            project: None,
        })?;
        let organisation = new.organisation.as_ref().map(OrganisationId::as_str);
        let defaults = self.settings_of(organisation).await?.defaults;
        let now = self.clock.now();
        let project = Project {
            id: id::prefixed("proj_", 16),
            name,
            git_remote,
            owner_id: actor.user.to_string(),
            organisation_id: new.organisation.map(|organisation| organisation.to_string()),
            auto_narrative: false,
            kb_retention_days: defaults.kb_retention_days.unwrap_or(180),
            kb_max_context_words: defaults.kb_max_context_words.unwrap_or(2000),
            kb_section_page_limit: defaults.kb_section_page_limit.unwrap_or(30),
            compile_schedule: "nightly".to_owned(),
            compile_after_claims: None,
            last_scheduled_compile_at: None,
            created_at: At(now),
            updated_at: At(now),
        };
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(INSERT)
            .bind(&project.id)
            .bind(&project.name)
            .bind(&project.git_remote)
            .bind(TEMPLATE)
            .bind(&project.owner_id)
            .bind(&project.organisation_id)
            .bind(now.as_micros())
            .bind(project.kb_retention_days)
            .bind(project.kb_max_context_words)
            .bind(project.kb_section_page_limit)
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| {
            if error.is_duplicate() {
                Error::Taken(format!("A project for {} exists already", project.git_remote))
            } else {
                error.into()
            }
        })?;
        self.insert_repository(&mut tx, &project.id, &project.git_remote, true, actor)
            .await?;
        tx.commit().await?;
        self.extract_earlier_sessions(actor, &project).await;
        Ok(project)
    }

    /// Every project that the remote is a repository of, the one whose primary remote it is first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn registered_for(&self, remote: &str) -> Result<Vec<Project>> {
        let Some(remote) = normalised_remote(remote) else {
            return Ok(Vec::new());
        };
        Ok(with_reader!(self.db, |conn| sqlx::query_as(BY_REMOTE)
            .bind(&remote)
            .fetch_all(conn)
            .await)?)
    }

    /// The project with this identifier, whoever asks: for the gateway's own wiring.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`].
    pub async fn project(&self, id: &str) -> Result<Project> {
        let project: Option<Project> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        project.ok_or(Error::ProjectNotFound)
    }

    /// The project to which a session belongs that the user captured in the remote: one that the user may
    /// change (contract of seed 002, section 11).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn for_captured_session(&self, user: &UserId, remote: &str) -> Result<Option<String>> {
        for project in self.registered_for(remote).await? {
            let member = match &project.organisation_id {
                Some(organisation) => {
                    let organisation = OrganisationId::new(organisation.as_str());
                    self.identity.role_in(&organisation, user).await?.is_some()
                }
                None => false,
            };
            if member || project.owner_id == user.as_str() {
                return Ok(Some(project.id));
            }
        }
        Ok(None)
    }

    /// The project that a client names by `proj_…` or by a remote.
    ///
    /// # Errors
    /// [`Error::RemoteNotFound`], [`Error::ProjectNotFound`].
    pub async fn resolve(&self, reference: &str) -> Result<String> {
        if is_project_id(reference) {
            return Ok(reference.to_owned());
        }
        let mut registered = self.registered_for(reference).await?;
        if registered.is_empty() {
            return Err(Error::RemoteNotFound);
        }
        Ok(registered.swap_remove(0).id)
    }

    /// The project with everything a reader is shown.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn view(&self, actor: &Actor, id: &str) -> Result<ProjectView> {
        let granted = self.open(actor, id, Level::Read).await?;
        let context_document = self.context(id).await?;
        let repositories = self.repositories(id).await?;
        let captured = [Captured {
            project: id.to_owned(),
            remotes: remotes_among(&repositories),
        }];
        let counts = self.sessions.counts(&captured).await.map_err(Error::Sessions)?;
        Ok(ProjectView {
            can_delete: granted.project.may_be_deleted_by(actor),
            project: granted.project,
            context_document,
            session_count: counts.into_iter().sum(),
            repositories,
            plan: granted.plan,
            level: granted.level,
        })
    }

    pub(crate) async fn context(&self, id: &str) -> Result<String> {
        let document: Option<String> = with_reader!(self.db, |conn| sqlx::query_scalar(CONTEXT)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        document.ok_or(Error::ProjectNotFound)
    }

    /// Replaces the context document. Gives its size in characters.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing; [`Error::Field`] beyond the limit.
    pub async fn set_context(&self, actor: &Actor, id: &str, document: &str) -> Result<usize> {
        self.open(actor, id, Level::Edit).await?;
        self.checked_document("context_document", document)?;
        with_writer!(self.db, |conn| sqlx::query(SET_CONTEXT)
            .bind(id)
            .bind(document)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(document.chars().count())
    }

    /// Gives the project another name.
    ///
    /// # Errors
    /// As [`Projects::open`] for administering; [`Error::Field`].
    pub async fn rename(&self, actor: &Actor, id: &str, name: &str) -> Result<()> {
        self.open(actor, id, Level::Admin).await?;
        let name = checked_name(name)?;
        with_writer!(self.db, |conn| sqlx::query(RENAME)
            .bind(id)
            .bind(&name)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Deletes the project with everything in it but its sessions.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`]; [`Error::NotYours`] for others than its owner and platform administrators.
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<()> {
        let project = self.project(id).await?;
        if !project.may_be_deleted_by(actor) {
            return Err(Error::NotYours(
                "Only the owner of a project or a platform administrator may delete it",
            ));
        }
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, id).await?;
        with_tx!(tx, |conn| sqlx::query(DELETE)
            .bind(id)
            .execute(conn)
            .await
            .map(affected))?;
        let details = serde_json::json!({ "name": project.name, "git_remote": project.git_remote });
        self.identity
            .audit(&mut tx, actor, "project.delete", id, &details)
            .await?;
        tx.commit().await?;
        self.sessions.unlink(id).await.map_err(Error::Sessions)
    }

    /// Changes settings of the project.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::Field`].
    pub async fn change_settings(&self, actor: &Actor, id: &str, change: SettingsChange) -> Result<Project> {
        let granted = self
            .open_for(actor, id, Level::Edit, Feature::ProjectContext)
            .await?;
        let mut project = granted.project;
        let within = |field, value: i64, least: i64, most: i64| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(Error::field(field, format!("{least} to {most}")))
            }
        };
        if let Some(auto) = change.auto_narrative {
            project.auto_narrative = auto;
        }
        if let Some(days) = change.kb_retention_days {
            project.kb_retention_days = within("kb_retention_days", days, 1, 3650)?;
        }
        if let Some(words) = change.kb_max_context_words {
            project.kb_max_context_words = within("kb_max_context_words", words, 100, 100_000)?;
        }
        if let Some(limit) = change.kb_section_page_limit {
            project.kb_section_page_limit = within("kb_section_page_limit", limit, 1, 1000)?;
        }
        if let Some(schedule) = change.compile_schedule {
            if !["off", "nightly", "weekly"].contains(&schedule.as_str()) {
                return Err(Error::field("compile_schedule", "off, nightly or weekly"));
            }
            project.compile_schedule = schedule;
        }
        if let Some(claims) = change.compile_after_claims {
            project.compile_after_claims = claims
                .map(|claims| within("compile_after_claims", claims, 1, 10_000))
                .transpose()?;
        }
        with_writer!(self.db, |conn| sqlx::query(SET_SETTINGS)
            .bind(id)
            .bind(project.auto_narrative)
            .bind(project.kb_retention_days)
            .bind(project.kb_max_context_words)
            .bind(project.kb_section_page_limit)
            .bind(&project.compile_schedule)
            .bind(project.compile_after_claims)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(project)
    }

    /// The instant at which everything is said to happen now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Whether the text is a project's identifier rather than a remote.
pub(crate) fn is_project_id(text: &str) -> bool {
    text.strip_prefix("proj_").is_some_and(|digits| {
        digits.len() == 16
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// A name without the tags of HTML.
fn checked_name(name: &str) -> Result<String> {
    checked_text("name", name)?;
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((_, behind)) = after.split_once('>') else {
            break;
        };
        plain.push_str(before);
        rest = behind;
    }
    plain.push_str(rest);
    checked_line("name", &plain, 255)
}

pub(crate) fn checked_remote(remote: &str) -> Result<String> {
    checked_text("git_remote_normalized", remote)?;
    normalised_remote(remote)
        .filter(|remote| remote.chars().count() <= 500)
        .ok_or_else(|| {
            Error::field(
                "git_remote_normalized",
                "not a git remote of at most 500 characters",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_an_identifier() {
        assert!(is_project_id("proj_0123456789abcdef"));
        for remote in [
            "proj_0123456789ABCDEF",
            "proj_0123",
            "proj_0123456789abcdef0",
            "acme/widgets",
        ] {
            assert!(!is_project_id(remote), "{remote}");
        }
    }

    #[test]
    fn names_lose_their_tags_and_must_keep_something() {
        assert_eq!(checked_name(" A <b>bold</b> name ").unwrap(), "A bold name");
        assert_eq!(checked_name("1 < 2").unwrap(), "1 < 2");
        assert!(checked_name("<i></i>").is_err());
    }
}
