//! Rows of SQL, pairs and objects.

use std::collections::{BTreeMap, BTreeSet};

use pentad_bench::client::Client;
use serde_json::json;

use super::{Once, Worker, delete, name, read};
use crate::ledger::{Ledger, Outcome};

pub struct Storage {
    client: Client,
    namespace: String,
    has_table: bool,
    rows: Once,
    pairs: u64,
    objects: BTreeSet<u64>,
    next_object: u64,
}

impl Storage {
    pub fn new(client: Client, number: u64) -> Self {
        Self {
            client,
            namespace: name(&format!("cluster-{number}")),
            has_table: false,
            rows: Once::default(),
            pairs: 0,
            objects: BTreeSet::new(),
            next_object: 0,
        }
    }

    fn exec(&mut self, ledger: &Ledger, kind: &'static str, sql: &str, params: &[u64]) -> Outcome {
        let path = format!("/api/storage/d1/{}/exec", self.namespace);
        let body = json!({"sql": sql, "params": params});
        ledger.json(kind, &mut self.client, ("POST", &path), &body)
    }
}

fn content(number: u64) -> Vec<u8> {
    format!("object {number} ")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(100_000)
        .collect()
}

impl Worker for Storage {
    fn step(&mut self, ledger: &Ledger) {
        if !self.has_table {
            let made = self.exec(
                ledger,
                "d1: table",
                "CREATE TABLE IF NOT EXISTS t (n INTEGER)",
                &[],
            );
            self.has_table = matches!(made, Outcome::Taken(_));
            return;
        }
        let row = self.rows.next();
        if let Outcome::Taken(_) = self.exec(ledger, "d1: insert", "INSERT INTO t (n) VALUES (?)", &[row]) {
            self.rows.taken.insert(row);
        }
        let path = format!("/api/storage/kv/{}/key-{}", self.namespace, self.pairs);
        let body = json!({"value": format!("value {}", self.pairs)});
        if let Outcome::Taken(_) = ledger.json("kv: put", &mut self.client, ("PUT", &path), &body) {
            self.pairs += 1;
        }
        let object = self.next_object;
        self.next_object += 1;
        let path = format!("/api/storage/r2/{}/object-{object}", self.namespace);
        let stored = ledger.send(
            "r2: put",
            &mut self.client,
            ("PUT", &path),
            "application/octet-stream",
            &content(object),
        );
        if let Outcome::Taken(_) = stored {
            self.objects.insert(object);
        }
    }

    fn audit(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        let namespace = &self.namespace;
        if self.has_table {
            let path = format!("/api/storage/d1/{namespace}/query");
            let body = json!({"sql": "SELECT n, COUNT(*) AS times FROM t GROUP BY n"});
            match self.client.post_json(&path, &body) {
                Ok(answer) if answer.status == 200 => {
                    let rows = answer.json()["results"].as_array().cloned().unwrap_or_default();
                    let pair = |row: &serde_json::Value| Some((row["n"].as_u64()?, row["times"].as_u64()?));
                    let found: BTreeMap<u64, u64> = rows.iter().filter_map(pair).collect();
                    problems.extend(self.rows.audit(&format!("{namespace}: row"), &found));
                }
                other => problems.push(format!("{path}: {other:?}")),
            }
        }
        for number in 0..self.pairs {
            let path = format!("/api/storage/kv/{namespace}/key-{number}");
            match read(&mut self.client, &path) {
                Ok(answer) if answer.json()["value"] == format!("value {number}") => {}
                Ok(answer) => problems.push(format!("{path}: {}", answer.json())),
                Err(problem) => problems.push(problem),
            }
        }
        for &number in &self.objects {
            let path = format!("/api/storage/r2/{namespace}/object-{number}");
            // A header in place of the content type, which a request without a body has none of.
            match self.client.send(
                "GET",
                &path,
                "text/plain\r\nAccept: application/octet-stream",
                &[],
            ) {
                Ok(answer) if answer.status == 200 && answer.body == content(number) => {}
                Ok(answer) => problems.push(format!(
                    "{path}: {} with {} bytes",
                    answer.status,
                    answer.body.len()
                )),
                Err(error) => problems.push(format!("{path}: {error}")),
            }
        }
        problems
    }

    fn delete(&mut self) -> Vec<String> {
        // Also those that may have been stored.
        let paths =
            (0..self.next_object).map(|number| format!("/api/storage/r2/{}/object-{number}", self.namespace));
        paths.filter_map(|path| delete(&mut self.client, &path)).collect()
    }
}
