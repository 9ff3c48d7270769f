//! Audits by a language model.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_session_sync::{AuditRequest, AuditStatus, Audited, Dismissal, SessionSync};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::faults::fault;

#[derive(Deserialize, ToSchema)]
#[schema(as = sync::RunAudit, example = json!({"model": "gpt-5"}))]
struct RunAudit {
    /// The model; the saved one when not given.
    model: Option<String>,
    /// Whose language model it is; the saved one when not given.
    provider: Option<String>,
    /// Its key; the saved one when not given, if provider and address are those it was saved for.
    llm_api_key: Option<String>,
    /// Its address, when it is not the provider's own.
    base_url: Option<String>,
}

/// Run LLM Judge audit
///
/// A language model checks what the agent claimed against what its tools showed. Sessions of 500 messages
/// and more are audited in the background.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/audit", tag = "audits", request_body = RunAudit,
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The report.", body = Value),
              (status = 202, description = "It runs in the background.", body = Value),
              (status = 400, description = "No judge is set up, or its address is not allowed."),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "`no_claims_extracted`: there is nothing to judge."),
              (status = 502, description = "`llm_request_failed`"),
              (status = 504, description = "`llm_timeout`")))]
async fn run_audit(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<RunAudit>,
) -> Result<HttpResponse, Fault> {
    let request = AuditRequest {
        provider: body.provider.unwrap_or_default(),
        model: body.model.unwrap_or_default(),
        api_key: body.llm_api_key.map(SecretString::from),
        base_url: body.base_url,
    };
    match sync.audit(&principal, &id, request).await.map_err(fault)? {
        Audited::Done(report) => Ok(HttpResponse::Ok().json(report)),
        Audited::Accepted => Ok(HttpResponse::Accepted().json(json!({
            "status": "accepted", "session_id": id.as_str(),
            "message": "The audit runs in the background; ask /audit/status how it stands.",
        }))),
    }
}

/// Get latest audit report
#[utoipa::path(get, path = "/api/v1/sessions/{id}/audit", tag = "audits",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The report.", body = Value),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session, or no report.")))]
async fn latest_audit(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let report = sync.audit_report(&principal, &id).await.map_err(fault)?;
    Ok(HttpResponse::Ok().json(report))
}

/// A past audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::PastAudit)]
struct PastAuditAnswer {
    id: String,
    session_id: String,
    judge_model: String,
    judge_provider: String,
    /// 0 to 100.
    trust_score: i64,
    total_claims: i64,
    contradiction_count: i64,
    execution_time_ms: i64,
    created_at: String,
}

/// Audit history
#[utoipa::path(get, path = "/api/v1/sessions/{id}/audits", tag = "audits",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The audits, newest first.", body = [PastAuditAnswer]),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn past_audits(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Vec<PastAuditAnswer>>, Fault> {
    let audits = sync.past_audits(&principal, &id).await.map_err(fault)?;
    let answer = audits.into_iter().map(|audit| PastAuditAnswer {
        id: audit.id,
        session_id: id.to_string(),
        judge_model: audit.judge_model,
        judge_provider: audit.judge_provider,
        trust_score: audit.trust_score,
        total_claims: audit.total_claims,
        contradiction_count: audit.contradiction_count,
        execution_time_ms: audit.execution_time_ms,
        created_at: audit.created_at.to_string(),
    });
    Ok(Json(answer.collect()))
}

/// Check background audit status
#[utoipa::path(get, path = "/api/v1/sessions/{id}/audit/status", tag = "audits",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "`status` is `not_started`, `running`, `completed` or `failed`, with `error`.", body = Value),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn audit_status(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let status = sync.audit_status(&principal, &id).await.map_err(fault)?;
    let word = match &status {
        AuditStatus::NotStarted => "not_started",
        AuditStatus::Running => "running",
        AuditStatus::Completed => "completed",
        AuditStatus::Failed(_) => "failed",
    };
    let mut answer = json!({"status": word, "session_id": id.as_str()});
    if let AuditStatus::Failed(error) = status {
        answer["error"] = json!(error);
    }
    Ok(Json(answer))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::DismissFinding, example = json!({"finding_index": 0, "reason": "checked by hand"}))]
struct DismissFinding {
    /// Which finding of the latest report, from 0.
    finding_index: i64,
    /// Whether it is dismissed, or counts again. Default true.
    dismissed: Option<bool>,
    /// Why, at most 2,000 characters.
    #[serde(default)]
    reason: String,
}

/// Dismiss an audit finding
///
/// The latest report keeps it, with who dismissed it and why; `dismissed: false` has it count again.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/audit/dismiss", tag = "audits", request_body = DismissFinding,
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "It is noted.", body = Value),
              (status = 400, description = "There is no such finding."),
              (status = 404, description = "There is no such session, or no report."),
              (status = 409, description = "Others dismiss findings at the same time."),
              (status = 422, description = "The reason is too long.")))]
async fn dismiss_finding(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<DismissFinding>,
) -> Result<Json<Value>, Fault> {
    let dismissal = Dismissal {
        finding_index: body.finding_index,
        dismissed: body.dismissed.unwrap_or(true),
        reason: body.reason,
    };
    sync.dismiss_finding(&principal, &id, &dismissal)
        .await
        .map_err(fault)?;
    Ok(Json(json!({
        "status": "ok", "finding_index": dismissal.finding_index, "dismissed": dismissal.dismissed,
    })))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(run_audit, Access::User),
        endpoint!(latest_audit, Access::User),
        endpoint!(past_audits, Access::User),
        endpoint!(audit_status, Access::User),
        endpoint!(dismiss_finding, Access::User),
    ]
}
