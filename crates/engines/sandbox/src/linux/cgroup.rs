//! Limits of a whole tree of processes, by cgroup: version 2 where a subtree is delegated, version 1 where
//! the hierarchies may be written (root).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Limits;

/// The directories under which groups are made.
#[derive(Debug)]
pub(crate) struct Cgroups {
    version: Version,
    memory: Option<PathBuf>,
    processes: Option<PathBuf>,
    cpu: Option<PathBuf>,
    next: AtomicU64,
    /// Why something is missing, for the report.
    pub(crate) refusal: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Memory and process counts of one sandbox, removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    version: Version,
    memory: Option<PathBuf>,
    processes: Option<PathBuf>,
    cpu: Option<PathBuf>,
    /// The directories above go when the last group has gone, which may outlive the backend.
    _above: Arc<Cgroups>,
}

impl Cgroups {
    /// Finds out which controllers can be used.
    pub(crate) fn find() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::find_in(&own, &mounts)
    }

    fn find_in(own: &str, mounts: &str) -> Self {
        let mut found = Self {
            version: Version::One,
            memory: None,
            processes: None,
            cpu: None,
            next: AtomicU64::new(0),
            refusal: String::new(),
        };
        let mut refusals = Vec::new();
        let mut usable = |controller: &str| match hierarchy(own, mounts, controller) {
            Some(directory) => match own_directory(&directory) {
                Ok(made) => Some(made),
                Err(error) => {
                    refusals.push(format!("{controller}: {}: {error}", directory.display()));
                    None
                }
            },
            None => {
                refusals.push(format!("{controller}: no version 1 hierarchy"));
                None
            }
        };
        found.memory = usable("memory");
        found.processes = usable("pids");
        found.cpu = usable("cpu");
        if found.memory.is_none() && found.processes.is_none() && found.cpu.is_none() {
            match unified(own, mounts).map_or(Err(io::ErrorKind::NotFound.into()), |at| delegate(&at)) {
                Ok((directory, controllers)) => {
                    let has = |name: &str| controllers.iter().any(|controller| controller == name);
                    found.version = Version::Two;
                    found.memory = has("memory").then(|| directory.clone());
                    found.processes = has("pids").then(|| directory.clone());
                    found.cpu = has("cpu").then_some(directory);
                }
                Err(error) => refusals.push(format!("version 2: no delegated subtree: {error}")),
            }
        }
        found.refusal = refusals.join("; ");
        found
    }

    pub(crate) fn memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(crate) fn processes(&self) -> bool {
        self.processes.is_some()
    }

    pub(crate) fn cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// The mechanism in words.
    pub(crate) fn describe(&self) -> &'static str {
        match self.version {
            Version::One => "cgroup v1",
            Version::Two => "cgroup v2",
        }
    }

    /// Makes a group with limits.
    pub(crate) fn create(self: &Arc<Self>, limits: &Limits) -> io::Result<Group> {
        let name = format!("slot-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let place = |parent: &Option<PathBuf>| parent.as_ref().map(|parent| parent.join(&name));
        let group = Group {
            version: self.version,
            memory: place(&self.memory),
            processes: place(&self.processes),
            cpu: place(&self.cpu),
            _above: Arc::clone(self),
        };
        for directory in group.directories() {
            match fs::create_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        group.limit(limits)?;
        Ok(group)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for directory in [&self.memory, &self.processes, &self.cpu].into_iter().flatten() {
            remove(directory);
        }
    }
}

/// Removes a group. It empties a moment after its last process, or the last group below it; what then still holds
/// it is kernel bookkeeping.
fn remove(directory: &Path) {
    for _ in 0..200 {
        match fs::remove_dir(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            _ => break,
        }
    }
}

impl Group {
    /// Every directory once: in version 2 they are one and the same.
    fn directories(&self) -> Vec<&PathBuf> {
        let mut all: Vec<_> = [&self.memory, &self.processes, &self.cpu]
            .into_iter()
            .flatten()
            .collect();
        all.dedup();
        all
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        // Files of the workspace and of /tmp are memory too, with limits of their own: the kernel's limit is
        // for all together, the supervisor watches the part that is not files.
        let memory = limits.memory_bytes + limits.workspace_bytes + limits.tmp_bytes;
        // Process 1 of the sandbox counts.
        let processes = limits.processes + 1;
        let period = 100_000;
        let quota = u64::from(limits.cpu_millis) * period / 1000;
        let write = |directory: &Option<PathBuf>, file: &str, value: String| match directory {
            Some(directory) => fs::write(directory.join(file), value),
            None => Ok(()),
        };
        match self.version {
            Version::One => {
                write(&self.memory, "memory.limit_in_bytes", memory.to_string())?;
                // Absent without swap accounting.
                let _ = write(&self.memory, "memory.memsw.limit_in_bytes", memory.to_string());
                // What connections hold is counted apart, and only where it has a limit.
                let connections = limits.memory_bytes.to_string();
                let _ = write(&self.memory, "memory.kmem.tcp.limit_in_bytes", connections);
                write(&self.processes, "pids.max", processes.to_string())?;
                write(&self.cpu, "cpu.cfs_period_us", period.to_string())?;
                write(&self.cpu, "cpu.cfs_quota_us", quota.to_string())
            }
            Version::Two => {
                write(&self.memory, "memory.max", memory.to_string())?;
                let _ = write(&self.memory, "memory.swap.max", "0".into());
                write(&self.memory, "memory.oom.group", "1".into())?;
                write(&self.processes, "pids.max", processes.to_string())?;
                write(&self.cpu, "cpu.max", format!("{quota} {period}"))
            }
        }
    }

    /// Moves a process in; its children follow.
    pub(crate) fn attach(&self, pid: i32) -> io::Result<()> {
        self.directories()
            .into_iter()
            .try_for_each(|directory| fs::write(directory.join("cgroup.procs"), pid.to_string()))
    }

    /// Memory that is not files, in bytes.
    pub(crate) fn memory_now(&self) -> Option<u64> {
        let directory = self.memory.as_ref()?;
        let stat = fs::read_to_string(directory.join("memory.stat")).ok()?;
        Some(match self.version {
            Version::One => {
                let also = ["memory.kmem.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes"];
                let kernel: u64 = also.iter().filter_map(|file| number(directory, file)).sum();
                field(&stat, "total_rss")? + kernel
            }
            Version::Two => {
                let also = ["kernel", "sock"];
                let kernel: u64 = also.iter().filter_map(|name| field(&stat, name)).sum();
                field(&stat, "anon")? + kernel
            }
        })
    }

    /// The most memory ever used, files included, in bytes.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        number(self.memory.as_ref()?, file)
    }

    /// How many processes the kernel ended for lack of memory.
    pub(crate) fn memory_kills(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        self.count(self.memory.as_ref(), file, "oom_kill")
    }

    /// How many processes could not be started for the limit.
    pub(crate) fn processes_refused(&self) -> u64 {
        self.count(self.processes.as_ref(), "pids.events", "max")
    }

    fn count(&self, directory: Option<&PathBuf>, file: &str, name: &str) -> u64 {
        directory
            .and_then(|directory| fs::read_to_string(directory.join(file)).ok())
            .and_then(|text| field(&text, name))
            .unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for directory in self.directories() {
            remove(directory);
        }
    }
}

