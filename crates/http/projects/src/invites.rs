//! Invites to organisations.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_identity::{Identity, Invite, InviteForMe, Role, TeamError};
use pentad_kernel::{OrganisationId, Timestamp};
use pentad_mail::{Letter, Mailer};
use pentad_projects::Projects;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::wire::{answer, list, optional_timestamp};

/// Whom to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewInvite, example = json!({"email": "grace@example.com", "role": "member"}))]
pub(crate) struct NewInvite {
    /// The address.
    email: String,
    /// `member` or `admin`. Default `member`.
    role: Option<String>,
}

answer! {
    /// An invite that was made.
    MadeInvite as sync::MadeInvite, from |invite: Invite| {
        invite_id: String = invite.id,
        email: String = invite.email,
        role: &'static str = invite.role.name(),
    }
}

answer! {
    /// An invite that can still be accepted.
    InviteAnswer as sync::Invite, from |invite: Invite| {
        id: String = invite.id,
        email: String = invite.email,
        role: &'static str = invite.role.name(),
        created_at: String = invite.created_at.to_string(),
        expires_at: String = invite.expires_at.to_string(),
    }
}

answer! {
    /// An invite to the caller.
    MyInvite as sync::MyInvite, from |mine: InviteForMe| {
        invite_id: String = mine.invite.id,
        org_id: String = mine.invite.organisation.to_string(),
        org_name: String = mine.organisation_name,
        role: &'static str = mine.invite.role.name(),
        invited_by_email: String = mine.invited_by_email,
        created_at: String = mine.invite.created_at.to_string(),
        expires_at: String = mine.invite.expires_at.to_string(),
    }
}

/// Invites.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::InviteList)]
pub(crate) struct InviteList<T: ToSchema> {
    invites: Vec<T>,
}

async fn invite_to(
    projects: &Projects,
    mailer: &Mailer,
    principal: &Principal,
    organisation: &OrganisationId,
    body: &NewInvite,
) -> Result<Json<MadeInvite>, Fault> {
    let role = body.role.as_deref().unwrap_or("member");
    let identity = projects.identity();
    let invite = identity
        .invite(&principal.actor, organisation, &body.email, role)
        .await?;
    if mailer.is_on() {
        // The invite is there whether the message leaves or not, so nobody waits for it.
        let (identity, mailer, invite) = (identity.clone(), mailer.clone(), invite.clone());
        let inviter = principal.actor.email.clone();
        actix_web::rt::spawn(async move {
            if let Err(error) = send_invite(&identity, &mailer, &invite, &inviter).await {
                tracing::warn!(%error, invite = invite.id, "an invite was not noted as sent");
            }
        });
    }
    Ok(Json(invite.into()))
}

/// Sends an invite; when it was sent, or `None`.
async fn send_invite(
    identity: &Identity,
    mailer: &Mailer,
    invite: &Invite,
    inviter: &str,
) -> Result<Option<Timestamp>, TeamError> {
    let organisation = identity.organisation(&invite.organisation).await?.name;
    let link = mailer.link("/api/docs/");
    let text = format!(
        "{inviter} invites you to {organisation} as {role}.\n\nSign up or log in with this address at {link} and \
         accept the invite {id}:\n\n    POST /api/v1/org/invite/{id}/accept\n\nIt can be accepted until {until}.\n",
        role = invite.role,
        id = invite.id,
        until = invite.expires_at,
    );
    let letter = Letter {
        to: &invite.email,
        subject: &format!("You are invited to {organisation}"),
        text: &text,
    };
    match mailer.send(letter).await {
        Ok(true) => identity.note_invite_emailed(&invite.id).await.map(Some),
        Ok(false) => Ok(None),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "an invite was not sent");
            Ok(None)
        }
    }
}

/// Invite somebody to the caller's organization
///
/// An address whose invite was declined or has expired, or whose member was removed, gets a new
/// identifier: old links are dead. The invite waits seven days.
#[utoipa::path(post, path = "/api/v1/org/invite", tag = "sync", request_body = NewInvite,
    responses((status = 200, description = "The invite.", body = MadeInvite),
              (status = 403, description = "`insufficient_role` or `seat_limit`."),
              (status = 409, description = "A member already, or an invite is pending."),
              (status = 422, description = "Not an e-mail address.")))]
async fn invite_member(
    projects: Data<Projects>,
    mailer: Data<Mailer>,
    principal: Principal,
    body: JsonBody<NewInvite>,
) -> Result<Json<MadeInvite>, Fault> {
    let organisation = projects
        .identity()
        .own_team(&principal.actor, Role::Admin)
        .await?;
    invite_to(&projects, &mailer, &principal, &organisation.id, &body).await
}

/// Invite somebody to an organization
#[utoipa::path(post, path = "/api/v1/orgs/{org_id}/invite", tag = "sync", request_body = NewInvite,
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The invite.", body = MadeInvite),
              (status = 403, description = "`insufficient_role` or `seat_limit`."),
              (status = 404, description = "No organization of the caller's."),
              (status = 409, description = "A member already, or an invite is pending."),
              (status = 422, description = "Not an e-mail address.")))]
async fn invite_to_organization(
    projects: Data<Projects>,
    mailer: Data<Mailer>,
    principal: Principal,
    org_id: Path<String>,
    body: JsonBody<NewInvite>,
) -> Result<Json<MadeInvite>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    invite_to(&projects, &mailer, &principal, &organisation, &body).await
}

