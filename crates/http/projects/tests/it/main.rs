//! The wire format through the real gateway.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod scopes;
