//! The wire formats: Anthropic's Messages, and OpenAI's chat completions, which everybody else speaks.

use std::sync::LazyLock;

use regex::Regex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

/// Whose model it is: decides the address, the wire format and how the key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI, and whatever speaks its chat completions.
    OpenAi,
    /// Google's Gemini, at its address for chat completions.
    Gemini,
    /// xAI's Grok.
    Grok,
    /// A deployment on Azure.
    Azure,
}

/// The longest text of a provider that is passed on.
const MESSAGE_CHARS: usize = 300;
const MAX_TOKENS: u32 = 8_192;
const AZURE_API_VERSION: &str = "2024-10-21";

/// The form that an answer must have.
#[derive(Debug)]
pub struct Shape {
    /// What the answer is called.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: Value,
}

impl Provider {
    const ALL: [Self; 5] = [
        Self::Anthropic,
        Self::OpenAi,
        Self::Gemini,
        Self::Grok,
        Self::Azure,
    ];

    /// The name in requests and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
            Self::Grok => "grok",
            Self::Azure => "azure",
        }
    }

    /// Whose model has this name; one that tells nothing is OpenAI's.
    pub fn of_model(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let families = [
            ("claude", Self::Anthropic),
            ("gemini", Self::Gemini),
            ("grok", Self::Grok),
        ];
        let family = families.into_iter().find(|(family, _)| model.starts_with(family));
        family.map_or(Self::OpenAi, |(_, provider)| provider)
    }

    /// Reads a name; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    pub(crate) const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta/openai"),
            Self::Grok => Some("https://api.x.ai/v1"),
            Self::Azure => None,
        }
    }

    /// The request for an answer: of one shape, or in words.
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the parts of a request, used nowhere else"
    )]
    pub(crate) fn request(
        self,
        client: &reqwest::Client,
        base_url: &str,
        model: &str,
        api_key: &SecretString,
        system: &str,
        prompt: &str,
        shape: Option<&Shape>,
        extra: &Map<String, Value>,
    ) -> reqwest::RequestBuilder {
        let key = api_key.expose_secret();
        let mut extra = extra.clone();
        let (request, mut body) = match self {
            Self::Anthropic => {
                let base_url = base_url.trim_end_matches("/v1");
                let request = client
                    .post(format!("{base_url}/v1/messages"))
                    .header("x-api-key", key)
                    .header("anthropic-version", "2023-06-01");
                let mut body = json!({
                    "model": model,
                    "max_tokens": MAX_TOKENS,
                    "system": system,
                    "messages": [{"role": "user", "content": prompt}],
                });
                if let Some(shape) = shape {
                    // A tool that must be used is how this interface guarantees a schema.
                    body["tools"] = json!([{"name": shape.name, "description": "The answer.", "input_schema": shape.schema}]);
                    body["tool_choice"] = json!({"type": "tool", "name": shape.name});
                }
                (request, body)
            }
            Self::OpenAi | Self::Gemini | Self::Grok | Self::Azure => {
                let request = if self == Self::Azure {
                    let version = extra.remove("api_version");
                    let version = version
                        .as_ref()
                        .and_then(Value::as_str)
                        .unwrap_or(AZURE_API_VERSION);
                    client
                        .post(azure_endpoint(base_url, version))
                        .header("api-key", key)
                } else {
                    let request = client.post(format!("{base_url}/chat/completions"));
                    if key.is_empty() {
                        request
                    } else {
                        request.bearer_auth(key)
                    }
                };
                let mut body = json!({
                    "model": model,
                    "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                });
                if let Some(shape) = shape {
                    body["response_format"] = json!({
                        "type": "json_schema",
                        "json_schema": {"name": shape.name, "strict": true, "schema": shape.schema},
                    });
                }
                (request, body)
            }
        };
        if let Value::Object(fields) = &mut body {
            fields.extend(extra);
        }
        request.json(&body)
    }
}

/// The address of a deployment's chat completions. What is copied from Azure's pages may end in the API version.
fn azure_endpoint(base_url: &str, version: &str) -> String {
    let (base_url, query) = base_url.split_once('?').unwrap_or((base_url, ""));
    let base_url = base_url
        .trim_end_matches('/')
        .trim_end_matches("/chat/completions");
    if query.contains("api-version=") {
        return format!("{base_url}/chat/completions?{query}");
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._".contains(*c);
    let version: String = version.chars().filter(plain).collect();
    format!("{base_url}/chat/completions?api-version={version}")
}

/// The answer of the asked shape in a provider's response.
pub(crate) fn answer(provider: Provider, body: &[u8]) -> Result<Value, String> {
    let unreadable = || "the provider's answer does not have the form that was asked for".to_owned();
    let response: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if provider == Provider::Anthropic {
        let blocks = response["content"].as_array().ok_or_else(unreadable)?;
        let used = blocks.iter().find(|block| block["type"] == "tool_use");
        return used.map(|block| block["input"].clone()).ok_or_else(unreadable);
    }
    let text = response["choices"][0]["message"]["content"]
        .as_str()
        .ok_or_else(unreadable)?;
    // Servers without schemas like to wrap JSON in a code fence.
    let text = text.trim().trim_start_matches("```json").trim_matches('`').trim();
    serde_json::from_str(text).map_err(|_| unreadable())
}

/// The words in a provider's response.
pub(crate) fn text(provider: Provider, body: &[u8]) -> Result<String, String> {
    let unreadable = || "the provider's answer holds no text".to_owned();
    let response: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let text = if provider == Provider::Anthropic {
        let blocks = response["content"].as_array().ok_or_else(unreadable)?;
        blocks.iter().find_map(|block| block["text"].as_str())
    } else {
        response["choices"][0]["message"]["content"].as_str()
    };
    text.map(str::to_owned).ok_or_else(unreadable)
}

/// The models in a provider's list, with whom each belongs to: at most 1,000.
pub(crate) fn models(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let unreadable = || "the provider's answer is no list of models".to_owned();
    let response: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let items = response.get("data").or_else(|| response.get("models"));
    let items = items.and_then(Value::as_array).ok_or_else(unreadable)?;
    let models = items.iter().filter_map(|item| {
        let id = item["id"].as_str().or(item["name"].as_str())?;
        Some((
            id.to_owned(),
            item["owned_by"].as_str().unwrap_or_default().to_owned(),
        ))
    });
    Ok(models.take(1_000).collect())
}

/// What a provider says went wrong.
pub(crate) fn error_message(body: &[u8]) -> Option<String> {
    let response: Value = serde_json::from_slice(body).ok()?;
    // Gemini wraps its error in a list.
    let response = if response.is_array() {
        response[0].clone()
    } else {
        response
    };
    let error = &response["error"];
    let text = error["message"]
        .as_str()
        .or(error.as_str())
        .or(response["message"].as_str())?;
    Some(text.to_owned())
}

static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:sk|xai|gsk|pk|rk)-[A-Za-z0-9_*.-]{6,}|\bAIza[A-Za-z0-9_-]{10,}|\bBearer\s+\S+")
        .expect("the pattern is well formed")
});

