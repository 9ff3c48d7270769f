//! The sandboxes behind all runs.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pentad_sandbox::{
    Backend, Control, Event, Executor, ExecutorOptions, Job, Limits, LinuxBackend, Outcome, Program,
    RunLimits, RuntimeSearch, Runtimes, Sink, Workspace,
};
use tokio::sync::mpsc;

use crate::{Error, Result};

/// The port inside a sandbox on which storage answers.
pub const STORAGE_PORT: u16 = 8787;
/// The port inside a sandbox on which the proxy to the internet answers, where it is allowed.
pub const EGRESS_PORT: u16 = 3128;

/// What runs programs on this machine, or why nothing can.
#[derive(Clone)]
pub struct Engine(Arc<State>);

enum State {
    Ready(Box<Executor>),
    Unavailable(String),
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            State::Ready(_) => f.write_str("Engine(ready)"),
            State::Unavailable(why) => write!(f, "Engine(unavailable: {why})"),
        }
    }
}

impl Engine {
    /// Looks for runtimes and starts keeping sandboxes ready. Takes some hundred milliseconds; Go's standard
    /// library is compiled on a thread of its own, the first time on a machine.
    pub fn start(backend: LinuxBackend, search: &RuntimeSearch, options: ExecutorOptions) -> Self {
        let runtimes = Runtimes::discover(search);
        let options = ExecutorOptions {
            listen: vec![STORAGE_PORT, EGRESS_PORT],
            ..options
        };
        let backend: Arc<dyn Backend> = Arc::new(backend);
        match Executor::start(backend, runtimes, options) {
            Ok(executor) => {
                let engine = Self(Arc::new(State::Ready(Box::new(executor))));
                engine.prepare_go();
                engine
            }
            Err(error) => Self::unavailable(format!("{}", Chain(&error))),
        }
    }

    /// An engine that runs nothing and says why.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self(Arc::new(State::Unavailable(why.into())))
    }

    /// The executor.
    ///
    /// # Errors
    /// [`Error::SandboxUnavailable`].
    pub fn executor(&self) -> Result<&Executor> {
        match &*self.0 {
            State::Ready(executor) => Ok(executor),
            State::Unavailable(why) => Err(Error::SandboxUnavailable(why.clone())),
        }
    }

    /// Ends every sandbox and gives back what they held, after waiting, at most `patience`, until nobody else holds
    /// the engine. The last thing a program does: what another thread still holds when the program ends, is left
    /// to the next start.
    pub fn close(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while Arc::strong_count(&self.0) > 1 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn prepare_go(&self) {
        let engine = self.clone();
        let prepare = move || {
            if let Ok(executor) = engine.executor()
                && executor.runtimes().of(pentad_sandbox::Language::Go).is_ok()
                && let Err(error) = executor.prepare_go()
            {
                tracing::warn!(error = %Chain(&error), "go programs cannot be compiled");
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("prepare-go".into())
            .spawn(prepare)
        {
            tracing::warn!(%error, "the first go program will wait for its standard library");
        }
    }

    /// Runs a program on a thread of its own; returns when everything of it is gone.
    pub(crate) async fn run(&self, work: Work, watch: Watch) -> Result<Outcome> {
        self.executor()?;
        let engine = self.clone();
        tokio::task::spawn_blocking(move || engine.run_here(work, watch)).await?
    }

    fn run_here(&self, work: Work, mut watch: Watch) -> Result<Outcome> {
        let executor = self.executor()?;
        let mut placed = match work {
            Work::Job(job) => executor.place(*job)?,
            Work::Tool(tool) => {
                executor.place_program(tool.program, tool.workspace, &tool.limits, tool.run)?
            }
        };
        if let Some(control) = placed.control() {
            let listeners = Listeners {
                storage: placed.take_listener(STORAGE_PORT),
                egress: placed.take_listener(EGRESS_PORT),
            };
            (watch.begin)(Arc::from(control), listeners);
        }
        if watch.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let outcome = placed.run(&mut watch.output);
        match outcome {
            // Killed before it could report itself.
            Err(_) if watch.cancelled.load(Ordering::Relaxed) => Err(Error::Cancelled),
            other => Ok(other?),
        }
    }
}

/// What to run.
pub(crate) enum Work {
    /// A program in a language.
    Job(Box<Job>),
    /// A tool of the machine.
    Tool(Box<Tool>),
}

/// A tool of the machine, such as a package manager.
pub(crate) struct Tool {
    pub(crate) program: Program,
    pub(crate) workspace: Workspace,
    pub(crate) limits: Limits,
    pub(crate) run: RunLimits,
}

/// The ends of what a program may connect to.
pub(crate) struct Listeners {
    pub(crate) storage: Option<std::net::TcpListener>,
    pub(crate) egress: Option<std::net::TcpListener>,
}

/// What is done about a run beside waiting for its end.
pub(crate) struct Watch {
    /// Called once, before the program is let go.
    pub(crate) begin: Box<dyn FnOnce(Arc<dyn Control>, Listeners) + Send>,
    /// Set when nobody wants the result any more.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// Where output goes while the program runs.
    pub(crate) output: Output,
}

/// One piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// From standard output.
    Stdout(String),
    /// From standard error.
    Stderr(String),
}

/// Where output goes while the program runs.
pub(crate) enum Output {
    /// Nowhere.
    Kept,
    /// To a reader; when it goes away the run ends. Its length is bounded by the output that is streamed: a
    /// reader that is slow must not stop the clock of the run.
    Streamed(mpsc::UnboundedSender<Piece>),
}

impl Sink for Output {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let Self::Streamed(sender) = self else {
            return ControlFlow::Continue(());
        };
        let piece = match event {
            Event::Stdout(text) => Piece::Stdout(text.to_owned()),
            Event::Stderr(text) => Piece::Stderr(text.to_owned()),
        };
        match sender.send(piece) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn streams(&self) -> bool {
        matches!(self, Self::Streamed(_))
    }
}

/// An error with all its causes.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
