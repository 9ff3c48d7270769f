//! From state to state: each by one conditional statement, so that of several at once exactly one wins.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::comments::Said;
use super::context::{Parts, compile};
use super::model::{Kind, Priority, Status, Ticket, ticket_columns};
use crate::access::Granted;
use crate::{Comment, Entry, Error, Json, Level, Persona, Projects, Result, TicketView, checked_optional};

/// How a ticket is started.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Whether a blocked ticket may be started too.
    pub force: bool,
    /// The tool that the context is for.
    pub tool: Option<String>,
}

/// A ticket that was started.
#[derive(Clone, Debug)]
pub struct StartedTicket {
    /// The ticket, with its new lease.
    pub ticket: TicketView,
    /// What the worker is to be told.
    pub compiled_context: String,
    /// The context in which the worker's retrievals are recorded.
    pub retrieval_audit_id: String,
    /// The persona that the ticket is for.
    pub persona_name: Option<String>,
}

/// What the worker says of finished work.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// What was done.
    pub notes: String,
    /// Files that were changed.
    pub changed_files: Vec<String>,
    /// Knowledge that came out of it.
    pub knowledge_entry_ids: Vec<String>,
    /// The session in which it was done.
    pub session_id: Option<String>,
    /// The lease that the worker holds.
    pub lease_epoch: Option<i64>,
}

/// Comments that a worker is told.
const TOLD_COMMENTS: i64 = 10;

const START: &str = concat!(
    "UPDATE tickets SET status = 'in_progress', lease_epoch = lease_epoch + 1, updated_at = $3
     WHERE id = $1 AND project_id = $2 AND (status = 'open' OR (status = 'blocked' AND $4)) RETURNING ",
    ticket_columns!()
);
const COMPLETE: &str = concat!(
    "UPDATE tickets SET status = 'review', completion_notes = $3, changed_files = $4,
        knowledge_entry_ids = $5, resolver_session_id = $6, resolver_user_id = $7, updated_at = $8
     WHERE id = $1 AND project_id = $2 AND status = 'in_progress' AND kind = 'task'
       AND lease_epoch = COALESCE($9, lease_epoch) RETURNING ",
    ticket_columns!()
);
const RESOLVE: &str = concat!(
    "UPDATE tickets SET status = 'done', resolved_at = $3, updated_at = $3
     WHERE id = $1 AND project_id = $2 AND status = 'review'
       AND lease_epoch = COALESCE($4, lease_epoch) RETURNING ",
    ticket_columns!()
);
const MOVE: &str = concat!(
    "UPDATE tickets SET status = $4, updated_at = $5, resolved_at = CASE WHEN $4 = 'closed' THEN $5 ELSE resolved_at END
     WHERE id = $1 AND project_id = $2 AND status = $3 RETURNING ",
    ticket_columns!()
);
const SET_PRIORITY: &str = concat!(
    "UPDATE tickets SET priority = $2, updated_at = $3 WHERE id = $1 RETURNING ",
    ticket_columns!()
);
const DEPENDENTS: &str = concat!(
    "SELECT ",
    ticket_columns!(),
    " FROM tickets WHERE id IN (SELECT ticket_id FROM ticket_dependencies WHERE depends_on_id = $1)
      AND status IN ('open', 'blocked', 'suggested') ORDER BY created_at, id"
);
const SET_CONTEXT_REFS: &str = "UPDATE tickets SET context_refs = $2, updated_at = $3 WHERE id = $1";
const UNBLOCK_READY: &str = "
    UPDATE tickets SET status = 'in_progress', updated_at = $2
    WHERE id = $1 AND status = 'blocked' AND NOT EXISTS (
        SELECT 1 FROM ticket_dependencies JOIN tickets AS before ON before.id = depends_on_id
        WHERE ticket_id = $1 AND before.status <> 'done')";
const FINISHED: &str = concat!(
    "SELECT ",
    ticket_columns!(),
    " FROM tickets WHERE id IN (SELECT depends_on_id FROM ticket_dependencies WHERE ticket_id = $1)
      AND status IN ('done', 'closed') ORDER BY resolved_at, id"
);
const CHILDREN: &str = concat!(
    "SELECT ",
    ticket_columns!(),
    " FROM tickets WHERE parent_ticket_id = $1 ORDER BY created_at, id LIMIT 100"
);

