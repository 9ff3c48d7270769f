//! What administrators of the platform do.

use actix_web::HttpResponse;
use actix_web::web::Data;
use pentad_http_kit::{Fault, Principal};
use pentad_runs::{Error, Json};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::Api;
use crate::auth::{me_body, override_cookie, required};
use crate::body::Body;

/// List every tenant
#[utoipa::path(get, path = "/api/v1/admin/tenants", tag = "runs",
    responses((status = 200, description = "The tenants, the oldest first.", body = Object)))]
pub(crate) async fn list_tenants(api: Data<Api>, _principal: Principal) -> Result<HttpResponse, Fault> {
    let activity = api.runs.activity().await?;
    let tenants: Vec<Value> = api
        .identity
        .organisations()
        .await?
        .iter()
        .map(|organisation| {
            let activity = activity.get(organisation.id.as_str());
            json!({
                "id": organisation.id.as_str(),
                "slug": organisation.slug,
                "name": organisation.name,
                "run_count": activity.map_or(0, |activity| activity.run_count),
                "last_activity_at": activity.map(|activity| activity.last_activity_at),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "tenants": tenants })))
}

/// Make a tenant
#[utoipa::path(post, path = "/api/v1/admin/tenants", tag = "runs",
    request_body(content = Object, example = json!({"slug": "acme", "name": "Acme"})),
    responses((status = 201, description = "The tenant.", body = Object),
              (status = 409, description = "Another tenant has the slug."),
              (status = 422, description = "The slug is none.")))]
pub(crate) async fn create_tenant(
    api: Data<Api>,
    _principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let body = body.json()?;
    let slug = required(&body, "slug")?;
    let name = body
        .text_at("name")
        .filter(|name| !name.contains('\0'))
        .unwrap_or(slug);
    let made = api.identity.create_organisation(slug, name).await?;
    Ok(HttpResponse::Created().json(json!({ "id": made.id.as_str(), "slug": made.slug, "name": made.name })))
}

/// Make a user
///
/// The user is at home in the tenant and signs in with the password.
#[utoipa::path(post, path = "/api/v1/admin/users", tag = "runs",
    request_body(content = Object, example = json!({
        "email": "ada@example.com", "password": "correct horse", "tenant": "acme", "is_admin": false})),
    responses((status = 201, description = "The user.", body = Object),
              (status = 404, description = "There is no such tenant."),
              (status = 409, description = "Another user has the address."),
              (status = 422, description = "The address or the password is none.")))]
pub(crate) async fn create_user(
    api: Data<Api>,
    _principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let body = body.json()?;
    let (email, slug) = (required(&body, "email")?, required(&body, "tenant")?);
    let password = SecretString::from(required(&body, "password")?.to_owned());
    let is_admin = match body.get("is_admin") {
        None | Some(Json::Null) => false,
        Some(Json::Bool(flag)) => *flag,
        Some(_) => {
            return Err(Error::invalid(&["body", "is_admin"], "bool_type", "expected true or false").into());
        }
    };
    let home = api
        .identity
        .organisation_by_slug(slug)
        .await
        .map_err(|_| Fault::not_found("no such tenant"))?;
    let user = api
        .identity
        .create_user_in(&home, email, Some(&password), is_admin)
        .await?;
    Ok(HttpResponse::Created().json(json!({
        "id": user.id.as_str(), "email": user.email, "is_admin": user.is_admin, "tenant": home.slug,
    })))
}

/// Look at another tenant
///
/// Sets the cookie `augur_tenant_override`, or clears it for `{"tenant": null}`. Reads, and everything the
/// administrator changes, then happen in that tenant; changes are written to the audit log.
#[utoipa::path(post, path = "/api/v1/admin/impersonate", tag = "runs",
    request_body(content = Object, example = json!({"tenant": "acme"})),
    responses((status = 200, description = "As /auth/me.", body = Object),
              (status = 404, description = "There is no such tenant.")))]
pub(crate) async fn impersonate(
    api: Data<Api>,
    principal: Principal,
    body: Body,
) -> Result<HttpResponse, Fault> {
    let body = body.json()?;
    let slug = match body.get("tenant") {
        None => return Err(Error::invalid(&["body", "tenant"], "missing", "field required").into()),
        Some(Json::Null) => None,
        Some(Json::Text(slug)) => Some(slug.as_str()).filter(|slug| !slug.is_empty()),
        Some(_) => {
            return Err(Error::invalid(&["body", "tenant"], "string_type", "expected a slug or null").into());
        }
    };
    let user = api.identity.user(&principal.actor.user).await?;
    let home = api.identity.organisation(&user.home_organisation).await?;
    let here = match slug {
        Some(slug) => api
            .identity
            .organisation_by_slug(slug)
            .await
            .map_err(|_| Fault::not_found("no such tenant"))?,
        None => home.clone(),
    };
    let details = json!({ "home_tenant": home.id.as_str(), "tenant": here.id.as_str() });
    api.identity
        .audit_alone(&principal.actor, "admin.impersonate", here.id.as_str(), &details)
        .await?;
    let slug = slug.map(|_| here.slug.clone());
    Ok(HttpResponse::Ok()
        .cookie(override_cookie(&api, slug.as_deref()))
        .json(me_body(&user, &home.into(), &here.into())))
}
