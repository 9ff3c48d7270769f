//! Synced sessions on both databases.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod archives;
mod forge;
mod handoffs;
mod races;
mod sessions;
mod uploads;
