//! What seed 002 shows of a user beside the account: the program last used, and the organisation that new
//! projects go to.

use pentad_kernel::{OrganisationId, Timestamp, UserId};
use pentad_store::{affected, with_reader, with_writer};

use crate::{Error, Identity, Result};

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

#[derive(sqlx::FromRow)]
struct ProfileRow {
    client_version: Option<String>,
    client_platform: Option<String>,
    client_device: Option<String>,
    last_sync_at: Option<i64>,
    default_organisation_id: Option<String>,
    capture_health: Option<String>,
}

const PROFILE: &str = "
    SELECT client_version, client_platform, client_device, last_sync_at, default_organisation_id,
           capture_health
    FROM users WHERE id = $1";
const SET_HEALTH: &str = "UPDATE users SET capture_health = $2 WHERE id = $1";
const SET_DEFAULT: &str = "UPDATE users SET default_organisation_id = $2 WHERE id = $1";

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
        Ok(Profile {
            client_version: row.client_version,
            client_platform: row.client_platform,
            client_device: row.client_device,
            last_sync_at: row.last_sync_at.map(Timestamp::from_micros),
            default_organisation: row.default_organisation_id.map(OrganisationId::new),
            capture_health: row.capture_health,
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
