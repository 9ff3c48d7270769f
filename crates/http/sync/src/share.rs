//! Share links.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Binary, Endpoint, Fault, JsonBody, Principal, PublicUrl, endpoint};
use pentad_session_sync::{SessionRef, SessionSync, Share};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archives::archive;
use crate::faults::fault;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewShareLink, example = json!({"expires_in_hours": 24}))]
struct CreateShareLink {
    /// Hours until it ends: 1 to 8,760. Default 24.
    expires_in_hours: Option<i64>,
    /// What whoever uses it has to know.
    password: Option<String>,
}

/// A new share link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::ShareLink)]
struct ShareLinkAnswer {
    /// The link, by which it is revoked.
    link_id: String,
    /// Where the archive is.
    url: String,
    /// The same, for people to pass on.
    public_url: String,
    /// When it ends.
    expires_at: String,
    /// Whether it wants a password.
    has_password: bool,
}

/// Create share link
///
/// Whoever has the link may fetch the session's archive. It is shown once.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/share", tag = "sessions", request_body = CreateShareLink,
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 201, description = "The link.", body = ShareLinkAnswer),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "The hours or the password are out of their bounds.")))]
async fn create_share_link(
    request: HttpRequest,
    sync: Data<SessionSync>,
    public_url: Data<PublicUrl>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<CreateShareLink>,
) -> Result<HttpResponse, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let share = Share {
        expires_in_hours: body.expires_in_hours,
        password: body.password.map(SecretString::from),
    };
    let link = sync.share(&principal, &name, share).await.map_err(fault)?;
    let origin = public_url.origin(&request);
    let url = format!("{origin}/api/v1/sessions/share/{}", link.token);
    Ok(HttpResponse::Created().json(ShareLinkAnswer {
        link_id: link.id,
        public_url: url.clone(),
        url,
        expires_at: link.expires_at.to_string(),
        has_password: link.has_password,
    }))
}

/// Revoke share link
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/share/{link_id}", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef"),
           ("link_id" = String, Path, description = "The link.")),
    responses((status = 204, description = "The link works no more."),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session or link.")))]
async fn revoke_share_link(
    sync: Data<SessionSync>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Fault> {
    let (id, link) = path.into_inner();
    let name = SessionRef::parse(&id).map_err(fault)?;
    sync.unshare(&principal, &name, &link).await.map_err(fault)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Access shared session (public)
#[utoipa::path(get, path = "/api/v1/sessions/share/{token}", tag = "sessions",
    params(("token" = String, Path, description = "The secret part of the link.")),
    responses((status = 200, description = "The archive.", body = inline(Binary), content_type = "application/gzip"),
              (status = 401, description = "The link wants its password: send it by POST."),
              (status = 404, description = "There is no such link."),
              (status = 410, description = "The link has ended, was revoked, or its session is gone.")))]
async fn open_share_link(sync: Data<SessionSync>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let stream = sync.shared_archive(&token, None).await.map_err(fault)?;
    Ok(archive(stream, StatusCode::OK))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = sync::SharePassword)]
struct SharePassword {
    /// The password of the link.
    password: Option<String>,
}

/// Access password-protected share link
#[utoipa::path(post, path = "/api/v1/sessions/share/{token}", tag = "sessions", request_body = SharePassword,
    params(("token" = String, Path, description = "The secret part of the link.")),
    responses((status = 200, description = "The archive.", body = inline(Binary), content_type = "application/gzip"),
              (status = 401, description = "That is not the password."),
              (status = 404, description = "There is no such link."),
              (status = 410, description = "The link has ended, was revoked, or its session is gone.")))]
async fn open_share_link_with_password(
    sync: Data<SessionSync>,
    token: Path<String>,
    JsonBody(body): JsonBody<SharePassword>,
) -> Result<HttpResponse, Fault> {
    let password = body.password.map(SecretString::from);
    let stream = sync.shared_archive(&token, password).await.map_err(fault)?;
    Ok(archive(stream, StatusCode::OK))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(open_share_link, Access::Public),
        endpoint!(open_share_link_with_password, Access::Public),
        endpoint!(create_share_link, Access::User),
        endpoint!(revoke_share_link, Access::User),
    ]
}
