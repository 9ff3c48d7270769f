//! New tickets.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, with_tx, with_writer};

use super::dependencies::without_repetitions;
use super::model::{Kind, Priority, Status, Ticket, ticket_columns};
use crate::author::Author;
use crate::{Error, Json, Level, Projects, Result, TicketView, checked_line, checked_optional};

/// What a ticket shall be.
#[derive(Clone, Debug, Default)]
pub struct NewTicket {
    /// See [`Ticket::title`]: 1 to 200 characters.
    pub title: String,
    /// See [`Ticket::description`].
    pub description: String,
    /// See [`Ticket::priority`]; `None` for medium.
    pub priority: Option<Priority>,
    /// See [`Ticket::assigned_to`].
    pub assigned_to: Option<String>,
    /// See [`Ticket::context_refs`].
    pub context_refs: Vec<String>,
    /// See [`Ticket::file_refs`].
    pub file_refs: Vec<String>,
    /// See [`Ticket::related_sessions`].
    pub related_sessions: Vec<String>,
    /// See [`Ticket::acceptance_criteria`].
    pub acceptance_criteria: Vec<String>,
    /// What has to be done before.
    pub depends_on: Vec<String>,
    /// Whether an agent proposes it: people decide then whether it is opened.
    pub by_agent: bool,
    /// See [`Ticket::created_by_session_id`].
    pub session_id: Option<String>,
    /// See [`Ticket::created_by_persona`].
    pub persona: Option<String>,
    /// See [`Ticket::kind`]; `None` for a task.
    pub kind: Option<Kind>,
    /// See [`Ticket::parent_ticket_id`].
    pub parent: Option<String>,
}

impl NewTicket {
    /// A task with this title.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }
}

/// Tickets that agents may propose from one session.
const PER_SESSION: i64 = 3;
const AGENT_DESCRIPTION_LEAST: usize = 20;

const OF_SESSION: &str = "
    SELECT COUNT(*) FROM tickets
    WHERE project_id = $1 AND created_by_session_id = $2 AND status <> 'cancelled'";
const KIND: &str = "SELECT kind FROM tickets WHERE id = $1 AND project_id = $2";
const INSERT: &str = concat!(
    "INSERT INTO tickets (id, project_id, title, description, priority, assigned_to, created_by_user_id,
        created_by_session_id, created_by_persona, status, kind, lease_epoch, context_refs, file_refs,
        related_sessions, acceptance_criteria, changed_files, knowledge_entry_ids, parent_ticket_id,
        actor_type, service_key_id, service_key_name, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14, $15, '[]', '[]', $16, $17, $18,
             $19, $20, $20) RETURNING ",
    ticket_columns!()
);

impl Projects {
    /// Makes a ticket. A task that an agent makes and whatever a reader of the project makes is `suggested`,
    /// any other `open`. Whom it is for is written as the persona of that name writes it.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::Field`], [`Error::Senseless`]; [`Error::AdminRequired`] for an
    /// issue; [`Error::Quota`] beyond what agents may propose from one session.
    pub async fn create_ticket(&self, actor: &Actor, project: &str, new: NewTicket) -> Result<TicketView> {
        let granted = self
            .open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        let kind = new.kind.unwrap_or(Kind::Task);
        let title = self.check_new(&new, kind)?;
        if kind == Kind::Issue && granted.level < Level::Admin {
            return Err(Error::AdminRequired);
        }
        let by_agent = new.by_agent && kind == Kind::Task;
        let status = if by_agent || granted.level < Level::Edit {
            Status::Suggested
        } else {
            Status::Open
        };
        let depends_on = without_repetitions(&new.depends_on);
        let assigned_to = self.assignee(project, new.assigned_to.as_deref()).await?;
        let author = Author::from(actor);
        macro_rules! insert {
            ($conn:expr) => {
                sqlx::query_as(INSERT)
                    .bind(id::prefixed("tk_", 16))
                    .bind(project)
                    .bind(&title)
                    .bind(&new.description)
                    .bind(new.priority.unwrap_or(Priority::Medium).name())
                    .bind(&assigned_to)
                    .bind(author.user)
                    .bind(&new.session_id)
                    .bind(&new.persona)
                    .bind(status.name())
                    .bind(kind.name())
                    .bind(Json(new.context_refs.clone()))
                    .bind(Json(new.file_refs.clone()))
                    .bind(Json(new.related_sessions.clone()))
                    .bind(Json(new.acceptance_criteria.clone()))
                    .bind(&new.parent)
                    .bind(author.actor_type)
                    .bind(author.service_key_id)
                    .bind(author.service_key_name)
                    .bind(self.now().as_micros())
                    .fetch_one($conn)
                    .await
            };
        }
        let ticket: Ticket = if by_agent || new.parent.is_some() || !depends_on.is_empty() {
            let mut tx = self.db.begin().await?;
            self.take_turn(&mut tx, project).await?;
            self.check_surroundings(&mut tx, project, &new).await?;
            let ticket: Ticket = with_tx!(tx, |conn| insert!(conn))?;
            if !depends_on.is_empty() {
                self.replace_dependencies(&mut tx, project, &ticket.id, &depends_on)
                    .await?;
            }
            tx.commit().await?;
            ticket
        } else {
            // It depends on nothing: one statement is a transaction of its own.
            with_writer!(self.db, |conn| insert!(conn))?
        };
        Ok(TicketView {
            ticket,
            depends_on,
            dependents: Vec::new(),
            children: Vec::new(),
        })
    }

