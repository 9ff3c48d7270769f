//! Who belongs to a team, and in which role.

use pentad_kernel::{Actor, OrganisationId, Timestamp, UserId};
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::{TeamError, TeamResult, Upgrade};
use crate::{Error, Feature, Identity, Membership, Organisation, PlanName, Role};

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The user's address.
    pub email: String,
    /// The name people read, when one was given.
    pub display_name: Option<String>,
    /// The role.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    email: String,
    display_name: Option<String>,
    role: String,
    joined_at: i64,
}

const MEMBERS: &str = "
    SELECT memberships.user_id, email, display_name, role, joined_at
    FROM memberships JOIN users ON users.id = memberships.user_id
    WHERE organisation_id = $1 ORDER BY joined_at, memberships.user_id";
const ROLE: &str = "SELECT role FROM memberships WHERE organisation_id = $1 AND user_id = $2";
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM memberships WHERE organisation_id = $1";
/// Takes the organisation's row, so that changes of its members happen one after the other.
const LOCK: &str = "UPDATE organisations SET name = name WHERE id = $1";
/// Takes the user's row, so that nobody joins two teams at once.
const LOCK_USER: &str = "UPDATE users SET email = email WHERE id = $1";
const TEAMS: &str = "
    SELECT COUNT(*) FROM memberships JOIN organisations ON organisations.id = memberships.organisation_id
    WHERE user_id = $1 AND NOT personal";
const SET_ROLE: &str = "UPDATE memberships SET role = $3 WHERE organisation_id = $1 AND user_id = $2";
const FORGET_DEFAULT: &str = "
    UPDATE users SET default_organisation_id = NULL WHERE id = $2 AND default_organisation_id = $1";
const REMOVE: &str = "DELETE FROM memberships WHERE organisation_id = $1 AND user_id = $2";

/// A role that a member can be given; ownership is not among them.
pub(super) fn assignable(name: &str) -> TeamResult<Role> {
    match Role::parse(name) {
        Some(Role::Owner) => Err(TeamError::OwnershipIsNoRole),
        Some(role) => Ok(role),
        None => Err(TeamError::UnknownRole(name.to_owned())),
    }
}

impl Organisation {
    /// How many members it may have; 0 for as many as it likes.
    pub const fn seats_limit(&self) -> i64 {
        match self.plan {
            PlanName::Unlimited => 0,
            PlanName::Enterprise => 25,
            _ => 5,
        }
    }
}

