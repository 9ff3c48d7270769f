//! The language model that judges sessions and tells what happened in them: whose it is, and how it is asked.

use std::time::Duration;

use pentad_identity::{Caller, Feature};
use pentad_kernel::{Actor, UserId};
use pentad_language_model::{Connection, LanguageModel, Provider, ProviderError, Shape};
use pentad_store::{affected, with_reader, with_writer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Result, SessionSync, require_feature};

/// How long a list of models may take.
const MODELS_TIMEOUT: Duration = Duration::from_secs(15);
/// Who judges when nobody is named.
const DEFAULT_MODEL: &str = "claude-sonnet-4-5";

/// The judge that a user saved. The key is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgeSettings {
    /// Whose language model it is; empty when none is saved.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether a key is saved.
    pub key_set: bool,
    /// The address, when it is not the provider's own.
    pub base_url: Option<String>,
}

/// A judge to be saved.
#[derive(Debug, Default)]
pub struct NewJudge {
    /// Whose language model it is.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Its key; `None` keeps the saved one, if provider and address stay.
    pub api_key: Option<SecretString>,
    /// The address, when it is not the provider's own.
    pub base_url: Option<String>,
}

/// Whom to ask, and with which key.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) base_url: Option<String>,
    pub(crate) key: Option<SecretString>,
}

#[derive(sqlx::FromRow)]
struct JudgeRow {
    provider: String,
    model: String,
    base_url: Option<String>,
    sealed_key: Option<Vec<u8>>,
}

const GET: &str = "SELECT provider, model, base_url, sealed_key FROM sync_judges WHERE user_id = $1";
const PUT: &str = "
    INSERT INTO sync_judges (user_id, provider, model, base_url, sealed_key) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id) DO UPDATE SET provider = excluded.provider, model = excluded.model,
        base_url = excluded.base_url, sealed_key = excluded.sealed_key";
const DELETE: &str = "DELETE FROM sync_judges WHERE user_id = $1";

fn purpose(user: &str) -> String {
    format!("judge/{user}")
}

