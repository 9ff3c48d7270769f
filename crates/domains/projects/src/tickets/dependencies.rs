//! What has to be done before what.

use std::collections::{BTreeMap, BTreeSet};

use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::{Error, Projects, Result, TicketView};

use super::model::Ticket;

const OF_PROJECT: &str = "
    SELECT ticket_id, depends_on_id FROM ticket_dependencies JOIN tickets ON tickets.id = ticket_id
    WHERE project_id = $1";
/// What a ticket waits for, what waits for it, and what it was split into, each in its own order.
const RELATED: &str = "
    SELECT 'before' AS how, depends_on_id AS id, position, CAST('' AS TEXT) AS tie
        FROM ticket_dependencies WHERE ticket_id = $1
    UNION ALL SELECT 'after', ticket_id, tickets.created_at, ticket_id
        FROM ticket_dependencies JOIN tickets ON tickets.id = ticket_id WHERE depends_on_id = $1
    UNION ALL SELECT 'child', id, created_at, id FROM tickets WHERE parent_ticket_id = $1
    ORDER BY position, tie";
const IN_PROJECT: &str = "SELECT 1 FROM tickets WHERE id = $1 AND project_id = $2";
const DELETE: &str = "DELETE FROM ticket_dependencies WHERE ticket_id = $1";
const INSERT: &str =
    "INSERT INTO ticket_dependencies (ticket_id, depends_on_id, position) VALUES ($1, $2, $3)";

/// The list without its repetitions, in its order.
pub(crate) fn without_repetitions(list: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    list.iter()
        .filter(|item| seen.insert(item.as_str()))
        .cloned()
        .collect()
}

/// Whether `ticket` would wait for itself if it depended on `targets`: a pure function.
pub(crate) fn makes_cycle(edges: &[(String, String)], ticket: &str, targets: &[String]) -> bool {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.iter().filter(|(from, _)| from != ticket) {
        next.entry(from).or_default().push(to);
    }
    let mut open: Vec<&str> = targets.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        if node == ticket {
            return true;
        }
        if seen.insert(node) {
            open.extend(next.get(node).into_iter().flatten());
        }
    }
    false
}

impl Projects {
    /// Replaces what the ticket depends on. The transaction has taken the project's turn, so that two
    /// changes cannot close a cycle between them.
    pub(super) async fn replace_dependencies(
        &self,
        tx: &mut Tx,
        project: &str,
        ticket: &str,
        targets: &[String],
    ) -> Result<()> {
        for target in targets {
            let known: Option<i32> = with_tx!(*tx, |conn| sqlx::query_scalar(IN_PROJECT)
                .bind(target)
                .bind(project)
                .fetch_optional(conn)
                .await)?;
            if known.is_none() {
                return Err(Error::Senseless(format!(
                    "depends_on: {target} is an unknown or cross-project ticket"
                )));
            }
        }
        let edges: Vec<(String, String)> = with_tx!(*tx, |conn| sqlx::query_as(OF_PROJECT)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        if makes_cycle(&edges, ticket, targets) {
            return Err(Error::Senseless(
                "depends_on: the ticket would wait for itself".to_owned(),
            ));
        }
        with_tx!(*tx, |conn| sqlx::query(DELETE)
            .bind(ticket)
            .execute(conn)
            .await
            .map(affected))?;
        for (target, position) in targets.iter().zip(0_i64..) {
            with_tx!(*tx, |conn| sqlx::query(INSERT)
                .bind(ticket)
                .bind(target)
                .bind(position)
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(())
    }

    pub(crate) async fn view_ticket(&self, ticket: Ticket) -> Result<TicketView> {
        let related: Vec<(String, String, i64, String)> =
            with_reader!(self.db, |conn| sqlx::query_as(RELATED)
                .bind(&ticket.id)
                .fetch_all(conn)
                .await)?;
        let mut view = TicketView {
            ticket,
            depends_on: Vec::new(),
            dependents: Vec::new(),
            children: Vec::new(),
        };
        for (how, id, ..) in related {
            match how.as_str() {
                "before" => view.depends_on.push(id),
                "after" => view.dependents.push(id),
                _ => view.children.push(id),
            }
        }
        Ok(view)
    }

    /// Every dependency between tickets of the project: who waits, and for whom.
    pub(super) async fn all_dependencies(&self, project: &str) -> Result<Vec<(String, String)>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(OF_PROJECT)
            .bind(project)
            .fetch_all(conn)
            .await)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_ticket_never_waits_for_itself() {
        let edges = [edge("b", "a"), edge("c", "b")];
        assert!(makes_cycle(&edges, "a", &["c".to_owned()]));
        assert!(makes_cycle(&edges, "a", &["a".to_owned()]));
        assert!(!makes_cycle(&edges, "c", &["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn what_a_change_replaces_is_not_held_against_it() {
        let edges = [edge("a", "b"), edge("b", "c")];
        assert!(!makes_cycle(&edges, "a", &["c".to_owned()]));
    }
}
