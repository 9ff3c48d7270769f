//! The caller's organisation and its members.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_identity::{Member, Membership, Role};
use pentad_kernel::{OrganisationId, UserId};
use pentad_projects::{ProjectDefaults, Projects, Removed, TeamOverview, TeamSettings};
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

answer! {
    /// An organisation of the caller's.
    MembershipAnswer as sync::Membership, from |membership: Membership| {
        org_id: String = membership.organisation.id.to_string(),
        name: String = membership.organisation.name,
        /// `owner`, `admin` or `member`.
        role: &'static str = membership.role.name(),
    }
}

/// The organisations of the caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Memberships)]
pub(crate) struct MembershipsAnswer {
    orgs: Vec<MembershipAnswer>,
}

/// The members of an organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Members)]
pub(crate) struct MembersAnswer {
    org_id: String,
    members: Vec<MemberAnswer>,
    seats_used: usize,
    /// 0 for as many as it likes.
    seats_limit: i64,
    current_user_role: &'static str,
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

/// List the caller's organizations
#[utoipa::path(get, path = "/api/v1/orgs", tag = "sync",
    responses((status = 200, description = "By name.", body = MembershipsAnswer)))]
async fn list_organizations(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<MembershipsAnswer>, Fault> {
    let mut teams = projects.identity().teams(&principal.actor.user).await?;
    teams.sort_by(|a, b| a.organisation.name.cmp(&b.organisation.name));
    Ok(Json(MembershipsAnswer { orgs: list(teams) }))
}

/// List the members of an organization
#[utoipa::path(get, path = "/api/v1/orgs/{org_id}/members", tag = "sync",
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "In the order of joining.", body = MembersAnswer),
              (status = 403, description = "The caller is none of them."),
              (status = 404, description = "There is no such organization.")))]
async fn list_members(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
) -> Result<Json<MembersAnswer>, Fault> {
    let (identity, organisation) = (projects.identity(), OrganisationId::new(org_id.into_inner()));
    let own = identity
        .member_of(&principal.actor, &organisation, Role::Member)
        .await?;
    let members = identity.members(&organisation).await?;
    Ok(Json(MembersAnswer {
        org_id: organisation.to_string(),
        seats_used: members.len(),
        seats_limit: own.organisation.seats_limit(),
        members: list(members),
        current_user_role: own.role.name(),
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
              (status = 400, description = "No such role, ownership, or the caller's own."),
              (status = 403, description = "The caller is no administrator, or it is the owner's role."),
              (status = 404, description = "There is no such member.")))]
async fn set_member_role(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
    body: JsonBody<NewRole>,
) -> Result<Json<Value>, Fault> {
    let (identity, member) = (projects.identity(), UserId::new(user_id.into_inner()));
    let organisation = identity.own_team(&principal.actor, Role::Admin).await?;
    let role = identity
        .set_member_role(&principal.actor, &organisation.id, &member, &body.role)
        .await?;
    Ok(Json(json!({ "user_id": member, "role": role.name() })))
}

/// Change the role of a member of an organization
#[utoipa::path(put, path = "/api/v1/orgs/{org_id}/members/{user_id}/role", tag = "sync", request_body = NewRole,
    params(("org_id" = String, Path, description = "The organization."),
           ("user_id" = String, Path, description = "The member.")),
    responses((status = 200, description = "`{user_id, role}`.", body = Object),
              (status = 400, description = "No such role, ownership, or the caller's own."),
              (status = 403, description = "The caller is no administrator, or it is the owner's role."),
              (status = 404, description = "There is no such organization or member.")))]
async fn set_organization_member_role(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<NewRole>,
) -> Result<Json<Value>, Fault> {
    let (organisation, member) = path.into_inner();
    let (organisation, member) = (OrganisationId::new(organisation), UserId::new(member));
    let role = projects
        .identity()
        .set_member_role(&principal.actor, &organisation, &member, &body.role)
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
    let (actor, member) = (&principal.actor, UserId::new(user_id.into_inner()));
    let organisation = projects.identity().own_team(actor, Role::Admin).await?;
    let removed = projects.remove_member(actor, &organisation.id, &member).await?;
    Ok(Json(removal(&member, removed)))
}

