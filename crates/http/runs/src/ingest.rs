//! What agents send while they work.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{BodyLimit, Fault, Form, Principal};
use pentad_kernel::ErrorKind;
use pentad_runs::{
    Error, Heartbeat, Png, Receipt, RunId, ShotKind, Submission, check_modelio_name, index_in_path,
};
use serde_json::json;

use crate::Api;
use crate::body::{Body, read_part};

/// How long the multipart head of a screenshot may stay unread.
const FORM_TIMEOUT: Duration = Duration::from_secs(60);

fn run_in_path(text: &str) -> Result<RunId, Fault> {
    Ok(RunId::parse_at(text, &["path", "run_id"])?)
}

async fn take(api: &Api, principal: &Principal, submission: Submission) -> Result<HttpResponse, Fault> {
    let run = submission.run().to_string();
    let receipt = api.runs.ingest(&principal.actor, submission).await?;
    Ok(answer(&run, &receipt, json!({})))
}

/// 201 for what opens a run, 202 for everything else; sent after the record is on the disk.
fn answer(run: &str, receipt: &Receipt, more: serde_json::Value) -> HttpResponse {
    let mut body = json!({ "ok": true, "run_id": run, "applied": receipt.applied });
    if let Some(path) = &receipt.path {
        body["path"] = json!(path);
    }
    if let (Some(body), serde_json::Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let status = if receipt.first_manifest {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    HttpResponse::build(status).json(body)
}

/// Open or describe a run
///
/// Takes the manifest of a run. The SDK sends it last, other clients may send it first: a run exists from
/// the first record that names it. A later manifest replaces an earlier one.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs",
    request_body(content = Object, description = "BundleManifest", example = json!({
        "schema_version": "0.1", "bundle_format": "augur-bundle", "run_id": "run_abc",
        "debug_session_id": "dbg_abc", "client": {"name": "myagent"}, "capture_mode": "trace",
        "created_at": "2026-05-19T00:00:00Z", "trace": "trace.json", "step_count": 0,
        "paths": {"steps": "steps/", "screenshots": "screenshots/", "events": "events/", "logs": "logs/"}})),
    responses((status = 201, description = "The first manifest of the run is stored.", body = Object),
              (status = 202, description = "The manifest replaced an earlier one.", body = Object),
              (status = 422, description = "The body is no manifest.")))]
pub(crate) async fn create_run(
    api: Data<Api>,
    principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    take(&api, &principal, Submission::manifest(body.json()?)?).await
}

/// Store the trace
///
/// Takes the session with all its steps. A trace whose session has an end seals the run.
#[utoipa::path(put, path = "/api/v1/runs/{run_id}/trace", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, description = "{session, steps[]}", example = json!({
        "session": {"schema_version": "0.1", "debug_session_id": "dbg_abc", "run_id": "run_abc",
                    "client": {"name": "myagent"}, "capture_mode": "trace",
                    "started_at": "2026-05-19T00:00:00Z", "status": "running"}, "steps": []})),
    responses((status = 202, description = "The trace is stored.", body = Object),
              (status = 422, description = "The body is no trace, or one of another run.")))]
pub(crate) async fn put_trace(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::trace(run, body.json()?)?).await
}

/// Store a step
///
/// Takes one StepTrace. The answer says `"applied": false` when the run is streamed by the SDK and a newer
/// version of the step is there already.
#[utoipa::path(put, path = "/api/v1/runs/{run_id}/steps/{step_index}", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("step_index" = u32, Path, description = "The step; the same as in the body.")),
    request_body(content = Object, description = "StepTrace", example = json!({
        "step_id": "run_abc/step/0000", "step_index": 0, "step_type": "click", "status": "succeeded",
        "started_at": "2026-05-19T00:00:00Z", "action": {"type": "click", "params": {"x": 1, "y": 2}}})),
    responses((status = 202, description = "The step is stored.", body = Object),
              (status = 422, description = "The body is no step, or one of another index.")))]
pub(crate) async fn put_step(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let (run, index) = (run_in_path(&path.0)?, index_in_path(&path.1)?);
    take(&api, &principal, Submission::step(run, index, body.json()?)?).await
}

/// Store the costs of the run
///
/// Costs are cumulative. For a run that the SDK streams, of each amount the larger counts.
#[utoipa::path(put, path = "/api/v1/runs/{run_id}/costs", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({"total_usd": 0.01, "tokens_in": 10})),
    responses((status = 202, description = "The costs are stored.", body = Object),
              (status = 422, description = "The body has no amount.")))]
