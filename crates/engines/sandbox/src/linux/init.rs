//! Process 1 of a sandbox.
//!
//! Until the orders arrive it is trusted code with power over the sandbox's own namespaces: it builds the
//! root, starts a waiting interpreter, mounts the workspace. Then it gives up every capability and every
//! descriptor, cannot be traced, and does nothing but wait, forward the end of time, and reap.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, Uid, set_keep_capabilities};

use super::confine::{self, Streams};
use super::files;
use super::roots;
use super::seccomp::Filters;
use super::status::StatusPage;
use super::sys;
use super::template::{Template, attach, step};
use super::tree::SOCKET_BYTES;
use super::wire::{self, Began, Failure, Orders, Prepared, Spawn};
use crate::spec::EXECUTABLE;

/// The user id programs see.
pub(crate) const INSIDE_UID: u32 = 1000;

/// What the first process is born with.
pub(crate) struct Birth {
    pub(crate) spec: Spawn,
    pub(crate) template: Template,
    pub(crate) trees: Vec<(OwnedFd, String)>,
    pub(crate) filters: Filters,
    pub(crate) control: OwnedFd,
    pub(crate) streams: Streams,
    pub(crate) status: OwnedFd,
}

/// The life of process 1.
pub(crate) fn live(birth: Birth) -> ! {
    let Birth {
        spec,
        template,
        trees,
        filters,
        control,
        streams,
        status,
    } = birth;
    let page = match prepare(&spec, template, trees, &control, &status) {
        Ok(page) => page,
        Err(failure) => {
            let _ = wire::send_frame(&control, &Prepared::Failed(failure), &[]);
            sys::exit_now(1)
        }
    };
    drop(status);
    let waiting = match &spec.interpreter {
        None => None,
        Some(interpreter) => {
            match confine::start(&interpreter.program, &streams, &spec.resources, &filters) {
                Ok(pid) => Some(pid),
                Err(failure) => {
                    let _ = wire::send_frame(&control, &Began::Failed(failure), &[]);
                    sys::exit_now(1)
                }
            }
        }
    };
    // The streams stay open for a program that comes with the orders, and so that the payload can be written
    // even when it is longer than a pipe; an interpreter that is already there has its own copies.
    let began = carry_out(&spec, waiting, &control, streams, &filters, &page);
    match began {
        Ok(Some((program, before))) => {
            let _ = wire::send_frame(&control, &Began::Started, &[]);
            let _ = sys::close_from(0);
            reign(program, before, &page)
        }
        Ok(None) => sys::exit_now(0),
        Err(failure) => {
            let _ = wire::send_frame(&control, &Began::Failed(failure), &[]);
            sys::exit_now(1)
        }
    }
}

/// Everything up to a finished root.
fn prepare(
    spec: &Spawn,
    template: Template,
    trees: Vec<(OwnedFd, String)>,
    control: &OwnedFd,
    status: &OwnedFd,
) -> Result<StatusPage, Failure> {
    let _ = rustix::thread::set_name(c"sandbox-init");
    sys::block_signals();
    sys::notice_children();
    let page = step("map the status page", StatusPage::open(status))?;
    // The helper has written the id maps, and the library has put this process into its cgroup, when this
    // byte arrives.
    step("wait for the go-ahead", wire::receive_bytes(control, &mut [0]))?;
    become_user()?;
    // Where it is in the host's groups is none of a program's business; on kernels without groups it is nowhere.
    let _ = sys::unshare_cgroups();
    step(
        "die with the helper",
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)),
    )?;
    step(
        "forbid tracing",
        set_dumpable_behavior(DumpableBehavior::NotDumpable),
    )?;
    step("name the host", rustix::system::sethostname(b"sandbox"))?;
    step("bring the loopback up", sys::loopback_up())?;
    if !spec.resources.accounted {
        // The kernel lets connections grow; where nothing counts what they hold, they do not. A host that forbids
        // this has them grow to its own bounds.
        for name in ["tcp_rmem", "tcp_wmem"] {
            let bounds = format!("4096 65536 {SOCKET_BYTES}");
            let _ = std::fs::write(format!("/proc/sys/net/ipv4/{name}"), bounds);
        }
    }
    let mut listeners = Vec::new();
    for port in &spec.listen {
        listeners.push(step(
            format!("listen on {port}"),
            TcpListener::bind(("127.0.0.1", *port)),
        )?);
    }
    let upper = roots::enter(template, spec, trees)?;
    let mut descriptors = vec![upper.as_fd()];
    descriptors.extend(listeners.iter().map(AsFd::as_fd));
    step(
        "report",
        wire::send_frame(control, &Prepared::Ready, &descriptors),
    )?;
    Ok(page)
}

