//! Signing up, and what an account knows of itself.

use std::num::NonZeroU32;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, Gate, JsonBody, Principal, Query, Surface, endpoint};
use pentad_identity::{Account, Caller, Identity, PlanName};
use pentad_kernel::{ErrorKind, OrganisationId};
use pentad_mail::{Letter, Mailer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignUps {
    /// Whether an address is proven by a message to it before sessions can be pushed. Needs mail. Default false.
    pub verify_email: bool,
    /// Sign-ups that one address may send at once; after that one a second. `None` for as many as it likes.
    /// Default 100.
    pub burst: Option<NonZeroU32>,
}

impl Default for SignUps {
    fn default() -> Self {
        Self {
            verify_email: false,
            burst: NonZeroU32::new(100),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SignUp, example = json!({"email": "ada@example.com"}))]
struct SignUp {
    /// The e-mail address; it is trimmed and folded to lower case.
    email: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SignedUp, example = json!({
    "user_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "email": "ada@example.com",
    "raw_key": "sk_sfs_00000000000000000000000000000000", "key_id": "0b7f0d3e-6f0a-4a53-9f0e-0d5f5a3c2b1a",
    "message": "Account created and verified."
}))]
struct SignedUp {
    /// The new user.
    user_id: String,
    /// The address as it is stored.
    email: String,
    /// The secret of the first key; it is not shown again.
    raw_key: String,
    /// The first key.
    key_id: String,
    /// What to do next, for people.
    message: String,
}

/// Create account
///
/// Makes a user with a personal organisation and a first key, which is shown once. Where the operator wants
/// addresses proven, a message with a link is sent, and nothing can be pushed before it is opened.
#[utoipa::path(post, path = "/api/v1/auth/signup", tag = "auth", request_body = SignUp,
    responses((status = 201, description = "The account is made.", body = SignedUp),
              (status = 409, description = "Somebody has the address."),
              (status = 422, description = "The address is none."),
              (status = 429, description = "Too many sign-ups from this address.")))]
async fn sign_up(
    request: HttpRequest,
    gate: Data<Gate>,
    sign_ups: Data<SignUps>,
    mailer: Data<Mailer>,
    JsonBody(body): JsonBody<SignUp>,
) -> Result<HttpResponse, Fault> {
    if let (Some(peer), Some(burst)) = (request.peer_addr(), sign_ups.burst) {
        let bucket = format!("sign-up/{}", peer.ip());
        gate.limiter
            .check(&bucket, NonZeroU32::MIN, burst)
            .map_err(|limited| {
                Fault::new(ErrorKind::RateLimited, "Too many sign-ups from this address")
                    .with_retry_after(limited.retry_after)
            })?;
    }
    let pentad_identity::SignedUp {
        user,
        key,
        verification,
    } = gate
        .identity
        .sign_up(&body.email, sign_ups.verify_email)
        .await
        .map_err(|error| match error {
            pentad_identity::Error::InvalidEmail(_) => {
                Fault::unprocessable(&["body", "email"], error.to_string(), "value_error")
            }
            other => other.into(),
        })?;
    let message = match verification {
        None => "Account created and verified.",
        Some(token) if send_verification(&mailer, &user.email, &token).await => {
            "Account created. Verify your email to enable cloud sync."
        }
        Some(_) => {
            "Account created. The message to verify your email could not be sent: ask your administrator."
        }
    };
    Ok(HttpResponse::Created().json(SignedUp {
        user_id: user.id.to_string(),
        email: user.email,
        raw_key: key.secret().to_owned(),
        key_id: key.key.id.to_string(),
        message: message.to_owned(),
    }))
}

/// Sends the link that proves an address; whether it was sent.
async fn send_verification(mailer: &Mailer, address: &str, token: &str) -> bool {
    let link = mailer.link(&format!("/api/v1/auth/verify/{token}"));
    let text = format!(
        "Somebody, probably you, made an account with this address.\n\nVerify it within 24 hours:\n{link}\n\nIf it \
         was not you, there is nothing to do.\n"
    );
    let letter = Letter {
        to: address,
        subject: "Verify your email",
        text: &text,
    };
    match mailer.send(letter).await {
        Ok(sent) => sent,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a verification was not sent"
            );
            false
        }
    }
}

/// The profile of the caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Me)]
pub struct Me {
    /// The user.
    pub user_id: String,
    /// The user's address.
    pub email: String,
    /// The name people read.
    pub display_name: Option<String>,
    /// Whether the address is proven.
    pub email_verified: bool,
    /// The plan; `admin` for a platform administrator.
    pub tier: String,
    /// The plan whose features the user has, in seed 002's words.
    pub effective_tier: &'static str,
    /// The organisation the user joined; `null` for none but the personal one.
    pub org_id: Option<String>,
    /// Its name.
    pub org_name: Option<String>,
    /// The user's role in it.
    pub org_role: Option<&'static str>,
    /// When the account was made.
    pub created_at: String,
    /// The version of the command line that last pushed.
    pub last_client_version: Option<String>,
    /// The platform it ran on.
    pub last_client_platform: Option<String>,
    /// The device it ran on.
    pub last_client_device: Option<String>,
    /// When it last pushed.
    pub last_sync_at: Option<String>,
    /// The newest version of the command line, when the gateway knows one.
    pub latest_version: Option<String>,
    /// The organisation that new projects go to.
    pub default_org_id: Option<String>,
    /// How the watchers of the user's daemons are, as `GET /sync/health` lists them.
    pub capture_health: Option<Value>,
    /// The personas that speak for the user.
    pub represented_personas: Vec<Value>,
}

