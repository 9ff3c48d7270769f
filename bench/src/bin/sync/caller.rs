//! A client that expects to be answered well.

use std::cell::RefCell;

use pentad_bench::client::{Answer, Client};
use pentad_bench::form;
use serde_json::Value;

/// Sends one request after the other over one connection.
pub struct Caller(RefCell<Client>);

impl Caller {
    pub fn new(client: Client) -> Self {
        Self(RefCell::new(client))
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let mut client = self.0.borrow_mut();
        let answer = client
            .send(method, path, content_type, body)
            // A connection on which nothing was said for a while may be closed.
            .or_else(|_| client.send(method, path, content_type, body))
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let said = String::from_utf8_lossy(&answer.body);
        assert!(
            matches!(answer.status, 200 | 201),
            "{method} {path}: {} {said}",
            answer.status
        );
        answer
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        self.send("GET", path, "", &[]).body
    }

    pub fn get(&self, path: &str) -> Value {
        self.send("GET", path, "", &[]).json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        // The command line sends nothing where there is nothing to say.
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send("POST", path, "application/json", text.as_bytes())
            .json()
    }

    /// Pushes an archive as the command line does.
    pub fn push(&self, session: &str, archive: &[u8]) {
        let path = format!("/api/v1/sessions/{session}/sync");
        let body = form::file("file", "session.tar.gz", archive);
        self.send("PUT", &path, form::CONTENT_TYPE, &body);
    }
}
