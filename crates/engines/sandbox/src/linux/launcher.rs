//! The library's side of the helper process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::helper::{MARKER, NAME};
use super::wire::{self, Failure, Reply, Request};
use crate::error::{Error, Result};

/// Longest wait for an answer. The helper works in milliseconds; only a stopped machine takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The helper process. Dropping it ends the helper and with it every sandbox.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// `None` once the conversation is out of step.
    socket: Mutex<Option<OwnedFd>>,
    child: Mutex<Child>,
}

/// What went wrong: the helper itself, or what it was asked.
pub(crate) enum LaunchError {
    Helper(io::Error),
    Step(Failure),
}

impl Launcher {
    /// Starts the helper and waits until it has built the template.
    pub(crate) fn start() -> Result<Self, LaunchError> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| LaunchError::Helper(error.into()))?;
        let set_up = || -> io::Result<Child> {
            sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(PATIENCE))?;
            sockopt::set_socket_send_buffer_size(&ours, 1 << 20)?;
            Command::new("/proc/self/exe")
                .arg0(NAME)
                .arg(MARKER)
                .env_clear()
                .current_dir("/")
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn()
        };
        let child = set_up().map_err(LaunchError::Helper)?;
        let launcher = Self {
            socket: Mutex::new(Some(ours)),
            child: Mutex::new(child),
        };
        launcher.conversation(|_| Ok(()))?;
        Ok(launcher)
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(i32, Vec<OwnedFd>), LaunchError> {
        self.conversation(|socket| wire::send_packet(socket, request, descriptors))
    }

    fn conversation(
        &self,
        say: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
    ) -> Result<(i32, Vec<OwnedFd>), LaunchError> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = socket.as_ref() else {
            return Err(LaunchError::Helper(io::ErrorKind::BrokenPipe.into()));
        };
        let answer = say(open.as_fd()).and_then(|()| wire::receive_packet::<Reply>(open));
        match answer {
            Ok(Some((Reply::Done { pid }, descriptors))) => Ok((pid, descriptors)),
            Ok(Some((Reply::Failed(failure), _))) => Err(LaunchError::Step(failure)),
            Ok(None) => {
                *socket = None;
                Err(LaunchError::Helper(io::ErrorKind::UnexpectedEof.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(LaunchError::Helper(error)),
            Err(error) => {
                *socket = None;
                Err(LaunchError::Helper(error))
            }
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        *self.socket.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self
            .child
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .wait();
    }
}

impl LaunchError {
    /// As the crate's error, for making sandboxes.
    pub(crate) fn into_error(self, doing: &'static str) -> Error {
        match self {
            Self::Helper(source) => Error::Helper { doing, source },
            Self::Step(failure) => Error::Prepare {
                source: failure.source(),
                step: failure.step,
            },
        }
    }
}
