//! Messages between the library, its helper process and the first process of a sandbox: JSON with
//! descriptors, on local sockets that nothing untrusted ever holds.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::spec::{Interpreter, Mount, Program};

/// Largest packet between library and helper.
const PACKET: usize = 128 << 10;
/// Most descriptors in one message.
const DESCRIPTORS: usize = 32;

/// What the library asks of the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Make a sandbox. Descriptors: control socket, standard input, output, error, status page.
    /// Answer: process descriptor, network namespace, user namespace.
    Spawn(Box<Spawn>),
    /// A read-only copy of the mount at a path, seen as owned by the sandbox's user. Answer: the mount.
    Tree { path: String, uid: Option<u32> },
    /// Connect to a port inside. Descriptors: user namespace, network namespace. Answer: the connection.
    Dial { port: u16 },
}

/// A sandbox to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spawn {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) interpreter: Option<Interpreter>,
    pub(crate) listen: Vec<u16>,
    pub(crate) workspace_bytes: u64,
    pub(crate) workspace_files: u32,
    pub(crate) tmp_bytes: u64,
    pub(crate) resources: Resources,
    /// The private user id, when running as root.
    pub(crate) uid: Option<u32>,
}

/// What is set on every program of a sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resources {
    pub(crate) open_files: u64,
    pub(crate) file_bytes: u64,
    pub(crate) processes: u64,
    /// Bound on the data segment of one process; none where a cgroup limits the tree.
    pub(crate) data_bytes: Option<u64>,
    /// Whether memory without an address (memfd, System V) is counted by a cgroup and may be allowed.
    pub(crate) accounted: bool,
}

/// The helper's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done { pid: i32 },
    Failed(Failure),
}

/// A failed step, as it crosses a socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) errno: i32,
}

impl Failure {
    pub(crate) fn new(step: impl Into<String>, error: &io::Error) -> Self {
        Self {
            step: step.into(),
            errno: error.raw_os_error().unwrap_or(0),
        }
    }

    pub(crate) fn source(&self) -> io::Error {
        if self.errno == 0 {
            io::ErrorKind::Other.into()
        } else {
            io::Error::from_raw_os_error(self.errno)
        }
    }
}

/// What the first process of a sandbox says when it is finished.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Prepared {
    /// Descriptors: the directory of changed files, then the listeners in order.
    Ready,
    Failed(Failure),
}

/// The orders for the one run of a sandbox; the bytes of the files and the payload follow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) program: Option<Program>,
    pub(crate) files: Vec<OrderedFile>,
    pub(crate) payload_bytes: usize,
    /// Whether a mount to overlay comes with the message.
    pub(crate) overlay: bool,
    /// Whether a mount of an executable comes with it.
    pub(crate) executable: bool,
}

/// One file of the workspace.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OrderedFile {
    Regular {
        path: String,
        bytes: usize,
        executable: bool,
    },
    Symlink {
        path: String,
        target: String,
    },
}

/// How carrying out the orders began: `Started`, or why not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Began {
    Started,
    Failed(Failure),
}

/// Sends one packet.
pub(crate) fn send_packet<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > PACKET || descriptors.len() > DESCRIPTORS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the message is too large",
        ));
    }
    send(socket.as_fd(), &bytes, descriptors).map(|_| ())
}

/// Receives one packet; `None` when the other side is gone.
pub(crate) fn receive_packet<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; PACKET];
    let (length, descriptors) = receive(socket.as_fd(), &mut bytes)?;
    if length == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[..length])?, descriptors)))
}

/// Sends one message on a stream socket: length, JSON, descriptors with the first byte.
pub(crate) fn send_frame<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let mut bytes = u32::try_from(json.len())
        .map_err(|_| io::ErrorKind::InvalidInput)?
        .to_le_bytes()
        .to_vec();
    bytes.extend(json);
    let sent = send(socket.as_fd(), &bytes, descriptors)?;
    send_bytes(socket, &bytes[sent..])
}

/// Receives one message from a stream socket; `None` at its end.
pub(crate) fn receive_frame<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut length = [0; 4];
    let (got, descriptors) = receive(socket.as_fd(), &mut length)?;
    if got == 0 {
        return Ok(None);
    }
    receive_bytes(&socket, &mut length[got..])?;
    let mut json = vec![0; u32::from_le_bytes(length) as usize];
    receive_bytes(&socket, &mut json)?;
    Ok(Some((serde_json::from_slice(&json)?, descriptors)))
}

/// Sends all bytes.
pub(crate) fn send_bytes(socket: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = send(socket.as_fd(), bytes, &[])?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Fills `bytes`.
pub(crate) fn receive_bytes(socket: impl AsFd, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::recv(&socket, &mut *bytes, RecvFlags::empty()) {
            Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((got, _)) => bytes = &mut bytes[got..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((received.bytes, descriptors))
}
