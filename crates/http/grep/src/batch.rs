//! Several searches in one request.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use futures_util::future::join_all;
use pentad_grep_engine::QueryError;
use pentad_grep_sessions::{Error, GrepSessions};
use pentad_http_kit::{Access, Client, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::READ;
use crate::parameters::{Format, Search};
use crate::sessions::session_id;
use crate::wire::Answer;

/// The most searches in one request.
const MAX_QUERIES: usize = 64;

/// About how large the answer becomes, in bytes: as large as that of one search, which each has a fair share of.
const ANSWER_BYTES: usize = 8 << 20;

/// Searches to run.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = grep::Batch, example = json!({
    "queries": [{"query": "runAgentLoop"}, {"query": "fn \\w+", "mode": "regex", "glob": ["**/*.rs"], "page_limit": 5}]
}))]
pub(crate) struct Batch {
    /// 1 to 64 searches: objects with the parameters of the single search, all but `format`.
    queries: Vec<Map<String, Value>>,
}

/// The answers, in the order of the searches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::BatchAnswer)]
pub(crate) struct BatchAnswer {
    /// For each search its answer, or an `error` where it was refused.
    results: Vec<BatchResult>,
}

/// The answer of one search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::BatchResult)]
#[serde(untagged)]
pub(crate) enum BatchResult {
    /// What was found.
    Found(Answer),
    /// Why the search was refused.
    Refused {
        /// The reason.
        error: String,
    },
}

/// Search a session several times
///
/// Runs up to 64 searches in one request. A search that is refused does not keep the others from their
/// answers. Together they answer as much as a single search may: a page that would be larger than its share ends
/// early, and says where the next begins.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/grep", tag = "grep",
    params(("id" = String, Path, description = "The session's UUID.", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    request_body = Batch,
    responses((status = 200, description = "The answers.", body = BatchAnswer),
              (status = 400, description = "The body is not of the documented form."),
              (status = 404, description = "The session ended, was deleted, or never was."),
              (status = 413, description = "The body is larger than 1 MiB.")))]
async fn grep_many(
    request: HttpRequest,
    sessions: Data<GrepSessions>,
    principal: Principal,
    id: Path<String>,
    body: JsonBody<Batch>,
) -> Result<Json<BatchAnswer>, Fault> {
    let id = session_id(&id)?;
    let queries = body.0.queries;
    if queries.is_empty() || queries.len() > MAX_QUERIES {
        return Err(Fault::invalid(format!(
            "queries must hold 1 to {MAX_QUERIES} searches, not {}",
            queries.len()
        )));
    }
    let page_bytes = ANSWER_BYTES / queries.len();
    let one = async |parameters: Map<String, Value>| -> Result<BatchResult, Fault> {
        let search = match pairs(parameters).and_then(|query| Search::read(&query)) {
            Ok(search) if search.format == Format::Json => search,
            Ok(_) => {
                return Ok(BatchResult::Refused {
                    error: "a search among several answers in JSON".to_owned(),
                });
            }
            Err(fault) => return Ok(BatchResult::Refused { error: fault.message }),
        };
        match sessions
            .grep(&principal.actor, &id, search.query.page_bytes(page_bytes))
            .await
        {
            Ok(page) => Ok(BatchResult::Found(Answer::new(page, search.shown))),
            Err(Error::Query(refused)) => Ok(BatchResult::Refused {
                error: refused.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    };
    let work = join_all(queries.into_iter().map(one));
    let results = Client::of(&request).wait_for(work).await;
    let results = results.ok_or(Error::Query(QueryError::Cancelled))?;
    Ok(Json(BatchAnswer {
        results: results.into_iter().collect::<Result<_, _>>()?,
    }))
}

/// The parameters of a JSON object as if they had come in the URL; lists are repeated parameters.
fn pairs(parameters: Map<String, Value>) -> Result<Query, Fault> {
    let mut pairs = Vec::new();
    for (name, value) in parameters {
        let values = match value {
            Value::Array(values) => values,
            single => vec![single],
        };
        for value in values {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::Null => continue,
                Value::Array(_) | Value::Object(_) => {
                    return Err(Fault::invalid(format!(
                        "{name} must be a text, a number, a boolean or a list of them"
                    )));
                }
            };
            pairs.push((name.clone(), text));
        }
    }
    Ok(Query::from_pairs(pairs))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![endpoint!(grep_many, Access::Key(READ))]
}
