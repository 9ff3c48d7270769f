//! The helper process: a copy of the running program that never gets as far as `main`.
//!
//! Namespaces are made with `clone` from a process with one thread and little memory, which a server is not.
//! So the library starts its own executable again with a marker argument; the marker is looked at before
//! `main`, and what carries it serves requests on its standard input until that is closed.
#![allow(
    unsafe_code,
    reason = "a function that runs before main is placed in a linker section"
)]

use std::collections::HashMap;
#[cfg(feature = "typescript")]
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
#[cfg(feature = "typescript")]
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;

use super::confine::Streams;
use super::init::{self, Birth, INSIDE_UID};
use super::seccomp::Filters;
use super::sys::{self, Forked, MountAttributes};
use super::template::{Template, sealed_tree, step};
use super::wire::{self, Failure, Reply, Request, Spawn};
#[cfg(feature = "typescript")]
use crate::runtimes::transpiler;

/// The argument that makes a process the helper.
pub(crate) const MARKER: &str = "--pentad-sandbox-helper";
/// The name the helper shows in process lists, and process 1 inside a sandbox.
pub(crate) const NAME: &str = "sandbox-init";

#[used]
// SAFETY: the section holds pointers to functions that the C runtime calls before `main`; this one takes no
// arguments, which is compatible with the three it is passed, and needs nothing of Rust's own start-up.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let Ok(arguments) = fs::read("/proc/self/cmdline") else {
        return;
    };
    let mut arguments = arguments.split(|byte| *byte == 0);
    if arguments.next() != Some(NAME.as_bytes()) {
        return;
    }
    match arguments.next() {
        Some(marker) if marker == MARKER.as_bytes() => {
            let code = std::panic::catch_unwind(serve).map_or(70, |()| 0);
            sys::exit_now(code);
        }
        #[cfg(feature = "typescript")]
        Some(marker) if marker == transpiler::MARKER.as_bytes() => {
            let name = OsStr::from_bytes(arguments.next().unwrap_or_default());
            let code = std::panic::catch_unwind(|| transpiler::serve(name)).unwrap_or(70);
            sys::exit_now(code);
        }
        _ => {}
    }
}

struct Helper {
    /// Gone in the children.
    socket: Option<OwnedFd>,
    template: Template,
    accounted: Filters,
    unaccounted: Filters,
    /// The id of the user programs run as, in the helper's user namespace, when there are no private ones.
    own_uid: u32,
    own_gid: u32,
    /// User namespaces that map the owner of base directories to a private user id.
    id_maps: HashMap<u32, OwnedFd>,
}

fn serve() {
    let _ = sys::close_from(3);
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    // No sandbox inherits the socket where programs have their input.
    let nothing = fs::File::open("/dev/null").map(|null| sys::duplicate_onto(null.as_fd(), 0));
    if !matches!(nothing, Ok(Ok(()))) {
        return;
    }
    let _ = rustix::thread::set_name(c"sandbox-helper");
    sys::ignore_children();
    let mut helper = match Helper::start(socket) {
        Ok(helper) => helper,
        Err((socket, failure)) => {
            let _ = wire::send_packet(&socket, &Reply::Failed(failure), &[]);
            return;
        }
    };
    let _ = helper.reply(&Reply::Done { pid: 0 }, &[]);
    while let Some(socket) = &helper.socket {
        match wire::receive_packet::<Request>(socket) {
            Ok(Some((request, descriptors))) => helper.answer(request, descriptors),
            // The library is gone; so are, by parent-death signal, all sandboxes.
            Ok(None) => return,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let _ = helper.reply(&Reply::Failed(Failure::new("read a request", &error)), &[]);
            }
            Err(_) => return,
        }
    }
}

