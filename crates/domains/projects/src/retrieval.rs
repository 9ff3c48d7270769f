//! The audit of what agents retrieved while they worked.

use pentad_kernel::{Actor, UserId, id};
use pentad_store::{Tx, affected, with_reader, with_tx, with_writer};
use serde_json::{Value, json};

use crate::{At, Error, Json, Level, Projects, Result, checked_line, checked_optional};

/// A piece of work whose retrievals are recorded.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RetrievalContext {
    /// `ra_` and 24 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The ticket that is worked on.
    pub ticket_id: Option<String>,
    /// As which persona.
    pub persona_name: Option<String>,
    /// Under which lease of the ticket.
    pub lease_epoch: i64,
    /// By whom.
    pub created_by_user_id: String,
    /// Since when.
    pub created_at: At,
    /// Until when.
    pub closed_at: Option<At>,
}

/// One retrieval.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RetrievalEvent {
    /// Rises with every retrieval of the installation.
    pub id: i64,
    /// The work it belongs to.
    pub context_id: String,
    /// The project.
    pub project_id: String,
    /// Who retrieved.
    pub user_id: String,
    /// The session it happened in.
    pub session_id: Option<String>,
    /// The tool that retrieved.
    pub tool_name: String,
    /// What it was asked.
    pub arguments: Json<Value>,
    /// What it found.
    pub returned_refs: Json<Value>,
    /// How the agent reached it, as `mcp`.
    pub source: String,
    /// When.
    pub created_at: At,
}

/// A retrieval to be recorded.
#[derive(Clone, Debug, Default)]
pub struct NewRetrievalEvent {
    /// The work it belongs to.
    pub context_id: String,
    /// See [`RetrievalEvent::session_id`].
    pub session_id: Option<String>,
    /// See [`RetrievalEvent::tool_name`]: 1 to 100 characters.
    pub tool_name: String,
    /// See [`RetrievalEvent::arguments`].
    pub arguments: Value,
    /// See [`RetrievalEvent::returned_refs`].
    pub returned_refs: Value,
    /// See [`RetrievalEvent::source`].
    pub source: String,
}

/// The retrievals of a session or of one piece of work.
#[derive(Clone, Debug)]
pub struct RetrievalLog {
    /// The session.
    pub session_id: Option<String>,
    /// The work.
    pub retrieval_audit_id: Option<String>,
    /// The retrievals, oldest first.
    pub events: Vec<RetrievalEvent>,
}

/// Bytes of JSON beyond which what was asked or found is not kept.
const JSON_BYTES: usize = 16 * 1024;

