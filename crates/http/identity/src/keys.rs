//! Personal keys, as the seed documents them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, Gate, JsonBody, Principal, endpoint};
use pentad_identity::{Identity, Key, KeyFamily, NewKey};
use pentad_kernel::{Actor, KeyId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewKey, example = json!({"name": "ci"}))]
struct CreateKey {
    /// A name for people.
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::CreatedKey)]
struct CreatedKey {
    /// The key.
    key_id: String,
    /// Its secret; it is not shown again.
    raw_key: String,
    /// Its name.
    name: Option<String>,
    /// When it was made.
    created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Key)]
struct KeyAnswer {
    /// The key.
    key_id: String,
    /// Its name.
    name: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it was last used, up to a minute behind.
    last_used_at: Option<String>,
}

/// The personal key with this identifier, if it is the actor's.
pub(crate) async fn own_key(identity: &Identity, actor: &Actor, id: &str) -> Result<Key, Fault> {
    let not_found = || Fault::not_found("API key not found");
    let key = match identity.key(&KeyId::new(id)).await {
        Ok(key) => key,
        Err(pentad_identity::Error::KeyNotFound(_)) => return Err(not_found()),
        Err(error) => return Err(error.into()),
    };
    if key.user == actor.user && key.family == KeyFamily::User {
        Ok(key)
    } else {
        Err(not_found())
    }
}

/// Create user API key
#[utoipa::path(post, path = "/api/v1/auth/keys", tag = "auth", request_body = CreateKey,
    responses((status = 201, description = "The key, with its secret.", body = CreatedKey)))]
async fn create_key(
    gate: Data<Gate>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateKey>,
) -> Result<HttpResponse, Fault> {
    let mut new = NewKey::of(KeyFamily::User);
    new.name = body.name.map(|name| name.chars().take(255).collect());
    let actor = &principal.actor;
    let minted = gate
        .identity
        .mint_key(&actor.organisation, &actor.user, new)
        .await?;
    Ok(HttpResponse::Created().json(CreatedKey {
        key_id: minted.key.id.to_string(),
        raw_key: minted.secret().to_owned(),
        name: minted.key.name.clone(),
        created_at: minted.key.created_at.to_string(),
    }))
}

/// List user API keys
///
/// Those that were neither deleted nor revoked, newest first.
#[utoipa::path(get, path = "/api/v1/auth/keys", tag = "auth",
    responses((status = 200, description = "The keys.", body = [KeyAnswer])))]
async fn list_keys(gate: Data<Gate>, principal: Principal) -> Result<Json<Vec<KeyAnswer>>, Fault> {
    let keys = gate.identity.user_keys(&principal.actor.user).await?;
    let active = keys
        .into_iter()
        .filter(|key| key.revoked_at.is_none() && key.deleted_at.is_none());
    Ok(Json(
        active
            .map(|key| KeyAnswer {
                key_id: key.id.to_string(),
                name: key.name,
                created_at: key.created_at.to_string(),
                last_used_at: key.last_used_at.map(|at| at.to_string()),
            })
            .collect(),
    ))
}

/// Delete a user API key
///
/// One that was deleted already stays so.
#[utoipa::path(delete, path = "/api/v1/auth/keys/{key_id}", tag = "auth",
    params(("key_id" = String, Path, description = "The key.")),
    responses((status = 204, description = "The key works no more."),
              (status = 404, description = "The caller has no such key.")))]
async fn delete_key(
    gate: Data<Gate>,
    principal: Principal,
    key_id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let key = own_key(&gate.identity, &principal.actor, &key_id).await?;
    match gate.identity.delete_key(&key.id).await {
        // It was the caller's: whoever deletes it again has what they want.
        Ok(()) | Err(pentad_identity::Error::KeyNotFound(_)) => Ok(HttpResponse::NoContent().finish()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_key, Access::User),
        endpoint!(list_keys, Access::User),
        endpoint!(delete_key, Access::User),
    ]
}