/// Invite somebody to an organization (other path)
#[utoipa::path(post, path = "/api/v1/orgs/{org_id}/members/invite", tag = "sync", request_body = NewInvite,
    params(("org_id" = String, Path, description = "The organization.")),
    responses((status = 200, description = "The invite.", body = MadeInvite),
              (status = 404, description = "No organization of the caller's."),
              (status = 409, description = "A member already, or an invite is pending."),
              (status = 422, description = "Not an e-mail address.")))]
async fn invite_to_members(
    projects: Data<Projects>,
    mailer: Data<Mailer>,
    principal: Principal,
    org_id: Path<String>,
    body: JsonBody<NewInvite>,
) -> Result<Json<MadeInvite>, Fault> {
    let organisation = OrganisationId::new(org_id.into_inner());
    invite_to(&projects, &mailer, &principal, &organisation, &body).await
}

/// Accept an invite
#[utoipa::path(post, path = "/api/v1/org/invite/{invite_id}/accept", tag = "sync",
    params(("invite_id" = String, Path, description = "The invite.")),
    responses((status = 200, description = "`{org_id, role}`.", body = Object),
              (status = 400, description = "The invite was answered or has expired."),
              (status = 404, description = "There is no such invite."),
              (status = 409, description = "The caller belongs to an organization.")))]
async fn accept_invite(
    projects: Data<Projects>,
    principal: Principal,
    invite_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let invite = projects
        .identity()
        .accept_invite(&principal.actor, &invite_id)
        .await?;
    Ok(Json(
        json!({ "org_id": invite.organisation, "role": invite.role.name() }),
    ))
}

/// Why an invite is declined.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::DeclineInvite, example = json!({"decline_reason": "wrong person"}))]
pub(crate) struct DeclineInvite {
    /// At most 1,000 characters.
    decline_reason: Option<String>,
    /// The same.
    reason: Option<String>,
}

/// Decline an invite
#[utoipa::path(post, path = "/api/v1/org/invite/{invite_id}/decline", tag = "sync", request_body = DeclineInvite,
    params(("invite_id" = String, Path, description = "The invite.")),
    responses((status = 200, description = "`{invite_id, declined_at}`.", body = Object),
              (status = 400, description = "The invite was answered or has expired."),
              (status = 404, description = "There is no such invite.")))]
async fn decline_invite(
    projects: Data<Projects>,
    principal: Principal,
    invite_id: Path<String>,
    body: JsonBody<DeclineInvite>,
) -> Result<Json<Value>, Fault> {
    let reason = body.decline_reason.as_deref().or(body.reason.as_deref());
    let declined_at = projects
        .identity()
        .decline_invite(&principal.actor, &invite_id, reason)
        .await?;
    Ok(Json(
        json!({ "invite_id": invite_id.into_inner(), "declined_at": declined_at }),
    ))
}

/// List the pending invites of the caller's organization
#[utoipa::path(get, path = "/api/v1/org/invites", tag = "sync",
    responses((status = 200, description = "Those that can still be accepted.", body = InviteList<InviteAnswer>)))]
async fn list_invites(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<InviteList<InviteAnswer>>, Fault> {
    let invites = projects.identity().invites(&principal.actor).await?;
    Ok(Json(InviteList {
        invites: list(invites),
    }))
}

/// List the invites to the caller
#[utoipa::path(get, path = "/api/v1/org/invites/me", tag = "sync",
    responses((status = 200, description = "Those that can still be accepted.", body = Object)))]
async fn list_my_invites(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<InviteList<MyInvite>>, Fault> {
    let invites = projects.identity().my_invites(&principal.actor).await?;
    Ok(Json(InviteList {
        invites: list(invites),
    }))
}

/// Take an invite back
#[utoipa::path(delete, path = "/api/v1/org/invites/{invite_id}", tag = "sync",
    params(("invite_id" = String, Path, description = "The invite.")),
    responses((status = 200, description = "`{revoked}`.", body = Object),
              (status = 404, description = "There is no such invite.")))]
async fn revoke_invite(
    projects: Data<Projects>,
    principal: Principal,
    invite_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    projects
        .identity()
        .revoke_invite(&principal.actor, &invite_id)
        .await?;
    Ok(Json(json!({ "revoked": invite_id.into_inner() })))
}

/// Send an invite again
///
/// `sent` says whether a message left; without mail the invite is found under `/org/invites/me`.
#[utoipa::path(post, path = "/api/v1/orgs/{org_id}/invites/{invite_id}/resend", tag = "sync",
    params(("org_id" = String, Path, description = "The organization."),
           ("invite_id" = String, Path, description = "The invite.")),
    responses((status = 200, description = "`{invite_id, email, last_emailed_at, sent}`.", body = Object),
              (status = 404, description = "There is no such invite."),
              (status = 409, description = "The invite was answered or has expired.")))]
async fn resend_invite(
    projects: Data<Projects>,
    mailer: Data<Mailer>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let (organisation, invite) = path.into_inner();
    let identity = projects.identity();
    let invite = identity
        .resendable_invite(&principal.actor, &OrganisationId::new(organisation), &invite)
        .await?;
    let sent = send_invite(identity, &mailer, &invite, &principal.actor.email).await?;
    Ok(Json(json!({
        "invite_id": invite.id,
        "email": invite.email,
        "last_emailed_at": optional_timestamp(sent.or(invite.last_emailed_at)),
        "sent": sent.is_some(),
    })))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(invite_member, Access::User),
        endpoint!(invite_to_organization, Access::User),
        endpoint!(invite_to_members, Access::User),
        endpoint!(accept_invite, Access::User),
        endpoint!(decline_invite, Access::User),
        endpoint!(list_my_invites, Access::User),
        endpoint!(list_invites, Access::User),
        endpoint!(revoke_invite, Access::User),
        endpoint!(resend_invite, Access::User),
    ]
}
