#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod download;
mod error;
mod key;
mod limits;
mod list;
mod local;
mod open;
mod store;
mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
mod upload;

pub use download::Download;
pub use error::{Cause, Error, Operation};
pub use key::{BlobId, BlobIdError, Key, KeyError, MAX_COMPONENT_BYTES, MAX_KEY_BYTES, Prefix};
pub use limits::Limits;
pub use list::{ObjectInfo, Page};
pub use open::Options;
#[cfg(feature = "s3")]
pub use open::install_crypto_provider;
pub use store::Blobs;
pub use sweep::Swept;
pub use upload::{Stored, Upload};
