//! The system calls that no safe wrapper covers. Every `unsafe` block of the crate that touches the
//! kernel is in this file; what uses them reads as ordinary code.
#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The namespaces every sandbox has for itself.
pub(crate) const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// A child made by [`clone_into`] or [`fork`], seen from either side.
pub(crate) enum Forked {
    Child,
    Parent(Pid, OwnedFd),
}

/// `clone3` with new namespaces and a descriptor for the child.
///
/// Must be called from a process with one thread: the child continues with a copy of all its memory.
pub(crate) fn clone_into(namespaces: i32) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let args = libc::clone_args {
        flags: namespaces as u64 | libc::CLONE_PIDFD as u64,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        child_tid: 0,
        parent_tid: 0,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: `args` is a valid `clone_args` of the size given; without CLONE_VM the child has its own
    // copy of the address space, and the caller has a single thread, so no lock is left held.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    match Pid::from_raw(pid as i32) {
        None => Ok(Forked::Child),
        // SAFETY: the kernel stored a fresh descriptor that nothing else owns.
        Some(pid) => Ok(Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// `fork`, under the same condition as [`clone_into`]; `None` in the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller has a single thread, so the child may go on running ordinary code.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(Pid::from_raw(pid as i32))
}

/// Ends the process without running exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Has the process see its control groups as the roots of theirs.
pub(crate) fn unshare_cgroups() -> io::Result<()> {
    // SAFETY: what is unshared is no descriptor table and no memory.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }?)
}

/// Replaces the process by a program. Returns only on failure.
pub(crate) fn exec(argv: &[String], env: &[(String, String)]) -> io::Error {
    let strings = |items: Vec<String>| -> Result<Vec<CString>, io::Error> {
        items
            .into_iter()
            .map(|item| CString::new(item).map_err(|_| io::ErrorKind::InvalidInput.into()))
            .collect()
    };
    let (argv, env) = match (
        strings(argv.to_vec()),
        strings(
            env.iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
    ) {
        (Ok(argv), Ok(env)) if !argv.is_empty() => (argv, env),
        _ => return io::ErrorKind::InvalidInput.into(),
    };
    let pointers = |items: &[CString]| -> Vec<*const c_char> {
        items
            .iter()
            .map(|item| item.as_ptr())
            .chain([ptr::null()])
            .collect()
    };
    let (argv_pointers, env_pointers) = (pointers(&argv), pointers(&env));
    // SAFETY: both arrays are terminated by null and point into strings that outlive the call.
    unsafe { libc::execve(argv_pointers[0], argv_pointers.as_ptr(), env_pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// Makes `to` a copy of `from` that survives `exec`.
pub(crate) fn duplicate_onto(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    if from.as_raw_fd() == to {
        // SAFETY: clearing the close-on-exec flag of a descriptor the caller holds.
        check(libc::c_long::from(unsafe { libc::fcntl(to, libc::F_SETFD, 0) }))?;
        return Ok(());
    }
    // SAFETY: `from` is open; whatever `to` was is replaced, which callers do only for 0, 1 and 2 in a
    // child that is about to exec.
    check(libc::c_long::from(unsafe { libc::dup2(from.as_raw_fd(), to) }))?;
    Ok(())
}

/// Closes every descriptor from `first` on. Values that own such descriptors must not be used again.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: callers are children that never return to code owning those descriptors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}

/// Attributes for [`set_mount_attributes`].
pub(crate) struct MountAttributes<'fd> {
    /// `MOUNT_ATTR_*` flags to set.
    pub(crate) set: u64,
    /// The user namespace whose mapping the mount shall use.
    pub(crate) id_map: Option<BorrowedFd<'fd>>,
    /// Whether mounts below are changed too.
    pub(crate) recursive: bool,
}

/// `mount_setattr` on a mount held by descriptor.
pub(crate) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: &MountAttributes<'_>,
) -> io::Result<()> {
    let id_map = attributes.id_map.map(|fd| fd.as_raw_fd());
    let raw = libc::mount_attr {
        attr_set: attributes.set
            | if id_map.is_some() {
                libc::MOUNT_ATTR_IDMAP
            } else {
                0
            },
        attr_clr: 0,
        propagation: 0,
        userns_fd: id_map.unwrap_or(0) as u64,
    };
    let recursive = if attributes.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is an empty C string, `raw` is valid for the size given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const raw,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Blocks every signal that can be blocked.
pub(crate) fn block_signals() {
    // SAFETY: a local signal set, initialised by `sigfillset`.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}

/// Unblocks every signal and gives each its default action, as a fresh program expects.
pub(crate) fn reset_signals() {
    // SAFETY: SIG_DFL is a valid disposition for every signal; failures for KILL, STOP and the reserved
    // numbers are expected. The signal set is local.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Lets the kernel reap children by itself.
pub(crate) fn ignore_children() {
    // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Undoes [`ignore_children`].
pub(crate) fn notice_children() {
    // SAFETY: SIG_DFL is a valid disposition for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// A signal taken from the queue of blocked ones.
pub(crate) struct Received {
    pub(crate) number: i32,
    /// Sent from outside the process namespace; programs inside cannot forge that.
    pub(crate) from_outside: bool,
}

/// Waits for any signal. All signals must be blocked.
pub(crate) fn wait_signal() -> Received {
    // SAFETY: local set and info, both initialised; `si_pid` is valid for signals sent by `kill`, and
    // only read as a number otherwise.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let number = libc::sigwaitinfo(&raw const all, &raw mut info);
        Received {
            number,
            // Of a signal that a program queues, all but a code of its own kind is as the program likes.
            from_outside: info.si_code == libc::SI_USER && info.si_pid() == 0,
        }
    }
}

/// SIGKILL for every process the caller may signal: in process 1 of a namespace, everything inside.
pub(crate) fn kill_everything() {
    // SAFETY: called by process 1 of its own process namespace only.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Processor time in microseconds and largest resident set in bytes of all children waited for.
pub(crate) fn children_usage() -> (u64, u64) {
    // SAFETY: a local struct that the call fills.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (
        micros(usage.ru_utime) + micros(usage.ru_stime),
        usage.ru_maxrss as u64 * 1024,
    )
}

/// Processor time a running process has used so far, in microseconds.
pub(crate) fn process_cpu_micros(pid: Pid) -> u64 {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both out-parameters are local.
    let known = unsafe {
        libc::clock_getcpuclockid(pid.as_raw_nonzero().get(), &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    if known {
        time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
    } else {
        0
    }
}

/// Brings the loopback interface of the current network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: the socket is owned here; `ifreq` is zeroed and names "lo"; the ioctl reads it only.
    unsafe {
        let socket = check(libc::c_long::from(libc::socket(
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        )))?;
        let socket = OwnedFd::from_raw_fd(socket as RawFd);
        let mut request = std::mem::zeroed::<libc::ifreq>();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(libc::c_long::from(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )))?;
    }
    Ok(())
}

/// Lowers the scheduling priority of the caller.
pub(crate) fn be_nice(by: i32) {
    // SAFETY: `nice` has no preconditions; failing to be nice is harmless.
    unsafe { libc::nice(by) };
}

/// Memory shared between processes through a descriptor, for one value of type `T`.
pub(crate) struct Shared<T> {
    value: ptr::NonNull<T>,
}

// SAFETY: `T` is required to be `Sync` wherever a reference is handed out, and the mapping is not tied to
// a thread.
unsafe impl<T: Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Shared<T> {}

/// A type whose all-zero bytes are a valid value and which consists of atomics only, so that another
/// process may change it at any time.
///
/// # Safety
/// The implementer guarantees both.
pub(crate) unsafe trait AllAtomic: Sync {}

impl<T: AllAtomic> Shared<T> {
    /// Maps the first bytes of `memory`, which must be at least as long as `T`.
    pub(crate) fn map(memory: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: a fresh shared mapping at an address the kernel chooses.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                memory.as_raw_fd(),
                0,
            )
        };
        match ptr::NonNull::new(address.cast::<T>()) {
            Some(value) if address != libc::MAP_FAILED => Ok(Self { value }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl<T: AllAtomic> std::ops::Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: mapped for the life of `self`, page-aligned, and `AllAtomic` makes any bytes a value.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`.
        unsafe { libc::munmap(self.value.as_ptr().cast(), size_of::<T>()) };
    }
}

/// Removes a capability, by number, from what the caller and its children may ever hold.
pub(crate) fn drop_bounding_capability(capability: u64) -> io::Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes a number only.
    check(libc::c_long::from(unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0)
    }))?;
    Ok(())
}
