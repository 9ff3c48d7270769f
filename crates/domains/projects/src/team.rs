//! What a team has in projects, and what happens to it when a member leaves.

use pentad_identity::{Member, Organisation, PlanName, Role};
use pentad_kernel::{Actor, OrganisationId, UserId};
use pentad_store::{affected, with_reader, with_tx, with_writer};

use crate::{Error, Projects, Result};

/// A team with its members.
#[derive(Clone, Debug)]
pub struct TeamOverview {
    /// The organisation.
    pub organisation: Organisation,
    /// The role of whoever asks.
    pub role: Role,
    /// Its members, in the order of joining.
    pub members: Vec<Member>,
    /// Bytes of sessions that they keep.
    pub storage_used_bytes: i64,
    /// Bytes that they may keep; 0 for as many as they like.
    pub storage_limit_bytes: i64,
}

/// What removing a member did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Projects of the organisation that the remover now owns.
    pub projects_transferred: u64,
}

/// The plan and storage that bound a person.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The best plan among the person's organisations.
    pub plan: PlanName,
    /// The role in the team, for somebody who has joined one.
    pub role: Option<Role>,
    /// Bytes of sessions kept: by the team, or by the person alone.
    pub storage_used_bytes: i64,
    /// Bytes that may be kept; 0 for as many as there is room for.
    pub storage_limit_bytes: i64,
}

const TRANSFER: &str =
    "UPDATE projects SET owner_id = $3, updated_at = $4 WHERE organisation_id = $1 AND owner_id = $2";
const REQUIRES_LEASE: &str =
    "SELECT require_lease_epoch FROM organisation_settings WHERE organisation_id = $1";
const SET_REQUIRES_LEASE: &str = "
    INSERT INTO organisation_settings (organisation_id, require_lease_epoch) VALUES ($1, $2)
    ON CONFLICT (organisation_id) DO UPDATE SET require_lease_epoch = excluded.require_lease_epoch";

impl Projects {
    /// The actor's team, or `None` for somebody who has joined none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn team(&self, actor: &Actor) -> Result<Option<TeamOverview>> {
        let Some(membership) = self.identity.team(&actor.user).await? else {
            return Ok(None);
        };
        let organisation = membership.organisation;
        let members = self.identity.members(&organisation.id).await?;
        let users: Vec<UserId> = members.iter().map(|member| member.user.clone()).collect();
        let storage_used_bytes = self
            .sessions
            .stored_bytes(&users)
            .await
            .map_err(Error::Sessions)?;
        let per_seat = self.identity.plans().plan(organisation.plan).sync_storage_bytes;
        let seats = i64::try_from(users.len()).unwrap_or(i64::MAX);
        let storage_limit_bytes = per_seat.map_or(0, |bytes| {
            i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(seats)
        });
        Ok(Some(TeamOverview {
            organisation,
            role: membership.role,
            members,
            storage_used_bytes,
            storage_limit_bytes,
        }))
    }

    /// The plan and storage that bound the actor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, actor: &Actor) -> Result<Standing> {
        let plan = self.identity.effective_plan(&actor.user).await?;
        if let Some(team) = self.team(actor).await? {
            return Ok(Standing {
                plan,
                role: Some(team.role),
                storage_used_bytes: team.storage_used_bytes,
                storage_limit_bytes: team.storage_limit_bytes,
            });
        }
        let alone = std::slice::from_ref(&actor.user);
        let storage_used_bytes = self.sessions.stored_bytes(alone).await.map_err(Error::Sessions)?;
        let limit = self.identity.plans().plan(plan).sync_storage_bytes;
        Ok(Standing {
            plan,
            role: None,
            storage_used_bytes,
            storage_limit_bytes: limit.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        })
    }

    /// Ends a membership of the actor's team; the member's projects in it pass to the actor.
    ///
    /// # Errors
    /// Those of [`Identity::remove_member_in`](pentad_identity::Identity::remove_member_in).
    pub async fn remove_member(&self, actor: &Actor, member: &UserId) -> Result<Removed> {
        let organisation = self.identity.own_team(actor, Role::Admin).await?;
        let mut tx = self.db.begin().await?;
        self.identity
            .remove_member_in(&mut tx, actor, &organisation, member)
            .await?;
        let projects_transferred = with_tx!(tx, |conn| sqlx::query(TRANSFER)
            .bind(organisation.id.as_str())
            .bind(member.as_str())
            .bind(actor.user.as_str())
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        self.identity.commit_credentials(tx).await?;
        Ok(Removed { projects_transferred })
    }

    /// Whether writes to the organisation's tickets must carry the lease epoch.
    ///
    /// # Errors
    /// [`TeamError`](pentad_identity::TeamError) for others than members.
    pub async fn requires_lease(&self, actor: &Actor, organisation: &OrganisationId) -> Result<bool> {
        self.identity
            .require_role(actor, organisation, Role::Member)
            .await?;
        self.lease_required_in(Some(organisation.as_str())).await
    }

    pub(crate) async fn lease_required_in(&self, organisation: Option<&str>) -> Result<bool> {
        let Some(organisation) = organisation else {
            return Ok(false);
        };
        let required: Option<bool> = with_reader!(self.db, |conn| sqlx::query_scalar(REQUIRES_LEASE)
            .bind(organisation)
            .fetch_optional(conn)
            .await)?;
        Ok(required.unwrap_or(false))
    }

    /// Says whether writes to the organisation's tickets must carry the lease epoch.
    ///
    /// # Errors
    /// [`TeamError`](pentad_identity::TeamError) for others than administrators.
    pub async fn require_lease(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        required: bool,
    ) -> Result<()> {
        let organisation = self
            .identity
            .require_role(actor, organisation, Role::Admin)
            .await?;
        with_writer!(self.db, |conn| sqlx::query(SET_REQUIRES_LEASE)
            .bind(organisation.id.as_str())
            .bind(required)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}
