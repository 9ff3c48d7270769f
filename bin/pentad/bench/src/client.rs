//! A client that sends one request after the other over one connection.

use std::io::Read as _;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

pub struct Client {
    agent: Agent,
    base: String,
    pub key: String,
}

impl Client {
    pub fn new(base: String) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).build();
        Self {
            agent: Agent::new_with_config(config),
            base,
            key: String::new(),
        }
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        if !body.is_empty() {
            request = request.header("content-type", content_type);
        }
        let answer = if matches!(method, "GET" | "DELETE") {
            self.agent.run(request.body(()).expect("the request is well formed"))
        } else {
            self.agent.run(request.body(&body[..]).expect("the request is well formed"))
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let mut bytes = Vec::new();
        let mut reader = answer.body_mut().as_reader();
        reader.read_to_end(&mut bytes).expect("the answer is whole");
        (answer.status().as_u16(), bytes)
    }

    /// Whether the server answers at all.
    pub fn is_up(&self) -> bool {
        let request = Request::builder().uri(format!("{}/health", self.base)).body(());
        self.agent.run(request.expect("the request is well formed")).is_ok()
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let (status, bytes) = self.send("GET", path, "", Vec::new());
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&bytes));
        bytes
    }

    pub fn get(&self, path: &str) -> Value {
        serde_json::from_slice(&self.bytes(path)).expect("the answer is JSON")
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        // The command line sends nothing where there is nothing to say.
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, bytes) = self.send("POST", path, "application/json", text.into_bytes());
        assert!(matches!(status, 200 | 201), "POST {path}: {status} {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).expect("the answer is JSON")
    }

    /// Pushes an archive as the command line does.
    pub fn push(&self, session: &str, archive: &[u8]) {
        let mut body = b"--boundary\r\ncontent-disposition: form-data; name=\"file\"; filename=\"session.tar.gz\"\r\n\
            content-type: application/gzip\r\n\r\n"
            .to_vec();
        body.extend_from_slice(archive);
        body.extend_from_slice(b"\r\n--boundary--\r\n");
        let path = format!("/api/v1/sessions/{session}/sync");
        let (status, bytes) = self.send("PUT", &path, "multipart/form-data; boundary=boundary", body);
        assert!(matches!(status, 200 | 201), "PUT {path}: {status} {}", String::from_utf8_lossy(&bytes));
    }
}
