//! Projects: by identifier and by git remote.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::{Data, Json, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_kernel::OrganisationId;
use pentad_projects::{Error, Level, NewProject, Project, ProjectView, Projects, SettingsChange};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::repositories::RepositoryAnswer;
use crate::wire::{answer, list, optional_time, time};

/// A project to register.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewProject, example = json!({"name": "Widgets", "git_remote_normalized": "git@github.com:acme/widgets.git"}))]
pub(crate) struct NewProjectBody {
    /// Its name for people.
    name: String,
    /// Its git remote in any form.
    git_remote_normalized: String,
    /// The organization it shall belong to; none for a personal project.
    org_id: Option<String>,
}

answer! {
    /// A project in a list.
    ProjectSummary as sync::ProjectSummary, from |project: Project| {
        id: String = project.id,
        name: String = project.name,
        git_remote_normalized: String = project.git_remote,
        owner_id: String = project.owner_id,
        org_id: Option<String> = project.organisation_id,
        created_at: String = time(project.created_at),
        updated_at: String = time(project.updated_at),
        auto_narrative: bool = project.auto_narrative,
        kb_retention_days: i64 = project.kb_retention_days,
        kb_max_context_words: i64 = project.kb_max_context_words,
        kb_section_page_limit: i64 = project.kb_section_page_limit,
        /// `off`, `nightly` or `weekly`.
        compile_schedule: String = project.compile_schedule,
        compile_after_claims: Option<i64> = project.compile_after_claims,
        last_scheduled_compile_at: Option<String> = optional_time(project.last_scheduled_compile_at),
    }
}

/// A project.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::Project)]
pub(crate) struct ProjectAnswer {
    #[serde(flatten)]
    summary: ProjectSummary,
    /// Markdown.
    context_document: String,
    /// Live sessions captured in it.
    session_count: i64,
    /// Its repositories, the primary one first; `null` in lists.
    repos: Option<Vec<RepositoryAnswer>>,
    /// The plan that bounds it.
    effective_tier: &'static str,
    can_edit: bool,
    can_admin: bool,
    can_delete: bool,
    can_transfer: bool,
    groups: Vec<String>,
}

impl From<ProjectView> for ProjectAnswer {
    fn from(view: ProjectView) -> Self {
        Self {
            summary: view.project.into(),
            context_document: view.context_document,
            session_count: view.session_count,
            repos: Some(list(view.repositories)),
            effective_tier: view.plan.name(),
            can_edit: view.level >= Level::Edit,
            can_admin: view.level >= Level::Admin,
            can_delete: view.can_delete,
            can_transfer: false,
            groups: Vec::new(),
        }
    }
}

/// List projects
///
/// Those the caller may read, the last changed first.
#[utoipa::path(get, path = "/api/v1/projects", tag = "sync",
    responses((status = 200, description = "The projects.", body = Vec<ProjectAnswer>)))]
async fn list_projects(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<Vec<ProjectAnswer>>, Fault> {
    let views = projects.list(&principal.actor).await?;
    let answers = views.into_iter().map(|view| ProjectAnswer {
        repos: None,
        ..view.into()
    });
    Ok(Json(answers.collect()))
}

/// Register a project
///
/// One for each git remote. Knowledge is taken from the caller's latest sessions on it.
#[utoipa::path(post, path = "/api/v1/projects", tag = "sync", request_body = NewProjectBody,
    responses((status = 201, description = "The project.", body = ProjectAnswer),
              (status = 409, description = "The remote has a project already."),
              (status = 422, description = "The name or the remote is refused.")))]
async fn create_project(
    projects: Data<Projects>,
    principal: Principal,
    body: JsonBody<NewProjectBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let new = NewProject {
        name: body.name,
        git_remote: body.git_remote_normalized,
        organisation: body.org_id.map(OrganisationId::new),
    };
    let project = projects.create(&principal.actor, new).await?;
    let view = projects.view(&principal.actor, &project.id).await?;
    Ok(HttpResponse::Created().json(ProjectAnswer::from(view)))
}

/// Describe a project
///
/// By its identifier, or by its git remote: `acme/widgets`, slashes and all.
#[utoipa::path(get, path = "/api/v1/projects/{remote}", tag = "sync",
    params(("remote" = String, Path, description = "`proj_…`, or a git remote.", example = "acme/widgets")),
    responses((status = 200, description = "The project.", body = ProjectAnswer),
              (status = 404, description = "No project is registered for it.")))]
async fn get_project(
    projects: Data<Projects>,
    principal: Principal,
    remote: Path<String>,
) -> Result<Json<ProjectAnswer>, Fault> {
    let id = projects.resolve(remote.trim_end_matches('/')).await?;
    Ok(Json(projects.view(&principal.actor, &id).await?.into()))
}

/// A context document.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewContext, example = json!({"context_document": "# Widgets\n\n## Overview\nA widget factory.\n"}))]
pub(crate) struct NewContext {
    /// Markdown, at most 1 MiB.
    context_document: String,
}

/// What stands before `/context` in a path: a remote may hold slashes, and end in any name itself. Read before the
/// body, so that a path without it is not found, whatever is sent to it.
struct RemoteOfContext(String);

