//! Language models: what they are asked, how each provider is spoken to, and what may go wrong.
//!
//! Everything works without one. With one, it extracts facts, judges contradictions and phrases answers; what
//! it says is checked before it is believed, and a request that brings its own model never silently gets
//! another.

mod guard;
mod provider;
mod tasks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub use provider::Provider;
pub(crate) use tasks::{PROMPT_VERSION, Pair, PairVerdict};

use crate::{Error, Result};

/// A language model as a request brings it.
#[derive(Clone, Debug)]
pub struct LlmRequest {
    /// `anthropic`, `openai`, `gemini`, `grok` or `azure`.
    pub provider: String,
    /// The key, which is used for this request and kept nowhere.
    pub api_key: SecretString,
    /// The model's name at the provider.
    pub model: String,
    /// Where to ask instead of at the provider's own address.
    pub base_url: Option<String>,
    /// What to add to the request to the provider.
    pub extra: Map<String, Value>,
}

/// What to do when the server's own model fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnError {
    /// Let the embedded rules do the work, and say so.
    #[default]
    Fallback,
    /// Refuse the request as unavailable.
    Fail,
}

/// The server's own language model.
#[derive(Clone, Debug)]
pub struct ServerModel {
    /// Whose wire format it speaks.
    pub provider: Provider,
    /// Where it is; the provider's own address when `None`.
    pub base_url: Option<String>,
    /// Its name there.
    pub model: String,
    /// The key; an empty one is not sent.
    pub api_key: SecretString,
    /// How long one call may take.
    pub timeout: Duration,
    /// How many calls may be under way at once.
    pub max_concurrency: usize,
    /// What to do when it fails.
    pub on_error: OnError,
}

/// What requests may do with models of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByoPolicy {
    /// Whether `base_url` may name a private address, or one without encryption: for self-hosting.
    pub allow_private_base_url: bool,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Default for ByoPolicy {
    fn default() -> Self {
        Self {
            allow_private_base_url: false,
            timeout: Duration::from_secs(60),
        }
    }
}

/// What went wrong at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It refused the request or the key.
    Refused,
    /// It did not answer, or not with what it was asked for.
    Failed,
}

/// A failed call to a language model.
#[derive(Debug, thiserror::Error)]
#[error("{provider}: {message}")]
pub struct ProviderError {
    provider: &'static str,
    message: String,
    fault: Fault,
}

impl ProviderError {
    /// The provider's name, as in the request.
    pub const fn provider(&self) -> &'static str {
        self.provider
    }

    /// What the provider said, without secrets.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Classify for ProviderError {
    fn kind(&self) -> ErrorKind {
        match self.fault {
            Fault::Refused => ErrorKind::Invalid,
            Fault::Failed => ErrorKind::Unavailable,
        }
    }

    fn code(&self) -> Option<&'static str> {
        Some("llm_provider_error")
    }

    fn details(&self) -> Option<Value> {
        Some(serde_json::json!({"provider": self.provider, "message": self.message}))
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.fault == Fault::Failed).then_some(Duration::from_secs(5))
    }
}

