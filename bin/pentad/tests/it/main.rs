//! The program as its users meet it: started from a shell, spoken to by documented commands and clients.
#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod backup;
mod blocks;
mod demo;
mod deployment;
mod documentation;
mod end_of_runs;
mod first_start;
mod kill;
mod kill_grep_sessions;
mod memory_of_a_push;
mod otlp;
mod output;
mod program;
mod programs;
mod python;
mod server;
mod shutdown;
mod surfaces;
mod sweep;
mod upgrade;
