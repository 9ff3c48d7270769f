//! Reading a session's files back.

use actix_web::web::{Data, Json, Path};
use pentad_grep_sessions::GrepSessions;
use pentad_http_kit::{Access, Endpoint, Fault, Principal, Query, endpoint};

use crate::parameters::path_filter;
use crate::sessions::session_id;
use crate::wire::{DeletedFile, FileAnswer, FileList, FileSliceAnswer};
use crate::{READ, WRITE};

/// List a session's files
#[utoipa::path(get, path = "/api/v1/sessions/{id}/files", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           ("glob" = Option<Vec<String>>, Query, description = "Only paths that match; `!` in front excludes. Repeatable."),
           ("path" = Option<String>, Query, description = "Only paths that begin with this: `src/` for what is below a directory."),
           ("type" = Option<Vec<String>>, Query, description = "Only files of this kind, as `rust`. Repeatable."),
           ("after" = Option<String>, Query, description = "Only paths after this one: `next` of the page before."),
           ("limit" = Option<u32>, Query, description = "Files on a page, 1 to 10000. Default 1000.")),
    responses((status = 200, description = "One page, by path.", body = FileList),
              (status = 400, description = "A parameter is out of its bounds."),
              (status = 404, description = "The session ended, was deleted, or never was.")))]
async fn list_files(
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<Json<FileList>, Fault> {
    let id = session_id(&id)?;
    let limit = query.integer("limit", &(1..=10_000))?.unwrap_or(1000);
    let limit = usize::try_from(limit).unwrap_or(1000);
    let filter = path_filter(&query)?;
    let (mut files, total) = sessions
        .files(&principal.actor, &id, &filter, query.text("after"), limit + 1)
        .await?;
    let more = files.len() > limit;
    files.truncate(limit);
    let next = if more {
        files.last().map(|file| file.path.clone())
    } else {
        None
    };
    Ok(Json(FileList {
        files: files.into_iter().map(FileAnswer::from).collect(),
        total,
        next,
    }))
}

/// Read a file
///
/// Its lines from `start` to `end`, both counted from 1 and clipped to the file.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/files/{path}", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           ("path" = String, Path, description = "The file's path; slashes need no escape.", example = "src/loop.ts"),
           ("start" = Option<u32>, Query, description = "The first line. Default 1."),
           ("end" = Option<u32>, Query, description = "The last line. Default: the last of the file.")),
    responses((status = 200, description = "The lines.", body = FileSliceAnswer),
              (status = 400, description = "A parameter is out of its bounds."),
              (status = 404, description = "The session has no such file, or there is no such session.")))]
async fn read_file(
    sessions: Data<GrepSessions>,
    principal: Principal,
    place: Path<(String, String)>,
    query: Query,
) -> Result<Json<FileSliceAnswer>, Fault> {
    let (id, path) = place.into_inner();
    let line = |name: &str, default: i64| -> Result<usize, Fault> {
        let number = query.integer(name, &(1..=1 << 31))?.unwrap_or(default);
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let (start, end) = (line("start", 1)?, line("end", 1 << 31)?);
    let slice = sessions
        .read(&principal.actor, &session_id(&id)?, &path, start, end)
        .await?;
    Ok(Json(FileSliceAnswer {
        path,
        start: slice.start,
        end: slice.end,
        total_lines: slice.total_lines,
        text: String::from_utf8(slice.text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }))
}

/// Take a file out of a session
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/files/{path}", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           ("path" = String, Path, description = "The file's path; slashes need no escape.", example = "src/loop.ts")),
    responses((status = 200, description = "The file is searched no more.", body = DeletedFile),
              (status = 404, description = "The session has no such file, or there is no such session.")))]
async fn delete_file(
    sessions: Data<GrepSessions>,
    principal: Principal,
    place: Path<(String, String)>,
) -> Result<Json<DeletedFile>, Fault> {
    let (id, path) = place.into_inner();
    sessions
        .remove_file(&principal.actor, &principal.plan, &session_id(&id)?, &path)
        .await?;
    Ok(Json(DeletedFile { path, deleted: true }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_files, Access::Key(READ)),
        endpoint!(read_file, Access::Key(READ)).tail(),
        endpoint!(delete_file, Access::Key(WRITE)).tail(),
    ]
}
