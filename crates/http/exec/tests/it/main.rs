//! Seed 003 over HTTP, through the real gateway and real sandboxes.
#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

mod abuse;
mod bad_input;
mod client;
mod executing;
mod files;
mod load;
mod mcp;
mod proxy;
mod races;
mod sessions;
mod setup;
mod storage;
mod streams;
