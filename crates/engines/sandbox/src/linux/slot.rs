//! A finished sandbox as the library holds it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::time::Timespec;

use super::cgroup::Group;
use super::launcher::{LaunchError, Launcher};
use super::status::StatusPage;
use super::supervise;
use super::uids::Uid;
use super::wire::{Failure, Request};
use crate::backend::{Control, Sink, Slot};
use crate::error::{Error, Result};
use crate::spec::READY;
use crate::{Limits, Outcome, Run};

/// How long a program may take to let a connection in.
const DIAL: Duration = Duration::from_millis(500);

/// A finished sandbox. Dropping it kills process 1, and with it everything inside.
pub(crate) struct LinuxSlot {
    pub(crate) reach: Arc<Reach>,
    pub(crate) pid: i32,
    pub(crate) control: OwnedFd,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: File,
    pub(crate) stderr: File,
    pub(crate) page: StatusPage,
    pub(crate) upper: Option<OwnedFd>,
    pub(crate) listeners: BTreeMap<u16, TcpListener>,
    pub(crate) limits: Limits,
    pub(crate) has_interpreter: bool,
    /// Whether the READY byte is still to come on standard output.
    pub(crate) awaits_ready: bool,
    pub(crate) overlay: bool,
    /// Who ends it after its run; taken then, so that it waits for nothing else.
    pub(crate) afterwards: Option<Sender<Option<Box<LinuxSlot>>>>,
    // Given back in this order after everything inside is gone.
    pub(crate) group: Option<Group>,
    pub(crate) uid: Option<Uid>,
}

/// What other threads may hold of a sandbox.
pub(crate) struct Reach {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) process: OwnedFd,
    pub(crate) network: OwnedFd,
    pub(crate) user: OwnedFd,
    pub(crate) cancelled: AtomicBool,
}

impl Reach {
    /// Signals process 1.
    pub(crate) fn signal(&self, signal: Signal) {
        // The only failure is that it has gone already.
        let _ = rustix::process::pidfd_send_signal(&self.process, signal);
    }

    /// Whether process 1 is gone, waiting for it at most `timeout`.
    pub(crate) fn gone(&self, timeout: Duration) -> bool {
        wait_for(&self.process, timeout).unwrap_or(true)
    }
}

/// Polls one descriptor for input.
fn wait_for(descriptor: &impl AsFd, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let mut polled = [PollFd::new(descriptor, PollFlags::IN)];
    Ok(poll(&mut polled, Some(&timeout))? > 0)
}

/// Waits until a connection that was begun is there, and makes it an ordinary one.
fn connected(connection: &OwnedFd) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: DIAL.as_secs() as i64,
        tv_nsec: i64::from(DIAL.subsec_nanos()),
    };
    poll(&mut [PollFd::new(connection, PollFlags::OUT)], Some(&timeout))?;
    rustix::net::sockopt::socket_error(connection)??;
    // A connection that is still on its way has no other end.
    rustix::net::getpeername(connection).map_err(|_| io::ErrorKind::TimedOut)?;
    Ok(rustix::io::ioctl_fionbio(connection, false)?)
}

struct Handle(Arc<Reach>);

impl Control for Handle {
    fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
        self.0.signal(Signal::KILL);
    }

    fn dial(&self, port: u16) -> Result<TcpStream> {
        let namespaces = [self.0.user.as_fd(), self.0.network.as_fd()];
        match self.0.launcher.ask(&Request::Dial { port }, &namespaces) {
            Ok((_, mut descriptors)) => match descriptors.pop() {
                Some(connection) => {
                    connected(&connection).map_err(Error::io("connecting to a port of the sandbox"))?;
                    Ok(connection.into())
                }
                None => Err(Error::Helper {
                    doing: "dial a port",
                    source: io::ErrorKind::InvalidData.into(),
                }),
            },
            Err(LaunchError::Step(failure)) => Err(Error::Io {
                doing: "connecting to a port of the sandbox",
                source: failure.source(),
            }),
            Err(error) => Err(error.into_error("dial a port")),
        }
    }
}

impl Slot for LinuxSlot {
    fn wait_ready(&mut self, timeout: Duration) -> Result<()> {
        if !self.awaits_ready {
            return Ok(());
        }
        let mut byte = [0];
        let deadline = Instant::now() + timeout;
        let announced = loop {
            match (&self.stdout).read(&mut byte) {
                Ok(1) if byte == [READY] => break true,
                Ok(_) => break false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || !wait_for(&self.stdout, left).map_err(Error::io("poll"))? {
                        break false;
                    }
                }
                Err(error) => return Err(Error::io("reading from the interpreter")(error)),
            }
        };
        if announced {
            self.awaits_ready = false;
            return Ok(());
        }
        let mut said = Vec::new();
        let _ = (&self.stderr).take(2000).read_to_end(&mut said);
        let step = format!(
            "the interpreter does not announce itself: {}",
            String::from_utf8_lossy(&said).trim()
        );
        Err(Error::Prepare {
            step,
            source: io::ErrorKind::TimedOut.into(),
        })
    }

    fn take_listener(&mut self, port: u16) -> Option<TcpListener> {
        self.listeners.remove(&port)
    }

    fn control(&self) -> Box<dyn Control> {
        Box::new(Handle(Arc::clone(&self.reach)))
    }

    fn run(mut self: Box<Self>, run: Run, sink: &mut dyn Sink) -> Result<Outcome> {
        if run.program.is_some() == self.has_interpreter {
            return Err(Error::Program);
        }
        self.listeners.clear();
        let outcome = supervise::run(&mut self, run, sink);
        // What is not taken is dropped here and now.
        if let Some(afterwards) = self.afterwards.take() {
            let _ = afterwards.send(Some(self));
        }
        outcome
    }
}

impl LinuxSlot {
    /// A mount of the base directory, for the sandbox's user.
    pub(crate) fn base_mount(&self, base: &std::path::Path) -> Result<OwnedFd> {
        self.tree(base, self.uid.as_ref().map(|uid| uid.number))
    }

    /// A read-only mount of a file or directory of the host; its owner becomes `uid`.
    pub(crate) fn tree(&self, base: &std::path::Path, uid: Option<u32>) -> Result<OwnedFd> {
        let not_shown = |source| Error::Source {
            path: base.to_owned(),
            source,
        };
        let path = std::path::absolute(base).map_err(not_shown)?;
        let path = path
            .to_str()
            .ok_or_else(|| not_shown(io::ErrorKind::InvalidInput.into()))?
            .to_owned();
        let request = Request::Tree { path, uid };
        match self.reach.launcher.ask(&request, &[]) {
            Ok((_, mut descriptors)) => descriptors
                .pop()
                .ok_or_else(|| not_shown(io::ErrorKind::InvalidData.into())),
            Err(LaunchError::Step(Failure { errno, .. })) => {
                Err(not_shown(io::Error::from_raw_os_error(errno)))
            }
            Err(error) => Err(error.into_error("show a directory")),
        }
    }

    /// Ends everything inside and waits until it is gone.
    pub(crate) fn end(&self) -> bool {
        self.reach.signal(Signal::KILL);
        self.reach.gone(Duration::from_secs(5))
    }
}

impl Drop for LinuxSlot {
    fn drop(&mut self) {
        self.end();
    }
}
