//! How large, how many, how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pentad_store::Durability;
use serde::Deserialize;

/// The bounds of the storage. An error that one of them causes names it.
///
/// Each is a setting of the same name in the section `[storage]` of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a key, of KV and R2 alike. Default: 512.
    pub key_bytes: usize,
    /// Bytes of a KV value. Default: 25 MiB.
    pub kv_value_bytes: usize,
    /// Bytes of a KV entry's metadata as JSON. Default: 1 KiB.
    pub kv_metadata_bytes: usize,
    /// Bytes of an object. Default: 64 MiB.
    pub r2_object_bytes: u64,
    /// Bytes of an object's metadata as JSON, of each kind. Default: 8 KiB.
    pub r2_metadata_bytes: usize,
    /// Bytes of one SQL database. Default: 64 MiB.
    pub d1_database_bytes: u64,
    /// Bytes of one text, blob or row of SQL. Default: 4 MiB.
    pub d1_value_bytes: usize,
    /// Bytes of one SQL statement, and of each text, blob or row of one that reads a virtual table: what is searched
    /// for in a full-text index is a program too. Default: 100,000.
    pub d1_statement_bytes: usize,
    /// Parameters of one SQL statement. Default: 100.
    pub d1_parameters: usize,
    /// Bytes of a pattern of `LIKE` or `GLOB`, which SQLite compares with every place of a text between two looks at
    /// the clock. Default: 100.
    pub d1_pattern_bytes: usize,
    /// Rows in the answer to one SQL statement. Default: 10,000.
    pub d1_rows: usize,
    /// Bytes in the answer to one SQL statement, as JSON. Default: 8 MiB.
    pub d1_answer_bytes: usize,
    /// How long one SQL statement may run, in milliseconds. Default: 2,000.
    pub d1_timeout_ms: u64,
    /// Bytes of memory that SQLite may take for one statement. Default: 256 MiB.
    pub d1_memory_bytes: u64,
    /// SQL statements that run at once; further ones wait for [`d1_timeout_ms`](Self::d1_timeout_ms) five times
    /// over. Default: twice the cores, at least 4.
    pub d1_concurrency: usize,
    /// Bytes of SQL databases that a gateway beside PostgreSQL keeps copies of. Default: 4 GiB.
    pub d1_cache_bytes: u64,
    /// How long bytes are kept that nothing refers to any more, in seconds. Default: 3,600.
    pub orphan_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            key_bytes: 512,
            kv_value_bytes: 25 << 20,
            kv_metadata_bytes: 1 << 10,
            r2_object_bytes: 64 << 20,
            r2_metadata_bytes: 8 << 10,
            d1_database_bytes: 64 << 20,
            d1_value_bytes: 4 << 20,
            d1_statement_bytes: 100_000,
            d1_parameters: 100,
            d1_pattern_bytes: 100,
            d1_rows: 10_000,
            d1_answer_bytes: 8 << 20,
            d1_timeout_ms: 2_000,
            d1_memory_bytes: 256 << 20,
            d1_concurrency: (cores * 2).max(4),
            d1_cache_bytes: 4 << 30,
            orphan_seconds: 3_600,
        }
    }
}

impl Limits {
    pub(crate) const fn statement_time(&self) -> Duration {
        Duration::from_millis(self.d1_timeout_ms)
    }

    pub(crate) const fn queue_time(&self) -> Duration {
        Duration::from_millis(self.d1_timeout_ms * 5)
    }

    pub(crate) const fn orphan_age(&self) -> Duration {
        Duration::from_secs(self.orphan_seconds)
    }
}

/// What a [`Storage`](crate::Storage) is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where SQL databases lie: the databases themselves, or copies beside PostgreSQL.
    pub directory: PathBuf,
    /// What a commit of an SQL database survives.
    pub durability: Durability,
    /// The bounds.
    pub limits: Limits,
}

impl Settings {
    /// The default bounds, with SQL databases in this directory.
    pub fn in_directory(directory: impl AsRef<Path>) -> Self {
        Self {
            directory: directory.as_ref().to_owned(),
            durability: Durability::default(),
            limits: Limits::default(),
        }
    }
}
