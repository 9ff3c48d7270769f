//! `pentad demo`: something to look at in each of the five APIs of a running server.

mod canvas;
mod data;
mod run;
mod server;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::DemoArguments;
use data::Fact;
use server::{Answer, Server};

/// What became of one part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Loaded,
    WasThere,
    /// The server does not offer this, for example without a sandbox.
    Unavailable,
}

impl Part {
    const fn words(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::WasThere => "was there",
            Self::Unavailable => "not offered by this server",
        }
    }
}

/// Loads what is not there yet. What is there is told by the server itself, so that a second call, or one
/// after a call that broke off, adds the rest and nothing twice.
pub(crate) async fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let server = Server::new(&arguments.url, &arguments.key)?;
    let me = server
        .get("/api/v1/auth/me")
        .await?
        .expect_success()
        .context("the key is not accepted")?;
    let user = me["user_id"].as_str().unwrap_or_default().to_owned();

    let (grep, done) = grep_session(&server).await?;
    let files = data::SOURCES.len();
    told(
        "grep",
        &format!("a session with {files} of Pentad's own files"),
        done,
    );
    let done = memories(&server).await?;
    told(
        "memories",
        "what was known about Ada, and when, as tenant_id demo",
        done,
    );
    let session = data::agent_session_id(&user);
    let done = agent_session(&server, &session).await?;
    told("sessions", &format!("an agent's session, {session}"), done);
    let done = project(&server).await?;
    told("projects", "pentad/demo, with knowledge, wiki and tickets", done);
    let done = program(&server).await?;
    told("execution", "the session demo, with a program and its data", done);
    let done = storage(&server).await?;
    told(
        "storage",
        "a key, an object and a table, in the namespace demo",
        done,
    );
    let done = run::record(&server).await?;
    told("runs", &format!("{}, with screenshots", run::ID), done);

    say!("{}", what_to_try(server.base(), &grep, &session));
    Ok(())
}

fn told(surface: &str, what: &str, done: Part) {
    say!("  {surface:<11}{what}: {}", done.words());
}

/// The identifier of a grep session that answers, and whether it was opened just now.
///
/// Grep sessions have no names; which one is the demo's is kept in the key-value storage.
async fn grep_session(server: &Server) -> anyhow::Result<(String, Part)> {
    const NOTE: &str = "/api/storage/kv/demo/grep-session";
    let note = server.get(NOTE).await?;
    if let Some(id) = note.body["value"].as_str().filter(|_| note.is_success()) {
        let session = server.get(&format!("/api/v1/sessions/{id}")).await?;
        if session.is_success() {
            if session.body["state"] == "stopped" {
                let path = format!("/api/v1/sessions/{id}/restart");
                server.post(&path, &json!({})).await?.expect_success()?;
            }
            return Ok((id.to_owned(), Part::WasThere));
        }
    }
    let mut form = reqwest::multipart::Form::new().text("storage", "s3");
    for (path, text) in data::SOURCES {
        let part = reqwest::multipart::Part::text(*text).file_name(*path);
        form = form.part("files", part);
    }
    let opened = server
        .send_form(reqwest::Method::POST, "/api/v1/sessions", form)
        .await?
        .expect_success()?;
    let id = opened["id"].as_str().context("a session has an id")?;
    server
        .put(NOTE, &json!({ "value": id }))
        .await?
        .expect_success()?;
    Ok((id.to_owned(), Part::Loaded))
}

async fn memories(server: &Server) -> anyhow::Result<Part> {
    let there = server
        .get("/agent/memories?tenant_id=demo&limit=1")
        .await?
        .expect_success()?;
    if there["memories"].as_array().is_some_and(|list| !list.is_empty()) {
        return Ok(Part::WasThere);
    }
    for Fact { since, text } in data::FACTS {
        let fact =
            json!({ "tenant_id": "demo", "content": text, "valid_from": since, "auto_supersede": true });
        server.post("/agent/memories", &fact).await?.expect_success()?;
    }
    Ok(Part::Loaded)
}

async fn agent_session(server: &Server, id: &str) -> anyhow::Result<Part> {
    if server.get(&format!("/api/v1/sessions/{id}")).await?.is_success() {
        return Ok(Part::WasThere);
    }
    let archive = reqwest::multipart::Part::bytes(data::agent_session(id)?).file_name("session.tar.gz");
    let form = reqwest::multipart::Form::new().part("file", archive);
    server
        .send_form(reqwest::Method::PUT, &format!("/api/v1/sessions/{id}/sync"), form)
        .await?
        .expect_success()?;
    Ok(Part::Loaded)
}

