//! How much processor time processes have used.

use std::fs;
use std::time::Duration;

/// Ticks in a second: what Linux tells user programs on every architecture.
const TICKS: f64 = 100.0;

/// What a process and its descendants have used, in user and kernel mode.
pub fn time(process: u32) -> Duration {
    let mut total = 0.0;
    let stats: Vec<(u32, u32, f64)> = fs::read_dir("/proc")
        .expect("Linux has /proc")
        .flatten()
        .filter_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name is in parentheses and may hold anything.
            let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
            let parent = fields.get(1)?.parse().ok()?;
            Some((process, parent, (number(11)? + number(12)?) / TICKS))
        })
        .collect();
    let mut family = vec![process];
    while let Some(member) = family.pop() {
        for (process, parent, seconds) in &stats {
            if *process == member {
                total += seconds;
            }
            if *parent == member {
                family.push(*process);
            }
        }
    }
    Duration::from_secs_f64(total)
}