impl Helper {
    fn start(socket: OwnedFd) -> Result<Self, (OwnedFd, Failure)> {
        let build = || -> Result<_, Failure> {
            let (own_uid, own_gid) = enter_namespaces()?;
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            step("make mounts private", mount_change("/", private))?;
            let template = Template::build()?;
            let filters = |accounted| {
                Filters::build(accounted).map_err(|error| Failure {
                    step: format!("seccomp filter: {error}"),
                    errno: 0,
                })
            };
            Ok((template, filters(true)?, filters(false)?, own_uid, own_gid))
        };
        match build() {
            Ok((template, accounted, unaccounted, own_uid, own_gid)) => Ok(Self {
                socket: Some(socket),
                template,
                accounted,
                unaccounted,
                own_uid,
                own_gid,
                id_maps: HashMap::new(),
            }),
            Err(failure) => Err((socket, failure)),
        }
    }

    fn reply(&self, reply: &Reply, descriptors: &[&OwnedFd]) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        match &self.socket {
            Some(socket) => wire::send_packet(socket, reply, &descriptors),
            None => Ok(()),
        }
    }

    fn answer(&mut self, request: Request, descriptors: Vec<OwnedFd>) {
        let answer = match request {
            Request::Spawn(spec) => self.spawn(*spec, descriptors),
            Request::Tree { path, uid } => self.tree(&path, uid).map(|tree| (0, vec![tree])),
            // Answered by the child that dials.
            Request::Dial { port } => match self.dial(port, descriptors) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
        };
        let _ = match answer {
            Ok((pid, descriptors)) => {
                self.reply(&Reply::Done { pid }, &descriptors.iter().collect::<Vec<_>>())
            }
            Err(failure) => self.reply(&Reply::Failed(failure), &[]),
        };
    }

    fn spawn(&mut self, spec: Spawn, descriptors: Vec<OwnedFd>) -> Result<(i32, Vec<OwnedFd>), Failure> {
        let [control, stdin, stdout, stderr, status] = step(
            "take the descriptors",
            <[OwnedFd; 5]>::try_from(descriptors).map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
        )?;
        let mut trees = Vec::new();
        for mount in &spec.mounts {
            let directory = mount.source.is_dir();
            let made = self.template.make_target(&mount.target, directory);
            step(format!("make a place for {}", mount.target), made)?;
            let shown = mount.source.display().to_string();
            trees.push((step(shown, sealed_tree(&mount.source))?, mount.target.clone()));
        }
        match step("make namespaces", sys::clone_into(sys::NAMESPACES))? {
            Forked::Child => {
                drop(self.socket.take());
                let filters = if spec.resources.accounted {
                    &self.accounted
                } else {
                    &self.unaccounted
                };
                init::live(Birth {
                    template: self.template,
                    trees,
                    filters: filters.clone(),
                    control,
                    streams: Streams {
                        stdin,
                        stdout,
                        stderr,
                    },
                    status,
                    spec,
                })
            }
            Forked::Parent(pid, pidfd) => match self.adopt(pid, spec.uid) {
                Ok((network, user)) => Ok((pid.as_raw_nonzero().get(), vec![pidfd, network, user])),
                Err(failure) => {
                    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
                    Err(failure)
                }
            },
        }
    }

    /// What a new first process cannot do for itself: its id maps, and being the first to go when the
    /// machine is out of memory. It waits meanwhile.
    fn adopt(&self, pid: Pid, uid: Option<u32>) -> Result<(OwnedFd, OwnedFd), Failure> {
        let process = format!("/proc/{}", pid.as_raw_nonzero());
        let (uid, gid) = uid.map_or((self.own_uid, self.own_gid), |uid| (uid, uid));
        step(
            "deny setgroups",
            fs::write(format!("{process}/setgroups"), "deny"),
        )?;
        step(
            "map the user",
            fs::write(format!("{process}/uid_map"), format!("{INSIDE_UID} {uid} 1")),
        )?;
        step(
            "map the group",
            fs::write(format!("{process}/gid_map"), format!("{INSIDE_UID} {gid} 1")),
        )?;
        let _ = fs::write(format!("{process}/oom_score_adj"), "1000");
        let open = |name: &str| {
            step(
                name,
                fs::File::open(format!("{process}/ns/{name}")).map(OwnedFd::from),
            )
        };
        Ok((open("net")?, open("user")?))
    }

    fn tree(&mut self, path: &str, uid: Option<u32>) -> Result<OwnedFd, Failure> {
        let tree = step(path, sealed_tree(Path::new(path)))?;
        if let Some(uid) = uid {
            let map = self.id_map(uid)?;
            let attributes = MountAttributes {
                set: 0,
                id_map: Some(map.as_fd()),
                recursive: false,
            };
            step(
                "map the owner of the base",
                sys::set_mount_attributes(tree.as_fd(), &attributes),
            )?;
        }
        Ok(tree)
    }

    /// A user namespace in which this process's user is the private user `uid`.
    fn id_map(&mut self, uid: u32) -> Result<&OwnedFd, Failure> {
        if !self.id_maps.contains_key(&uid) {
            let Forked::Parent(pid, pidfd) =
                step("make a user namespace", sys::clone_into(libc::CLONE_NEWUSER))?
            else {
                loop {
                    let _ = sys::wait_signal();
                }
            };
            let process = format!("/proc/{}", pid.as_raw_nonzero());
            let map = || -> io::Result<OwnedFd> {
                fs::write(format!("{process}/uid_map"), format!("{} {uid} 1", self.own_uid))?;
                fs::write(format!("{process}/gid_map"), format!("{} {uid} 1", self.own_gid))?;
                Ok(fs::File::open(format!("{process}/ns/user"))?.into())
            };
            let made = map();
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            self.id_maps.insert(uid, step("map the owner of the base", made)?);
        }
        step(
            "map the owner of the base",
            self.id_maps
                .get(&uid)
                .ok_or(io::Error::from(io::ErrorKind::NotFound)),
        )
    }

    /// Forks a child that enters the sandbox's network and connects there. The child answers.
    fn dial(&mut self, port: u16, descriptors: Vec<OwnedFd>) -> Result<(), Failure> {
        let [user, network] = step(
            "take the descriptors",
            <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
        )?;
        if step("fork", sys::fork())?.is_some() {
            return Ok(());
        }
        let _ = match connect_inside(&user, &network, port) {
            Ok(connection) => self.reply(&Reply::Done { pid: 0 }, &[&connection]),
            Err(failure) => self.reply(&Reply::Failed(failure), &[]),
        };
        sys::exit_now(0)
    }
}

