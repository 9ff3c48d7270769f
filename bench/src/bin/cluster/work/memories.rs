//! Memories, each sent under one name until it is acknowledged, and there once.

use std::collections::BTreeMap;

use pentad_bench::client::Client;
use serde_json::json;

use super::{Worker, name, read};
use crate::ledger::{Ledger, Outcome};

pub struct Memories {
    client: Client,
    tenant: String,
    acknowledged: u64,
}

impl Memories {
    pub fn new(client: Client, number: u64) -> Self {
        Self {
            client,
            tenant: name(&format!("cluster-{number}")),
            acknowledged: 0,
        }
    }
}

impl Worker for Memories {
    fn step(&mut self, ledger: &Ledger) {
        let number = self.acknowledged;
        let body = json!({"content": format!("Parcel {number} weighs {} grams.", 100 + number),
                          "tenant_id": self.tenant, "auto_supersede": false});
        // Headers follow each other: the name of the request stands behind the content type.
        let headers = format!("application/json\r\nIdempotency-Key: {}-{number}", self.tenant);
        let request = ("POST", "/agent/memories");
        let body = body.to_string();
        if let Outcome::Taken(_) = ledger.send(
            "memories: add",
            &mut self.client,
            request,
            &headers,
            body.as_bytes(),
        ) {
            self.acknowledged += 1;
        }
    }

    fn audit(&mut self) -> Vec<String> {
        let mut found = BTreeMap::<String, u64>::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/agent/memories?limit=500&tenant_id={}{cursor}", self.tenant);
            let page = match read(&mut self.client, &path) {
                Ok(answer) => answer.json(),
                Err(_) if self.acknowledged == 0 => return Vec::new(),
                Err(problem) => return vec![problem],
            };
            for memory in page["memories"].as_array().into_iter().flatten() {
                let text = memory["content"]
                    .as_str()
                    .or(memory["decision"].as_str())
                    .unwrap_or_default();
                *found.entry(text.to_owned()).or_default() += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        (0..self.acknowledged)
            .filter_map(|number| {
                let text = format!("Parcel {number} weighs {} grams.", 100 + number);
                match found.get(&text).copied().unwrap_or(0) {
                    1 => None,
                    times => Some(format!(
                        "memory {number} of {} is there {times} times",
                        self.tenant
                    )),
                }
            })
            .collect()
    }
}
