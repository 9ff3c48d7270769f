//! Claiming: the recipient gets a copy of the session.

use pentad_identity::Caller;
use pentad_kernel::{Timestamp, id};
use pentad_store::{Tx, affected, with_tx};
use serde_json::json;

use super::read::Attachment;
use super::{Handoff, Status};
use crate::{Error, Result, Session, SessionSync};

/// What a claim gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The handoff, claimed.
    pub handoff: Handoff,
    /// What went with it and is still there.
    pub attachments: Vec<Attachment>,
    /// What went with it and is gone: kind and identifier.
    pub dropped: Vec<(String, String)>,
    /// The lease of the ticket that went with it.
    pub lease_epoch: Option<i64>,
}

const CLAIM: &str = "
    UPDATE handoffs SET status = 'claimed', claimed_at = $2, claimed_by_user_id = $3, recipient_session_id = $4
    WHERE id = $1 AND status = 'pending' AND expires_at > $2";
const COPY: &str = "
    INSERT INTO sync_sessions (id, organisation_id, user_id, title, tags, source_tool, source_tool_version,
        original_session_id, model_provider, model_id, message_count, turn_count, tool_use_count,
        total_input_tokens, total_output_tokens, duration_ms, blob_size_bytes, etag, parent_session_id, git_remote,
        git_branch, git_commit, project_id, persona_name, dlp_scan_results, created_at, updated_at, uploaded_at,
        indexed_etag)
    SELECT $1, $2, $3, title, tags, source_tool, source_tool_version, id, model_provider, model_id, message_count,
        turn_count, tool_use_count, total_input_tokens, total_output_tokens, duration_ms, blob_size_bytes, etag, id,
        git_remote, git_branch, git_commit, $4, persona_name, dlp_scan_results, $5, $5, $5, ''
    FROM sync_sessions WHERE id = $6 AND etag = $7 AND deleted_at IS NULL";
const COPY_CONTENT: &str = "
    INSERT INTO sync_contents (session_id, archive_object, messages_object, frames, visible_messages, workspace,
        tools, provenance, summary, summarised_at)
    SELECT $1, archive_object, messages_object, frames, visible_messages, workspace, tools, provenance, summary,
        summarised_at
    FROM sync_contents WHERE session_id = $2 AND archive_object = $3";

/// How often a claim looks again when the sender pushes meanwhile.
const ATTEMPTS: usize = 5;

impl SessionSync {
    /// Claims a handoff: its recipient gets a copy of the session, and nobody else can claim it.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the recipient, [`Error::HandoffExpired`],
    /// [`Error::HandoffNotPending`], [`Error::ClaimRaceLost`], [`Error::StorageLimit`],
    /// [`Error::ServiceKey`], [`Error::Gone`] when the session is no more.
    pub async fn claim_handoff(&self, caller: &Caller, id: &str) -> Result<Claimed> {
        let (handoff, party) = self.handoff_of(caller, id).await?;
        if !party.recipient {
            return Err(Error::HandoffNotFound);
        }
        if self.expire_if_due(&handoff).await? {
            return Err(Error::HandoffExpired);
        }
        if handoff.status != Status::Pending {
            return Err(Error::HandoffNotPending(handoff.status));
        }
        for _ in 0..ATTEMPTS {
            let session = self.handed_session(&handoff).await?;
            self.check_boundary(
                &caller.actor,
                handoff.source_project_id.as_deref(),
                session.as_ref(),
            )
            .await?;
            let session = session
                .filter(|session| session.deleted_at.is_none())
                .ok_or(Error::Gone)?;
            let project = match &session.git_remote {
                Some(remote) => self.projects.link(&caller.actor.user, remote).await?,
                None => None,
            };
            if let Some(claimed) = self
                .try_claim(caller, &handoff, &session, project.as_deref())
                .await?
            {
                return self.with_attachments(claimed).await;
            }
        }
        Err(Error::ConcurrentUpdate)
    }

    /// One attempt; `None` when the session was changed meanwhile.
    async fn try_claim(
        &self,
        caller: &Caller,
        handoff: &Handoff,
        session: &Session,
        project: Option<&str>,
    ) -> Result<Option<Handoff>> {
        let copy = id::prefixed("ses_", 16);
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let claimed = with_tx!(tx, |conn| sqlx::query(CLAIM)
            .bind(&handoff.id)
            .bind(now.as_micros())
            .bind(caller.actor.user.as_str())
            .bind(&copy)
            .execute(conn)
            .await
            .map(affected))?;
        if claimed == 0 {
            // What follows asks the accounts, which need a connection of their own.
            drop(tx);
            return Err(self.why_not(&handoff.id).await?);
        }
        self.check_room(&mut tx, caller, session.blob_size_bytes).await?;
        if !self
            .copy_session(&mut tx, caller, session, &copy, project, now)
            .await?
        {
            return Ok(None);
        }
        self.record(
            &mut tx,
            &handoff.id,
            "claimed",
            Some(&caller.actor),
            json!({"new_session_id": copy}),
        )
        .await?;
        let handoff = self.any_handoff_in(&mut tx, &handoff.id).await?;
        tx.commit().await?;
        Ok(Some(handoff))
    }

    async fn why_not(&self, id: &str) -> Result<Error> {
        let now = self.any_handoff(id).await?;
        let winner = match &now.claimed_by_user_id {
            Some(user) => self
                .identity
                .user(&pentad_kernel::UserId::new(user.clone()))
                .await
                .ok(),
            None => None,
        };
        Ok(match now.status {
            Status::Expired | Status::Pending => Error::HandoffExpired,
            status => Error::ClaimRaceLost {
                winner_user_id: now.claimed_by_user_id,
                winner_email: winner.map(|user| user.email),
                status,
            },
        })
    }

    async fn check_room(&self, tx: &mut Tx, caller: &Caller, size: i64) -> Result<()> {
        self.check_storage(tx, caller, "", size).await
    }

    async fn copy_session(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        session: &Session,
        copy: &str,
        project: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let copied = with_tx!(*tx, |conn| sqlx::query(COPY)
            .bind(copy)
            .bind(caller.actor.organisation.as_str())
            .bind(caller.actor.user.as_str())
            .bind(project)
            .bind(now.as_micros())
            .bind(&session.id)
            .bind(&session.etag)
            .execute(conn)
            .await
            .map(affected))?;
        let content = with_tx!(*tx, |conn| sqlx::query(COPY_CONTENT)
            .bind(copy)
            .bind(&session.id)
            .bind(&session.etag)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(copied == 1 && content == 1)
    }

    async fn with_attachments(&self, handoff: Handoff) -> Result<Claimed> {
        let mut attachments = Vec::new();
        let mut dropped = Vec::new();
        for attachment in self.attachments(&handoff.id).await? {
            let there = self
                .part_of(Some(&attachment.project_id), &attachment.kind, &attachment.ref_id)
                .await?;
            if there.is_some() {
                attachments.push(attachment);
            } else {
                dropped.push((attachment.kind, attachment.ref_id));
            }
        }
        let lease_epoch = match (&handoff.source_project_id, &handoff.ticket_id) {
            (Some(project), Some(ticket)) => self.projects.ticket_lease(project, ticket).await?,
            _ => None,
        };
        Ok(Claimed {
            handoff,
            attachments,
            dropped,
            lease_epoch,
        })
    }
}
