//! Grep sessions: every answer is that of all files that were acknowledged.

use pentad_bench::client::Client;
use pentad_bench::form;

use super::{Worker, delete, read};
use crate::ledger::{Ledger, Outcome};

/// Files after which a new session is begun.
const FILES: u64 = 25;

pub struct Grep {
    client: Client,
    storage: &'static str,
    /// Path and number of files of each session; the last one grows.
    sessions: Vec<(String, u64)>,
}

impl Grep {
    pub fn new(client: Client, storage: &'static str) -> Self {
        Self {
            client,
            storage,
            sessions: Vec::new(),
        }
    }

    fn create(&mut self, ledger: &Ledger) {
        let fields = [("storage", self.storage), ("ttl_minutes", "60")];
        let body = form::form(&fields, &[file(0)]);
        let request = ("POST", "/api/v1/sessions");
        if let Outcome::Taken(answer) =
            ledger.send("grep: open", &mut self.client, request, form::CONTENT_TYPE, &body)
        {
            let id = answer.json()["id"].as_str().expect("an id").to_owned();
            self.sessions.push((format!("/api/v1/sessions/{id}"), 1));
        }
    }
}

fn file(number: u64) -> (String, Vec<u8>) {
    (
        format!("file-{number:04}.txt"),
        format!("common word and number {number}\n").into_bytes(),
    )
}

impl Worker for Grep {
    fn step(&mut self, ledger: &Ledger) {
        let Some((session, files)) = self.sessions.last().cloned().filter(|(_, files)| *files < FILES) else {
            return self.create(ledger);
        };
        // The same file until it is acknowledged: it replaces itself.
        let body = form::form(&[], &[file(files)]);
        let request = ("PUT", format!("{session}/append"));
        let request = (request.0, request.1.as_str());
        let appended = ledger.send(
            "grep: append",
            &mut self.client,
            request,
            form::CONTENT_TYPE,
            &body,
        );
        if let Outcome::Taken(_) = appended {
            self.sessions.last_mut().expect("a session").1 += 1;
        }
        let known = self.sessions.last().expect("a session").1;
        let search = format!("{session}/grep?query=common&limit=1");
        if let Outcome::Taken(answer) =
            ledger.send("grep: search", &mut self.client, ("GET", &search), "", &[])
        {
            let total = answer.json()["total"].as_u64().unwrap_or(0);
            if total < known || total > known + 1 {
                ledger.complain(format!("{session}: {total} files found, {known} acknowledged"));
            }
        }
    }

    fn audit(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for (session, files) in &self.sessions {
            match read(&mut self.client, &format!("{session}/grep?query=common&limit=1")) {
                Ok(answer) => {
                    let total = answer.json()["total"].as_u64().unwrap_or(0);
                    if total < *files || total > files + 1 {
                        problems.push(format!("{session}: {total} files found, {files} acknowledged"));
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    fn delete(&mut self) -> Vec<String> {
        let paths = self
            .sessions
            .iter()
            .map(|(session, _)| format!("{session}?permanently=true"));
        paths.filter_map(|path| delete(&mut self.client, &path)).collect()
    }
}
