//! `/api/sessions/{id}/files`.

use std::time::Duration;

use actix_web::http::header::{
    CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::StreamExt as _;
use pentad_exec::{FileBody, FileEntry, Upload};
use pentad_http_kit::{Binary, Fault, Principal, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::sessions::session_id;

/// How long a client may pause within a body.
const STALL: Duration = Duration::from_secs(60);
/// What a file is when nobody said.
const BYTES: &str = "application/octet-stream";

/// A file as a listing shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::File)]
pub(crate) struct FileAnswer {
    path: String,
    /// Bytes.
    size: u64,
    modified_at: String,
}

impl From<FileEntry> for FileAnswer {
    fn from(entry: FileEntry) -> Self {
        Self {
            path: entry.path,
            size: entry.size,
            modified_at: entry.modified_at.to_string(),
        }
    }
}

/// The files of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::FileList)]
pub(crate) struct FileList {
    files: Vec<FileAnswer>,
    total_count: usize,
    total_size_bytes: u64,
}

/// A file that was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::StoredFile, example = json!({"path": "data.json", "size": 17}))]
pub(crate) struct StoredFile {
    path: String,
    /// Bytes.
    size: u64,
}

/// Files that were unpacked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::UnpackedFiles)]
pub(crate) struct Unpacked {
    success: bool,
    files: Vec<StoredFile>,
    total_count: usize,
    total_size_bytes: u64,
}

/// A file that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::DeletedFile)]
pub(crate) struct DeletedFile {
    success: bool,
    path: String,
    deleted_at: String,
}

/// The path behind `/files/`, decoded once. The framework's own decoding hides what is not UTF-8.
fn file_path(request: &HttpRequest) -> Result<String, Fault> {
    // "", "api", "sessions", the id, "files", and the rest.
    let encoded = request.uri().path().splitn(6, '/').nth(5).unwrap_or_default();
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Fault::invalid("the path is not UTF-8").with_code("INVALID_PATH"))
}

/// What comes next of a body; `None` at its end.
pub(crate) async fn next_of(body: &mut Payload) -> Result<Option<Bytes>, Fault> {
    match tokio::time::timeout(STALL, body.next()).await {
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(Fault::invalid(format!("the body broke off: {error}"))),
        Ok(None) => Ok(None),
        Err(_) => Err(Fault::invalid("the body stopped coming")
            .with_status(actix_web::http::StatusCode::REQUEST_TIMEOUT)),
    }
}

async fn receive(mut upload: Upload, mut body: Payload) -> Result<Upload, Fault> {
    while let Some(chunk) = next_of(&mut body).await? {
        upload.write(&chunk)?;
    }
    Ok(upload)
}

/// What a file says it is; what `curl --data-binary` says of everything means nothing.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    (text.len() <= 255 && text != "application/x-www-form-urlencoded").then(|| text.to_owned())
}

/// List a session's files
#[utoipa::path(get, path = "/api/sessions/{id}/files", tag = "exec", operation_id = "exec_list_files",
    params(("id" = String, Path, description = "The session.", example = "my-session")),
    responses((status = 200, description = "The files, in order of path.", body = FileList),
              (status = 404, description = "There is no such session.")))]
pub(crate) async fn list_files(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<FileList>, Fault> {
    let files = api.exec.files(&principal.actor, &session_id(&id)?).await?;
    Ok(Json(FileList {
        total_count: files.len(),
        total_size_bytes: files.iter().map(|file| file.size).sum(),
        files: files.into_iter().map(FileAnswer::from).collect(),
    }))
}

/// Download a file
///
/// Its bytes, always as an attachment: no browser shows or runs what a program wrote.
#[utoipa::path(get, path = "/api/sessions/{id}/files/{path}", tag = "exec", operation_id = "exec_get_file",
    params(("id" = String, Path, description = "The session.", example = "my-session"),
           ("path" = String, Path, description = "The file; may hold slashes.", example = "data.json")),
    responses((status = 200, description = "The bytes.", body = inline(Binary), content_type = "application/octet-stream"),
              (status = 400, description = "The path is none: `INVALID_PATH`."),
              (status = 404, description = "There is no such session or file: `FILE_NOT_FOUND`.")))]
