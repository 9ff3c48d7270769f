//! A person's settings for GitHub and GitLab.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_kernel::ErrorKind;
use pentad_projects::{GithubChange, GithubSettings, GitlabChange, GitlabSettings, Projects};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::wire::answer;

answer! {
    /// Settings for GitHub. No installation is linked to this server.
    GithubAnswer as sync::GithubSettings, from |settings: GithubSettings| {
        installation_id: Option<i64> = None,
        account_login: Option<String> = None,
        account_type: Option<String> = None,
        auto_comment: bool = settings.auto_comment,
        include_trust_score: bool = settings.include_trust_score,
        include_session_links: bool = settings.include_session_links,
        ownership_verified: bool = false,
        needs_reverification: bool = false,
    }
}

answer! {
    /// Settings for GitLab.
    GitlabAnswer as sync::GitlabSettings, from |settings: GitlabSettings| {
        instance_url: String = settings.instance_url,
        has_token: bool = settings.has_token,
        has_webhook_secret: bool = settings.has_webhook_secret,
        /// In the answer to the call that made it.
        webhook_secret: Option<String> = settings.new_webhook_secret,
    }
}

/// Read GitHub settings
#[utoipa::path(get, path = "/api/v1/settings/github", tag = "sync",
    responses((status = 200, description = "The settings.", body = GithubAnswer)))]
async fn get_github_settings(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<GithubAnswer>, Fault> {
    Ok(Json(projects.github_settings(&principal.actor).await?.into()))
}

/// Settings to change; those left out stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::GithubChange, example = json!({"auto_comment": false}))]
pub(crate) struct GithubChangeBody {
    auto_comment: Option<bool>,
    include_trust_score: Option<bool>,
    include_session_links: Option<bool>,
    /// Installations are not linked by their number.
    installation_id: Option<i64>,
}

/// Change GitHub settings
#[utoipa::path(put, path = "/api/v1/settings/github", tag = "sync", request_body = GithubChangeBody,
    responses((status = 200, description = "The settings.", body = GithubAnswer),
              (status = 409, description = "An installation is not linked by its number.")))]
async fn update_github_settings(
    projects: Data<Projects>,
    principal: Principal,
    body: JsonBody<GithubChangeBody>,
) -> Result<Json<GithubAnswer>, Fault> {
    if body.installation_id.is_some() {
        return Err(Fault::new(
            ErrorKind::Conflict,
            "an installation is not linked by its number: that would prove nothing about who owns it",
        ));
    }
    let change = GithubChange {
        auto_comment: body.auto_comment,
        include_trust_score: body.include_trust_score,
        include_session_links: body.include_session_links,
    };
    let settings = projects.change_github_settings(&principal.actor, change).await?;
    Ok(Json(settings.into()))
}

/// Read GitLab settings
#[utoipa::path(get, path = "/api/v1/settings/gitlab", tag = "sync",
    responses((status = 200, description = "The settings, without token and secret.", body = GitlabAnswer)))]
async fn get_gitlab_settings(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<GitlabAnswer>, Fault> {
    Ok(Json(projects.gitlab_settings(&principal.actor).await?.into()))
}

/// A GitLab.
#[derive(Deserialize, ToSchema)]
#[schema(as = sync::GitlabChange, example = json!({"instance_url": "https://gitlab.com", "access_token": "glpat-0123456789"}))]
pub(crate) struct GitlabChangeBody {
    /// `https`, without user and path.
    instance_url: String,
    access_token: String,
    /// Left out, one is made and answered this once.
    webhook_secret: Option<String>,
}

/// Change GitLab settings
///
/// Only digests of the token and of the webhook secret are kept.
#[utoipa::path(put, path = "/api/v1/settings/gitlab", tag = "sync", request_body = GitlabChangeBody,
    responses((status = 200, description = "The settings.", body = GitlabAnswer),
              (status = 422, description = "`invalid_gitlab_instance_url`, or a field is refused.")))]
async fn update_gitlab_settings(
    projects: Data<Projects>,
    principal: Principal,
    body: JsonBody<GitlabChangeBody>,
) -> Result<Json<GitlabAnswer>, Fault> {
    let body = body.0;
    let change = GitlabChange {
        instance_url: body.instance_url,
        access_token: body.access_token,
        webhook_secret: body.webhook_secret,
    };
    let settings = projects.change_gitlab_settings(&principal.actor, change).await?;
    Ok(Json(settings.into()))
}

/// Remove the GitLab integration
#[utoipa::path(delete, path = "/api/v1/settings/gitlab", tag = "sync",
    responses((status = 204, description = "It is forgotten.")))]
async fn delete_gitlab_settings(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<HttpResponse, Fault> {
    projects.forget_gitlab(&principal.actor).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_github_settings, Access::User),
        endpoint!(update_github_settings, Access::User),
        endpoint!(get_gitlab_settings, Access::User),
        endpoint!(update_gitlab_settings, Access::User),
        endpoint!(delete_gitlab_settings, Access::User),
    ]
}
