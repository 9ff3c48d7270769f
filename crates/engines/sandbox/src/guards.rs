//! What isolates a program on this system, and what to do where something is missing.

use std::fmt;

use serde::Serialize;

/// One mechanism that isolates or limits a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// User, mount, process, network, IPC and UTS namespaces of its own.
    Namespaces,
    /// A root file system of its own, entered by `pivot_root`.
    PrivateRoot,
    /// A `/proc` that shows the sandbox's processes only.
    PrivateProc,
    /// The system call filter.
    Seccomp,
    /// A user id of its own for every sandbox (when running as root).
    PrivateUids,
    /// Memory of the whole tree limited by the kernel.
    MemoryCgroup,
    /// Number of processes limited by a cgroup.
    ProcessesCgroup,
    /// Processor time limited by a cgroup.
    CpuCgroup,
    /// Overlay mounts in a user namespace, for big workspaces.
    Overlay,
}

impl Guard {
    /// Whether the sandbox refuses to work without it.
    #[must_use]
    pub const fn required(self) -> bool {
        matches!(
            self,
            Self::Namespaces | Self::PrivateRoot | Self::PrivateProc | Self::Seccomp | Self::PrivateUids
        )
    }

    /// What stands in for it when it is missing.
    #[must_use]
    pub const fn fallback(self) -> Option<&'static str> {
        match self {
            Self::MemoryCgroup => Some(
                "memory, page tables and sockets of the tree are summed every 20 ms, RLIMIT_DATA bounds each process",
            ),
            Self::ProcessesCgroup => Some("RLIMIT_NPROC in a user namespace of its own"),
            Self::CpuCgroup => Some("nice value and the wall time"),
            Self::Overlay => Some("the workspace is copied into the sandbox"),
            _ => None,
        }
    }
}

/// How one guard was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuardState {
    /// Which.
    pub guard: Guard,
    /// Whether it works.
    pub works: bool,
    /// What was seen: the mechanism in use, or the failure.
    pub detail: String,
    /// What to do about it, as a command or setting to copy.
    pub remedy: Option<String>,
}

/// How all guards were found, for a `doctor` command to print and for the start to decide on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GuardReport {
    /// One entry a guard.
    pub guards: Vec<GuardState>,
}

impl GuardReport {
    pub(crate) fn works(&mut self, guard: Guard, detail: impl Into<String>) {
        self.guards.push(GuardState {
            guard,
            works: true,
            detail: detail.into(),
            remedy: None,
        });
    }

    pub(crate) fn lacks(&mut self, guard: Guard, detail: impl Into<String>, remedy: impl Into<String>) {
        self.guards.push(GuardState {
            guard,
            works: false,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Whether a guard works.
    #[must_use]
    pub fn has(&self, guard: Guard) -> bool {
        self.guards
            .iter()
            .any(|state| state.guard == guard && state.works)
    }

    /// The required guards that do not work.
    pub fn missing(&self) -> impl Iterator<Item = &GuardState> {
        self.guards
            .iter()
            .filter(|state| state.guard.required() && !state.works)
    }
}

/// One line a guard, with fallback and remedy where it does not work.
impl fmt::Display for GuardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for state in &self.guards {
            let mark = match (state.works, state.guard.required()) {
                (true, _) => "ok      ",
                (false, true) => "MISSING ",
                (false, false) => "absent  ",
            };
            writeln!(f, "{mark}{:?}: {}", state.guard, state.detail)?;
            if state.works {
                continue;
            }
            if let Some(fallback) = state.guard.fallback() {
                writeln!(f, "        instead: {fallback}")?;
            }
            if let Some(remedy) = &state.remedy {
                writeln!(f, "        remedy: {remedy}")?;
            }
        }
        Ok(())
    }
}