pub(crate) async fn put_costs(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::costs(run, body.json()?)?).await
}

/// Append decision events
///
/// All or nothing: one wrong event refuses the post. With the header `Idempotency-Key`, the same post again
/// changes nothing.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/events", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("Idempotency-Key" = Option<String>, Header, description = "Any text that names this post.")),
    request_body(content = Object, example = json!({"step_index": 0, "events": [
        {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "decision", "summary": "click Login"}]})),
    responses((status = 202, description = "The events are stored.", body = Object),
              (status = 422, description = "An event is wrong; none is stored.")))]
pub(crate) async fn add_events(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    let key = request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    let submission = Submission::events(run.clone(), &body.json()?, key, api.runs.limits())?;
    let receipt = api.runs.ingest(&principal.actor, submission).await?;
    Ok(answer(
        run.as_str(),
        &receipt,
        json!({ "accepted": receipt.accepted }),
    ))
}

/// Store a screenshot
///
/// A multipart form with the part `image` of type `image/png`; `kind` is `pre`, `post`, `target` or `diff`.
/// A later screenshot replaces an earlier one.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/screenshots/{step_index}/{kind}", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("step_index" = u32, Path, description = "The step."),
           ("kind" = String, Path, description = "pre, post, target or diff.")),
    request_body(content = Vec<u8>, content_type = "multipart/form-data", description = "image=@shot.png;type=image/png"),
    responses((status = 202, description = "The screenshot is stored.", body = Object),
              (status = 413, description = "The image is larger than the limit screenshot_bytes."),
              (status = 415, description = "The image is no PNG, or the body no multipart form."),
              (status = 422, description = "The form has no part `image`.")))]
pub(crate) async fn put_screenshot(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String, String)>,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, Fault> {
    let media = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_form = media
        .split(';')
        .next()
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("multipart/form-data"));
    if !is_form {
        return Err(Fault::new(
            ErrorKind::UnsupportedMedia,
            "the body must be multipart/form-data",
        ));
    }
    let (run, index) = (run_in_path(&path.0)?, index_in_path(&path.1)?);
    let kind: ShotKind = path.2.parse().map_err(|()| {
        Error::invalid(
            &["path", "kind"],
            "enum",
            "expected one of pre, post, target, diff",
        )
    })?;
    let limit = BodyLimit {
        name: "screenshot_bytes",
        bytes: api.runs.limits().screenshot_bytes,
    };
    let read = tokio::time::timeout(FORM_TIMEOUT, read_image(form, limit));
    let bytes = read
        .await
        .map_err(|_| Fault::new(ErrorKind::Timeout, "the image did not arrive in time"))??;
    let image = Png::new(bytes, api.runs.limits())?;
    let more = json!({
        "sha256": image.sha256(), "bytes": image.bytes().len(), "width": image.width(), "height": image.height(),
    });
    let submission = Submission::screenshot(run.clone(), index, kind, image);
    let receipt = api.runs.ingest(&principal.actor, submission).await?;
    Ok(answer(run.as_str(), &receipt, more))
}

async fn read_image(mut form: Form, limit: BodyLimit) -> Result<bytes::Bytes, Fault> {
    while let Some(part) = form.next().await? {
        if part.name() != "image" {
            continue;
        }
        if part.media_type().is_some_and(|media| media != "image/png") {
            return Err(Fault::new(ErrorKind::UnsupportedMedia, "image must be image/png"));
        }
        return read_part(part, limit).await;
    }
    Err(Error::invalid(&["body", "image"], "missing", "field required").into())
}

/// Store a model call
///
/// Takes the whole input and output of one call of a model, under the name that the client gave it. Answers
/// 403 only while the tenant has not turned this on.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/modelio/{relpath}", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("relpath" = String, Path, description = "<step:04d>-<layer>-<n>.json or run-<layer>-<n>.json.")),
    request_body(content = Object, description = "ModelIORecord", example = json!({
        "schema_version": "0.1", "layer": "planner", "ts": "2026-05-19T00:00:00Z",
        "request": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, "response": {"text": "ok"}})),
    responses((status = 202, description = "The call is stored.", body = Object),
              (status = 403, description = "The tenant has not turned this on."),
              (status = 422, description = "The body is no such record, or the name is none.")))]
