//! The seam between what runs programs and how they are isolated.

use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;

use crate::{GuardReport, Outcome, Result, Run, Shape};

/// A way of isolating programs. The Linux one is [`LinuxBackend`](crate::LinuxBackend).
pub trait Backend: Send + Sync {
    /// What isolates a program here, as found when the backend was started.
    fn guards(&self) -> &GuardReport;

    /// Makes a finished sandbox that waits for its one run. Takes milliseconds.
    ///
    /// # Errors
    /// When the shape names something that does not exist, or the system is out of a resource.
    fn prepare(&self, shape: &Shape) -> Result<Box<dyn Slot>>;
}

/// A finished sandbox, good for one run. Dropping it ends everything inside.
pub trait Slot: Send {
    /// Waits until the pre-started interpreter announces itself, at most `timeout`.
    ///
    /// # Errors
    /// When the interpreter ended instead; the message carries what it wrote.
    fn wait_ready(&mut self, timeout: std::time::Duration) -> Result<()>;

    /// The caller's end of a listener on 127.0.0.1:`port` inside the sandbox (one of
    /// [`Shape::listen`]): what a program connects to there arrives here. It is the only way out of a
    /// sandbox, so the listener itself is the identity of the run. Listeners not taken are closed when the
    /// run starts.
    fn take_listener(&mut self, port: u16) -> Option<TcpListener>;

    /// A handle for other threads: stop the run, or dial a port inside.
    fn control(&self) -> Box<dyn Control>;

    /// Runs, and returns when every process of the sandbox is gone.
    ///
    /// # Errors
    /// Only for failures of the sandbox; whatever the program does is an [`Outcome`].
    fn run(self: Box<Self>, run: Run, sink: &mut dyn Sink) -> Result<Outcome>;
}

/// Reaches into a sandbox from another thread.
pub trait Control: Send + Sync {
    /// Ends every process of the sandbox now. The run reports itself as cancelled.
    fn cancel(&self);

    /// Connects to 127.0.0.1:`port` inside the sandbox.
    ///
    /// # Errors
    /// The connection's own error (refused when nothing listens), or when the sandbox is gone.
    fn dial(&self, port: u16) -> Result<TcpStream>;
}

/// One piece of output. Text is cut at line ends where possible and never inside a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// From standard output.
    Stdout(&'a str),
    /// From standard error.
    Stderr(&'a str),
}

/// Receives output while the program runs.
pub trait Sink {
    /// Takes one piece; `Break` ends the run (the reader has gone away).
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()>;

    /// Whether pieces are wanted at all; without, only the result carries the output.
    fn streams(&self) -> bool {
        true
    }
}

/// The sink that wants no pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn event(&mut self, _event: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn streams(&self) -> bool {
        false
    }
}

impl<F: FnMut(Event<'_>) -> ControlFlow<()>> Sink for F {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}