impl Projects {
    /// Starts work on an open ticket: its lease rises, and whoever worked on it before writes no more.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::WrongState`] unless it is open;
    /// [`Error::Senseless`] when the persona it is for is not active.
    pub async fn start_ticket(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        options: StartOptions,
    ) -> Result<StartedTicket> {
        self.open_for(actor, project, Level::Edit, Feature::AgentTickets)
            .await?;
        checked_optional("tool", options.tool.as_deref(), 50)?;
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let started: Option<Ticket> = with_tx!(tx, |conn| sqlx::query_as(START)
            .bind(ticket)
            .bind(project)
            .bind(now.as_micros())
            .bind(options.force)
            .fetch_optional(conn)
            .await)?;
        let Some(started) = started else {
            drop(tx);
            let status = self.find_ticket(project, ticket).await?.status;
            return Err(Error::WrongState(format!(
                "a ticket that is {status} cannot be started: it has to be open{}",
                if options.force { " or blocked" } else { "" }
            )));
        };
        let persona = match &started.assigned_to {
            Some(name) => Some(self.assigned_persona(&mut tx, project, name).await?),
            None => None,
        };
        let retrieval_audit_id = id::prefixed("ra_", 24);
        self.close_retrieval_contexts(&mut tx, ticket).await?;
        self.insert_retrieval_context(
            &mut tx,
            actor,
            &retrieval_audit_id,
            project,
            Some((ticket, started.lease_epoch)),
            started.assigned_to.as_deref(),
        )
        .await?;
        tx.commit().await?;
        let compiled_context = self
            .ticket_context(
                project,
                persona.as_ref(),
                Some(&started),
                options.tool.as_deref().unwrap_or("generic"),
            )
            .await?;
        Ok(StartedTicket {
            compiled_context,
            retrieval_audit_id,
            persona_name: persona.map(|persona| persona.name),
            ticket: self.view_ticket(started).await?,
        })
    }

    async fn assigned_persona(&self, tx: &mut Tx, project: &str, name: &str) -> Result<Persona> {
        self.find_persona_in(tx, project, name).await?.ok_or_else(|| {
            Error::Senseless(format!(
                "no active persona {name:?} in this project, which the ticket is assigned to"
            ))
        })
    }

    /// What a worker on the ticket is told.
    pub(crate) async fn ticket_context(
        &self,
        project: &str,
        persona: Option<&Persona>,
        ticket: Option<&Ticket>,
        tool: &str,
    ) -> Result<String> {
        let mut claims: Vec<Entry> = Vec::new();
        let mut finished: Vec<Ticket> = Vec::new();
        let mut comments: Vec<Comment> = Vec::new();
        let mut parent: Option<Ticket> = None;
        let mut children: Vec<Ticket> = Vec::new();
        if let Some(ticket) = ticket {
            let ids = ticket.context_refs.0.iter().filter_map(|reference| {
                let digits = reference.trim_start_matches(|c: char| !c.is_ascii_digit());
                digits.parse().ok()
            });
            claims = self.claims_to_read(project, &ids.collect::<Vec<i64>>()).await?;
            finished = with_reader!(self.db, |conn| sqlx::query_as(FINISHED)
                .bind(&ticket.id)
                .fetch_all(conn)
                .await)?;
            comments = self.latest_comments(&ticket.id, TOLD_COMMENTS).await?;
            if let Some(issue) = &ticket.parent_ticket_id {
                parent = self.find_ticket(project, issue).await.ok();
            }
            if ticket.kind == Kind::Issue {
                children = with_reader!(self.db, |conn| sqlx::query_as(CHILDREN)
                    .bind(&ticket.id)
                    .fetch_all(conn)
                    .await)?;
            }
        }
        Ok(compile(
            Parts {
                persona,
                ticket,
                parent: parent.as_ref(),
                children: &children,
                claims: &claims,
                finished: &finished,
                comments: &comments,
            },
            tool,
        ))
    }

