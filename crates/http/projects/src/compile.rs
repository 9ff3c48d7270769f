//! Compiling knowledge into the context document.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_projects::{Compilation, Compiled, Health, ModelRequest, Projects};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::parameters::integer;
use crate::wire::{answer, list, optional_time, time};

answer! {
    /// A compilation.
    CompilationAnswer as sync::Compilation, from |compilation: Compilation| {
        /// 0 when there was nothing to do.
        id: i64 = compilation.id,
        project_id: String = compilation.project_id,
        user_id: String = compilation.user_id,
        /// Claims it took.
        entries_compiled: i64 = compilation.entries_compiled,
        context_words_before: usize = compilation.context_before.split_whitespace().count(),
        context_words_after: usize = compilation.context_after.split_whitespace().count(),
        context_before: String = compilation.context_before,
        context_after: String = compilation.context_after,
        compiled_at: String = time(compilation.compiled_at),
        section_pages_updated: i64 = compilation.section_pages_updated,
        concept_pages_updated: i64 = compilation.concept_pages_updated,
        /// The entries taken, and the bullets there was no room for.
        source_manifest: Value = compilation.source_manifest.0,
        /// `manual`, `scheduled`, `regenerate` or `rebuild`.
        trigger: String = compilation.cause,
    }
}

/// What compiling did.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::Compiled)]
pub(crate) struct CompiledAnswer {
    #[serde(flatten)]
    compilation: CompilationAnswer,
    /// Why there was nothing to do.
    noop_reason: Option<String>,
}

impl From<Compiled> for CompiledAnswer {
    fn from(compiled: Compiled) -> Self {
        Self {
            noop_reason: compiled.noop_reason,
            compilation: compiled.compilation.into(),
        }
    }
}

answer! {
    /// How a project's knowledge is doing.
    HealthAnswer as sync::KnowledgeHealth, from |pair: (String, Health)| {
        project_id: String = pair.0,
        total_entries: i64 = pair.1.total_entries,
        pending_entries: i64 = pair.1.pending_entries,
        uncompiled_notes: i64 = pair.1.uncompiled_notes,
        auto_promotable_evidence: i64 = pair.1.auto_promotable_evidence,
        compiled_entries: i64 = pair.1.compiled_entries,
        dismissed_entries: i64 = pair.1.dismissed_entries,
        total_compilations: i64 = pair.1.total_compilations,
        last_compilation_at: Option<String> = optional_time(pair.1.last_compilation_at),
        last_compiled: Option<String> = optional_time(pair.1.last_compilation_at),
        /// Words of the context document.
        word_count: i64 = pair.1.word_count,
        section_count: i64 = pair.1.section_count,
        /// Whether claims wait that the document does not have.
        potentially_stale: bool = pair.1.potentially_stale,
        recommendations: Vec<String> = pair.1.recommendations,
        stale_entry_count: i64 = pair.1.stale_entry_count,
        low_confidence_count: i64 = pair.1.low_confidence_count,
        decayed_count: i64 = pair.1.decayed_count,
    }
}

/// Options of a compilation. It is deterministic and needs no language model; one that is named puts claims
/// that say much the same into one bullet.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::CompileOptions, example = json!({}))]
pub(crate) struct CompileOptions {
    /// `anthropic`, `openai`, `gemini`, `grok` or `azure`.
    provider: Option<String>,
    /// The model; required with a key or an address.
    model: Option<String>,
    /// Its key; used for this request and kept nowhere.
    llm_api_key: Option<String>,
    /// Its address, when it is not the provider's own.
    base_url: Option<String>,
}

/// Compile knowledge
///
/// Takes the waiting claims into the context document and writes the section and concept pages of the
/// wiki. What people wrote stays; a bullet for which there is no room is listed in `source_manifest`, as are the
/// bullets that a language model phrased. When the model gives nothing that can be used, nothing is compiled.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/compile", tag = "sync", request_body = CompileOptions,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "What it did; `id` is 0 when there was nothing to do.", body = CompiledAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "The model is not named, or its address is not allowed."),
              (status = 503, description = "`llm_request_failed`"),
              (status = 504, description = "`llm_timeout`")))]
async fn compile_project(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    options: JsonBody<CompileOptions>,
) -> Result<Json<CompiledAnswer>, Fault> {
    let options = options.0;
    let model = projects.language_model(ModelRequest {
        provider: options.provider,
        model: options.model,
        api_key: options.llm_api_key.map(SecretString::from),
        base_url: options.base_url,
    })?;
    let compiled = match model {
        Some(model) => {
            projects
                .compile_with(&principal.actor, &project_id, &model)
                .await?
        }
        None => projects.compile(&principal.actor, &project_id).await?,
    };
    Ok(Json(compiled.into()))
}

/// Compile all knowledge anew
///
/// Starts from what people wrote of the context document.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/rebuild", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "What it did.", body = Object),
              (status = 404, description = "There is no such project.")))]
async fn rebuild_project(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let compiled = projects.rebuild(&principal.actor, &project_id).await?;
    let compilation = compiled.compilation;
    Ok(Json(json!({
        "project_id": compilation.project_id,
        "compilation_id": compilation.id,
        "freshness_updated": compiled.freshness_updated,
        "entries_compiled": compilation.entries_compiled,
        "context_words": compilation.context_after.split_whitespace().count(),
        "section_pages_updated": compilation.section_pages_updated,
        "concept_pages_updated": compilation.concept_pages_updated,
    })))
}

/// List compilations
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/compilations", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("limit" = Option<i64>, Query, description = "1 to 100. Default 20.")),
    responses((status = 200, description = "Newest first.", body = Vec<CompilationAnswer>),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "The limit is out of its bounds.")))]
async fn list_compilations(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    query: Query,
) -> Result<Json<Vec<CompilationAnswer>>, Fault> {
    let limit = integer(&query, "limit", &(1..=100))?.unwrap_or(20);
    let compilations = projects
        .compilations(&principal.actor, &project_id, limit)
        .await?;
    Ok(Json(list(compilations)))
}

/// Read the health of a project's knowledge
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/health", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "Counts and advice.", body = HealthAnswer),
              (status = 404, description = "There is no such project.")))]
async fn get_project_health(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<HealthAnswer>, Fault> {
    let project = project_id.into_inner();
    let health = projects.health(&principal.actor, &project).await?;
    Ok(Json((project, health).into()))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(compile_project, Access::User),
        endpoint!(rebuild_project, Access::User),
        endpoint!(list_compilations, Access::User),
        endpoint!(get_project_health, Access::User),
    ]
}