/// From the nobody of a fresh user namespace to its one user, keeping the namespace's capabilities.
fn become_user() -> Result<(), Failure> {
    let (uid, gid) = (
        Uid::from_raw(INSIDE_UID),
        rustix::thread::Gid::from_raw(INSIDE_UID),
    );
    step("keep capabilities", set_keep_capabilities(true))?;
    step("set the group", rustix::thread::set_thread_res_gid(gid, gid, gid))?;
    step("set the user", rustix::thread::set_thread_res_uid(uid, uid, uid))?;
    let all = CapabilitySets {
        effective: CapabilitySet::all(),
        permitted: CapabilitySet::all(),
        inheritable: CapabilitySet::empty(),
    };
    let held = step("read capabilities", rustix::thread::capabilities(None))?.permitted;
    let kept = CapabilitySets {
        effective: held & all.effective,
        permitted: held,
        ..all
    };
    step("raise capabilities", rustix::thread::set_capabilities(None, kept))
}

/// Waits for the orders and carries them out. `None` when the slot was dropped instead.
fn carry_out(
    spec: &Spawn,
    waiting: Option<Pid>,
    control: &OwnedFd,
    streams: Streams,
    filters: &Filters,
    page: &StatusPage,
) -> Result<Option<(Pid, u64)>, Failure> {
    let Some((orders, mut descriptors)) = step("read the orders", wire::receive_frame::<Orders>(control))?
    else {
        return Ok(None);
    };
    let payload_end = if orders.payload_bytes > 0 {
        descriptors.pop()
    } else {
        None
    };
    files::write_all(&orders.files, control)?;
    let mut payload = vec![0; orders.payload_bytes];
    step("read the payload", wire::receive_bytes(control, &mut payload))?;
    // In the reverse of the order in which they were sent.
    let mut next = |what: &str| {
        let taken = descriptors
            .pop()
            .ok_or(io::Error::from(io::ErrorKind::InvalidData));
        step(what, taken)
    };
    if orders.executable {
        let executable = next("executable")?;
        step("mount the executable", attach(&executable, EXECUTABLE))?;
    }
    if orders.overlay {
        roots::overlay_workspace(&next("base")?)?;
    }
    roots::hide_workings()?;
    page.program_started();
    let (program, before) = match (waiting, &orders.program) {
        (Some(pid), _) => {
            confine::drop_privileges()?;
            (pid, sys::process_cpu_micros(pid))
        }
        (None, Some(program)) => {
            let pid = confine::start(program, &streams, &spec.resources, filters)?;
            confine::drop_privileges()?;
            (pid, 0)
        }
        (None, None) => {
            return Err(Failure {
                step: "no program".into(),
                errno: libc::EINVAL,
            });
        }
    };
    drop(streams);
    if let Some(pipe) = payload_end {
        write_payload(&pipe, &payload);
    }
    Ok(Some((program, before)))
}

/// Writes all of the payload, however little a pipe takes at a time. It does not block, because the supervisor's
/// end of it must not.
fn write_payload(pipe: &OwnedFd, mut payload: &[u8]) {
    while !payload.is_empty() {
        match rustix::io::write(pipe, payload) {
            Ok(written) => payload = &payload[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(pipe, PollFlags::OUT)], None);
            }
            // A program that ends without reading shows in its own exit status. SIGPIPE is blocked.
            Err(_) => return,
        }
    }
}

/// The rest of the sandbox's life: wait for the program, then end and reap everything else.
fn reign(program: Pid, cpu_before: u64, page: &StatusPage) -> ! {
    let mut over = reap(program, page, WaitOptions::NOHANG);
    while !over {
        let signal = sys::wait_signal();
        match signal.number {
            libc::SIGCHLD => over = reap(program, page, WaitOptions::NOHANG),
            // Only the supervisor outside can say so; a program that signals process 1 is ignored.
            libc::SIGTERM if signal.from_outside => {
                let _ = rustix::process::kill_process_group(program, Signal::TERM);
            }
            libc::SIGINT if signal.from_outside => sys::kill_everything(),
            _ => {}
        }
    }
    sys::kill_everything();
    reap(program, page, WaitOptions::empty());
    let (cpu, memory) = sys::children_usage();
    page.all_gone(cpu.saturating_sub(cpu_before), memory);
    sys::exit_now(0)
}

/// Reaps what has ended; without `NOHANG`, until no child is left. True when the program was among it.
fn reap(program: Pid, page: &StatusPage, options: WaitOptions) -> bool {
    let mut over = false;
    loop {
        match rustix::process::wait(options) {
            Ok(Some((pid, status))) => {
                if pid == program {
                    page.program_ended(status.as_raw());
                    over = true;
                }
            }
            Ok(None) | Err(rustix::io::Errno::CHILD) => return over,
            Err(_) => {}
        }
    }
}
