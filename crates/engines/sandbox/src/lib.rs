//! Run untrusted programs in milliseconds.
//!
//! A program in Python, JavaScript, TypeScript, Go or Deno, or any executable, runs in namespaces of its own
//! (user, process, mount, network, IPC, host name), in a minimal read-only root, under a system call filter,
//! without any privilege, and within limits of memory, processes, processor, files, output and time. It needs
//! no container engine, no virtual machine and no root; as root every sandbox has a user id of its own besides.
//!
//! **What this is not.** Namespaces and seccomp share the host's kernel. A bug in the kernel that is reachable
//! through the system calls still allowed is a way out, for this crate as for every container. Where tenants
//! are hostile to each other and the stakes are high, put this crate inside a virtual machine a tenant.
//!
//! # Running something
//!
//! ```no_run
//! use std::sync::Arc;
//! use pentad_sandbox::{
//!     Discard, Executor, ExecutorOptions, Job, Language, LinuxBackend, LinuxOptions, RuntimeSearch, Runtimes,
//! };
//!
//! let backend = Arc::new(LinuxBackend::start(&LinuxOptions::default())?);
//! let runtimes = Runtimes::discover(&RuntimeSearch::default());
//! let executor = Executor::start(backend, runtimes, ExecutorOptions::default())?;
//! let outcome = executor.execute(Job::new(Language::Python, "print(6 * 7)"), &mut Discard)?;
//! assert_eq!((outcome.stdout.text.as_str(), outcome.exit_code, outcome.killed_by), ("42\n", 0, None));
//! # Ok::<(), pentad_sandbox::Error>(())
//! ```
//!
//! # How it is built
//!
//! - [`Backend`] makes finished sandboxes ([`Slot`]) of a given [`Shape`]; each is good for one [`Run`] and ends
//!   in an [`Outcome`]. [`LinuxBackend`] is the native one; a virtual machine could be another.
//! - [`Executor`] knows languages. It keeps interpreters started and waiting inside finished sandboxes, so that a
//!   small program costs one write, one read and one exit. Nothing is ever used twice.
//! - [`Changes`] is what a run did to its workspace, readable after everything in the sandbox is gone; also
//!   after it was killed.
//! - [`GuardReport`] says what isolates programs on this very system, found out by trying, and what to do where
//!   something is missing. Without a required guard the backend refuses to start.
//!
//! Three processes are involved. The *library* never makes a namespace itself; it talks to a *helper*, the
//! running executable started once more, which serves requests before it ever reaches `main` (so the crate works
//! in any program that links it, tests included, and call [`LinuxBackend::start`] early: before an async
//! runtime, before much memory is in use). The helper clones *process 1* of each sandbox, which builds the root,
//! starts the interpreter, and at the start of the run gives up every capability and descriptor, and can be
//! neither traced nor killed from inside. It reports through a page of shared memory. When the library's
//! process dies, however it dies, all of them die.
//!
//! There is no network inside. What a program may reach is a listener on 127.0.0.1 that the caller answers
//! ([`Placed::take_listener`]): storage, or a filtering proxy. The caller reaches a port inside with
//! [`Control::dial`].

mod backend;
mod changes;
mod error;
mod executor;
mod guards;
mod limits;
mod linux;
mod outcome;
mod output;
mod path;
mod pool;
mod runtimes;
mod spec;

pub use backend::{Backend, Control, Discard, Event, Sink, Slot};
pub use changes::{Change, ChangeKind, Changes, Content, SkipReason, Skipped};
pub use error::{Error, Result};
pub use executor::{Executor, ExecutorOptions, Job, Placed};
pub use guards::{Guard, GuardReport, GuardState};
pub use limits::{Limits, RunLimits};
pub use linux::{LinuxBackend, LinuxOptions};
pub use outcome::{Captured, KilledBy, Outcome, Usage};
pub use path::{PathError, WorkspacePath};
pub use pool::{PoolKind, PoolSizes, PoolState};
pub use runtimes::{Language, Runtime, RuntimeKind, RuntimeSearch, Runtimes};
pub use spec::{
    EXECUTABLE, InputContent, InputFile, Interpreter, Mount, Program, READY, Run, Shape, WORKSPACE, Workspace,
};
