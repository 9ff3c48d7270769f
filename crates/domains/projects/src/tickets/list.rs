//! Finding tickets.

use std::collections::BTreeMap;

use pentad_identity::Feature;
use pentad_kernel::Actor;
use pentad_store::with_reader;
use sqlx::QueryBuilder;

use super::model::{Kind, Priority, Status, Ticket, ticket_columns};
use crate::{Error, Level, Projects, Result, TicketView};

/// Which tickets are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct TicketFilter {
    /// See [`Ticket::status`].
    pub status: Option<Status>,
    /// See [`Ticket::assigned_to`], in any case.
    pub assigned_to: Option<String>,
    /// See [`Ticket::kind`].
    pub kind: Option<Kind>,
    /// See [`Ticket::priority`].
    pub priority: Option<Priority>,
}

const BY_ID: &str = concat!(
    "SELECT ",
    ticket_columns!(),
    " FROM tickets WHERE id = $1 AND project_id = $2"
);
const CHILDREN: &str = "
    SELECT id, parent_ticket_id FROM tickets
    WHERE project_id = $1 AND parent_ticket_id IS NOT NULL ORDER BY created_at, id";

impl Projects {
    /// The tickets that the filter wants, newest first.
    ///
    /// # Errors
    /// As [`Projects::open_for`].
    pub async fn tickets(
        &self,
        actor: &Actor,
        project: &str,
        filter: &TicketFilter,
    ) -> Result<Vec<TicketView>> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        let tickets: Vec<Ticket> = with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(concat!(
                "SELECT ",
                ticket_columns!(),
                " FROM tickets WHERE project_id = "
            ));
            builder.push_bind(project.to_owned());
            if let Some(status) = filter.status {
                builder.push(" AND status = ").push_bind(status.name());
            }
            if let Some(kind) = filter.kind {
                builder.push(" AND kind = ").push_bind(kind.name());
            }
            if let Some(priority) = filter.priority {
                builder.push(" AND priority = ").push_bind(priority.name());
            }
            if let Some(persona) = &filter.assigned_to {
                // SQLite changes the case of ASCII letters alone.
                builder
                    .push(" AND (LOWER(assigned_to) = ")
                    .push_bind(persona.to_lowercase())
                    .push(" OR assigned_to = ")
                    .push_bind(persona.clone())
                    .push(")");
            }
            builder.push(" ORDER BY created_at DESC, id");
            builder.build_query_as().fetch_all(conn).await
        })?;
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut depends_on: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (ticket, target) in self.all_dependencies(project).await? {
            depends_on.entry(ticket.clone()).or_default().push(target.clone());
            dependents.entry(target).or_default().push(ticket);
        }
        let hanging: Vec<(String, String)> = with_reader!(self.db, |conn| sqlx::query_as(CHILDREN)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (child, parent) in hanging {
            children.entry(parent).or_default().push(child);
        }
        Ok(tickets
            .into_iter()
            .map(|ticket| TicketView {
                depends_on: depends_on.remove(&ticket.id).unwrap_or_default(),
                dependents: dependents.remove(&ticket.id).unwrap_or_default(),
                children: children.remove(&ticket.id).unwrap_or_default(),
                ticket,
            })
            .collect())
    }

    /// One ticket.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`].
    pub async fn ticket(&self, actor: &Actor, project: &str, id: &str) -> Result<TicketView> {
        self.open_for(actor, project, Level::Read, Feature::AgentTickets)
            .await?;
        let ticket = self.find_ticket(project, id).await?;
        self.view_ticket(ticket).await
    }

    pub(crate) async fn find_ticket(&self, project: &str, id: &str) -> Result<Ticket> {
        let ticket: Option<Ticket> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        ticket.ok_or(Error::NotFound { kind: "Ticket" })
    }

    /// What a `kb_entry`, `wiki_page`, `ticket` or `persona` of the project is called, when it has one of
    /// this identifier: for handoffs, which carry such things along.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn part(&self, project: &str, kind: &str, id: &str) -> Result<Option<String>> {
        let found = match kind {
            "ticket" => self.find_ticket(project, id).await.map(|ticket| ticket.title),
            "persona" => {
                return Ok(self
                    .find_persona(project, id, false)
                    .await?
                    .map(|persona| persona.name));
            }
            "kb_entry" => match id.parse() {
                Ok(number) => self.find_entry(project, number).await.map(|entry| entry.content),
                Err(_) => return Ok(None),
            },
            "wiki_page" => self.page_title(project, id).await,
            _ => return Ok(None),
        };
        match found {
            Ok(name) => Ok(Some(name)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The present lease of a ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_lease(&self, project: &str, id: &str) -> Result<Option<i64>> {
        match self.find_ticket(project, id).await {
            Ok(ticket) => Ok(Some(ticket.lease_epoch)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
