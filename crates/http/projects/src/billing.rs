//! Plans and storage, without a payment provider.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_projects::Projects;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The caller's plan and storage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BillingStatus)]
pub(crate) struct BillingStatus {
    /// The plan that bounds the caller.
    tier: &'static str,
    storage_used_bytes: i64,
    /// 0 for as much as there is.
    storage_limit_bytes: i64,
    stripe_customer_id: Option<String>,
    has_subscription: bool,
    has_personal_subscription: bool,
    is_org_member: bool,
    org_role: Option<&'static str>,
    is_beta: bool,
}

/// Read the caller's plan and storage
///
/// Plans are given by the operator of the server: there is no payment provider behind it.
#[utoipa::path(get, path = "/api/v1/billing/status", tag = "sync",
    responses((status = 200, description = "Plan and storage.", body = BillingStatus)))]
async fn get_billing_status(
    projects: Data<Projects>,
    principal: Principal,
) -> Result<Json<BillingStatus>, Fault> {
    let standing = projects.standing(&principal.actor).await?;
    Ok(Json(BillingStatus {
        tier: standing.plan.name(),
        storage_used_bytes: standing.storage_used_bytes,
        storage_limit_bytes: standing.storage_limit_bytes,
        stripe_customer_id: None,
        has_subscription: false,
        has_personal_subscription: false,
        is_org_member: standing.role.is_some(),
        org_role: standing.role.map(pentad_identity::Role::name),
        is_beta: false,
    }))
}

/// A plan to buy.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::Checkout, example = json!({"tier": "team", "seats": 3}))]
pub(crate) struct Checkout {
    /// `starter`, `pro` or `team`.
    tier: String,
    /// Default 1.
    seats: Option<u32>,
}

/// Buy a plan
///
/// Always refused: there is no payment provider behind this server, and its operator gives plans.
#[utoipa::path(post, path = "/api/v1/billing/checkout", tag = "sync", request_body = Checkout,
    responses((status = 400, description = "There is no such plan, or nobody who would sell it.")))]
async fn create_checkout(_principal: Principal, body: JsonBody<Checkout>) -> Result<Json<Value>, Fault> {
    if !["starter", "pro", "team"].contains(&body.tier.as_str()) {
        return Err(Fault::invalid(format!("no plan {:?} is for sale", body.tier)));
    }
    let seats = body.seats.unwrap_or(1);
    if !(1..=1000).contains(&seats) {
        return Err(Fault::invalid("seats: 1 to 1000"));
    }
    Err(Fault::invalid(
        "this server has no payment provider: its operator gives plans with `pentad admin set-plan`",
    ))
}

/// Manage a subscription
///
/// Always refused: there is no payment provider behind this server.
#[utoipa::path(post, path = "/api/v1/billing/portal", tag = "sync",
    responses((status = 400, description = "There is no subscription.")))]
async fn open_billing_portal(_principal: Principal) -> Result<Json<Value>, Fault> {
    Err(Fault::invalid("No subscription found."))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_billing_status, Access::User),
        endpoint!(create_checkout, Access::User),
        endpoint!(open_billing_portal, Access::User),
    ]
}