const INSERT_CONTEXT: &str = "
    INSERT INTO retrieval_contexts (id, project_id, ticket_id, persona_name, lease_epoch, created_by_user_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const CLOSE: &str = "UPDATE retrieval_contexts SET closed_at = $2 WHERE ticket_id = $1 AND closed_at IS NULL";
const CONTEXT: &str = "
    SELECT id, project_id, ticket_id, persona_name, lease_epoch, created_by_user_id, created_at, closed_at
    FROM retrieval_contexts WHERE id = $1";
const INSERT_EVENT: &str = "
    INSERT INTO retrieval_events (context_id, session_id, tool_name, arguments, returned_refs, source, user_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id, context_id, CAST($9 AS TEXT) AS project_id, user_id, session_id, tool_name, arguments, returned_refs, source,
        created_at";
const OF_CONTEXT: &str = "
    SELECT e.id, e.context_id, c.project_id, e.user_id, e.session_id, e.tool_name, e.arguments, e.returned_refs,
        e.source, e.created_at
    FROM retrieval_events e JOIN retrieval_contexts c ON c.id = e.context_id
    WHERE e.context_id = $1 ORDER BY e.id LIMIT 1000";
const OF_SESSION: &str = "
    SELECT e.id, e.context_id, c.project_id, e.user_id, e.session_id, e.tool_name, e.arguments, e.returned_refs,
        e.source, e.created_at
    FROM retrieval_events e JOIN retrieval_contexts c ON c.id = e.context_id
    WHERE e.user_id = $2 AND (e.session_id = $1 OR e.context_id = $3) ORDER BY e.id LIMIT 1000";

impl Projects {
    pub(crate) async fn insert_retrieval_context(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        id: &str,
        project: &str,
        ticket: Option<(&str, i64)>,
        persona: Option<&str>,
    ) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(INSERT_CONTEXT)
            .bind(id)
            .bind(project)
            .bind(ticket.map(|(ticket, _)| ticket))
            .bind(persona)
            .bind(ticket.map_or(0, |(_, lease)| lease))
            .bind(actor.user.as_str())
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    pub(crate) async fn close_retrieval_contexts(&self, tx: &mut Tx, ticket: &str) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(CLOSE)
            .bind(ticket)
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    async fn retrieval_context(&self, id: &str) -> Result<RetrievalContext> {
        let context: Option<RetrievalContext> = with_reader!(self.db, |conn| sqlx::query_as(CONTEXT)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        context.ok_or(Error::NotFound {
            kind: "Retrieval audit context",
        })
    }

    /// Begins to record retrievals outside a ticket.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::Field`] for an unknown persona or ticket.
    pub async fn open_retrieval_context(
        &self,
        actor: &Actor,
        project: &str,
        ticket: Option<&str>,
        persona: Option<&str>,
        lease_epoch: Option<i64>,
    ) -> Result<RetrievalContext> {
        self.open(actor, project, Level::Read).await?;
        if let Some(persona) = persona {
            self.require_persona(project, "persona_name", persona).await?;
        }
        let lease = match ticket {
            Some(ticket) => {
                let found = self
                    .find_ticket(project, ticket)
                    .await
                    .map_err(|error| match error {
                        Error::NotFound { .. } => Error::field("ticket_id", "no such ticket in this project"),
                        other => other,
                    })?;
                Some((ticket, lease_epoch.unwrap_or(found.lease_epoch)))
            }
            None => None,
        };
        let id = id::prefixed("ra_", 24);
        let mut tx = self.db.begin().await?;
        self.insert_retrieval_context(&mut tx, actor, &id, project, lease, persona)
            .await?;
        tx.commit().await?;
        self.retrieval_context(&id).await
    }

    /// Records a retrieval.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`]; [`Error::NotYours`] for work of somebody else;
    /// [`Error::Field`].
    pub async fn record_retrieval(
        &self,
        actor: &Actor,
        project: &str,
        new: NewRetrievalEvent,
    ) -> Result<RetrievalEvent> {
        self.open(actor, project, Level::Read).await?;
        let context = self.retrieval_context(&new.context_id).await?;
        if context.project_id != project {
            return Err(Error::NotFound {
                kind: "Retrieval audit context",
            });
        }
        own(actor, &context)?;
        let tool_name = checked_line("tool_name", &new.tool_name, 100)?;
        let source = checked_line("source", &new.source, 50)?;
        checked_optional("session_id", new.session_id.as_deref(), 64)?;
        Ok(with_writer!(self.db, |conn| sqlx::query_as(INSERT_EVENT)
            .bind(&context.id)
            .bind(&new.session_id)
            .bind(&tool_name)
            .bind(bounded(&new.arguments))
            .bind(bounded(&new.returned_refs))
            .bind(&source)
            .bind(actor.user.as_str())
            .bind(self.now().as_micros())
            .bind(project)
            .fetch_one(conn)
            .await)?)
    }

    /// Whether it is this user's own work in this project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn records_retrievals(&self, user: &UserId, project: &str, context: &str) -> Result<bool> {
        match self.retrieval_context(context).await {
            Ok(context) => Ok(context.project_id == project && context.created_by_user_id == user.as_str()),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The retrievals of one's own piece of work.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`]; [`Error::NotYours`].
    pub async fn retrieval_log(&self, actor: &Actor, context: &str) -> Result<RetrievalLog> {
        let context = self.retrieval_context(context).await?;
        let granted = self.open(actor, &context.project_id, Level::Read).await;
        let granted = granted.map_err(|error| match error {
            Error::NoAccess => Error::NotFound {
                kind: "Retrieval audit context",
            },
            other => other,
        })?;
        if granted.level < Level::Admin {
            own(actor, &context)?;
        }
        let events = with_reader!(self.db, |conn| sqlx::query_as(OF_CONTEXT)
            .bind(&context.id)
            .fetch_all(conn)
            .await)?;
        Ok(RetrievalLog {
            session_id: None,
            retrieval_audit_id: Some(context.id),
            events,
        })
    }

    /// The retrievals of one's own session: those that name it, and those of the work that was done in it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn session_retrieval_log(&self, actor: &Actor, session: &str) -> Result<RetrievalLog> {
        let user: &UserId = &actor.user;
        let owned = self
            .sessions
            .owned(user, session)
            .await
            .map_err(Error::Sessions)?;
        let owned = owned.ok_or(Error::NotFound { kind: "Session" })?;
        let events: Vec<RetrievalEvent> = with_reader!(self.db, |conn| sqlx::query_as(OF_SESSION)
            .bind(session)
            .bind(user.as_str())
            .bind(&owned.retrieval_audit_id)
            .fetch_all(conn)
            .await)?;
        Ok(RetrievalLog {
            session_id: Some(session.to_owned()),
            retrieval_audit_id: owned
                .retrieval_audit_id
                .or_else(|| events.first().map(|event| event.context_id.clone())),
            events,
        })
    }
}

fn own(actor: &Actor, context: &RetrievalContext) -> Result<()> {
    if context.created_by_user_id == actor.user.as_str() {
        Ok(())
    } else {
        Err(Error::NotYours(
            "This retrieval audit context belongs to somebody else",
        ))
    }
}

/// The value as it is kept: itself, or a note that it was too large.
fn bounded(value: &Value) -> Json<Value> {
    // PostgreSQL keeps no NUL in a text, and JSON may escape one.
    let text = value.to_string();
    if text.len() > JSON_BYTES {
        Json(json!({ "_truncated": true, "_original_bytes": text.len() }))
    } else if value.is_null() {
        Json(json!({}))
    } else {
        Json(value.clone())
    }
}
