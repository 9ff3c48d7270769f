//! What a key prefers.

use std::fmt;

use pentad_kernel::Actor;
use pentad_store::{affected, with_reader, with_tx};
use serde::{Deserialize, Serialize};

use crate::{Error, Memories, RULES_ENGINE, Result};

/// The preferences of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Whether a write that does not say so looks for memories that it supersedes.
    pub auto_supersede_default: bool,
    /// Categories of memories that are never superseded without being asked.
    pub excluded_categories: Vec<String>,
    /// How sure a verdict must be, 0.85 to 1.
    pub min_confidence: f64,
    /// The model that classifies, when the server has a language model.
    pub classifier_model: String,
    /// After how many days a memory is half as fresh, 1 to 3650.
    pub freshness_half_life_days: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_supersede_default: false,
            excluded_categories: vec!["health_medical".to_owned(), "legal_status".to_owned()],
            min_confidence: 0.85,
            classifier_model: "claude-haiku-4-5-20251001".to_owned(),
            freshness_half_life_days: 30.0,
        }
    }
}

/// A change of preferences; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SettingsChange {
    /// See [`Settings::auto_supersede_default`].
    pub auto_supersede_default: Option<bool>,
    /// See [`Settings::excluded_categories`]; replaces the whole list.
    pub excluded_categories: Option<Vec<String>>,
    /// See [`Settings::min_confidence`].
    pub min_confidence: Option<f64>,
    /// See [`Settings::classifier_model`].
    pub classifier_model: Option<String>,
    /// See [`Settings::freshness_half_life_days`].
    pub freshness_half_life_days: Option<f64>,
}

const MIN_CONFIDENCE: std::ops::RangeInclusive<f64> = 0.85..=1.0;
const HALF_LIFE_DAYS: std::ops::RangeInclusive<f64> = 1.0..=3_650.0;
const EXCLUDED_CATEGORIES: usize = 50;

fn within(field: &'static str, value: f64, range: &std::ops::RangeInclusive<f64>) -> Result<f64> {
    if range.contains(&value) {
        return Ok(value);
    }
    let number = |value: f64| {
        if value.fract() == 0.0 {
            format!("{value:.1}")
        } else {
            value.to_string()
        }
    };
    let allowed = format!(
        "a number from {} to {}",
        number(*range.start()),
        number(*range.end())
    );
    Err(Error::OutOfRange { field, allowed })
}

impl SettingsChange {
    /// The preferences with the change, or an error and no change at all.
    fn apply(self, mut settings: Settings) -> Result<Settings> {
        if self == Self::default() {
            return Err(Error::NoSettings);
        }
        if let Some(value) = self.auto_supersede_default {
            settings.auto_supersede_default = value;
        }
        if let Some(categories) = self.excluded_categories {
            if categories.len() > EXCLUDED_CATEGORIES {
                let field = "excluded_categories";
                return Err(Error::TooLong {
                    field,
                    limit: EXCLUDED_CATEGORIES,
                    unit: "categories",
                });
            }
            for category in &categories {
                crate::limits::label("excluded_categories", category, 64)?;
            }
            settings.excluded_categories = categories;
        }
        if let Some(value) = self.min_confidence {
            settings.min_confidence = within("min_confidence", value, &MIN_CONFIDENCE)?;
        }
        if let Some(model) = self.classifier_model {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            let anthropic = model.strip_prefix("claude-").is_some_and(|rest| !rest.is_empty());
            if model != RULES_ENGINE && !(anthropic && model.len() <= 128 && model.chars().all(plain)) {
                return Err(Error::OutOfRange {
                    field: "classifier_model",
                    allowed: format!(
                        "the id of an Anthropic model, such as claude-haiku-4-5-20251001, or {RULES_ENGINE}"
                    ),
                });
            }
            settings.classifier_model = model;
        }
        if let Some(value) = self.freshness_half_life_days {
            settings.freshness_half_life_days = within("freshness_half_life_days", value, &HALF_LIFE_DAYS)?;
        }
        Ok(settings)
    }
}

/// Whose preferences: those of a key, or of a user who came without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner(String);

