//! The load: each worker does one kind of thing again and again, remembers what was acknowledged, and says at the
//! end what is not as it should be.

mod grep;
mod memories;
mod programs;
mod runs;
mod sessions;
mod storage;
mod tickets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pentad_bench::client::{Answer, Client};

use crate::gateways::Gateways;
use crate::ledger::Ledger;

pub trait Worker: Send {
    /// Does the next thing.
    fn step(&mut self, ledger: &Ledger);
    /// What is lost, twice, or wrong, once everything works again.
    fn audit(&mut self) -> Vec<String>;
    /// Deletes what it made, as far as that has objects and can be deleted for good. What went wrong.
    fn delete(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Workers over all surfaces.
pub fn all(gateways: &Arc<Gateways>, base: &str) -> Vec<Box<dyn Worker>> {
    let client = || Client::new(base.trim_start_matches("http://"), &gateways.key);
    let mut workers: Vec<Box<dyn Worker>> = Vec::new();
    for storage in ["memory", "s3"] {
        workers.push(Box::new(grep::Grep::new(client(), storage)));
    }
    for number in 0..2 {
        workers.push(Box::new(memories::Memories::new(client(), number)));
        workers.push(Box::new(runs::Runs::new(client(), number)));
        workers.push(Box::new(storage::Storage::new(client(), number)));
        workers.push(Box::new(sessions::Sessions::new(client(), number)));
        workers.push(Box::new(programs::Programs::new(client())));
    }
    workers.push(Box::new(tickets::Tickets::new(client(), client)));
    workers
}

/// Lets workers work, each on a thread of its own and with a pause after each thing, as long as something else takes.
pub fn during<T>(
    workers: Vec<Box<dyn Worker>>,
    ledger: &Ledger,
    pause: Duration,
    meanwhile: impl FnOnce() -> T,
) -> (Vec<Box<dyn Worker>>, T) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        worker.step(ledger);
                        std::thread::sleep(pause);
                    }
                    worker
                })
            })
            .collect();
        let result = meanwhile();
        over.store(true, Ordering::Relaxed);
        let workers = working.into_iter().map(|worker| worker.join().expect("a worker"));
        (workers.collect(), result)
    })
}

/// Numbers that were sent once each.
#[derive(Default)]
struct Once {
    next: u64,
    taken: BTreeSet<u64>,
}

impl Once {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Compares with how often each was found: what was acknowledged once, what may have been at most once.
    fn audit(&self, what: &str, found: &BTreeMap<u64, u64>) -> Vec<String> {
        (0..self.next)
            .filter_map(|number| match found.get(&number).copied().unwrap_or(0) {
                0 if self.taken.contains(&number) => Some(format!("{what} {number} is lost")),
                0 | 1 => None,
                times => Some(format!("{what} {number} is there {times} times")),
            })
            .collect()
    }
}

/// Reads something that has to be there now.
fn read(client: &mut Client, path: &str) -> Result<Answer, String> {
    match client.get(path) {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(format!(
            "{path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// Deletes something; what went wrong.
fn delete(client: &mut Client, path: &str) -> Option<String> {
    match client.delete(path) {
        Ok(answer) if (200..300).contains(&answer.status) => None,
        other => Some(format!("DELETE {path}: {other:?}")),
    }
}

/// A name that nothing else has.
fn name(prefix: &str) -> String {
    format!("{prefix}-{:016x}", rand::random::<u64>())
}
