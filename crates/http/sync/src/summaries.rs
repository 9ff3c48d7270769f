//! Summaries.

use std::collections::BTreeSet;

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_session_sync::{NewJudge, SessionSync, Summary};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
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
    /// What only a language model can tell is `null` until one was asked, as the three after it.
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
            narrative,
            generated_at,
        } = summary;
        let told = narrative.is_some();
        let narrative = narrative.unwrap_or_default();
        let text = |text: String| told.then_some(text);
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
            what_happened: text(narrative.what_happened),
            key_decisions: told.then_some(narrative.key_decisions),
            outcome: text(narrative.outcome),
            open_issues: told.then_some(narrative.open_issues),
            narrative_model: text(narrative.model),
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
              (status = 400, description = "That is neither an identifier nor an alias."),
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
              (status = 400, description = "That is neither an identifier nor an alias."),
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

/// The language model to ask.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::Narrate, example = json!({}))]
struct Narrate {
    /// The model; the saved one when not given.
    model: Option<String>,
    /// Whose language model it is; the saved one when not given.
    provider: Option<String>,
    /// Its key; the saved one when not given, if provider and address are those it was saved for.
    llm_api_key: Option<String>,
    /// Its address, when it is not the provider's own.
    base_url: Option<String>,
}

/// Generate narrative summary
///
/// A language model tells what happened, what was decided and what is left: the one in the request, or the
/// judge that the user saved. When it tells nothing, `narrative_error` says why and the facts are there all the
/// same.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/summary/narrative", tag = "sessions", request_body = Narrate,
    params(("id" = String, Path, description = "The session.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The summary with the narrative.", body = SummaryAnswer),
              (status = 400, description = "No language model is named, or its address is not allowed."),
              (status = 403, description = "`upgrade_required`"),
              (status = 404, description = "There is no such session."),
              (status = 422, description = "The session has no messages.")))]
async fn generate_narrative(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<Narrate>,
) -> Result<Json<SummaryAnswer>, Fault> {
    let model = NewJudge {
        provider: body.provider.unwrap_or_default(),
        model: body.model.unwrap_or_default(),
        api_key: body.llm_api_key.map(SecretString::from),
        base_url: body.base_url,
    };
    let narrated = sync.narrate(&principal, &id, model).await.map_err(fault)?;
    Ok(Json(SummaryAnswer {
        narrative_error: narrated.failure.map(|error| error.to_string()),
        ..narrated.summary.into()
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_summary, Access::User),
        endpoint!(generate_summary, Access::User),
        endpoint!(generate_narrative, Access::User),
    ]
}
