//! A client of code execution.

use std::time::Duration;

use pentad_exec::Settings;
use pentad_identity::{KeyFamily, PlanName};
use pentad_store::testing::TestDb;
use pentad_testkit::{Setup, TestGateway, engine, exec_settings};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A gateway with sandboxes, and a key for them.
pub(crate) struct Client {
    pub(crate) gateway: TestGateway,
    pub(crate) key: String,
}

/// An answer as its sender reads it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            bytes,
            json,
        }
    }

    /// The code of an error, after checking that it is one in the envelope.
    pub(crate) fn code(&self) -> &str {
        for name in ["error", "message", "code"] {
            assert!(
                self.json[name].as_str().is_some_and(|text| !text.is_empty()),
                "{name} is missing: {} {}",
                self.status,
                self.json
            );
        }
        self.json["code"].as_str().unwrap()
    }

    pub(crate) fn stdout(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json["stdout"].as_str().unwrap()
    }
}

impl Client {
    /// `None`, said aloud, where no sandbox can be made.
    pub(crate) async fn start() -> Option<Self> {
        Self::with(None, exec_settings()).await
    }

    pub(crate) async fn with(database: Option<TestDb>, settings: Settings) -> Option<Self> {
        let gateway = TestGateway::with(Setup {
            database,
            exec: Some((engine()?, settings)),
            ..Setup::default()
        })
        .await;
        let (_, key) = gateway.tenant(KeyFamily::Exec, PlanName::Unlimited).await;
        Some(Self { gateway, key })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.gateway
            .client()
            .request(method, self.gateway.url(path))
            .bearer_auth(&self.key)
            .timeout(Duration::from_secs(120))
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn put_bytes(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::PUT, path).body(bytes.into());
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn execute(&self, language: &str, code: &str) -> Answer {
        self.post("/api/execute", &json!({ "language": language, "code": code }))
            .await
    }

    /// Makes a session of Python.
    pub(crate) async fn session(&self, id: &str) {
        self.session_with(&json!({ "language": "python", "session_id": id }))
            .await;
    }

    pub(crate) async fn session_with(&self, body: &Value) {
        let made = self.post("/api/sessions", body).await;
        assert_eq!(made.status, 201, "{}", made.json);
    }

    pub(crate) async fn run(&self, id: &str, code: &str) -> Answer {
        self.post(&format!("/api/sessions/{id}/run"), &json!({ "code": code }))
            .await
    }

    pub(crate) async fn paths(&self, id: &str) -> Vec<String> {
        let listed = self.get(&format!("/api/sessions/{id}/files")).await;
        let files = listed.json["files"].as_array().unwrap();
        files
            .iter()
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Declares tests that run once on SQLite and once on PostgreSQL.
macro_rules! both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($client:ident) $body:block)+) => {
        $($(#[$meta])* mod $name {
            #[allow(unused_imports, reason = "a scenario may need nothing from its surroundings")]
            use super::*;

            async fn scenario($client: crate::client::Client) $body

            #[tokio::test]
            async fn sqlite() {
                if let Some(client) = crate::client::Client::start().await {
                    scenario(client).await;
                }
            }

            #[tokio::test]
            async fn postgres() {
                let Some(database) = pentad_store::testing::TestDb::postgres().await else { return };
                let settings = pentad_testkit::exec_settings();
                if let Some(client) = crate::client::Client::with(Some(database), settings).await {
                    scenario(client).await;
                }
            }
        })+
    };
}
pub(crate) use both_databases;
