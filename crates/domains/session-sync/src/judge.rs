//! The language model that judges sessions: whose it is, and how it is asked.

use std::time::Duration;

use futures_util::StreamExt as _;
use pentad_identity::{Caller, Feature};
use pentad_kernel::Actor;
use pentad_store::{affected, with_reader, with_writer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::guarded_url::GuardedUrl;
use crate::{Error, Result, SessionSync, require_feature};

/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 2 << 20;
/// How long a list of models may take.
const MODELS_TIMEOUT: Duration = Duration::from_secs(15);

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

/// A client that knows no address but the ones that were looked at, and follows nowhere else.
fn client(to: &GuardedUrl, timeout: Duration) -> Result<reqwest::Client> {
    pentad_blob::install_crypto_provider();
    reqwest::Client::builder()
        .resolve_to_addrs(&to.host, &to.addresses)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .build()
        .map_err(|error| Error::Internal(Box::new(error)))
}

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
            self.settings.judge_urls.check(url).await?;
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

    /// Whom to ask for the actor: what the request says, and for the rest what is saved. The saved key is
    /// used only with the provider and address it was saved for.
    pub(crate) async fn resolve_judge(&self, actor: &Actor, wanted: NewJudge) -> Result<Judge> {
        let user = actor.user.as_str();
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
        let judge = Judge {
            provider: provider
                .or_else(|| saved.as_ref().map(|saved| saved.provider.clone()))
                .unwrap_or_else(|| "openai".to_owned()),
            model: non_empty(wanted.model)
                .or_else(|| saved.as_ref().map(|saved| saved.model.clone()))
                .unwrap_or_default(),
            base_url: base_url.or_else(|| saved.and_then(|saved| saved.base_url)),
            key,
        };
        if judge.key.is_none() && judge.base_url.is_none() {
            return Err(Error::NoJudge);
        }
        if judge.model.is_empty() {
            return Err(Error::Invalid("model is required".to_owned()));
        }
        Ok(judge)
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
        let to = self.settings.judge_urls.check(base_url).await?;
        let key = match self.judge_row(actor.user.as_str()).await? {
            Some(row) if row.base_url == wanted.base_url => match &row.sealed_key {
                Some(sealed) => Some(self.seal.open(&purpose(actor.user.as_str()), sealed)?),
                None => None,
            },
            _ => None,
        };
        let client = client(&to, MODELS_TIMEOUT)?;
        let base = base_url.trim_end_matches('/');
        let root = base.strip_suffix("/v1").unwrap_or(base);
        let mut last = Error::Judge("no list of models".to_owned());
        for address in [format!("{root}/v1/models"), format!("{base}/models")] {
            let mut request = client.get(&address);
            if let Some(key) = &key {
                request = request.bearer_auth(key.expose_secret());
            }
            match answer(request).await {
                Ok(list) => return Ok(models(&list)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks a judge; its answer as text.
    pub(crate) async fn ask(&self, judge: &Judge, system: &str, prompt: &str) -> Result<String> {
        let anthropic = judge.provider.eq_ignore_ascii_case("anthropic");
        let default = if anthropic {
            "https://api.anthropic.com/v1"
        } else {
            "https://api.openai.com/v1"
        };
        let base = judge.base_url.as_deref().unwrap_or(default).trim_end_matches('/');
        let to = self.settings.judge_urls.check(base).await?;
        let client = client(&to, self.settings.judge_timeout)?;
        let key = judge.key.as_ref().map_or("", |key| key.expose_secret());
        let request = if anthropic {
            client
                .post(format!("{base}/messages"))
                .header("x-api-key", key)
                .header("anthropic-version", "2023-06-01")
                .json(
                    &json!({"model": judge.model, "max_tokens": 8192, "temperature": 0, "system": system,
                    "messages": [{"role": "user", "content": prompt}]}),
                )
        } else {
            let request = client
                .post(format!("{base}/chat/completions"))
                .json(&json!({"model": judge.model, "temperature": 0, "messages": [
                    {"role": "system", "content": system}, {"role": "user", "content": prompt}]}));
            if key.is_empty() {
                request
            } else {
                request.bearer_auth(key)
            }
        };
        let body = answer(request).await?;
        let text = if anthropic {
            body.pointer("/content/0/text")
        } else {
            body.pointer("/choices/0/message/content")
        };
        text.and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Error::Judge("the answer holds no text".to_owned()))
    }
}

fn models(list: &Value) -> Vec<(String, String)> {
    let items = list
        .get("data")
        .or_else(|| list.get("models"))
        .and_then(Value::as_array);
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    items
        .into_iter()
        .flatten()
        .filter_map(|item| {
            let id = text(item, "id").or_else(|| text(item, "name"))?;
            Some((id, text(item, "owned_by").unwrap_or_default()))
        })
        .take(1_000)
        .collect()
}

/// The JSON that a request is answered with. What the other side says of itself is not repeated: it is not
/// ours to show, and could be somebody else's page.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
    let failed = |error: &reqwest::Error| {
        if error.is_timeout() {
            Error::JudgeTimeout
        } else if error.is_connect() {
            Error::Judge("the address cannot be reached".to_owned())
        } else {
            Error::Judge("the connection failed".to_owned())
        }
    };
    let response = request.send().await.map_err(|error| failed(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Error::Judge(format!("the address answered {status}")));
    }
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| failed(&error))?;
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::Judge(format!(
                "the answer is larger than {MAX_ANSWER_BYTES} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|_| Error::Judge("the answer is not JSON".to_owned()))
}
