//! Handing a session to a person or a team.
//!
//! A handoff is open until its recipient claims or declines it, its sender revokes it, or its time is over;
//! each of these is the end of it. Every change is one conditional statement over the open state, so of
//! several at once exactly one happens.

mod claim;
mod create;
mod read;
mod respond;

use std::fmt;

use pentad_identity::Caller;
use pentad_kernel::{Actor, OrganisationId, Timestamp};
use pentad_store::{Tx, affected, with_reader, with_tx};
use serde_json::{Value, json};

use crate::{Error, Project, Result, Session, SessionSync};

pub use claim::Claimed;
pub use create::{NewAttachment, NewHandoff};
pub use read::{Attachment, Comment, Detail, Event, PublicSummary};

/// How a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Open.
    Pending,
    /// The recipient has a copy of the session.
    Claimed,
    /// The sender took it back.
    Revoked,
    /// The recipient does not want it.
    Declined,
    /// Its time was over first.
    Expired,
}

impl Status {
    /// The word in answers and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Revoked => "revoked",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "claimed" => Self::Claimed,
            "revoked" => Self::Revoked,
            "declined" => Self::Declined,
            _ => Self::Expired,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A handoff. Title, tool and counts are those of the session when it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct Handoff {
    pub id: String,
    pub session_id: String,
    pub recipient_session_id: Option<String>,
    pub sender_user_id: String,
    pub sender_email: String,
    pub recipient_email: Option<String>,
    pub recipient_user_id: Option<String>,
    pub recipient_team_id: Option<String>,
    pub message: Option<String>,
    pub status: Status,
    pub session_title: Option<String>,
    pub session_tool: String,
    pub session_model_id: Option<String>,
    pub session_message_count: i64,
    pub session_total_tokens: i64,
    pub ticket_id: Option<String>,
    pub persona_name: Option<String>,
    pub snapshot_persona_name: Option<String>,
    pub snapshot_ticket_title: Option<String>,
    pub sender_tier_snapshot: String,
    pub source_project_id: Option<String>,
    pub revoked_by_user_id: Option<String>,
    pub revoke_reason: Option<String>,
    pub revoked_at: Option<Timestamp>,
    pub viewed_at: Option<Timestamp>,
    pub claimed_at: Option<Timestamp>,
    pub claimed_by_user_id: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct HandoffRow {
    id: String,
    session_id: String,
    recipient_session_id: Option<String>,
    sender_user_id: String,
    sender_email: String,
    recipient_email: Option<String>,
    recipient_user_id: Option<String>,
    recipient_team_id: Option<String>,
    message: Option<String>,
    status: String,
    session_title: Option<String>,
    session_tool: String,
    session_model_id: Option<String>,
    session_message_count: i64,
    session_total_tokens: i64,
    ticket_id: Option<String>,
    persona_name: Option<String>,
    snapshot_persona_name: Option<String>,
    snapshot_ticket_title: Option<String>,
    sender_tier_snapshot: String,
    source_project_id: Option<String>,
    revoked_by_user_id: Option<String>,
    revoke_reason: Option<String>,
    revoked_at: Option<i64>,
    viewed_at: Option<i64>,
    claimed_at: Option<i64>,
    claimed_by_user_id: Option<String>,
    created_at: i64,
    expires_at: i64,
}

/// The columns of [`HandoffRow`].
macro_rules! handoff_columns {
    () => {
        "id, session_id, recipient_session_id, sender_user_id, sender_email, recipient_email, recipient_user_id,
         recipient_team_id, message, status, session_title, session_tool, session_model_id, session_message_count,
         session_total_tokens, ticket_id, persona_name, snapshot_persona_name, snapshot_ticket_title,
         sender_tier_snapshot, source_project_id, revoked_by_user_id, revoke_reason, revoked_at, viewed_at,
         claimed_at, claimed_by_user_id, created_at, expires_at"
    };
}
use handoff_columns;

impl From<HandoffRow> for Handoff {
    fn from(row: HandoffRow) -> Self {
        Self {
            id: row.id,
            session_id: row.session_id,
            recipient_session_id: row.recipient_session_id,
            sender_user_id: row.sender_user_id,
            sender_email: row.sender_email,
            recipient_email: row.recipient_email,
            recipient_user_id: row.recipient_user_id,
            recipient_team_id: row.recipient_team_id,
            message: row.message,
            status: Status::parse(&row.status),
            session_title: row.session_title,
            session_tool: row.session_tool,
            session_model_id: row.session_model_id,
            session_message_count: row.session_message_count,
            session_total_tokens: row.session_total_tokens,
            ticket_id: row.ticket_id,
            persona_name: row.persona_name,
            snapshot_persona_name: row.snapshot_persona_name,
            snapshot_ticket_title: row.snapshot_ticket_title,
            sender_tier_snapshot: row.sender_tier_snapshot,
            source_project_id: row.source_project_id,
            revoked_by_user_id: row.revoked_by_user_id,
            revoke_reason: row.revoke_reason,
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
            viewed_at: row.viewed_at.map(Timestamp::from_micros),
            claimed_at: row.claimed_at.map(Timestamp::from_micros),
            claimed_by_user_id: row.claimed_by_user_id,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        }
    }
}

/// What somebody is to a handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Party {
    sender: bool,
    recipient: bool,
}

const BY_ID: &str = concat!("SELECT ", handoff_columns!(), " FROM handoffs WHERE id = $1");
const EVENT: &str = "
    INSERT INTO handoff_events (handoff_id, event_type, actor_user_id, payload, created_at)
    VALUES ($1, $2, $3, $4, $5)";
const EXPIRE: &str =
    "UPDATE handoffs SET status = 'expired' WHERE id = $1 AND status = 'pending' AND expires_at <= $2";

impl SessionSync {
    async fn any_handoff(&self, id: &str) -> Result<Handoff> {
        let row: Option<HandoffRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        row.map(Handoff::from).ok_or(Error::HandoffNotFound)
    }

