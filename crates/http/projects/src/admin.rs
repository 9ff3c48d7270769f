//! What platform administrators do for others.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_identity::{Identity, PlanName, User, UserQuery};
use pentad_kernel::{ErrorKind, UserId};
use pentad_projects::Projects;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::parameters::{integer, text};
use crate::wire::{answer, list};

/// A key to mint for somebody else.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::MintKey, example = json!({"name": "lost"}))]
pub(crate) struct MintKey {
    /// Default `admin-minted`.
    name: Option<String>,
}

/// A key that was minted for somebody else.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::MintedKey)]
pub(crate) struct MintedKeyAnswer {
    key_id: String,
    /// The secret, shown this once.
    raw_key: String,
    name: String,
    created_at: String,
    user_id: String,
    user_email: String,
}

/// Mint a key for a user who lost theirs
///
/// The secret is in this answer and nowhere else; the audit log says who minted it.
#[utoipa::path(post, path = "/api/v1/admin/users/{user_id}/api-keys", tag = "sync", request_body = MintKey,
    params(("user_id" = String, Path, description = "The user.")),
    responses((status = 201, description = "The key with its secret.", body = MintedKeyAnswer),
              (status = 404, description = "There is no such user."),
              (status = 422, description = "The name is too long.")))]
async fn mint_key_for_user(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
    body: JsonBody<MintKey>,
) -> Result<HttpResponse, Fault> {
    let name = body.0.name.unwrap_or_else(|| "admin-minted".to_owned());
    if name.trim().is_empty() || name.chars().count() > 255 || name.contains('\0') {
        return Err(Fault::unprocessable(
            &["body", "name"],
            "1 to 255 characters",
            "value_error",
        ));
    }
    let identity = projects.identity();
    let user = identity.user(&UserId::new(user_id.into_inner())).await?;
    if !user.is_active {
        return Err(Fault::new(ErrorKind::Forbidden, "The user's account is inactive"));
    }
    let minted = identity
        .mint_key_on_behalf(&principal.actor, &user, &name)
        .await?;
    Ok(HttpResponse::Created().json(MintedKeyAnswer {
        key_id: minted.key.id.to_string(),
        raw_key: minted.secret().to_owned(),
        name,
        created_at: minted.key.created_at.to_string(),
        user_id: user.id.to_string(),
        user_email: user.email,
    }))
}

/// Which compilation to restore.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::RestoreCompilation, example = json!({"compilation_id": 1, "dry_run": true}))]
pub(crate) struct RestoreCompilation {
    /// The compilation.
    compilation_id: i64,
    /// Whether to say only what would be done. Default true.
    dry_run: Option<bool>,
}

/// What restoring does, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::RestoredCompilation)]
pub(crate) struct RestoredAnswer {
    project_id: String,
    compilation_id: i64,
    compiled_at: String,
    context_words_restored: i64,
    entries_compiled_at_restored: i64,
    dry_run: bool,
}

/// Restore a context document from a compilation
///
/// Entries that were compiled later wait again, so that nothing they say is lost.
#[utoipa::path(post, path = "/api/v1/admin/projects/{project_id}/restore-from-compilation", tag = "sync", request_body = RestoreCompilation,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "What it does, or would do.", body = RestoredAnswer),
              (status = 404, description = "There is no such project or compilation."),
              (status = 422, description = "The compilation left an empty document.")))]
async fn restore_from_compilation(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<RestoreCompilation>,
) -> Result<Json<RestoredAnswer>, Fault> {
    let compilation_id = body.compilation_id;
    if compilation_id <= 0 {
        return Err(Fault::unprocessable(
            &["body", "compilation_id"],
            "must be above 0",
            "greater_than",
        ));
    }
    let dry_run = body.dry_run.unwrap_or(true);
    let restored = projects
        .restore(&principal.actor, &project_id, compilation_id, dry_run)
        .await?;
    Ok(Json(RestoredAnswer {
        project_id: project_id.into_inner(),
        compilation_id,
        compiled_at: restored.compiled_at.to_string(),
        context_words_restored: restored.context_words,
        entries_compiled_at_restored: restored.entries,
        dry_run,
    }))
}

answer! {
    /// A user in a list.
    ListedUser as sync::AdminListedUser, from |pair: (User, PlanName)| {
        /// The plan of the user's own organization, or `admin` for a platform administrator.
        tier: String = tier(&pair.0, pair.1),
        id: String = pair.0.id.to_string(),
        email: String = pair.0.email,
        display_name: Option<String> = pair.0.display_name,
        email_verified: bool = pair.0.email_verified,
        is_active: bool = pair.0.is_active,
        created_at: String = pair.0.created_at.to_string(),
    }
}

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::AdminUsers)]
pub(crate) struct UsersAnswer {
    users: Vec<ListedUser>,
    /// On all pages.
    total: i64,
    page: i64,
    page_size: i64,
}

/// List users
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "sync",
    params(("search" = Option<String>, Query, description = "Part of the address, in any case."),
           ("tier_filter" = Option<String>, Query, description = "A plan, or `admin`."),
           ("page" = Option<i64>, Query, description = "From 1."),
           ("page_size" = Option<i64>, Query, description = "1 to 200. Default 50.")),
    responses((status = 200, description = "The newest first.", body = UsersAnswer),
              (status = 422, description = "A parameter is refused.")))]
async fn list_users(projects: Data<Projects>, query: Query) -> Result<Json<UsersAnswer>, Fault> {
    let page = integer(&query, "page", &(1..=1_000_000))?.unwrap_or(1);
    let page_size = integer(&query, "page_size", &(1..=200))?.unwrap_or(50);
    let wanted = UserQuery {
        search: text(&query, "search"),
        tier: text(&query, "tier_filter"),
        offset: (page - 1) * page_size,
        limit: page_size,
    };
    let found = projects.identity().users(&wanted).await?;
    Ok(Json(UsersAnswer {
        users: list(found.users),
        total: found.total,
        page,
        page_size,
    }))
}

