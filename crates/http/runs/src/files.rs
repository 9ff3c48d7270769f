//! Reading a run back: the paths of its bundle.

use actix_web::http::header::{
    ACCEPT_RANGES, ByteRangeSpec, CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, EntityTag,
    Header as _, IF_NONE_MATCH, IfNoneMatch, RANGE, Range, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Binary, Fault, Principal, Query};
use pentad_runs::{Error, File, Media, RunId};

use crate::Api;

/// Reads a file and answers with it.
async fn send(
    api: &Api,
    principal: &Principal,
    request: &HttpRequest,
    run: &str,
    path: &str,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(run).ok_or(Error::RunNotFound)?;
    let file = api.runs.file(&principal.actor, &run, path).await?;
    Ok(answer(request, file, Freshness::Ask))
}

/// Answers with a file that is made for the occasion.
pub(crate) fn made(request: &HttpRequest, file: File) -> HttpResponse {
    answer(request, file, Freshness::Ask)
}

/// How long a browser may keep a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// It asks each time whether the file has changed.
    Ask,
    /// The address names the content, so it never changes.
    Forever,
}

/// The path below a folder; a name never leaves its folder.
fn below(folder: &str, name: &str, suffix: &str) -> Result<String, Fault> {
    if name.contains(['/', '\\']) {
        return Err(Error::FileNotFound.into());
    }
    Ok(format!("{folder}/{name}{suffix}"))
}

fn answer(request: &HttpRequest, file: File, freshness: Freshness) -> HttpResponse {
    let sha256 = file
        .sha256
        .unwrap_or_else(|| pentad_kernel::secret::sha256_hex(&file.content));
    let tag = EntityTag::new_strong(sha256);
    let mut response = HttpResponse::Ok();
    response
        .insert_header((ETAG, tag.to_string()))
        .insert_header((
            CACHE_CONTROL,
            match freshness {
                Freshness::Ask => "private, no-cache",
                Freshness::Forever => "private, max-age=31536000, immutable",
            },
        ))
        // What agents recorded is not to be trusted: a browser shows it as what it is, and runs none of it.
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
    if file.synthetic {
        response.insert_header(("X-Bundle-Synthetic", "1"));
    }
    let known = request
        .headers()
        .contains_key(IF_NONE_MATCH)
        .then(|| IfNoneMatch::parse(request).ok())
        .flatten();
    if known.is_some_and(|known| match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(&tag)),
    }) {
        return response
            .status(actix_web::http::StatusCode::NOT_MODIFIED)
            .finish();
    }
    response.content_type(file.media.content_type());
    if file.media != Media::Png {
        return response.body(file.content);
    }
    response.insert_header((ACCEPT_RANGES, "bytes"));
    let size = file.content.len() as u64;
    match wanted_range(request, size) {
        None => response.body(file.content),
        Some(Some((first, last))) => {
            let part = file
                .content
                .slice(usize::try_from(first).unwrap_or(0)..=usize::try_from(last).unwrap_or(0));
            response
                .status(actix_web::http::StatusCode::PARTIAL_CONTENT)
                .insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{size}")))
                .body(part)
        }
        Some(None) => response
            .status(actix_web::http::StatusCode::RANGE_NOT_SATISFIABLE)
            .insert_header((CONTENT_RANGE, format!("bytes */{size}")))
            .finish(),
    }
}

/// The range that the request wants of a file (RFC 9110, section 14.2): `None` for all of it, `Some(None)` for
/// one that the file does not have. Of several ranges none is answered.
fn wanted_range(request: &HttpRequest, size: u64) -> Option<Option<(u64, u64)>> {
    if !request.headers().contains_key(RANGE) {
        return None;
    }
    match Range::parse(request).ok()? {
        Range::Bytes(ranges) => match ranges.as_slice() {
            [range] => Some(ByteRangeSpec::to_satisfiable_range(range, size)),
            _ => None,
        },
        Range::Unregistered(..) => None,
    }
}

/// Read the manifest
///
/// Byte for byte as the client wrote it. Until it arrives, one is made up, with the header
/// `X-Bundle-Synthetic: 1`.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/manifest.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The manifest.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_manifest(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "manifest.json").await
}

/// Read the trace
///
/// The session with all its steps; while the run goes on, what is known of it.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/trace.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The trace.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_trace(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "trace.json").await
}

/// Read a step
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/steps/{step}.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("step" = String, Path, description = "The step, with four digits or more.")),
    responses((status = 200, description = "The step.", body = Object),
              (status = 404, description = "There is no such step.")))]
pub(crate) async fn read_step(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("steps", &path.1, ".json")?,
    )
    .await
}

/// Read one of the attempts at a step
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/steps/{step}/{iteration}.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("step" = String, Path, description = "The step, with four digits or more."),
           ("iteration" = String, Path, description = "The first eight hex digits of the SHA-256 of its step_id.")),
    responses((status = 200, description = "The attempt.", body = Object),
              (status = 404, description = "There is no such attempt.")))]
pub(crate) async fn read_iteration(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let folder = below("steps", &path.1, "")?;
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below(&folder, &path.2, ".json")?,
    )
    .await
}

