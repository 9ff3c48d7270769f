//! A tenant's DSNs and settings.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Fault, Principal};
use pentad_identity::{Key, KeyFamily, NewKey};
use pentad_kernel::KeyId;
use pentad_runs::{Error, Json, Settings};
use serde_json::{Value, json};

use crate::Api;
use crate::auth::note_override;
use crate::body::Body;

/// The most bytes of a DSN's label.
const MAX_LABEL: usize = 200;

fn render_key(key: &Key, tenant: &str) -> Value {
    json!({
        "id": key.id.as_str(),
        "label": key.name,
        "tenant": tenant,
        "key_prefix": key.prefix,
        "created_at": key.created_at,
        "created_by": key.user.as_str(),
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    })
}

/// List DSNs
///
/// Every DSN key of the active workspace, without its secret.
#[utoipa::path(get, path = "/api/v1/tenant/dsns", tag = "runs",
    responses((status = 200, description = "The keys, the newest first.", body = Object)))]
pub(crate) async fn list_dsns(api: Data<Api>, principal: Principal) -> Result<HttpResponse, Fault> {
    let organisation = api.identity.organisation(&principal.actor.organisation).await?;
    let keys = api.identity.organisation_keys(&organisation.id).await?;
    let dsns: Vec<Value> = keys
        .iter()
        .filter(|key| key.family == KeyFamily::Ingest)
        .map(|key| render_key(key, &organisation.slug))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "dsns": dsns })))
}

/// Mint a DSN
///
/// The DSN holds a new key that only records. It is shown here once and never again.
#[utoipa::path(post, path = "/api/v1/tenant/dsns", tag = "runs",
    request_body(content = Object, example = json!({"label": "laptop"})),
    responses((status = 201, description = "The key, with `dsn` and `api_key`.", body = Object),
              (status = 422, description = "The label is no short text.")))]
pub(crate) async fn mint_dsn(
    api: Data<Api>,
    principal: Principal,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let body = body.json_or_empty()?;
    let label = match body.get("label") {
        None | Some(Json::Null) => "default",
        Some(Json::Text(label)) if label.len() <= MAX_LABEL && !label.contains('\0') => label,
        Some(_) => {
            let message = format!("expected a text of at most {MAX_LABEL} bytes");
            return Err(Error::invalid(&["body", "label"], "string_type", message).into());
        }
    };
    let organisation = api.identity.organisation(&principal.actor.organisation).await?;
    let new = NewKey::of(KeyFamily::Ingest).named(label);
    let minted = api
        .identity
        .mint_key(&organisation.id, &principal.actor.user, new)
        .await?;
    note_override(&api, &principal, "dsn.mint", minted.key.id.as_str()).await?;
    let mut answer = render_key(&minted.key, &organisation.slug);
    let base = api.public_url.origin(&request);
    answer["dsn"] = json!(format!(
        "{base}/api/v1?token={}&tenant={}",
        minted.secret(),
        organisation.slug
    ));
    answer["api_key"] = json!(minted.secret());
    Ok(HttpResponse::Created().json(answer))
}

/// Revoke a DSN
///
/// The key stops working at once, and everywhere within seconds.
#[utoipa::path(delete, path = "/api/v1/tenant/dsns/{id}", tag = "runs",
    params(("id" = String, Path, description = "The key.")),
    responses((status = 200, description = "The key is revoked.", body = Object),
              (status = 404, description = "The workspace has no such key.")))]
pub(crate) async fn revoke_dsn(
    api: Data<Api>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let organisation = api.identity.organisation(&principal.actor.organisation).await?;
    let id = KeyId::new(path.as_str());
    let known = api.identity.key(&id).await.ok();
    if known.is_none_or(|key| key.organisation != organisation.id || key.family != KeyFamily::Ingest) {
        return Err(Fault::not_found("no such DSN"));
    }
    api.identity.revoke_key(&id, "revoked by its tenant").await?;
    note_override(&api, &principal, "dsn.revoke", id.as_str()).await?;
    let key = api.identity.key(&id).await?;
    Ok(HttpResponse::Ok().json(render_key(&key, &organisation.slug)))
}

fn render_settings(settings: Settings) -> Value {
    json!({
        "modelio_enabled": settings.modelio_enabled,
        "log_scrub": settings.log_scrub,
        "retention_days": settings.retention_days,
    })
}

/// Read the settings of recording
#[utoipa::path(get, path = "/api/v1/tenant/settings", tag = "runs",
    responses((status = 200, description = "The settings.", body = Object, example = json!({
        "modelio_enabled": false, "log_scrub": true, "retention_days": null}))))]
pub(crate) async fn read_recording_settings(
    api: Data<Api>,
    principal: Principal,
) -> Result<HttpResponse, Fault> {
    Ok(HttpResponse::Ok().json(render_settings(api.runs.settings(&principal.actor).await?)))
}

/// Change the settings of recording
///
/// What the body does not name stays as it is.
#[utoipa::path(put, path = "/api/v1/tenant/settings", tag = "runs",
    request_body(content = Object, example = json!({"modelio_enabled": true})),
    responses((status = 200, description = "The settings as they are now.", body = Object),
              (status = 422, description = "A value is wrong or a name unknown.")))]
pub(crate) async fn change_recording_settings(
    api: Data<Api>,
    principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let body = body.json()?;
    let mut settings = api.runs.settings(&principal.actor).await?;
    let members = body
        .members()
        .ok_or_else(|| Error::invalid(&["body"], "dict_type", "expected an object"))?;
    for (name, value) in members {
        let wrong =
            |expected: &str| Error::invalid(&["body", name], "value_error", format!("expected {expected}"));
        match (name.as_str(), value) {
            ("modelio_enabled", Json::Bool(flag)) => settings.modelio_enabled = *flag,
            ("log_scrub", Json::Bool(flag)) => settings.log_scrub = *flag,
            ("modelio_enabled" | "log_scrub", _) => return Err(wrong("true or false").into()),
            ("retention_days", Json::Null) => settings.retention_days = None,
            ("retention_days", days) => {
                let days = days
                    .whole()
                    .and_then(|days| u32::try_from(days).ok())
                    .filter(|days| *days <= 36_500);
                settings.retention_days =
                    Some(days.ok_or_else(|| wrong("a whole number of days from 1 to 36500, or null"))?);
            }
            _ => return Err(Error::invalid(&["body", name], "extra_forbidden", "unknown setting").into()),
        }
    }
    api.runs.set_settings(&principal.actor, settings).await?;
    note_override(
        &api,
        &principal,
        "tenant.settings",
        principal.actor.organisation.as_str(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(render_settings(settings)))
}
