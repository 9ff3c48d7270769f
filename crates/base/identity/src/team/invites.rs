//! Invites: one row for an address in an organisation.
//!
//! An invite is active until it is accepted, declined, revoked (its row is then gone) or seven days old.
//! Inviting an address whose invite is over gives the same row a new identifier, so that old links are
//! dead, and keeps the time of the first invite.

use std::time::Duration;

use pentad_kernel::{Actor, OrganisationId, Timestamp, id};
use pentad_store::{Tx, affected, with_reader, with_tx, with_writer};

use super::members::{COUNT, assignable};
use super::{TeamError, TeamResult};
use crate::{Identity, Organisation, Role};

/// How long an invite can be accepted.
pub const INVITE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
const REASON_CHARACTERS: usize = 1000;

/// An invite to an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// `inv_` and 16 hex digits.
    pub id: String,
    /// The organisation.
    pub organisation: OrganisationId,
    /// Whom it is for.
    pub email: String,
    /// The role it gives.
    pub role: Role,
    /// When the address was first invited.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When a message with it was last sent.
    pub last_emailed_at: Option<Timestamp>,
    accepted_at: Option<Timestamp>,
    declined_at: Option<Timestamp>,
}

/// An invite as the one it is for sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteForMe {
    /// The invite.
    pub invite: Invite,
    /// The organisation's name.
    pub organisation_name: String,
    /// Who invited.
    pub invited_by_email: String,
}

#[derive(sqlx::FromRow)]
struct InviteRow {
    id: String,
    organisation_id: String,
    email: String,
    role: String,
    created_at: i64,
    expires_at: i64,
    accepted_at: Option<i64>,
    declined_at: Option<i64>,
    last_emailed_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct InviteForMeRow {
    #[sqlx(flatten)]
    invite: InviteRow,
    organisation_name: String,
    invited_by_email: String,
}

impl From<InviteRow> for Invite {
    fn from(row: InviteRow) -> Self {
        Self {
            id: row.id,
            organisation: OrganisationId::new(row.organisation_id),
            email: row.email,
            role: Role::parse(&row.role).unwrap_or(Role::Member),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            last_emailed_at: row.last_emailed_at.map(Timestamp::from_micros),
            accepted_at: row.accepted_at.map(Timestamp::from_micros),
            declined_at: row.declined_at.map(Timestamp::from_micros),
        }
    }
}

impl Invite {
    /// Why the invite cannot be accepted any more, or `None` while it can.
    pub fn over(&self, now: Timestamp) -> Option<&'static str> {
        if self.accepted_at.is_some() {
            Some("was accepted")
        } else if self.declined_at.is_some() {
            Some("was declined")
        } else if self.expires_at <= now {
            Some("has expired")
        } else {
            None
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT organisation_invites.id, organisation_id, organisation_invites.email, role,
                    organisation_invites.created_at, expires_at, accepted_at, declined_at, last_emailed_at ",
            $rest
        )
    };
}

const BY_ID: &str = select!("FROM organisation_invites WHERE organisation_invites.id = $1");
const BY_ADDRESS: &str = select!("FROM organisation_invites WHERE organisation_id = $1 AND email = $2");
const ACTIVE: &str = select!(
    "FROM organisation_invites
     WHERE organisation_id = $1 AND accepted_at IS NULL AND declined_at IS NULL AND expires_at > $2
     ORDER BY created_at DESC, organisation_invites.id"
);
const FOR_ME: &str = select!(
    ", organisations.name AS organisation_name, users.email AS invited_by_email
     FROM organisation_invites
     JOIN organisations ON organisations.id = organisation_invites.organisation_id
     JOIN users ON users.id = organisation_invites.invited_by
     WHERE organisation_invites.email = $1 AND accepted_at IS NULL AND declined_at IS NULL AND expires_at > $2
     ORDER BY organisation_invites.created_at DESC, organisation_invites.id"
);
const IS_MEMBER: &str = "
    SELECT 1 FROM memberships JOIN users ON users.id = memberships.user_id
    WHERE organisation_id = $1 AND email = $2";
