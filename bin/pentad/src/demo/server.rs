//! The server that the data goes to, as any client sees it.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::Value;

/// A server, and the key that is shown to it.
#[derive(Debug)]
pub(super) struct Server {
    client: reqwest::Client,
    base: String,
    key: String,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) asked: String,
    pub(super) status: u16,
    /// The JSON of the body; a text of what is no JSON.
    pub(super) body: Value,
}

impl Answer {
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

impl Server {
    pub(super) fn new(base: &str, key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(120))
                .build()?,
            base: base.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, |request| request).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, |request| request.json(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, path, |request| request.json(body)).await
    }

    pub(super) async fn put_bytes(&self, path: &str, body: &'static str) -> anyhow::Result<Answer> {
        let typed = |request: reqwest::RequestBuilder| {
            request
                .header("Content-Type", "application/octet-stream")
                .body(body)
        };
        self.send(Method::PUT, path, typed).await
    }

    pub(super) async fn send_form(&self, method: Method, path: &str, form: Form) -> anyhow::Result<Answer> {
        self.send(method, path, |request| request.multipart(form)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        with_body: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let asked = format!("{method} {url}");
        let request = self.client.request(method, &url).bearer_auth(&self.key);
        let response = with_body(request)
            .send()
            .await
            .with_context(|| format!("{asked}: no answer; is `pentad serve` running there?"))?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.with_context(|| asked.clone())?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { asked, status, body })
    }
}