pub(crate) async fn get_file(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Fault> {
    let id = session_id(&path.0)?;
    let file = api
        .exec
        .file(&principal.actor, &id, &file_path(&request)?)
        .await?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(file.content_type.as_deref().unwrap_or(BYTES))
        .insert_header((CONTENT_DISPOSITION, "attachment"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            LAST_MODIFIED,
            actix_web::http::header::HttpDate::from(
                std::time::UNIX_EPOCH
                    + Duration::from_micros(u64::try_from(file.modified_at.as_micros()).unwrap_or(0)),
            ),
        ));
    Ok(match file.body {
        FileBody::Bytes(bytes) => answer.body(bytes),
        FileBody::Parts(parts) => answer.no_chunking(file.size).streaming(parts.into_stream()),
    })
}

/// Upload a file
///
/// The body is the file, at most 64 MiB; the next run finds it.
#[utoipa::path(put, path = "/api/sessions/{id}/files/{path}", tag = "exec", operation_id = "exec_put_file",
    request_body(content = inline(Binary), content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "The session.", example = "my-session"),
           ("path" = String, Path, description = "The file; may hold slashes.", example = "data.json")),
    responses((status = 200, description = "It is stored.", body = StoredFile),
              (status = 400, description = "The path is none: `INVALID_PATH`."),
              (status = 404, description = "There is no such session."),
              (status = 409, description = "A part of the path is a file, or the path a directory: `PATH_CONFLICT`."),
              (status = 413, description = "The file is larger than 64 MiB."),
              (status = 507, description = "The session has no room: `QUOTA_EXCEEDED`.")))]
pub(crate) async fn put_file(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Payload,
) -> Result<Json<StoredFile>, Fault> {
    let (id, path) = (session_id(&path.0)?, file_path(&request)?);
    api.exec.check_file(&principal.actor, &id, &path).await?;
    let upload = receive(api.exec.upload(), body).await?;
    let content_type = content_type(request.headers());
    let size = api
        .exec
        .put_file(&principal.actor, &id, &path, content_type, upload)
        .await?;
    Ok(Json(StoredFile { path, size }))
}

/// Upload many files at once
///
/// The body is a tar, tar.gz or zip archive; all of it is unpacked, or nothing. Links and devices are refused.
#[utoipa::path(put, path = "/api/sessions/{id}/files", tag = "exec",
    request_body(content = inline(Binary), content_type = "application/octet-stream", description = "The archive."),
    params(("id" = String, Path, description = "The session.", example = "my-session"),
           ("extract" = String, Query, description = "`tar`, for any of the three.", example = "tar"),
           ("path" = Option<String>, Query, description = "The directory to unpack into. Default the workspace.")),
    responses((status = 200, description = "They are stored.", body = Unpacked),
              (status = 400, description = "The body is no such archive, or a path in it is refused."),
              (status = 404, description = "There is no such session."),
              (status = 409, description = "A path conflicts with a file that is there: `PATH_CONFLICT`."),
              (status = 413, description = "The archive, or a file in it, is too large."),
              (status = 507, description = "The session has no room: `QUOTA_EXCEEDED`.")))]
pub(crate) async fn extract_files(
    api: Data<Api>,
    principal: Principal,
    id: Path<String>,
    query: Query,
    body: Payload,
) -> Result<Json<Unpacked>, Fault> {
    let id = session_id(&id)?;
    match query.text("extract") {
        Some("tar" | "tar.gz" | "tgz" | "zip") => {}
        _ => {
            return Err(Fault::invalid(
                "name a file, or send an archive with ?extract=tar",
            ));
        }
    }
    api.exec.session(&principal.actor, &id).await?;
    let upload = receive(api.exec.upload(), body).await?;
    let directory = query.text("path").unwrap_or_default();
    let stored = api.exec.extract(&principal.actor, &id, directory, upload).await?;
    Ok(Json(Unpacked {
        success: true,
        total_count: stored.len(),
        total_size_bytes: stored.iter().map(|(_, size)| size).sum(),
        files: stored
            .into_iter()
            .map(|(path, size)| StoredFile { path, size })
            .collect(),
    }))
}

/// Delete a file
#[utoipa::path(delete, path = "/api/sessions/{id}/files/{path}", tag = "exec", operation_id = "exec_delete_file",
    params(("id" = String, Path, description = "The session.", example = "my-session"),
           ("path" = String, Path, description = "The file; may hold slashes.", example = "data.json")),
    responses((status = 200, description = "It is gone.", body = DeletedFile),
              (status = 400, description = "The path is none: `INVALID_PATH`."),
              (status = 404, description = "There is no such session or file: `FILE_NOT_FOUND`.")))]
pub(crate) async fn delete_file(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<Json<DeletedFile>, Fault> {
    let (id, path) = (session_id(&path.0)?, file_path(&request)?);
    let at = api.exec.delete_file(&principal.actor, &id, &path).await?;
    Ok(Json(DeletedFile {
        success: true,
        path,
        deleted_at: at.to_string(),
    }))
}
