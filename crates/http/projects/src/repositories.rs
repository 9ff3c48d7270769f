//! The repositories of a project.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_projects::{Projects, Repository};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::wire::{answer, list, time};

answer! {
    /// A repository.
    RepositoryAnswer as sync::Repository, from |repository: Repository| {
        id: String = repository.id,
        project_id: String = repository.project_id,
        git_remote_normalized: String = repository.git_remote,
        provider: Option<String> = None,
        provider_repo_id: Option<String> = None,
        is_primary: bool = repository.is_primary,
        verified: bool = false,
        /// Nobody asked the host: its owner says so.
        verification_method: &'static str = "owner_attested",
        added_by_user_id: String = repository.added_by,
        created_at: String = time(repository.created_at),
    }
}

/// A repository to link.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::LinkRepository, example = json!({"git_remote": "git@github.com:acme/gadgets.git"}))]
pub(crate) struct LinkRepository {
    /// Its remote in any form.
    git_remote: String,
    /// Whether the project goes by it from now on.
    #[serde(default)]
    is_primary: bool,
}

/// List a project's repositories
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/repos", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "The primary one first.", body = Vec<RepositoryAnswer>),
              (status = 404, description = "There is no such project.")))]
async fn list_repositories(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Vec<RepositoryAnswer>>, Fault> {
    let repositories = projects.list_repositories(&principal.actor, &project_id).await?;
    Ok(Json(list(repositories)))
}

/// Link a repository to a project
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/repos", tag = "sync", request_body = LinkRepository,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The repository.", body = RepositoryAnswer),
              (status = 400, description = "Not a git remote."),
              (status = 404, description = "There is no such project."),
              (status = 409, description = "It is linked already."),
              (status = 422, description = "The remote is too long.")))]
async fn link_repository(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<LinkRepository>,
) -> Result<HttpResponse, Fault> {
    let repository = projects
        .link_repository(&principal.actor, &project_id, &body.git_remote, body.is_primary)
        .await?;
    Ok(HttpResponse::Created().json(RepositoryAnswer::from(repository)))
}

/// Unlink a repository from a project
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}/repos/{repo_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("repo_id" = String, Path, description = "The repository.")),
    responses((status = 200, description = "`{status, repo_id}`. After the primary one the project goes by the oldest that is left.", body = Object),
              (status = 404, description = "There is no such project or repository."),
              (status = 409, description = "Another project goes by the oldest that is left."),
              (status = 422, description = "The last one stays.")))]
async fn unlink_repository(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let (project, repository) = path.into_inner();
    projects
        .unlink_repository(&principal.actor, &project, &repository)
        .await?;
    Ok(Json(json!({ "status": "unlinked", "repo_id": repository })))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_repositories, Access::User),
        endpoint!(link_repository, Access::User),
        endpoint!(unlink_repository, Access::User),
    ]
}
