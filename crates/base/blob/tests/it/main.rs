//! Stores as their users meet them. The suite runs on memory, local files and S3.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod killed;
mod local;
mod s3;
mod suite;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use pentad_blob::testing::S3Server;
use pentad_blob::{Blobs, Key, Limits, Options, Prefix};
use tempfile::TempDir;

/// Small parts, so that small objects have many.
const PART_BYTES: usize = 10_000;

/// The smallest parts that S3 takes.
const S3_PART_BYTES: usize = 5 << 20;

/// A store and what keeps it alive.
pub(crate) struct Store {
    pub(crate) blobs: Blobs,
    pub(crate) directory: Option<TempDir>,
    pub(crate) server: Option<Arc<S3Server>>,
}

pub(crate) fn limits() -> Limits {
    Limits {
        part_bytes: PART_BYTES,
        ..Limits::default()
    }
}

impl Store {
    pub(crate) async fn memory() -> Self {
        let options = Options {
            limits: limits(),
            ..Options::default()
        };
        Self {
            blobs: Blobs::open_with("memory:", &options).unwrap(),
            directory: None,
            server: None,
        }
    }

    pub(crate) async fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file:{}/objects", directory.path().display());
        let options = Options {
            limits: limits(),
            ..Options::default()
        };
        let blobs = Blobs::open_with(&url, &options).unwrap();
        Self {
            blobs,
            directory: Some(directory),
            server: None,
        }
    }

    pub(crate) async fn s3() -> Self {
        let server = S3Server::start().await;
        let limits = Limits {
            part_bytes: S3_PART_BYTES,
            ..Limits::default()
        };
        let options = Options {
            limits,
            ..server.options()
        };
        let blobs = Blobs::open_with(&server.url("some/Prefix"), &options).unwrap();
        Self {
            blobs,
            directory: None,
            server: Some(server.into()),
        }
    }

    /// The size of a part in this store.
    pub(crate) fn part(&self) -> usize {
        self.blobs.limits().part_bytes
    }

    /// Files that are not whole objects: staged ones, parts of uploads.
    pub(crate) fn remains(&self) -> Vec<String> {
        let root = match (&self.directory, &self.server) {
            (Some(directory), _) => directory.path().to_owned(),
            (_, Some(server)) => server.directory().to_owned(),
            _ => return Vec::new(),
        };
        let mut pending = vec![root];
        let mut remains = Vec::new();
        while let Some(path) = pending.pop() {
            for entry in std::fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_dir() {
                    pending.push(entry.path());
                } else if name.contains('#') || name.contains("part-") {
                    remains.push(name);
                }
            }
        }
        remains
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::parse(name).unwrap()
}

pub(crate) fn prefix(name: &str) -> Prefix {
    Prefix::parse(name).unwrap()
}

/// Bytes that repeat in no part.
pub(crate) fn noise(length: usize, seed: u32) -> Bytes {
    let mut state = (u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Runs each test of the suite on each kind of store.
macro_rules! on_every_store {
    ($($(#[$attribute:meta])* async fn $name:ident($store:ident) $body:block)*) => {
        $($(#[$attribute])* async fn $name($store: crate::Store) $body)*
        on_every_store!(@tests memory $($name)*);
        on_every_store!(@tests local $($name)*);
        on_every_store!(@tests s3 $($name)*);
    };
    (@tests $kind:ident $($name:ident)*) => {
        mod $kind {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::Store::$kind().await).await;
            })*
        }
    };
}
pub(crate) use on_every_store;
