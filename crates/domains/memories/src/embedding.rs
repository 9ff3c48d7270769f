//! Where the vectors of texts come from.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pentad_retrieval::{Align, EmbedError, Embedder, QuantizedVector, StaticEmbedder};
use pentad_store::{affected, with_reader, with_writer};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::llm::trusted_client;
use crate::{Memories, Result};

/// A vector with the name of the embedder that made it.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    pub(crate) embedder: String,
    pub(crate) vector: QuantizedVector,
}

/// Where the vectors come from.
#[derive(Clone)]
pub enum Embedding {
    /// Nowhere: memories are found by their words alone.
    Lexical,
    /// Inside the process.
    Local(&'static dyn Embedder),
    /// A server that speaks OpenAI's embeddings.
    Http(HttpEmbedder),
}

impl Default for Embedding {
    /// The English table that is part of the program.
    fn default() -> Self {
        Self::Local(StaticEmbedder::english())
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Embedding").field(&self.id()).finish()
    }
}

impl Embedding {
    /// The name of the model; `None` without one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Lexical => None,
            Self::Local(embedder) => Some(embedder.id()),
            Self::Http(embedder) => Some(&embedder.id),
        }
    }

    /// A question to be compared with texts word by word, where the model has vectors for words.
    pub(crate) fn align(&self, question: &str) -> Option<Box<dyn Align + '_>> {
        match self {
            Self::Local(embedder) => embedder.align(question),
            Self::Lexical | Self::Http(_) => None,
        }
    }

    /// A vector for each text; none at all without a model.
    pub(crate) async fn embed(&self, texts: &[&str]) -> std::result::Result<Vec<Embedded>, EmbedError> {
        let vectors = match self {
            Self::Lexical => Vec::new(),
            Self::Local(embedder) => embedder.embed(texts)?,
            Self::Http(embedder) => embedder.embed(texts).await?,
        };
        let embedder = self.id().unwrap_or_default();
        let embedded = |vector: Vec<f32>| Embedded {
            embedder: embedder.to_owned(),
            vector: QuantizedVector::new(&vector),
        };
        Ok(vectors.into_iter().map(embedded).collect())
    }
}

/// A server that speaks OpenAI's embeddings.
#[derive(Clone, Debug)]
pub struct HttpEmbedder {
    id: String,
    client: reqwest::Client,
    base_url: String,
    model: String,
    api_key: SecretString,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    index: usize,
    embedding: Vec<f32>,
}

impl HttpEmbedder {
    /// The model of this name at `base_url`, to which `/embeddings` is added. An empty key is not sent.
    pub fn new(base_url: &str, model: &str, api_key: SecretString, timeout: Duration) -> Self {
        Self {
            id: format!("http/{model}"),
            client: trusted_client(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            api_key,
            timeout,
        }
    }

    async fn embed(&self, texts: &[&str]) -> std::result::Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let unavailable = |reason: &str| EmbedError::Unavailable {
            reason: reason.to_owned(),
        };
        let request = self
            .client
            .post(format!("{}/embeddings", self.base_url))
            .timeout(self.timeout)
            .json(&json!({"model": self.model, "input": texts}));
        let key = self.api_key.expose_secret();
        let request = if key.is_empty() {
            request
        } else {
            request.bearer_auth(key)
        };
        let response = request
            .send()
            .await
            .map_err(|_| unavailable("the server does not answer"))?;
        if !response.status().is_success() {
            return Err(unavailable(&format!(
                "the server answered {}",
                response.status().as_u16()
            )));
        }
        let response: Response = response
            .json()
            .await
            .map_err(|_| unavailable("the answer is not a list of vectors"))?;
        let mut rows = response.data;
        rows.sort_by_key(|row| row.index);
        if rows.len() != texts.len() {
            return Err(EmbedError::Count {
                expected: texts.len(),
                found: rows.len(),
            });
        }
        let dims = rows.first().map_or(0, |row| row.embedding.len());
        if let Some(other) = rows.iter().find(|row| row.embedding.len() != dims || dims == 0) {
            return Err(EmbedError::Dimensions {
                expected: dims.max(1),
                found: other.embedding.len(),
            });
        }
        Ok(rows.into_iter().map(|row| row.embedding).collect())
    }
}

/// How many memories get a new vector at a time.
const BATCH: i64 = 64;

const WITHOUT_VECTOR: &str = "
    SELECT m.scope, m.memory, m.decision
    FROM memories AS m JOIN memory_index AS i ON i.scope = m.scope AND i.memory = m.memory
    WHERE m.memory > $2 AND (i.embedder IS NULL OR i.embedder <> $1)
    ORDER BY m.memory LIMIT $3";
const SET_VECTOR: &str =
    "UPDATE memory_index SET embedder = $3, vector = $4 WHERE scope = $1 AND memory = $2";
const REBUILD: &str = "UPDATE memory_scopes SET rebuilds = rebuilds + 1 WHERE scope = $1";

impl Memories {
    /// Does [`Memories::embed_missing`] if there may be something to do: after a start, and after the embedder was
    /// away.
    ///
    /// # Errors
    /// As [`Memories::embed_missing`]; the next call tries again.
    pub async fn catch_up_vectors(&self) -> Result<u64> {
        if !self.vectors_missing.swap(false, Ordering::Relaxed) {
            return Ok(0);
        }
        let outcome = self.embed_missing().await;
        if outcome.is_err() {
            self.vectors_missing.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Gives a vector of the present embedder to every memory that has none: after a change of embedder, or after
    /// the embedder was away. Until then such memories are found by their words. Answers how many there were.
    ///
    /// # Errors
    /// [`crate::Error::Embedder`] when the embedder does not answer; what was done stays done.
    pub async fn embed_missing(&self) -> Result<u64> {
        let Some(embedder) = self.embedding.id().map(str::to_owned) else {
            return Ok(0);
        };
        let (mut last, mut total) = (0, 0);
        let mut scopes = std::collections::BTreeSet::new();
        loop {
            let rows: Vec<(i64, i64, String)> = with_reader!(self.db, |conn| sqlx::query_as(WITHOUT_VECTOR)
                .bind(&embedder)
                .bind(last)
                .bind(BATCH)
                .fetch_all(conn)
                .await)?;
            let Some(&(_, memory, _)) = rows.last() else {
                break;
            };
            last = memory;
            let texts: Vec<&str> = rows.iter().map(|(_, _, decision)| decision.as_str()).collect();
            let vectors = self
                .embedding
                .embed(&texts)
                .await
                .map_err(crate::Error::Embedder)?;
            for ((scope, memory, _), embedded) in rows.iter().zip(vectors) {
                let bytes: Vec<u8> = embedded
                    .vector
                    .values()
                    .iter()
                    .map(|&value| value.cast_unsigned())
                    .collect();
                with_writer!(self.db, |conn| sqlx::query(SET_VECTOR)
                    .bind(scope)
                    .bind(memory)
                    .bind(&embedder)
                    .bind(bytes)
                    .execute(conn)
                    .await
                    .map(affected))?;
                scopes.insert(*scope);
                total += 1;
            }
        }
        for scope in scopes {
            with_writer!(self.db, |conn| sqlx::query(REBUILD)
                .bind(scope)
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(total)
    }
}
