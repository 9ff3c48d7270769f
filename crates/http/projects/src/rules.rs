//! Rules for coding tools.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_MATCH};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_projects::{
    CompiledRules, Level, Projects, Rules, RulesChange, RulesOutput, RulesVersion, SUPPORTED_TOOLS,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::wire::{answer, list, time};

answer! {
    /// The rules of a project.
    RulesAnswer as sync::Rules, from |rules: Rules| {
        etag: String = rules.etag(),
        id: String = rules.id,
        project_id: String = rules.project_id,
        /// The version that was compiled last; 1 before any was.
        version: i64 = rules.version,
        static_rules: String = rules.static_rules,
        include_knowledge: bool = rules.include_knowledge,
        knowledge_types: Vec<String> = rules.knowledge_types.0,
        knowledge_max_tokens: i64 = rules.knowledge_max_tokens,
        include_context: bool = rules.include_context,
        context_sections: Vec<String> = rules.context_sections.0,
        context_max_tokens: i64 = rules.context_max_tokens,
        tool_overrides: Map<String, Value> = rules.tool_overrides.0.into_iter().collect(),
        enabled_tools: Vec<String> = rules.enabled_tools.0,
        supported_tools: Vec<&'static str> = SUPPORTED_TOOLS.iter().map(|(tool, _)| *tool).collect(),
        created_at: String = time(rules.created_at),
        updated_at: String = time(rules.updated_at),
    }
}

answer! {
    /// The file of one tool.
    OutputAnswer as sync::RulesOutput, from |output: RulesOutput| {
        tool: String = output.tool,
        filename: String = output.filename,
        content: String = output.content,
        /// SHA-256 of the content without its marker.
        hash: String = output.hash,
        token_count: i64 = output.token_count,
    }
}

answer! {
    /// Compiled rules.
    CompiledRulesAnswer as sync::CompiledRules, from |compiled: CompiledRules| {
        version: i64 = compiled.version,
        created_new_version: bool = compiled.created_new_version,
        aggregate_hash: String = compiled.aggregate_hash,
        outputs: Vec<OutputAnswer> = list(compiled.outputs),
    }
}

answer! {
    /// A version of the rules in a list.
    VersionSummary as sync::RulesVersionSummary, from |version: RulesVersion| {
        id: String = version.id,
        version: i64 = version.version,
        compiled_at: String = time(version.compiled_at),
        compiled_by: String = version.compiled_by,
        content_hash: String = version.content_hash,
        tools: Vec<String> = version.compiled_outputs.0.into_iter().map(|output| output.tool).collect(),
    }
}

answer! {
    /// A version of the rules.
    VersionAnswer as sync::RulesVersion, from |version: RulesVersion| {
        id: String = version.id,
        version: i64 = version.version,
        static_rules: String = version.static_rules,
        /// By tool.
        compiled_outputs: BTreeMap<String, OutputAnswer> = version.compiled_outputs.0.into_iter().map(|output| (output.tool.clone(), output.into())).collect(),
        compiled_at: String = time(version.compiled_at),
        compiled_by: String = version.compiled_by,
        content_hash: String = version.content_hash,
    }
}

fn with_etag(rules: Rules) -> HttpResponse {
    let etag = rules.etag();
    HttpResponse::Ok()
        .insert_header((ETAG, etag))
        .json(RulesAnswer::from(rules))
}

/// Read a project's rules
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/rules", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "The rules, with their `ETag`.", body = RulesAnswer),
              (status = 404, description = "There is no such project.")))]
