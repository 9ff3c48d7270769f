//! The storage on both databases.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod d1;
mod hostile;
mod kv;
mod r2;
mod resources;
mod shared;
mod world;