/// The text without the key and without what looks like one, at a bounded length.
pub(crate) fn redact(text: &str, key: &str) -> String {
    let text = if key.is_empty() {
        text.to_owned()
    } else {
        text.replace(key, "[redacted]")
    };
    SECRETS
        .replace_all(&text, "[redacted]")
        .chars()
        .take(MESSAGE_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_read_by_its_name_alone() {
        for provider in Provider::ALL {
            assert_eq!(Provider::parse(provider.name()), Some(provider));
        }
        assert_eq!(Provider::parse("OpenAI"), None);
        assert_eq!(Provider::parse("skynet"), None);
    }

    #[test]
    fn an_azure_address_may_bring_its_version_along() {
        let plain = azure_endpoint("https://x.example/openai/deployments/d", "2024-10-21");
        assert_eq!(
            plain,
            "https://x.example/openai/deployments/d/chat/completions?api-version=2024-10-21"
        );
        let copied = "https://x.example/openai/deployments/d/chat/completions?api-version=2025-01-01";
        assert_eq!(azure_endpoint(copied, "2024-10-21"), copied);
    }

    #[test]
    fn secrets_do_not_pass() {
        let text =
            "Incorrect API key provided: sk-proj-abcdef123456. Authorization: Bearer abc.def, key my-key";
        let clean = redact(text, "my-key");
        assert_eq!(
            clean,
            "Incorrect API key provided: [redacted] Authorization: [redacted] key [redacted]"
        );
        assert_eq!(redact(&"x".repeat(1_000), "").len(), MESSAGE_CHARS);
    }

    #[test]
    fn an_answer_is_found_in_either_format() {
        let anthropic =
            json!({"content": [{"type": "text", "text": "hm"}, {"type": "tool_use", "input": {"a": 1}}]});
        assert_eq!(
            answer(Provider::Anthropic, anthropic.to_string().as_bytes()),
            Ok(json!({"a": 1}))
        );
        for content in ["{\"a\":1}", "```json\n{\"a\":1}\n```"] {
            let openai = json!({"choices": [{"message": {"content": content}}]});
            assert_eq!(
                answer(Provider::OpenAi, openai.to_string().as_bytes()),
                Ok(json!({"a": 1}))
            );
        }
        for body in [
            "",
            "{}",
            "[]",
            "{\"choices\":[{\"message\":{\"content\":\"sorry\"}}]}",
        ] {
            for provider in Provider::ALL {
                assert!(answer(provider, body.as_bytes()).is_err(), "{body}");
            }
        }
    }

    #[test]
    fn words_and_lists_are_read_and_anything_else_is_an_error() {
        let words = br#"{"choices": [{"message": {"content": "hello"}}]}"#;
        assert_eq!(text(Provider::OpenAi, words).as_deref(), Ok("hello"));
        let words = br#"{"content": [{"type": "thinking"}, {"type": "text", "text": "hello"}]}"#;
        assert_eq!(text(Provider::Anthropic, words).as_deref(), Ok("hello"));
        let list = br#"{"data": [{"id": "small", "owned_by": "me"}, {"name": "large"}, 7]}"#;
        let read = models(list).unwrap();
        assert_eq!(
            read,
            [("small".into(), "me".into()), ("large".into(), String::new())]
        );
        for body in ["", "7", "[]", "{}", "<html>"] {
            assert!(models(body.as_bytes()).is_err(), "{body}");
            assert!(text(Provider::OpenAi, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn every_form_of_an_error_is_read() {
        for body in [
            r#"{"error":{"message":"no"}}"#,
            r#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#,
            r#"[{"error":{"code":400,"message":"no"}}]"#,
            r#"{"code":"x","error":"no"}"#,
            r#"{"message":"no"}"#,
        ] {
            assert_eq!(error_message(body.as_bytes()).as_deref(), Some("no"), "{body}");
        }
        assert_eq!(error_message(b"<html>"), None);
    }
}