    /// Hands finished work in for review.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Field`]; [`Error::StaleLease`];
    /// [`Error::Senseless`] unless somebody works on it.
    pub async fn complete_ticket(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        completion: Completion,
    ) -> Result<TicketView> {
        let granted = self
            .open_for(actor, project, Level::Edit, Feature::AgentTickets)
            .await?;
        if completion.notes.trim().is_empty() {
            return Err(Error::field("notes", "say what was done"));
        }
        self.checked_prose("notes", &completion.notes)?;
        self.checked_list("changed_files", &completion.changed_files)?;
        self.checked_list("knowledge_entry_ids", &completion.knowledge_entry_ids)?;
        checked_optional("resolver_session_id", completion.session_id.as_deref(), 64)?;
        self.check_lease_given(&granted, completion.lease_epoch).await?;
        let mut tx = self.db.begin().await?;
        let completed: Option<Ticket> = with_tx!(tx, |conn| sqlx::query_as(COMPLETE)
            .bind(ticket)
            .bind(project)
            .bind(&completion.notes)
            .bind(Json(completion.changed_files.clone()))
            .bind(Json(completion.knowledge_entry_ids.clone()))
            .bind(&completion.session_id)
            .bind(actor.user.as_str())
            .bind(self.now().as_micros())
            .bind(completion.lease_epoch)
            .fetch_optional(conn)
            .await)?;
        let Some(completed) = completed else {
            drop(tx);
            let known = self.find_ticket(project, ticket).await?;
            check_lease(&known, completion.lease_epoch)?;
            return Err(illegal(&known, Status::Review));
        };
        self.close_retrieval_contexts(&mut tx, ticket).await?;
        tx.commit().await?;
        self.view_ticket(completed).await
    }

    /// Accepts reviewed work. Tickets that waited for it are told what was done, get its knowledge, and go on
    /// when nothing else holds them.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::StaleLease`];
    /// [`Error::WrongState`] unless it is in review.
    pub async fn resolve_ticket(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        lease_epoch: Option<i64>,
    ) -> Result<TicketView> {
        let granted = self
            .open_for(actor, project, Level::Edit, Feature::AgentTickets)
            .await?;
        self.check_lease_given(&granted, lease_epoch).await?;
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let resolved: Option<Ticket> = with_tx!(tx, |conn| sqlx::query_as(RESOLVE)
            .bind(ticket)
            .bind(project)
            .bind(self.now().as_micros())
            .bind(lease_epoch)
            .fetch_optional(conn)
            .await)?;
        let Some(resolved) = resolved else {
            drop(tx);
            let known = self.find_ticket(project, ticket).await?;
            check_lease(&known, lease_epoch)?;
            return Err(Error::WrongState(format!(
                "a ticket that is {} cannot be resolved: it has to be in review",
                known.status
            )));
        };
        self.tell_dependents(&mut tx, actor, &resolved).await?;
        tx.commit().await?;
        self.view_ticket(resolved).await
    }

    async fn tell_dependents(&self, tx: &mut Tx, actor: &Actor, resolved: &Ticket) -> Result<()> {
        let waiting: Vec<Ticket> = with_tx!(*tx, |conn| sqlx::query_as(DEPENDENTS)
            .bind(&resolved.id)
            .fetch_all(conn)
            .await)?;
        let now = self.now().as_micros();
        for mut dependent in waiting {
            let content = format!(
                "Dependency #{} ({}) completed:\n\n{}",
                resolved.id,
                resolved.title,
                resolved.completion_notes.as_deref().unwrap_or("no notes")
            );
            self.insert_comment(tx, actor, &Said::by_system(&dependent.id, &content))
                .await?;
            let before = dependent.context_refs.0.len();
            for entry in &resolved.knowledge_entry_ids.0 {
                if !dependent.context_refs.0.contains(entry) {
                    dependent.context_refs.0.push(entry.clone());
                }
            }
            if dependent.context_refs.0.len() > before {
                with_tx!(*tx, |conn| sqlx::query(SET_CONTEXT_REFS)
                    .bind(&dependent.id)
                    .bind(dependent.context_refs.clone())
                    .bind(now)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
            with_tx!(*tx, |conn| sqlx::query(UNBLOCK_READY)
                .bind(&dependent.id)
                .bind(now)
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(())
    }

    /// Ends an issue that is worked on.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for administering; [`Error::NotFound`]; [`Error::Senseless`] for a task or
    /// another state.
    pub async fn close_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        self.open_for(actor, project, Level::Admin, Feature::AgentTickets)
            .await?;
        let known = self.find_ticket(project, ticket).await?;
        if known.kind == Kind::Task {
            return Err(Error::Senseless(
                "close is for Issues only (kind='issue'): a task is completed and resolved".to_owned(),
            ));
        }
        self.move_ticket(known, Status::Closed).await
    }

    /// Opens a suggested ticket.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Senseless`] in another state.
    pub async fn approve_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        self.change_status(actor, project, ticket, Status::Open, &[Status::Suggested])
            .await
    }

    /// Opens a ticket in review, or an issue that is worked on, again.
    ///
    /// # Errors
    /// As [`Projects::approve_ticket`].
    pub async fn reopen_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        self.change_status(
            actor,
            project,
            ticket,
            Status::Open,
            &[Status::Review, Status::InProgress],
        )
        .await
    }

    /// Says that the work waits for something.
    ///
    /// # Errors
    /// As [`Projects::approve_ticket`].
    pub async fn block_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        self.change_status(actor, project, ticket, Status::Blocked, &[Status::InProgress])
            .await
    }

