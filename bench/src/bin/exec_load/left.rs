//! What a server holds of the machine, and what it leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a server holds of the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Processes below it, by name.
    pub(crate) processes: BTreeMap<String, usize>,
    /// Lines of its table of mounts.
    pub(crate) mounts: String,
    /// Its groups of limits.
    pub(crate) groups: usize,
    /// Files and directories for a while.
    pub(crate) temporary: usize,
}

impl Held {
    pub(crate) fn by(server: u32, temporary: &Path) -> Self {
        let mut processes = BTreeMap::new();
        for (_, name) in descendants(server) {
            *processes.entry(name).or_default() += 1;
        }
        Self {
            processes,
            mounts: std::fs::read_to_string(format!("/proc/{server}/mountinfo")).unwrap_or_default(),
            groups: groups(server).len(),
            temporary: std::fs::read_dir(temporary).map_or(0, Iterator::count),
        }
    }

    /// What is here and not there.
    pub(crate) fn beyond(&self, other: &Self) -> Vec<String> {
        let mut beyond = Vec::new();
        for (name, count) in &self.processes {
            let there = other.processes.get(name).copied().unwrap_or_default();
            if *count > there {
                beyond.push(format!("{} processes {name}", count - there));
            }
        }
        if self.mounts != other.mounts {
            beyond.push("other mounts".to_owned());
        }
        if self.groups > other.groups {
            beyond.push(format!("{} groups of limits", self.groups - other.groups));
        }
        if self.temporary > other.temporary {
            beyond.push(format!("{} temporary files", self.temporary - other.temporary));
        }
        beyond
    }
}

/// Directories of the control groups that belong to a server.
pub(crate) fn groups(server: u32) -> Vec<PathBuf> {
    let own = format!("pentad-sandbox-{server}-");
    let mut found = Vec::new();
    let mut pending = vec![(PathBuf::from("/sys/fs/cgroup"), 0, false)];
    while let Some((directory, depth, inside)) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth > 6 || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let inside = inside || entry.file_name().to_string_lossy().starts_with(&own);
            if inside {
                found.push(entry.path());
            }
            pending.push((entry.path(), depth + 1, inside));
        }
    }
    found
}

/// Processes below one, with their names.
pub(crate) fn descendants(of: u32) -> Vec<(u32, String)> {
    let mut children: BTreeMap<u32, Vec<(u32, String)>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((before, after)) = stat.rsplit_once(") ") else {
            continue;
        };
        let parent = after.split(' ').nth(1).and_then(|field| field.parse().ok());
        let name = before.split_once('(').map_or("", |(_, name)| name);
        children
            .entry(parent.unwrap_or_default())
            .or_default()
            .push((pid, name.to_owned()));
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut pending = vec![of];
    while let Some(pid) = pending.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            pending.push(child.0);
            found.push(child);
        }
    }
    found
}
