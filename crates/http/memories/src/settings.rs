//! What a key prefers.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_memories::{Memories, Settings, SettingsChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::faults::fault;
use crate::{READ, WRITE};

/// The preferences of a key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = memories::Settings)]
pub(crate) struct SettingsAnswer {
    /// `updated` after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    status: Option<&'static str>,
    /// Whether a write that does not say so looks for memories that it supersedes.
    auto_supersede_default: bool,
    /// Categories and topics of memories that are never superseded without being asked.
    excluded_categories: Vec<String>,
    /// How sure a verdict must be.
    min_confidence: f64,
    /// The model that classifies, when the server has a language model; `aurra-rules/1` for the embedded rules.
    classifier_model: String,
    /// After how many days a memory is half as fresh.
    freshness_half_life_days: f64,
}

impl SettingsAnswer {
    fn of(settings: Settings, status: Option<&'static str>) -> Self {
        Self {
            status,
            auto_supersede_default: settings.auto_supersede_default,
            excluded_categories: settings.excluded_categories,
            min_confidence: settings.min_confidence,
            classifier_model: settings.classifier_model,
            freshness_half_life_days: settings.freshness_half_life_days,
        }
    }
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = memories::SettingsChange, example = json!({"auto_supersede_default": true, "min_confidence": 0.9}))]
pub(crate) struct SettingsBody {
    /// Whether a write that does not say so looks for memories that it supersedes.
    auto_supersede_default: Option<bool>,
    /// Replaces the whole list.
    excluded_categories: Option<Vec<String>>,
    /// 0.85 to 1.
    min_confidence: Option<f64>,
    /// The id of an Anthropic model, or `aurra-rules/1`.
    classifier_model: Option<String>,
    /// 1 to 3650.
    freshness_half_life_days: Option<f64>,
}

/// Show the settings of the key
#[utoipa::path(get, path = "/agent/settings", tag = "memories",
    responses((status = 200, description = "The settings.", body = SettingsAnswer)))]
async fn read_settings(
    memories: Data<Memories>,
    principal: Principal,
) -> Result<Json<SettingsAnswer>, Fault> {
    let settings = memories.settings(&principal.actor).await.map_err(fault)?;
    Ok(Json(SettingsAnswer::of(settings, None)))
}

/// Change settings of the key
///
/// All that are given, or none when one of them is refused.
#[utoipa::path(patch, path = "/agent/settings", tag = "memories",
    request_body = SettingsBody,
    responses((status = 200, description = "The new settings.", body = SettingsAnswer),
              (status = 400, description = "Nothing is given, or a value is out of its range."),
              (status = 422, description = "A value has the wrong type.")))]
async fn change_settings(
    memories: Data<Memories>,
    principal: Principal,
    body: JsonBody<SettingsBody>,
) -> Result<Json<SettingsAnswer>, Fault> {
    let SettingsBody {
        auto_supersede_default,
        excluded_categories,
        min_confidence,
        classifier_model,
        freshness_half_life_days,
    } = body.0;
    let change = SettingsChange {
        auto_supersede_default,
        excluded_categories,
        min_confidence,
        classifier_model,
        freshness_half_life_days,
    };
    let settings = memories
        .change_settings(&principal.actor, change)
        .await
        .map_err(fault)?;
    Ok(Json(SettingsAnswer::of(settings, Some("updated"))))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(read_settings, Access::Key(READ)),
        endpoint!(change_settings, Access::Key(WRITE)),
    ]
}
