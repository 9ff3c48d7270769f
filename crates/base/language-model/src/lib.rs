//! Language models: what each provider is sent, what may be reached, and what may go wrong.
//!
//! ```
//! use pentad_language_model::{Connection, LanguageModel, Provider, UrlPolicy};
//!
//! let model = LanguageModel::connect(Connection {
//!     base_url: Some("https://models.example.com/v1".to_owned()),
//!     ..Connection::of(Provider::OpenAi, "small", "sk-…".to_owned().into())
//! });
//! assert_eq!(model.unwrap().name(), "small");
//!
//! let inside = Connection {
//!     base_url: Some("https://127.0.0.1/v1".to_owned()),
//!     ..Connection::of(Provider::OpenAi, "small", "sk-…".to_owned().into())
//! };
//! assert!(LanguageModel::connect(inside).is_err(), "strangers do not name this machine");
//! assert!(UrlPolicy { allow_private: true }.check("http://127.0.0.1:11434/v1").is_ok());
//! ```
//!
//! Whoever asks says what the answer must look like and checks it. Keys and what looks like one never
//! appear in an error.

mod guard;
mod provider;
#[cfg(feature = "testing")]
pub mod testing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub use guard::{UrlPolicy, UrlRefused, client};
pub use provider::{Provider, Shape};

/// How a model is reached.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose wire format it speaks.
    pub provider: Provider,
    /// Where it is; the provider's own address when `None`.
    pub base_url: Option<String>,
    /// Its name there.
    pub model: String,
    /// The key; an empty one is not sent.
    pub api_key: SecretString,
    /// What to add to every request.
    pub extra: Map<String, Value>,
    /// How long one call may take. Default 60 s.
    pub timeout: Duration,
    /// Which addresses may be called. By default public ones only.
    pub urls: UrlPolicy,
    /// How many calls may be under way at once; `None` for any number.
    pub max_concurrency: Option<usize>,
}

impl Connection {
    /// A model at its provider's own address.
    pub fn of(provider: Provider, model: &str, api_key: SecretString) -> Self {
        Self {
            provider,
            base_url: None,
            model: model.to_owned(),
            api_key,
            extra: Map::new(),
            timeout: Duration::from_secs(60),
            urls: UrlPolicy::default(),
            max_concurrency: None,
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
    /// It did not answer in time.
    TimedOut,
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

    /// Whether there was no answer in time.
    pub fn is_timeout(&self) -> bool {
        self.fault == Fault::TimedOut
    }
}

impl Classify for ProviderError {
    fn kind(&self) -> ErrorKind {
        match self.fault {
            Fault::Refused => ErrorKind::Invalid,
            Fault::Failed | Fault::TimedOut => ErrorKind::Unavailable,
        }
    }

    fn code(&self) -> Option<&'static str> {
        Some("llm_provider_error")
    }

    fn details(&self) -> Option<Value> {
        Some(serde_json::json!({"provider": self.provider, "message": self.message}))
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.fault != Fault::Refused).then_some(Duration::from_secs(5))
    }
}

/// A model that can be asked.
#[derive(Clone)]
pub struct LanguageModel {
    client: reqwest::Client,
    connection: Arc<Connection>,
    base_url: Arc<str>,
    model: Arc<str>,
    places: Option<Arc<Semaphore>>,
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageModel")
            .field("provider", &self.connection.provider)
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl LanguageModel {
    /// The model at the end of a connection. Nothing is sent yet.
    ///
    /// # Errors
    /// [`UrlRefused`] for an address that the policy does not allow, or none where the provider has no own.
    pub fn connect(connection: Connection) -> Result<Self, UrlRefused> {
        let given = connection.base_url.as_deref().map(str::trim);
        let url = given
            .filter(|url| !url.is_empty())
            .or(connection.provider.default_base_url())
            .ok_or_else(|| UrlRefused::new("given for azure: the address of the deployment"))?
            .trim_end_matches('/');
        connection.urls.check(url)?;
        Ok(Self {
            client: client(connection.urls),
            base_url: url.into(),
            model: connection.model.as_str().into(),
            places: connection
                .max_concurrency
                .map(|most| Arc::new(Semaphore::new(most.max(1)))),
            connection: Arc::new(connection),
        })
    }

    /// The same access with another model, where the provider has it.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Self {
        Self {
            model: model.into(),
            ..self.clone()
        }
    }

    /// Whose model it is.
    pub fn provider(&self) -> Provider {
        self.connection.provider
    }

    /// The model's name, for audits.
    pub fn name(&self) -> &str {
        &self.model
    }

    /// Asks for an answer of a given shape.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn ask(&self, system: &str, prompt: &str, shape: &Shape) -> Result<Value, ProviderError> {
        let body = self.send(system, prompt, Some(shape)).await?;
        provider::answer(self.provider(), &body).map_err(|reason| self.failed(&reason))
    }

    /// Asks for an answer in words.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn ask_text(&self, system: &str, prompt: &str) -> Result<String, ProviderError> {
        let body = self.send(system, prompt, None).await?;
        provider::text(self.provider(), &body).map_err(|reason| self.failed(&reason))
    }

    async fn send(
        &self,
        system: &str,
        prompt: &str,
        shape: Option<&Shape>,
    ) -> Result<Vec<u8>, ProviderError> {
        let _place = match &self.places {
            Some(places) => Some(
                places
                    .acquire()
                    .await
                    .map_err(|_| self.failed("no place to ask"))?,
            ),
            None => None,
        };
        let connection = &self.connection;
        let request = connection.provider.request(
            &self.client,
            &self.base_url,
            &self.model,
            &connection.api_key,
            system,
            prompt,
            shape,
            &connection.extra,
        );
        self.answered(request).await
    }

    /// The models that the address has, with whom each belongs to.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn models(&self) -> Result<Vec<(String, String)>, ProviderError> {
        let root = self.base_url.strip_suffix("/v1").unwrap_or(&self.base_url);
        let mut last = self.failed("no list of models");
        for address in [format!("{root}/v1/models"), format!("{}/models", self.base_url)] {
            let mut request = self.client.get(&address);
            let key = self.connection.api_key.expose_secret();
            if !key.is_empty() {
                request = request.bearer_auth(key);
            }
            match self.answered(request).await {
                Ok(list) => return provider::models(&list).map_err(|reason| self.failed(&reason)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ProviderError> {
        let response = request.timeout(self.connection.timeout).send().await;
        let response = response.map_err(|error| self.fault(reason(&error), fault(&error)))?;
        let status = response.status();
        let body = guard::body(response)
            .await
            .map_err(|(reason, fault)| self.fault(&reason, fault))?;
        if status.is_success() {
            return Ok(body);
        }
        let said = provider::error_message(&body).unwrap_or_else(|| format!("status {}", status.as_u16()));
        let refused = matches!(status.as_u16(), 400 | 401 | 403 | 404 | 422);
        Err(self.fault(&said, if refused { Fault::Refused } else { Fault::Failed }))
    }

    /// The failure of an answer that has its shape and yet cannot be used.
    pub fn unusable(&self, reason: &str) -> ProviderError {
        self.failed(reason)
    }

    fn failed(&self, reason: &str) -> ProviderError {
        self.fault(reason, Fault::Failed)
    }

    fn fault(&self, reason: &str, fault: Fault) -> ProviderError {
        ProviderError {
            provider: self.provider().name(),
            message: provider::redact(reason, self.connection.api_key.expose_secret()),
            fault,
        }
    }
}

fn fault(error: &reqwest::Error) -> Fault {
    if error.is_timeout() {
        Fault::TimedOut
    } else {
        Fault::Failed
    }
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
