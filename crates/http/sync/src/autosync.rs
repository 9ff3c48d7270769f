//! What devices sync by themselves.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_session_sync::{AutosyncSettings, Error, Mode, SessionSync, WatchStatus, Watcher};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::faults::fault;
use crate::wire::time;

/// How a user's devices sync.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::AutosyncSettings, example = json!({"mode": "selective", "debounce_seconds": 30, "max_member_bytes": 52_428_800}))]
struct SettingsAnswer {
    /// `off`, `all` or `selective`.
    mode: &'static str,
    /// How long devices wait for a session to settle.
    debounce_seconds: i64,
    /// Bytes of one file in an archive that may be pushed.
    max_member_bytes: u64,
}

impl From<AutosyncSettings> for SettingsAnswer {
    fn from(settings: AutosyncSettings) -> Self {
        Self {
            mode: settings.mode.name(),
            debounce_seconds: settings.debounce_seconds,
            max_member_bytes: settings.max_member_bytes,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SetAutosync)]
struct SetAutosync {
    /// `off`, `all` or `selective`.
    mode: String,
    /// How long devices wait for a session to settle; brought within 5 to 300.
    debounce_seconds: Option<i64>,
}

/// Get autosync settings
#[utoipa::path(get, path = "/api/v1/sync/settings", tag = "sync",
    responses((status = 200, description = "The settings.", body = SettingsAnswer)))]
async fn get_settings(sync: Data<SessionSync>, principal: Principal) -> Result<Json<SettingsAnswer>, Fault> {
    let settings = sync.autosync(&principal).await.map_err(fault)?;
    Ok(Json(settings.into()))
}

/// Update autosync mode
#[utoipa::path(put, path = "/api/v1/sync/settings", tag = "sync", request_body = SetAutosync,
    responses((status = 200, description = "The settings.", body = SettingsAnswer),
              (status = 400, description = "There is no such mode.")))]
async fn put_settings(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<SetAutosync>,
) -> Result<Json<SettingsAnswer>, Fault> {
    let mode = Mode::parse(&body.mode).ok_or_else(|| fault(Error::word("mode", "off, all and selective")))?;
    let settings = sync
        .set_autosync(&principal, mode, body.debounce_seconds)
        .await
        .map_err(fault)?;
    Ok(Json(settings.into()))
}

/// A session that devices keep in sync.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Watch)]
struct WatchAnswer {
    session_id: String,
    title: Option<String>,
    source_tool: String,
    message_count: i64,
    /// `pending`, `queued`, `synced` or `failed`.
    status: &'static str,
    last_synced_at: Option<String>,
}

/// The sessions that devices keep in sync.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Watchlist)]
struct WatchlistAnswer {
    /// Last added first.
    sessions: Vec<WatchAnswer>,
}

/// Get watched sessions
#[utoipa::path(get, path = "/api/v1/sync/watchlist", tag = "sync",
    responses((status = 200, description = "The watched sessions.", body = WatchlistAnswer)))]
async fn get_watchlist(
    sync: Data<SessionSync>,
    principal: Principal,
) -> Result<Json<WatchlistAnswer>, Fault> {
    let watches = sync.watches(&principal.actor).await.map_err(fault)?;
    let sessions = watches.into_iter().map(|watch| WatchAnswer {
        session_id: watch.session_id,
        title: watch.title,
        source_tool: watch.source_tool,
        message_count: watch.message_count,
        status: watch.status.name(),
        last_synced_at: time(watch.last_synced_at),
    });
    Ok(Json(WatchlistAnswer {
        sessions: sessions.collect(),
    }))
}

/// What became of a watch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::WatchChange)]
struct ChangeAnswer {
    /// What the session is now.
    status: &'static str,
    /// The session.
    session_id: String,
}

/// Add session to watchlist
#[utoipa::path(post, path = "/api/v1/sync/watch/{id}", tag = "sync",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "It is watched.", body = ChangeAnswer),
              (status = 404, description = "There is no such session.")))]
async fn watch(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<ChangeAnswer>, Fault> {
    sync.watch(&principal, &id).await.map_err(fault)?;
    Ok(Json(ChangeAnswer {
        status: "watching",
        session_id: id.into_inner(),
    }))
}

/// Remove session from watchlist
#[utoipa::path(delete, path = "/api/v1/sync/watch/{id}", tag = "sync",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "It is not watched.", body = ChangeAnswer)))]
async fn unwatch(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<ChangeAnswer>, Fault> {
    sync.unwatch(&principal.actor, &id).await.map_err(fault)?;
    Ok(Json(ChangeAnswer {
        status: "unwatched",
        session_id: id.into_inner(),
    }))
}

/// Update watch status
#[utoipa::path(put, path = "/api/v1/sync/watch/{id}/{status}", tag = "sync",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef"),
           ("status" = String, Path, description = "`pending`, `queued`, `synced` or `failed`.")),
    responses((status = 200, description = "It is noted, or `not_watched`.", body = ChangeAnswer),
              (status = 400, description = "There is no such status.")))]
