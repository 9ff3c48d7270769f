//! Changing what a ticket says; its status changes in [`transitions`](super::transitions) alone.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::comments::Said;
use super::dependencies::without_repetitions;
use super::model::{Priority, Ticket, ticket_columns};
use crate::author::Author;
use crate::{Error, Level, Projects, Result, TicketView, checked_line, checked_optional};

/// What to change of a ticket; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct TicketChange {
    /// See [`Ticket::title`].
    pub title: Option<String>,
    /// See [`Ticket::description`].
    pub description: Option<String>,
    /// See [`Ticket::priority`].
    pub priority: Option<Priority>,
    /// See [`Ticket::assigned_to`]; `Some(None)` for nobody.
    pub assigned_to: Option<Option<String>>,
    /// See [`Ticket::acceptance_criteria`].
    pub acceptance_criteria: Option<Vec<String>>,
    /// See [`Ticket::context_refs`].
    pub context_refs: Option<Vec<String>>,
    /// See [`Ticket::file_refs`].
    pub file_refs: Option<Vec<String>>,
    /// See [`Ticket::related_sessions`].
    pub related_sessions: Option<Vec<String>>,
    /// What has to be done before.
    pub depends_on: Option<Vec<String>>,
    /// The lease that the writer holds: the change is made only if it is the present one, and raises it.
    pub lease_epoch: Option<i64>,
}

impl TicketChange {
    fn changes_nothing(&self) -> bool {
        self.title.is_none()
            && self.description.is_none()
            && self.priority.is_none()
            && self.assigned_to.is_none()
            && self.acceptance_criteria.is_none()
            && self.context_refs.is_none()
            && self.file_refs.is_none()
            && self.related_sessions.is_none()
            && self.depends_on.is_none()
    }
}