const UPSERT: &str = "
    INSERT INTO organisation_invites (id, organisation_id, email, role, invited_by, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (organisation_id, email) DO UPDATE SET
        id = excluded.id, role = excluded.role, invited_by = excluded.invited_by,
        expires_at = excluded.expires_at, accepted_at = NULL, declined_at = NULL, decline_reason = NULL,
        last_emailed_at = NULL";
const ACCEPT: &str = "
    UPDATE organisation_invites SET accepted_at = $2
    WHERE id = $1 AND accepted_at IS NULL AND declined_at IS NULL AND expires_at > $2";
const DECLINE: &str = "
    UPDATE organisation_invites SET declined_at = $2, decline_reason = $3
    WHERE id = $1 AND accepted_at IS NULL AND declined_at IS NULL AND expires_at > $2";
const REVOKE: &str =
    "DELETE FROM organisation_invites WHERE id = $1 AND organisation_id = $2 AND accepted_at IS NULL";
const EMAILED: &str = "UPDATE organisation_invites SET last_emailed_at = $2 WHERE id = $1";

impl Identity {
    /// Invites an address to an organisation of the actor's.
    ///
    /// # Errors
    /// [`TeamError::InsufficientRole`], [`TeamError::SeatLimit`], [`TeamError::AlreadyMember`],
    /// [`TeamError::InvitePending`], [`TeamError::UnknownRole`], [`TeamError::Field`] for what is no address.
    pub async fn invite(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        email: &str,
        role: &str,
    ) -> TeamResult<Invite> {
        let organisation = self.require_role(actor, organisation, Role::Admin).await?;
        let role = assignable(role)?;
        let email = crate::users::normalised_email(email).ok_or_else(|| TeamError::Field {
            field: "email",
            reason: format!("{email:?} is not an e-mail address"),
        })?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        self.lock_team(&mut tx, &organisation.id).await?;
        let member: Option<i32> = with_tx!(tx, |conn| sqlx::query_scalar(IS_MEMBER)
            .bind(organisation.id.as_str())
            .bind(&email)
            .fetch_optional(conn)
            .await)?;
        if member.is_some() {
            return Err(TeamError::AlreadyMember(email));
        }
        let earlier: Option<InviteRow> = with_tx!(tx, |conn| sqlx::query_as(BY_ADDRESS)
            .bind(organisation.id.as_str())
            .bind(&email)
            .fetch_optional(conn)
            .await)?;
        let earlier = earlier.map(Invite::from);
        if earlier.as_ref().is_some_and(|invite| invite.over(now).is_none()) {
            return Err(TeamError::InvitePending(email));
        }
        self.require_seat(&mut tx, &organisation).await?;
        let invite = Invite {
            id: id::prefixed("inv_", 16),
            organisation: organisation.id,
            email,
            role,
            created_at: earlier.map_or(now, |invite| invite.created_at),
            expires_at: now.plus(INVITE_LIFETIME),
            last_emailed_at: None,
            accepted_at: None,
            declined_at: None,
        };
        with_tx!(tx, |conn| sqlx::query(UPSERT)
            .bind(&invite.id)
            .bind(invite.organisation.as_str())
            .bind(&invite.email)
            .bind(invite.role.name())
            .bind(actor.user.as_str())
            .bind(invite.created_at.as_micros())
            .bind(invite.expires_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        let details = serde_json::json!({ "email": invite.email, "role": role.name() });
        self.audit(&mut tx, actor, "invite.create", &invite.id, &details)
            .await?;
        tx.commit().await?;
        Ok(invite)
    }

    async fn require_seat(&self, tx: &mut Tx, organisation: &Organisation) -> TeamResult<()> {
        let limit = organisation.seats_limit();
        let used: i64 = with_tx!(*tx, |conn| sqlx::query_scalar(COUNT)
            .bind(organisation.id.as_str())
            .fetch_one(conn)
            .await)?;
        if limit > 0 && used >= limit {
            return Err(TeamError::SeatLimit { used, limit });
        }
        Ok(())
    }

    async fn find_invite(&self, id: &str) -> TeamResult<Invite> {
        let row: Option<InviteRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        row.map(Invite::from).ok_or(TeamError::InviteNotFound)
    }

    /// Joins the organisation that the actor was invited to.
    ///
    /// # Errors
    /// [`TeamError::InviteNotFound`], [`TeamError::NotRecipient`], [`TeamError::InviteOver`],
    /// [`TeamError::AlreadyInOrganisation`], [`TeamError::SeatLimit`].
    pub async fn accept_invite(&self, actor: &Actor, id: &str) -> TeamResult<Invite> {
        let invite = self.find_invite(id).await?;
        if invite.email != actor.email {
            return Err(TeamError::NotRecipient);
        }
        let now = self.clock.now();
        if let Some(why) = invite.over(now) {
            return Err(TeamError::InviteOver(why));
        }
        let organisation = self.organisation(&invite.organisation).await?;
        let mut tx = self.db.begin().await?;
        self.lock_team(&mut tx, &organisation.id).await?;
        self.require_no_team(&mut tx, &actor.user).await?;
        self.require_seat(&mut tx, &organisation).await?;
        let accepted = with_tx!(tx, |conn| sqlx::query(ACCEPT)
            .bind(id)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if accepted == 0 {
            return Err(TeamError::InviteOver("was answered already"));
        }
        self.insert_membership(&mut tx, &organisation.id, &actor.user, invite.role)
            .await?;
        let details = serde_json::json!({ "role": invite.role.name() });
        self.audit(&mut tx, actor, "invite.accept", id, &details).await?;
        self.commit_credentials(tx).await?;
        Ok(invite)
    }

    /// Declines an invite to the actor. Gives the instant.
    ///
    /// # Errors
    /// [`TeamError::InviteNotFound`], [`TeamError::NotRecipient`], [`TeamError::InviteOver`].
    pub async fn decline_invite(
        &self,
        actor: &Actor,
        id: &str,
        reason: Option<&str>,
    ) -> TeamResult<Timestamp> {
        let invite = self.find_invite(id).await?;
        if invite.email != actor.email {
            return Err(TeamError::NotRecipient);
        }
        let now = self.clock.now();
        if let Some(why) = invite.over(now) {
            return Err(TeamError::InviteOver(why));
        }
        if reason.is_some_and(|reason| reason.chars().count() > REASON_CHARACTERS) {
            return Err(TeamError::Field {
                field: "decline_reason",
                reason: format!("at most {REASON_CHARACTERS} characters"),
            });
        }
        let declined = with_writer!(self.db, |conn| sqlx::query(DECLINE)
            .bind(id)
            .bind(now.as_micros())
            .bind(reason)
            .execute(conn)
            .await
            .map(affected))?;
        if declined == 0 {
            return Err(TeamError::InviteOver("was answered already"));
        }
        Ok(now)
    }

    /// The invites to the organisation that can still be accepted, newest first.
    ///
    /// # Errors
    /// [`TeamError::NoOrganisation`], [`TeamError::InsufficientRole`].
    pub async fn invites(&self, actor: &Actor) -> TeamResult<Vec<Invite>> {
        let organisation = self.own_team(actor, Role::Admin).await?;
        let rows: Vec<InviteRow> = with_reader!(self.db, |conn| sqlx::query_as(ACTIVE)
            .bind(organisation.id.as_str())
            .bind(self.clock.now().as_micros())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(Invite::from).collect())
    }

    /// The invites to the actor that can still be accepted, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn my_invites(&self, actor: &Actor) -> TeamResult<Vec<InviteForMe>> {
        let rows: Vec<InviteForMeRow> = with_reader!(self.db, |conn| sqlx::query_as(FOR_ME)
            .bind(&actor.email)
            .bind(self.clock.now().as_micros())
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| InviteForMe {
                invite: row.invite.into(),
                organisation_name: row.organisation_name,
                invited_by_email: row.invited_by_email,
            })
            .collect())
    }

    /// Takes an invite of the actor's organisation back: as if it had never been.
    ///
    /// # Errors
    /// [`TeamError::InviteNotFound`], [`TeamError::InsufficientRole`].
    pub async fn revoke_invite(&self, actor: &Actor, id: &str) -> TeamResult<()> {
        let organisation = self.own_team(actor, Role::Admin).await?;
        let revoked = with_writer!(self.db, |conn| sqlx::query(REVOKE)
            .bind(id)
            .bind(organisation.id.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        if revoked == 0 {
            return Err(TeamError::InviteNotFound);
        }
        Ok(())
    }

    /// The active invite that a message is to be sent for again.
    ///
    /// # Errors
    /// [`TeamError::InviteNotFound`], [`TeamError::NotResendable`], [`TeamError::InsufficientRole`].
    pub async fn resendable_invite(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        id: &str,
    ) -> TeamResult<Invite> {
        let organisation = self.require_role(actor, organisation, Role::Admin).await?;
        let invite = self.find_invite(id).await?;
        if invite.organisation != organisation.id {
            return Err(TeamError::InviteNotFound);
        }
        match invite.over(self.clock.now()) {
            Some(why) => Err(TeamError::NotResendable(why)),
            None => Ok(invite),
        }
    }

    /// Notes that a message with the invite left just now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_invite_emailed(&self, id: &str) -> TeamResult<Timestamp> {
        let now = self.clock.now();
        with_writer!(self.db, |conn| sqlx::query(EMAILED)
            .bind(id)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(now)
    }
}