async fn set_watch_status(
    sync: Data<SessionSync>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<ChangeAnswer>, Fault> {
    let (id, word) = path.into_inner();
    let status = WatchStatus::parse(&word)
        .ok_or_else(|| fault(Error::word("status", "pending, queued, synced and failed")))?;
    let watched = sync
        .set_watch_status(&principal.actor, &id, status)
        .await
        .map_err(fault)?;
    Ok(Json(ChangeAnswer {
        status: if watched { status.name() } else { "not_watched" },
        session_id: id,
    }))
}

/// How syncing stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SyncStatus)]
struct StatusAnswer {
    mode: &'static str,
    total_sessions: i64,
    /// As many: what is here has been synced.
    synced_sessions: i64,
    watched_sessions: i64,
    queued: i64,
    failed: i64,
    /// Without the trash, which still counts against the limit.
    storage_used_bytes: u64,
    /// 0 for no limit.
    storage_limit_bytes: u64,
}

/// Sync status overview
#[utoipa::path(get, path = "/api/v1/sync/status", tag = "sync",
    responses((status = 200, description = "How syncing stands.", body = StatusAnswer)))]
async fn get_status(sync: Data<SessionSync>, principal: Principal) -> Result<Json<StatusAnswer>, Fault> {
    let status = sync.sync_status(&principal).await.map_err(fault)?;
    Ok(Json(StatusAnswer {
        mode: status.mode.name(),
        total_sessions: status.total_sessions,
        synced_sessions: status.synced_sessions,
        watched_sessions: status.watched_sessions,
        queued: status.queued,
        failed: status.failed,
        storage_used_bytes: status.storage_used_bytes,
        storage_limit_bytes: status.storage_limit_bytes,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::AuditTrigger)]
struct SetTrigger {
    /// `manual`, `on_sync` or `on_pr`.
    trigger: String,
}

/// Get auto-audit trigger
#[utoipa::path(get, path = "/api/v1/settings/audit-trigger", tag = "settings",
    responses((status = 200, description = "`trigger` is `manual`, `on_sync` or `on_pr`.", body = Value)))]
async fn get_audit_trigger(sync: Data<SessionSync>, principal: Principal) -> Result<Json<Value>, Fault> {
    let trigger = sync.audit_trigger(&principal.actor).await.map_err(fault)?;
    Ok(Json(json!({"trigger": trigger.name()})))
}

/// Set auto-audit trigger
#[utoipa::path(put, path = "/api/v1/settings/audit-trigger", tag = "settings", request_body = SetTrigger,
    responses((status = 200, description = "It is set.", body = Value),
              (status = 400, description = "There is no such trigger.")))]
async fn set_audit_trigger(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<SetTrigger>,
) -> Result<Json<Value>, Fault> {
    let trigger = pentad_session_sync::AuditTrigger::parse(&body.trigger)
        .ok_or_else(|| fault(Error::word("trigger", "manual, on_sync and on_pr")))?;
    sync.set_audit_trigger(&principal.actor, trigger)
        .await
        .map_err(fault)?;
    Ok(Json(json!({"trigger": trigger.name()})))
}

/// A watcher of a daemon.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sync::Watcher)]
struct WatcherBody {
    /// The tool it watches.
    name: String,
    /// How it is, in the daemon's words.
    health: String,
    /// Since when it is degraded.
    degraded_since: Option<String>,
    /// What went wrong last.
    last_error: Option<String>,
    /// Sessions it has seen.
    #[serde(default)]
    sessions_tracked: i64,
}

/// How the watchers of the user's daemons are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = sync::CaptureHealth, example = json!({"watchers": [{"name": "claude-code", "health": "healthy", "sessions_tracked": 3}]}))]
struct CaptureHealth {
    /// The watchers.
    watchers: Vec<WatcherBody>,
}

/// Report how the watchers are
///
/// What a daemon says of its watchers, at most 100, in place of what it said before. `GET /auth/me` shows it.
#[utoipa::path(put, path = "/api/v1/sync/health", tag = "sync", request_body = CaptureHealth,
    responses((status = 200, description = "Noted: `status` and the number of `watchers`.", body = Value),
              (status = 422, description = "Too many watchers.")))]
async fn report_health(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<CaptureHealth>,
) -> Result<Json<Value>, Fault> {
    let watchers = body.watchers.into_iter().map(|watcher| Watcher {
        name: watcher.name,
        health: watcher.health,
        degraded_since: watcher.degraded_since,
        last_error: watcher.last_error,
        sessions_tracked: watcher.sessions_tracked,
    });
    let noted = sync
        .set_capture_health(&principal.actor, watchers.collect())
        .await;
    Ok(Json(json!({"status": "ok", "watchers": noted.map_err(fault)?})))
}

/// Read how the watchers are
#[utoipa::path(get, path = "/api/v1/sync/health", tag = "sync",
    responses((status = 200, description = "The watchers as last reported.", body = CaptureHealth)))]
async fn get_health(sync: Data<SessionSync>, principal: Principal) -> Result<Json<CaptureHealth>, Fault> {
    let watchers = sync.capture_health(&principal.actor).await.map_err(fault)?;
    let watchers = watchers.into_iter().map(|watcher| WatcherBody {
        name: watcher.name,
        health: watcher.health,
        degraded_since: watcher.degraded_since,
        last_error: watcher.last_error,
        sessions_tracked: watcher.sessions_tracked,
    });
    Ok(Json(CaptureHealth {
        watchers: watchers.collect(),
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_settings, Access::User),
        endpoint!(put_settings, Access::User),
        endpoint!(get_watchlist, Access::User),
        endpoint!(watch, Access::User),
        endpoint!(unwatch, Access::User),
        endpoint!(set_watch_status, Access::User),
        endpoint!(get_status, Access::User),
        endpoint!(report_health, Access::User),
        endpoint!(get_health, Access::User),
        endpoint!(get_audit_trigger, Access::User),
        endpoint!(set_audit_trigger, Access::User),
    ]
}
