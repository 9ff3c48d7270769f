//! Handing a session over.

use std::time::Duration;

use pentad_identity::{Caller, Feature, PlanName};
use pentad_kernel::{UserId, id};
use pentad_store::{affected, with_tx};
use serde_json::json;

use super::Handoff;
use crate::{Error, Result, Session, SessionSync, require_feature};

/// What a session is handed over with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewHandoff {
    /// The session.
    pub session_id: String,
    /// To the person with this address; exactly one of the three recipients is given, where blank is not given.
    pub recipient_email: Option<String>,
    /// To this user.
    pub recipient_user_id: Option<String>,
    /// To the members of this organisation, whoever is first.
    pub recipient_team_id: Option<String>,
    /// What the recipient should know.
    pub message: Option<String>,
    /// A ticket of the session's project.
    pub ticket_id: Option<String>,
    /// A persona of the session's project.
    pub persona_name: Option<String>,
    /// How long it stays open, in hours; 168 when not given.
    pub expires_in_hours: Option<i64>,
    /// What goes with it.
    pub attachments: Vec<NewAttachment>,
}

/// A piece of the session's project that goes with a handoff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// `kb_entry`, `wiki_page` or `ticket`.
    pub kind: String,
    /// Its identifier.
    pub ref_id: String,
}

const DEFAULT_HOURS: i64 = 168;
const MAX_HOURS: i64 = 2_160;
/// How long a handoff may stay open below the enterprise plan.
const MAX_HOURS_BELOW_ENTERPRISE: i64 = 720;
const MAX_MESSAGE_CHARS: usize = 2_000;
const MAX_ATTACHMENTS: usize = 50;
const MAX_REFERENCE_CHARS: usize = 255;
const ATTACHMENT_KINDS: &[&str] = &["kb_entry", "wiki_page", "ticket"];

const INSERT: &str = "
    INSERT INTO handoffs (id, session_id, sender_user_id, sender_email, recipient_email, recipient_user_id,
        recipient_team_id, message, status, session_title, session_tool, session_model_id, session_message_count,
        session_total_tokens, ticket_id, persona_name, snapshot_persona_name, snapshot_ticket_title,
        sender_tier_snapshot, source_project_id, created_at, expires_at, actor_type, service_key_id,
        service_key_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24)";
const ATTACH: &str = "
    INSERT INTO handoff_attachments (handoff_id, kind, ref_id, project_id, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (handoff_id, kind, ref_id) DO NOTHING";

fn field(field: &'static str, message: impl Into<String>) -> Error {
    Error::Field {
        field,
        message: message.into(),
    }
}

impl NewHandoff {
    /// What is blank counts as not given.
    fn without_blanks(mut self) -> Self {
        for text in [
            &mut self.recipient_email,
            &mut self.recipient_user_id,
            &mut self.recipient_team_id,
            &mut self.ticket_id,
            &mut self.persona_name,
        ] {
            *text = text
                .take()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty());
        }
        self
    }

    fn check(&self) -> Result<()> {
        let recipients = [
            &self.recipient_email,
            &self.recipient_user_id,
            &self.recipient_team_id,
        ];
        if recipients.iter().filter(|recipient| recipient.is_some()).count() != 1 {
            return Err(field(
                "recipient_email",
                "exactly one of recipient_email, recipient_user_id and recipient_team_id is required",
            ));
        }
        let too_long = |text: &str| text.chars().count() > MAX_REFERENCE_CHARS;
        if recipients
            .iter()
            .any(|recipient| recipient.as_deref().is_some_and(too_long))
        {
            return Err(field(
                "recipient_email",
                "the recipient must have at most 255 characters",
            ));
        }
        if self
            .message
            .as_ref()
            .is_some_and(|message| message.chars().count() > MAX_MESSAGE_CHARS)
        {
            return Err(field(
                "message",
                format!("message must have at most {MAX_MESSAGE_CHARS} characters"),
            ));
        }
        if self
            .expires_in_hours
            .is_some_and(|hours| !(1..=MAX_HOURS).contains(&hours))
        {
            return Err(field(
                "expires_in_hours",
                format!("expires_in_hours must be from 1 to {MAX_HOURS}"),
            ));
        }
        let attachment_ok = |attachment: &NewAttachment| {
            ATTACHMENT_KINDS.contains(&attachment.kind.as_str())
                && !attachment.ref_id.trim().is_empty()
                && !too_long(&attachment.ref_id)
        };
        if self.attachments.len() > MAX_ATTACHMENTS || !self.attachments.iter().all(attachment_ok) {
            return Err(field(
                "attachments",
                format!(
                    "attachments must be at most {MAX_ATTACHMENTS} of kind kb_entry, wiki_page or ticket"
                ),
            ));
        }
        Ok(())
    }
}

