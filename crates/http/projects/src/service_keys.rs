//! Service keys of organisations.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_identity::{Key, KeyFamily, MintedKey, NewServiceKey};
use pentad_kernel::{KeyId, OrganisationId, Timestamp};
use pentad_projects::Projects;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::parameters::parse_instant;
use crate::wire::{answer, optional_timestamp};

const DAY: Duration = Duration::from_secs(24 * 3600);
const DAYS_MOST: u32 = 730;

/// What a service key shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewServiceKey, example = json!({"name": "ci", "scopes": ["tickets:read", "tickets:write"]}))]
pub(crate) struct NewKeyBody {
    /// 1 to 100 characters.
    name: String,
    /// What it may do, by name; never `*`.
    scopes: Vec<String>,
    /// When it stops working: RFC 3339, in UTC when it names no offset.
    expires_at: Option<String>,
    /// The same in days from now, 1 to 730; `expires_at` wins.
    expires_in_days: Option<u32>,
    /// The only projects it may touch; none for all of the organization's.
    project_ids: Option<Vec<String>>,
    /// The form of its secret: `service` (default), `grep`, `memory` or `exec`.
    family: Option<String>,
}

answer! {
    /// A service key, without its secret.
    ServiceKeyAnswer as sync::ServiceKey, from |pair: (Key, Timestamp)| {
        is_active: bool = pair.0.is_active(pair.1),
        id: String = pair.0.id.to_string(),
        org_id: String = pair.0.organisation.to_string(),
        service_key_name: String = pair.0.name.clone().unwrap_or_default(),
        name: String = pair.0.name.unwrap_or_default(),
        scopes: Vec<String> = pair.0.scopes.names().to_vec(),
        project_ids: Option<Vec<String>> = pair.0.projects,
        /// The first twelve characters of the secret.
        key_prefix: String = pair.0.prefix,
        created_at: String = pair.0.created_at.to_string(),
        created_by_user_id: String = pair.0.user.to_string(),
        expires_at: Option<String> = optional_timestamp(pair.0.expires_at),
        revoked_at: Option<String> = optional_timestamp(pair.0.revoked_at),
        revoke_reason: Option<String> = pair.0.revoke_reason,
        last_used_at: Option<String> = optional_timestamp(pair.0.last_used_at),
        last_used_ip: Option<String> = pair.0.last_used_address,
    }
}

/// A new service key with its secret, which is shown this once.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::MintedServiceKey)]
pub(crate) struct MintedServiceKey {
    #[serde(flatten)]
    stored: ServiceKeyAnswer,
    /// The secret.
    key: String,
}

impl MintedServiceKey {
    fn new(minted: MintedKey, now: Timestamp) -> Self {
        Self {
            key: minted.secret().to_owned(),
            stored: (minted.key, now).into(),
        }
    }
}

fn read(body: NewKeyBody, now: Timestamp) -> Result<NewServiceKey, Fault> {
    let wrong = |field: &str, reason: &str| Fault::unprocessable(&["body", field], reason, "value_error");
    let expires_at = match (body.expires_at, body.expires_in_days) {
        (Some(at), _) => Some(parse_instant(&at).map_err(|error| wrong("expires_at", &error.to_string()))?),
        (None, Some(days)) if (1..=DAYS_MOST).contains(&days) => Some(now.plus(DAY * days)),
        (None, Some(_)) => return Err(wrong("expires_in_days", "1 to 730")),
        (None, None) => None,
    };
    let family = match body.family.as_deref() {
        None => KeyFamily::Service,
        Some(name) => {
            KeyFamily::parse(name).ok_or_else(|| wrong("family", "service, grep, memory or exec"))?
        }
    };
    Ok(NewServiceKey {
        name: body.name,
        scopes: body.scopes,
        expires_at,
        projects: body.project_ids.unwrap_or_default(),
        family,
    })
}

/// Create a service key
///
/// The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/orgs/{org_id}/service-keys", tag = "sync", request_body = NewKeyBody,
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 201, description = "The key with its secret.", body = MintedServiceKey),
              (status = 404, description = "No organization of the caller's."),
              (status = 422, description = "A field is refused.")))]
async fn create_service_key(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
    body: JsonBody<NewKeyBody>,
) -> Result<HttpResponse, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let new = read(body.0, projects.now())?;
    let minted = projects
        .identity()
        .create_service_key(&principal.actor, &organisation, new)
        .await?;
    Ok(HttpResponse::Created().json(MintedServiceKey::new(minted, projects.now())))
}

/// List an organization's service keys
///
/// For any member, newest first, with those that no longer work.
#[utoipa::path(get, path = "/api/v1/orgs/{org_id}/service-keys", tag = "sync",
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The keys, without their secrets.", body = Vec<ServiceKeyAnswer>),
              (status = 404, description = "No organization of the caller's.")))]
async fn list_service_keys(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
) -> Result<Json<Vec<ServiceKeyAnswer>>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let keys = projects
        .identity()
        .service_keys(&principal.actor, &organisation)
        .await?;
    let now = projects.now();
    Ok(Json(keys.into_iter().map(|key| (key, now).into()).collect()))
}

/// Why a key is revoked.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::RevokeServiceKey, example = json!({"revoke_reason": "leaked"}))]
pub(crate) struct RevokeKey {
    /// At most 500 characters.
    revoke_reason: Option<String>,
    /// The same.
    reason: Option<String>,
}

/// Revoke a service key
///
/// At once; revoking it again changes nothing.
#[utoipa::path(delete, path = "/api/v1/orgs/{org_id}/service-keys/{key_id}", tag = "sync", request_body = RevokeKey,
    params(("org_id" = String, Path, description = "The organization."),
           ("key_id" = String, Path, description = "The key.")),
    responses((status = 204, description = "It opens nothing any more."),
              (status = 404, description = "There is no such key."),
              (status = 422, description = "The reason is too long.")))]
async fn revoke_service_key(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<RevokeKey>,
) -> Result<HttpResponse, Fault> {
    let (organisation, key) = path.into_inner();
    let reason = body.revoke_reason.as_deref().or(body.reason.as_deref());
    if reason.is_some_and(|reason| reason.chars().count() > 500 || reason.contains('\0')) {
        return Err(Fault::unprocessable(
            &["body", "revoke_reason"],
            "at most 500 characters",
            "string_too_long",
        ));
    }
    projects
        .identity()
        .revoke_service_key(
            &principal.actor,
            &OrganisationId::new(organisation),
            &KeyId::new(key),
            reason,
        )
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Rotate a service key
///
/// Gives a successor with the same name, scopes, projects and length of life, and revokes the key.
#[utoipa::path(post, path = "/api/v1/orgs/{org_id}/service-keys/{key_id}/rotate", tag = "sync",
    params(("org_id" = String, Path, description = "The organization."),
           ("key_id" = String, Path, description = "The key.")),
    responses((status = 200, description = "The successor with its secret.", body = MintedServiceKey),
              (status = 404, description = "There is no such key."),
              (status = 409, description = "`key_already_revoked`.")))]
async fn rotate_service_key(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<MintedServiceKey>, Fault> {
    let (organisation, key) = path.into_inner();
    let minted = projects
        .identity()
        .rotate_service_key(
            &principal.actor,
            &OrganisationId::new(organisation),
            &KeyId::new(key),
        )
        .await?;
    Ok(Json(MintedServiceKey::new(minted, projects.now())))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_service_key, Access::User),
        endpoint!(list_service_keys, Access::User),
        endpoint!(revoke_service_key, Access::User),
        endpoint!(rotate_service_key, Access::User),
    ]
}
