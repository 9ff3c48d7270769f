//! How long and how large.

use std::time::Duration;

/// What bounds the operations of a store.
///
/// ```
/// use std::time::Duration;
/// use pentad_blob::Limits;
///
/// let patient = Limits { timeout: Duration::from_secs(120), ..Limits::default() };
/// # assert_eq!(patient.retries, 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one operation with all its retries, apart from the time its bytes take. Default 30 s.
    pub timeout: Duration,
    /// For one attempt at it, over a network. Default 10 s.
    pub attempt_timeout: Duration,
    /// Attempts after the first, over a network, with growing pauses. Default 3.
    pub retries: usize,
    /// The slowest transfer that is waited for: each operation may take a second more for this
    /// many bytes. Default 1 MiB.
    pub min_bytes_per_second: u64,
    /// Bytes moved by one request: larger objects are written in parts and read in ranges.
    /// Default 8 MiB; S3 takes no less than 5 MiB, and 10 000 parts.
    pub part_bytes: usize,
    /// Parts of one object on their way at a time, each of which is held in memory. Default 2.
    pub parts_in_flight: usize,
    /// A content-addressed object older than this is written anew when it is put again, so that
    /// it is young when a sweep looks at it. Keep it well below the age that is swept.
    /// Default 30 min.
    pub refresh_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            retries: 3,
            min_bytes_per_second: 1 << 20,
            part_bytes: 8 << 20,
            parts_in_flight: 2,
            refresh_after: Duration::from_secs(30 * 60),
        }
    }
}

impl Limits {
    /// The time for an operation that moves this many bytes.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        self.timeout + self.transfer(bytes)
    }

    /// The time for one attempt at moving one part.
    #[cfg(feature = "s3")]
    pub(crate) fn attempt(&self) -> Duration {
        self.attempt_timeout + self.transfer(self.part_bytes as u64)
    }

    fn transfer(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.min_bytes_per_second.max(1))
    }
}
