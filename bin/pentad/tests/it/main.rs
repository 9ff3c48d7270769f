//! The program as it is run.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod kill;
mod program;