    /// Says that the work goes on.
    ///
    /// # Errors
    /// As [`Projects::approve_ticket`].
    pub async fn unblock_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        self.change_status(actor, project, ticket, Status::InProgress, &[Status::Blocked])
            .await
    }

    /// Gives a ticket up.
    ///
    /// # Errors
    /// As [`Projects::approve_ticket`].
    pub async fn dismiss_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<TicketView> {
        let from = [Status::Suggested, Status::Open, Status::InProgress];
        self.change_status(actor, project, ticket, Status::Cancelled, &from)
            .await
    }

    async fn change_status(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        to: Status,
        from: &[Status],
    ) -> Result<TicketView> {
        self.open_for(actor, project, Level::Edit, Feature::AgentTickets)
            .await?;
        let known = self.find_ticket(project, ticket).await?;
        if !from.contains(&known.status) {
            return Err(illegal(&known, to));
        }
        self.move_ticket(known, to).await
    }

    async fn move_ticket(&self, known: Ticket, to: Status) -> Result<TicketView> {
        if !known.status.next(known.kind).contains(&to) {
            return Err(illegal(&known, to));
        }
        let mut tx = self.db.begin().await?;
        let moved: Option<Ticket> = with_tx!(tx, |conn| sqlx::query_as(MOVE)
            .bind(&known.id)
            .bind(&known.project_id)
            .bind(known.status.name())
            .bind(to.name())
            .bind(self.now().as_micros())
            .fetch_optional(conn)
            .await)?;
        let moved = moved.ok_or_else(|| {
            Error::WrongState("the ticket changed its status at the same time: look again".to_owned())
        })?;
        if !matches!(to, Status::InProgress | Status::Blocked) {
            self.close_retrieval_contexts(&mut tx, &known.id).await?;
        }
        tx.commit().await?;
        self.view_ticket(moved).await
    }

    /// Makes a ticket one step more urgent and says so; said again for one that cannot be more urgent.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Field`].
    pub async fn escalate_ticket(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        reason: Option<&str>,
    ) -> Result<TicketView> {
        self.open_for(actor, project, Level::Edit, Feature::AgentTickets)
            .await?;
        checked_optional("reason", reason, 5000)?;
        let mut tx = self.db.begin().await?;
        let known = self.held_ticket(&mut tx, project, ticket).await?;
        let raised: Priority = known.priority.raised();
        let escalated: Ticket = with_tx!(tx, |conn| sqlx::query_as(SET_PRIORITY)
            .bind(ticket)
            .bind(raised.name())
            .bind(self.now().as_micros())
            .fetch_one(conn)
            .await)?;
        let content = format!(
            "Escalated: {} → {raised}. {}",
            known.priority,
            reason.unwrap_or("No reason given.")
        );
        self.insert_comment(&mut tx, actor, &Said::by_system(ticket, &content))
            .await?;
        tx.commit().await?;
        self.view_ticket(escalated).await
    }

    /// Refuses a write without a lease where the organisation wants one.
    pub(super) async fn check_lease_given(&self, granted: &Granted, lease_epoch: Option<i64>) -> Result<()> {
        let organisation = granted.project.organisation_id.as_deref();
        if lease_epoch.is_none() && self.lease_required_in(organisation).await? {
            return Err(Error::field(
                "lease_epoch",
                "required: the organization has set require_lease_epoch_on_ticket_writes",
            ));
        }
        Ok(())
    }
}

fn check_lease(known: &Ticket, passed: Option<i64>) -> Result<()> {
    match passed {
        Some(passed) if passed != known.lease_epoch => Err(Error::StaleLease {
            passed,
            current: known.lease_epoch,
        }),
        _ => Ok(()),
    }
}

fn illegal(known: &Ticket, to: Status) -> Error {
    let legal: Vec<&str> = known
        .status
        .next(known.kind)
        .iter()
        .map(|status| status.name())
        .collect();
    let legal = if legal.is_empty() {
        "none".to_owned()
    } else {
        legal.join(", ")
    };
    Error::Senseless(format!(
        "a {} that is {} cannot become {to}; from here it can become: {legal}",
        known.kind, known.status
    ))
}
