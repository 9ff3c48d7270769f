//! Seed 003 over HTTP, through the real gateway and real sandboxes.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

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
mod storage;
mod streams;
