//! The program as it is run.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod memory_of_a_push;
