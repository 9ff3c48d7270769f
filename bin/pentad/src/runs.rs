//! The limits of recorded runs: flags, environment, and the table `[runs]` of `pentad.toml`.

use std::time::Duration;

use clap::Args;
use pentad_runs::Limits;
use serde::Deserialize;

/// What may be set of the limits of recorded runs. Each has the name that the error it causes tells.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[command(next_help_heading = "Recorded runs")]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunsFile {
    /// Bytes of one step, event post, or other small record [default: 4194304]
    #[arg(
        long = "runs-record-bytes",
        env = "PENTAD_RUNS_RECORD_BYTES",
        value_name = "N"
    )]
    record_bytes: Option<usize>,
    /// Bytes of a manifest [default: 8388608]
    #[arg(
        long = "runs-manifest-bytes",
        env = "PENTAD_RUNS_MANIFEST_BYTES",
        value_name = "N"
    )]
    manifest_bytes: Option<usize>,
    /// Bytes of a trace [default: 67108864]
    #[arg(long = "runs-trace-bytes", env = "PENTAD_RUNS_TRACE_BYTES", value_name = "N")]
    trace_bytes: Option<usize>,
    /// Bytes of one record of model input and output [default: 33554432]
    #[arg(
        long = "runs-modelio-bytes",
        env = "PENTAD_RUNS_MODELIO_BYTES",
        value_name = "N"
    )]
    modelio_bytes: Option<usize>,
    /// Bytes of one screenshot [default: 26214400]
    #[arg(
        long = "runs-screenshot-bytes",
        env = "PENTAD_RUNS_SCREENSHOT_BYTES",
        value_name = "N"
    )]
    screenshot_bytes: Option<usize>,
    /// Pixels of a screenshot along one side [default: 16384]
    #[arg(
        long = "runs-screenshot-side",
        env = "PENTAD_RUNS_SCREENSHOT_SIDE",
        value_name = "N"
    )]
    screenshot_side: Option<u32>,
    /// Bytes of one post of log text [default: 4194304]
    #[arg(
        long = "runs-log-post-bytes",
        env = "PENTAD_RUNS_LOG_POST_BYTES",
        value_name = "N"
    )]
    log_post_bytes: Option<usize>,
    /// Bytes of one log: its head is kept, what comes after is dropped and counted [default: 1048576]
    #[arg(
        long = "runs-log-file-bytes",
        env = "PENTAD_RUNS_LOG_FILE_BYTES",
        value_name = "N"
    )]
    log_file_bytes: Option<usize>,
    /// Bytes of an imported bundle, packed and unpacked [default: 536870912]
    #[arg(
        long = "runs-bundle-bytes",
        env = "PENTAD_RUNS_BUNDLE_BYTES",
        value_name = "N"
    )]
    bundle_bytes: Option<usize>,
    /// Files of an imported bundle [default: 100000]
    #[arg(
        long = "runs-bundle-files",
        env = "PENTAD_RUNS_BUNDLE_FILES",
        value_name = "N"
    )]
    bundle_files: Option<usize>,
    /// Bytes of one post of OTLP spans, unpacked [default: 16777216]
    #[arg(long = "runs-otlp-bytes", env = "PENTAD_RUNS_OTLP_BYTES", value_name = "N")]
    otlp_bytes: Option<usize>,
    /// Events of one post [default: 10000]
    #[arg(
        long = "runs-events-per-post",
        env = "PENTAD_RUNS_EVENTS_PER_POST",
        value_name = "N"
    )]
    events_per_post: Option<usize>,
    /// Records that may wait to be written; one tenant may use half [default: 20000]
    #[arg(
        long = "runs-queued-records",
        env = "PENTAD_RUNS_QUEUED_RECORDS",
        value_name = "N"
    )]
    queued_records: Option<usize>,
    /// Bytes that may wait to be written; one tenant may use half [default: 67108864]
    #[arg(
        long = "runs-queued-bytes",
        env = "PENTAD_RUNS_QUEUED_BYTES",
        value_name = "N"
    )]
    queued_bytes: Option<usize>,
    /// Milliseconds that the writer may fall behind before records are refused [default: 1500]
    #[arg(
        long = "runs-longest-wait-ms",
        env = "PENTAD_RUNS_LONGEST_WAIT_MS",
        value_name = "N"
    )]
    longest_wait_ms: Option<u64>,
    /// Seconds without a sign of life after which a client is no longer connected [default: 60]
    #[arg(
        long = "runs-connection-horizon-seconds",
        env = "AUGUR_HEARTBEAT_WINDOW_S",
        value_name = "N"
    )]
    connection_horizon_seconds: Option<u64>,
    /// Seconds without a record after which a run counts as idle [default: 60]
    #[arg(
        long = "runs-idle-after-seconds",
        env = "PENTAD_RUNS_IDLE_AFTER_SECONDS",
        value_name = "N"
    )]
    idle_after_seconds: Option<u64>,
    /// Seconds without a record after which a run counts as lost [default: 1800]
    #[arg(
        long = "runs-lost-after-seconds",
        env = "PENTAD_RUNS_LOST_AFTER_SECONDS",
        value_name = "N"
    )]
    lost_after_seconds: Option<u64>,
    /// Agents of one tenant that may wait for commands at once [default: 1000]
    #[arg(
        long = "runs-waiting-polls",
        env = "PENTAD_RUNS_WAITING_POLLS",
        value_name = "N"
    )]
    waiting_polls: Option<usize>,
}