    async fn any_handoff_in(&self, tx: &mut Tx, id: &str) -> Result<Handoff> {
        let row: Option<HandoffRow> = with_tx!(*tx, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        row.map(Handoff::from).ok_or(Error::HandoffNotFound)
    }

    /// What the caller is to the handoff. An address counts only once it is proven.
    async fn party(&self, caller: &Caller, handoff: &Handoff) -> Result<Party> {
        let actor = &caller.actor;
        let by_address = caller.email_verified
            && handoff
                .recipient_email
                .as_ref()
                .is_some_and(|email| *email == actor.email);
        let by_user = handoff.recipient_user_id.as_deref() == Some(actor.user.as_str());
        let by_team = match &handoff.recipient_team_id {
            Some(team) => self.is_member(actor, team).await?,
            None => false,
        };
        Ok(Party {
            sender: handoff.sender_user_id == actor.user.as_str(),
            recipient: by_address || by_user || by_team,
        })
    }

    async fn is_member(&self, actor: &Actor, team: &str) -> Result<bool> {
        let memberships = self.identity.memberships(&actor.user).await?;
        Ok(memberships.iter().any(|membership| {
            membership.organisation.id.as_str() == team && !membership.organisation.personal
        }))
    }

    /// The handoff, if the caller is a party to it.
    async fn handoff_of(&self, caller: &Caller, id: &str) -> Result<(Handoff, Party)> {
        let handoff = self.any_handoff(id).await?;
        let party = self.party(caller, &handoff).await?;
        if party.sender || party.recipient {
            Ok((handoff, party))
        } else {
            Err(Error::HandoffNotFound)
        }
    }

    async fn record(
        &self,
        tx: &mut Tx,
        handoff: &str,
        event: &'static str,
        actor: Option<&Actor>,
        payload: Value,
    ) -> Result<()> {
        let payload = match actor.filter(|actor| actor.is_service_key()) {
            None => payload,
            Some(actor) => {
                let mut payload = payload;
                payload["actor_type"] = json!("service_key");
                payload["service_key_name"] = json!(actor.key_name);
                payload
            }
        };
        with_tx!(*tx, |conn| sqlx::query(EVENT)
            .bind(handoff)
            .bind(event)
            .bind(actor.map(|actor| actor.user.as_str()))
            .bind(payload.to_string())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Ends the handoff when its time is over, and says whether it is.
    async fn expire_if_due(&self, handoff: &Handoff) -> Result<bool> {
        if handoff.status == Status::Expired {
            return Ok(true);
        }
        if handoff.status != Status::Pending || self.clock.now() < handoff.expires_at {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let expired = with_tx!(tx, |conn| sqlx::query(EXPIRE)
            .bind(&handoff.id)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if expired == 1 {
            self.record(&mut tx, &handoff.id, "expired", None, json!({}))
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Holds a service key to the projects it reaches: both the one that the handoff was made in and the
    /// one its session is in now.
    async fn check_boundary(
        &self,
        actor: &Actor,
        source_project: Option<&str>,
        session: Option<&Session>,
    ) -> Result<()> {
        if !actor.is_service_key() {
            return Ok(());
        }
        let mut projects = Vec::new();
        if let Some(id) = source_project {
            projects.extend(self.projects.by_id(id).await?);
        }
        match session {
            None if projects.is_empty() => {
                return Err(boundary(
                    "service_key_project_required",
                    "This service key needs a handoff within a project",
                    json!({}),
                ));
            }
            None => {}
            Some(session) => projects.extend(self.session_project(actor, session).await?),
        }
        if projects.is_empty() {
            return Err(boundary(
                "service_key_project_not_registered",
                "The session belongs to no project that is registered",
                json!({}),
            ));
        }
        projects.iter().try_for_each(|project| reaches(actor, project))
    }

    /// [`SessionSync::check_boundary`] of a handoff that is there.
    async fn boundary_of(&self, caller: &Caller, handoff: &Handoff) -> Result<()> {
        if !caller.actor.is_service_key() {
            return Ok(());
        }
        let session = self.handed_session(handoff).await?;
        self.check_boundary(
            &caller.actor,
            handoff.source_project_id.as_deref(),
            session.as_ref(),
        )
        .await
    }

    /// The project that a session is in: the one it is linked to, or the one of its remote.
    async fn session_project(&self, actor: &Actor, session: &Session) -> Result<Option<Project>> {
        if let Some(id) = &session.project_id {
            return self.projects.by_id(id).await;
        }
        let Some(remote) = &session.git_remote else {
            return Ok(None);
        };
        let all = self.projects.of_remote(remote).await?;
        let mut reached: Vec<Project> = all
            .iter()
            .filter(|project| reaches(actor, project).is_ok())
            .cloned()
            .collect();
        match reached.len() {
            0 => Ok(all.into_iter().next()),
            1 => Ok(reached.pop()),
            _ => Err(boundary(
                "service_key_project_ambiguous",
                "The session's git remote belongs to several projects",
                json!({"project_ids": reached.iter().map(|project| &project.id).collect::<Vec<_>>()}),
            )),
        }
    }
}

fn boundary(code: &'static str, message: &'static str, details: Value) -> Error {
    Error::ServiceKey {
        code,
        message,
        details,
    }
}

/// Whether a service key reaches a project.
fn reaches(actor: &Actor, project: &Project) -> Result<()> {
    if project.organisation.as_ref() != Some(&actor.organisation) {
        return Err(boundary(
            "cross_org_denied",
            "The project belongs to another organization",
            json!({"key_org_id": actor.organisation.as_str(),
                "project_org_id": project.organisation.as_ref().map(OrganisationId::as_str)}),
        ));
    }
    match &actor.projects {
        Some(allowed) if !allowed.contains(&project.id) => Err(boundary(
            "project_not_in_allowlist",
            "The service key does not reach this project",
            json!({"allowed_project_ids": allowed, "requested_project_id": project.id}),
        )),
        _ => Ok(()),
    }
}
