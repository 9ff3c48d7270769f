//! Personal keys, as the command line of seed 002 manages them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, Gate, JsonBody, Principal, endpoint};
use pentad_identity::{Key, KeyFamily, NewKey};
use pentad_kernel::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::keys::own_key;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewApiKey, example = json!({"name": "ci", "expires_in_days": 90}))]
struct CreateApiKey {
    /// A name for people, 1 to 255 characters.
    name: String,
    /// After how many days it stops working, 1 to 730; without it, never.
    expires_in_days: Option<u64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::RevokeApiKey)]
struct RevokeApiKey {
    /// Why, 1 to 500 characters.
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::ApiKey)]
struct ApiKey {
    /// The key.
    id: String,
    /// Its name.
    name: Option<String>,
    /// The first twelve characters of its secret.
    key_prefix: String,
    /// When it was made.
    created_at: String,
    /// When it stops working.
    expires_at: Option<String>,
    /// When it was last used, up to a minute behind.
    last_used_at: Option<String>,
    /// From where it was last used.
    last_used_ip: Option<String>,
    /// Whether it works.
    is_active: bool,
    /// Its secret, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    key: Option<String>,
}

impl ApiKey {
    fn of(key: Key, secret: Option<String>) -> Self {
        let is_active = key.is_active(SystemClock.now());
        Self {
            id: key.id.to_string(),
            name: key.name,
            key_prefix: key.prefix,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
            last_used_ip: key.last_used_address,
            is_active,
            key: secret,
        }
    }
}

fn check_length(field: &str, text: &str, most: usize) -> Result<(), Fault> {
    if text.trim().is_empty() || text.chars().count() > most {
        let message = format!("{field} must have 1 to {most} characters");
        return Err(Fault::unprocessable(&["body", field], message, "string_length"));
    }
    Ok(())
}

/// List personal keys
///
/// Newest first, with those that were revoked.
#[utoipa::path(get, path = "/api/v1/auth/me/api-keys", tag = "auth",
    responses((status = 200, description = "The keys.", body = [ApiKey])))]
async fn list_api_keys(gate: Data<Gate>, principal: Principal) -> Result<Json<Vec<ApiKey>>, Fault> {
    let keys = gate.identity.user_keys(&principal.actor.user).await?;
    let listed = keys.into_iter().filter(|key| key.deleted_at.is_none());
    Ok(Json(listed.map(|key| ApiKey::of(key, None)).collect()))
}

/// Create a personal key
#[utoipa::path(post, path = "/api/v1/auth/me/api-keys", tag = "auth", request_body = CreateApiKey,
    responses((status = 201, description = "The key, with its secret.", body = ApiKey),
              (status = 422, description = "Name or days are out of their bounds.")))]
async fn create_api_key(
    gate: Data<Gate>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateApiKey>,
) -> Result<HttpResponse, Fault> {
    check_length("name", &body.name, 255)?;
    if body
        .expires_in_days
        .is_some_and(|days| !(1..=730).contains(&days))
    {
        let message = "expires_in_days must be from 1 to 730";
        return Err(Fault::unprocessable(
            &["body", "expires_in_days"],
            message,
            "value_error",
        ));
    }
    let mut new = NewKey::of(KeyFamily::User).named(body.name);
    new.expires_at = body
        .expires_in_days
        .map(|days| SystemClock.now().plus(Duration::from_secs(days * 24 * 3600)));
    let actor = &principal.actor;
    let minted = gate
        .identity
        .mint_key(&actor.organisation, &actor.user, new)
        .await?;
    let secret = minted.secret().to_owned();
    Ok(HttpResponse::Created().json(ApiKey::of(minted.key, Some(secret))))
}

/// Revoke a personal key
///
/// Done again, it is done already.
#[utoipa::path(delete, path = "/api/v1/auth/me/api-keys/{key_id}", tag = "auth", request_body = RevokeApiKey,
    params(("key_id" = String, Path, description = "The key.")),
    responses((status = 204, description = "The key is revoked."),
              (status = 404, description = "The caller has no such key."),
              (status = 422, description = "The reason is missing or too long.")))]
async fn revoke_api_key(
    gate: Data<Gate>,
    principal: Principal,
    key_id: Path<String>,
    JsonBody(body): JsonBody<RevokeApiKey>,
) -> Result<HttpResponse, Fault> {
    check_length("reason", &body.reason, 500)?;
    let key = own_key(&gate.identity, &principal.actor, &key_id).await?;
    gate.identity.revoke_key(&key.id, &body.reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_api_keys, Access::User),
        endpoint!(create_api_key, Access::User),
        endpoint!(revoke_api_key, Access::User),
    ]
}