/// A model that can be asked.
#[derive(Clone)]
pub(crate) struct LanguageModel {
    client: reqwest::Client,
    provider: Provider,
    base_url: String,
    model: String,
    api_key: SecretString,
    extra: Map<String, Value>,
    timeout: Duration,
    places: Option<Arc<Semaphore>>,
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageModel")
            .field("provider", &self.provider)
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl LanguageModel {
    /// The model that a request brings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an unknown provider, a missing key or model, or an address that is not allowed.
    pub(crate) fn of_request(request: &LlmRequest, policy: &ByoPolicy) -> Result<Self> {
        let provider = Provider::parse(&request.provider).ok_or_else(|| Error::OutOfRange {
            field: "llm.provider",
            allowed: "one of anthropic, openai, gemini, grok, azure".to_owned(),
        })?;
        if request.api_key.expose_secret().trim().is_empty() {
            return Err(Error::OutOfRange {
                field: "llm.api_key",
                allowed: "the provider's key".to_owned(),
            });
        }
        if request.model.trim().is_empty() {
            return Err(Error::OutOfRange {
                field: "llm.model",
                allowed: "the name of a model".to_owned(),
            });
        }
        let base_url = base_url(provider, request.base_url.as_deref())?;
        if !policy.allow_private_base_url {
            guard::check(&base_url)?;
        }
        Ok(Self {
            client: guard::client(!policy.allow_private_base_url),
            provider,
            base_url,
            model: request.model.clone(),
            api_key: request.api_key.clone(),
            extra: request.extra.clone(),
            timeout: policy.timeout,
            places: None,
        })
    }

    /// The server's own model.
    pub(crate) fn of_server(server: &ServerModel) -> Result<Self> {
        Ok(Self {
            client: guard::client(false),
            provider: server.provider,
            base_url: base_url(server.provider, server.base_url.as_deref())?,
            model: server.model.clone(),
            api_key: server.api_key.clone(),
            extra: Map::new(),
            timeout: server.timeout,
            places: Some(Arc::new(Semaphore::new(server.max_concurrency.max(1)))),
        })
    }

    /// The same access with another model, where the provider has it.
    pub(crate) fn with_model(&self, model: &str) -> Self {
        Self {
            model: model.to_owned(),
            ..self.clone()
        }
    }

    /// Whose model it is.
    pub(crate) const fn provider(&self) -> Provider {
        self.provider
    }

    /// The model's name, for audits.
    pub(crate) fn id(&self) -> &str {
        &self.model
    }

    /// Asks for an answer of a given shape.
    async fn ask(
        &self,
        system: &str,
        prompt: &str,
        shape: &provider::Shape,
    ) -> std::result::Result<Value, ProviderError> {
        let _place = match &self.places {
            Some(places) => Some(
                places
                    .acquire()
                    .await
                    .map_err(|_| self.failed("no place to ask"))?,
            ),
            None => None,
        };
        let request = self
            .provider
            .request(
                &self.client,
                &self.base_url,
                &self.model,
                &self.api_key,
                system,
                prompt,
                shape,
                &self.extra,
            )
            .timeout(self.timeout);
        let response = request
            .send()
            .await
            .map_err(|error| self.failed(reason(&error)))?;
        let status = response.status();
        let body = guard::body(response)
            .await
            .map_err(|reason| self.failed(&reason))?;
        if status.is_success() {
            return provider::answer(self.provider, &body).map_err(|reason| self.failed(&reason));
        }
        let said = provider::error_message(&body).unwrap_or_else(|| format!("status {}", status.as_u16()));
        Err(ProviderError {
            provider: self.provider.name(),
            message: self.redacted(&said),
            fault: if matches!(status.as_u16(), 400 | 401 | 403 | 404 | 422) {
                Fault::Refused
            } else {
                Fault::Failed
            },
        })
    }

    fn failed(&self, reason: &str) -> ProviderError {
        ProviderError {
            provider: self.provider.name(),
            message: self.redacted(reason),
            fault: Fault::Failed,
        }
    }

    /// The text without the key and without anything that looks like one, at a bounded length.
    fn redacted(&self, text: &str) -> String {
        provider::redact(text, self.api_key.expose_secret())
    }
}

fn base_url(provider: Provider, given: Option<&str>) -> Result<String> {
    let url = given
        .map(str::trim)
        .filter(|url| !url.is_empty())
        .or(provider.default_base_url());
    let url = url.ok_or_else(|| Error::OutOfRange {
        field: "llm.base_url",
        allowed: "given for azure: the address of the deployment".to_owned(),
    })?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// Why a request failed before there was an answer. The error's own text names the address, which is the
/// caller's business, but not more than it needs.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "the provider did not answer in time"
    } else if error.is_connect() {
        "the provider could not be reached"
    } else {
        "the request to the provider failed"
    }
}

/// A client for addresses that the operator names.
pub(crate) fn trusted_client() -> reqwest::Client {
    guard::client(false)
}
