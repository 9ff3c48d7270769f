//! The bounds of grep sessions that belong to the machine, not to a plan.

use std::time::Duration;

/// The bounds of grep sessions that belong to the machine, not to a plan.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of memory that sessions and running uploads may hold together. Default: half of the
    /// machine's.
    pub memory_bytes: u64,
    /// Searches that run at once; further ones wait. Default: twice the cores.
    pub concurrent_searches: usize,
    /// How long a search waits to run before it is refused as too busy. Default: 10 s.
    pub search_wait: Duration,
    /// Index builds and compressions that run at once. Default: 1, since each uses every core.
    pub concurrent_upkeep: usize,
    /// The life of a memory session for which none is asked. Default: 10 minutes (seed 000).
    pub default_ttl: Duration,
    /// The longest life of a memory session where the plan sets none. Default: 30 days.
    pub max_ttl: Duration,
    /// Bytes of text in one session where the plan sets none. Default: [`Settings::memory_bytes`].
    pub max_session_bytes: u64,
    /// Bytes of a zip archive that are kept in memory; a larger one is spooled to an unnamed file.
    pub zip_in_memory: usize,
    /// Entries in one zip archive. Default: 200,000.
    pub max_zip_entries: u64,
    /// After how long without a search a session is compressed when memory is short. Default: 30 s.
    pub idle_after: Duration,
    /// Text in one stored object. Default: 32 MiB.
    pub segment_bytes: usize,
    /// How old an unreferenced object is before it is swept. Default: 1 h.
    pub orphan_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let memory_bytes = machine_memory() / 2;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            memory_bytes,
            concurrent_searches: cores * 2,
            search_wait: Duration::from_secs(10),
            concurrent_upkeep: 1,
            default_ttl: Duration::from_secs(600),
            max_ttl: Duration::from_secs(30 * 24 * 3600),
            max_session_bytes: memory_bytes,
            zip_in_memory: 8 << 20,
            max_zip_entries: 200_000,
            idle_after: Duration::from_secs(30),
            segment_bytes: 32 << 20,
            orphan_age: Duration::from_secs(3600),
        }
    }
}

/// The machine's memory, or what its control group allows if that is less; 2 GiB where neither is told.
fn machine_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let total = total.map_or(2 << 30, |kibibytes| kibibytes << 10);
    limit.map_or(total, |limit| limit.min(total))
}
