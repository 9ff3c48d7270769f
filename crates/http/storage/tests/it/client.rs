//! A client with a key.

use pentad_identity::{KeyFamily, PlanName};
use pentad_store::testing::TestDb;
use pentad_testkit::{Setup, TestGateway};
use serde_json::Value;

pub(crate) struct Client {
    pub(crate) gateway: TestGateway,
    pub(crate) key: String,
}

impl Client {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let gateway = TestGateway::with(setup).await;
        let (_, key) = gateway.tenant(KeyFamily::Exec, PlanName::Unlimited).await;
        Self { gateway, key }
    }

    /// One on each database that there is.
    pub(crate) async fn on_both() -> Vec<Self> {
        let mut clients = vec![Self::new().await];
        if let Some(database) = TestDb::postgres().await {
            let setup = Setup {
                database: Some(database),
                s3: true,
                ..Setup::default()
            };
            clients.push(Self::with(setup).await);
        }
        clients
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.gateway
            .client()
            .request(method.parse().unwrap(), self.gateway.url(path))
            .bearer_auth(&self.key)
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        answer(request).await
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The status and the code of an error, whose envelope is looked at on the way.
pub(crate) fn error((status, body): &(u16, Value)) -> (u16, &str) {
    assert!(body["error"].is_string() && body["message"].is_string(), "{body}");
    (*status, body["code"].as_str().unwrap())
}