/// A field with its old and its new value.
type Difference = (&'static str, String, String);

const BY_ID: &str = concat!(
    "SELECT ",
    ticket_columns!(),
    " FROM tickets WHERE id = $1 AND project_id = $2"
);
/// Waits for changes of the ticket under way, and keeps further ones waiting.
const HOLD: &str = "UPDATE tickets SET lease_epoch = lease_epoch WHERE id = $1 AND project_id = $2";
const UPDATE: &str = concat!(
    "UPDATE tickets SET title = $2, description = $3, priority = $4, assigned_to = $5, acceptance_criteria = $6,
        context_refs = $7, file_refs = $8, related_sessions = $9, lease_epoch = lease_epoch + $10, updated_at = $11
     WHERE id = $1 RETURNING ",
    ticket_columns!()
);
const INSERT_EDIT: &str = "
    INSERT INTO ticket_edits (id, ticket_id, field, old_value, new_value, user_id, actor_type, service_key_id,
                              service_key_name, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const DEPENDS_ON: &str =
    "SELECT depends_on_id FROM ticket_dependencies WHERE ticket_id = $1 ORDER BY position";
const EDITS: &str = "
    SELECT field, old_value, new_value FROM ticket_edits WHERE ticket_id = $1 ORDER BY created_at, id";

impl Projects {
    /// Changes what a ticket says. What really changes is written down field by field, and said once on the
    /// ticket.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`]; [`Error::NotYours`] for others than its maker and the
    /// project's administrators; [`Error::Senseless`] without a field to change; [`Error::StaleLease`].
    pub async fn edit_ticket(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
        mut change: TicketChange,
    ) -> Result<TicketView> {
        let granted = self
            .open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        if change.changes_nothing() {
            return Err(Error::Senseless(
                "nothing to change: lease_epoch is a fence, not a field".to_owned(),
            ));
        }
        self.check_change(&change)?;
        if let Some(assignee) = &mut change.assigned_to {
            *assignee = self.assignee(project, assignee.as_deref()).await?;
        }
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let known = self.held_ticket(&mut tx, project, ticket).await?;
        if known.created_by_user_id != actor.user.as_str() && granted.level < Level::Admin {
            return Err(Error::NotYours(
                "Only the maker of a ticket and administrators of the project may change it",
            ));
        }
        if let Some(passed) = change.lease_epoch.filter(|passed| *passed != known.lease_epoch) {
            return Err(Error::StaleLease {
                passed,
                current: known.lease_epoch,
            });
        }
        let fenced = change.lease_epoch.is_some();
        let mut differences = Vec::new();
        let next = apply(&known, &change, &mut differences)?;
        if let Some(targets) = &change.depends_on {
            let targets = without_repetitions(targets);
            let before: Vec<String> = with_tx!(tx, |conn| sqlx::query_scalar(DEPENDS_ON)
                .bind(ticket)
                .fetch_all(conn)
                .await)?;
            if before != targets {
                self.replace_dependencies(&mut tx, project, ticket, &targets)
                    .await?;
                differences.push(("depends_on", before.join(", "), targets.join(", ")));
            }
        }
        if differences.is_empty() {
            return self.view_ticket(known).await;
        }
        let updated: Ticket = with_tx!(tx, |conn| sqlx::query_as(UPDATE)
            .bind(ticket)
            .bind(&next.title)
            .bind(&next.description)
            .bind(next.priority.name())
            .bind(&next.assigned_to)
            .bind(next.acceptance_criteria.clone())
            .bind(next.context_refs.clone())
            .bind(next.file_refs.clone())
            .bind(next.related_sessions.clone())
            .bind(i64::from(fenced))
            .bind(self.now().as_micros())
            .fetch_one(conn)
            .await)?;
        self.record(&mut tx, actor, ticket, &differences).await?;
        tx.commit().await?;
        self.view_ticket(updated).await
    }

    /// The ticket, which nobody else changes until the transaction ends.
    pub(super) async fn held_ticket(&self, tx: &mut Tx, project: &str, ticket: &str) -> Result<Ticket> {
        with_tx!(*tx, |conn| sqlx::query(HOLD)
            .bind(ticket)
            .bind(project)
            .execute(conn)
            .await
            .map(affected))?;
        let known: Option<Ticket> = with_tx!(*tx, |conn| sqlx::query_as(BY_ID)
            .bind(ticket)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        known.ok_or(Error::NotFound { kind: "Ticket" })
    }

    fn check_change(&self, change: &TicketChange) -> Result<()> {
        if let Some(description) = &change.description {
            self.checked_prose("description", description)?;
        }
        if let Some(persona) = &change.assigned_to {
            checked_optional("assigned_to", persona.as_deref(), 50)?;
        }
        for (field, list) in [
            ("acceptance_criteria", &change.acceptance_criteria),
            ("context_refs", &change.context_refs),
            ("file_refs", &change.file_refs),
            ("related_sessions", &change.related_sessions),
            ("depends_on", &change.depends_on),
        ] {
            if let Some(list) = list {
                self.checked_list(field, list)?;
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        ticket: &str,
        differences: &[Difference],
    ) -> Result<()> {
        let author = Author::from(actor);
        let now = self.now().as_micros();
        let mut lines = Vec::new();
        for (field, old, new) in differences {
            with_tx!(*tx, |conn| sqlx::query(INSERT_EDIT)
                .bind(id::prefixed("te_", 16))
                .bind(ticket)
                .bind(field)
                .bind(old)
                .bind(new)
                .bind(author.user)
                .bind(author.actor_type)
                .bind(author.service_key_id)
                .bind(author.service_key_name)
                .bind(now)
                .execute(conn)
                .await
                .map(affected))?;
            lines.push(format!("{field}: {} → {}", shortened(old), shortened(new)));
        }
        let content = lines.join("\n");
        self.insert_comment(tx, actor, &Said::by_system(ticket, &content))
            .await?;
        Ok(())
    }

    /// The recorded changes of a ticket, in order: field, old and new value.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`].
    pub async fn ticket_edits(
        &self,
        actor: &Actor,
        project: &str,
        ticket: &str,
    ) -> Result<Vec<(String, String, String)>> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        self.find_ticket(project, ticket).await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(EDITS)
            .bind(ticket)
            .fetch_all(conn)
            .await)?)
    }
}

/// The ticket after the change, and what is different then.
fn apply(known: &Ticket, change: &TicketChange, differences: &mut Vec<Difference>) -> Result<Ticket> {
    let mut next = known.clone();
    if let Some(title) = &change.title {
        next.title = checked_line("title", title, 200)?;
    }
    if let Some(description) = &change.description {
        next.description.clone_from(description);
    }
    if let Some(priority) = change.priority {
        next.priority = priority;
    }
    if let Some(persona) = &change.assigned_to {
        next.assigned_to.clone_from(persona);
    }
    for (list, change) in [
        (&mut next.acceptance_criteria, &change.acceptance_criteria),
        (&mut next.context_refs, &change.context_refs),
        (&mut next.file_refs, &change.file_refs),
        (&mut next.related_sessions, &change.related_sessions),
    ] {
        if let Some(change) = change {
            list.0.clone_from(change);
        }
    }
    let assigned = |ticket: &Ticket| ticket.assigned_to.clone().unwrap_or_else(|| "nobody".to_owned());
    let pairs = [
        ("title", known.title.clone(), next.title.clone()),
        ("description", known.description.clone(), next.description.clone()),
        ("priority", known.priority.to_string(), next.priority.to_string()),
        ("assigned_to", assigned(known), assigned(&next)),
    ];
    differences.extend(pairs.into_iter().filter(|(_, old, new)| old != new));
    for (field, old, new) in [
        (
            "acceptance_criteria",
            &known.acceptance_criteria,
            &next.acceptance_criteria,
        ),
        ("context_refs", &known.context_refs, &next.context_refs),
        ("file_refs", &known.file_refs, &next.file_refs),
        (
            "related_sessions",
            &known.related_sessions,
            &next.related_sessions,
        ),
    ] {
        if old != new {
            differences.push((field, old.0.join(", "), new.0.join(", ")));
        }
    }
    Ok(next)
}

fn shortened(value: &str) -> String {
    const SHOWN: usize = 200;
    if value.is_empty() {
        return "nothing".to_owned();
    }
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