/// Remove a member of an organization
///
/// The member's projects in the organization pass to the caller.
#[utoipa::path(delete, path = "/api/v1/orgs/{org_id}/members/{user_id}", tag = "sync",
    params(("org_id" = String, Path, description = "The organization."),
           ("user_id" = String, Path, description = "The member.")),
    responses((status = 200, description = "`{removed, projects_transferred, pending_transfers_cancelled}`.", body = Object),
              (status = 400, description = "The caller's own membership."),
              (status = 403, description = "The caller is no administrator."),
              (status = 404, description = "There is no such organization or member."),
              (status = 409, description = "The owner stays.")))]
async fn remove_organization_member(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let (organisation, member) = path.into_inner();
    let (organisation, member) = (OrganisationId::new(organisation), UserId::new(member));
    let removed = projects
        .remove_member(&principal.actor, &organisation, &member)
        .await?;
    Ok(Json(removal(&member, removed)))
}

fn removal(member: &UserId, removed: Removed) -> Value {
    json!({
        "removed": member,
        "projects_transferred": removed.projects_transferred,
        "pending_transfers_cancelled": 0,
    })
}

answer! {
    /// Settings of an organization.
    SettingsAnswer as sync::OrganizationSettings, from |settings: TeamSettings| {
        /// Days after which new projects dismiss doubtful entries; `null` for what all projects begin with.
        kb_retention_days: Option<i64> = settings.defaults.kb_retention_days,
        /// Words that compiling leaves in the context document of new projects.
        kb_max_context_words: Option<i64> = settings.defaults.kb_max_context_words,
        /// Entries on a section page of new projects.
        kb_section_page_limit: Option<i64> = settings.defaults.kb_section_page_limit,
        /// `true` when writes to tickets must carry the lease epoch; left out otherwise.
        #[serde(skip_serializing_if = "Option::is_none")]
        require_lease_epoch_on_ticket_writes: Option<bool> = settings.require_lease_epoch.then_some(true),
    }
}

/// Settings to give an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SetOrganizationSettings, example = json!({"kb_retention_days": 90, "require_lease_epoch_on_ticket_writes": true}))]
pub(crate) struct SetSettings {
    /// 1 to 730; left out, new projects begin with what all begin with.
    kb_retention_days: Option<i64>,
    /// 100 to 50,000; likewise.
    kb_max_context_words: Option<i64>,
    /// 1 to 200; likewise.
    kb_section_page_limit: Option<i64>,
    /// Whether completing, resolving and commenting on tickets must carry the lease epoch; left out, it stays.
    require_lease_epoch_on_ticket_writes: Option<bool>,
}

/// Read an organization's settings
#[utoipa::path(get, path = "/api/v1/orgs/{org_id}/settings", tag = "sync",
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The settings.", body = SettingsAnswer),
              (status = 404, description = "No organization of the caller's.")))]
async fn get_organization_settings(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
) -> Result<Json<SettingsAnswer>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let settings = projects.team_settings(&principal.actor, &organisation).await?;
    Ok(Json(settings.into()))
}

/// Change an organization's settings
#[utoipa::path(put, path = "/api/v1/orgs/{org_id}/settings", tag = "sync", request_body = SetSettings,
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The settings.", body = SettingsAnswer),
              (status = 400, description = "A setting is out of its bounds."),
              (status = 404, description = "No organization of the caller's.")))]
async fn update_organization_settings(
    projects: Data<Projects>,
    principal: Principal,
    org_id: Path<String>,
    body: JsonBody<SetSettings>,
) -> Result<Json<SettingsAnswer>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    let defaults = ProjectDefaults {
        kb_retention_days: body.kb_retention_days,
        kb_max_context_words: body.kb_max_context_words,
        kb_section_page_limit: body.kb_section_page_limit,
    };
    let required = body.require_lease_epoch_on_ticket_writes;
    let settings = projects
        .set_team_settings(&principal.actor, &organisation, required, defaults)
        .await?;
    Ok(Json(settings.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_organization, Access::User),
        endpoint!(get_organization, Access::User),
        endpoint!(list_organizations, Access::User),
        endpoint!(list_members, Access::User),
        endpoint!(set_organization_member_role, Access::User),
        endpoint!(remove_organization_member, Access::User),
        endpoint!(set_member_role, Access::User),
        endpoint!(remove_member, Access::User),
        endpoint!(get_organization_settings, Access::User),
        endpoint!(update_organization_settings, Access::User),
    ]
}
