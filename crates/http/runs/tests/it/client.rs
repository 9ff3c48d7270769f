//! An agent with its key, and a person with a browser.

use std::collections::BTreeMap;

use pentad_identity::{KeyFamily, NewKey};
use pentad_testkit::TestGateway;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// Sends records with a DSN key of the default organisation.
pub(crate) struct Agent<'a> {
    gateway: &'a TestGateway,
    key: String,
}

impl<'a> Agent<'a> {
    pub(crate) async fn new(gateway: &'a TestGateway) -> Self {
        let key = gateway.mint(gateway.admin(), NewKey::of(KeyFamily::Ingest)).await;
        Self { gateway, key }
    }

    /// The same with another key.
    pub(crate) fn with_key(gateway: &'a TestGateway, key: impl Into<String>) -> Self {
        Self {
            gateway,
            key: key.into(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.gateway.url(&format!("/api/v1{path}"));
        self.gateway.client().request(method, url).bearer_auth(&self.key)
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn screenshot(&self, path: &str, field: &str, media: &str, image: &[u8]) -> Answer {
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"shot.png\"\r\nContent-Type: {media}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(image);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let request = self.request(Method::POST, path);
        send(
            request
                .header(CONTENT_TYPE, "multipart/form-data; boundary=edge")
                .body(body),
        )
        .await
    }
}

/// Keeps cookies.
pub(crate) struct Browser<'a> {
    gateway: &'a TestGateway,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) const fn new(gateway: &'a TestGateway) -> Self {
        Self {
            gateway,
            cookies: BTreeMap::new(),
        }
    }

    /// A browser in which the administrator is signed in.
    pub(crate) async fn signed_in(gateway: &'a TestGateway) -> Self {
        let mut browser = Self::new(gateway);
        let answer = browser.login("admin@localhost", "administrator").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        browser
    }

    pub(crate) async fn login(&mut self, email: &str, password: &str) -> Answer {
        self.post(
            "/auth/login",
            &serde_json::json!({ "email": email, "password": password }),
        )
        .await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = self
            .gateway
            .client()
            .request(method, self.gateway.url(&format!("/api/v1{path}")));
        if cookies.is_empty() {
            request
        } else {
            request.header(COOKIE, cookies.join("; "))
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path);
        self.keep(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        self.keep(request).await
    }

    async fn keep(&mut self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The identifiers of the runs that the list shows.
    pub(crate) async fn runs(&mut self) -> Vec<String> {
        let answer = self.get("/runs").await;
        assert_eq!(answer.status, StatusCode::OK.as_u16());
        let body = answer.json();
        let runs = body["runs"].as_array().unwrap();
        runs.iter()
            .map(|run| run["run_id"].as_str().unwrap().to_owned())
            .collect()
    }
}
