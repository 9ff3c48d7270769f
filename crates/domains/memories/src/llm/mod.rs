//! Language models: what they are asked, how each provider is spoken to, and what may go wrong.
//!
//! Everything works without one. With one, it extracts facts, judges contradictions and phrases answers; what
//! it says is checked before it is believed, and a request that brings its own model never silently gets
//! another.

mod tasks;

use std::time::Duration;

use pentad_language_model::{Connection, Shape, UrlPolicy, UrlRefused};
pub use pentad_language_model::{Provider, ProviderError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

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

/// A model that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct LanguageModel(pentad_language_model::LanguageModel);

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
        Self::connect(Connection {
            base_url: request.base_url.clone(),
            extra: request.extra.clone(),
            timeout: policy.timeout,
            urls: UrlPolicy {
                allow_private: policy.allow_private_base_url,
            },
            ..Connection::of(provider, &request.model, request.api_key.clone())
        })
    }

    /// The server's own model.
    pub(crate) fn of_server(server: &ServerModel) -> Result<Self> {
        Self::connect(Connection {
            base_url: server.base_url.clone(),
            timeout: server.timeout,
            urls: UrlPolicy { allow_private: true },
            max_concurrency: Some(server.max_concurrency),
            ..Connection::of(server.provider, &server.model, server.api_key.clone())
        })
    }

    fn connect(connection: Connection) -> Result<Self> {
        let model = pentad_language_model::LanguageModel::connect(connection);
        model.map(Self).map_err(|refused: UrlRefused| Error::OutOfRange {
            field: "llm.base_url",
            allowed: refused.allowed().to_owned(),
        })
    }

    /// The same access with another model, where the provider has it.
    pub(crate) fn with_model(&self, model: &str) -> Self {
        Self(self.0.with_model(model))
    }

    /// Whose model it is.
    pub(crate) fn provider(&self) -> Provider {
        self.0.provider()
    }

    /// The model's name, for audits.
    pub(crate) fn id(&self) -> &str {
        self.0.name()
    }

    /// Asks for an answer of a given shape.
    async fn ask(
        &self,
        system: &str,
        prompt: &str,
        shape: &Shape,
    ) -> std::result::Result<Value, ProviderError> {
        self.0.ask(system, prompt, shape).await
    }
}

/// A client for addresses that the operator names.
pub(crate) fn trusted_client() -> reqwest::Client {
    pentad_language_model::client(UrlPolicy { allow_private: true })
}
