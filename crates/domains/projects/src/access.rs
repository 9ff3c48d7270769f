//! Who may do what to a project.

use pentad_identity::{Feature, PlanName, Role, Upgrade};
use pentad_kernel::{Actor, OrganisationId, UserId};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::project::project_columns;
use crate::{Error, Project, Projects, Result};

/// How far somebody gets in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Captured a session of the project: reads it, adds notes, suggests tickets.
    Read,
    /// Belongs to the project's organisation: changes what is in it.
    Edit,
    /// Owns the project or administers its organisation.
    Admin,
}

/// A project that the actor was let into.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The project.
    pub project: Project,
    /// How far the actor gets.
    pub level: Level,
    /// The plan that bounds the project: its organisation's, or its owner's best.
    pub plan: PlanName,
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    project: Project,
    role: Option<String>,
    organisation_plan: Option<String>,
}

const OPEN: &str = concat!(
    "SELECT ",
    project_columns!(),
    ", (SELECT role FROM memberships
        WHERE memberships.organisation_id = projects.organisation_id AND user_id = $2) AS role,
       (SELECT plan FROM organisations WHERE organisations.id = projects.organisation_id) AS organisation_plan
     FROM projects WHERE id = $1"
);
const TAKE_TURN: &str = "UPDATE projects SET turn = turn + 1 WHERE id = $1";

/// How far a person gets by owning the project or by a role in its organisation.
pub(crate) fn standing_level(actor: &Actor, project: &Project, role: Option<&str>) -> Option<Level> {
    if project.owner_id == actor.user.as_str() {
        return Some(Level::Admin);
    }
    role.and_then(Role::parse).map(|role| {
        if role >= Role::Admin {
            Level::Admin
        } else {
            Level::Edit
        }
    })
}

impl Projects {
    /// Lets the actor into the project as far as `need`.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`], [`Error::NoAccess`], [`Error::EditForbidden`], [`Error::AdminRequired`];
    /// for service keys [`Error::CrossOrganisation`], [`Error::NotInAllowList`],
    /// [`Error::KeyWithoutOrganisation`].
    pub async fn open(&self, actor: &Actor, id: &str, need: Level) -> Result<Granted> {
        let row: Option<OpenRow> = with_reader!(self.db, |conn| sqlx::query_as(OPEN)
            .bind(id)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or(Error::ProjectNotFound)?;
        let project = row.project;
        let level = if actor.is_service_key() {
            self.check_boundary(actor, &project).await?;
            Some(Level::Admin)
        } else {
            match standing_level(actor, &project, row.role.as_deref()) {
                None => self.has_captured(actor, &project).await?.then_some(Level::Read),
                some => some,
            }
        };
        let level = level.ok_or(Error::NoAccess)?;
        if level < need {
            return Err(match level {
                Level::Read => Error::EditForbidden,
                Level::Edit | Level::Admin => Error::AdminRequired,
            });
        }
        let plan = self.plan_of(&project, row.organisation_plan.as_deref()).await?;
        Ok(Granted { project, level, plan })
    }

    /// The plan that bounds a project: its organisation's, or its owner's best.
    pub(crate) async fn plan_of(
        &self,
        project: &Project,
        organisation_plan: Option<&str>,
    ) -> Result<PlanName> {
        Ok(match organisation_plan {
            Some(name) => PlanName::parse(name).unwrap_or(PlanName::Free),
            None => {
                let owner = UserId::new(project.owner_id.as_str());
                self.identity.effective_plan(&owner).await?
            }
        })
    }

    /// The same, for what only some plans include.
    ///
    /// # Errors
    /// As [`Projects::open`], and [`Error::UpgradeRequired`].
    pub async fn open_for(&self, actor: &Actor, id: &str, need: Level, feature: Feature) -> Result<Granted> {
        let granted = self.open(actor, id, need).await?;
        Upgrade::check(feature, granted.plan, "project").map_err(|upgrade| Error::UpgradeRequired {
            upgrade,
            project: Some(id.to_owned()),
        })?;
        Ok(granted)
    }

    /// Whether a service key may touch the project (contract of seed 002, section 2).
    ///
    /// # Errors
    /// [`Error::KeyWithoutOrganisation`], [`Error::CrossOrganisation`], [`Error::NotInAllowList`].
    pub async fn check_boundary(&self, actor: &Actor, project: &Project) -> Result<()> {
        let organisation = &actor.organisation;
        if project.organisation_id.as_deref() != Some(organisation.as_str()) {
            if self.identity.organisation(organisation).await?.personal {
                return Err(Error::KeyWithoutOrganisation);
            }
            return Err(Error::CrossOrganisation {
                key: organisation.to_string(),
                project: project.organisation_id.clone(),
            });
        }
        match &actor.projects {
            Some(allowed) if !allowed.contains(&project.id) => Err(Error::NotInAllowList {
                allowed: allowed.clone(),
                requested: project.id.clone(),
            }),
            _ => Ok(()),
        }
    }

    async fn has_captured(&self, actor: &Actor, project: &Project) -> Result<bool> {
        let remotes = self.remotes(&project.id).await?;
        self.sessions
            .captured(&actor.user, &project.id, &remotes)
            .await
            .map_err(Error::Sessions)
    }

    /// Waits for the other transactions of the project that take a turn, and keeps further ones waiting
    /// until this one ends.
    pub(crate) async fn take_turn(&self, tx: &mut Tx, project: &str) -> Result<()> {
        let taken = with_tx!(*tx, |conn| sqlx::query(TAKE_TURN)
            .bind(project)
            .execute(conn)
            .await
            .map(affected))?;
        if taken == 0 {
            return Err(Error::ProjectNotFound);
        }
        Ok(())
    }

    /// The plan that bounds what the user makes in an organisation, or alone.
    pub(crate) async fn plan_for(
        &self,
        actor: &Actor,
        organisation: Option<&OrganisationId>,
    ) -> Result<PlanName> {
        Ok(match organisation {
            Some(id) => self.identity.organisation(id).await?.plan,
            None => self.identity.effective_plan(&actor.user).await?,
        })
    }
}
