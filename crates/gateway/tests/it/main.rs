//! The gateway as its clients see it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod authorisation;
mod documents;
mod envelopes;
mod examples;
mod examples_sync;
mod limits;
mod operation;

pub(crate) use operation::Operation;
