//! Something on every surface, and everything that can be asked about it.

use std::collections::BTreeMap;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::program::key_with;

/// Names that the client chooses.
const SYNCED: &str = "ses_0123456789abcdef";
const RUN: &str = "checkout-1";
const EXEC: &str = "report";

/// Operations that answer with the moment, with the address of the server, or with nothing that is stored.
const OF_THE_MOMENT: &[&str] = &[
    "/api/sessions/{id}/host",
    "/api/v1/auth/verify",
    "/api/v1/auth/verify/{token}",
    "/api/v1/connections",
    "/api/v1/health",
    "/api/v1/healthz",
    "/api/v1/runs/{run_id}/commands",
    "/api/v1/runs/{run_id}/stream",
    "/api/v1/settings/judge/models",
    "/health",
    "/metrics",
    "/proxy/{id}/{port}/{path}",
    "/readyz",
];

/// Questions that the documents describe as writes or with a body.
const ASKED_BY_POST: &[(&str, &str)] = &[
    (
        "/agent/query",
        r#"{"question": "Where does Alice live?", "include_proof_tree": true}"#,
    ),
    (
        "/agent/query",
        r#"{"question": "Where does Alice live?", "as_of": "2024-06-01"}"#,
    ),
    (
        "/api/storage/d1/shop/query",
        r#"{"sql": "SELECT rowid, * FROM users ORDER BY id"}"#,
    ),
];

/// What opens a gateway.
pub(crate) struct Keys {
    pub(crate) user: String,
    pub(crate) grep: String,
}

impl Keys {
    /// New keys of the organisation `default`.
    pub(crate) async fn of(data: &Path, environment: &[(String, String)]) -> Self {
        Self {
            user: key_with(data, "user", &[], environment).await,
            grep: key_with(data, "grep", &[], environment).await,
        }
    }
}

/// A client of one gateway.
pub(crate) struct Asker {
    client: Client,
    base: String,
    key: String,
    /// Of the family grep: to it, the list of sessions is that of grep sessions.
    grep_key: String,
}

/// Bytes that nobody else sends, too many for a row of a database.
fn large(seed: &str) -> Vec<u8> {
    seed.as_bytes().iter().copied().cycle().take(100_000).collect()
}

fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
    bytes.extend(large("screenshot"));
    bytes
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    add(
        "manifest.json",
        br#"{"sfs_version": "0.1.0", "session_id": "ses_0123456789abcdef", "title": "Fix the flaky retry test",
             "source": {"tool": "codex"}, "created_at": "2026-03-20T14:00:00Z"}"#,
    );
    add(
        "messages.jsonl",
        br#"{"role": "user", "content": [{"type": "text", "text": "Why does the retry test fail on Mondays?"}]}
{"role": "assistant", "content": [{"type": "text", "text": "The backoff reads the weekday. I pinned the clock."}]}
"#,
    );
    add(
        "workspace.json",
        br#"{"git": {"remote_url": "git@github.com:acme/widgets.git"}}"#,
    );
    add("tools.json", b"[]");
    builder.into_inner().unwrap().finish().unwrap()
}

impl Asker {
    pub(crate) fn new(base: &str, keys: &Keys) -> Self {
        Self {
            client: Client::new(),
            base: base.to_owned(),
            key: keys.user.clone(),
            grep_key: keys.grep.clone(),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.key)
    }

    async fn sent(&self, what: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{what}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn write(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.request(method.parse().unwrap(), path).json(&body);
        self.sent(&format!("{method} {path}"), request).await
    }

    async fn write_bytes(&self, path: &str, content: Vec<u8>) {
        let request = self.request(Method::PUT, path).body(content);
        self.sent(path, request).await;
    }

    async fn write_form(&self, method: Method, path: &str, form: Form) -> Value {
        let request = self.request(method, path).multipart(form);
        self.sent(path, request).await
    }

    /// What is read at a path.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.sent(path, self.request(Method::GET, path)).await
    }

    /// Stores something on every surface.
    pub(crate) async fn fill(&self) {
        self.fill_grep("s3").await;
        self.fill_memories().await;
        self.fill_sessions().await;
        self.fill_projects().await;
        self.fill_exec().await;
        self.fill_storage().await;
        self.fill_runs().await;
    }

    async fn fill_grep(&self, storage: &str) {
        let form = Form::new()
            .text("storage", storage.to_owned())
            .part(
                "files",
                Part::bytes(&b"export async function runAgentLoop() {}\n"[..]).file_name("src/loop.ts"),
            )
            .part(
                "files",
                Part::bytes(large("needle in hay\n")).file_name("README.md"),
            );
        self.write_form(Method::POST, "/api/v1/sessions", form).await;
    }

