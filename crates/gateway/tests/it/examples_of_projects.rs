//! The operations of seed 002's projects: knowledge, wiki, personas, tickets, agent runs, rules, retrieval audit,
//! used as their document shows.

use serde_json::{Value, json};

use crate::examples::Walk;

const PROJECT: &str = "/api/v1/projects/{project_id}";

pub(crate) async fn walk(walk: &mut Walk, team: &str) {
    let body = json!({"name": "Widgets", "git_remote_normalized": "git@github.com:acme/widgets.git", "org_id": team});
    let made = walk.post("/api/v1/projects", body).await;
    let project = made["id"].as_str().unwrap().to_owned();
    assert_eq!(walk.get("/api/v1/projects").await[0]["id"], made["id"]);
    let remote = [("remote", "acme/widgets")];
    let read = walk.at("GET", "/api/v1/projects/{remote}", &remote, None).await;
    assert_eq!(read["id"], made["id"], "a remote names its project");
    let document = Some(json!({"context_document": "# Widgets\n\n## Overview\n\nA factory.\n"}));
    walk.at("PUT", "/api/v1/projects/{remote}/context", &remote, document)
        .await;
    let mut project = OfProject { walk, project };
    project.itself().await;
    project.knowledge().await;
    project.wiki().await;
    project.personas().await;
    project.tickets().await;
    project.agent_runs().await;
    project.rules().await;
    let deleted = project.on("DELETE", "", &[], None).await;
    assert_eq!(deleted["status"], "deleted");
}

/// The walk, inside one project.
struct OfProject<'a> {
    walk: &'a mut Walk,
    project: String,
}

