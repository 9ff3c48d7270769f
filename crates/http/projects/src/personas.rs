//! Personas.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_kernel::Scope;
use pentad_projects::{NewPersona, Persona, PersonaChange, Projects};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::parameters::boolean;
use crate::wire::{answer, list, time};

const READ: &[Scope] = &[Scope::PersonasRead];
const WRITE: &[Scope] = &[Scope::PersonasWrite];

answer! {
    /// A persona.
    PersonaAnswer as sync::Persona, from |persona: Persona| {
        id: String = persona.id,
        project_id: String = persona.project_id,
        org_id: Option<String> = None,
        scope: &'static str = "project",
        name: String = persona.name,
        role: String = persona.role,
        /// What an agent is told when it takes the role.
        content: String = persona.content,
        specializations: Vec<String> = persona.specializations.0,
        is_active: bool = persona.is_active,
        /// Rises with every change.
        version: i64 = persona.version,
        created_by: String = persona.created_by,
        represented_user_id: Option<String> = None,
        created_at: String = time(persona.created_at),
        updated_at: String = time(persona.updated_at),
    }
}

/// List personas
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/personas", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("include_inactive" = Option<bool>, Query, description = "Whether deleted ones are listed too.")),
    responses((status = 200, description = "By name.", body = Vec<PersonaAnswer>),
              (status = 404, description = "There is no such project.")))]
async fn list_personas(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    query: Query,
) -> Result<Json<Vec<PersonaAnswer>>, Fault> {
    let with_inactive = boolean(&query, "include_inactive")?.unwrap_or(false);
    let personas = projects
        .personas(&principal.actor, &project_id, with_inactive)
        .await?;
    Ok(Json(list(personas)))
}

/// Read a persona
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/personas/{name}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("name" = String, Path, description = "The persona, in any case.", example = "atlas")),
    responses((status = 200, description = "The persona.", body = PersonaAnswer),
              (status = 404, description = "There is no such project or active persona.")))]
async fn get_persona(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<PersonaAnswer>, Fault> {
    let (project, name) = path.into_inner();
    Ok(Json(
        projects.persona(&principal.actor, &project, &name).await?.into(),
    ))
}

/// A persona to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewPersona, example = json!({"name": "atlas", "role": "Backend", "content": "You own the API.", "specializations": ["rust"]}))]
pub(crate) struct NewPersonaBody {
    /// 1 to 50 letters, digits, `_` and `-`; unique in the project in any case.
    name: String,
    /// 1 to 100 characters.
    role: String,
    /// Markdown.
    #[serde(default)]
    content: String,
    #[serde(default)]
    specializations: Vec<String>,
}

/// Create a persona
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/personas", tag = "sync", request_body = NewPersonaBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The persona.", body = PersonaAnswer),
              (status = 404, description = "There is no such project."),
              (status = 409, description = "The name is taken, or was by one that is deleted."),
              (status = 422, description = "A field is refused.")))]
async fn create_persona(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewPersonaBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let new = NewPersona {
        name: body.name,
        role: body.role,
        content: body.content,
        specializations: body.specializations,
    };
    let persona = projects
        .create_persona(&principal.actor, &project_id, new)
        .await?;
    Ok(HttpResponse::Created().json(PersonaAnswer::from(persona)))
}

/// What to change of a persona.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::PersonaChange, example = json!({"role": "Lead"}))]
pub(crate) struct PersonaChangeBody {
    role: Option<String>,
    content: Option<String>,
    specializations: Option<Vec<String>>,
    is_active: Option<bool>,
}

/// Change a persona
///
/// Its version rises when something is different then.
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/personas/{name}", tag = "sync", request_body = PersonaChangeBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("name" = String, Path, description = "The persona, in any case.", example = "atlas")),
    responses((status = 200, description = "The persona.", body = PersonaAnswer),
              (status = 404, description = "There is no such project or persona."),
              (status = 422, description = "A field is refused.")))]
async fn update_persona(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<PersonaChangeBody>,
) -> Result<Json<PersonaAnswer>, Fault> {
    let (project, name) = path.into_inner();
    let body = body.0;
    let change = PersonaChange {
        role: body.role,
        content: body.content,
        specializations: body.specializations,
        is_active: body.is_active,
    };
    let persona = projects
        .change_persona(&principal.actor, &project, &name, change)
        .await?;
    Ok(Json(persona.into()))
}

/// Delete a persona
///
/// Agents may not take it any more; its name stays taken.
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}/personas/{name}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("name" = String, Path, description = "The persona, in any case.", example = "atlas"),
           ("force" = Option<bool>, Query, description = "Whether tickets, runs and handoffs may name it.")),
    responses((status = 204, description = "It is deleted."),
              (status = 404, description = "There is no such project or persona."),
              (status = 409, description = "Open tickets, active runs or pending handoffs name it.")))]
async fn delete_persona(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let (project, name) = path.into_inner();
    let force = boolean(&query, "force")?.unwrap_or(false);
    projects
        .delete_persona(&principal.actor, &project, &name, force)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_personas, Access::Key(READ)),
        endpoint!(create_persona, Access::Key(WRITE)),
        endpoint!(get_persona, Access::Key(READ)),
        endpoint!(update_persona, Access::Key(WRITE)),
        endpoint!(delete_persona, Access::Key(WRITE)),
    ]
}
