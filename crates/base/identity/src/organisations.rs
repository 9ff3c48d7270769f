//! Organisations and who belongs to them.

use std::fmt;

use pentad_kernel::{OrganisationId, Timestamp, UserId, id};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::{Error, Identity, PlanName, Result};

/// Everything stored belongs to exactly one of these.
///
/// It is grep's organisation, memory's company, sync's organisation and ingest's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its identifier.
    pub id: OrganisationId,
    /// The name it has in addresses; ingest's tenant slug.
    pub slug: String,
    /// The name people read.
    pub name: String,
    /// Its plan.
    pub plan: PlanName,
    /// Whether it came with a user and has no other member.
    pub personal: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a member may do in an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Works in it.
    Member,
    /// Also manages members and keys.
    Admin,
    /// Also owns it.
    Owner,
}

impl Role {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads a name; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A user's place in an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The organisation.
    pub organisation: Organisation,
    /// The role in it.
    pub role: Role,
}

/// Whether the text is a slug: 1 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit.
pub fn valid_slug(slug: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&slug.len())
        && slug.bytes().all(|byte| allowed(byte) || byte == b'-')
        && slug.bytes().next().is_some_and(allowed)
        && slug.bytes().last().is_some_and(allowed)
}

#[derive(sqlx::FromRow)]
pub(crate) struct OrganisationRow {
    id: String,
    slug: String,
    name: String,
    plan: String,
    personal: bool,
    created_at: i64,
}

impl From<OrganisationRow> for Organisation {
    fn from(row: OrganisationRow) -> Self {
        Self {
            id: OrganisationId::new(row.id),
            slug: row.slug,
            name: row.name,
            plan: PlanName::parse(&row.plan).unwrap_or(PlanName::Free),
            personal: row.personal,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

#[derive(sqlx::FromRow)]
struct MembershipRow {
    #[sqlx(flatten)]
    organisation: OrganisationRow,
    role: String,
}

const INSERT: &str =
    "INSERT INTO organisations (id, slug, name, plan, personal, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
const INSERT_MEMBER: &str =
    "INSERT INTO memberships (organisation_id, user_id, role, joined_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (organisation_id, user_id) DO UPDATE SET role = excluded.role";
const BY_ID: &str = "SELECT id, slug, name, plan, personal, created_at FROM organisations WHERE id = $1";
const BY_SLUG: &str = "SELECT id, slug, name, plan, personal, created_at FROM organisations WHERE slug = $1";
const ALL: &str =
    "SELECT id, slug, name, plan, personal, created_at FROM organisations ORDER BY created_at, id";
const OF_USER: &str = "
    SELECT organisations.id, slug, name, plan, personal, created_at, role
    FROM memberships JOIN organisations ON organisations.id = memberships.organisation_id
    WHERE memberships.user_id = $1 ORDER BY personal, joined_at, organisations.id";
pub(crate) const SET_PLAN: &str = "UPDATE organisations SET plan = $2 WHERE id = $1";

impl Identity {
    /// Makes an organisation without members.
    ///
    /// # Errors
    /// [`Error::InvalidSlug`], [`Error::SlugTaken`].
    pub async fn create_organisation(&self, slug: &str, name: &str) -> Result<Organisation> {
        let mut tx = self.db.begin().await?;
        let organisation = self.insert_organisation(&mut tx, slug, name, false).await?;
        tx.commit().await?;
        Ok(organisation)
    }

    pub(crate) async fn insert_organisation(
        &self,
        tx: &mut Tx,
        slug: &str,
        name: &str,
        personal: bool,
    ) -> Result<Organisation> {
        if !valid_slug(slug) {
            return Err(Error::InvalidSlug(slug.to_owned()));
        }
        let organisation = Organisation {
            id: OrganisationId::new(id::prefixed("org_", 16)),
            slug: slug.to_owned(),
            name: name.to_owned(),
            plan: self.plans.default_plan,
            personal,
            created_at: self.clock.now(),
        };
        with_tx!(*tx, |conn| sqlx::query(INSERT)
            .bind(organisation.id.as_str())
            .bind(&organisation.slug)
            .bind(&organisation.name)
            .bind(organisation.plan.name())
            .bind(personal)
            .bind(organisation.created_at.as_micros())
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| {
            if error.is_duplicate() {
                Error::SlugTaken(slug.to_owned())
            } else {
                error.into()
            }
        })?;
        Ok(organisation)
    }

    pub(crate) async fn insert_membership(
        &self,
        tx: &mut Tx,
        organisation: &OrganisationId,
        user: &UserId,
        role: Role,
    ) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(INSERT_MEMBER)
            .bind(organisation.as_str())
            .bind(user.as_str())
            .bind(role.name())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Makes the user a member, or gives the member this role.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_member(&self, organisation: &OrganisationId, user: &UserId, role: Role) -> Result<()> {
        let mut tx = self.db.begin().await?;
        self.insert_membership(&mut tx, organisation, user, role).await?;
        self.commit_credentials(tx).await
    }

    /// The organisation with this identifier.
    ///
    /// # Errors
    /// [`Error::OrganisationNotFound`].
    pub async fn organisation(&self, id: &OrganisationId) -> Result<Organisation> {
        self.find_organisation(BY_ID, id.as_str()).await
    }

    /// The organisation with this slug.
    ///
    /// # Errors
    /// [`Error::OrganisationNotFound`].
    pub async fn organisation_by_slug(&self, slug: &str) -> Result<Organisation> {
        self.find_organisation(BY_SLUG, slug).await
    }

    async fn find_organisation(&self, sql: &'static str, value: &str) -> Result<Organisation> {
        let row: Option<OrganisationRow> = with_reader!(self.db, |conn| sqlx::query_as(sql)
            .bind(value)
            .fetch_optional(conn)
            .await)?;
        row.map(Organisation::from)
            .ok_or_else(|| Error::OrganisationNotFound(value.to_owned()))
    }

    /// Every organisation, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organisations(&self) -> Result<Vec<Organisation>> {
        let rows: Vec<OrganisationRow> =
            with_reader!(self.db, |conn| sqlx::query_as(ALL).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(Organisation::from).collect())
    }

    /// The organisations of a user: joined ones first, in the order of joining, the personal one last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>> {
        let rows: Vec<MembershipRow> = with_reader!(self.db, |conn| sqlx::query_as(OF_USER)
            .bind(user.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| Membership {
                organisation: row.organisation.into(),
                role: Role::parse(&row.role).unwrap_or(Role::Member),
            })
            .collect())
    }

    /// Puts the organisation on a plan; running gateways follow within [`crate::VERSION_POLL`].
    ///
    /// # Errors
    /// [`Error::OrganisationNotFound`].
    pub async fn set_plan(&self, organisation: &OrganisationId, plan: PlanName) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let changed = with_tx!(tx, |conn| sqlx::query(SET_PLAN)
            .bind(organisation.as_str())
            .bind(plan.name())
            .execute(conn)
            .await
            .map(affected))?;
        if changed == 0 {
            return Err(Error::OrganisationNotFound(organisation.to_string()));
        }
        self.commit_credentials(tx).await
    }
}
