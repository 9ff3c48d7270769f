//! The gateway's own operations: health, readiness, metrics.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, endpoint};
use pentad_kernel::{Clock as _, SystemClock};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Deps, measurements};

/// That the server answers: the union of what the five APIs document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = gateway::Health, example = json!({
    "status": "healthy", "service": "pentad", "version": "0.1.0", "timestamp": "2026-05-07T12:10:00Z"
}))]
struct Health {
    /// Always `healthy`.
    status: &'static str,
    /// Always `pentad`.
    service: &'static str,
    /// The version of the program.
    version: &'static str,
    /// The server's time, RFC 3339 UTC.
    timestamp: String,
}

/// How long whoever asks for readiness is kept waiting: load balancers do not wait as long as clients.
const READY_WITHIN: Duration = Duration::from_secs(2);

fn health_body() -> Json<Health> {
    Json(Health {
        status: "healthy",
        service: "pentad",
        version: env!("CARGO_PKG_VERSION"),
        timestamp: SystemClock.now().to_string(),
    })
}

/// Health
///
/// Answers as long as the process does, without touching the database. Use `/readyz` to learn whether
/// the gateway can do its work.
#[utoipa::path(get, path = "/health", tag = "gateway",
    responses((status = 200, description = "The server answers.", body = Health)))]
async fn health() -> Json<Health> {
    health_body()
}

/// Health, under the prefix of the versioned APIs
#[utoipa::path(get, path = "/api/v1/health", tag = "gateway",
    responses((status = 200, description = "The server answers.", body = Health)))]
async fn versioned_health() -> Json<Health> {
    health_body()
}

/// Readiness
///
/// Whether the database answers. Load balancers send requests only where this is 200.
#[utoipa::path(get, path = "/readyz", tag = "gateway",
    responses((status = 200, description = "The gateway can do its work.", body = Health),
              (status = 503, description = "The database does not answer.")))]
async fn readiness(deps: Data<Deps>) -> Result<Json<Health>, Fault> {
    let answer = tokio::time::timeout(READY_WITHIN, deps.db.ping()).await;
    answer.unwrap_or_else(|_| Err(pentad_store::Error::silence()))?;
    Ok(health_body())
}

/// Measurements
///
/// Counts, latencies, queues, pools and memory in Prometheus' text format: to this machine without a key,
/// else to a platform administrator.
#[utoipa::path(get, path = "/metrics", tag = "gateway",
    responses((status = 200, description = "The measurements.", body = String, content_type = "text/plain")))]
async fn measurements(deps: Data<Deps>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::plaintext())
        .body(measurements::render(&deps))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(health, Access::Public),
        endpoint!(versioned_health, Access::Public),
        endpoint!(readiness, Access::Public),
        endpoint!(measurements, Access::Operator),
    ]
}
