//! Load over all surfaces for a long time, and what it leaves behind.
//!
//! Each minute has workers of its own; what they made is looked through and deleted before the next begins, so that
//! what is kept is the same at every minute's end, and whatever grows is a leak.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::balancer::Balancer;
use crate::gateways::Gateways;
use crate::ledger::Ledger;
use crate::work;

const MINUTE: Duration = Duration::from_secs(60);
/// Between two things that one worker does.
const PAUSE: Duration = Duration::from_millis(20);
/// What a gateway may hold more at the end than when a quarter of the time was over, where caches still fill: this
/// part of its memory, and so many more of the others.
const MEMORY_PART: usize = 7;
const MORE_DESCRIPTORS: usize = 16;
const MORE_PROCESSES: usize = 4;

/// What one gateway holds.
#[derive(Clone, Copy)]
struct Held {
    /// Resident memory of its own process.
    kilobytes: usize,
    descriptors: usize,
    /// Itself, its helper and sandboxes.
    processes: usize,
}

/// Prints a line a minute; what went wrong.
pub fn endure(gateways: &Arc<Gateways>, balancer: &Balancer, minutes: u32) -> Vec<String> {
    let mut problems = Vec::new();
    let mut laps: Vec<Vec<Held>> = Vec::new();
    println!("| minute | requests | p50 | p99 | memory of each gateway, MB | descriptors | processes |");
    println!("|---|---|---|---|---|---|---|");
    for minute in 1..=minutes {
        let ledger = Ledger::default();
        let workers = work::all(gateways, &balancer.base());
        let (mut workers, ()) = work::during(workers, &ledger, PAUSE, || std::thread::sleep(MINUTE));
        problems.extend(ledger.wrong());
        for worker in &mut workers {
            problems.extend(worker.audit());
            problems.extend(worker.delete());
        }
        let held: Vec<Held> = gateways.processes().into_iter().map(held).collect();
        let (requests, p50, p99) = ledger.times();
        let each = |of: fn(&Held) -> usize| {
            let numbers: Vec<String> = held.iter().map(|held| of(held).to_string()).collect();
            numbers.join(", ")
        };
        println!(
            "| {minute} | {requests} | {:.1} ms | {:.1} ms | {} | {} | {} |",
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
            each(|held| held.kilobytes / 1000),
            each(|held| held.descriptors),
            each(|held| held.processes),
        );
        laps.push(held);
    }
    let (Some(early), Some(late)) = (laps.get(laps.len() / 4), laps.last()) else {
        return problems;
    };
    for (number, (early, late)) in early.iter().zip(late).enumerate() {
        problems.extend(late.grown(early).map(|what| format!("gateway {number}: {what}")));
    }
    problems
}

impl Held {
    /// What is more than it was.
    fn grown(self, early: &Self) -> impl Iterator<Item = String> {
        let more = |what: &str, before: usize, now: usize, allowed: usize| {
            (now > before + allowed).then(|| format!("{before} {what}, and {now} at the end"))
        };
        let (before, now) = (early.kilobytes, self.kilobytes);
        [
            more("kB of memory", before, now, before / MEMORY_PART),
            more(
                "descriptors",
                early.descriptors,
                self.descriptors,
                MORE_DESCRIPTORS,
            ),
            more("processes", early.processes, self.processes, MORE_PROCESSES),
        ]
        .into_iter()
        .flatten()
    }
}

fn held(process: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
    Held {
        kilobytes: kilobytes.unwrap_or_default(),
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count),
        processes: family(process),
    }
}

/// A process and all below it.
fn family(process: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let children = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            let numbers = children.split_whitespace().filter_map(|child| child.parse().ok());
            numbers.collect::<Vec<u32>>()
        });
    1 + children.map(family).sum::<usize>()
}
