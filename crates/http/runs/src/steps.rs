//! The list of a run's steps.

use std::ops::RangeInclusive;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use pentad_http_kit::{Fault, Principal, Query};
use pentad_runs::{Error, MAX_STEPS, RunId, StepSummary};
use serde_json::{Value, json};

use crate::Api;

/// How many steps a page has by default.
const PAGE: u32 = 200;

/// List the steps of a run
///
/// What tells steps apart, without their whole records: for a run of thousands of steps, page by page. Each
/// screenshot comes with the SHA-256 of its bytes and its size in pixels.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/steps", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("from" = Option<u64>, Query, description = "The index to begin with; 0 by default."),
           ("limit" = Option<u32>, Query, description = "1 to 1,000; 200 by default.")),
    responses((status = 200, description = "A page of steps, and where the next one begins.", body = Object, example = json!({
        "total": 1, "next_from": null, "steps": [{
            "step_index": 0, "step_id": "run_abc/step/0000", "step_type": "click", "status": "succeeded",
            "intent": "Log in", "target": "Login button", "failure_class": null, "verdict": "passed",
            "started_at": "2026-05-19T00:00:00Z", "duration_ms": 840, "attempts": 1,
            "screenshots": {"pre": {"sha256": "…", "width": 1280, "height": 800}}}]})),
              (status = 404, description = "There is no such run."),
              (status = 422, description = "A parameter is out of its bounds.")))]
pub(crate) async fn list_steps(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path).ok_or(Error::RunNotFound)?;
    let whole = |name: &str, bounds: RangeInclusive<u64>| -> Result<Option<u64>, Fault> {
        let Some(text) = query.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let message = format!(
                "expected a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            );
            Error::invalid(&["query", name], "int_parsing", message).into()
        })
    };
    let from = whole("from", 0..=999_999_999)?.unwrap_or(0);
    let limit = whole("limit", 1..=u64::from(MAX_STEPS))?.map_or(PAGE, |limit| limit as u32);
    let page = api.runs.list_steps(&principal.actor, &run, from, limit).await?;
    Ok(HttpResponse::Ok().json(json!({
        "steps": page.steps.iter().map(step).collect::<Vec<_>>(),
        "next_from": page.next_from,
        "total": page.total,
    })))
}

fn step(step: &StepSummary) -> Value {
    let screenshots: serde_json::Map<_, _> = step
        .screenshots
        .iter()
        .map(|(kind, shot)| {
            let shot = json!({ "sha256": shot.sha256, "width": shot.width, "height": shot.height });
            (kind.name().to_owned(), shot)
        })
        .collect();
    json!({
        "step_index": step.index,
        "step_id": step.step_id,
        "step_type": step.step_type,
        "status": step.status,
        "intent": step.intent,
        "target": step.target,
        "failure_class": step.failure_class,
        "verdict": step.verdict,
        "started_at": step.started_at,
        "duration_ms": step.duration_ms,
        "attempts": step.attempts,
        "screenshots": screenshots,
    })
}
