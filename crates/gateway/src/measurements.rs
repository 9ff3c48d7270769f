//! What `/metrics` says, and where it comes from.
//!
//! What happens is counted where it happens. How things stand, as the length of a queue, is looked at when somebody
//! asks.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::Deps;

/// From a cache hit to a sandboxed program, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
];

/// Starts measuring: from now on `/metrics` has something to say. Once per process; a second call gives
/// `None`.
pub fn install_metrics() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .ok()?
        .install_recorder()
        .ok()?;
    describe();
    gauge!("pentad_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Some(handle)
}

fn describe() {
    Collector::default().describe();
    describe_gauge!(
        "pentad_build_info",
        "1; the label has the version of the program."
    );
    describe_histogram!(
        "pentad_http_request_seconds",
        Unit::Seconds,
        "Requests, from the head to the answer's head, by surface, method, route and class of status."
    );
    describe_histogram!(
        "pentad_exec_run_seconds",
        Unit::Seconds,
        "Programs that were run, by language and how they ended."
    );
    describe_counter!(
        "pentad_background_failures_total",
        "Failures of work that no request waits for, by what it is."
    );
    describe_gauge!("pentad_exec_running", "Programs that run now.");
    describe_gauge!("pentad_exec_waiting", "Programs that wait for their turn.");
    describe_gauge!(
        "pentad_sandbox_pool_waiting",
        "Started sandboxes that wait for a program, by kind."
    );
    describe_gauge!("pentad_sandbox_pool_target", "How many should wait, by kind.");
    describe_counter!(
        "pentad_sandbox_pool_hits_total",
        "Programs that found a started sandbox, by kind."
    );
    describe_counter!(
        "pentad_sandbox_pool_misses_total",
        "Programs that had to wait for one, by kind."
    );
    describe_counter!(
        "pentad_sandbox_pool_failures_total",
        "Sandboxes that could not be made, by kind."
    );
    describe_gauge!(
        "pentad_runs_records_waiting",
        "Records of runs that wait to be written."
    );
    describe_gauge!(
        "pentad_memory_index_bytes",
        Unit::Bytes,
        "Memory that search indexes of memories take."
    );
    describe_gauge!(
        "pentad_memory_index_limit_bytes",
        Unit::Bytes,
        "Memory that they may take."
    );
    describe_gauge!(
        "pentad_grep_memory_bytes",
        Unit::Bytes,
        "Memory that grep sessions take."
    );
    describe_gauge!(
        "pentad_grep_memory_limit_bytes",
        Unit::Bytes,
        "Memory that they may take."
    );
    describe_gauge!("pentad_grep_sessions_in_memory", "Grep sessions in memory.");
    describe_gauge!(
        "pentad_database_connections",
        "Connections to the database, by pool and state."
    );
}

/// Everything that was measured, as Prometheus reads it.
pub(crate) fn render(deps: &Deps) -> String {
    let Some(handle) = &deps.metrics else {
        return String::new();
    };
    look(deps);
    handle.run_upkeep();
    handle.render()
}

/// Notes how things stand.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn look(deps: &Deps) {
    Collector::default().collect();
    let load = deps.exec.load();
    gauge!("pentad_exec_running").set(load.running as f64);
    gauge!("pentad_exec_waiting").set(load.waiting as f64);
    let pools = match deps.exec.engine().executor() {
        Ok(executor) => executor.pools(),
        Err(_) => Default::default(),
    };
    for (kind, state) in pools {
        let kind = kind.name();
        gauge!("pentad_sandbox_pool_waiting", "kind" => kind).set(state.waiting as f64);
        gauge!("pentad_sandbox_pool_target", "kind" => kind).set(state.target as f64);
        counter!("pentad_sandbox_pool_hits_total", "kind" => kind).absolute(state.hits);
        counter!("pentad_sandbox_pool_misses_total", "kind" => kind).absolute(state.misses);
        counter!("pentad_sandbox_pool_failures_total", "kind" => kind).absolute(state.failures);
    }
    gauge!("pentad_runs_records_waiting").set(deps.runs.waiting() as f64);
    gauge!("pentad_memory_index_bytes").set(deps.memories.index_bytes() as f64);
    gauge!("pentad_memory_index_limit_bytes").set(deps.memories.limits().index_bytes as f64);
    for pool in deps.db.connections() {
        let state = |state: &'static str| gauge!("pentad_database_connections", "pool" => pool.name, "state" => state);
        state("used").set(f64::from(pool.used));
        state("idle").set(f64::from(pool.idle));
    }
}
