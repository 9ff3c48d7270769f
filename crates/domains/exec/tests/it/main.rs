//! Code execution without HTTP.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod killed;
