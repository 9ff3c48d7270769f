//! JSON of what the domain gives.

use pentad_runs::{Command, Connection, Json, RunSummary};
use serde_json::{Value, json};

/// A run in the list.
pub(crate) fn run(run: &RunSummary) -> Value {
    let digest = &run.digest;
    json!({
        "run_id": run.run_id,
        "debug_session_id": run.debug_session_id,
        "client": run.client.to_value(),
        "capture_mode": run.capture_mode,
        "status": run.status,
        "liveness": run.liveness.name(),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "last_activity_at": run.last_activity_at,
        "step_count": digest.step_count,
        "iteration_count": digest.iteration_count,
        "event_count": digest.event_count,
        "screenshot_count": digest.screenshot_count,
        "failure_classes": digest.failure_classes,
        "first_failed_step": digest.first_failed_step,
        "costs": run.costs.as_ref().map(Json::to_value),
        "tags": run.tags.to_value(),
        "parent_run_id": run.parent_run_id,
        "child_count": run.child_count,
        "session_type": run.session_type,
        "task_class": run.task_class,
        "instruction": run.instruction,
        "finding_counts": run.finding_counts,
        "sealed": run.sealed,
        "trajectory_fingerprint": digest.trajectory_fingerprint,
        "integrity": digest.integrity,
        "rev": run.rev,
    })
}

/// A command as its agent reads it.
pub(crate) fn command(command: &Command) -> Value {
    json!({
        "command_id": command.id(),
        "type": command.kind,
        "issued_at": command.issued_at,
        "operator_id": command.operator_id,
        "payload": command.payload.as_ref().map(Json::to_value),
    })
}

/// A client that is there; `age` in seconds.
pub(crate) fn connection(connection: &Connection, age: f64) -> Value {
    json!({
        "client_id": connection.client_id,
        "client_name": connection.client_name,
        "client_version": connection.client_version,
        "capture_mode": connection.capture_mode,
        "run_id": connection.run_id,
        "last_event": connection.last_event,
        "first_seen": connection.first_seen,
        "last_seen": connection.last_seen,
        "age_s": (age * 10.0).round() / 10.0,
    })
}
