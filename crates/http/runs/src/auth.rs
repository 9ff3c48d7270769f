//! Signing in and out with a browser.

use std::num::NonZeroU32;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Fault, Principal};
use pentad_identity::{Account, SESSION_LIFETIME, Tenant, User};
use pentad_kernel::{ActorKind, ErrorKind};
use pentad_runs::{Error, Json};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::Api;
use crate::body::Body;

const SESSION: &str = "augur_session";
const OVERRIDE: &str = "augur_tenant_override";
/// Attempts to sign in that one address may make for one account in a minute.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// The text of a required member.
pub(crate) fn required<'a>(body: &'a Json, name: &str) -> Result<&'a str, Fault> {
    match body.get(name) {
        Some(Json::Text(text)) => Ok(text),
        Some(_) => Err(Error::invalid(&["body", name], "string_type", "expected a string").into()),
        None => Err(Error::invalid(&["body", name], "missing", "field required").into()),
    }
}

/// A cookie for the whole origin that no script reads and no other site sends along.
fn cookie<'a>(api: &Api, name: &'a str, value: &'a str, lifetime: CookieDuration) -> Cookie<'a> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(api.public_url.is_https())
        .max_age(lifetime)
        .finish()
}

fn cleared<'a>(api: &Api, name: &'a str) -> Cookie<'a> {
    cookie(api, name, "", CookieDuration::ZERO)
}

/// The cookie that makes an administrator see another tenant, or that ends it.
pub(crate) fn override_cookie<'a>(api: &Api, slug: Option<&'a str>) -> Cookie<'a> {
    match slug {
        Some(slug) => cookie(api, OVERRIDE, slug, session_lifetime()),
        None => cleared(api, OVERRIDE),
    }
}

fn session_lifetime() -> CookieDuration {
    CookieDuration::seconds(i64::try_from(SESSION_LIFETIME.as_secs()).unwrap_or(i64::MAX))
}

fn tenant(tenant: &Tenant) -> Value {
    json!({ "id": tenant.id.as_str(), "slug": tenant.slug, "name": tenant.name })
}

/// Who is signed in, where they are at home and where they are now.
pub(crate) fn me_body(user: &User, home: &Tenant, here: &Tenant) -> Value {
    json!({
        "user": {
            "id": user.id.as_str(),
            "email": user.email,
            "name": user.display_name,
            "is_admin": user.is_admin,
        },
        "tenant": tenant(here),
        "home_tenant": tenant(home),
        "impersonating": home.id != here.id,
    })
}

/// The four members by which seed 004 answers `GET /api/v1/auth/me`: `user`, `tenant`, `home_tenant` and
/// `impersonating`. The gateway adds the profile of seed 002.
pub fn who_am_i(account: &Account) -> Value {
    me_body(&account.user, &account.home, &account.here)
}

/// Sign in
///
/// Sets the cookie `augur_session`. An unknown address and a wrong password are the same answer.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "runs",
    request_body(content = Object, example = json!({"email": "admin@localhost", "password": "…"})),
    responses((status = 200, description = "Signed in.", body = Object),
              (status = 401, description = "The address or the password is wrong."),
              (status = 422, description = "The body lacks one of the two."),
              (status = 429, description = "Too many attempts for this account from this address.")))]
pub(crate) async fn login(api: Data<Api>, request: HttpRequest, body: Body) -> Result<HttpResponse, Fault> {
    let body = body.json()?;
    let (email, password) = (required(&body, "email")?, required(&body, "password")?);
    let address = request
        .peer_addr()
        .map(|peer| peer.ip().to_string())
        .unwrap_or_default();
    let bucket = format!("login {address} {}", email.trim().to_lowercase());
    api.limiter
        .check_each_minute(&bucket, ATTEMPTS)
        .map_err(|limited| {
            Fault::new(
                ErrorKind::RateLimited,
                "too many attempts to sign in; try again later",
            )
            .with_retry_after(limited.retry_after)
        })?;
    let password = SecretString::from(password.to_owned());
    let user = api
        .identity
        .user_by_password(email, &password)
        .await?
        .ok_or_else(|| Fault::new(ErrorKind::Unauthenticated, "Invalid email or password"))?;
    let session = api.identity.start_web_session(&user.id).await?;
    let home = api.identity.organisation(&user.home_organisation).await?.into();
    Ok(HttpResponse::Ok()
        .cookie(cookie(&api, SESSION, session.token(), session_lifetime()))
        .cookie(cleared(&api, OVERRIDE))
        .json(me_body(&user, &home, &home)))
}

/// Sign out
///
/// Ends the session everywhere and clears both cookies; also without a session.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "runs",
    responses((status = 200, description = "Signed out.", body = Object)))]
pub(crate) async fn logout(api: Data<Api>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    if let Some(cookie) = request.cookie(SESSION) {
        api.identity.end_web_session(cookie.value()).await?;
    }
    Ok(HttpResponse::Ok()
        .cookie(cleared(&api, SESSION))
        .cookie(cleared(&api, OVERRIDE))
        .json(json!({ "ok": true })))
}

/// Who is signed in
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "runs",
    responses((status = 200, description = "The user, the tenant at home and the one looked at.", body = Object)))]
pub(crate) async fn me(api: Data<Api>, principal: Principal) -> Result<HttpResponse, Fault> {
    let actor = &principal.actor;
    let account = api.identity.account(&actor.user, &actor.organisation).await?;
    Ok(HttpResponse::Ok().json(who_am_i(&account)))
}

/// Writes down what an administrator does while looking at another tenant.
pub(crate) async fn note_override(
    api: &Api,
    principal: &Principal,
    action: &'static str,
    subject: &str,
) -> Result<(), Fault> {
    let actor = &principal.actor;
    if actor.kind != ActorKind::WebSession {
        return Ok(());
    }
    let home = api.identity.user(&actor.user).await?.home_organisation;
    if home == actor.organisation {
        return Ok(());
    }
    let details = json!({ "home_tenant": home.as_str(), "tenant": actor.organisation.as_str() });
    Ok(api.identity.audit_alone(actor, action, subject, &details).await?)
}
