//! Taking a handoff back, turning it down, and talking about it.

use pentad_identity::Caller;
use pentad_kernel::id;
use pentad_store::{affected, with_tx};
use serde_json::json;

use super::create::service_key;
use super::read::Comment;
use super::{Handoff, Status};
use crate::{Error, Result, SessionSync};

const MAX_REASON_CHARS: usize = 500;
const MAX_COMMENT_CHARS: usize = 10_000;

const END: &str = "
    UPDATE handoffs SET status = $3, revoked_at = $4, revoked_by_user_id = $5, revoke_reason = $6
    WHERE id = $1 AND status = 'pending' AND expires_at > $2";
const COMMENT: &str = "
    INSERT INTO handoff_comments (id, handoff_id, author_user_id, content, created_at, actor_type, service_key_id,
        service_key_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// How a party ends a handoff.
#[derive(Clone, Copy)]
enum Ending {
    Revoke,
    Decline,
}

impl SessionSync {
    /// The sender takes the handoff back.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the sender, [`Error::Field`],
    /// [`Error::HandoffNotPending`], [`Error::ServiceKey`].
    pub async fn revoke_handoff(&self, caller: &Caller, id: &str, reason: &str) -> Result<Handoff> {
        if reason.trim().is_empty() || reason.chars().count() > MAX_REASON_CHARS {
            return Err(Error::Field {
                field: "reason",
                message: format!("reason must have 1 to {MAX_REASON_CHARS} characters"),
            });
        }
        self.end_handoff(caller, id, Ending::Revoke, Some(reason)).await
    }

    /// The recipient turns the handoff down.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the recipient, [`Error::Field`],
    /// [`Error::HandoffNotPending`], [`Error::ServiceKey`].
    pub async fn decline_handoff(&self, caller: &Caller, id: &str, reason: Option<&str>) -> Result<Handoff> {
        if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
            return Err(Error::Field {
                field: "reason",
                message: format!("reason must have at most {MAX_REASON_CHARS} characters"),
            });
        }
        self.end_handoff(caller, id, Ending::Decline, reason).await
    }

    async fn end_handoff(
        &self,
        caller: &Caller,
        id: &str,
        ending: Ending,
        reason: Option<&str>,
    ) -> Result<Handoff> {
        let (handoff, party) = self.handoff_of(caller, id).await?;
        let (may, status) = match ending {
            Ending::Revoke => (party.sender, Status::Revoked),
            Ending::Decline => (party.recipient, Status::Declined),
        };
        if !may {
            return Err(Error::HandoffNotFound);
        }
        self.boundary_of(caller, &handoff).await?;
        if self.expire_if_due(&handoff).await? {
            return Err(Error::HandoffNotPending(Status::Expired));
        }
        let mut tx = self.db.begin().await?;
        let now = self.clock.now().as_micros();
        // Why it was turned down is told by its event; these columns are of those taken back.
        let revoked = status == Status::Revoked;
        let ended = with_tx!(tx, |conn| sqlx::query(END)
            .bind(id)
            .bind(now)
            .bind(status.name())
            .bind(revoked.then_some(now))
            .bind(revoked.then_some(caller.actor.user.as_str()))
            .bind(reason.filter(|_| revoked))
            .execute(conn)
            .await
            .map(affected))?;
        let handoff = self.any_handoff_in(&mut tx, id).await?;
        if ended == 0 {
            return Err(Error::HandoffNotPending(match handoff.status {
                Status::Pending => Status::Expired,
                status => status,
            }));
        }
        self.record(
            &mut tx,
            id,
            status.name(),
            Some(&caller.actor),
            json!({"reason": reason}),
        )
        .await?;
        tx.commit().await?;
        Ok(handoff)
    }

    /// Adds a comment to a handoff.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the parties, [`Error::Field`], [`Error::ServiceKey`].
    pub async fn comment_handoff(&self, caller: &Caller, id: &str, content: &str) -> Result<Comment> {
        if content.trim().is_empty() || content.chars().count() > MAX_COMMENT_CHARS {
            return Err(Error::Field {
                field: "content",
                message: format!("content must have 1 to {MAX_COMMENT_CHARS} characters"),
            });
        }
        let (handoff, _) = self.handoff_of(caller, id).await?;
        self.boundary_of(caller, &handoff).await?;
        let comment = Comment {
            id: id::prefixed("hcm_", 16),
            handoff_id: id.to_owned(),
            author_user_id: caller.actor.user.to_string(),
            content: content.replace('\0', ""),
            created_at: self.clock.now(),
        };
        let key = service_key(caller);
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(COMMENT)
            .bind(&comment.id)
            .bind(id)
            .bind(&comment.author_user_id)
            .bind(&comment.content)
            .bind(comment.created_at.as_micros())
            .bind(if key.is_some() { "service_key" } else { "user" })
            .bind(key.map(|(id, _)| id))
            .bind(key.and_then(|(_, name)| name))
            .execute(conn)
            .await
            .map(affected))?;
        self.record(
            &mut tx,
            id,
            "commented",
            Some(&caller.actor),
            json!({"comment_id": comment.id}),
        )
        .await?;
        tx.commit().await?;
        Ok(comment)
    }
}
