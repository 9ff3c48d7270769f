//! What requests have in common.

use pentad_http_kit::Fault;
use pentad_memories::LlmRequest;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::faults::out_of_range;

/// A language model for one request. Its key is used for this request alone: it is neither stored, logged nor
/// answered.
#[derive(Deserialize, ToSchema)]
#[schema(as = memories::Llm)]
pub(crate) struct Llm {
    /// `anthropic`, `openai`, `gemini`, `grok` or `azure`.
    provider: String,
    /// The provider's key.
    api_key: Option<String>,
    /// The same, under its older name.
    key: Option<String>,
    /// The model's name at the provider; for azure it may be left out.
    model: Option<String>,
    /// Where to ask instead of at the provider's own address: a public `https` URL unless the server allows more.
    base_url: Option<String>,
    /// What to add to the request to the provider; for azure also `api_version`.
    extra: Option<Map<String, Value>>,
}

impl Llm {
    pub(crate) fn read(self) -> Result<LlmRequest, Fault> {
        let model = match self.model {
            Some(model) => model,
            None if self.provider == "azure" => "deployment".to_owned(),
            None => return Err(out_of_range("llm.model must be the name of a model")),
        };
        Ok(LlmRequest {
            provider: self.provider,
            api_key: SecretString::from(self.api_key.or(self.key).unwrap_or_default()),
            model,
            base_url: self.base_url,
            extra: self.extra.unwrap_or_default(),
        })
    }
}