impl OfProject<'_> {
    async fn on(&mut self, method: &str, rest: &str, names: &[(&str, &str)], body: Option<Value>) -> Value {
        let project = self.project.clone();
        let mut names = names.to_vec();
        names.push(("project_id", &project));
        self.walk
            .at(method, &format!("{PROJECT}{rest}"), &names, body)
            .await
    }

    async fn itself(&mut self) {
        self.on("PATCH", "", &[], Some(json!({"name": "Widgets 2"})))
            .await;
        let settings = json!({"auto_narrative": false, "kb_max_context_words": 3000});
        self.on("PUT", "/settings", &[], Some(settings)).await;
        let linked = json!({"git_remote": "acme/gadgets"});
        self.on("POST", "/repos", &[], Some(linked)).await;
        let repositories = self.on("GET", "/repos", &[], None).await;
        let list = repositories
            .as_array()
            .or(repositories["repos"].as_array())
            .unwrap();
        let other = list
            .iter()
            .find(|repository| repository["is_primary"] == false)
            .unwrap();
        let id = other["id"].as_str().unwrap();
        self.on("DELETE", "/repos/{repo_id}", &[("repo_id", id)], None)
            .await;
    }

    async fn entry(&mut self, entry_type: &str, content: &str, confidence: f64) -> String {
        let body = json!({"content": content, "entry_type": entry_type, "confidence": confidence});
        self.on("POST", "/entries/add", &[], Some(body)).await["id"].to_string()
    }

    async fn knowledge(&mut self) {
        let first = self
            .entry(
                "decision",
                "We decided to use rusqlite_pool v3 for storage because of WAL support",
                0.95,
            )
            .await;
        let second = self
            .entry(
                "bug",
                "The loop in src/retry.rs spins for ever when the server answers 500 twice",
                0.9,
            )
            .await;
        let third = self
            .entry(
                "discovery",
                "Perhaps the cache of src/cache.rs holds 64 MiB at most",
                0.6,
            )
            .await;
        let entries = self.on("GET", "/entries", &[], None).await;
        assert_eq!(entries.as_array().unwrap().len(), 3);
        let id = [("entry_id", first.as_str())];
        assert_eq!(
            self.on("GET", "/entries/{entry_id}", &id, None).await["claim_class"],
            "claim"
        );
        self.on("PUT", "/entries/{entry_id}/refresh", &id, None).await;
        let tried = self
            .on(
                "POST",
                "/entries/bulk-promote",
                &[],
                Some(json!({"min_confidence": 0.5})),
            )
            .await;
        assert_eq!((&tried["promoted"], &tried["dry_run"]), (&json!(1), &json!(true)));
        let third = [("entry_id", third.as_str())];
        let confidence = Some(json!({"confidence": 0.9}));
        self.on("PUT", "/entries/{entry_id}/confidence", &third, confidence)
            .await;
        self.on("PUT", "/entries/{entry_id}/promote", &third, None).await;
        let compiled = self.on("POST", "/compile", &[], Some(json!({}))).await;
        assert_eq!(compiled["entries_compiled"], 3);
        assert!(
            compiled["context_after"]
                .as_str()
                .unwrap()
                .contains("rusqlite_pool")
        );
        self.on("POST", "/rebuild", &[], None).await;
        self.on("GET", "/compilations", &[], None).await;
        assert_eq!(self.on("GET", "/health", &[], None).await["compiled_entries"], 3);
        self.restore(&compiled).await;
        let superseded = json!({"superseding_id": first.parse::<i64>().unwrap(), "reason": "measured again"});
        let second = [("entry_id", second.as_str())];
        self.on("PUT", "/entries/{entry_id}/supersede", &second, Some(superseded))
            .await;
        let links = self
            .on(
                "GET",
                "/links/{target_type}/{target_id}",
                &[("target_type", "entry"), ("target_id", second[0].1)],
                None,
            )
            .await;
        assert_eq!(links[0]["link_type"], "supersedes");
        let stale = self.on("POST", "/entries/dismiss-stale", &[], None).await;
        assert_eq!(stale["dismissed"], 1);
        let dismissed = Some(json!({"dismissed": true, "reason": "guessed"}));
        self.on("PUT", "/entries/{entry_id}", &third, dismissed).await;
    }

    /// What only a platform administrator may do.
    async fn restore(&mut self, compiled: &Value) {
        let administrator = self.walk.gateway.key().to_owned();
        let founder = std::mem::replace(&mut self.walk.key, administrator);
        let project = self.project.clone();
        let body = json!({"compilation_id": compiled["id"], "dry_run": true});
        let path = "/api/v1/admin/projects/{project_id}/restore-from-compilation";
        let restored = self
            .walk
            .at("POST", path, &[("project_id", &project)], Some(body))
            .await;
        assert_eq!(restored["dry_run"], true);
        self.walk.key = founder;
    }

    async fn wiki(&mut self) {
        let pages = self.on("GET", "/pages", &[], None).await;
        assert!(
            pages
                .as_array()
                .unwrap()
                .iter()
                .any(|page| page["slug"] == "key-decisions")
        );
        let generated = [("slug", "key-decisions")];
        let again = self
            .on("POST", "/pages/{slug}/regenerate", &generated, None)
            .await;
        assert_eq!(again["status"], "regenerated");
        let slug = [("slug", "concept/retries")];
        let content = Some(json!({"content": "# Retries\n\nSee [[key-decisions]].\n"}));
        self.on("PUT", "/pages/{slug}", &slug, content).await;
        let escaped = [("slug", "concept%2Fretries")];
        assert_eq!(
            self.on("GET", "/pages/{slug}", &escaped, None).await["title"],
            "Retries"
        );
        assert_eq!(
            self.on("GET", "/pages/{slug}", &slug, None).await["slug"],
            "concept/retries"
        );
        let history = self.on("GET", "/pages/{slug}/history", &slug, None).await;
        assert_eq!(
            (&history["count"], &history["next_cursor"]),
            (&json!(1), &Value::Null)
        );
        self.on("DELETE", "/pages/{slug}", &slug, None).await;
    }

    async fn personas(&mut self) {
        let body = json!({"name": "atlas", "role": "Backend", "content": "You keep to SQL.", "specializations": ["sql"]});
        self.on("POST", "/personas", &[], Some(body)).await;
        assert_eq!(self.on("GET", "/personas", &[], None).await[0]["name"], "atlas");
        let name = [("name", "Atlas")];
        self.on("GET", "/personas/{name}", &name, None).await;
        let changed = self
            .on("PUT", "/personas/{name}", &name, Some(json!({"role": "Storage"})))
            .await;
        assert_eq!(changed["version"], 2);
        let unused = json!({"name": "unused", "role": "None"});
        self.on("POST", "/personas", &[], Some(unused)).await;
        self.on("DELETE", "/personas/{name}", &[("name", "unused")], None)
            .await;
    }

    async fn ticket(&mut self, body: Value) -> String {
        let made = self.on("POST", "/tickets", &[], Some(body)).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn does(&mut self, ticket: &str, action: &str, body: Option<Value>) -> Value {
        let rest = format!("/tickets/{{ticket_id}}{action}");
        self.on("POST", &rest, &[("ticket_id", ticket)], body).await
    }

    async fn tickets(&mut self) {
        let ticket = self
            .ticket(json!({"title": "Bound the retries", "assigned_to": "atlas"}))
            .await;
        let id = ticket.clone();
        let id = [("ticket_id", id.as_str())];
        assert_eq!(
            self.on("GET", "/tickets", &[], None)
                .await
                .as_array()
                .unwrap()
                .len(),
            1
        );
        let started = self.does(&ticket, "/start", None).await;
        assert_eq!(started["ticket"]["lease_epoch"], 1);
        self.retrieval(&started).await;
        self.does(&ticket, "/block", None).await;
        self.does(&ticket, "/unblock", None).await;
        self.does(&ticket, "/escalate", Some(json!({"reason": "customers wait"})))
            .await;
        let comment = Some(json!({"content": "half way", "lease_epoch": 1}));
        self.does(&ticket, "/comments", comment).await;
        assert_eq!(
            self.on("GET", "/tickets/{ticket_id}/comments", &id, None)
                .await
                .as_array()
                .unwrap()
                .len(),
            2
        );
        self.on("GET", "/tickets/{ticket_id}/review-state", &id, None)
            .await;
        let done = json!({"notes": "bounded", "changed_files": ["src/retry.rs"], "lease_epoch": 1});
        self.does(&ticket, "/complete", Some(done.clone())).await;
        self.does(&ticket, "/reopen", None).await;
        self.does(&ticket, "/start", None).await;
        let again = json!({"notes": "bounded", "lease_epoch": 2});
        self.does(&ticket, "/complete", Some(again)).await;
        assert_eq!(self.does(&ticket, "/resolve", None).await["status"], "done");
        let edited = Some(json!({"title": "Bound every retry"}));
        self.on("PUT", "/tickets/{ticket_id}", &id, edited).await;
        assert_eq!(
            self.on("GET", "/tickets/{ticket_id}", &id, None).await["title"],
            "Bound every retry"
        );

        let other = self.ticket(json!({"title": "Second"})).await;
        self.does(&other, "/start", None).await;
        self.does(&other, "/complete", Some(json!({"notes": "done"})))
            .await;
        self.does(&other, "/accept", None).await;
        let suggested = json!({"title": "Found by an agent", "source": "agent", "acceptance_criteria": ["works"],
            "description": "the retry loop has no test at all"});
        let suggested = self.ticket(suggested).await;
        self.does(&suggested, "/approve", None).await;
        self.does(&suggested, "/dismiss", None).await;
        let issue = self
            .ticket(json!({"title": "Retries in general", "kind": "issue"}))
            .await;
        self.does(&issue, "/start", None).await;
        self.does(&issue, "/close", None).await;
    }

    async fn retrieval(&mut self, started: &Value) {
        let made = self
            .on(
                "POST",
                "/retrieval-audit-contexts",
                &[],
                Some(json!({"persona_name": "atlas"})),
            )
            .await;
        assert!(made.to_string().contains("ra_"), "{made}");
        let context = started["retrieval_audit_id"].as_str().unwrap().to_owned();
        let event = json!({"context_id": context, "tool_name": "search_knowledge", "arguments": {"q": "retry"},
            "returned_refs": {"entries": ["1"]}});
        self.on("POST", "/retrieval-audit-events", &[], Some(event)).await;
        let path = "/api/v1/retrieval-audit-contexts/{context_id}/events";
        let log = self.walk.at("GET", path, &[("context_id", &context)], None).await;
        assert_eq!(log["count"], 1);
        self.walk.push("ses_fedcba9876543210").await;
        let session = [("session_id", "ses_fedcba9876543210")];
        self.walk
            .at(
                "GET",
                "/api/v1/sessions/{session_id}/retrieval-log",
                &session,
                None,
            )
            .await;
    }

    async fn agent_runs(&mut self) {
        let body = json!({"persona_name": "atlas", "trigger_source": "ci", "fail_on": "high"});
        let run = self.on("POST", "/agent-runs", &[], Some(body)).await;
        let run = run["id"].as_str().unwrap().to_owned();
        let id = [("run_id", run.as_str())];
        assert_eq!(
            self.on("GET", "/agent-runs", &[], None)
                .await
                .as_array()
                .unwrap()
                .len(),
            1
        );
        self.on("POST", "/agent-runs/{run_id}/start", &id, None).await;
        let completed = json!({"status": "passed", "severity": "high", "result_summary": "one finding",
            "findings": [{"rule": "R1", "file": "src/retry.rs", "line": 7, "severity": "high"}]});
        let completed = self
            .on("POST", "/agent-runs/{run_id}/complete", &id, Some(completed))
            .await;
        assert_eq!(
            (&completed["status"], &completed["exit_code"]),
            (&json!("failed"), &json!(1))
        );
        assert_eq!(
            self.on("GET", "/agent-runs/{run_id}", &id, None).await["policy_result"],
            "fail"
        );
        let again = self.on("POST", "/agent-runs/{run_id}/replay", &id, None).await;
        let again = again["id"].as_str().unwrap().to_owned();
        self.on("POST", "/agent-runs/{run_id}/cancel", &[("run_id", &again)], None)
            .await;
        let both = [("run_id", run.as_str()), ("other_id", again.as_str())];
        let compared = self
            .on("GET", "/agent-runs/{run_id}/compare/{other_id}", &both, None)
            .await;
        assert_eq!(compared["removed"].as_array().unwrap().len(), 1);
    }

    async fn rules(&mut self) {
        self.on("GET", "/rules", &[], None).await;
        let body = json!({"static_rules": "Keep to SQL.", "enabled_tools": ["claude-code"]});
        let path = PROJECT.replace("{project_id}", &self.project) + "/rules";
        self.walk
            .over_any(&format!("PUT {PROJECT}/rules"), &path, &body)
            .await;
        self.on("POST", "/rules/compile", &[], Some(json!({}))).await;
        self.on("GET", "/rules/versions", &[], None).await;
        self.on("GET", "/rules/versions/{version}", &[("version", "1")], None)
            .await;
    }
}
