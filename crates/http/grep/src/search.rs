//! Searching a session.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_grep_engine::QueryError;
use pentad_grep_sessions::GrepSessions;
use pentad_http_kit::{Access, Client, Endpoint, Fault, Principal, Query, endpoint};

use crate::READ;
use crate::formats;
use crate::parameters::{Search, SearchParameters};
use crate::sessions::session_id;
use crate::wire::Answer;

/// Search a session
///
/// Finds the lines that match and answers one page of files, by path (in fuzzy mode by score). `total`
/// is the exact number of matching files in the whole session. An s3 session that is not in memory is
/// loaded first. The answers are those of ripgrep for the same pattern.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/grep", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
           SearchParameters),
    responses((status = 200, description = "One page of the answer.", body = Answer),
              (status = 400, description = "A parameter is out of its bounds, or the pattern is refused."),
              (status = 404, description = "The session ended, was deleted, or never was."),
              (status = 503, description = "Too many searches are running; `Retry-After` says when to come back.")))]
async fn grep(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let id = session_id(&id)?;
    let search = Search::read(&query)?;
    let work = sessions.grep(&principal.actor, &id, search.query);
    let page = Client::of(&request).wait_for(work).await;
    let page = page.unwrap_or(Err(QueryError::Cancelled.into()))?;
    Ok(formats::write(Answer::new(page, search.shown), search.format))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![endpoint!(grep, Access::Key(READ))]
}
