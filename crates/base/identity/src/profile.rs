//! What seed 002 shows of a user beside the account: the program last used, and the organisation that new
//! projects go to.

use pentad_kernel::{OrganisationId, Timestamp, UserId};
use pentad_store::{affected, with_reader, with_writer};

use crate::users::UserRow;
use crate::{Error, Identity, Organisation, Result, Role, User};

/// What is known of a user beside the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The version of the command line that last pushed.
    pub client_version: Option<String>,
    /// The platform it ran on.
    pub client_platform: Option<String>,
    /// The device it ran on.
    pub client_device: Option<String>,
    /// When it last pushed.
    pub last_sync_at: Option<Timestamp>,
    /// The organisation that new projects go to.
    pub default_organisation: Option<OrganisationId>,
    /// What the user's daemons last said of their watchers: JSON.
    pub capture_health: Option<String>,
}

/// A user with everything that the user is shown of the own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// What is known beside the account.
    pub profile: Profile,
    /// The organisation that the user joined first, beside the personal one: its name, and the role in it.
    pub team: Option<(OrganisationId, String, Role)>,
    /// The organisation that came with the user.
    pub home: Tenant,
    /// The organisation that the user acts in.
    pub here: Tenant,
}

/// How an organisation is called, which seed 004 calls a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its identifier.
    pub id: OrganisationId,
    /// The name it has in addresses.
    pub slug: String,
    /// The name people read.
    pub name: String,
}

impl From<Organisation> for Tenant {
    fn from(organisation: Organisation) -> Self {
        Self {
            id: organisation.id,
            slug: organisation.slug,
            name: organisation.name,
        }
    }
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    #[sqlx(flatten)]
    user: UserRow,
    #[sqlx(flatten)]
    profile: ProfileRow,
    team_id: Option<String>,
    team_name: Option<String>,
    role: Option<String>,
    home_slug: String,
    home_name: String,
    here_slug: String,
    here_name: String,
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    client_version: Option<String>,
    client_platform: Option<String>,
    client_device: Option<String>,
    last_sync_at: Option<i64>,
    default_organisation_id: Option<String>,
    capture_health: Option<String>,
}

/// One statement, because every command of the command line begins with it.
const ACCOUNT: &str = "
    SELECT users.id, email, display_name, password_hash, is_admin, is_active, email_verified,
           home_organisation_id, users.created_at, client_version, client_platform, client_device, last_sync_at,
           default_organisation_id, capture_health, role, organisations.id AS team_id,
           organisations.name AS team_name, home.slug AS home_slug, home.name AS home_name,
           here.slug AS here_slug, here.name AS here_name
    FROM users
    JOIN organisations AS home ON home.id = home_organisation_id
    JOIN organisations AS here ON here.id = $2
    LEFT JOIN memberships ON memberships.user_id = users.id
        AND memberships.organisation_id IN (SELECT id FROM organisations WHERE NOT personal)
    LEFT JOIN organisations ON organisations.id = memberships.organisation_id
    WHERE users.id = $1 ORDER BY joined_at, team_id LIMIT 1";
const PROFILE: &str = "
    SELECT client_version, client_platform, client_device, last_sync_at, default_organisation_id,
           capture_health
    FROM users WHERE id = $1";
const SET_HEALTH: &str = "UPDATE users SET capture_health = $2 WHERE id = $1";
const SET_DEFAULT: &str = "UPDATE users SET default_organisation_id = $2 WHERE id = $1";

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        Self {
            client_version: row.client_version,
            client_platform: row.client_platform,
            client_device: row.client_device,
            last_sync_at: row.last_sync_at.map(Timestamp::from_micros),
            default_organisation: row.default_organisation_id.map(OrganisationId::new),
            capture_health: row.capture_health,
        }
    }
}

impl Identity {
    /// What is known of the user beside the account.
    ///
    /// # Errors
    /// [`Error::UserNotFound`].
    pub async fn profile(&self, user: &UserId) -> Result<Profile> {
        let row: Option<ProfileRow> = with_reader!(self.db, |conn| sqlx::query_as(PROFILE)
            .bind(user.as_str())
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or_else(|| Error::UserNotFound(user.to_string()))?;
        Ok(row.into())
    }

    /// A user who acts in an organisation, with everything that the user is shown of the own account.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], also when one of the organisations is gone.
    pub async fn account(&self, user: &UserId, here: &OrganisationId) -> Result<Account> {
        let row: Option<AccountRow> = with_reader!(self.db, |conn| sqlx::query_as(ACCOUNT)
            .bind(user.as_str())
            .bind(here.as_str())
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or_else(|| Error::UserNotFound(user.to_string()))?;
        let role = row.role.as_deref().and_then(Role::parse);
        let user = User::from(row.user);
        Ok(Account {
            home: Tenant {
                id: user.home_organisation.clone(),
                slug: row.home_slug,
                name: row.home_name,
            },
            here: Tenant {
                id: here.clone(),
                slug: row.here_slug,
                name: row.here_name,
            },
            user,
            profile: row.profile.into(),
            team: match (row.team_id, row.team_name, role) {
                (Some(id), Some(name), Some(role)) => Some((OrganisationId::new(id), name, role)),
                _ => None,
            },
        })
    }

    /// Notes what the user's daemons say of their watchers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_capture_health(&self, user: &UserId, json: &str) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(SET_HEALTH)
            .bind(user.as_str())
            .bind(json)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Says which organisation the user's new projects go to; `None` for none in particular.
    ///
    /// # Errors
    /// [`Error::NotAMember`].
    pub async fn set_default_organisation(
        &self,
        user: &UserId,
        organisation: Option<&OrganisationId>,
    ) -> Result<()> {
        if let Some(wanted) = organisation {
            let memberships = self.memberships(user).await?;
            if !memberships
                .iter()
                .any(|membership| membership.organisation.id == *wanted)
            {
                return Err(Error::NotAMember(wanted.to_string()));
            }
        }
        with_writer!(self.db, |conn| sqlx::query(SET_DEFAULT)
            .bind(user.as_str())
            .bind(organisation.map(OrganisationId::as_str))
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}
