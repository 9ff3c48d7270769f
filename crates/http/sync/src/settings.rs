//! The judge that a user saved.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_session_sync::{Error, JudgeSettings, NewJudge, SessionSync};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::faults::fault;

/// The judge that a user saved. The key is never part of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::JudgeSettings)]
struct JudgeAnswer {
    /// Whose language model it is; empty when none is saved.
    provider: String,
    /// The model.
    model: String,
    /// Whether a key is saved.
    key_set: bool,
    /// The address, when it is not the provider's own; else empty.
    base_url: String,
    /// What is worth knowing about the settings.
    warnings: Vec<String>,
}

impl From<JudgeSettings> for JudgeAnswer {
    fn from(judge: JudgeSettings) -> Self {
        Self {
            provider: judge.provider,
            model: judge.model,
            key_set: judge.key_set,
            base_url: judge.base_url.unwrap_or_default(),
            warnings: Vec::new(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = sync::SetJudge, example = json!({"provider": "openai", "model": "gpt-5", "api_key": "sk-…"}))]
struct SetJudge {
    /// Whose language model it is: `anthropic`, `openai`, `gemini` or `grok`. At an address of one's own the OpenAI
    /// form is spoken, whoever is named, but for `azure`.
    provider: String,
    /// The model.
    model: String,
    /// Its key; left out, the saved one stays, if provider and address do.
    api_key: Option<String>,
    /// Its address, when it is not the provider's own.
    base_url: Option<String>,
}

/// Get judge settings
#[utoipa::path(get, path = "/api/v1/settings/judge", tag = "settings",
    responses((status = 200, description = "The settings.", body = JudgeAnswer)))]
async fn get_judge(sync: Data<SessionSync>, principal: Principal) -> Result<Json<JudgeAnswer>, Fault> {
    let judge = sync.judge(&principal.actor).await.map_err(fault)?;
    Ok(Json(judge.into()))
}

/// Save judge settings
///
/// The key is encrypted and never shown again.
#[utoipa::path(put, path = "/api/v1/settings/judge", tag = "settings", request_body = SetJudge,
    responses((status = 200, description = "The settings.", body = JudgeAnswer),
              (status = 400, description = "The address is not allowed."),
              (status = 422, description = "A value is out of its bounds.")))]
async fn put_judge(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<SetJudge>,
) -> Result<Json<JudgeAnswer>, Fault> {
    let new = NewJudge {
        provider: body.provider,
        model: body.model,
        api_key: body.api_key.map(SecretString::from),
        base_url: body.base_url,
    };
    let judge = sync.set_judge(&principal, new).await.map_err(fault)?;
    Ok(Json(judge.into()))
}

/// Clear judge settings
#[utoipa::path(delete, path = "/api/v1/settings/judge", tag = "settings",
    responses((status = 200, description = "`deleted` is true.", body = Value)))]
async fn delete_judge(sync: Data<SessionSync>, principal: Principal) -> Result<Json<Value>, Fault> {
    sync.delete_judge(&principal.actor).await.map_err(fault)?;
    Ok(Json(json!({"deleted": true})))
}

/// A model that a provider has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::JudgeModel)]
struct ModelAnswer {
    /// Its name.
    id: String,
    /// Whose it is.
    owned_by: String,
}

/// The models of a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::JudgeModels)]
struct ModelsAnswer {
    /// The models; empty when there is an error.
    models: Vec<ModelAnswer>,
    /// Where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    base_url: Option<String>,
    /// Why there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    error: Option<String>,
}

/// Discover models from custom endpoint
#[utoipa::path(get, path = "/api/v1/settings/judge/models", tag = "settings",
    params(("base_url" = String, Query, description = "The address of the provider.")),
    responses((status = 200, description = "The models, or why there is no list.", body = ModelsAnswer),
              (status = 400, description = "The address is not allowed, or a key was sent in the query.")))]
async fn judge_models(
    sync: Data<SessionSync>,
    principal: Principal,
    query: Query,
) -> Result<Json<ModelsAnswer>, Fault> {
    if query.text("api_key").is_some() {
        return Err(Fault::invalid(
            "a key must not be sent in the query: save it with the settings",
        ));
    }
    let saved = sync.judge(&principal.actor).await.map_err(fault)?.base_url;
    let base_url = query
        .text("base_url")
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .or(saved)
        .ok_or_else(|| Fault::invalid("base_url is required"))?;
    match sync.judge_models(&principal.actor, &base_url).await {
        Ok(models) => Ok(Json(ModelsAnswer {
            models: models
                .into_iter()
                .map(|(id, owned_by)| ModelAnswer { id, owned_by })
                .collect(),
            base_url: Some(base_url),
            error: None,
        })),
        Err(error @ (Error::Judge(_) | Error::JudgeTimeout)) => Ok(Json(ModelsAnswer {
            models: Vec::new(),
            base_url: None,
            error: Some(error.to_string()),
        })),
        Err(error) => Err(fault(error)),
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(get_judge, Access::User),
        endpoint!(put_judge, Access::User),
        endpoint!(delete_judge, Access::User),
        endpoint!(judge_models, Access::User),
    ]
}