impl FromRequest for RemoteOfContext {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = Path::<String>::from_request(request, payload).into_inner();
        let remote = path.ok().and_then(|path| {
            let remote = path.trim_end_matches('/').strip_suffix("/context")?;
            Some(Self(remote.to_owned()))
        });
        ready(remote.ok_or_else(|| Error::RemoteNotFound.into()))
    }
}

/// Replace the context document
#[utoipa::path(put, path = "/api/v1/projects/{remote}/context", tag = "sync", request_body = NewContext,
    params(("remote" = String, Path, description = "`proj_…`, or a git remote.", example = "acme/widgets")),
    responses((status = 200, description = "`{status, size}`: `updated`, and its characters.", body = Object),
              (status = 404, description = "No project is registered for it."),
              (status = 422, description = "The document is larger than the limit, which the message names.")))]
async fn update_context(
    projects: Data<Projects>,
    principal: Principal,
    remote: RemoteOfContext,
    body: JsonBody<NewContext>,
) -> Result<Json<Value>, Fault> {
    let id = projects.resolve(&remote.0).await?;
    let size = projects
        .set_context(&principal.actor, &id, &body.context_document)
        .await?;
    Ok(Json(json!({ "status": "updated", "size": size })))
}

/// Delete a project
///
/// With everything in it but its sessions, which belong to no project then.
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "`{status, id}`.", body = Object),
              (status = 404, description = "There is no such project.")))]
async fn delete_project(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let id = project_id.trim_end_matches('/');
    projects.delete(&principal.actor, id).await?;
    Ok(Json(json!({ "status": "deleted", "id": id })))
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::RenameProject, example = json!({"name": "Widgets"}))]
pub(crate) struct RenameProject {
    /// 1 to 255 characters; tags of HTML are taken out.
    name: String,
}

/// Rename a project
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}", tag = "sync", request_body = RenameProject,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "The project.", body = ProjectAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "The name is refused.")))]
async fn rename_project(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<RenameProject>,
) -> Result<Json<ProjectAnswer>, Fault> {
    let id = project_id.trim_end_matches('/');
    projects.rename(&principal.actor, id, &body.name).await?;
    Ok(Json(projects.view(&principal.actor, id).await?.into()))
}

/// Settings to change; those left out stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::ProjectSettings, example = json!({"auto_narrative": true}))]
pub(crate) struct SettingsBody {
    auto_narrative: Option<bool>,
    /// 1 to 3,650.
    kb_retention_days: Option<i64>,
    /// 100 to 100,000.
    kb_max_context_words: Option<i64>,
    /// 1 to 1,000.
    kb_section_page_limit: Option<i64>,
    /// `off`, `nightly` or `weekly`.
    compile_schedule: Option<String>,
    /// 1 to 10,000; 0 for never.
    compile_after_claims: Option<i64>,
}

/// Change a project's settings
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/settings", tag = "sync", request_body = SettingsBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "`status` and the settings.", body = Object),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A setting is out of its bounds.")))]
async fn update_project_settings(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<SettingsBody>,
) -> Result<Json<Value>, Fault> {
    let body = body.0;
    let change = SettingsChange {
        auto_narrative: body.auto_narrative,
        kb_retention_days: body.kb_retention_days,
        kb_max_context_words: body.kb_max_context_words,
        kb_section_page_limit: body.kb_section_page_limit,
        compile_schedule: body.compile_schedule,
        compile_after_claims: body
            .compile_after_claims
            .map(|claims| (claims != 0).then_some(claims)),
    };
    let project = projects
        .change_settings(&principal.actor, &project_id, change)
        .await?;
    Ok(Json(json!({
        "status": "updated",
        "auto_narrative": project.auto_narrative,
        "kb_retention_days": project.kb_retention_days,
        "kb_max_context_words": project.kb_max_context_words,
        "kb_section_page_limit": project.kb_section_page_limit,
        "compile_schedule": project.compile_schedule,
        "compile_after_claims": project.compile_after_claims,
    })))
}

/// What remains of a path when no project goes by it.
#[utoipa::path(post, path = "/api/v1/projects/{rest}", tag = "sync", responses((status = 404)))]
async fn no_such_project(_principal: Principal) -> Result<HttpResponse, Fault> {
    Err(Error::ProjectNotFound.into())
}

pub(crate) fn endpoints_by_id() -> Vec<Endpoint> {
    vec![endpoint!(update_project_settings, Access::User)]
}

/// A remote may be anything, so these are tried last.
pub(crate) fn endpoints_by_remote() -> Vec<Endpoint> {
    let at_the_rest = |endpoint: Endpoint, parameter: &str| {
        endpoint.mounted_at(format!("/api/v1/projects/{{{parameter}:.+}}"))
    };
    vec![
        endpoint!(list_projects, Access::User),
        endpoint!(create_project, Access::User),
        at_the_rest(endpoint!(get_project, Access::User), "remote"),
        at_the_rest(endpoint!(update_context, Access::User), "remote").body_limit("context_bytes", 4 << 20),
        at_the_rest(endpoint!(delete_project, Access::User), "remote"),
        at_the_rest(endpoint!(rename_project, Access::User), "remote"),
        at_the_rest(endpoint!(no_such_project, Access::Credential), "remote").undocumented(),
    ]
}