async fn get_rules(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<HttpResponse, Fault> {
    Ok(with_etag(projects.rules(&principal.actor, &project_id).await?))
}

/// What to change of the rules; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::RulesChange, example = json!({"static_rules": "Write tests first.", "enabled_tools": ["claude-code"]}))]
pub(crate) struct RulesChangeBody {
    /// Markdown, at most 1 MiB.
    static_rules: Option<String>,
    include_knowledge: Option<bool>,
    knowledge_types: Option<Vec<String>>,
    knowledge_max_tokens: Option<i64>,
    include_context: Option<bool>,
    context_sections: Option<Vec<String>>,
    context_max_tokens: Option<i64>,
    #[schema(value_type = Option<Object>)]
    tool_overrides: Option<BTreeMap<String, Value>>,
    enabled_tools: Option<Vec<String>>,
}

/// Change a project's rules
///
/// Only if they are still those of the etag in `If-Match`; `*` stands for any.
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/rules", tag = "sync", request_body = RulesChangeBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("If-Match" = String, Header, description = "The etag of the rules that the change is made to.", example = "*")),
    responses((status = 200, description = "The rules, with their `ETag`.", body = RulesAnswer),
              (status = 404, description = "There is no such project."),
              (status = 409, description = "`etag_mismatch`: they were changed since."),
              (status = 422, description = "A field is refused; `max_tokens_exceeded`."),
              (status = 428, description = "There is no `If-Match`.")))]
async fn update_rules(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    request: HttpRequest,
    body: JsonBody<RulesChangeBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let change = RulesChange {
        static_rules: body.static_rules,
        include_knowledge: body.include_knowledge,
        knowledge_types: body.knowledge_types,
        knowledge_max_tokens: body.knowledge_max_tokens,
        include_context: body.include_context,
        context_sections: body.context_sections,
        context_max_tokens: body.context_max_tokens,
        tool_overrides: body.tool_overrides,
        enabled_tools: body.enabled_tools,
    };
    let if_match = request.headers().get(IF_MATCH);
    let Some(if_match) = if_match.and_then(|value| value.to_str().ok()) else {
        // Who may not change them is told that first.
        projects.open(&principal.actor, &project_id, Level::Edit).await?;
        return Err(
            Fault::invalid("If-Match header required: the etag that reading the rules gave")
                .with_status(StatusCode::PRECONDITION_REQUIRED),
        );
    };
    let rules = projects
        .change_rules(&principal.actor, &project_id, Some(if_match), change)
        .await?;
    Ok(with_etag(rules))
}

/// The tools to compile for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::CompileRules, example = json!({}))]
pub(crate) struct CompileRulesBody {
    /// Left out, the enabled ones.
    tools: Option<Vec<String>>,
}

/// Compile a project's rules
///
/// One file for each tool. What is different from the last version is a new one; what is compiled for `tools` is
/// for the caller alone.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/rules/compile", tag = "sync", request_body = CompileRulesBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "The files.", body = CompiledRulesAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "There is no such tool.")))]
async fn compile_rules(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<CompileRulesBody>,
) -> Result<Json<CompiledRulesAnswer>, Fault> {
    let compiled = projects
        .compile_rules(&principal.actor, &project_id, body.0.tools)
        .await?;
    Ok(Json(compiled.into()))
}

/// List the versions of a project's rules
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/rules/versions", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "The latest 200, newest first.", body = Vec<VersionSummary>),
              (status = 404, description = "There is no such project.")))]
async fn list_rules_versions(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Vec<VersionSummary>>, Fault> {
    let versions = projects.rules_versions(&principal.actor, &project_id).await?;
    Ok(Json(list(versions)))
}

/// Read a version of a project's rules
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/rules/versions/{version}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("version" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The version.", body = VersionAnswer),
              (status = 404, description = "There is no such project or version.")))]
async fn get_rules_version(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<VersionAnswer>, Fault> {
    let (project, version) = path.into_inner();
    let version = version
        .parse()
        .map_err(|_| Fault::unprocessable(&["path", "version"], "must be a whole number", "int_parsing"))?;
    let version = projects
        .rules_version(&principal.actor, &project, version)
        .await?;
    Ok(Json(version.into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_rules, Access::User),
        endpoint!(update_rules, Access::User).body_limit("rules_bytes", 4 << 20),
        endpoint!(compile_rules, Access::User),
        endpoint!(list_rules_versions, Access::User),
        endpoint!(get_rules_version, Access::User),
    ]
}
