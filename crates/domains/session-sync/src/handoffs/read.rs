//! Reading handoffs.

use std::collections::BTreeSet;

use pentad_identity::Caller;
use pentad_kernel::Timestamp;
use pentad_store::{affected, with_reader, with_tx};
use serde_json::{Value, json};

use super::{Handoff, HandoffRow, Status, handoff_columns, reaches};
use crate::{Error, Facts, Result, Session, SessionSync};

/// A piece of a project that goes with a handoff.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct Attachment {
    pub kind: String,
    pub ref_id: String,
    pub project_id: String,
    pub created_at: Timestamp,
}

/// What a party said about a handoff.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct Comment {
    pub id: String,
    pub handoff_id: String,
    pub author_user_id: String,
    pub content: String,
    pub created_at: Timestamp,
}

/// What happened to a handoff.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct Event {
    pub id: i64,
    pub handoff_id: String,
    pub event_type: String,
    pub actor_user_id: Option<String>,
    pub payload: Value,
    pub created_at: Timestamp,
}

/// A handoff with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct Detail {
    pub handoff: Handoff,
    pub attachments: Vec<Attachment>,
    pub comments: Vec<Comment>,
    pub events: Vec<Event>,
}

/// What a handoff is about. Those who only hold its identifier are shown less.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicSummary {
    /// The session.
    pub session: Session,
    /// What happened in it; without files and messages for those who are no party.
    pub facts: Facts,
}

#[derive(sqlx::FromRow)]
struct AttachmentRow {
    kind: String,
    ref_id: String,
    project_id: String,
    created_at: i64,
}

#[derive(sqlx::FromRow)]
struct CommentRow {
    id: String,
    handoff_id: String,
    author_user_id: String,
    content: String,
    created_at: i64,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: i64,
    handoff_id: String,
    event_type: String,
    actor_user_id: Option<String>,
    payload: String,
    created_at: i64,
}

/// How many attachments, comments and events are shown of a handoff.
const SHOWN: i64 = 200;
/// How many handoffs a list shows.
const LISTED: i64 = 1_000;

const INBOX: &str = concat!(
    "SELECT ",
    handoff_columns!(),
    " FROM handoffs WHERE recipient_email = $1 OR recipient_user_id = $2
        OR recipient_team_id IN (SELECT organisation_id FROM memberships WHERE user_id = $3)
     ORDER BY created_at DESC, id LIMIT $4"
);
const SENT: &str = concat!(
    "SELECT ",
    handoff_columns!(),
    " FROM handoffs WHERE sender_user_id = $1 ORDER BY created_at DESC, id LIMIT $2"
);
const ATTACHMENTS: &str = "
    SELECT kind, ref_id, project_id, created_at FROM handoff_attachments WHERE handoff_id = $1
    ORDER BY created_at, kind, ref_id LIMIT $2";
const COMMENTS: &str = "
    SELECT id, handoff_id, author_user_id, content, created_at FROM handoff_comments WHERE handoff_id = $1
    ORDER BY created_at, id LIMIT $2";
const EVENTS: &str = "
    SELECT id, handoff_id, event_type, actor_user_id, payload, created_at FROM handoff_events
    WHERE handoff_id = $1 ORDER BY id LIMIT $2";
const VIEW: &str = "UPDATE handoffs SET viewed_at = $2 WHERE id = $1 AND viewed_at IS NULL";

