//! The last steps before an untrusted program: no privileges, limits, the system call filter.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, Resource, Rlimit, chdir, setrlimit, setsid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::seccomp::Filters;
use super::sys;
use super::template::step;
use super::wire::{Failure, Resources};
use crate::spec::{Program, WORKSPACE};

/// The descriptors of a program.
pub(crate) struct Streams {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Starts a program in a session and process group of its own.
pub(crate) fn start(
    program: &Program,
    streams: &Streams,
    resources: &Resources,
    filters: &Filters,
) -> Result<Pid, Failure> {
    if let Some(child) = step("fork", sys::fork())? {
        return Ok(child);
    }
    let failure = match become_program(program, streams, resources, filters) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // Like a shell: the reason on standard error, 127 for a program that does not exist, else 126.
    let reason = format!("sandbox: {}: {}\n", failure.step, failure.source());
    let _ = std::io::stderr().write_all(reason.as_bytes());
    sys::exit_now(if failure.errno == libc::ENOENT { 127 } else { 126 })
}

fn become_program(
    program: &Program,
    streams: &Streams,
    resources: &Resources,
    filters: &Filters,
) -> Result<std::convert::Infallible, Failure> {
    step("setsid", setsid())?;
    step("stdin", sys::duplicate_onto(streams.stdin.as_fd(), 0))?;
    step("stdout", sys::duplicate_onto(streams.stdout.as_fd(), 1))?;
    step("stderr", sys::duplicate_onto(streams.stderr.as_fd(), 2))?;
    step("close descriptors", sys::close_from(3))?;
    step("enter the workspace", chdir(WORKSPACE))?;
    set_limits(resources)?;
    sys::be_nice(5);
    drop_privileges()?;
    sys::reset_signals();
    filters.install().map_err(|error| Failure {
        step: format!("seccomp: {error}"),
        errno: 0,
    })?;
    Err(Failure::new(
        program.argv.first().map_or("no program", String::as_str),
        &sys::exec(&program.argv, &program.env),
    ))
}

fn set_limits(resources: &Resources) -> Result<(), Failure> {
    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Nofile, Some(resources.open_files)),
        (Resource::Fsize, Some(resources.file_bytes)),
        // The first process of the sandbox counts too.
        (Resource::Nproc, Some(resources.processes + 1)),
        (Resource::Data, resources.data_bytes),
        (Resource::Memlock, Some(1 << 20)),
        (Resource::Msgqueue, Some(0)),
        (Resource::Sigpending, Some(1024)),
    ];
    for (resource, value) in limits {
        if let Some(value) = value {
            let limit = Rlimit {
                current: Some(value),
                maximum: Some(value),
            };
            match setrlimit(resource, limit) {
                // Already lower, which is as good: a lower hard limit cannot be raised and need not be.
                Err(rustix::io::Errno::PERM) => {}
                other => step(format!("{resource:?} limit"), other)?,
            }
        }
    }
    Ok(())
}

/// Gives up every capability for good. The first process of a sandbox does so too.
pub(crate) fn drop_privileges() -> Result<(), Failure> {
    step("no_new_privs", rustix::thread::set_no_new_privs(true))?;
    for capability in 0..64 {
        // The first number this kernel does not know ends the list.
        if sys::drop_bounding_capability(capability).is_err() {
            break;
        }
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    step("drop capabilities", rustix::thread::set_capabilities(None, none))
}
