//! Seed 004 over HTTP, through the real gateway.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod accounts;
mod client;
mod ingest;
mod interchange;
mod reading;
mod replay;

use serde_json::{Value, json};

/// A step with further members.
fn step(index: u64, more: &Value) -> Value {
    let mut step = json!({
        "step_id": format!("s{index}"), "step_index": index, "step_type": "click", "status": "succeeded",
        "started_at": "2026-05-19T00:00:00Z", "action": {"type": "click"},
    });
    if let (Some(step), Some(more)) = (step.as_object_mut(), more.as_object()) {
        step.extend(more.clone());
    }
    step
}

fn manifest(run: &str) -> Value {
    json!({
        "schema_version": "0.1", "bundle_format": "augur-bundle", "run_id": run, "debug_session_id": "dbg_1",
        "client": {"name": "test"}, "capture_mode": "trace", "created_at": "2026-05-19T00:00:00Z",
        "trace": "trace.json", "step_count": 0,
        "paths": {"steps": "steps/", "screenshots": "screenshots/", "events": "events/", "logs": "logs/"},
    })
}

/// The head of an image of one pixel, which is all that is looked at.
fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
    bytes.extend([0; 8]);
    bytes
}