    /// The name of the persona that a ticket is for, as the persona writes it; a name that no persona has yet
    /// stays as it is, and an empty one is nobody's.
    pub(super) async fn assignee(&self, project: &str, name: Option<&str>) -> Result<Option<String>> {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let persona = self.find_persona(project, name, false).await?;
        Ok(Some(
            persona.map_or_else(|| name.to_owned(), |persona| persona.name),
        ))
    }

    fn check_new(&self, new: &NewTicket, kind: Kind) -> Result<String> {
        let title = checked_line("title", &new.title, 200)?;
        self.checked_prose("description", &new.description)?;
        checked_optional("assigned_to", new.assigned_to.as_deref(), 50)?;
        checked_optional("created_by_session_id", new.session_id.as_deref(), 64)?;
        checked_optional("created_by_persona", new.persona.as_deref(), 50)?;
        checked_optional("parent_ticket_id", new.parent.as_deref(), 64)?;
        for (field, list) in [
            ("context_refs", &new.context_refs),
            ("file_refs", &new.file_refs),
            ("related_sessions", &new.related_sessions),
            ("acceptance_criteria", &new.acceptance_criteria),
            ("depends_on", &new.depends_on),
        ] {
            self.checked_list(field, list)?;
        }
        if new.by_agent && kind == Kind::Task {
            if new.acceptance_criteria.is_empty() {
                return Err(Error::Senseless(
                    "a ticket of an agent needs acceptance criteria".to_owned(),
                ));
            }
            if new.description.trim().chars().count() < AGENT_DESCRIPTION_LEAST {
                return Err(Error::Senseless(format!(
                    "a ticket of an agent needs a description of at least {AGENT_DESCRIPTION_LEAST} characters"
                )));
            }
        }
        if kind == Kind::Issue && new.parent.is_some() {
            return Err(Error::Senseless("an issue has no parent".to_owned()));
        }
        Ok(title)
    }

    async fn check_surroundings(&self, tx: &mut Tx, project: &str, new: &NewTicket) -> Result<()> {
        if let (true, Some(session)) = (new.by_agent && new.kind != Some(Kind::Issue), &new.session_id) {
            let made: i64 = with_tx!(*tx, |conn| sqlx::query_scalar(OF_SESSION)
                .bind(project)
                .bind(session)
                .fetch_one(conn)
                .await)?;
            if made >= PER_SESSION {
                return Err(Error::Quota(format!(
                    "agents may make {PER_SESSION} tickets in one session"
                )));
            }
        }
        if let Some(parent) = &new.parent {
            let kind: Option<String> = with_tx!(*tx, |conn| sqlx::query_scalar(KIND)
                .bind(parent)
                .bind(project)
                .fetch_optional(conn)
                .await)?;
            if kind.as_deref() != Some(Kind::Issue.name()) {
                return Err(Error::field("parent_ticket_id", "not an issue of this project"));
            }
        }
        Ok(())
    }
}