async fn project(server: &Server) -> anyhow::Result<Part> {
    let known = server.get("/api/v1/projects/pentad/demo").await?;
    let (project, mut done) = if known.is_success() {
        (known.body, Part::WasThere)
    } else {
        let new = json!({ "name": "Pentad demo", "git_remote_normalized": "pentad/demo" });
        let made = server.post("/api/v1/projects", &new).await?.expect_success()?;
        (made, Part::Loaded)
    };
    let id = project["id"].as_str().context("a project has an id")?;
    let below = |path: &str| format!("/api/v1/projects/{id}{path}");
    // Tickets come last: where there are some, all of it is there.
    let tickets = server.get(&below("/tickets")).await?.expect_success()?;
    let has_tickets = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    if has_tickets(&tickets) || has_tickets(&tickets["tickets"]) {
        return Ok(done);
    }
    done = Part::Loaded;
    for entry in data::knowledge() {
        let added = server.post(&below("/entries/add"), &entry).await?;
        // One that an interrupted call has added is there already.
        added.expect_success_or(409)?;
    }
    server
        .post(&below("/compile"), &json!({}))
        .await?
        .expect_success()?;
    for (slug, text) in data::WIKI {
        let page = json!({ "content": text });
        server
            .put(&below(&format!("/pages/{slug}")), &page)
            .await?
            .expect_success()?;
    }
    for ticket in data::tickets() {
        server.post(&below("/tickets"), &ticket).await?.expect_success()?;
    }
    Ok(done)
}

async fn program(server: &Server) -> anyhow::Result<Part> {
    let there = server.get("/api/sessions/demo").await?;
    if there.is_success() {
        return Ok(Part::WasThere);
    }
    let new = json!({ "language": "python", "session_id": "demo", "data": { "threshold": 12 } });
    let made = server.post("/api/sessions", &new).await?;
    if made.status == 503 {
        return Ok(Part::Unavailable);
    }
    made.expect_success()?;
    server
        .put_bytes("/api/sessions/demo/files/readings.csv", data::READINGS)
        .await?
        .expect_success()?;
    let code = json!({ "code": data::PROGRAM });
    server
        .put("/api/sessions/demo/code", &code)
        .await?
        .expect_success()?;
    Ok(Part::Loaded)
}

async fn storage(server: &Server) -> anyhow::Result<Part> {
    let there = server.get("/api/storage/r2/demo/README.md").await?;
    if there.is_success() {
        return Ok(Part::WasThere);
    }
    let greeting = json!({ "value": "Hello from pentad demo" });
    server
        .put("/api/storage/kv/demo/greeting", &greeting)
        .await?
        .expect_success()?;
    for statement in data::TABLE {
        let sql = json!({ "sql": statement });
        server
            .post("/api/storage/d1/demo/exec", &sql)
            .await?
            .expect_success()?;
    }
    let (_, readme) = data::SOURCES[0];
    server
        .put_bytes("/api/storage/r2/demo/README.md", readme)
        .await?
        .expect_success()?;
    Ok(Part::Loaded)
}

fn what_to_try(base: &str, grep: &str, session: &str) -> String {
    let run = run::ID;
    format!(
        r#"
Open
  {base}/viewer/runs/{run}
  {base}/api/docs/

Try, with the same key in KEY
  curl -sG {base}/api/v1/sessions/{grep}/grep -H "Authorization: Bearer $KEY" -d query=lease -d context=1
  curl -s {base}/agent/query -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
      -d '{{"tenant_id": "demo", "question": "Where does Ada live?", "as_of": "2024-06-01"}}'
  curl -s {base}/api/v1/sessions/{session}/messages -H "Authorization: Bearer $KEY"
  curl -s {base}/api/v1/projects/pentad/demo -H "Authorization: Bearer $KEY"
  curl -s {base}/api/sessions/demo/run -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' -d '{{}}'
  curl -s {base}/api/storage/d1/demo/query -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
      -d '{{"sql": "SELECT room, seats FROM rooms ORDER BY seats DESC"}}'
  curl -s {base}/api/v1/runs/{run}/diagnostics/findings.json -H "Authorization: Bearer $KEY""#
    )
}

impl Answer {
    /// The body of a success, or an error that says what was asked and answered.
    fn expect_success(self) -> anyhow::Result<Value> {
        if self.is_success() {
            return Ok(self.body);
        }
        anyhow::bail!("{} answers {}: {}", self.asked, self.status, self.body)
    }

    /// The same, where one other status is as good.
    fn expect_success_or(self, status: u16) -> anyhow::Result<Value> {
        if self.status == status {
            return Ok(self.body);
        }
        self.expect_success()
    }
}
