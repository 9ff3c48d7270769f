//! Whole runs, in and out.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use pentad_http_kit::{Binary, Fault, Principal, Query};
use pentad_kernel::ErrorKind;
use pentad_runs::{Error, Format, RunId, Signatures};
use serde_json::json;

use crate::body::Raw;
use crate::{Api, auth, files};

fn run_in_path(text: &str) -> Result<RunId, Fault> {
    RunId::parse(text).ok_or_else(|| Error::RunNotFound.into())
}

/// Download a run
///
/// Everything that can be read of the run as a zip archive, under the same paths. The same run gives the same
/// bytes, and `POST …/bundle` takes them back.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/bundle.zip", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The archive.", body = inline(Binary), content_type = "application/zip"),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn read_bundle(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let run = run_in_path(&path)?;
    let archive = api.runs.bundle_zip(&principal.actor, &run).await?;
    let pieces = stream::unfold(Some(archive), |archive| async move {
        let mut archive = archive?;
        match archive.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some(archive))),
            // The head is sent already: a broken connection is all that is left to say it with.
            Err(error) => Some((Err(error), None)),
        }
    });
    // Names with other characters have two spellings in this header; the plain one is enough.
    let name: String = run
        .as_str()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/zip"))
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.zip\""),
        ))
        .streaming(Box::pin(pieces)))
}

/// Import a bundle
///
/// Takes a zip archive of the bundle that the client wrote to its own disk, or that this server gave. Each file
/// in it replaces what is recorded under its path, so posts that were lost on their way are there afterwards;
/// what the archive lacks stays. All is taken or nothing. Files that are not what the manifest signs refuse the
/// archive, unless `unverified=true`.
#[utoipa::path(post, path = "/api/v1/runs/{run_id}/bundle", tag = "runs",
    params(("run_id" = String, Path, description = "The run; it may be unknown so far."),
           ("unverified" = Option<bool>, Query, description = "Take files that are not what the manifest signs.")),
    request_body(content((inline(Binary) = "application/octet-stream"), (inline(Binary) = "application/zip")), description = "The archive."),
    responses((status = 202, description = "The bundle is stored.", body = Object, example = json!({
        "ok": true, "run_id": "run_abc", "files": 31, "skipped": ["schema/trace.schema.json"], "missing": []})),
              (status = 413, description = "The archive is larger than the limit bundle_bytes."),
              (status = 415, description = "The body is no zip archive."),
              (status = 422, description = "The archive is damaged, of another run, or not what its manifest signs.")))]
pub(crate) async fn import_bundle(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    query: Query,
    body: Raw,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse_at(&path, &["path", "run_id"])?;
    if !matches!(
        body.media.as_str(),
        "" | "application/zip" | "application/octet-stream"
    ) {
        return Err(Fault::new(
            ErrorKind::UnsupportedMedia,
            "the body must be application/zip",
        ));
    }
    let signatures = if query.boolean("unverified")? {
        Signatures::Ignored
    } else {
        Signatures::Required
    };
    let imported = api
        .runs
        .import(&principal.actor, &run, body.bytes, signatures)
        .await?;
    auth::note_override(&api, &principal, "run.import", run.as_str()).await?;
    Ok(HttpResponse::Accepted().json(json!({
        "ok": true,
        "run_id": run.as_str(),
        "files": imported.files,
        "skipped": imported.skipped,
        "missing": imported.missing,
    })))
}

async fn export(
    api: &Api,
    principal: &Principal,
    request: &HttpRequest,
    run: &str,
    format: Format,
) -> Result<HttpResponse, Fault> {
    let file = api
        .runs
        .export(&principal.actor, &run_in_path(run)?, format)
        .await?;
    Ok(files::made(request, file))
}

/// Export as ATIF
///
/// The Agent Trajectory Interchange Format, version 1.7: the task, each step with its action, what was thought and
/// seen, and the sums. Screenshots are named by their paths in the bundle.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/export/atif.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The trajectory.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn export_atif(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    export(&api, &principal, &request, &path, Format::Atif).await
}

/// Export as OpenTelemetry traces
///
/// One trace as OTLP/JSON, ready to be posted to a collector: a span for the run, each step and each call of a model,
/// with the attributes of the GenAI conventions.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/export/otlp.json", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The trace.", body = Object),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn export_otlp(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    export(&api, &principal, &request, &path, Format::Otlp).await
}

/// Export as items of computer use
///
/// One item a line, as OpenAI's API has them: `computer_call` and `computer_call_output`, with the task before and the
/// reasoning between.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/export/openai.jsonl", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The items.", body = String, content_type = "application/x-ndjson"),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn export_openai(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    export(&api, &principal, &request, &path, Format::OpenAi).await
}
