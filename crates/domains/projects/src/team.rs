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

/// What an organisation decides for its projects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct TeamSettings {
    /// Whether writes to tickets must carry the lease epoch.
    pub require_lease_epoch: bool,
    /// What new projects begin with, each `None` for what all projects begin with.
    #[sqlx(flatten)]
    pub defaults: ProjectDefaults,
}

/// What new projects of an organisation begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct ProjectDefaults {
    /// Days after which doubtful entries are dismissed: 1 to 730.
    pub kb_retention_days: Option<i64>,
    /// Words that compiling leaves in the context document: 100 to 50,000.
    pub kb_max_context_words: Option<i64>,
    /// Entries on a section page: 1 to 200.
    pub kb_section_page_limit: Option<i64>,
}

impl ProjectDefaults {
    fn check(&self) -> Result<()> {
        let bounds = [
            ("kb_retention_days", self.kb_retention_days, 1..=730),
            ("kb_max_context_words", self.kb_max_context_words, 100..=50_000),
            ("kb_section_page_limit", self.kb_section_page_limit, 1..=200),
        ];
        for (field, value, range) in bounds {
            if value.is_some_and(|value| !range.contains(&value)) {
                let (least, most) = range.into_inner();
                return Err(Error::Senseless(format!("{field}: {least} to {most}")));
            }
        }
        Ok(())
    }
}

/// What a person keeps here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possessions {
    /// Live sessions.
    pub sessions: i64,
    /// Bytes of sessions, the trash included.
    pub stored_bytes: i64,
    /// Keys that work.
    pub keys: usize,
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
const SETTINGS: &str = "
    SELECT require_lease_epoch, kb_retention_days, kb_max_context_words, kb_section_page_limit
    FROM organisation_settings WHERE organisation_id = $1";
const SET_SETTINGS: &str = "
    INSERT INTO organisation_settings (organisation_id, require_lease_epoch, kb_retention_days,
        kb_max_context_words, kb_section_page_limit)
    VALUES ($1, COALESCE($2, FALSE), $3, $4, $5)
    ON CONFLICT (organisation_id) DO UPDATE SET
        require_lease_epoch = COALESCE($2, organisation_settings.require_lease_epoch),
        kb_retention_days = excluded.kb_retention_days, kb_max_context_words = excluded.kb_max_context_words,
        kb_section_page_limit = excluded.kb_section_page_limit";

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

    /// What a person keeps here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn possessions(&self, user: &UserId) -> Result<Possessions> {
        let now = self.now();
        let keys = self.identity.user_keys(user).await?;
        let alone = std::slice::from_ref(user);
        Ok(Possessions {
            sessions: self.sessions.of_user(user).await.map_err(Error::Sessions)?,
            stored_bytes: self.sessions.stored_bytes(alone).await.map_err(Error::Sessions)?,
            keys: keys.iter().filter(|key| key.is_active(now)).count(),
        })
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

    /// Ends a membership of a team that the actor administers; the member's projects in it pass to the actor.
    ///
    /// # Errors
    /// Those of [`Identity::member_of`](pentad_identity::Identity::member_of) and
    /// [`Identity::remove_member_in`](pentad_identity::Identity::remove_member_in).
    pub async fn remove_member(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        member: &UserId,
    ) -> Result<Removed> {
        let own = self.identity.member_of(actor, organisation, Role::Admin).await?;
        let organisation = own.organisation;
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

    /// What the organisation decides for its projects.
    ///
    /// # Errors
    /// [`TeamError`](pentad_identity::TeamError) for others than members.
    pub async fn team_settings(&self, actor: &Actor, organisation: &OrganisationId) -> Result<TeamSettings> {
        self.identity
            .require_role(actor, organisation, Role::Member)
            .await?;
        self.settings_of(Some(organisation.as_str())).await
    }

    pub(crate) async fn settings_of(&self, organisation: Option<&str>) -> Result<TeamSettings> {
        let Some(organisation) = organisation else {
            return Ok(TeamSettings::default());
        };
        let settings: Option<TeamSettings> = with_reader!(self.db, |conn| sqlx::query_as(SETTINGS)
            .bind(organisation)
            .fetch_optional(conn)
            .await)?;
        Ok(settings.unwrap_or_default())
    }

    pub(crate) async fn lease_required_in(&self, organisation: Option<&str>) -> Result<bool> {
        Ok(self.settings_of(organisation).await?.require_lease_epoch)
    }

    /// Decides for the organisation's projects: all of the defaults, and whether writes to tickets must carry
    /// the lease epoch when that is said.
    ///
    /// # Errors
    /// [`TeamError`](pentad_identity::TeamError) for others than administrators; [`Error::Senseless`] for a
    /// default that is out of its bounds.
    pub async fn set_team_settings(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        require_lease_epoch: Option<bool>,
        defaults: ProjectDefaults,
    ) -> Result<TeamSettings> {
        let organisation = self
            .identity
            .require_role(actor, organisation, Role::Admin)
            .await?;
        defaults.check()?;
        with_writer!(self.db, |conn| sqlx::query(SET_SETTINGS)
            .bind(organisation.id.as_str())
            .bind(require_lease_epoch)
            .bind(defaults.kb_retention_days)
            .bind(defaults.kb_max_context_words)
            .bind(defaults.kb_section_page_limit)
            .execute(conn)
            .await
            .map(affected))?;
        self.settings_of(Some(organisation.id.as_str())).await
    }
}
