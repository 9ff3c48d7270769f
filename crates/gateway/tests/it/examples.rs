//! Every documented operation, used as its document shows.

use std::collections::BTreeSet;

use pentad_identity::KeyFamily;
use pentad_testkit::{Setup, TestGateway};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::Operation;

const LOOP: &str = "export async function runAgentLoop() {\n  return runAgentLoop();\n}\n";

fn file(name: &str, text: &str) -> Part {
    Part::text(text.to_owned()).file_name(name.to_owned())
}

/// A client that notes which documented operations it used.
pub(crate) struct Walk {
    pub(crate) gateway: TestGateway,
    pub(crate) key: String,
    pub(crate) used: BTreeSet<String>,
}

impl Walk {
    pub(crate) async fn call(
        &mut self,
        operation: &str,
        path: &str,
        form: Option<Form>,
        body: Option<Value>,
    ) -> Value {
        let mut request = self.request(operation, path);
        if let Some(form) = form {
            request = request.multipart(form);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(operation, request).await
    }

    /// An operation whose path has these parameters.
    pub(crate) async fn at(
        &mut self,
        method: &str,
        pattern: &str,
        parameters: &[(&str, &str)],
        body: Option<Value>,
    ) -> Value {
        let path = parameters.iter().fold(pattern.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        self.call(&format!("{method} {pattern}"), &path, None, body).await
    }

    /// An operation that asks for a precondition: that there is something to change.
    pub(crate) async fn over_any(&mut self, operation: &str, path: &str, body: &Value) -> Value {
        let request = self.request(operation, path).header("if-match", "*").json(body);
        self.answer(operation, request).await
    }

    /// An operation that is documented to refuse what it is asked here.
    pub(crate) async fn refused(&mut self, status: u16, operation: &str, body: Value) {
        let (_, path) = operation.split_once(' ').unwrap();
        let answer = self.request(operation, path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{operation}");
        self.used.insert(operation.to_owned());
    }

    /// An operation that takes bytes as they are.
    pub(crate) async fn raw(&mut self, operation: &str, path: &str, body: Vec<u8>) -> Value {
        let request = self.request(operation, path).body(body);
        self.answer(operation, request).await
    }

    fn request(&self, operation: &str, path: &str) -> reqwest::RequestBuilder {
        let (method, _) = operation.split_once(' ').unwrap();
        self.gateway
            .client()
            .request(method.parse().unwrap(), self.gateway.url(path))
            .bearer_auth(&self.key)
    }

    async fn answer(&mut self, operation: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(status.is_success(), "{operation}: {status} {text}");
        self.used.insert(operation.to_owned());
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

#[tokio::test]
async fn every_operation_works_as_its_document_shows() {
    let gateway = TestGateway::with(Setup {
        s3: true,
        exec: pentad_testkit::engine().map(|engine| (engine, pentad_testkit::exec_settings())),
        sync: Some(pentad_session_sync::Settings {
            judge_urls: pentad_session_sync::UrlPolicy { allow_private: true },
            ..pentad_session_sync::Settings::default()
        }),
        ..Setup::default()
    })
    .await;
    let mut walk = Walk {
        key: gateway.key().to_owned(),
        gateway,
        used: BTreeSet::new(),
    };
    for path in ["/health", "/api/v1/health", "/readyz", "/metrics"] {
        walk.call(&format!("GET {path}"), path, None, None).await;
    }
    grep(&mut walk).await;
    crate::examples_of_memories::walk(&mut walk).await;
    crate::examples_of_sync::walk(&mut walk).await;
    crate::examples_of_runs::walk(&mut walk).await;
    crate::examples_of_teams::walk(&mut walk).await;
    crate::examples_of_storage::walk(&mut walk).await;
    let runs_programs = pentad_testkit::engine().is_some();
    if runs_programs {
        crate::examples_of_exec::walk(&mut walk).await;
    }
    let of_exec: BTreeSet<String> = pentad_http_exec::routes()
        .endpoints()
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method(), endpoint.path()))
        .collect();
    let documented: BTreeSet<String> = Operation::all()
        .iter()
        .map(Operation::name)
        .filter(|name| runs_programs || !of_exec.contains(name))
        .collect();
    let differ: Vec<&String> = walk.used.symmetric_difference(&documented).collect();
    assert!(
        differ.is_empty(),
        "operations without a working example, or examples without an operation: {differ:#?}"
    );
}

async fn grep(walk: &mut Walk) {
    let form = Form::new()
        .text("storage", "s3")
        .part("files", file("src/loop.ts", LOOP))
        .part("files", file("README.md", "# runAgentLoop\n"));
    let created = walk
        .call("POST /api/v1/sessions", "/api/v1/sessions", Some(form), None)
        .await;
    assert_eq!(
        (&created["storage"], &created["file_count"]),
        (&json!("s3"), &json!(2))
    );
    let session = format!("/api/v1/sessions/{}", created["id"].as_str().unwrap());

    let found = walk
        .call(
            "GET /api/v1/sessions/{id}/grep",
            &format!("{session}/grep?query=runAgentLoop"),
            None,
            None,
        )
        .await;
    assert_eq!(found["total"], 2);
    assert_eq!(found["hits"][1]["matches"][0]["line"], 1);
    let batch = json!({"queries": [{"query": "runAgentLoop"}, {"query": "(", "mode": "regex"},
                                   {"query": "runAgentLoop", "glob": ["**/*.md"]}]});
    let answers = walk
        .call(
            "POST /api/v1/sessions/{id}/grep",
            &format!("{session}/grep"),
            None,
            Some(batch),
        )
        .await;
    assert_eq!(answers["results"][0]["total"], 2);
    assert!(answers["results"][1]["error"].is_string());
    assert_eq!(answers["results"][2]["total"], 1);

    let form = Form::new().part(
        "files",
        file("src/tools.ts", "export const tool = runAgentLoop;\n"),
    );
    let appended = walk
        .call(
            "PUT /api/v1/sessions/{id}/append",
            &format!("{session}/append"),
            Some(form),
            None,
        )
        .await;
    assert_eq!(appended["files_added"], 1);

    let files = walk
        .call(
            "GET /api/v1/sessions/{id}/files",
            &format!("{session}/files?glob=src/*"),
            None,
            None,
        )
        .await;
    assert_eq!(files["total"], 2);
    let read = format!("{session}/files/src/loop.ts?start=2&end=2");
    let slice = walk
        .call("GET /api/v1/sessions/{id}/files/{path}", &read, None, None)
        .await;
    assert_eq!(slice["text"], "  return runAgentLoop();\n");
    let file = format!("{session}/files/src/loop.ts");
    walk.call("DELETE /api/v1/sessions/{id}/files/{path}", &file, None, None)
        .await;

    let listed = walk
        .call("GET /api/v1/sessions", "/api/v1/sessions?limit=20", None, None)
        .await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    let described = walk.call("GET /api/v1/sessions/{id}", &session, None, None).await;
    assert_eq!(
        (&described["state"], &described["file_count"]),
        (&json!("live"), &json!(2))
    );
    walk.call("DELETE /api/v1/sessions/{id}", &session, None, None)
        .await;
    let restart = format!("{session}/restart");
    let restarted = walk
        .call("POST /api/v1/sessions/{id}/restart", &restart, None, None)
        .await;
    assert_eq!(restarted["file_count"], 2);
}

#[tokio::test]
async fn answers_come_in_three_forms() {
    let gateway = TestGateway::start().await;
    let (user, _) = gateway
        .tenant(KeyFamily::User, pentad_identity::PlanName::Unlimited)
        .await;
    let key = gateway.key_with(&user, KeyFamily::Grep, &["grep:*"]).await;
    let form = Form::new().part("files", file("a.txt", "one\ntwo hit\nthree\nfour hit\nfive\n"));
    let created: Value = gateway
        .client()
        .post(gateway.url("/api/v1/sessions"))
        .bearer_auth(&key)
        .multipart(form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = created["id"].as_str().unwrap();
    let get = async |format: &str| {
        let path =
            format!("/api/v1/sessions/{id}/grep?query=hit&before_context=1&after_context=1&format={format}");
        gateway
            .client()
            .get(gateway.url(&path))
            .bearer_auth(&key)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert_eq!(
        get("text").await,
        "a.txt\n1-one\n2:two hit\n3-three\n4:four hit\n5-five\n\n1 files\n"
    );
    assert_eq!(
        get("text&count=lines").await,
        "a.txt:2\n\n1 files, 2 lines\n",
        "counts are shown in every form"
    );
    let lines: Vec<Value> = get("ndjson")
        .await
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["path"], &lines[0]["line"]),
        (&json!("a.txt"), &json!(2))
    );
    assert_eq!(
        lines.last().unwrap(),
        &json!({"total": 1, "next_file_offset": null})
    );
}
