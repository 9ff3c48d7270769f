//! What was answered to the load.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pentad_bench::client::{Answer, Client};

/// What is known of a request.
pub enum Outcome {
    /// It was taken.
    Taken(Answer),
    /// It may have been: the answer was lost, or said to come back.
    Unknown,
    /// The answer was neither.
    Wrong,
}

#[derive(Default)]
struct Count {
    taken: u64,
    unknown: u64,
}

/// Answers by kind of request, and those that no contract has.
#[derive(Default)]
pub struct Ledger {
    counts: Mutex<BTreeMap<&'static str, Count>>,
    wrong: Mutex<Vec<String>>,
    times: Mutex<Vec<Duration>>,
}

impl Ledger {
    /// Sends a request and notes what became of it.
    pub fn send(
        &self,
        kind: &'static str,
        client: &mut Client,
        (method, path): (&str, &str),
        content_type: &str,
        body: &[u8],
    ) -> Outcome {
        let begun = Instant::now();
        let answer = client.send(method, path, content_type, body);
        self.times.lock().expect("a lock").push(begun.elapsed());
        let mut counts = self.counts.lock().expect("a lock");
        let count = counts.entry(kind).or_default();
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                count.taken += 1;
                Outcome::Taken(answer)
            }
            // Come back, said by a gateway or by what stands in front of them.
            Ok(answer) if matches!(answer.status, 429 | 502 | 503) => {
                count.unknown += 1;
                Outcome::Unknown
            }
            Err(_) => {
                count.unknown += 1;
                Outcome::Unknown
            }
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body)
                    .chars()
                    .take(300)
                    .collect::<String>();
                self.complain(format!("{kind}: {method} {path}: {} {body}", answer.status));
                Outcome::Wrong
            }
        }
    }

    pub fn json(
        &self,
        kind: &'static str,
        client: &mut Client,
        request: (&str, &str),
        body: &serde_json::Value,
    ) -> Outcome {
        self.send(
            kind,
            client,
            request,
            "application/json",
            body.to_string().as_bytes(),
        )
    }

    pub fn complain(&self, problem: String) {
        self.wrong.lock().expect("a lock").push(problem);
    }

    /// How many requests there were, and how long half of them and all but one in a hundred took at most.
    pub fn times(&self) -> (usize, Duration, Duration) {
        let mut times = self.times.lock().expect("a lock").clone();
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        (times.len(), at(50), at(99))
    }

    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().expect("a lock").clone()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "requests taken, and those that may have been:")?;
        for (kind, count) in &*self.counts.lock().expect("a lock") {
            write!(f, "\n  {kind:<24} {:>7} {:>7}", count.taken, count.unknown)?;
        }
        Ok(())
    }
}