impl Identity {
    /// The organisation that the user joined or founded, beside the personal one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn team(&self, user: &UserId) -> TeamResult<Option<Membership>> {
        Ok(self.teams(user).await?.into_iter().next())
    }

    /// The organisations that the user joined or founded.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn teams(&self, user: &UserId) -> TeamResult<Vec<Membership>> {
        let mut memberships = self.memberships(user).await?;
        memberships.retain(|membership| !membership.organisation.personal);
        Ok(memberships)
    }

    /// The members of an organisation, in the order of joining.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members(&self, organisation: &OrganisationId) -> TeamResult<Vec<Member>> {
        let rows: Vec<MemberRow> = with_reader!(self.db, |conn| sqlx::query_as(MEMBERS)
            .bind(organisation.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| Member {
                user: UserId::new(row.user_id),
                email: row.email,
                display_name: row.display_name,
                role: Role::parse(&row.role).unwrap_or(Role::Member),
                joined_at: Timestamp::from_micros(row.joined_at),
            })
            .collect())
    }

    /// The user's role in the organisation, when there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn role_in(&self, organisation: &OrganisationId, user: &UserId) -> TeamResult<Option<Role>> {
        let role: Option<String> = with_reader!(self.db, |conn| sqlx::query_scalar(ROLE)
            .bind(organisation.as_str())
            .bind(user.as_str())
            .fetch_optional(conn)
            .await)?;
        Ok(role.as_deref().and_then(Role::parse))
    }

    /// The team's organisation, for a member whose role is at least this one. Members of other
    /// organisations do not learn that it exists.
    ///
    /// # Errors
    /// [`TeamError::OrganisationNotFound`], [`TeamError::NoOrganisation`], [`TeamError::InsufficientRole`].
    pub async fn require_role(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        required: Role,
    ) -> TeamResult<Organisation> {
        let Some(current) = self.role_in(organisation, &actor.user).await? else {
            return Err(match self.team(&actor.user).await? {
                Some(_) => TeamError::OrganisationNotFound,
                None => TeamError::NoOrganisation { required },
            });
        };
        let organisation = self.organisation(organisation).await?;
        if organisation.personal {
            return Err(TeamError::OrganisationNotFound);
        }
        if current < required {
            return Err(TeamError::InsufficientRole { current, required });
        }
        Ok(organisation)
    }

    /// The team's organisation, for a member whose role is at least this one. Others learn that it exists
    /// and that they are none of its members.
    ///
    /// # Errors
    /// [`TeamError::OrganisationNotFound`], [`TeamError::NoOrganisation`], [`TeamError::InsufficientRole`].
    pub async fn member_of(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        required: Role,
    ) -> TeamResult<Membership> {
        let organisation = self
            .organisation(organisation)
            .await
            .map_err(|error| match error {
                Error::OrganisationNotFound(_) => TeamError::OrganisationNotFound,
                other => other.into(),
            })?;
        if organisation.personal {
            return Err(TeamError::OrganisationNotFound);
        }
        let role = self.role_in(&organisation.id, &actor.user).await?;
        let role = role.ok_or(TeamError::NoOrganisation { required })?;
        if role < required {
            return Err(TeamError::InsufficientRole {
                current: role,
                required,
            });
        }
        Ok(Membership { organisation, role })
    }

    /// The actor's own team, when the actor's role in it is at least this one.
    ///
    /// # Errors
    /// [`TeamError::NoOrganisation`], [`TeamError::InsufficientRole`].
    pub async fn own_team(&self, actor: &Actor, required: Role) -> TeamResult<Organisation> {
        let membership = self.team(&actor.user).await?;
        let membership = membership.ok_or(TeamError::NoOrganisation { required })?;
        if membership.role < required {
            return Err(TeamError::InsufficientRole {
                current: membership.role,
                required,
            });
        }
        Ok(membership.organisation)
    }

    /// Founds a team on the plan of its founder, who owns it.
    ///
    /// # Errors
    /// [`TeamError::UpgradeRequired`] below the team plan, [`TeamError::AlreadyInOrganisation`],
    /// [`TeamError::SlugTaken`], [`TeamError::Field`].
    pub async fn found_team(&self, actor: &Actor, name: &str, slug: &str) -> TeamResult<Organisation> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 255 {
            return Err(TeamError::Field {
                field: "name",
                reason: "a name has 1 to 255 characters".to_owned(),
            });
        }
        if slug.len() < 3 || !crate::valid_slug(slug) {
            return Err(TeamError::Field {
                field: "slug",
                reason: "a slug has 3 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit"
                    .to_owned(),
            });
        }
        let plan = self.effective_plan(&actor.user).await?;
        if !actor.is_admin {
            Upgrade::check(Feature::TeamManagement, plan, "user")?;
        }
        let mut tx = self.db.begin().await?;
        self.require_no_team(&mut tx, &actor.user).await?;
        let mut organisation = self
            .insert_organisation(&mut tx, slug, name, false)
            .await
            .map_err(|error| match error {
                Error::SlugTaken(_) => TeamError::SlugTaken,
                other => other.into(),
            })?;
        organisation.plan = plan.max(Feature::TeamManagement.from_plan());
        with_tx!(tx, |conn| sqlx::query(
            "UPDATE organisations SET plan = $2 WHERE id = $1"
        )
        .bind(organisation.id.as_str())
        .bind(organisation.plan.name())
        .execute(conn)
        .await
        .map(affected))?;
        self.insert_membership(&mut tx, &organisation.id, &actor.user, Role::Owner)
            .await?;
        self.audit(
            &mut tx,
            actor,
            "organisation.create",
            organisation.id.as_str(),
            &serde_json::json!({ "slug": slug }),
        )
        .await?;
        self.commit_credentials(tx).await?;
        Ok(organisation)
    }

    pub(super) async fn lock_team(&self, tx: &mut Tx, organisation: &OrganisationId) -> TeamResult<()> {
        with_tx!(*tx, |conn| sqlx::query(LOCK)
            .bind(organisation.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Refuses a user who belongs to a team, and lets no other transaction join one until this one ends.
    pub(super) async fn require_no_team(&self, tx: &mut Tx, user: &UserId) -> TeamResult<()> {
        with_tx!(*tx, |conn| sqlx::query(LOCK_USER)
            .bind(user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        let teams: i64 = with_tx!(*tx, |conn| sqlx::query_scalar(TEAMS)
            .bind(user.as_str())
            .fetch_one(conn)
            .await)?;
        if teams > 0 {
            return Err(TeamError::AlreadyInOrganisation);
        }
        Ok(())
    }

    async fn locked_role(
        &self,
        tx: &mut Tx,
        organisation: &OrganisationId,
        user: &UserId,
    ) -> TeamResult<Role> {
        self.lock_team(tx, organisation).await?;
        let role: Option<String> = with_tx!(*tx, |conn| sqlx::query_scalar(ROLE)
            .bind(organisation.as_str())
            .bind(user.as_str())
            .fetch_optional(conn)
            .await)?;
        role.as_deref()
            .and_then(Role::parse)
            .ok_or(TeamError::MemberNotFound)
    }

    /// Gives a member of an organisation that the actor administers another role.
    ///
    /// # Errors
    /// As [`Identity::member_of`]; [`TeamError::UnknownRole`], [`TeamError::OwnershipIsNoRole`], [`TeamError::OwnRole`],
    /// [`TeamError::OwnerRole`], [`TeamError::MemberNotFound`].
    pub async fn set_member_role(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        member: &UserId,
        role: &str,
    ) -> TeamResult<Role> {
        let organisation = self
            .member_of(actor, organisation, Role::Admin)
            .await?
            .organisation;
        let role = assignable(role)?;
        if *member == actor.user {
            return Err(TeamError::OwnRole);
        }
        let mut tx = self.db.begin().await?;
        if self.locked_role(&mut tx, &organisation.id, member).await? == Role::Owner {
            return Err(TeamError::OwnerRole);
        }
        with_tx!(tx, |conn| sqlx::query(SET_ROLE)
            .bind(organisation.id.as_str())
            .bind(member.as_str())
            .bind(role.name())
            .execute(conn)
            .await
            .map(affected))?;
        let details = serde_json::json!({ "role": role.name() });
        self.audit(&mut tx, actor, "member.role", member.as_str(), &details)
            .await?;
        self.commit_credentials(tx).await?;
        Ok(role)
    }

    /// Ends a membership of a team that the actor administers inside a transaction, in which the caller passes
    /// on what the member had, to be ended with [`Identity::commit_credentials`].
    ///
    /// # Errors
    /// [`TeamError::OwnerRemoval`], [`TeamError::SelfRemoval`], [`TeamError::MemberNotFound`].
    pub async fn remove_member_in(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        organisation: &Organisation,
        member: &UserId,
    ) -> TeamResult<()> {
        if self.locked_role(tx, &organisation.id, member).await? == Role::Owner {
            return Err(TeamError::OwnerRemoval);
        }
        if *member == actor.user {
            return Err(TeamError::SelfRemoval);
        }
        with_tx!(*tx, |conn| sqlx::query(REMOVE)
            .bind(organisation.id.as_str())
            .bind(member.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(FORGET_DEFAULT)
            .bind(organisation.id.as_str())
            .bind(member.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        self.audit(
            tx,
            actor,
            "member.remove",
            member.as_str(),
            &serde_json::Value::Null,
        )
        .await?;
        Ok(())
    }
}
