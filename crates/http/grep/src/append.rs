//! Extending a session.

use actix_web::web::{Data, Json, Path};
use pentad_grep_sessions::GrepSessions;
use pentad_http_kit::{Access, Endpoint, Fault, Form, Principal, endpoint};

use crate::WRITE;
use crate::sessions::session_id;
use crate::upload::{self, UploadForm};
use crate::wire::{AppendAnswer, skipped};

/// Add files to a session
///
/// Adds text files, or replaces those with the same paths. Searches see the session before or after,
/// never between; when this answers, the files are searchable, and those of an s3 session are stored.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/append", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The files are searchable.", body = AppendAnswer),
              (status = 400, description = "The form, a file name or an archive is refused; the session is as before."),
              (status = 404, description = "The session ended, was deleted, or never was."),
              (status = 413, description = "The session would hold more text than the plan allows (`grep_session_bytes`).")))]
async fn append(
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
    mut form: Form,
) -> Result<Json<AppendAnswer>, Fault> {
    let id = session_id(&id)?;
    let (upload, _) = upload::read(&sessions, &principal, &mut form).await?;
    let appended = sessions
        .append(&principal.actor, &principal.plan, &id, upload)
        .await?;
    Ok(Json(AppendAnswer {
        id: id.to_string(),
        files_added: appended.added,
        files_replaced: appended.replaced,
        skipped: skipped(appended.skipped),
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![endpoint!(append, Access::Key(WRITE))]
}
