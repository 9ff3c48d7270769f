//! The native backend for Linux.

mod cgroup;
mod confine;
mod files;
mod helper;
mod init;
mod launcher;
mod orders;
mod probe;
mod roots;
mod seccomp;
mod slot;
mod status;
mod supervise;
mod sys;
mod template;
mod tree;
mod uids;
mod undertaker;
mod wire;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

use crate::backend::{Backend, Slot};
use crate::error::{Error, Result};
use crate::guards::{Guard, GuardReport};
use crate::spec::Shape;
use cgroup::Cgroups;
#[cfg(feature = "typescript")]
pub(crate) use helper::NAME;
use launcher::Launcher;
use slot::{LinuxSlot, Reach};
use status::StatusPage;
use uids::Uids;
use undertaker::Undertaker;
use wire::{Prepared, Request, Resources, Spawn};

/// How the Linux backend starts.
#[derive(Clone, Debug, Default)]
pub struct LinuxOptions {
    /// Start although required guards are missing, as far as programs can be run at all. Never for code one
    /// does not trust.
    pub allow_missing_guards: bool,
    /// Do not use cgroups, as an ordinary user could not: for testing the fallbacks.
    pub without_cgroups: bool,
}

/// Isolates programs with namespaces, seccomp and limits of the Linux kernel.
///
/// Works as root, where every sandbox has a user id of its own, and as an ordinary user.
pub struct LinuxBackend {
    /// Dropped first: it waits for used sandboxes, which need all the rest.
    undertaker: Undertaker,
    launcher: Arc<Launcher>,
    cgroups: Option<Arc<Cgroups>>,
    uids: Option<Arc<Uids>>,
    guards: GuardReport,
}

impl LinuxBackend {
    /// Starts the helper process and probes what guards there are.
    ///
    /// Call it early, before the program grows and before it has opened much: the helper is a fresh copy of
    /// the running executable, which lives as long as the backend does.
    ///
    /// # Errors
    /// [`Error::Unguarded`] names what is missing and the remedy.
    pub fn start(options: &LinuxOptions) -> Result<Self> {
        probe::start(options)
    }

    /// What [`start`](Self::start) would find, also where it would refuse.
    #[must_use]
    pub fn probe() -> GuardReport {
        match probe::start(&LinuxOptions::default()) {
            Ok(backend) => backend.guards,
            Err(_) => probe::report_of_failure(),
        }
    }

    /// Whether a cgroup counts processes.
    fn counts_processes(&self) -> bool {
        self.cgroups.as_ref().is_some_and(|cgroups| cgroups.processes())
    }

    /// Whether the kernel limits the memory of a whole sandbox.
    fn accounts_memory(&self) -> bool {
        self.cgroups.as_ref().is_some_and(|cgroups| cgroups.memory())
    }

    fn prepare_slot(&self, shape: &Shape) -> Result<LinuxSlot> {
        let limits = &shape.limits;
        let uid = match &self.uids {
            Some(uids) => Some(uids.lease().ok_or(Error::Busy { slots: 1024 })?),
            None => None,
        };
        let group = match &self.cgroups {
            Some(cgroups) => Some(cgroups.create(limits).map_err(Error::io("making a cgroup"))?),
            None => None,
        };
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Error::io("making a pipe"));
        let ((stdin, stdin_ours), (stdout_ours, stdout), (stderr_ours, stderr)) = (pipe()?, pipe()?, pipe()?);
        for ours in [&stdin_ours, &stdout_ours, &stderr_ours] {
            rustix::io::ioctl_fionbio(ours, true).map_err(Error::io("setting up a pipe"))?;
        }
        let (control, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(Error::io("making a socket"))?;
        let (page, memory) = StatusPage::create().map_err(Error::io("making the status page"))?;
        let spec = Spawn {
            mounts: shape.mounts.clone(),
            interpreter: shape.interpreter.clone(),
            listen: shape.listen.clone(),
            workspace_bytes: limits.workspace_bytes,
            workspace_files: limits.workspace_files,
            tmp_bytes: limits.tmp_bytes,
            resources: Resources {
                open_files: u64::from(limits.open_files),
                file_bytes: limits.file_bytes,
                // Where a group counts them too, its limit must be met first: that one says how often it was.
                processes: u64::from(limits.processes) * if self.counts_processes() { 2 } else { 1 },
                // Room for the address space that V8 reserves without using it.
                data_bytes: (!self.accounts_memory()).then_some(limits.memory_bytes + (1 << 30)),
                accounted: self.accounts_memory(),
            },
            uid: uid.as_ref().map(|uid| uid.number),
        };
        let handed = [
            theirs.as_fd(),
            stdin.as_fd(),
            stdout.as_fd(),
            stderr.as_fd(),
            memory.as_fd(),
        ];
        let (pid, descriptors) = self
            .launcher
            .ask(&Request::Spawn(Box::new(spec)), &handed)
            .map_err(|error| error.into_error("make a sandbox"))?;
        drop((theirs, stdin, stdout, stderr, memory));
        let [process, network, user] = <[OwnedFd; 3]>::try_from(descriptors).map_err(|_| Error::Helper {
            doing: "make a sandbox",
            source: std::io::ErrorKind::InvalidData.into(),
        })?;
        let mut slot = LinuxSlot {
            reach: Arc::new(Reach {
                launcher: Arc::clone(&self.launcher),
                process,
                network,
                user,
                cancelled: AtomicBool::new(false),
            }),
            pid,
            control,
            stdin: Some(stdin_ours),
            stdout: File::from(stdout_ours),
            stderr: File::from(stderr_ours),
            page,
            upper: None,
            listeners: BTreeMap::new(),
            limits: limits.clone(),
            has_interpreter: shape.interpreter.is_some(),
            awaits_ready: shape
                .interpreter
                .as_ref()
                .is_some_and(|interpreter| interpreter.announces),
            overlay: self.guards.has(Guard::Overlay),
            group,
            uid,
            afterwards: self.undertaker.address(),
        };
        if let Some(group) = &slot.group {
            group.attach(pid).map_err(Error::io("entering a cgroup"))?;
        }
        wire::send_bytes(&slot.control, &[1]).map_err(Error::io("letting a sandbox go"))?;
        let (prepared, descriptors) = wire::receive_frame::<Prepared>(&slot.control)
            .map_err(Error::io("waiting for a sandbox"))?
            .ok_or(Error::Prepare {
                step: "the first process ended".into(),
                source: std::io::ErrorKind::UnexpectedEof.into(),
            })?;
        if let Prepared::Failed(failure) = prepared {
            return Err(Error::Prepare {
                source: failure.source(),
                step: failure.step,
            });
        }
        let mut descriptors = descriptors.into_iter();
        slot.upper = descriptors.next();
        slot.listeners = shape
            .listen
            .iter()
            .copied()
            .zip(descriptors.map(TcpListener::from))
            .collect();
        Ok(slot)
    }
}

impl Backend for LinuxBackend {
    fn guards(&self) -> &GuardReport {
        &self.guards
    }

    fn prepare(&self, shape: &Shape) -> Result<Box<dyn Slot>> {
        Ok(Box::new(self.prepare_slot(shape)?))
    }
}