/// A plan in the words of seed 002, which knows five.
fn tier_of(plan: PlanName) -> &'static str {
    match plan {
        PlanName::Scale | PlanName::Enterprise | PlanName::Unlimited => "enterprise",
        other => other.name(),
    }
}

/// The account of the caller, who has to be a person.
///
/// # Errors
/// A fault with the code `service_key_not_allowed` for a service key.
pub async fn account(identity: &Identity, caller: &Caller) -> Result<Account, Fault> {
    let actor = &caller.actor;
    if actor.is_service_key() {
        return Err(
            Fault::new(ErrorKind::Forbidden, "Service keys may not use this operation")
                .with_code("service_key_not_allowed")
                .with_details(json!({"service_key_name": actor.key_name})),
        );
    }
    Ok(identity.account(&actor.user, &actor.organisation).await?)
}

/// The profile of the caller: `GET /api/v1/auth/me` for a person.
pub fn me(caller: &Caller, account: Account) -> Me {
    let Account {
        user, profile, team, ..
    } = account;
    let (org_id, org_name, org_role) = match team {
        Some((id, name, role)) => (Some(id.to_string()), Some(name), Some(role.name())),
        None => (None, None, None),
    };
    Me {
        user_id: user.id.to_string(),
        email: user.email,
        display_name: user.display_name,
        email_verified: user.email_verified,
        tier: if user.is_admin {
            "admin".to_owned()
        } else {
            caller.effective_plan.name().to_owned()
        },
        effective_tier: tier_of(caller.effective_plan),
        org_id,
        org_name,
        org_role,
        created_at: user.created_at.to_string(),
        last_client_version: profile.client_version,
        last_client_platform: profile.client_platform,
        last_client_device: profile.client_device,
        last_sync_at: profile.last_sync_at.map(|at| at.to_string()),
        latest_version: None,
        default_org_id: profile.default_organisation.map(|id| id.to_string()),
        capture_health: profile
            .capture_health
            .and_then(|text| serde_json::from_str(&text).ok()),
        represented_personas: Vec::new(),
    }
}

/// Current user profile
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth",
    responses((status = 200, description = "The profile.", body = Me)))]
async fn current_user(gate: Data<Gate>, principal: Principal) -> Result<Json<Me>, Fault> {
    let account = account(&gate.identity, &principal).await?;
    Ok(Json(me(&principal, account)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SetDefaultOrganisation)]
struct SetDefaultOrganisation {
    /// The organisation; `null` for none in particular.
    org_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::DefaultOrganisation)]
struct DefaultOrganisation {
    /// The organisation that new projects go to.
    default_org_id: Option<String>,
}

/// Set the organisation that new projects go to
#[utoipa::path(put, path = "/api/v1/auth/me/default-org", tag = "auth", request_body = SetDefaultOrganisation,
    responses((status = 200, description = "It is set.", body = DefaultOrganisation),
              (status = 403, description = "The user is not a member of the organisation.")))]
async fn set_default_organisation(
    gate: Data<Gate>,
    principal: Principal,
    JsonBody(body): JsonBody<SetDefaultOrganisation>,
) -> Result<Json<DefaultOrganisation>, Fault> {
    let wanted = body.org_id.clone().map(OrganisationId::new);
    gate.identity
        .set_default_organisation(&principal.actor.user, wanted.as_ref())
        .await?;
    Ok(Json(DefaultOrganisation {
        default_org_id: body.org_id,
    }))
}

fn page(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>"
    );
    HttpResponse::build(status)
        .insert_header(ContentType::html())
        .body(html)
}

async fn verified(identity: &Identity, token: &str) -> Result<HttpResponse, Fault> {
    match identity.verify_email(token).await {
        Ok(_) => Ok(page(
            StatusCode::OK,
            "Email Verified!",
            "You can close this page and go on.",
        )),
        Err(pentad_identity::Error::InvalidVerification) => Ok(page(
            StatusCode::BAD_REQUEST,
            "Verification failed",
            "The link is invalid or has expired.",
        )),
        Err(pentad_identity::Error::UserNotFound(_)) => Ok(page(
            StatusCode::NOT_FOUND,
            "Verification failed",
            "The account is no more.",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Verify email address
#[utoipa::path(get, path = "/api/v1/auth/verify/{token}", tag = "auth",
    params(("token" = String, Path, description = "The token that was sent to the address.")),
    responses((status = 200, description = "The address is proven.", body = String, content_type = "text/html"),
              (status = 400, description = "The token is unknown or its time is over.", body = String, content_type = "text/html"),
              (status = 404, description = "The account is no more.", body = String, content_type = "text/html")))]
async fn verify_email(gate: Data<Gate>, token: Path<String>) -> Result<HttpResponse, Fault> {
    verified(&gate.identity, &token).await
}

/// Verify email address, with the token as a parameter
#[utoipa::path(get, path = "/api/v1/auth/verify", tag = "auth",
    params(("token" = String, Query, description = "The token that was sent to the address.")),
    responses((status = 200, description = "The address is proven.", body = String, content_type = "text/html"),
              (status = 400, description = "The token is unknown or its time is over.", body = String, content_type = "text/html")))]
async fn verify_email_by_query(gate: Data<Gate>, query: Query) -> Result<HttpResponse, Fault> {
    verified(&gate.identity, query.text("token").unwrap_or_default()).await
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(sign_up, Access::Public),
        endpoint!(current_user, Access::User).shared_with(&[Surface::Ingest]),
        endpoint!(set_default_organisation, Access::User),
        endpoint!(verify_email_by_query, Access::Public),
        endpoint!(verify_email, Access::Public),
    ]
}