    /// Opens a session whose objects are deleted at once.
    pub(crate) async fn grep_and_delete(&self) {
        let form = Form::new()
            .text("storage", "s3")
            .part("files", Part::bytes(large("gone soon\n")).file_name("gone.txt"));
        let session = self.write_form(Method::POST, "/api/v1/sessions", form).await;
        let path = format!(
            "/api/v1/sessions/{}?permanently=true",
            session["id"].as_str().unwrap()
        );
        self.sent(&path, self.request(Method::DELETE, &path)).await;
    }

    /// Waits until the pushed session is found by its words.
    pub(crate) async fn wait_until_searchable(&self) {
        while self.read("/api/v1/sessions/search?q=backoff").await["total"] == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn fill_memories(&self) {
        for (content, from) in [
            ("Alice lives in Berlin.", "2024-01-01"),
            ("Alice lives in Lisbon now.", "2025-03-01"),
        ] {
            let body = json!({"content": content, "valid_from": from, "auto_supersede": true});
            self.write("POST", "/agent/memories", body).await;
        }
        let chat = json!({"session_id": "chat-7", "tenant_id": "kitchen", "messages": [
            {"role": "user", "content": "My name is Bob. I work at Initech as a cook."}]});
        self.write("POST", "/agent/memories", chat).await;
    }

    async fn fill_sessions(&self) {
        let form = || Form::new().part("file", Part::bytes(archive()).file_name("session.tar.gz"));
        self.write_form(Method::PUT, &format!("/api/v1/sessions/{SYNCED}/sync"), form())
            .await;
        let of = |what: &str| format!("/api/v1/sessions/{SYNCED}/{what}");
        self.write("PUT", &of("alias"), json!({"alias": "retry-fix"}))
            .await;
        self.write(
            "POST",
            &of("share"),
            json!({"expires_in_hours": 24, "password": "swordfish"}),
        )
        .await;
        let folder = self
            .write("POST", "/api/v1/bookmarks/folders", json!({"name": "To read"}))
            .await;
        let bookmark = json!({"folder_id": folder["id"], "session_id": SYNCED});
        self.write("POST", "/api/v1/bookmarks", bookmark).await;
        self.write("PUT", "/api/v1/sync/settings", json!({"mode": "selective"}))
            .await;
        self.write("POST", &format!("/api/v1/sync/watch/{SYNCED}"), json!({}))
            .await;
        let judge = json!({"model": "gpt-5", "provider": "openai", "api_key": "sk-sealed-at-rest", "base_url": "http://127.0.0.1:9/v1"});
        self.write("PUT", "/api/v1/settings/judge", judge).await;
        self.write("POST", "/api/v1/auth/signup", json!({"email": "bob@example.com"}))
            .await;
        let handoff =
            json!({"session_id": SYNCED, "recipient_email": "bob@example.com", "message": "Yours."});
        let handoff = self.write("POST", "/api/v1/handoffs", handoff).await;
        let id = handoff["id"].as_str().unwrap();
        self.write(
            "POST",
            &format!("/api/v1/handoffs/{id}/comments"),
            json!({"content": "Mondays only."}),
        )
        .await;
        let organisation = self.read("/api/v1/auth/me").await["org_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let service = json!({"name": "ci", "scopes": ["tickets:read"]});
        self.write(
            "POST",
            &format!("/api/v1/orgs/{organisation}/service-keys"),
            service,
        )
        .await;
    }

    async fn fill_projects(&self) {
        let project = json!({"name": "Widgets", "git_remote_normalized": "acme/widgets"});
        let project = self.write("POST", "/api/v1/projects", project).await;
        let of = |what: &str| format!("/api/v1/projects/{}/{what}", project["id"].as_str().unwrap());
        let entry = json!({"entry_type": "decision", "confidence": 0.9, "content": "Retries in src/net/retry.rs use full \
            jitter, because synchronised clients overloaded the gateway twice."});
        self.write("POST", &of("entries/add"), entry).await;
        self.write("POST", &of("compile"), json!({})).await;
        self.write(
            "PUT",
            &of("pages/retries"),
            json!({"content": "# Retries\n\nFull jitter."}),
        )
        .await;
        let reviewer = json!({"name": "reviewer", "role": "Reads diffs", "content": "Look for races first."});
        self.write("POST", &of("personas"), reviewer).await;
        let ticket = json!({"title": "The retry test is flaky", "description": "It fails on Mondays."});
        let ticket = self.write("POST", &of("tickets"), ticket).await;
        let ticket = format!("tickets/{}", ticket["id"].as_str().unwrap());
        self.write(
            "POST",
            &of(&format!("{ticket}/comments")),
            json!({"content": "Seen on CI."}),
        )
        .await;
        self.write("POST", &of(&format!("{ticket}/start")), json!({}))
            .await;
        self.write(
            "POST",
            &of("agent-runs"),
            json!({"persona_name": "reviewer", "trigger_source": "ci"}),
        )
        .await;
        let rules = self
            .request(Method::PUT, &of("rules"))
            .header("if-match", "*")
            .json(&json!({"static_rules": "Small commits."}));
        self.sent("PUT rules", rules).await;
    }

    async fn fill_exec(&self) {
        let session = json!({"language": "python", "session_id": EXEC, "data": {"user": "ada"}});
        self.write("POST", "/api/sessions", session).await;
        self.write(
            "PUT",
            &format!("/api/sessions/{EXEC}/code"),
            json!({"code": "print(1)"}),
        )
        .await;
        self.write_bytes(
            &format!("/api/sessions/{EXEC}/files/scores.csv"),
            b"name,score\nada,3\n".to_vec(),
        )
        .await;
        self.write_bytes(
            &format!("/api/sessions/{EXEC}/files/large.bin"),
            large("workspace"),
        )
        .await;
    }

    async fn fill_storage(&self) {
        let value = json!({"value": "{\"theme\":\"dark\"}", "metadata": {"plan": "pro"}});
        self.write("PUT", "/api/storage/kv/myapp/user:1", value).await;
        // "buy milk"
        let object = json!({"content": "YnV5IG1pbGs=", "metadata": {"type": "text/plain"}});
        self.write("PUT", "/api/storage/r2/files/today.txt", object).await;
        for sql in [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
            "INSERT INTO users (name) VALUES ('Alice'), ('Bob')",
        ] {
            self.write("POST", "/api/storage/d1/shop/exec", json!({"sql": sql}))
                .await;
        }
    }

    async fn fill_runs(&self) {
        let of = |what: &str| format!("/api/v1/runs/{RUN}/{what}");
        let step = json!({"step_id": "checkout-1/step/0000", "step_index": 0, "step_type": "click",
            "status": "succeeded", "started_at": "2026-05-19T00:00:00Z",
            "action": {"type": "click", "params": {"x": 1400, "y": 20}, "coordinate_space": "viewport_css_px"},
            "observation_pre_meta": {"viewport": {"width": 1280, "height": 720}}});
        self.write("PUT", &of("steps/0"), step).await;
        let events = json!({"step_index": 0, "events": [
            {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "decision", "summary": "click Login"}]});
        self.write("POST", &of("events"), events).await;
        self.write(
            "POST",
            &of("logs"),
            json!({"text": "retrying after a timeout\n", "step_index": 0}),
        )
        .await;
        let image = Part::bytes(png())
            .file_name("s.png")
            .mime_str("image/png")
            .unwrap();
        self.write_form(
            Method::POST,
            &of("screenshots/0/pre"),
            Form::new().part("image", image),
        )
        .await;
        let outcome = json!({"finalized_at": "2026-05-19T00:00:00Z", "scope": "session", "verdict": {"status": "passed"}});
        self.write("POST", &of("outcomes"), outcome).await;
        self.write(
            "POST",
            &of("commands"),
            json!({"type": "inject_hint", "payload": {"text": "log in first"}}),
        )
        .await;
        self.write("POST", "/api/v1/tenant/dsns", json!({"label": "guide"}))
            .await;
        self.write(
            "POST",
            "/api/v1/heartbeat",
            json!({"client_id": "guide", "client_name": "guide"}),
        )
        .await;
    }

    /// The status and the body of every read that the document of the gateway describes, by path.
    ///
    /// Panics at an operation that neither can be asked nor is said to be of the moment: whoever adds one says here
    /// what there is to ask.
    pub(crate) async fn answers(&self) -> BTreeMap<String, String> {
        let document = self.read("/api/v1/openapi.json").await;
        let names = self.names().await;
        let mut answers = BTreeMap::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            if operations.get("get").is_none() || OF_THE_MOMENT.contains(&path.as_str()) {
                continue;
            }
            let of_grep = path.ends_with("/grep") || path.contains("{id}/files");
            for filled in filled(path, &names) {
                // Of the operations below a session, each belongs to one of the two kinds of them.
                if path.starts_with("/api/v1/sessions/{id}/") && filled.contains(SYNCED) == of_grep {
                    continue;
                }
                let answer = self.answer(self.request(Method::GET, &filled)).await;
                answers.insert(filled, answer);
            }
        }
        for (number, (path, body)) in ASKED_BY_POST.iter().enumerate() {
            let body: Value = serde_json::from_str(body).unwrap();
            let answer = self.answer(self.request(Method::POST, path).json(&body)).await;
            answers.insert(format!("{path} #{number}"), answer);
        }
        answers
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> String {
        let answer = request.send().await.unwrap();
        let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
        // JSON, or a line of JSON for each of many things.
        let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
        let body = match lines {
            Ok(mut values) => {
                values
                    .iter_mut()
                    .for_each(|value| without_the_moment(value, &self.base));
                Value::Array(values).to_string()
            }
            Err(_) if bytes.len() > 4_000 => pentad_kernel::secret::sha256_hex(&bytes),
            Err(_) => String::from_utf8_lossy(&bytes).replace(&self.base, ""),
        };
        format!("{} {body}", status.as_u16())
    }

    /// What stands for the parameters of paths: `{name}` after what comes before it.
    async fn names(&self) -> BTreeMap<&'static str, Vec<String>> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ids = |list: &Value, name: &str| -> Vec<String> {
            let list = list.as_array().unwrap();
            list.iter()
                .map(|one| {
                    one[name]
                        .as_str()
                        .map_or_else(|| one[name].to_string(), str::to_owned)
                })
                .collect()
        };
        let me = self.read("/api/v1/auth/me").await;
        let (user, organisation) = (text(&me["user_id"]), text(&me["org_id"]));
        let listed = self
            .client
            .get(format!("{}/api/v1/sessions", self.base))
            .bearer_auth(&self.grep_key);
        let grep = ids(
            &self.sent("the list of grep sessions", listed).await["sessions"],
            "id",
        );
        let memories = ids(&self.read("/agent/memories").await["memories"], "id");
        let project = ids(&self.read("/api/v1/projects").await, "id").remove(0);
        let of_project = async |what: &str| self.read(&format!("/api/v1/projects/{project}/{what}")).await;
        let entries = ids(&of_project("entries").await, "id");
        let tickets = ids(&of_project("tickets").await, "id");
        let agent_runs = ids(&of_project("agent-runs").await, "id");
        let folders = ids(&self.read("/api/v1/bookmarks/folders").await["folders"], "id");
        let handoffs = ids(&self.read("/api/v1/handoffs/sent").await["handoffs"], "id");
        let files = ids(
            &json!(
                self.read(&format!("/api/v1/runs/{RUN}/files")).await["files"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|path| json!({"path": path}))
                    .collect::<Vec<_>>()
            ),
            "path",
        );
        let below = |folder: &str, end: &str| -> Vec<String> {
            let stem = |path: &String| Some(path.strip_prefix(folder)?.strip_suffix(end)?.to_owned());
            files.iter().filter_map(stem).collect()
        };
        let one = |name: &str| vec![name.to_owned()];
        BTreeMap::from([
            ("/agent/memories/{id}", memories.clone()),
            ("/memories/{id}", memories),
            ("/api/sessions/{id}", one(EXEC)),
            (
                "/api/sessions/{id}/files/{path}",
                vec!["scores.csv".to_owned(), "large.bin".to_owned()],
            ),
            ("/api/storage/kv/{namespace}", one("myapp")),
            ("/api/storage/kv/{namespace}/{key}", one("user:1")),
            ("/api/storage/r2/{namespace}", one("files")),
            ("/api/storage/r2/{namespace}/{key}", one("today.txt")),
            ("/api/v1/admin/users/{user_id}", one(&user)),
            ("/api/v1/bookmarks/folders/{folder_id}", folders),
            ("/api/v1/handoffs/{id}", handoffs),
            ("/api/v1/orgs/{org_id}", one(&organisation)),
            ("/api/v1/projects/{project_id}", one(&project)),
            (
                "/api/v1/projects/{remote}",
                vec![project.clone(), "acme/widgets".to_owned()],
            ),
            (
                "/api/v1/projects/{project_id}/agent-runs/{run_id}",
                agent_runs.clone(),
            ),
            (
                "/api/v1/projects/{project_id}/agent-runs/{run_id}/compare/{other_id}",
                agent_runs,
            ),
            ("/api/v1/projects/{project_id}/entries/{entry_id}", entries),
            ("/api/v1/projects/{project_id}/links/{target_type}", one("ticket")),
            (
                "/api/v1/projects/{project_id}/links/{target_type}/{target_id}",
                tickets.clone(),
            ),
            ("/api/v1/projects/{project_id}/pages/{slug}", one("retries")),
            ("/api/v1/projects/{project_id}/personas/{name}", one("reviewer")),
            ("/api/v1/projects/{project_id}/rules/versions/{version}", one("1")),
            ("/api/v1/projects/{project_id}/tickets/{ticket_id}", tickets),
            ("/api/v1/retrieval-audit-contexts/{context_id}", one("none")),
            ("/api/v1/runs/{run_id}", one(RUN)),
            ("/api/v1/runs/{run_id}/events/{name}", below("events/", ".jsonl")),
            ("/api/v1/runs/{run_id}/logs/{name}", below("logs/", ".log")),
            ("/api/v1/runs/{run_id}/modelio/{relpath}", one("none")),
            ("/api/v1/runs/{run_id}/replay/{name}", one("none")),
            (
                "/api/v1/runs/{run_id}/screenshots/{name}",
                below("screenshots/", ".png"),
            ),
            ("/api/v1/runs/{run_id}/side_effects/{name}", one("none")),
            ("/api/v1/runs/{run_id}/steps/{step}", one("0000")),
            ("/api/v1/runs/{run_id}/steps/{step}/{iteration}", one("0")),
            ("/api/v1/sessions/share/{token}", one("none")),
            (
                "/api/v1/sessions/{id}",
                grep.into_iter().chain(one(SYNCED)).collect(),
            ),
            ("/api/v1/sessions/{id}/files/{path}", one("src/loop.ts")),
            ("/api/v1/sessions/{session_id}", one(SYNCED)),
            ("/api/v1/uploads/{upload_id}", one("none")),
        ])
    }
}

