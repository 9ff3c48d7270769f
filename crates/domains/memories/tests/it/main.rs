//! The memories on both engines.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod algebra;
mod changes;
mod erasure;
mod models;
mod provider;
mod questions;
mod world;
