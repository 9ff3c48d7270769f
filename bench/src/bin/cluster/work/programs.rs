//! Programs of one session, sent by several at once: each finds what the one before has left.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pentad_bench::client::Client;
use serde_json::json;

use super::Worker;
use crate::ledger::{Ledger, Outcome};

const CODE: &str = "import pathlib\nf = pathlib.Path('count')\nn = int(f.read_text()) if f.exists() else 0\n\
                    f.write_text(str(n + 1))\nprint(n)";

/// What runs have printed, of all workers.
static PRINTED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

pub struct Programs {
    client: Client,
    is_there: bool,
    last: Option<u64>,
}

impl Programs {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            is_there: false,
            last: None,
        }
    }
}

impl Worker for Programs {
    fn step(&mut self, ledger: &Ledger) {
        if !self.is_there {
            let body = json!({"language": "python", "session_id": "cluster-count"});
            let made = self.client.post_json("/api/sessions", &body);
            self.is_there = made.is_ok_and(|answer| matches!(answer.status, 200 | 201 | 409));
            return;
        }
        let request = ("POST", "/api/sessions/cluster-count/run");
        let Outcome::Taken(answer) =
            ledger.json("exec: run", &mut self.client, request, &json!({"code": CODE}))
        else {
            return;
        };
        let run = answer.json();
        let Some(number) = run["stdout"]
            .as_str()
            .and_then(|text| text.trim().parse::<u64>().ok())
        else {
            return ledger.complain(format!("a run printed no number: {run}"));
        };
        if !PRINTED.lock().expect("a lock").insert(number) {
            ledger.complain(format!("two runs found the same file: {number}"));
        }
        if self.last.is_some_and(|last| number <= last) {
            ledger.complain(format!(
                "a run found less than one before it: {number}, {:?}",
                self.last
            ));
        }
        self.last = Some(number);
    }

    fn audit(&mut self) -> Vec<String> {
        let most = PRINTED.lock().expect("a lock").last().copied();
        let Some(most) = most else {
            return vec!["no program ever ran".to_owned()];
        };
        let answer = self
            .client
            .post_json("/api/sessions/cluster-count/run", &json!({"code": CODE}));
        let run = answer.map(|answer| answer.json()).unwrap_or_default();
        let number = run["stdout"]
            .as_str()
            .and_then(|text| text.trim().parse::<u64>().ok());
        if number.is_some_and(|number| PRINTED.lock().expect("a lock").insert(number) && number > most) {
            return Vec::new();
        }
        vec![format!("after {most} acknowledged runs, one finds {run}")]
    }
}