impl Owner {
    fn of(actor: &Actor) -> Self {
        Self(
            actor
                .key
                .as_ref()
                .map_or_else(|| actor.user.to_string(), ToString::to_string),
        )
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const READ: &str = "SELECT settings FROM memory_settings WHERE owner = $1";
const WRITE: &str = "
    INSERT INTO memory_settings (owner, organisation_id, settings) VALUES ($1, $2, $3)
    ON CONFLICT (owner) DO UPDATE SET settings = excluded.settings";

impl Memories {
    /// The preferences of the actor's key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settings(&self, actor: &Actor) -> Result<Settings> {
        let owner = Owner::of(actor);
        // Beside other gateways nobody knows whether what is remembered still counts.
        if let Some(settings) = self.settings.get(&owner).filter(|_| !self.db.is_shared()) {
            return Ok(settings);
        }
        let stored: Option<String> = with_reader!(self.db, |conn| sqlx::query_scalar(READ)
            .bind(owner.to_string())
            .fetch_optional(conn)
            .await)?;
        let settings = read(stored)?;
        self.settings.insert(owner, settings.clone());
        Ok(settings)
    }

    /// Changes preferences of the actor's key: all that are given, or none when one of them is refused.
    ///
    /// # Errors
    /// [`Error::NoSettings`], [`Error::OutOfRange`], [`Error::TooLong`].
    pub async fn change_settings(&self, actor: &Actor, change: SettingsChange) -> Result<Settings> {
        let owner = Owner::of(actor);
        let mut tx = self.db.begin().await?;
        // On PostgreSQL two changes at once could each write back what the other replaced; the row is taken first.
        let unchanged =
            serde_json::to_string(&Settings::default()).map_err(|_| Error::Corrupt("settings"))?;
        let stored: Option<String> = with_tx!(tx, |conn| sqlx::query_scalar(TAKE)
            .bind(owner.to_string())
            .bind(actor.organisation.as_str())
            .bind(&unchanged)
            .fetch_optional(conn)
            .await)?;
        let settings = change.apply(read(stored)?)?;
        let text = serde_json::to_string(&settings).map_err(|_| Error::Corrupt("settings"))?;
        with_tx!(tx, |conn| sqlx::query(WRITE)
            .bind(owner.to_string())
            .bind(actor.organisation.as_str())
            .bind(text)
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        self.settings.insert(owner, settings.clone());
        Ok(settings)
    }
}

const TAKE: &str = "
    INSERT INTO memory_settings (owner, organisation_id, settings) VALUES ($1, $2, $3)
    ON CONFLICT (owner) DO UPDATE SET organisation_id = excluded.organisation_id
    RETURNING settings";

fn read(stored: Option<String>) -> Result<Settings> {
    stored.map_or_else(
        || Ok(Settings::default()),
        |text| serde_json::from_str(&text).map_err(|_| Error::Corrupt("settings")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: SettingsChange) -> Result<Settings> {
        change.apply(Settings::default())
    }

    #[test]
    fn a_change_is_all_or_nothing_and_never_empty() {
        assert!(matches!(
            change(SettingsChange::default()),
            Err(Error::NoSettings)
        ));
        let half_bad = SettingsChange {
            auto_supersede_default: Some(true),
            min_confidence: Some(0.5),
            ..SettingsChange::default()
        };
        assert!(matches!(
            change(half_bad),
            Err(Error::OutOfRange {
                field: "min_confidence",
                ..
            })
        ));
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        for value in [0.85, 1.0] {
            let settings = change(SettingsChange {
                min_confidence: Some(value),
                ..Default::default()
            })
            .unwrap();
            assert!((settings.min_confidence - value).abs() < f64::EPSILON);
        }
        for value in [0.84, 1.01, f64::NAN] {
            assert!(
                change(SettingsChange {
                    min_confidence: Some(value),
                    ..Default::default()
                })
                .is_err()
            );
        }
        for (value, allowed) in [(1.0, true), (3_650.0, true), (0.5, false), (3_651.0, false)] {
            let outcome = change(SettingsChange {
                freshness_half_life_days: Some(value),
                ..Default::default()
            });
            assert_eq!(outcome.is_ok(), allowed, "{value}");
        }
    }

    #[test]
    fn the_classifier_is_an_anthropic_model_or_the_rules() {
        let model = |model: &str| {
            change(SettingsChange {
                classifier_model: Some(model.to_owned()),
                ..Default::default()
            })
        };
        assert!(model("claude-opus-5").is_ok());
        assert!(model(RULES_ENGINE).is_ok());
        assert!(model("gpt-4o").is_err());
        assert!(model("claude-").is_err());
        assert!(model("claude-../../x").is_err());
    }

    #[test]
    fn an_empty_list_of_excluded_categories_is_allowed() {
        let settings = change(SettingsChange {
            excluded_categories: Some(Vec::new()),
            ..Default::default()
        })
        .unwrap();
        assert!(settings.excluded_categories.is_empty());
    }
}
