//! Tickets that several start at once: one of them wins.

use pentad_bench::client::Client;
use serde_json::json;

use super::{Worker, name};
use crate::ledger::{Ledger, Outcome};

const CALLERS: usize = 3;

pub struct Tickets {
    client: Client,
    callers: Vec<Client>,
    project: Option<String>,
}

impl Tickets {
    pub fn new(client: Client, caller: impl Fn() -> Client) -> Self {
        Self {
            client,
            callers: (0..CALLERS).map(|_| caller()).collect(),
            project: None,
        }
    }
}

impl Worker for Tickets {
    fn step(&mut self, ledger: &Ledger) {
        let Some(project) = self.project.clone() else {
            let remote = format!("acme/{}", name("cluster"));
            let body = json!({"name": "Cluster", "git_remote_normalized": remote});
            let made = ledger.json(
                "projects: create",
                &mut self.client,
                ("POST", "/api/v1/projects"),
                &body,
            );
            if let Outcome::Taken(answer) = made {
                self.project = answer.json()["id"].as_str().map(str::to_owned);
            }
            return;
        };
        let tickets = format!("/api/v1/projects/{project}/tickets");
        let body = json!({"title": name("ticket"), "description": "Somebody has to do it."});
        let Outcome::Taken(made) =
            ledger.json("tickets: create", &mut self.client, ("POST", &tickets), &body)
        else {
            return;
        };
        let made = made.json();
        let Some(id) = made["id"].as_str() else {
            return ledger.complain(format!("a ticket without an id: {made}"));
        };
        let start = format!("{tickets}/{id}/start");
        let statuses: Vec<Option<u16>> = std::thread::scope(|scope| {
            let started: Vec<_> = self
                .callers
                .iter_mut()
                .map(|caller| {
                    scope.spawn(|| {
                        caller
                            .post_json(&start, &json!({}))
                            .ok()
                            .map(|answer| answer.status)
                    })
                })
                .collect();
            started
                .into_iter()
                .map(|caller| caller.join().expect("a caller"))
                .collect()
        });
        let count = |wanted| statuses.iter().filter(|status| **status == Some(wanted)).count();
        let (won, lost) = (count(200), count(409));
        // Of those who know it, one has won; nobody may know it.
        if won > 1 || (lost == CALLERS) || (won == 0 && lost + 1 > CALLERS) {
            ledger.complain(format!("{id}: {statuses:?}"));
        }
    }

    fn audit(&mut self) -> Vec<String> {
        Vec::new()
    }
}
