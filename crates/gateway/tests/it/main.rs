//! The gateway as its clients see it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod authorisation;
mod documents;
mod envelopes;
mod examples;
mod limits;
mod operation;
mod programs;

pub(crate) use operation::Operation;
