//! Archives, honest and hostile, as a caller of the crate meets them.

mod forge;
mod properties;
mod tar_gz;
mod zip;