/// A user, as administrators see one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::AdminUser)]
pub(crate) struct UserAnswer {
    id: String,
    email: String,
    display_name: Option<String>,
    /// The plan of the user's own organization, or `admin` for a platform administrator.
    tier: String,
    email_verified: bool,
    is_active: bool,
    created_at: String,
    /// Sessions, without those in the trash.
    session_count: i64,
    /// Bytes of sessions.
    storage_used_bytes: i64,
    /// Keys that work.
    api_key_count: usize,
}

fn tier(user: &User, plan: PlanName) -> String {
    if user.is_admin { "admin" } else { plan.name() }.to_owned()
}

/// The user with this identifier or address.
async fn user_of(identity: &Identity, reference: &str) -> Result<User, Fault> {
    let found = if reference.contains('@') {
        identity.user_by_email(reference).await
    } else {
        identity.user(&UserId::new(reference)).await
    };
    Ok(found?)
}

/// Read a user
#[utoipa::path(get, path = "/api/v1/admin/users/{user_id}", tag = "sync",
    params(("user_id" = String, Path, description = "The user, or the user's address.", example = "ada@example.com")),
    responses((status = 200, description = "The user.", body = UserAnswer),
              (status = 404, description = "There is no such user.")))]
async fn get_user(projects: Data<Projects>, user_id: Path<String>) -> Result<Json<UserAnswer>, Fault> {
    let identity = projects.identity();
    let user = user_of(identity, &user_id).await?;
    let plan = identity.organisation(&user.home_organisation).await?.plan;
    let kept = projects.possessions(&user.id).await?;
    Ok(Json(UserAnswer {
        session_count: kept.sessions,
        storage_used_bytes: kept.stored_bytes,
        api_key_count: kept.keys,
        tier: tier(&user, plan),
        id: user.id.to_string(),
        email: user.email,
        display_name: user.display_name,
        email_verified: user.email_verified,
        is_active: user.is_active,
        created_at: user.created_at.to_string(),
    }))
}

/// Take a user's address for proven
#[utoipa::path(put, path = "/api/v1/admin/users/{user_id}/verify", tag = "sync",
    params(("user_id" = String, Path, description = "The user, or the user's address.")),
    responses((status = 200, description = "`{user_id, email_verified}`.", body = Object),
              (status = 404, description = "There is no such user.")))]
async fn verify_user(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let user = user_of(projects.identity(), &user_id).await?;
    projects.identity().vouch_for(&principal.actor, &user).await?;
    Ok(Json(json!({ "user_id": user.id, "email_verified": true })))
}

/// Close a user's account
///
/// None of its credentials works any more; what it has stays.
#[utoipa::path(delete, path = "/api/v1/admin/users/{user_id}", tag = "sync",
    params(("user_id" = String, Path, description = "The user, or the user's address.")),
    responses((status = 204, description = "It is closed."),
              (status = 400, description = "The caller's own account."),
              (status = 404, description = "There is no such user.")))]
async fn deactivate_user(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let user = user_of(projects.identity(), &user_id).await?;
    if user.id == principal.actor.user {
        return Err(Fault::new(
            ErrorKind::Invalid,
            "You cannot close your own account here",
        ));
    }
    projects.identity().deactivate(&principal.actor, &user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A plan to give.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SetTier, example = json!({"tier": "team"}))]
pub(crate) struct SetTier {
    /// A plan, or `admin` for a platform administrator.
    tier: String,
}

/// What changing a plan did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::TierChanged)]
pub(crate) struct TierChanged {
    user_id: String,
    old_tier: String,
    new_tier: String,
}

/// Give a user another plan
///
/// It is the plan of the user's own organisation; a team has a plan of its own.
#[utoipa::path(put, path = "/api/v1/admin/users/{user_id}/tier", tag = "sync", request_body = SetTier,
    params(("user_id" = String, Path, description = "The user, or the user's address.")),
    responses((status = 200, description = "It is changed.", body = TierChanged),
              (status = 400, description = "There is no such plan, or it would end the caller's own administration."),
              (status = 404, description = "There is no such user.")))]
async fn set_user_tier(
    projects: Data<Projects>,
    principal: Principal,
    user_id: Path<String>,
    body: JsonBody<SetTier>,
) -> Result<Json<TierChanged>, Fault> {
    let identity = projects.identity();
    let wanted = body.0.tier;
    let invalid = |message: String| Fault::new(ErrorKind::Invalid, message);
    let plan = match wanted.as_str() {
        "admin" => None,
        name => Some(PlanName::parse(name).map_err(|error| invalid(error.to_string()))?),
    };
    let user = user_of(identity, &user_id).await?;
    if user.id == principal.actor.user && plan.is_some() {
        return Err(invalid("You cannot end your own administration".to_owned()));
    }
    let old_tier = tier(&user, identity.organisation(&user.home_organisation).await?.plan);
    identity.set_tier(&principal.actor, &user, plan).await?;
    Ok(Json(TierChanged {
        user_id: user.id.to_string(),
        old_tier,
        new_tier: wanted,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_users, Access::Admin),
        endpoint!(get_user, Access::Admin),
        endpoint!(verify_user, Access::Admin),
        endpoint!(deactivate_user, Access::Admin),
        endpoint!(set_user_tier, Access::Admin),
        endpoint!(mint_key_for_user, Access::Admin),
        endpoint!(restore_from_compilation, Access::Admin),
    ]
}
