//! Full-text search.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, Principal, Query, endpoint};
use pentad_session_sync::{Found, Match, SearchQuery, SessionSync};
use serde::Serialize;
use utoipa::ToSchema;

use crate::faults::{fault, integer, optional_integer};

/// A place where the words stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SearchMatch)]
struct MatchAnswer {
    /// The text around them, the words within `<mark>`, the rest escaped for HTML.
    snippet: String,
    /// The line of `messages.jsonl`, from 0; `null` for the title.
    message_index: Option<u32>,
    /// Whose message it is.
    role: Option<String>,
}

impl From<Match> for MatchAnswer {
    fn from(found: Match) -> Self {
        Self {
            snippet: found.snippet,
            message_index: found.message_index,
            role: found.role,
        }
    }
}

/// A session that has the words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SearchResult)]
struct ResultAnswer {
    session_id: String,
    title: Option<String>,
    alias: Option<String>,
    source_tool: String,
    model_id: Option<String>,
    message_count: i64,
    updated_at: String,
    /// Where the words stand, best first, at most five.
    matches: Vec<MatchAnswer>,
}

impl From<Found> for ResultAnswer {
    fn from(found: Found) -> Self {
        let session = found.session;
        Self {
            session_id: session.id,
            title: session.title,
            alias: session.alias,
            source_tool: session.source_tool,
            model_id: session.model_id,
            message_count: session.message_count,
            updated_at: session.updated_at.to_string(),
            matches: found.matches.into_iter().map(MatchAnswer::from).collect(),
        }
    }
}

/// A page of what was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SearchPage)]
struct SearchAnswer {
    /// The sessions, best first.
    results: Vec<ResultAnswer>,
    /// Sessions on all pages.
    total: u64,
    /// Which page this is, from 1.
    page: u32,
    /// Sessions on a page.
    page_size: u32,
    /// What was searched for.
    query: String,
}

/// Full-text search
///
/// Sessions of the caller's that have all the words in one message, or in the title. Words are found in
/// every form English gives them; when nothing has them, words that begin so are found.
#[utoipa::path(get, path = "/api/v1/sessions/search", tag = "sessions",
    params(("q" = String, Query, description = "The words, 1 to 500 characters.", example = "retry test"),
           ("tool" = Option<String>, Query, description = "Only sessions recorded with this tool."),
           ("days" = Option<u32>, Query, description = "Only sessions changed within so many days, 1 to 365."),
           ("page" = Option<u32>, Query, description = "From 1. Default 1."),
           ("page_size" = Option<u32>, Query, description = "1 to 50. Default 20.")),
    responses((status = 200, description = "What was found.", body = SearchAnswer),
              (status = 422, description = "A parameter is out of its bounds.")))]
async fn search(
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
) -> Result<Json<SearchAnswer>, Fault> {
    let text = query.text("q").unwrap_or_default();
    if text.is_empty() || text.chars().count() > 500 {
        return Err(Fault::unprocessable(
            &["query", "q"],
            "q must have 1 to 500 characters",
            "string_length",
        ));
    }
    let wanted = SearchQuery {
        text: text.to_owned(),
        tool: query.text("tool").map(str::to_owned),
        days: optional_integer(&query, "days", &(1..=365))?,
        page: integer(&query, "page", &(1..=1_000_000), 1)?,
        page_size: integer(&query, "page_size", &(1..=50), 20)?,
    };
    let (found, total) = sync.search(&principal, &wanted).await.map_err(fault)?;
    Ok(Json(SearchAnswer {
        results: found.into_iter().map(ResultAnswer::from).collect(),
        total,
        page: wanted.page,
        page_size: wanted.page_size,
        query: wanted.text,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![endpoint!(search, Access::User)]
}
