//! The gateway as its clients see it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod authorisation;
mod captured;
mod crossroads;
mod documents;
mod envelopes;
mod examples;
mod examples_of_exec;
mod examples_of_memories;
mod examples_of_projects;
mod examples_of_runs;
mod examples_of_storage;
mod examples_of_sync;
mod examples_of_teams;
mod limits;
mod mail;
mod operation;
mod outages;
mod pages;
mod scope_rows;
mod scopes;
mod several;

pub(crate) use operation::Operation;