impl SessionSync {
    async fn judge_row(&self, user: &str) -> Result<Option<JudgeRow>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(GET)
            .bind(user)
            .fetch_optional(conn)
            .await)?)
    }

    /// The judge that the actor saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn judge(&self, actor: &Actor) -> Result<JudgeSettings> {
        let row = self.judge_row(actor.user.as_str()).await?;
        Ok(row.map_or_else(JudgeSettings::default, |row| JudgeSettings {
            provider: row.provider,
            model: row.model,
            key_set: row.sealed_key.is_some(),
            base_url: row.base_url,
        }))
    }

    /// Saves a judge. Its key is encrypted and never shown again.
    ///
    /// # Errors
    /// [`Error::UrlNotAllowed`], [`Error::UpgradeRequired`] for an address of one's own, [`Error::Field`].
    pub async fn set_judge(&self, caller: &Caller, new: NewJudge) -> Result<JudgeSettings> {
        for (field, text) in [("provider", &new.provider), ("model", &new.model)] {
            if text.trim().is_empty() || text.chars().count() > 100 {
                return Err(Error::Field {
                    field: if field == "model" { "model" } else { "provider" },
                    message: format!("{field} must have 1 to 100 characters"),
                });
            }
        }
        let base_url = new.base_url.filter(|url| !url.trim().is_empty());
        if let Some(url) = &base_url {
            require_feature(caller, Feature::CustomBaseUrl)?;
            self.settings.judge_urls.check_and_look_up(url).await?;
        }
        let user = caller.actor.user.as_str();
        let key = new.api_key.filter(|key| !key.expose_secret().is_empty());
        let sealed_key = match key {
            Some(key) => Some(self.seal.seal(&purpose(user), key.expose_secret())?),
            // A key goes nowhere but where it was saved for.
            None => self
                .judge_row(user)
                .await?
                .filter(|row| row.provider == new.provider && row.base_url == base_url)
                .and_then(|row| row.sealed_key),
        };
        let key_set = sealed_key.is_some();
        with_writer!(self.db, |conn| sqlx::query(PUT)
            .bind(user)
            .bind(&new.provider)
            .bind(&new.model)
            .bind(&base_url)
            .bind(sealed_key)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(JudgeSettings {
            provider: new.provider,
            model: new.model,
            key_set,
            base_url,
        })
    }

    /// Forgets the judge that the actor saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_judge(&self, actor: &Actor) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(DELETE)
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Whom to ask for a user: what the request says, and for the rest what is saved. The saved key is
    /// used only with the provider and address it was saved for.
    pub(crate) async fn resolve_judge(&self, user: &UserId, wanted: NewJudge) -> Result<Judge> {
        let user = user.as_str();
        let saved = self.judge_row(user).await?;
        let base_url = wanted.base_url.filter(|url| !url.trim().is_empty());
        let given = wanted.api_key.filter(|key| !key.expose_secret().is_empty());
        let non_empty = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        let provider = non_empty(wanted.provider);
        let fits = saved.as_ref().is_some_and(|saved| {
            provider
                .as_ref()
                .is_none_or(|provider| *provider == saved.provider)
                && base_url
                    .as_ref()
                    .is_none_or(|url| Some(url) == saved.base_url.as_ref())
        });
        let saved = saved.filter(|_| fits);
        let key = match (given, &saved) {
            (Some(key), _) => Some(key),
            (None, Some(saved)) => match &saved.sealed_key {
                Some(sealed) => Some(self.seal.open(&purpose(user), sealed)?),
                None => None,
            },
            (None, None) => None,
        };
        let model = non_empty(wanted.model).or_else(|| saved.as_ref().map(|saved| saved.model.clone()));
        let provider = provider.or_else(|| saved.as_ref().map(|saved| saved.provider.clone()));
        let base_url = base_url.or_else(|| saved.and_then(|saved| saved.base_url));
        if key.is_none() && base_url.is_none() {
            return Err(Error::NoJudge);
        }
        let model = match (model, provider.as_deref()) {
            (Some(model), _) => model,
            // Others have no model of this name, but what a gateway has is not known.
            (None, Some(provider)) if provider != Provider::Anthropic.name() && base_url.is_none() => {
                return Err(Error::Invalid(format!(
                    "model is required for the provider {provider}"
                )));
            }
            (None, _) => DEFAULT_MODEL.to_owned(),
        };
        Ok(Judge {
            provider: provider.unwrap_or_else(|| Provider::of_model(&model).name().to_owned()),
            model,
            base_url,
            key,
        })
    }

    /// The models that a provider at this address has.
    ///
    /// # Errors
    /// [`Error::UrlNotAllowed`]; [`Error::Judge`] when the address gives no list.
    pub async fn judge_models(&self, actor: &Actor, base_url: &str) -> Result<Vec<(String, String)>> {
        let wanted = NewJudge {
            base_url: Some(base_url.to_owned()),
            ..NewJudge::default()
        };
        self.settings.judge_urls.check_and_look_up(base_url).await?;
        let key = match self.judge_row(actor.user.as_str()).await? {
            Some(row) if row.base_url == wanted.base_url => match &row.sealed_key {
                Some(sealed) => Some(self.seal.open(&purpose(actor.user.as_str()), sealed)?),
                None => None,
            },
            _ => None,
        };
        let judge = Judge {
            provider: Provider::OpenAi.name().to_owned(),
            model: String::new(),
            base_url: wanted.base_url,
            key,
        };
        let model = self.model_of(&judge, MODELS_TIMEOUT)?;
        Ok(model.models().await?)
    }

    /// Asks a judge; its answer as text.
    pub(crate) async fn ask_text(&self, judge: &Judge, system: &str, prompt: &str) -> Result<String> {
        let model = self.model_of(judge, self.settings.judge_timeout)?;
        Ok(model.ask_text(system, prompt).await?)
    }

    /// Asks a judge for an answer of a shape.
    pub(crate) async fn ask(
        &self,
        judge: &Judge,
        system: &str,
        prompt: &str,
        shape: &Shape,
    ) -> Result<serde_json::Value> {
        let model = self.model_of(judge, self.settings.judge_timeout)?;
        Ok(model.ask(system, prompt, shape).await?)
    }

    fn model_of(&self, judge: &Judge, timeout: Duration) -> Result<LanguageModel> {
        let named = match judge.provider.to_ascii_lowercase().as_str() {
            "google" => Some(Provider::Gemini),
            "xai" => Some(Provider::Grok),
            name => Provider::parse(name),
        };
        let provider = match (named, &judge.base_url) {
            (Some(Provider::Azure), _) => Provider::Azure,
            // Whoever has an address of their own speaks the words that everybody speaks, whatever the model is.
            (_, Some(_)) => Provider::OpenAi,
            (Some(provider), None) => provider,
            (None, None) => {
                return Err(Error::Invalid(format!(
                    "base_url is required for the provider {}",
                    judge.provider
                )));
            }
        };
        let key = judge.key.clone().unwrap_or_default();
        Ok(LanguageModel::connect(Connection {
            base_url: judge.base_url.clone(),
            timeout,
            urls: self.settings.judge_urls,
            ..Connection::of(provider, &judge.model, key)
        })?)
    }
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        if error.is_timeout() {
            Self::JudgeTimeout
        } else {
            Self::Judge(error.message().to_owned())
        }
    }
}
