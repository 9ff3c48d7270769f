//! Code execution without HTTP.
#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

mod killed;