/// The path with every combination of what its parameters can be, and what the query needs.
fn filled(path: &str, names: &BTreeMap<&'static str, Vec<String>>) -> Vec<String> {
    let mut filled = vec![String::new()];
    let mut so_far = String::new();
    for part in path.split('/').skip(1) {
        so_far = format!("{so_far}/{part}");
        let Some((parameter, end)) = part.strip_prefix('{').and_then(|part| part.split_once('}')) else {
            filled.iter_mut().for_each(|path| *path += &format!("/{part}"));
            continue;
        };
        let known = so_far.strip_suffix(end).unwrap();
        let values = names.get(known).unwrap_or_else(|| {
            panic!("{path}: say in surfaces.rs what {parameter} of {known} can be, or that the answer is of the moment")
        });
        filled = filled
            .iter()
            .flat_map(|path| values.iter().map(move |value| format!("{path}/{value}{end}")))
            .collect();
    }
    if path.ends_with("/search") {
        filled.iter_mut().for_each(|path| *path += "?q=backoff");
    }
    if path.ends_with("/grep") {
        filled
            .iter_mut()
            .for_each(|path| *path += "?pattern=runAgentLoop");
    }
    filled
}

/// Takes out what says when the question was asked, how long the answer took, and where the server is.
fn without_the_moment(value: &mut Value, base: &str) {
    const NAMES: &[&str] = &[
        "duration",
        "duration_ms",
        "elapsed_ms",
        "timestamp",
        "last_used_at",
        "request_id",
        "took_ms",
        "latency_ms",
        "expires_in_seconds",
        "age_seconds",
        "as_of",
        "freshness",
        "generated_at",
        "checked_at",
        "exported_at",
        "search_ms",
    ];
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !NAMES.contains(&name.as_str()));
            members
                .values_mut()
                .for_each(|value| without_the_moment(value, base));
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| without_the_moment(value, base)),
        Value::String(text) => *text = text.replace(base, ""),
        _ => {}
    }
}

/// Whether nothing that `fill` stores answers there.
pub(crate) fn finds_nothing(path: &str) -> bool {
    const ENDS: &[&str] = &[
        "/audit",
        "/eval_candidates.json",
        "/rules/versions/1",
        "/spans.jsonl",
        "/steps/0000/0.json",
    ];
    path.contains("/none") || ENDS.iter().any(|end| path.ends_with(end))
}

/// What differs, for people.
pub(crate) fn differences(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&String| before.get(*path) != after.get(*path);
    let tell = |path: &String| {
        format!(
            "{path}\n    before {:?}\n    after  {:?}",
            before.get(path),
            after.get(path)
        )
    };
    paths.into_iter().filter(differs).map(tell).collect()
}