pub(crate) async fn put_modelio(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path.0)?;
    check_modelio_name(&path.1)?;
    if !api.runs.settings(&principal.actor).await?.modelio_enabled {
        return Err(Error::ModelIoDisabled.into());
    }
    take(&api, &principal, Submission::modelio(run, &path.1, body.json()?)?).await
}

/// Append log text
///
/// Goes to `logs/<name>.log`, or to `logs/step-<n>.log` when `step_index` is set. A log holds 1 MB: its head
/// is kept, and the answer says how much was dropped. What looks like a secret is replaced, unless the
/// tenant has turned that off.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/logs", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({"text": "retrying after verifier failure\n", "step_index": 3})),
    responses((status = 202, description = "The text is stored, as far as there was room.", body = Object),
              (status = 422, description = "There is no text, or the name is none.")))]
pub(crate) async fn add_log(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    let scrub = api.runs.settings(&principal.actor).await?.log_scrub;
    let submission = Submission::log(run.clone(), &body.json()?, scrub, api.runs.limits())?;
    let receipt = api.runs.ingest(&principal.actor, submission).await?;
    let more = receipt.log.map_or_else(
        || json!({}),
        |log| json!({ "bytes": log.bytes, "truncated": log.dropped > 0, "dropped": log.dropped, "scrubbed": log.scrubbed }),
    );
    Ok(answer(run.as_str(), &receipt, more))
}

/// Store a side effect
///
/// Something that the agent did, or means to do, to the world outside. An end is never undone by a late
/// announcement.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/side-effects", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({
        "side_effect_id": "se_1", "step_index": 0, "resource": "stripe:cus_x", "action": "payment_create",
        "status": "intent_only"})),
    responses((status = 202, description = "It is stored.", body = Object),
              (status = 422, description = "The body is no side effect.")))]
pub(crate) async fn put_side_effect(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::side_effect(run, body.json()?)?).await
}

/// Append reasoning
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/reasoning", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({
        "ts": "2026-05-19T00:00:00Z", "text": "the button is grey", "format": "adapter_inferred", "step_index": 0})),
    responses((status = 202, description = "It is stored.", body = Object),
              (status = 422, description = "The body is no reasoning record.")))]
pub(crate) async fn add_reasoning(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::reasoning(run, body.json()?)?).await
}

/// Store an outcome
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/outcomes", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({
        "scope": "session", "finalized_at": "2026-05-19T00:00:00Z", "verdict": {"status": "passed"}})),
    responses((status = 202, description = "It is stored.", body = Object),
              (status = 422, description = "The body is no outcome.")))]
pub(crate) async fn add_outcome(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::outcome(run, body.json()?)?).await
}

/// Tag a step as a candidate for evaluation
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/eval-candidates", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    request_body(content = Object, example = json!({
        "step_index": 3, "reason": "recurring", "tagged_at": "2026-05-19T00:00:00Z"})),
    responses((status = 202, description = "It is stored.", body = Object),
              (status = 422, description = "The body is no candidate.")))]
pub(crate) async fn put_eval_candidate(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    take(&api, &principal, Submission::eval_candidate(run, body.json()?)?).await
}

/// Append a judge's decision about a step
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/steps/{step_index}/judge-decisions", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("step_index" = u32, Path, description = "The step.")),
    request_body(content = Object, example = json!({
        "judge_id": "gpt-judge", "judge_type": "model", "verdict": {"status": "failed", "reason": "no change"}})),
    responses((status = 202, description = "It is stored.", body = Object),
              (status = 422, description = "The body is no decision.")))]
pub(crate) async fn add_judge_decision(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let (run, index) = (run_in_path(&path.0)?, index_in_path(&path.1)?);
    take(
        &api,
        &principal,
        Submission::judge_decision(run, index, body.json()?)?,
    )
    .await
}

/// Show a sign of life
///
/// Keeps the client listed as connected for a minute. Every other ingest call does so too.
#[utoipa::path(post, path = "/api/v1/heartbeat", tag = "runs",
    request_body(content = Object, example = json!({"client_id": "my_client", "client_name": "myagent"})),
    responses((status = 202, description = "The client is listed.", body = Object),
              (status = 422, description = "The body has no client_id.")))]
pub(crate) async fn heartbeat(
    api: Data<Api>,
    principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let beat = Heartbeat::read(&body.json()?)?;
    api.runs.heartbeat(&principal.actor, &beat).await?;
    Ok(HttpResponse::Accepted().json(json!({ "ok": true })))
}
