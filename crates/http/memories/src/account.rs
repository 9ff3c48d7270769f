//! What an account has used, and erasing a tenant of it.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, Principal, endpoint};
use pentad_memories::{Memories, Tenant};
use serde::Serialize;
use utoipa::ToSchema;

use crate::faults::fault;
use crate::{READ, WRITE};

/// Where an account stands in its plan this month.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::PlanStatus, example = json!({
    "plan_tier": "starter", "writes_used": 49, "writes_limit": 50000, "writes_remaining": 49951,
    "in_grace_period": false, "blocked": false
}))]
pub(crate) struct PlanStatusAnswer {
    /// The plan.
    plan_tier: &'static str,
    /// Memories stored this calendar month, UTC.
    writes_used: u64,
    /// How many the plan includes.
    writes_limit: u64,
    /// How many are left.
    writes_remaining: u64,
    /// Whether the limit is reached and writes still go on: up to a tenth more, for seven days.
    in_grace_period: bool,
    /// Whether writes are refused until the next month.
    blocked: bool,
}

/// Show the plan and its use
#[utoipa::path(get, path = "/plan/status", tag = "memories",
    responses((status = 200, description = "The plan and its use.", body = PlanStatusAnswer)))]
async fn plan_status(
    memories: Data<Memories>,
    principal: Principal,
) -> Result<Json<PlanStatusAnswer>, Fault> {
    let status = memories
        .plan_status(&principal.actor, &principal.plan)
        .await
        .map_err(fault)?;
    Ok(Json(PlanStatusAnswer {
        plan_tier: principal.plan_name.name(),
        writes_used: status.writes_used,
        writes_limit: status.writes_limit,
        writes_remaining: status.writes_remaining(),
        in_grace_period: status.in_grace_period,
        blocked: status.blocked,
    }))
}

/// What an account has stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Usage)]
pub(crate) struct UsageAnswer {
    /// The account.
    company_id: String,
    /// Memories stored and not erased.
    memories: u64,
    /// What is or was believed of them.
    versions: u64,
    /// How many memories each tenant has.
    tenants: Vec<TenantUsage>,
}

/// What a tenant has stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::TenantUsage)]
struct TenantUsage {
    /// The tenant; `null` for the default one.
    tenant_id: Option<String>,
    /// Memories stored and not erased.
    memories: u64,
}

/// Show what is stored
#[utoipa::path(get, path = "/agent/usage", tag = "memories",
    responses((status = 200, description = "What the account has stored.", body = UsageAnswer)))]
async fn show_usage(memories: Data<Memories>, principal: Principal) -> Result<Json<UsageAnswer>, Fault> {
    let usage = memories.usage(&principal.actor).await.map_err(fault)?;
    let tenants = usage
        .tenants
        .into_iter()
        .map(|(tenant_id, memories)| TenantUsage { tenant_id, memories });
    Ok(Json(UsageAnswer {
        company_id: principal.actor.organisation.to_string(),
        memories: usage.memories,
        versions: usage.versions,
        tenants: tenants.collect(),
    }))
}

/// An erased tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::ErasedTenant)]
pub(crate) struct ErasedTenant {
    /// Always `deleted`.
    status: &'static str,
    /// The tenant.
    tenant_id: String,
    /// How many memories it had.
    memories: u64,
}

/// Erase a tenant
///
/// Removes all its memories for good.
#[utoipa::path(delete, path = "/agent/tenants/{tenant_id}", tag = "memories",
    params(("tenant_id" = String, Path, description = "The tenant.", example = "customer-17")),
    responses((status = 200, description = "The memories are gone.", body = ErasedTenant),
              (status = 400, description = "That is no tenant: 1 to 128 characters, no control characters."),
              (status = 404, description = "Nothing was ever stored under the tenant.")))]
async fn erase_tenant(
    memories: Data<Memories>,
    principal: Principal,
    tenant_id: Path<String>,
) -> Result<Json<ErasedTenant>, Fault> {
    let tenant_id = tenant_id.into_inner();
    let tenant = Tenant::parse(Some(&tenant_id), memories.limits()).map_err(fault)?;
    let erased = memories
        .erase_tenant(&principal.actor, &tenant)
        .await
        .map_err(fault)?;
    Ok(Json(ErasedTenant {
        status: "deleted",
        tenant_id,
        memories: erased,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(plan_status, Access::Key(READ)),
        endpoint!(show_usage, Access::Key(READ)),
        endpoint!(erase_tenant, Access::Key(WRITE)),
    ]
}
