//! Pushing an archive in parts.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use pentad_http_kit::{Access, Binary, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_session_sync::{NewUpload, SessionSync, UploadProgress};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::archives::{client, header, if_match, pushed, undelete};
use crate::faults::fault;
use crate::wire::PushedAnswer;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewUpload)]
struct BeginUpload {
    /// Bytes of the archive.
    total_size: i64,
    /// Its SHA-256, hex.
    sha256: String,
    /// Bytes of each part but the last; brought within 5 to 32 MiB. Default 8 MiB.
    part_size: Option<i64>,
}

/// An upload in parts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Upload)]
struct BegunUpload {
    /// The upload.
    upload_id: String,
    /// Bytes of each part but the last.
    part_size: i64,
    /// How many parts there are.
    part_count: i64,
    /// When the upload ends.
    expires_at: String,
}

/// How far an upload is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::UploadProgress)]
struct ProgressAnswer {
    /// `pending`, `completed`, `aborted` or `expired`.
    status: String,
    /// Bytes of each part but the last.
    part_size: i64,
    /// How many parts there are.
    part_count: i64,
    /// The parts that are there, from 1.
    received: Vec<i64>,
    /// When the upload ends.
    expires_at: String,
}

impl From<UploadProgress> for ProgressAnswer {
    fn from(progress: UploadProgress) -> Self {
        Self {
            status: progress.status,
            part_size: progress.part_size,
            part_count: progress.part_count,
            received: progress.received,
            expires_at: progress.expires_at.to_string(),
        }
    }
}

/// Begin an upload in parts
#[utoipa::path(post, path = "/api/v1/sessions/{id}/uploads", tag = "sessions", request_body = BeginUpload,
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 201, description = "The upload.", body = BegunUpload),
              (status = 409, description = "`too_many_pending_uploads`"),
              (status = 413, description = "The archive is too large."),
              (status = 422, description = "A value is out of its bounds.")))]
async fn begin_upload(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<BeginUpload>,
) -> Result<HttpResponse, Fault> {
    let new = NewUpload {
        session_id: id.into_inner(),
        total_size: body.total_size,
        sha256: body.sha256,
        part_size: body.part_size,
    };
    let begun = sync.begin_upload(&principal, &new).await.map_err(fault)?;
    Ok(HttpResponse::Created().json(BegunUpload {
        upload_id: begun.id,
        part_size: begun.part_size,
        part_count: begun.part_count,
        expires_at: begun.expires_at.to_string(),
    }))
}

/// Send a part
///
/// Sending one again replaces it. A user sends at most two at once.
#[utoipa::path(put, path = "/api/v1/uploads/{upload_id}/parts/{number}", tag = "sessions",
    params(("upload_id" = String, Path, description = "The upload."),
           ("number" = i64, Path, description = "Which part, from 1."),
           ("X-Part-SHA256" = Option<String>, Header, description = "SHA-256 of the part, hex.")),
    request_body(content = inline(Binary), content_type = "application/octet-stream"),
    responses((status = 200, description = "The part is there.", body = Value),
              (status = 400, description = "`part_size_mismatch`, `part_hash_mismatch` or `invalid_part_number`"),
              (status = 404, description = "There is no such upload."),
              (status = 409, description = "`upload_not_pending` or `upload_expired`"),
              (status = 429, description = "`upload_busy`")))]
async fn put_part(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    path: Path<(String, i64)>,
    payload: Payload,
) -> Result<Json<Value>, Fault> {
    let (id, number) = path.into_inner();
    let hash = header(&request, "x-part-sha256");
    let body = payload.map(|chunk| chunk.map_err(std::io::Error::other));
    let part = sync
        .put_part(&principal, &id, number, hash, body)
        .await
        .map_err(fault)?;
    Ok(Json(json!({
        "upload_id": id, "part_number": number, "size": part.size, "sha256": part.sha256, "status": "received",
    })))
}

/// See how far an upload is
#[utoipa::path(get, path = "/api/v1/uploads/{upload_id}", tag = "sessions",
    params(("upload_id" = String, Path, description = "The upload.")),
    responses((status = 200, description = "How far it is.", body = ProgressAnswer),
              (status = 404, description = "There is no such upload.")))]
async fn upload_progress(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<ProgressAnswer>, Fault> {
    let progress = sync.upload_progress(&principal, &id).await.map_err(fault)?;
    Ok(Json(progress.into()))
}

/// Push what the parts make up
///
/// Asked again, it answers again.
#[utoipa::path(post, path = "/api/v1/uploads/{upload_id}/complete", tag = "sessions",
    params(("upload_id" = String, Path, description = "The upload."),
           ("If-Match" = Option<String>, Header, description = "The etag that the client last saw.")),
    responses((status = 201, description = "The session is new.", body = PushedAnswer),
              (status = 200, description = "The session is replaced.", body = PushedAnswer),
              (status = 400, description = "`sha256_mismatch`, or the archive is refused."),
              (status = 404, description = "There is no such upload."),
              (status = 409, description = "`missing_parts`, `upload_not_pending`, `upload_expired` or `etag_mismatch`")))]
async fn complete_upload(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let done = sync
        .complete_upload(
            &principal,
            &id,
            if_match(&request),
            undelete(&request),
            client(&request),
        )
        .await
        .map_err(fault)?;
    let status = if done.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(pushed(&done, status, PushedAnswer::from(&done)))
}

/// Give an upload up
#[utoipa::path(delete, path = "/api/v1/uploads/{upload_id}", tag = "sessions",
    params(("upload_id" = String, Path, description = "The upload.")),
    responses((status = 204, description = "It is given up."),
              (status = 404, description = "There is no such upload."),
              (status = 409, description = "`upload_not_pending`")))]
async fn abort_upload(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    sync.abort_upload(&principal, &id).await.map_err(fault)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(begin_upload, Access::User),
        endpoint!(put_part, Access::User),
        endpoint!(complete_upload, Access::User),
        endpoint!(upload_progress, Access::User),
        endpoint!(abort_upload, Access::User),
    ]
}