impl SessionSync {
    /// The handoffs made to the caller, newest first; those to the caller's teams only when wanted, and to a
    /// service key only those made in projects that it reaches.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn handoff_inbox(&self, caller: &Caller, include_team: bool) -> Result<Vec<Handoff>> {
        let actor = &caller.actor;
        // An address that is not proven receives nothing.
        let email = caller.email_verified.then_some(actor.email.as_str());
        let rows: Vec<HandoffRow> = with_reader!(self.db, |conn| sqlx::query_as(INBOX)
            .bind(email)
            .bind(actor.user.as_str())
            .bind(if include_team { actor.user.as_str() } else { "" })
            .bind(LISTED)
            .fetch_all(conn)
            .await)?;
        self.within_reach(caller, self.as_they_stand(rows)).await
    }

    /// The handoffs that the caller made, newest first; to a service key only those made in projects that it
    /// reaches.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn handoffs_sent(&self, caller: &Caller) -> Result<Vec<Handoff>> {
        let rows: Vec<HandoffRow> = with_reader!(self.db, |conn| sqlx::query_as(SENT)
            .bind(caller.actor.user.as_str())
            .bind(LISTED)
            .fetch_all(conn)
            .await)?;
        self.within_reach(caller, self.as_they_stand(rows)).await
    }

    /// Handoffs whose time is over are shown as such, also before anything writes that down.
    fn as_they_stand(&self, rows: Vec<HandoffRow>) -> Vec<Handoff> {
        let now = self.clock.now();
        rows.into_iter()
            .map(|row| {
                let mut handoff = Handoff::from(row);
                if handoff.status == Status::Pending && now >= handoff.expires_at {
                    handoff.status = Status::Expired;
                }
                handoff
            })
            .collect()
    }

    /// A service key is shown the handoffs made in projects that it reaches; a person is shown all.
    async fn within_reach(&self, caller: &Caller, handoffs: Vec<Handoff>) -> Result<Vec<Handoff>> {
        let actor = &caller.actor;
        if !actor.is_service_key() {
            return Ok(handoffs);
        }
        let project_of = |handoff: &Handoff| handoff.source_project_id.clone();
        let projects: BTreeSet<String> = handoffs.iter().filter_map(project_of).collect();
        let mut reached = BTreeSet::new();
        for id in projects {
            let project = self.projects.by_id(&id).await?;
            if project.is_some_and(|project| reaches(actor, &project).is_ok()) {
                reached.insert(id);
            }
        }
        let is_reached = |handoff: &Handoff| project_of(handoff).is_some_and(|id| reached.contains(&id));
        Ok(handoffs.into_iter().filter(is_reached).collect())
    }

    /// A handoff with all that belongs to it. That its recipient looked at it is noted the first time.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the parties, [`Error::HandoffExpired`],
    /// [`Error::ServiceKey`].
    pub async fn handoff(&self, caller: &Caller, id: &str) -> Result<Detail> {
        let (mut handoff, party) = self.handoff_of(caller, id).await?;
        self.boundary_of(caller, &handoff).await?;
        if self.expire_if_due(&handoff).await? {
            return Err(Error::HandoffExpired);
        }
        if party.recipient && !party.sender && handoff.viewed_at.is_none() {
            let mut tx = self.db.begin().await?;
            let first = with_tx!(tx, |conn| sqlx::query(VIEW)
                .bind(id)
                .bind(self.clock.now().as_micros())
                .execute(conn)
                .await
                .map(affected))?;
            if first == 1 {
                self.record(&mut tx, id, "viewed", Some(&caller.actor), json!({}))
                    .await?;
            }
            handoff = self.any_handoff_in(&mut tx, id).await?;
            tx.commit().await?;
        }
        Ok(Detail {
            attachments: self.attachments(id).await?,
            comments: self.comments(id, SHOWN).await?,
            events: self.events(id).await?,
            handoff,
        })
    }

    pub(super) async fn attachments(&self, id: &str) -> Result<Vec<Attachment>> {
        let rows: Vec<AttachmentRow> = with_reader!(self.db, |conn| sqlx::query_as(ATTACHMENTS)
            .bind(id)
            .bind(SHOWN)
            .fetch_all(conn)
            .await)?;
        let attachment = |row: AttachmentRow| Attachment {
            kind: row.kind,
            ref_id: row.ref_id,
            project_id: row.project_id,
            created_at: Timestamp::from_micros(row.created_at),
        };
        Ok(rows.into_iter().map(attachment).collect())
    }

    async fn comments(&self, id: &str, limit: i64) -> Result<Vec<Comment>> {
        let rows: Vec<CommentRow> = with_reader!(self.db, |conn| sqlx::query_as(COMMENTS)
            .bind(id)
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        let comment = |row: CommentRow| Comment {
            id: row.id,
            handoff_id: row.handoff_id,
            author_user_id: row.author_user_id,
            content: row.content,
            created_at: Timestamp::from_micros(row.created_at),
        };
        Ok(rows.into_iter().map(comment).collect())
    }

    async fn events(&self, id: &str) -> Result<Vec<Event>> {
        let rows: Vec<EventRow> = with_reader!(self.db, |conn| sqlx::query_as(EVENTS)
            .bind(id)
            .bind(SHOWN)
            .fetch_all(conn)
            .await)?;
        let event = |row: EventRow| Event {
            id: row.id,
            handoff_id: row.handoff_id,
            event_type: row.event_type,
            actor_user_id: row.actor_user_id,
            payload: serde_json::from_str(&row.payload).unwrap_or_default(),
            created_at: Timestamp::from_micros(row.created_at),
        };
        Ok(rows.into_iter().map(event).collect())
    }

    /// What was said about a handoff, oldest first.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the parties.
    pub async fn handoff_comments(&self, caller: &Caller, id: &str, limit: u32) -> Result<Vec<Comment>> {
        let (handoff, _) = self.handoff_of(caller, id).await?;
        self.boundary_of(caller, &handoff).await?;
        self.comments(id, i64::from(limit).min(SHOWN)).await
    }

    /// What happened to a handoff, oldest first.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`] for everybody but the parties.
    pub async fn handoff_events(&self, caller: &Caller, id: &str) -> Result<Vec<Event>> {
        let (handoff, _) = self.handoff_of(caller, id).await?;
        self.boundary_of(caller, &handoff).await?;
        self.events(id).await
    }

    /// What an open handoff is about. Its identifier is the permission; whoever is no party to it is told
    /// no paths and no messages.
    ///
    /// # Errors
    /// [`Error::HandoffNotFound`], [`Error::HandoffExpired`] when it is not open any more.
    pub async fn handoff_summary(&self, caller: Option<&Caller>, id: &str) -> Result<PublicSummary> {
        let handoff = self.any_handoff(id).await?;
        if self.expire_if_due(&handoff).await? || handoff.status != Status::Pending {
            return Err(Error::HandoffExpired);
        }
        let session = self.handed_session(&handoff).await?;
        let session = session
            .filter(|session| session.deleted_at.is_none())
            .ok_or(Error::HandoffExpired)?;
        let is_party = match caller {
            Some(caller) => {
                let party = self.party(caller, &handoff).await?;
                let is_reached = match self.boundary_of(caller, &handoff).await {
                    Ok(()) => true,
                    Err(Error::ServiceKey { .. }) => false,
                    Err(error) => return Err(error),
                };
                is_reached && (party.sender || party.recipient)
            }
            None => false,
        };
        let mut facts = match self.summary_of(session.clone()).await {
            Ok(summary) => summary.facts,
            Err(Error::NoMessages) => Facts::default(),
            Err(error) => return Err(error),
        };
        if !is_party {
            facts.files_modified.clear();
            facts.files_read.clear();
            facts.last_assistant_messages.clear();
            facts.errors_encountered.clear();
        }
        Ok(PublicSummary { session, facts })
    }
}
