//! Synced sessions on both databases.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod archives;
mod forge;
mod handoff_model;
mod handoffs;
mod judge;
mod provenance;
mod races;
mod sessions;
mod uploads;
