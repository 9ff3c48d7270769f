//! What is said on a ticket.

use pentad_identity::Feature;
use pentad_kernel::{Actor, Timestamp, id};
use pentad_store::{Tx, with_reader, with_tx};

use super::review::{ReviewState, review_state};
use crate::author::Author;
use crate::{At, Error, Level, Projects, Result, checked_optional};

/// Something said on a ticket.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Comment {
    /// `tc_` and 16 hex digits.
    pub id: String,
    /// The ticket.
    pub ticket_id: String,
    /// Who said it.
    pub author_user_id: String,
    /// As which persona; `system` for what the server says.
    pub author_persona: Option<String>,
    /// What was said.
    pub content: String,
    /// In which session.
    pub session_id: Option<String>,
    /// `api` or `system`.
    pub source: String,
    /// Whether the writer may change the project.
    pub by_editor: bool,
    /// When.
    pub created_at: At,
}

/// What is to be said.
#[derive(Clone, Debug, Default)]
pub struct NewComment {
    /// 1 to 10,000 characters; white space around it is not kept.
    pub content: String,
    /// See [`Comment::author_persona`]; never `system`.
    pub author_persona: Option<String>,
    /// See [`Comment::session_id`].
    pub session_id: Option<String>,
    /// The lease that the writer holds.
    pub lease_epoch: Option<i64>,
}

/// Where a page of comments begins: after this instant, or after the comment of this instant and identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentCursor {
    /// The instant.
    pub since: Timestamp,
    /// The comment at it that was seen last.
    pub since_id: Option<String>,
}

/// The persona as which the server speaks.
pub(super) const SYSTEM: &str = "system";
const CHARACTERS: usize = 10_000;
/// Comments that a review is read from.
const REVIEWED: i64 = 500;

macro_rules! columns {
    () => {
        "id, ticket_id, author_user_id, author_persona, content, session_id, source, by_editor, created_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO ticket_comments (id, ticket_id, author_user_id, author_persona, content, session_id, source,
                                  by_editor, actor_type, service_key_id, service_key_name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ",
    columns!()
);
const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ticket_comments
      WHERE ticket_id = $1 AND (created_at > $2 OR (created_at = $2 AND id > $3))
      ORDER BY created_at, id LIMIT $4"
);
const LATEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ticket_comments WHERE ticket_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
);
const LEASE: &str = "SELECT lease_epoch FROM tickets WHERE id = $1 AND project_id = $2";
/// Waits for changes of the ticket under way, and keeps further ones waiting.
const HOLD: &str =
    "UPDATE tickets SET lease_epoch = lease_epoch WHERE id = $1 AND project_id = $2 RETURNING lease_epoch";

impl Projects {
    /// Says something on a ticket.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`]; [`Error::Field`]; [`Error::StaleLease`] when the lease
    /// passed is not the present one.
    pub async fn add_comment(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        new: NewComment,
    ) -> Result<Comment> {
        let granted = self
            .open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        let content = new.content.trim();
        if content.is_empty() || content.chars().count() > CHARACTERS {
            return Err(Error::field("content", format!("1 to {CHARACTERS} characters")));
        }
        crate::checked_text("content", content)?;
        checked_optional("author_persona", new.author_persona.as_deref(), 50)?;
        checked_optional("session_id", new.session_id.as_deref(), 64)?;
        if new
            .author_persona
            .as_deref()
            .is_some_and(|persona| persona.eq_ignore_ascii_case(SYSTEM))
        {
            return Err(Error::field("author_persona", "only the server speaks as system"));
        }
        self.check_lease_given(&granted, new.lease_epoch).await?;
        let mut tx = self.db.begin().await?;
        let sql = if new.lease_epoch.is_some() { HOLD } else { LEASE };
        let current: Option<i64> = with_tx!(tx, |conn| sqlx::query_scalar(sql)
            .bind(ticket)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        let current = current.ok_or(Error::NotFound { kind: "Ticket" })?;
        if let Some(passed) = new.lease_epoch.filter(|passed| *passed != current) {
            return Err(Error::StaleLease { passed, current });
        }
        let said = Said {
            ticket,
            persona: new.author_persona.as_deref(),
            content,
            session: new.session_id.as_deref(),
            source: "api",
            by_editor: granted.level >= Level::Edit,
        };
        let comment = self.insert_comment(&mut tx, actor, &said).await?;
        tx.commit().await?;
        Ok(comment)
    }

    pub(super) async fn insert_comment(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        said: &Said<'_>,
    ) -> Result<Comment> {
        let author = Author::from(actor);
        Ok(with_tx!(*tx, |conn| sqlx::query_as(INSERT)
            .bind(id::prefixed("tc_", 16))
            .bind(said.ticket)
            .bind(author.user)
            .bind(said.persona)
            .bind(said.content)
            .bind(said.session)
            .bind(said.source)
            .bind(said.by_editor)
            .bind(author.actor_type)
            .bind(author.service_key_id)
            .bind(author.service_key_name)
            .bind(self.now().as_micros())
            .fetch_one(conn)
            .await)?)
    }

    /// The comments after a cursor, oldest first.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`].
    pub async fn comments(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        after: Option<CommentCursor>,
        limit: i64,
    ) -> Result<Vec<Comment>> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        self.find_ticket(project, ticket).await?;
        self.comments_after(ticket, after, limit).await
    }

    async fn comments_after(
        &self,
        ticket: &str,
        after: Option<CommentCursor>,
        limit: i64,
    ) -> Result<Vec<Comment>> {
        let (since, id) = match after {
            // Nothing sorts behind the tilde in the identifiers of comments.
            Some(after) => (
                after.since.as_micros(),
                after.since_id.unwrap_or_else(|| "~".to_owned()),
            ),
            None => (i64::MIN, String::new()),
        };
        Ok(with_reader!(self.db, |conn| sqlx::query_as(AFTER)
            .bind(ticket)
            .bind(since)
            .bind(&id)
            .bind(limit)
            .fetch_all(conn)
            .await)?)
    }

    /// The latest comments, oldest first.
    pub(crate) async fn latest_comments(&self, ticket: &str, limit: i64) -> Result<Vec<Comment>> {
        let mut comments: Vec<Comment> = with_reader!(self.db, |conn| sqlx::query_as(LATEST)
            .bind(ticket)
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        comments.reverse();
        Ok(comments)
    }

    /// The latest `limit` comments of a ticket, oldest first.
    ///
    /// # Errors
    /// As [`Projects::open_for`].
    pub async fn recent_comments(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        limit: i64,
    ) -> Result<Vec<Comment>> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        self.find_ticket(project, ticket).await?;
        self.latest_comments(ticket, limit).await
    }

    /// How the ticket's review stands, read from its first 500 comments; `None` without a review.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`].
    pub async fn review(&self, actor: &Actor, project: &str, ticket: &str) -> Result<Option<ReviewState>> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        self.find_ticket(project, ticket).await?;
        let comments = self.comments_after(ticket, None, REVIEWED).await?;
        Ok(review_state(&comments))
    }
}

/// A comment that is about to be written.
pub(super) struct Said<'a> {
    pub(super) ticket: &'a str,
    pub(super) persona: Option<&'a str>,
    pub(super) content: &'a str,
    pub(super) session: Option<&'a str>,
    pub(super) source: &'static str,
    pub(super) by_editor: bool,
}

impl<'a> Said<'a> {
    /// Something that the server says.
    pub(super) fn by_system(ticket: &'a str, content: &'a str) -> Self {
        Self {
            ticket,
            persona: Some(SYSTEM),
            content,
            session: None,
            source: SYSTEM,
            by_editor: false,
        }
    }
}
