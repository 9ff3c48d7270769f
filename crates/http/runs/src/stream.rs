//! Following a run live.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use bytes::Bytes;
use futures_util::stream;
use pentad_http_kit::{Events, Fault, Principal};
use pentad_runs::{Error, Follower, RunId, Runs};
use serde_json::json;

use crate::Api;

/// How often something is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the program is about to end.
const LOOK: Duration = Duration::from_secs(1);

/// Follow a run
///
/// Server-sent events: `change` with `{"rev", "paths"}` for each change; the paths are those of the bundle and
/// are left out when there are many of them, or when only the revision is known. `gone` when the run is deleted.
#[utoipa::path(get, path = "/api/v1/runs/{run_id}/stream", tag = "runs",
    params(("run_id" = String, Path, description = "The run.")),
    responses((status = 200, description = "The changes from now on.", body = inline(Events), content_type = "text/event-stream"),
              (status = 404, description = "There is no such run.")))]
pub(crate) async fn follow_run(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path).ok_or(Error::RunNotFound)?;
    let follower = api.runs.follow(&principal.actor, &run).await?;
    let state = Some((
        follower,
        api.runs.clone(),
        Some(Bytes::from_static(b"retry: 2000\n\n")),
    ));
    let events = stream::unfold(state, |state| async move {
        let (mut follower, runs, first) = state?;
        if let Some(first) = first {
            return Some((Ok::<_, actix_web::Error>(first), Some((follower, runs, None))));
        }
        let (event, goes_on) = next_event(&mut follower, &runs).await?;
        Some((Ok(event), goes_on.then_some((follower, runs, None))))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(events)))
}

/// The next event and whether others may follow; `None` when the stream ends.
async fn next_event(follower: &mut Follower, runs: &Runs) -> Option<(Bytes, bool)> {
    let keep_alive = tokio::time::Instant::now() + KEEP_ALIVE;
    loop {
        if runs.is_closing() {
            return None;
        }
        match tokio::time::timeout(LOOK, follower.next()).await {
            Ok(Ok(Some(change))) => {
                let data = json!({ "rev": change.rev, "paths": *change.paths });
                return Some((Bytes::from(format!("event: change\ndata: {data}\n\n")), true));
            }
            Ok(Ok(None)) => return Some((Bytes::from_static(b"event: gone\ndata: {}\n\n"), false)),
            Ok(Err(_)) => return None,
            Err(_) if tokio::time::Instant::now() >= keep_alive => {
                return Some((Bytes::from_static(b": still here\n\n"), true));
            }
            Err(_) => {}
        }
    }
}