/// `name 123` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn number(directory: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

/// Directory of the caller's own group in the version 1 hierarchy of a controller.
fn hierarchy(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (at, root, kind, options) = mount_fields(line)?;
        let right = kind == "cgroup" && options.split(',').any(|option| option == controller);
        right.then(|| below(at, root, group))
    })
}

/// Directory of the caller's own group in the version 2 hierarchy.
fn unified(own: &str, mounts: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (at, root, kind, _) = mount_fields(line)?;
        (kind == "cgroup2").then(|| below(at, root, group))
    })
}

/// Mount point, root within the file system, type and super options of a line of mountinfo.
fn mount_fields(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, at) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, _, options) = (after.next()?, after.next()?, after.next()?);
    Some((at, root, kind, options))
}

/// The path of `group` under a mount that shows the hierarchy from `root` on.
fn below(at: &str, root: &str, group: &str) -> PathBuf {
    let relative = group.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
    Path::new(at).join(relative.trim_start_matches('/'))
}

/// A directory for this process, after removing what a killed predecessor left.
fn own_directory(parent: &Path) -> io::Result<PathBuf> {
    const PREFIX: &str = "pentad-sandbox-";
    for entry in fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let owner = owner.split('-').next().unwrap_or_default();
        if Path::new("/proc").join(owner).exists() {
            continue;
        }
        for group in fs::read_dir(entry.path())?.flatten() {
            let _ = fs::remove_dir(group.path());
        }
        let _ = fs::remove_dir(entry.path());
    }
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let directory = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
    fs::create_dir(&directory)?;
    Ok(directory)
}

/// Prepares a delegated version 2 subtree: this process moves into a leaf, because a group with processes of
/// its own cannot hand controllers on.
fn delegate(at: &Path) -> io::Result<(PathBuf, Vec<String>)> {
    let wanted = ["memory", "pids", "cpu"];
    let available = fs::read_to_string(at.join("cgroup.controllers"))?;
    let controllers: Vec<String> = available
        .split_whitespace()
        .filter(|name| wanted.contains(name))
        .map(str::to_owned)
        .collect();
    if controllers.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "memory, pids and cpu are not available",
        ));
    }
    let enabled = fs::read_to_string(at.join("cgroup.subtree_control"))?;
    if !controllers
        .iter()
        .all(|name| enabled.split_whitespace().any(|have| have == name))
    {
        let leaf = at.join("pentad-supervisor");
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::write(leaf.join("cgroup.procs"), std::process::id().to_string())?;
        let enable: Vec<_> = controllers.iter().map(|name| format!("+{name}")).collect();
        fs::write(at.join("cgroup.subtree_control"), enable.join(" "))?;
    }
    let directory = own_directory(at)?;
    let enable: Vec<_> = controllers.iter().map(|name| format!("+{name}")).collect();
    fs::write(directory.join("cgroup.subtree_control"), enable.join(" "))?;
    Ok((directory, controllers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "30 25 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                          31 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                          32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const OWN: &str = "4:memory:/service/one\n1:cpu,cpuacct:/\n0::/user.slice\n";

    #[test]
    fn finds_version_one_hierarchies() {
        let found = |controller| hierarchy(OWN, MOUNTS, controller);
        assert_eq!(found("memory"), Some("/sys/fs/cgroup/memory/service/one".into()));
        assert_eq!(found("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/".into()));
        assert_eq!(found("pids"), None);
    }

    #[test]
    fn finds_the_unified_hierarchy() {
        assert_eq!(
            unified(OWN, MOUNTS),
            Some("/sys/fs/cgroup/unified/user.slice".into())
        );
    }

    #[test]
    fn a_container_sees_its_group_as_the_root() {
        let mounts = "30 25 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(
            hierarchy("4:memory:/docker/abc\n", mounts, "memory"),
            Some("/sys/fs/cgroup/memory/".into())
        );
    }

    #[test]
    fn reads_fields() {
        assert_eq!(
            field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"),
            Some(3)
        );
        assert_eq!(field("low 0\nmax 12\n", "max"), Some(12));
    }
}
