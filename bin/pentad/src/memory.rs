//! The `[memory]` part of the configuration file.

use std::time::Duration;

use anyhow::{Context as _, bail};
use pentad_memories::{
    ByoPolicy, Config, Embedding, ForeignIds, HttpEmbedder, Limits, OnError, Provider, ServerModel,
};
use secrecy::SecretString;
use serde::Deserialize;

/// How temporal memories are set up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemoryFile {
    /// `forbidden` (default) or `not_found`: what is said of an identifier of another account.
    foreign_ids: ForeignIdsChoice,
    /// Bytes that search indexes of recently used tenants may take in memory.
    index_bytes: Option<usize>,
    /// Table: below.
    embedder: EmbedderFile,
    /// Table: below.
    llm: Option<LlmFile>,
    /// Table: below.
    byo: ByoFile,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ForeignIdsChoice {
    #[default]
    Forbidden,
    NotFound,
}

/// Where vectors come from: `kind` is `static` (default: the English table that is part of the program),
/// `none` (memories are found by their words alone) or `http`, which has further settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum EmbedderFile {
    /// The English table that is part of the program.
    #[default]
    Static,
    /// None: memories are found by their words alone.
    None,
    /// A server that speaks OpenAI's embeddings.
    Http {
        /// The address, up to `/v1`.
        base_url: String,
        /// The model.
        model: String,
        /// The environment variable that holds the key. Default: no key.
        api_key_env: Option<String>,
        /// Seconds to wait for an answer. Default 10.
        #[serde(default = "embedder_timeout")]
        timeout_s: u64,
    },
}

const fn embedder_timeout() -> u64 {
    10
}

/// The server's own language model. Without this table, memories are read by rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LlmFile {
    /// `anthropic`, `openai` (also everything that speaks its protocol), `gemini`, `grok` or `azure`.
    provider: String,
    /// The address. Default: the provider's own.
    base_url: Option<String>,
    /// The model.
    model: String,
    /// The environment variable that holds the key: keys do not belong in files.
    api_key_env: Option<String>,
    /// Seconds to wait for an answer. Default 60.
    #[serde(default = "llm_timeout")]
    timeout_s: u64,
    /// Requests to it at once. Default 8.
    #[serde(default = "llm_concurrency")]
    max_concurrency: usize,
    /// When it fails: `fallback` (default) to the rules, or `fail` with 503.
    #[serde(default)]
    on_error: OnErrorChoice,
}

const fn llm_timeout() -> u64 {
    60
}

const fn llm_concurrency() -> usize {
    8
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnErrorChoice {
    #[default]
    Fallback,
    Fail,
}

/// What requests may do with language models of their own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ByoFile {
    /// Also models on this machine and in private networks. Default false.
    allow_private_base_url: bool,
    /// Seconds to wait for an answer. Default 60.
    timeout_s: Option<u64>,
}

fn key(variable: Option<&str>) -> anyhow::Result<SecretString> {
    let Some(variable) = variable else {
        return Ok(SecretString::from(""));
    };
    let key =
        std::env::var(variable).with_context(|| format!("the key that {variable} should hold is missing"))?;
    Ok(SecretString::from(key))
}

impl MemoryFile {
    pub(crate) fn resolve(&self) -> anyhow::Result<Config> {
        let defaults = (Limits::default(), ByoPolicy::default());
        let embedding = match &self.embedder {
            EmbedderFile::Static => Embedding::default(),
            EmbedderFile::None => Embedding::Lexical,
            EmbedderFile::Http {
                base_url,
                model,
                api_key_env,
                timeout_s,
            } => {
                let timeout = Duration::from_secs(*timeout_s);
                Embedding::Http(HttpEmbedder::new(
                    base_url,
                    model,
                    key(api_key_env.as_deref())?,
                    timeout,
                ))
            }
        };
        let model = match &self.llm {
            None => None,
            Some(llm) => {
                let Some(provider) = Provider::parse(&llm.provider) else {
                    bail!("memory.llm.provider must be one of anthropic, openai, gemini, grok, azure");
                };
                Some(ServerModel {
                    provider,
                    base_url: llm.base_url.clone(),
                    model: llm.model.clone(),
                    api_key: key(llm.api_key_env.as_deref())?,
                    timeout: Duration::from_secs(llm.timeout_s),
                    max_concurrency: llm.max_concurrency,
                    on_error: match llm.on_error {
                        OnErrorChoice::Fallback => OnError::Fallback,
                        OnErrorChoice::Fail => OnError::Fail,
                    },
                })
            }
        };
        Ok(Config {
            limits: Limits {
                index_bytes: self.index_bytes.unwrap_or(defaults.0.index_bytes),
                ..defaults.0
            },
            embedding,
            model,
            byo: ByoPolicy {
                allow_private_base_url: self.byo.allow_private_base_url,
                timeout: self.byo.timeout_s.map_or(defaults.1.timeout, Duration::from_secs),
            },
            foreign_ids: match self.foreign_ids {
                ForeignIdsChoice::Forbidden => ForeignIds::Forbidden,
                ForeignIdsChoice::NotFound => ForeignIds::NotFound,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MemoryFile, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn nothing_said_is_the_embedded_engine() {
        let config = read("").unwrap().resolve().unwrap();
        assert!(config.model.is_none() && config.embedding.id().is_some());
    }

    #[test]
    fn models_are_described_and_misspelt_names_are_errors() {
        let config = read(
            r#"
            foreign_ids = "not_found"
            embedder = { kind = "http", base_url = "http://127.0.0.1:11434/v1", model = "nomic" }
            llm = { provider = "openai", base_url = "http://127.0.0.1:11434/v1", model = "qwen", on_error = "fail" }
            byo = { allow_private_base_url = true }
            "#,
        )
        .unwrap()
        .resolve()
        .unwrap();
        assert_eq!(config.model.unwrap().on_error, OnError::Fail);
        assert_eq!(config.embedding.id(), Some("http/nomic"));
        assert!(read("embeder = 1").is_err());
        assert!(
            read("llm = { provider = \"skynet\", model = \"x\" }")
                .unwrap()
                .resolve()
                .is_err()
        );
        assert!(
            read("llm = { provider = \"openai\", model = \"x\", api_key_env = \"NO_SUCH_VARIABLE\" }")
                .unwrap()
                .resolve()
                .is_err()
        );
    }
}
