//! The caller's organisation and its members.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_identity::Member;
use pentad_kernel::{OrganisationId, UserId};
use pentad_projects::{Projects, TeamOverview};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::wire::{answer, list};

/// An organisation to found.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewOrganization, example = json!({"name": "Acme", "slug": "acme"}))]
pub(crate) struct NewOrganisation {
    /// Its name for people.
    name: String,
    /// Its name in addresses: 3 to 63 of a-z, 0-9 and -.
    slug: String,
}

/// A founded organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::FoundedOrganization, example = json!({"org_id": "org_0123456789abcdef", "name": "Acme", "slug": "acme"}))]
pub(crate) struct FoundedOrganisation {
    org_id: String,
    name: String,
    slug: String,
}

answer! {
    /// An organisation.
    OrganisationAnswer as sync::Organization, from |team: &TeamOverview| {
        id: String = team.organisation.id.to_string(),
        name: String = team.organisation.name.clone(),
        slug: String = team.organisation.slug.clone(),
        /// Its plan.
        tier: &'static str = team.organisation.plan.name(),
        /// How many members it may have; 0 for as many as it likes.
        seats_limit: i64 = team.organisation.seats_limit(),
        seats_used: i64 = i64::try_from(team.members.len()).unwrap_or(i64::MAX),
        /// Bytes of sessions its members may keep; 0 for as many as they like.
        storage_limit_bytes: i64 = team.storage_limit_bytes,
        storage_used_bytes: i64 = team.storage_used_bytes,
    }
}

answer! {
    /// A member of an organisation.
    MemberAnswer as sync::Member, from |member: Member| {
        user_id: String = member.user.to_string(),
        email: String = member.email,
        display_name: Option<String> = member.display_name,
        /// `owner`, `admin` or `member`.
        role: &'static str = member.role.name(),
        joined_at: String = member.joined_at.to_string(),
    }
}

/// The caller's organisation; everything is `null` or empty without one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::OrganizationInfo)]
pub(crate) struct OrganisationInfo {
    org: Option<OrganisationAnswer>,
    members: Vec<MemberAnswer>,
    current_user_role: Option<&'static str>,
}

/// Found an organization
///
/// Takes a plan with teams; the founder owns it. Nobody belongs to two.
#[utoipa::path(post, path = "/api/v1/org", tag = "sync", request_body = NewOrganisation,
    responses((status = 200, description = "It is founded.", body = FoundedOrganisation),
              (status = 409, description = "The slug is taken, or the caller belongs to an organization."),
              (status = 422, description = "The name or the slug is refused.")))]
async fn create_organization(
    projects: Data<Projects>,
    principal: Principal,
    body: JsonBody<NewOrganisation>,
) -> Result<Json<FoundedOrganisation>, Fault> {
    let founded = projects
        .identity()
        .found_team(&principal.actor, &body.name, &body.slug)
        .await?;
    Ok(Json(FoundedOrganisation {
        org_id: founded.id.to_string(),
        name: founded.name,
        slug: founded.slug,
    }))
}

/// Describe the caller's organization
#[utoipa::path(get, path = "/api/v1/org", tag = "sync",
    responses((status = 200, description = "The organization, its members and the caller's role.", body = OrganisationInfo)))]
async fn get_organization(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<OrganisationInfo>, Fault> {
    let team = projects.team(&principal.actor).await?;
    Ok(Json(match team {
        Some(team) => OrganisationInfo {
            org: Some((&team).into()),
            current_user_role: Some(team.role.name()),
            members: list(team.members),
        },
        None => OrganisationInfo {
            org: None,
            members: Vec::new(),
            current_user_role: None,
        },
    }))
}

/// A role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewRole, example = json!({"role": "admin"}))]
pub(crate) struct NewRole {
    /// `admin` or `member`.
    role: String,
}

/// Change a member's role
#[utoipa::path(put, path = "/api/v1/org/members/{user_id}/role", tag = "sync", request_body = NewRole,
    params(("user_id" = String, Path, description = "The member.")),
    responses((status = 200, description = "`{user_id, role}`.", body = Object),
              (status = 400, description = "No such role, the caller's own, or the owner's."),
              (status = 404, description = "There is no such member.")))]
async fn set_member_role(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
    body: JsonBody<NewRole>,
) -> Result<Json<Value>, Fault> {
    let member = UserId::new(user_id.into_inner());
    let role = projects
        .identity()
        .set_member_role(&principal.actor, &member, &body.role)
        .await?;
    Ok(Json(json!({ "user_id": member, "role": role.name() })))
}

/// Remove a member
///
/// The member's projects in the organization pass to the caller.
#[utoipa::path(delete, path = "/api/v1/org/members/{user_id}", tag = "sync",
    params(("user_id" = String, Path, description = "The member.")),
    responses((status = 200, description = "`{removed, projects_transferred, pending_transfers_cancelled}`.", body = Object),
              (status = 400, description = "The caller's own membership."),
              (status = 404, description = "There is no such member."),
              (status = 409, description = "The owner stays.")))]
async fn remove_member(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let member = UserId::new(user_id.into_inner());
    let removed = projects.remove_member(&principal.actor, &member).await?;
    Ok(Json(json!({
        "removed": member,
        "projects_transferred": removed.projects_transferred,
        "pending_transfers_cancelled": 0,
    })))
}

/// Settings of an organization.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = sync::OrganizationSettings, example = json!({"require_lease_epoch_on_ticket_writes": true}))]
pub(crate) struct OrganisationSettings {
    /// Whether completing, resolving and commenting on tickets must carry the lease epoch.
    require_lease_epoch_on_ticket_writes: bool,
}

/// Read an organization's settings
#[utoipa::path(get, path = "/api/v1/orgs/{org_id}/settings", tag = "sync",
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The settings.", body = OrganisationSettings),
              (status = 404, description = "No organization of the caller's.")))]
async fn get_organization_settings(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
) -> Result<Json<OrganisationSettings>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let required = projects.requires_lease(&principal.actor, &organisation).await?;
    Ok(Json(OrganisationSettings {
        require_lease_epoch_on_ticket_writes: required,
    }))
}

/// Change an organization's settings
#[utoipa::path(put, path = "/api/v1/orgs/{org_id}/settings", tag = "sync", request_body = OrganisationSettings,
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The settings.", body = OrganisationSettings),
              (status = 404, description = "No organization of the caller's.")))]
async fn update_organization_settings(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
    body: JsonBody<OrganisationSettings>,
) -> Result<Json<OrganisationSettings>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let required = body.require_lease_epoch_on_ticket_writes;
    projects
        .require_lease(&principal.actor, &organisation, required)
        .await?;
    Ok(Json(body.0))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_organization, Access::User),
        endpoint!(get_organization, Access::User),
        endpoint!(set_member_role, Access::User),
        endpoint!(remove_member, Access::User),
        endpoint!(get_organization_settings, Access::User),
        endpoint!(update_organization_settings, Access::User),
    ]
}
