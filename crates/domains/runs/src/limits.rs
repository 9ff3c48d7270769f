//! How much of everything is taken.

use std::time::Duration;

/// Every limit of the recording of runs. Each is named in the error that it causes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one step, event post, or other small record.
    pub record_bytes: usize,
    /// Bytes of a manifest.
    pub manifest_bytes: usize,
    /// Bytes of a trace.
    pub trace_bytes: usize,
    /// Bytes of one record of model input and output.
    pub modelio_bytes: usize,
    /// Bytes of one screenshot.
    pub screenshot_bytes: usize,
    /// Pixels of a screenshot along one side.
    pub screenshot_side: u32,
    /// Bytes of one post of log text.
    pub log_post_bytes: usize,
    /// Bytes of one log file: what comes after is dropped, and counted.
    pub log_file_bytes: usize,
    /// Bytes of an imported bundle, packed and unpacked.
    pub bundle_bytes: usize,
    /// Files of an imported bundle.
    pub bundle_files: usize,
    /// Bytes of one post of OTLP spans, unpacked.
    pub otlp_bytes: usize,
    /// Events of one post.
    pub events_per_post: usize,
    /// Records that may wait to be written; one organisation may use half.
    pub queued_records: usize,
    /// Bytes that may wait to be written; one organisation may use half.
    pub queued_bytes: usize,
    /// How far the writer may fall behind before records are refused.
    pub longest_wait: Duration,
    /// Records written by one transaction.
    pub batch_records: usize,
    /// Bytes written by one transaction.
    pub batch_bytes: usize,
    /// After how long without a sign of life a client is no longer listed as connected.
    pub connection_horizon: Duration,
    /// After how long without a record a run counts as idle.
    pub idle_after: Duration,
    /// After how long without a record a run counts as lost.
    pub lost_after: Duration,
    /// How long a poll for commands waits when it does not say; the SDK reads for 30 seconds.
    pub command_hold: Duration,
    /// Polls for commands of one organisation that may wait at once.
    pub waiting_polls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            record_bytes: 4 * MIB,
            manifest_bytes: 8 * MIB,
            trace_bytes: 64 * MIB,
            modelio_bytes: 32 * MIB,
            screenshot_bytes: 25 * MIB,
            screenshot_side: 16_384,
            log_post_bytes: 4 * MIB,
            log_file_bytes: MIB,
            bundle_bytes: 512 * MIB,
            bundle_files: 100_000,
            otlp_bytes: 16 * MIB,
            events_per_post: 10_000,
            queued_records: 20_000,
            queued_bytes: 64 * MIB,
            longest_wait: Duration::from_millis(1_500),
            batch_records: 1_024,
            batch_bytes: 8 * MIB,
            connection_horizon: Duration::from_secs(60),
            idle_after: Duration::from_secs(60),
            lost_after: Duration::from_secs(30 * 60),
            command_hold: Duration::from_secs(20),
            waiting_polls: 1_000,
        }
    }
}