impl RunsFile {
    /// These settings, and those of `file` where these say nothing.
    pub(crate) fn over(&self, file: &Self) -> Self {
        Self {
            record_bytes: self.record_bytes.or(file.record_bytes),
            manifest_bytes: self.manifest_bytes.or(file.manifest_bytes),
            trace_bytes: self.trace_bytes.or(file.trace_bytes),
            modelio_bytes: self.modelio_bytes.or(file.modelio_bytes),
            screenshot_bytes: self.screenshot_bytes.or(file.screenshot_bytes),
            screenshot_side: self.screenshot_side.or(file.screenshot_side),
            log_post_bytes: self.log_post_bytes.or(file.log_post_bytes),
            log_file_bytes: self.log_file_bytes.or(file.log_file_bytes),
            bundle_bytes: self.bundle_bytes.or(file.bundle_bytes),
            bundle_files: self.bundle_files.or(file.bundle_files),
            otlp_bytes: self.otlp_bytes.or(file.otlp_bytes),
            events_per_post: self.events_per_post.or(file.events_per_post),
            queued_records: self.queued_records.or(file.queued_records),
            queued_bytes: self.queued_bytes.or(file.queued_bytes),
            longest_wait_ms: self.longest_wait_ms.or(file.longest_wait_ms),
            connection_horizon_seconds: self
                .connection_horizon_seconds
                .or(file.connection_horizon_seconds),
            idle_after_seconds: self.idle_after_seconds.or(file.idle_after_seconds),
            lost_after_seconds: self.lost_after_seconds.or(file.lost_after_seconds),
            waiting_polls: self.waiting_polls.or(file.waiting_polls),
        }
    }

    /// The limits, with every default filled in.
    pub(crate) fn limits(&self) -> anyhow::Result<Limits> {
        let defaults = Limits::default();
        let seconds = |given: Option<u64>, default: Duration| given.map_or(default, Duration::from_secs);
        let limits = Limits {
            record_bytes: self.record_bytes.unwrap_or(defaults.record_bytes),
            manifest_bytes: self.manifest_bytes.unwrap_or(defaults.manifest_bytes),
            trace_bytes: self.trace_bytes.unwrap_or(defaults.trace_bytes),
            modelio_bytes: self.modelio_bytes.unwrap_or(defaults.modelio_bytes),
            screenshot_bytes: self.screenshot_bytes.unwrap_or(defaults.screenshot_bytes),
            screenshot_side: self.screenshot_side.unwrap_or(defaults.screenshot_side),
            log_post_bytes: self.log_post_bytes.unwrap_or(defaults.log_post_bytes),
            log_file_bytes: self.log_file_bytes.unwrap_or(defaults.log_file_bytes),
            bundle_bytes: self.bundle_bytes.unwrap_or(defaults.bundle_bytes),
            bundle_files: self.bundle_files.unwrap_or(defaults.bundle_files),
            otlp_bytes: self.otlp_bytes.unwrap_or(defaults.otlp_bytes),
            events_per_post: self.events_per_post.unwrap_or(defaults.events_per_post),
            queued_records: self.queued_records.unwrap_or(defaults.queued_records),
            queued_bytes: self.queued_bytes.unwrap_or(defaults.queued_bytes),
            longest_wait: self
                .longest_wait_ms
                .map_or(defaults.longest_wait, Duration::from_millis),
            connection_horizon: seconds(self.connection_horizon_seconds, defaults.connection_horizon),
            idle_after: seconds(self.idle_after_seconds, defaults.idle_after),
            lost_after: seconds(self.lost_after_seconds, defaults.lost_after),
            waiting_polls: self.waiting_polls.unwrap_or(defaults.waiting_polls),
            ..defaults
        };
        anyhow::ensure!(
            limits.idle_after <= limits.lost_after,
            "a run would count as lost before it counts as idle: see runs-idle-after-seconds and runs-lost-after-seconds"
        );
        Ok(limits)
    }
}
