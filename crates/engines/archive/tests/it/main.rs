//! Archives, honest and hostile, as a caller of the crate meets them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod forge;
mod properties;
mod tar_gz;
mod zip;