/// Read decision events or reasoning
///
/// `<step>.jsonl`, `run.jsonl` for those of the run, or `reasoning.jsonl`.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/events/{name}.jsonl", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("name" = String, Path, description = "A step, run, or reasoning.")),
    responses((status = 200, description = "One JSON document a line.", body = String, content_type = "application/x-ndjson"),
              (status = 404, description = "There are none.")))]
pub(crate) async fn read_events(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("events", &path.1, ".jsonl")?,
    )
    .await
}

/// Read a screenshot
///
/// Answers `If-None-Match` and a single `Range`. `w` gives a small copy; `v`, when it is the SHA-256 of the
/// screenshot, lets the browser keep the answer for ever.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/screenshots/{name}.png", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("name" = String, Path, description = "<step>_<pre, post, target or diff>."),
           ("w" = Option<u32>, Query, description = "At most this many pixels wide: 160, 320 or 640."),
           ("v" = Option<String>, Query, description = "The SHA-256 of the screenshot, as the list of steps gives it.")),
    responses((status = 200, description = "The image.", body = inline(Binary), content_type = "image/png"),
              (status = 206, description = "The range of it."),
              (status = 304, description = "It is what the client has."),
              (status = 404, description = "There is none."),
              (status = 416, description = "The image ends before the range."),
              (status = 422, description = "There are no copies of this width.")))]
pub(crate) async fn read_screenshot(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path.0).ok_or(Error::RunNotFound)?;
    let name = below("screenshots", &path.1, ".png")?;
    let actor = &principal.actor;
    let shot = api.runs.screenshot(actor, &run, &name).await?;
    let freshness = match query.text("v") {
        Some(version) if version == shot.sha256 => Freshness::Forever,
        _ => Freshness::Ask,
    };
    let file = match query.text("w") {
        None => api.runs.screenshot_file(actor, &shot).await?,
        Some(width) => {
            let width = width.parse().unwrap_or_default();
            api.runs.thumbnail(actor, &shot, width).await?
        }
    };
    Ok(answer(&request, file, freshness))
}

/// Read a model call
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/modelio/{relpath}", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("relpath" = String, Path, description = "The name that the client gave it.")),
    responses((status = 200, description = "The call.", body = Object),
              (status = 404, description = "There is none.")))]
pub(crate) async fn read_modelio(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("modelio", &path.1, "")?,
    )
    .await
}

/// Read a log
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/logs/{name}.log", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("name" = String, Path, description = "Its name, or step-<n>.")),
    responses((status = 200, description = "The text.", body = String, content_type = "text/plain"),
              (status = 404, description = "There is none.")))]
pub(crate) async fn read_log(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("logs", &path.1, ".log")?,
    )
    .await
}

/// Read a side effect
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/side_effects/{name}.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("name" = String, Path, description = "<step>-<side_effect_id>.")),
    responses((status = 200, description = "The side effect.", body = Object),
              (status = 404, description = "There is none.")))]
pub(crate) async fn read_side_effect(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("side_effects", &path.1, ".json")?,
    )
    .await
}

/// Read the outcomes
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/outcomes.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The outcomes.", body = Object),
              (status = 404, description = "There are none.")))]
pub(crate) async fn read_outcomes(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "outcomes.json").await
}

/// Read the candidates for evaluation
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/eval_candidates.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The candidates.", body = Object),
              (status = 404, description = "There are none.")))]
pub(crate) async fn read_eval_candidates(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "eval_candidates.json").await
}

/// Read where a coding agent begins
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/AGENT.md", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "An index in Markdown.", body = String, content_type = "text/markdown"),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_agent_index(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "AGENT.md").await
}

/// Read what was kept for a replay
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/replay/{name}", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("name" = String, Path, description = "The name of the file, as <step>_fixture.json.")),
    responses((status = 200, description = "The recording.", body = Object),
              (status = 404, description = "There is none.")))]
pub(crate) async fn read_replay(
    api: Data<Api>,
    principal: Principal,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(
        &api,
        &principal,
        &request,
        &path.0,
        &below("replay", &path.1, "")?,
    )
    .await
}

/// Read the spans of a run
///
/// What came by OTLP, one span a line, as OTLP/JSON writes it.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/spans.jsonl", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The spans, by their start.", body = String, content_type = "application/x-ndjson"),
              (status = 404, description = "There are none.")))]
pub(crate) async fn read_spans(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    send(&api, &principal, &request, &path, "spans.jsonl").await
}

/// Read what looks wrong
///
/// A JSON array, the worst first; each finding names the files that show it. `packs` chooses the rules: `cua`
/// for those of the SDK, `gw` for what only a server can see; both by default.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/diagnostics/findings.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run."),
           ("packs" = Option<String>, Query, description = "cua, gw, or both with a comma between.")),
    responses((status = 200, description = "The findings.", body = Vec<Object>),
              (status = 404, description = "There is no such run."),
              (status = 422, description = "There is no such pack.")))]
pub(crate) async fn read_findings(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path).ok_or(Error::RunNotFound)?;
    let packs: Vec<&str> = query.text("packs").unwrap_or("cua,gw").split(',').collect();
    if packs.iter().any(|pack| !matches!(*pack, "cua" | "gw")) {
        let message = "expected cua, gw, or both with a comma between";
        return Err(Error::invalid(&["query", "packs"], "enum", message).into());
    }
    let file = api.runs.findings_file(&principal.actor, &run, &packs).await?;
    Ok(answer(&request, file, Freshness::Ask))
}
