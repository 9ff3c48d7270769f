//! The operations of seed 002's sessions and accounts, used as their document shows.

use flate2::Compression;
use flate2::write::GzEncoder;
use pentad_identity::{KeyFamily, PlanName};
use pentad_kernel::secret;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::examples::Walk;

const SESSION: &str = "ses_0123456789abcdef";

pub(crate) fn archive(title: &str) -> Vec<u8> {
    archive_of(title, None)
}

/// An archive of a session that was captured in a git remote.
pub(crate) fn archive_of(title: &str, remote: Option<&str>) -> Vec<u8> {
    let workspace = match remote {
        Some(remote) => json!({"git": {"remote_url": format!("git@github.com:{remote}.git")}}).to_string(),
        None => "{}".to_owned(),
    };
    let manifest = json!({"title": title, "source": {"tool": "codex"}}).to_string();
    let messages = "{\"role\":\"user\",\"content\":\"Find the quokka\"}\n{\"role\":\"assistant\",\"content\":\"Done.\"}\n";
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [
        ("manifest.json", manifest.as_str()),
        ("messages.jsonl", messages),
        ("workspace.json", workspace.as_str()),
        ("tools.json", "{}"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn form(title: &str) -> Option<Form> {
    Some(Form::new().part("file", Part::bytes(archive(title)).file_name("session.tar.gz")))
}

/// A language model that finds one thing to doubt: its address.
pub(crate) async fn judge() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let _ = connection.read(&mut request).await;
            let found = r#"[{"claim": "It works", "verdict": "unverified"}]"#;
            let body =
                json!({"data": [{"id": "judge"}], "choices": [{"message": {"content": found}}]}).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/v1")
}

pub(crate) async fn walk(walk: &mut Walk) {
    accounts(walk).await;
    sessions(walk).await;
    reading(walk).await;
    uploads(walk).await;
    settings(walk).await;
    handoffs(walk).await;
    bookmarks(walk).await;
}

async fn accounts(walk: &mut Walk) {
    let body = json!({"email": "grace@example.com"});
    let made = walk.post("/api/v1/auth/signup", body).await;
    assert!(made["raw_key"].as_str().unwrap().starts_with("sk_sfs_"));
    let me = walk.get("/api/v1/auth/me").await;
    assert_eq!(me["tier"], "admin");
    let key = walk.post("/api/v1/auth/keys", json!({"name": "ci"})).await;
    assert!(!walk.get("/api/v1/auth/keys").await.as_array().unwrap().is_empty());
    let path = format!("/api/v1/auth/keys/{}", key["key_id"].as_str().unwrap());
    for _again in 0..2 {
        walk.call("DELETE /api/v1/auth/keys/{key_id}", &path, None, None)
            .await;
    }
    let key = walk.post("/api/v1/auth/me/api-keys", json!({"name": "ci"})).await;
    walk.get("/api/v1/auth/me/api-keys").await;
    let path = format!("/api/v1/auth/me/api-keys/{}", key["id"].as_str().unwrap());
    let reason = Some(json!({"reason": "done"}));
    walk.call("DELETE /api/v1/auth/me/api-keys/{key_id}", &path, None, reason)
        .await;
    let path = "/api/v1/auth/me/default-org";
    walk.call(&format!("PUT {path}"), path, None, Some(json!({"org_id": null})))
        .await;
    let user = walk
        .gateway
        .identity()
        .user_by_email("grace@example.com")
        .await
        .unwrap();
    let token = walk.gateway.identity().require_verification(&user).await.unwrap();
    walk.call(
        "GET /api/v1/auth/verify/{token}",
        &format!("/api/v1/auth/verify/{token}"),
        None,
        None,
    )
    .await;
    walk.call(
        "GET /api/v1/auth/verify",
        &format!("/api/v1/auth/verify?token={token}"),
        None,
        None,
    )
    .await;
}

async fn sessions(walk: &mut Walk) {
    let pushed = walk.on("PUT", "/sync", form("Fix retries"), None).await;
    assert_eq!(pushed["etag"], secret::sha256_hex(archive("Fix retries")));
    let path = "/api/v1/sessions?source_tool=cursor&title=Hand%20made";
    let made = walk
        .call("POST /api/v1/sessions", path, form("other"), None)
        .await;
    assert!(made["session_id"].as_str().unwrap().starts_with("ses_"));
    let listed = walk.get("/api/v1/sessions").await;
    assert_eq!(listed["total"], 2);
    let edited = walk
        .on(
            "PATCH",
            "",
            None,
            Some(json!({"title": "Retries", "tags": ["ci"]})),
        )
        .await;
    assert_eq!(edited["tags"], json!(["ci"]));
    walk.on("PUT", "/alias", None, Some(json!({"alias": "retry-test"})))
        .await;
    walk.on("DELETE", "/alias", None, None).await;
    assert_eq!(walk.on("GET", "", None, None).await["alias"], Value::Null);
    walk.on("DELETE", "", None, None).await;
    walk.on("POST", "/restore", None, None).await;
    let read = walk.post("/api/v1/sessions/admin/reindex", json!({})).await;
    assert_eq!(read, json!({"reindexed": 2, "updated": 2, "errors": 0}));
    let purged = walk.post("/api/v1/admin/purge-deleted", json!({})).await;
    assert_eq!(purged["purged"], 0, "nothing is due");
}

async fn reading(walk: &mut Walk) {
    walk.on("GET", "/sync", None, None).await;
    walk.on("GET", "/download", None, None).await;
    assert_eq!(walk.on("GET", "/messages", None, None).await["total"], 2);
    for part in [
        "/workspace",
        "/tools",
        "/provenance",
        "/changes",
        "/summary",
        "/audits",
        "/audit/status",
    ] {
        walk.on("GET", part, None, None).await;
    }
    walk.on("POST", "/summary", None, None).await;
    let found = walk
        .call(
            "GET /api/v1/sessions/search",
            "/api/v1/sessions/search?q=quokka",
            None,
            None,
        )
        .await;
    assert_eq!(found["results"][0]["matches"][0]["message_index"], 0);
    let link = walk
        .on("POST", "/share", None, Some(json!({"password": "hunter22"})))
        .await;
    let open = walk.on("POST", "/share", None, Some(json!({}))).await;
    let shared = |link: &Value| {
        let url = link["url"].as_str().unwrap();
        url[url.find("/api/").unwrap()..].to_owned()
    };
    let operation = "/api/v1/sessions/share/{token}";
    walk.call(&format!("GET {operation}"), &shared(&open), None, None)
        .await;
    let password = Some(json!({"password": "hunter22"}));
    walk.call(&format!("POST {operation}"), &shared(&link), None, password)
        .await;
    let path = format!(
        "/api/v1/sessions/{SESSION}/share/{}",
        link["link_id"].as_str().unwrap()
    );
    walk.call("DELETE /api/v1/sessions/{id}/share/{link_id}", &path, None, None)
        .await;
}

async fn uploads(walk: &mut Walk) {
    let bytes = archive("In parts");
    let announced = json!({"total_size": bytes.len(), "sha256": secret::sha256_hex(&bytes)});
    let upload = walk.on("POST", "/uploads", None, Some(announced.clone())).await;
    let path = format!("/api/v1/uploads/{}", upload["upload_id"].as_str().unwrap());
    walk.raw(
        "PUT /api/v1/uploads/{upload_id}/parts/{number}",
        &format!("{path}/parts/1"),
        bytes,
    )
    .await;
    let progress = walk
        .call("GET /api/v1/uploads/{upload_id}", &path, None, None)
        .await;
    assert_eq!(progress["received"], json!([1]));
    walk.call(
        "POST /api/v1/uploads/{upload_id}/complete",
        &format!("{path}/complete"),
        None,
        None,
    )
    .await;
    let upload = walk.on("POST", "/uploads", None, Some(announced)).await;
    let path = format!("/api/v1/uploads/{}", upload["upload_id"].as_str().unwrap());
    walk.call("DELETE /api/v1/uploads/{upload_id}", &path, None, None)
        .await;
}

async fn settings(walk: &mut Walk) {
    walk.get("/api/v1/sync/settings").await;
    walk.put("/api/v1/sync/settings", json!({"mode": "selective"}))
        .await;
    let watch = format!("/api/v1/sync/watch/{SESSION}");
    walk.call("POST /api/v1/sync/watch/{id}", &watch, None, None)
        .await;
    walk.call(
        "PUT /api/v1/sync/watch/{id}/{status}",
        &format!("{watch}/synced"),
        None,
        None,
    )
    .await;
    assert_eq!(
        walk.get("/api/v1/sync/watchlist").await["sessions"][0]["status"],
        "synced"
    );
    let watchers = json!({"watchers": [{"name": "claude-code", "health": "healthy", "sessions_tracked": 3}]});
    walk.put("/api/v1/sync/health", watchers).await;
    assert_eq!(
        walk.get("/api/v1/sync/health").await["watchers"][0]["name"],
        "claude-code"
    );
    assert_eq!(
        walk.get("/api/v1/auth/me").await["capture_health"][0]["sessions_tracked"],
        3
    );
    assert_eq!(walk.get("/api/v1/sync/status").await["watched_sessions"], 1);
    walk.call("DELETE /api/v1/sync/watch/{id}", &watch, None, None)
        .await;
    walk.get("/api/v1/settings/audit-trigger").await;
    walk.put("/api/v1/settings/audit-trigger", json!({"trigger": "manual"}))
        .await;

    let base_url = judge().await;
    let judge = json!({"provider": "openai", "model": "judge", "api_key": "sk-x", "base_url": base_url});
    let saved = walk.put("/api/v1/settings/judge", judge).await;
    assert_eq!((&saved["key_set"], saved.get("api_key")), (&json!(true), None));
    walk.get("/api/v1/settings/judge").await;
    let path = format!("/api/v1/settings/judge/models?base_url={base_url}");
    let models = walk
        .call("GET /api/v1/settings/judge/models", &path, None, None)
        .await;
    assert_eq!(models["models"][0]["id"], "judge");
    let report = walk.on("POST", "/audit", None, Some(json!({}))).await;
    assert_eq!(report["summary"]["total_claims"], 1);
    let dismissal = json!({"finding_index": 0, "reason": "checked by hand"});
    walk.on("POST", "/audit/dismiss", None, Some(dismissal)).await;
    let report = walk.on("GET", "/audit", None, None).await;
    assert_eq!(report["findings"][0]["dismissed"], true);
    let told = walk.on("POST", "/summary/narrative", None, Some(json!({}))).await;
    assert!(told["narrative_error"].is_string(), "this judge tells no stories");
    let path = "/api/v1/settings/judge";
    walk.call(&format!("DELETE {path}"), path, None, None).await;
}

async fn bookmarks(walk: &mut Walk) {
    let folders = "/api/v1/bookmarks/folders";
    let made = walk
        .post(folders, json!({"name": "Important", "color": "#4f9cf7"}))
        .await;
    let id = made["id"].as_str().unwrap();
    let body = json!({"folder_id": id, "session_id": SESSION});
    let bookmark = walk.post("/api/v1/bookmarks", body).await;
    assert_eq!(walk.get(folders).await["folders"][0]["bookmark_count"], 1);
    let folder = format!("{folders}/{id}");
    let renamed = Some(json!({"name": "Reading list"}));
    let renamed = walk
        .call(&format!("PUT {folders}/{{folder_id}}"), &folder, None, renamed)
        .await;
    assert_eq!(
        (&renamed["name"], &renamed["color"]),
        (&json!("Reading list"), &json!("#4f9cf7"))
    );
    let listed = walk
        .call(
            &format!("GET {folders}/{{folder_id}}/sessions"),
            &format!("{folder}/sessions"),
            None,
            None,
        )
        .await;
    assert_eq!(listed["sessions"][0]["id"], SESSION);
    assert_eq!(listed["sessions"][0]["bookmark_id"], bookmark["id"]);
    let path = format!("/api/v1/bookmarks/{}", bookmark["id"].as_str().unwrap());
    walk.call("DELETE /api/v1/bookmarks/{bookmark_id}", &path, None, None)
        .await;
    walk.call(&format!("DELETE {folders}/{{folder_id}}"), &folder, None, None)
        .await;
}

async fn handoffs(walk: &mut Walk) {
    let (grace, key) = walk.gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    let mut offers = Vec::new();
    for _ in 0..3 {
        let body = json!({"session_id": SESSION, "recipient_email": grace.email, "message": "please finish"});
        let handoff = walk.post("/api/v1/handoffs", body).await;
        offers.push(format!("/api/v1/handoffs/{}", handoff["id"].as_str().unwrap()));
    }
    let of = |method: &str, rest: &str| format!("{method} /api/v1/handoffs/{{id}}{rest}");
    walk.call(&of("GET", ""), &offers[0], None, None).await;
    assert_eq!(walk.get("/api/v1/handoffs/sent").await["total"], 3);
    walk.get("/api/v1/handoffs/inbox").await;
    let comments = format!("{}/comments", offers[0]);
    walk.call(
        &of("POST", "/comments"),
        &comments,
        None,
        Some(json!({"content": "on it"})),
    )
    .await;
    walk.call(&of("GET", "/comments"), &comments, None, None).await;
    walk.call(
        &of("GET", "/summary"),
        &format!("{}/summary", offers[0]),
        None,
        None,
    )
    .await;
    let admin = std::mem::replace(&mut walk.key, key);
    let claimed = walk
        .call(&of("POST", "/claim"), &format!("{}/claim", offers[0]), None, None)
        .await;
    assert_eq!(claimed["status"], "claimed");
    walk.call(
        &of("POST", "/decline"),
        &format!("{}/decline", offers[1]),
        None,
        Some(json!({"reason": "busy"})),
    )
    .await;
    walk.key = admin;
    walk.call(
        &of("POST", "/revoke"),
        &format!("{}/revoke", offers[2]),
        None,
        Some(json!({"reason": "mistake"})),
    )
    .await;
    let events = walk
        .call(
            &of("GET", "/events"),
            &format!("{}/events", offers[0]),
            None,
            None,
        )
        .await;
    assert_eq!(
        events.as_array().unwrap().last().unwrap()["event_type"],
        "claimed"
    );
}

impl Walk {
    /// Pushes a session of the caller's.
    pub(crate) async fn push(&mut self, session: &str) {
        let path = format!("/api/v1/sessions/{session}/sync");
        self.call("PUT /api/v1/sessions/{id}/sync", &path, form("Pushed"), None)
            .await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> Value {
        self.call(&format!("GET {path}"), path, None, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Value {
        self.call(&format!("POST {path}"), path, None, Some(body)).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: Value) -> Value {
        self.call(&format!("PUT {path}"), path, None, Some(body)).await
    }

    /// An operation on the session.
    pub(crate) async fn on(
        &mut self,
        method: &str,
        rest: &str,
        form: Option<Form>,
        body: Option<Value>,
    ) -> Value {
        let operation = format!("{method} /api/v1/sessions/{{id}}{rest}");
        let path = format!("/api/v1/sessions/{SESSION}{rest}");
        self.call(&operation, &path, form, body).await
    }
}
