//! The surface as its clients see it: the real gateway, over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod access;
mod client;
mod modules;
mod objects;
mod sql;
mod values;
