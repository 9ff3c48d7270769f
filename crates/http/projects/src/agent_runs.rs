//! Runs of agents.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_kernel::Scope;
use pentad_projects::{
    AgentRun, NewRun, Projects, RunComparison, RunCompletion, RunFilter, StartedRun, severity_counts,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::parameters::{integer, text};
use crate::wire::{answer, list, optional_time, time};

const READ: &[Scope] = &[Scope::AgentRunsRead];
const WRITE: &[Scope] = &[Scope::AgentRunsWrite];

answer! {
    /// A run of an agent.
    RunAnswer as sync::AgentRun, from |run: AgentRun| {
        duration_seconds: Option<i64> = run.duration_seconds(),
        id: String = run.id,
        project_id: String = run.project_id,
        persona_name: String = run.persona_name,
        tool: String = run.tool,
        /// `manual`, `ci`, `webhook`, `scheduled`, `mcp` or `api`.
        trigger_source: String = run.trigger_source,
        /// `queued`, `running`, `passed`, `failed`, `errored` or `cancelled`.
        status: String = run.status,
        ticket_id: Option<String> = run.ticket_id,
        trigger_ref: Option<String> = run.trigger_ref,
        ci_provider: Option<String> = run.ci_provider,
        ci_run_url: Option<String> = run.ci_run_url,
        result_summary: Option<String> = run.result_summary,
        severity: Option<String> = run.severity,
        findings_count: usize = run.findings.0.len(),
        findings: Vec<Value> = run.findings.0,
        fail_on: Option<String> = run.fail_on,
        /// `pass` or `fail`.
        policy_result: Option<String> = run.policy_result,
        /// What a script should exit with.
        exit_code: Option<i64> = run.exit_code,
        session_id: Option<String> = run.session_id,
        triggered_by_user_id: String = run.triggered_by_user_id,
        triggered_by_persona: Option<String> = run.triggered_by_persona,
        replayed_from: Option<String> = run.replayed_from,
        prompt: Option<String> = run.prompt,
        context_refs: Vec<String> = run.context_refs.0,
        actor_type: String = run.actor_type,
        service_key_id: Option<String> = run.service_key_id,
        service_key_name: Option<String> = run.service_key_name,
        created_at: String = time(run.created_at),
        started_at: Option<String> = optional_time(run.started_at),
        completed_at: Option<String> = optional_time(run.completed_at),
    }
}

answer! {
    /// A started run.
    StartedRunAnswer as sync::StartedRun, from |started: StartedRun| {
        run: RunAnswer = started.run.into(),
        /// What the agent is to be told, in Markdown.
        compiled_context: String = started.compiled_context,
    }
}

/// A run to queue.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewAgentRun, example = json!({"persona_name": "atlas", "trigger_source": "ci", "fail_on": "high"}))]
pub(crate) struct NewRunBody {
    persona_name: String,
    /// Default `generic`.
    tool: Option<String>,
    /// Default `manual`.
    trigger_source: Option<String>,
    ticket_id: Option<String>,
    /// At most 200 characters.
    trigger_ref: Option<String>,
    ci_provider: Option<String>,
    ci_run_url: Option<String>,
    /// From which severity on the run fails: `none`, `low`, `medium`, `high` or `critical`.
    fail_on: Option<String>,
    triggered_by_persona: Option<String>,
    /// At most 20,000 characters.
    prompt: Option<String>,
    /// At most 50.
    context_refs: Option<Vec<String>>,
}

/// Queue a run
///
/// A text that still holds a CI expression (`${{`) is refused.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/agent-runs", tag = "sync", request_body = NewRunBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The run.", body = RunAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A field is refused.")))]
async fn create_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewRunBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let new = NewRun {
        persona_name: body.persona_name,
        tool: body.tool,
        trigger_source: body.trigger_source,
        ticket_id: body.ticket_id,
        trigger_ref: body.trigger_ref,
        ci_provider: body.ci_provider,
        ci_run_url: body.ci_run_url,
        fail_on: body.fail_on,
        triggered_by_persona: body.triggered_by_persona,
        prompt: body.prompt,
        context_refs: body.context_refs.unwrap_or_default(),
    };
    let run = projects.create_run(&principal.actor, &project_id, new).await?;
    Ok(HttpResponse::Created().json(RunAnswer::from(run)))
}

/// List runs
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/agent-runs", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("persona_name" = Option<String>, Query, description = "One persona, in any case."),
           ("status" = Option<String>, Query, description = "One status."),
           ("trigger_source" = Option<String>, Query, description = "One source."),
           ("ticket_id" = Option<String>, Query, description = "One ticket."),
           ("limit" = Option<i64>, Query, description = "1 to 200. Default 50.")),
    responses((status = 200, description = "Newest first.", body = Vec<RunAnswer>),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A parameter is refused.")))]
async fn list_agent_runs(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    query: Query,
) -> Result<Json<Vec<RunAnswer>>, Fault> {
    let filter = RunFilter {
        persona_name: text(&query, "persona_name"),
        status: text(&query, "status"),
        trigger_source: text(&query, "trigger_source"),
        ticket_id: text(&query, "ticket_id"),
        limit: integer(&query, "limit", &(1..=200))?.unwrap_or(50),
    };
    Ok(Json(list(
        projects.runs(&principal.actor, &project_id, &filter).await?,
    )))
}

/// Read a run
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef")),
    responses((status = 200, description = "The run.", body = RunAnswer),
              (status = 404, description = "There is no such project or run.")))]
