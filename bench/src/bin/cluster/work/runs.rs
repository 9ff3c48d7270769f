//! Events and log lines of runs: there once, and in the order in which they were acknowledged.

use std::collections::BTreeMap;

use pentad_bench::client::Client;
use serde_json::json;

use super::{Once, Worker, delete, name, read};
use crate::ledger::{Ledger, Outcome};

pub struct Runs {
    client: Client,
    run: String,
    events: Once,
    lines: Once,
}

impl Runs {
    pub fn new(client: Client, number: u64) -> Self {
        Self {
            client,
            run: name(&format!("cluster-{number}")),
            events: Once::default(),
            lines: Once::default(),
        }
    }
}

impl Worker for Runs {
    fn step(&mut self, ledger: &Ledger) {
        let event = self.events.next();
        // Events are read back in the order of their times.
        let at = format!("2026-05-19T00:00:00.{event:06}Z");
        let body = json!({"step_index": 0, "events": [{"ts": at, "layer": "planner", "kind": "info",
                          "summary": format!("number {event} end")}]});
        let path = format!("/api/v1/runs/{}/events", self.run);
        if let Outcome::Taken(_) = ledger.json("runs: event", &mut self.client, ("POST", &path), &body) {
            self.events.taken.insert(event);
        }
        let line = self.lines.next();
        let body = json!({"text": format!("number {line} end\n")});
        let path = format!("/api/v1/runs/{}/logs", self.run);
        if let Outcome::Taken(_) = ledger.json("runs: log", &mut self.client, ("POST", &path), &body) {
            self.lines.taken.insert(line);
        }
    }

    fn audit(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for (file, once) in [("events/0000.jsonl", &self.events), ("logs/run.log", &self.lines)] {
            if once.taken.is_empty() {
                continue;
            }
            let path = format!("/api/v1/runs/{}/{file}", self.run);
            let text = match read(&mut self.client, &path) {
                Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let (mut found, mut last) = (BTreeMap::new(), None);
            for line in text.lines() {
                let number = line
                    .split_once("number ")
                    .and_then(|(_, rest)| rest.split_once(" end"));
                let number: u64 = match number.and_then(|(number, _)| number.parse().ok()) {
                    Some(number) => number,
                    None => {
                        problems.push(format!("{path}: a line that nobody sent: {line}"));
                        continue;
                    }
                };
                *found.entry(number).or_default() += 1;
                if once.taken.contains(&number) {
                    if last > Some(number) {
                        problems.push(format!("{path}: {number} stands behind {last:?}"));
                    }
                    last = Some(number);
                }
            }
            problems.extend(once.audit(&path, &found));
        }
        problems
    }

    fn delete(&mut self) -> Vec<String> {
        let path = format!("/api/v1/runs/{}", self.run);
        delete(&mut self.client, &path).into_iter().collect()
    }
}
