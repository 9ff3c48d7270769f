//! Summaries.

use std::collections::BTreeSet;

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, Principal, endpoint};
use pentad_session_sync::{SessionSync, Summary};
use serde::Serialize;
use utoipa::ToSchema;

use crate::faults::fault;

/// What happened in a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Summary)]
struct SummaryAnswer {
    session_id: String,
    title: String,
    tool: String,
    model: Option<String>,
    duration_minutes: u64,
    message_count: u64,
    tool_call_count: u64,
    branch: Option<String>,
    /// The first seven digits.
    commit: Option<String>,
    files_modified: BTreeSet<String>,
    files_read: BTreeSet<String>,
    commands_executed: u64,
    tests_run: u64,
    tests_passed: u64,
    tests_failed: u64,
    packages_installed: BTreeSet<String>,
    /// The first five.
    errors_encountered: Vec<String>,
    /// What only a language model can tell is `null` here, as the three after it.
    what_happened: Option<String>,
    key_decisions: Option<Vec<String>>,
    outcome: Option<String>,
    open_issues: Option<Vec<String>>,
    narrative_model: Option<String>,
    narrative_error: Option<String>,
    personas_active: Vec<String>,
    generated_at: String,
}

impl From<Summary> for SummaryAnswer {
    fn from(summary: Summary) -> Self {
        let Summary {
            session,
            facts,
            generated_at,
        } = summary;
        Self {
            session_id: session.id,
            title: session.title.unwrap_or_else(|| "Untitled".to_owned()),
            tool: session.source_tool,
            model: session.model_id,
            duration_minutes: facts.duration_minutes,
            message_count: facts.message_count,
            tool_call_count: facts.tool_call_count,
            branch: session.git_branch,
            commit: session.git_commit.map(|commit| commit.chars().take(7).collect()),
            files_modified: facts.files_modified,
            files_read: facts.files_read,
            commands_executed: facts.commands_executed,
            tests_run: facts.tests_run,
            tests_passed: facts.tests_passed,
            tests_failed: facts.tests_failed,
            packages_installed: facts.packages_installed,
            errors_encountered: facts.errors_encountered,
            what_happened: None,
            key_decisions: None,
            outcome: None,
            open_issues: None,
            narrative_model: None,
            narrative_error: None,
            personas_active: session.persona_name.into_iter().collect(),
            generated_at: generated_at.to_string(),
        }
    }
}

/// Get session summary
///
/// What the messages of the session say of it, found out when it was pushed.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/summary", tag = "sessions",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The summary.", body = SummaryAnswer),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "The session has no messages.")))]
async fn get_summary(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SummaryAnswer>, Fault> {
    let summary = sync.summary(&principal, &id).await.map_err(fault)?;
    Ok(Json(summary.into()))
}

/// Generate session summary
///
/// Reads the messages again.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/summary", tag = "sessions",
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The summary.", body = SummaryAnswer),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "The session has no messages.")))]
async fn generate_summary(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<SummaryAnswer>, Fault> {
    let summary = sync.summarise(&principal, &id).await.map_err(fault)?;
    Ok(Json(summary.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_summary, Access::User),
        endpoint!(generate_summary, Access::User),
    ]
}
