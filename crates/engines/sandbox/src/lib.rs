//! Run untrusted programs in milliseconds.
#![warn(missing_docs)]

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