/// As root: a mount namespace. As an ordinary user: one inside a user namespace that maps that user only.
fn enter_namespaces() -> Result<(u32, u32), Failure> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let unshare = |flags| {
        // SAFETY: the helper has one thread, and shares no file descriptor table or file system state.
        unsafe { rustix::thread::unshare_unsafe(flags) }
    };
    if rustix::process::geteuid().is_root() {
        step("make a mount namespace", unshare(UnshareFlags::NEWNS))?;
        return Ok((uid, gid));
    }
    step(
        "make a user namespace",
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS),
    )?;
    step("deny setgroups", fs::write("/proc/self/setgroups", "deny"))?;
    step(
        "map the user",
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")),
    )?;
    step(
        "map the group",
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")),
    )?;
    Ok((uid, gid))
}

fn connect_inside(user: &OwnedFd, network: &OwnedFd, port: u16) -> Result<OwnedFd, Failure> {
    let enter = |descriptor: &OwnedFd, kind| {
        rustix::thread::move_into_link_name_space(descriptor.as_fd(), Some(kind))
    };
    step(
        "enter the user namespace",
        enter(user, rustix::thread::LinkNameSpaceType::User),
    )?;
    step(
        "enter the network namespace",
        enter(network, rustix::thread::LinkNameSpaceType::Network),
    )?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = step(
        "socket",
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None),
    )?;
    let address = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
    // Whoever asked waits for the other side, which may never answer: nobody else must wait with them.
    match rustix::net::connect(&socket, &address) {
        Err(rustix::io::Errno::INPROGRESS) => {}
        other => step("connect", other)?,
    }
    Ok(socket)
}