async fn get_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<RunAnswer>, Fault> {
    let (project, run) = path.into_inner();
    Ok(Json(projects.run(&principal.actor, &project, &run).await?.into()))
}

/// Start a run
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}/start", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef"),
           ("tool" = Option<String>, Query, description = "The tool that runs it.")),
    responses((status = 200, description = "It is running.", body = StartedRunAnswer),
              (status = 404, description = "There is no such project or run."),
              (status = 409, description = "It is not queued.")))]
async fn start_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
) -> Result<Json<StartedRunAnswer>, Fault> {
    let (project, run) = path.into_inner();
    let started = projects
        .start_run(&principal.actor, &project, &run, query.text("tool"))
        .await?;
    Ok(Json(started.into()))
}

/// How a run ended.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::CompleteAgentRun, example = json!({"status": "passed", "result_summary": "nothing found"}))]
pub(crate) struct CompleteRun {
    /// `passed`, `failed` or `errored`.
    status: String,
    result_summary: Option<String>,
    /// The worst of what was found.
    severity: Option<String>,
    findings: Option<Vec<Value>>,
    session_id: Option<String>,
}

/// Complete a run
///
/// A run that found what its `fail_on` forbids fails, whatever `status` says.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}/complete", tag = "sync", request_body = CompleteRun,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef")),
    responses((status = 200, description = "The run.", body = RunAnswer),
              (status = 404, description = "There is no such project or run."),
              (status = 409, description = "It ended before."),
              (status = 422, description = "A field is refused.")))]
async fn complete_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<CompleteRun>,
) -> Result<Json<RunAnswer>, Fault> {
    let (project, run) = path.into_inner();
    let body = body.0;
    let completion = RunCompletion {
        status: body.status,
        result_summary: body.result_summary,
        severity: body.severity,
        findings: body.findings.unwrap_or_default(),
        session_id: body.session_id,
    };
    let run = projects
        .complete_run(&principal.actor, &project, &run, completion)
        .await?;
    Ok(Json(run.into()))
}

/// Cancel a run
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}/cancel", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef")),
    responses((status = 200, description = "The run.", body = RunAnswer),
              (status = 404, description = "There is no such project or run."),
              (status = 409, description = "It ended before.")))]
async fn cancel_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<RunAnswer>, Fault> {
    let (project, run) = path.into_inner();
    Ok(Json(
        projects
            .cancel_run(&principal.actor, &project, &run)
            .await?
            .into(),
    ))
}

/// Queue a run again
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}/replay", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef")),
    responses((status = 201, description = "The new run; `replayed_from` names the old one.", body = RunAnswer),
              (status = 404, description = "There is no such project or run."),
              (status = 422, description = "Its persona is not active any more.")))]
async fn replay_agent_run(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Fault> {
    let (project, run) = path.into_inner();
    let run = projects.replay_run(&principal.actor, &project, &run).await?;
    Ok(HttpResponse::Created().json(RunAnswer::from(run)))
}

answer! {
    /// What two runs found, side by side.
    ComparisonAnswer as sync::AgentRunComparison, from |comparison: RunComparison| {
        a_findings_count: usize = comparison.run.findings.0.len(),
        b_findings_count: usize = comparison.other.findings.0.len(),
        /// Findings of `a` by severity.
        a_severity_counts: BTreeMap<String, u64> = severity_counts(&comparison.run.findings.0),
        b_severity_counts: BTreeMap<String, u64> = severity_counts(&comparison.other.findings.0),
        a_id: String = comparison.run.id,
        b_id: String = comparison.other.id,
        /// Findings of `b` alone.
        added: Vec<Value> = comparison.added,
        /// Findings of `a` alone.
        removed: Vec<Value> = comparison.removed,
        unchanged: Vec<Value> = comparison.unchanged,
        /// Whether a list was cut at 200 findings.
        truncated: bool = comparison.truncated,
    }
}

/// Compare what two runs found
///
/// Findings are the same when rule (or title), file and line are.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/agent-runs/{run_id}/compare/{other_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("run_id" = String, Path, description = "The run.", example = "run_0123456789abcdef"),
           ("other_id" = String, Path, description = "The run it is compared with.", example = "run_fedcba9876543210")),
    responses((status = 200, description = "The findings, matched.", body = ComparisonAnswer),
              (status = 404, description = "There is no such project or run.")))]
async fn compare_agent_runs(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String, String)>,
) -> Result<Json<ComparisonAnswer>, Fault> {
    let (project, run, other) = path.into_inner();
    let comparison = projects
        .compare_runs(&principal.actor, &project, &run, &other)
        .await?;
    Ok(Json(comparison.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_agent_run, Access::Key(WRITE)),
        endpoint!(list_agent_runs, Access::Key(READ)),
        endpoint!(get_agent_run, Access::Key(READ)),
        endpoint!(start_agent_run, Access::User),
        endpoint!(complete_agent_run, Access::Key(WRITE)).body_limit("agent_run_bytes", 4 << 20),
        endpoint!(cancel_agent_run, Access::User),
        endpoint!(replay_agent_run, Access::Key(WRITE)),
        endpoint!(compare_agent_runs, Access::Key(READ)),
    ]
}
