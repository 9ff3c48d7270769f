//! Pushes of one session: what is pulled is what was acknowledged last, or what was sent after it.

use flate2::Compression;
use flate2::write::GzEncoder;
use pentad_bench::client::Client;
use pentad_bench::form;
use serde_json::json;

use super::{Worker, read};
use crate::ledger::{Ledger, Outcome};

pub struct Sessions {
    client: Client,
    id: String,
    /// What may be there now; the first is acknowledged unless nothing is yet.
    possible: Vec<Vec<u8>>,
    acknowledged: bool,
    next: u64,
}

impl Sessions {
    pub fn new(client: Client, _: u64) -> Self {
        Self {
            client,
            id: format!("ses_{:016x}", rand::random::<u64>()),
            possible: Vec::new(),
            acknowledged: false,
            next: 0,
        }
    }

    fn path(&self) -> String {
        format!("/api/v1/sessions/{}/sync", self.id)
    }
}

fn archive(number: u64) -> Vec<u8> {
    let manifest = json!({"title": format!("Push {number}"), "source": {"tool": "codex"}}).to_string();
    let message = json!({"role": "user", "content": format!("quokka number {number}")}).to_string();
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [
        ("manifest.json", manifest),
        ("messages.jsonl", format!("{message}\n")),
        ("workspace.json", "{}".to_owned()),
        ("tools.json", "{}".to_owned()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .expect("a file in memory");
    }
    builder
        .into_inner()
        .and_then(GzEncoder::finish)
        .expect("an archive in memory")
}

impl Worker for Sessions {
    fn step(&mut self, ledger: &Ledger) {
        let pushed = archive(self.next);
        self.next += 1;
        let body = form::file("file", "session.tar.gz", &pushed);
        let path = self.path();
        match ledger.send(
            "sync: push",
            &mut self.client,
            ("PUT", &path),
            form::CONTENT_TYPE,
            &body,
        ) {
            Outcome::Taken(_) => {
                self.possible = vec![pushed];
                self.acknowledged = true;
            }
            Outcome::Unknown => self.possible.push(pushed),
            Outcome::Wrong => {}
        }
        if self.acknowledged
            && let Outcome::Taken(answer) =
                ledger.send("sync: pull", &mut self.client, ("GET", &path), "", &[])
            && !self.possible.contains(&answer.body)
        {
            ledger.complain(format!(
                "{}: what is pulled is none of what may be there",
                self.id
            ));
        }
    }

    fn audit(&mut self) -> Vec<String> {
        if !self.acknowledged {
            return vec![format!("{} was never pushed", self.id)];
        }
        let path = self.path();
        match read(&mut self.client, &path) {
            Ok(answer) if self.possible.contains(&answer.body) => Vec::new(),
            Ok(_) => vec![format!("{path}: what is pulled is none of what may be there")],
            Err(problem) => vec![problem],
        }
    }
}