impl SessionSync {
    /// Hands a session of the caller's to somebody.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`], [`Error::Field`], [`Error::SessionNotFound`],
    /// [`Error::RecipientNotFound`], [`Error::NotInTeam`], [`Error::ServiceKey`].
    pub async fn create_handoff(&self, caller: &Caller, new: NewHandoff) -> Result<Handoff> {
        let new = new.without_blanks();
        new.check()?;
        require_feature(
            caller,
            if new.recipient_team_id.is_some() {
                Feature::TeamHandoff
            } else {
                Feature::Handoff
            },
        )?;
        let session = self.session_by_id(caller, &new.session_id).await?;
        let actor = &caller.actor;
        self.check_boundary(actor, None, Some(&session)).await?;
        self.check_recipient(caller, &new).await?;
        let project = match &session.project_id {
            Some(id) => Some(id.clone()),
            None => match &session.git_remote {
                Some(remote) => self.projects.link(&actor.user, remote).await?,
                None => None,
            },
        };
        let names = self.check_parts(&new, project.as_deref()).await?;
        let now = self.clock.now();
        let most = if caller.effective_plan >= PlanName::Enterprise {
            MAX_HOURS
        } else {
            MAX_HOURS_BELOW_ENTERPRISE
        };
        let hours = new.expires_in_hours.unwrap_or(DEFAULT_HOURS).clamp(1, most);
        let expires_at = now.plus(Duration::from_secs(u64::try_from(hours).unwrap_or(1) * 3_600));
        let id = id::prefixed("hnd_", 16);
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(INSERT)
            .bind(&id)
            .bind(&session.id)
            .bind(actor.user.as_str())
            .bind(&actor.email)
            .bind(new.recipient_email.as_deref().map(str::to_lowercase))
            .bind(&new.recipient_user_id)
            .bind(&new.recipient_team_id)
            .bind(&new.message)
            .bind(&session.title)
            .bind(&session.source_tool)
            .bind(&session.model_id)
            .bind(session.message_count)
            .bind(
                session
                    .total_input_tokens
                    .saturating_add(session.total_output_tokens)
            )
            .bind(&new.ticket_id)
            .bind(&new.persona_name)
            .bind(&names.persona)
            .bind(&names.ticket)
            .bind(caller.effective_plan.name())
            .bind(&project)
            .bind(now.as_micros())
            .bind(expires_at.as_micros())
            .bind(if actor.is_service_key() {
                "service_key"
            } else {
                "user"
            })
            .bind(service_key(caller).map(|(id, _)| id))
            .bind(service_key(caller).and_then(|(_, name)| name))
            .execute(conn)
            .await
            .map(affected))?;
        // A microsecond apart, so that they are listed as they were given.
        for (attachment, at) in new.attachments.iter().zip(now.as_micros()..) {
            with_tx!(tx, |conn| sqlx::query(ATTACH)
                .bind(&id)
                .bind(&attachment.kind)
                .bind(&attachment.ref_id)
                .bind(project.as_deref().unwrap_or_default())
                .bind(at)
                .execute(conn)
                .await
                .map(affected))?;
        }
        self.record(
            &mut tx,
            &id,
            "created",
            Some(actor),
            json!({
                "handoff_kind": if new.recipient_team_id.is_some() { "team" } else { "individual" },
                "expires_in_hours": hours, "attachment_count": new.attachments.len(),
                "has_ticket": new.ticket_id.is_some(), "has_persona": new.persona_name.is_some(),
            }),
        )
        .await?;
        let handoff = self.any_handoff_in(&mut tx, &id).await?;
        tx.commit().await?;
        Ok(handoff)
    }

    /// Whether the recipient is there and may be given something. Who only knows a user's identifier does not
    /// learn the address from it.
    async fn check_recipient(&self, caller: &Caller, new: &NewHandoff) -> Result<()> {
        if let Some(user) = &new.recipient_user_id {
            return match self.identity.user(&UserId::new(user.clone())).await {
                Ok(_) => Ok(()),
                Err(pentad_identity::Error::UserNotFound(_)) => Err(Error::RecipientNotFound("User")),
                Err(error) => Err(error.into()),
            };
        }
        if let Some(team) = &new.recipient_team_id {
            let id = pentad_kernel::OrganisationId::new(team.clone());
            match self.identity.organisation(&id).await {
                Ok(organisation) if !organisation.personal => {}
                Ok(_) | Err(pentad_identity::Error::OrganisationNotFound(_)) => {
                    return Err(Error::RecipientNotFound("Team"));
                }
                Err(error) => return Err(error.into()),
            }
            if !self.is_member(&caller.actor, team).await? {
                return Err(Error::NotInTeam);
            }
        }
        Ok(())
    }

    /// What ticket and persona are called; they and the attachments must be of the session's project.
    async fn check_parts(&self, new: &NewHandoff, project: Option<&str>) -> Result<PartNames> {
        let mut names = PartNames::default();
        let named = [
            ("ticket_id", "ticket", &new.ticket_id),
            ("persona_name", "persona", &new.persona_name),
        ];
        for (name, kind, id) in named {
            let Some(id) = id else { continue };
            let found = self.part_of(project, kind, id).await?;
            let found = found.ok_or_else(|| field(name, format!("{id} is not in the session's project")))?;
            if kind == "ticket" {
                names.ticket = Some(found);
            } else {
                names.persona = Some(found);
            }
        }
        for attachment in &new.attachments {
            if self
                .part_of(project, &attachment.kind, &attachment.ref_id)
                .await?
                .is_none()
            {
                let message = format!(
                    "{} {} is not in the session's project",
                    attachment.kind, attachment.ref_id
                );
                return Err(field("attachments", message));
            }
        }
        Ok(names)
    }

    pub(super) async fn part_of(
        &self,
        project: Option<&str>,
        kind: &str,
        id: &str,
    ) -> Result<Option<String>> {
        match project {
            Some(project) => self.projects.part(project, kind, id).await,
            None => Ok(None),
        }
    }

    /// The session of a handoff, in whatever state.
    pub(super) async fn handed_session(&self, handoff: &Handoff) -> Result<Option<Session>> {
        self.any_session(&handoff.session_id).await
    }
}

#[derive(Default)]
struct PartNames {
    ticket: Option<String>,
    persona: Option<String>,
}

/// The service key of a caller, with its name.
pub(super) fn service_key(caller: &Caller) -> Option<(&str, Option<&str>)> {
    let actor = &caller.actor;
    actor
        .key
        .as_ref()
        .filter(|_| actor.is_service_key())
        .map(|key| (key.as_str(), actor.key_name.as_deref()))
}
