//! Memory and number of a sandbox's processes as seen from outside, where no cgroup counts them.

use std::fs;

/// What a walk over the tree found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TreeUsage {
    /// Resident memory that is not backed by files, in bytes; pages shared after `fork` are counted in every
    /// process.
    pub(crate) resident_bytes: u64,
    /// What the kernel holds for them, in bytes: their page tables, and as much as their sockets can take.
    pub(crate) kernel_bytes: u64,
    /// Processes and threads, without process 1 of the sandbox.
    pub(crate) tasks: u32,
}

/// Most processes looked at in one walk, far above any process limit in use.
const LONGEST_WALK: usize = 4096;

/// What one socket may hold: the kernel's own `net.core.wmem_default`, which programs cannot raise where nothing
/// counts it ([`super::seccomp`]).
pub(crate) const SOCKET_BYTES: u64 = 212_992;

/// Walks the descendants of process 1 of a sandbox, `init`. Orphans are its children, so none is missed.
pub(crate) fn measure(init: i32) -> TreeUsage {
    let mut usage = TreeUsage::default();
    let mut pending = children(init);
    let mut seen = 0;
    while let Some(process) = pending.pop() {
        seen += 1;
        if seen > LONGEST_WALK {
            break;
        }
        let one = one(process);
        usage.resident_bytes += one.resident_bytes;
        usage.kernel_bytes += one.kernel_bytes;
        usage.tasks += one.tasks;
        pending.extend(children(process));
    }
    usage.kernel_bytes += sockets(init) * SOCKET_BYTES;
    usage
}

/// Sockets in the network of a process, also those that no process holds any more.
fn sockets(process: i32) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{process}/net/sockstat")).unwrap_or_default();
    let used = counts
        .lines()
        .find_map(|line| line.strip_prefix("sockets: used "));
    used.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// Resident memory shared fairly between the processes that share it, in bytes: exact, and slow for big
/// processes, so asked only when the quick sum is over the limit.
pub(crate) fn proportional_bytes(init: i32) -> u64 {
    let mut sum = 0;
    let mut pending = children(init);
    while let Some(process) = pending.pop() {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
        sum += match rollup {
            Ok(text) => ["Pss_Anon:", "Pss_Shmem:"]
                .iter()
                .filter_map(|name| kilobytes(&text, name))
                .sum(),
            Err(_) => one(process).resident_bytes,
        };
        pending.extend(children(process));
    }
    sum
}

fn children(process: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Memory and threads of one process; nothing when it has gone meanwhile.
fn one(process: i32) -> TreeUsage {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
        return TreeUsage::default();
    };
    let sum = |names: &[&str]| names.iter().filter_map(|name| kilobytes(&status, name)).sum();
    let threads = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok());
    TreeUsage {
        resident_bytes: sum(&["RssAnon:", "RssShmem:"]),
        kernel_bytes: sum(&["VmPTE:"]),
        tasks: threads.unwrap_or(1),
    }
}

/// `Name:   12 kB` in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|number| number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_children_of_this_process() {
        let mut child = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .expect("sleep");
        let usage = measure(std::process::id() as i32);
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(usage.tasks >= 1, "{usage:?}");
    }

    #[test]
    fn reads_kilobytes() {
        assert_eq!(
            kilobytes("Name:\tx\nRssAnon:\t    1024 kB\n", "RssAnon:"),
            Some(1 << 20)
        );
    }
}
