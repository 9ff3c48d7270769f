//! Who reaches which operation: every operation has a row, and every row is tried by everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use pentad_http_kit::Access;
use pentad_identity::{KeyFamily, NewKey, PlanName};
use pentad_kernel::{Clock as _, OrganisationId, Scope, ScopeSet};
use pentad_testkit::TestGateway;
use reqwest::Method;
use serde_json::{Value, json};

/// Who an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// People, never service keys.
    People,
    /// People, and service keys with this scope.
    Scope(Scope),
    /// Platform administrators.
    Administrators,
}

use For::{Administrators, People};

const KNOW_READ: For = For::Scope(Scope::KnowledgeRead);
const KNOW_WRITE: For = For::Scope(Scope::KnowledgeWrite);
const TICKETS_READ: For = For::Scope(Scope::TicketsRead);
const TICKETS_WRITE: For = For::Scope(Scope::TicketsWrite);
const PERSONAS_READ: For = For::Scope(Scope::PersonasRead);
const PERSONAS_WRITE: For = For::Scope(Scope::PersonasWrite);
const RUNS_READ: For = For::Scope(Scope::AgentRunsRead);
const RUNS_WRITE: For = For::Scope(Scope::AgentRunsWrite);

/// Every operation with whom it is for (seed 002, table of scopes).
const ROWS: &[(&str, &str, For)] = &[
    ("POST", "/api/v1/org", People),
    ("GET", "/api/v1/org", People),
    ("PUT", "/api/v1/org/members/{user_id}/role", People),
    ("DELETE", "/api/v1/org/members/{user_id}", People),
    ("GET", "/api/v1/orgs/{org_id}/settings", People),
    ("PUT", "/api/v1/orgs/{org_id}/settings", People),
    ("POST", "/api/v1/org/invite", People),
    ("POST", "/api/v1/orgs/{org_id}/invite", People),
    ("POST", "/api/v1/orgs/{org_id}/members/invite", People),
    ("POST", "/api/v1/org/invite/{invite_id}/accept", People),
    ("POST", "/api/v1/org/invite/{invite_id}/decline", People),
    ("GET", "/api/v1/org/invites", People),
    ("GET", "/api/v1/org/invites/me", People),
    ("DELETE", "/api/v1/org/invites/{invite_id}", People),
    ("POST", "/api/v1/orgs/{org_id}/invites/{invite_id}/resend", People),
    ("POST", "/api/v1/orgs/{org_id}/service-keys", People),
    ("GET", "/api/v1/orgs/{org_id}/service-keys", People),
    ("DELETE", "/api/v1/orgs/{org_id}/service-keys/{key_id}", People),
    (
        "POST",
        "/api/v1/orgs/{org_id}/service-keys/{key_id}/rotate",
        People,
    ),
    ("GET", "/api/v1/settings/github", People),
    ("PUT", "/api/v1/settings/github", People),
    ("GET", "/api/v1/settings/gitlab", People),
    ("PUT", "/api/v1/settings/gitlab", People),
    ("DELETE", "/api/v1/settings/gitlab", People),
    ("GET", "/api/v1/admin/users", Administrators),
    ("PUT", "/api/v1/admin/users/{user_id}/tier", Administrators),
    ("POST", "/api/v1/admin/users/{user_id}/api-keys", Administrators),
    (
        "POST",
        "/api/v1/admin/projects/{project_id}/restore-from-compilation",
        Administrators,
    ),
    ("GET", "/api/v1/billing/status", People),
    ("POST", "/api/v1/billing/checkout", People),
    ("POST", "/api/v1/billing/portal", People),
    (
        "GET",
        "/api/v1/retrieval-audit-contexts/{context_id}/events",
        People,
    ),
    ("GET", "/api/v1/sessions/{session_id}/retrieval-log", People),
    ("GET", "/api/v1/projects/{project_id}/repos", People),
    ("POST", "/api/v1/projects/{project_id}/repos", People),
    ("DELETE", "/api/v1/projects/{project_id}/repos/{repo_id}", People),
    ("GET", "/api/v1/projects/{project_id}/entries", KNOW_READ),
    ("POST", "/api/v1/projects/{project_id}/entries/add", KNOW_WRITE),
    (
        "POST",
        "/api/v1/projects/{project_id}/entries/dismiss-stale",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/entries/bulk-promote",
        People,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/entries/{entry_id}",
        KNOW_READ,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/entries/{entry_id}",
        KNOW_WRITE,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/entries/{entry_id}/refresh",
        KNOW_WRITE,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/entries/{entry_id}/promote",
        KNOW_WRITE,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/entries/{entry_id}/supersede",
        KNOW_WRITE,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/entries/{entry_id}/confidence",
        People,
    ),
    ("POST", "/api/v1/projects/{project_id}/compile", People),
    ("POST", "/api/v1/projects/{project_id}/rebuild", People),
    ("GET", "/api/v1/projects/{project_id}/compilations", People),
    ("GET", "/api/v1/projects/{project_id}/health", People),
    ("GET", "/api/v1/projects/{project_id}/pages", People),
    ("GET", "/api/v1/projects/{project_id}/pages/{slug}", People),
    ("PUT", "/api/v1/projects/{project_id}/pages/{slug}", People),
    ("DELETE", "/api/v1/projects/{project_id}/pages/{slug}", People),
    (
        "POST",
        "/api/v1/projects/{project_id}/pages/{slug}/regenerate",
        People,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/pages/{slug}/history",
        People,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/links/{target_type}/{target_id}",
        People,
    ),
    ("GET", "/api/v1/projects/{project_id}/personas", PERSONAS_READ),
    ("POST", "/api/v1/projects/{project_id}/personas", PERSONAS_WRITE),
    (
        "GET",
        "/api/v1/projects/{project_id}/personas/{name}",
        PERSONAS_READ,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/personas/{name}",
        PERSONAS_WRITE,
    ),
    (
        "DELETE",
        "/api/v1/projects/{project_id}/personas/{name}",
        PERSONAS_WRITE,
    ),
    ("GET", "/api/v1/projects/{project_id}/tickets", TICKETS_READ),
    ("POST", "/api/v1/projects/{project_id}/tickets", TICKETS_WRITE),
    (
        "GET",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}",
        TICKETS_READ,
    ),
    (
        "PUT",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/start",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/complete",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/resolve",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/accept",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/close",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/approve",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/escalate",
        TICKETS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/reopen",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/block",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/unblock",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/dismiss",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/comments",
        TICKETS_WRITE,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/comments",
        TICKETS_READ,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/tickets/{ticket_id}/review-state",
        TICKETS_READ,
    ),
    ("POST", "/api/v1/projects/{project_id}/agent-runs", RUNS_WRITE),
    ("GET", "/api/v1/projects/{project_id}/agent-runs", RUNS_READ),
    (
        "GET",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}",
        RUNS_READ,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}/start",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}/complete",
        RUNS_WRITE,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}/cancel",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}/replay",
        RUNS_WRITE,
    ),
    (
        "GET",
        "/api/v1/projects/{project_id}/agent-runs/{run_id}/compare/{other_id}",
        RUNS_READ,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/retrieval-audit-contexts",
        People,
    ),
    (
        "POST",
        "/api/v1/projects/{project_id}/retrieval-audit-events",
        People,
    ),
    ("GET", "/api/v1/projects/{project_id}/rules", People),
    ("PUT", "/api/v1/projects/{project_id}/rules", People),
    ("POST", "/api/v1/projects/{project_id}/rules/compile", People),
    ("GET", "/api/v1/projects/{project_id}/rules/versions", People),
    (
        "GET",
        "/api/v1/projects/{project_id}/rules/versions/{version}",
        People,
    ),
    ("PUT", "/api/v1/projects/{project_id}/settings", People),
    ("GET", "/api/v1/projects", People),
    ("POST", "/api/v1/projects", People),
    ("GET", "/api/v1/projects/{remote}", People),
    ("PUT", "/api/v1/projects/{remote}/context", People),
    ("DELETE", "/api/v1/projects/{project_id}", People),
    ("PATCH", "/api/v1/projects/{project_id}", People),
];

/// A body with every field that any operation requires, so that none is refused before its boundary.
fn body() -> Value {
    json!({
        "name": "n-1", "slug": "s-1", "role": "member", "email": "somebody@example.com", "scopes": ["tickets:read"],
        "require_lease_epoch_on_ticket_writes": false, "git_remote": "acme/more", "git_remote_normalized": "acme/other",
        "context_document": "# D", "content": "something that has more than twenty characters", "title": "t",
        "notes": "n", "status": "passed", "persona_name": "atlas", "context_id": "ra_0", "tool_name": "t",
        "superseding_id": 1, "confidence": 0.5, "instance_url": "https://gitlab.com", "access_token": "t",
        "compilation_id": 1, "tier": "team",
    })
}

fn access_of(row: For) -> Access {
    match row {
        People => Access::User,
        Administrators => Access::Admin,
        For::Scope(scope) => Access::Key(match scope {
            Scope::KnowledgeRead => &[Scope::KnowledgeRead],
            Scope::KnowledgeWrite => &[Scope::KnowledgeWrite],
            Scope::TicketsRead => &[Scope::TicketsRead],
            Scope::TicketsWrite => &[Scope::TicketsWrite],
            Scope::PersonasRead => &[Scope::PersonasRead],
            Scope::PersonasWrite => &[Scope::PersonasWrite],
            Scope::AgentRunsRead => &[Scope::AgentRunsRead],
            _ => &[Scope::AgentRunsWrite],
        }),
    }
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let rows: BTreeMap<String, String> = ROWS
        .iter()
        .map(|(method, path, row)| (format!("{method} {path}"), format!("{:?}", access_of(*row))))
        .collect();
    let operations: BTreeMap<String, String> = pentad_http_projects::endpoints()
        .iter()
        .filter(|endpoint| endpoint.access() != Access::Credential)
        .map(|endpoint| {
            let name = format!("{} {}", endpoint.method(), endpoint.path());
            (name, format!("{:?}", endpoint.access()))
        })
        .collect();
    assert_eq!(operations, rows);
}

/// A gateway with a team, its project, and everybody who might come.
struct Matrix {
    gateway: TestGateway,
    organisation: OrganisationId,
    project: String,
    personal: String,
    unlisted: String,
    founder: String,
    foreigner: String,
    revoked: String,
    expired: String,
}

impl Matrix {
    async fn new() -> Self {
        let gateway = TestGateway::start().await;
        let (user, founder) = gateway.tenant(KeyFamily::User, PlanName::Team).await;
        let (_, foreigner) = gateway.tenant(KeyFamily::User, PlanName::Team).await;
        let caller = gateway.identity().authenticate(&founder).await.unwrap();
        let team = gateway
            .identity()
            .found_team(&caller.actor, "Acme", "acme")
            .await
            .unwrap();
        let revoked = gateway
            .identity()
            .mint_key(&team.id, &user.id, NewKey::of(KeyFamily::User))
            .await
            .unwrap();
        gateway
            .identity()
            .revoke_key(&revoked.key.id, "lost")
            .await
            .unwrap();
        let ended = NewKey {
            expires_at: Some(gateway.clock().now().plus(Duration::from_secs(1))),
            ..NewKey::of(KeyFamily::User)
        };
        let expired = gateway
            .identity()
            .mint_key(&team.id, &user.id, ended)
            .await
            .unwrap();
        gateway.clock().advance(Duration::from_secs(2));
        let mut matrix = Self {
            organisation: team.id.clone(),
            project: String::new(),
            personal: String::new(),
            unlisted: String::new(),
            founder,
            foreigner,
            revoked: revoked.secret().to_owned(),
            expired: expired.secret().to_owned(),
            gateway,
        };
        matrix.project = matrix.make_project("acme/widgets", Some(team.id.as_str())).await;
        matrix.unlisted = matrix.make_project("acme/gadgets", Some(team.id.as_str())).await;
        matrix.personal = matrix.make_project("ada/mine", None).await;
        matrix
    }

    async fn make_project(&self, remote: &str, organisation: Option<&str>) -> String {
        let new = json!({ "name": "P", "git_remote_normalized": remote, "org_id": organisation });
        let (status, body) = self
            .call("POST", "/api/v1/projects", Some(&self.founder), &new)
            .await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn service_key(&self, scopes: &[&str]) -> String {
        let user = self
            .gateway
            .identity()
            .authenticate(&self.founder)
            .await
            .unwrap()
            .actor
            .user
            .clone();
        let new = NewKey {
            projects: Some(vec![self.project.clone(), self.personal.clone()]),
            ..NewKey::of(KeyFamily::Service).with_scopes(ScopeSet::parse(scopes).unwrap())
        };
        let minted = self
            .gateway
            .identity()
            .mint_key(&self.organisation, &user, new)
            .await
            .unwrap();
        minted.secret().to_owned()
    }

    async fn call(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .gateway
            .client()
            .request(method.clone(), self.gateway.url(path));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if method != Method::GET {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn path(&self, pattern: &str, project: &str) -> String {
        let mut path = pattern
            .replace("{project_id}", project)
            .replace("{remote}", project);
        path = path.replace("{org_id}", self.organisation.as_str());
        for (name, value) in [("{entry_id}", "1"), ("{version}", "1")] {
            path = path.replace(name, value);
        }
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, "nothing");
        }
        path
    }
}

fn code(body: &Value) -> &str {
    assert_eq!(body["error"]["details"]["error"].as_str().unwrap_or("-"), {
        let code = body["error"]["code"].as_str().unwrap_or("-");
        if code.bytes().all(|byte| byte.is_ascii_digit()) {
            "-"
        } else {
            code
        }
    });
    body["error"]["code"].as_str().unwrap_or("-")
}

#[tokio::test]
async fn everybody_gets_as_far_as_the_row_says() {
    let matrix = Matrix::new().await;
    let unscoped = matrix
        .service_key(&["sessions:read", "admin:*", "rules:write"])
        .await;
    let body = body();
    for &(method, pattern, row) in ROWS {
        let what = format!("{method} {pattern}");
        let path = matrix.path(pattern, &matrix.project);
        let at = async |key: Option<&str>, path: &str| matrix.call(method, path, key, &body).await;

        let (status, answer) = at(None, &path).await;
        assert_eq!((status, code(&answer)), (401, "401"), "{what}: anonymous");
        let (status, answer) = at(Some("sk_sfs_00000000000000000000000000000000"), &path).await;
        assert_eq!((status, code(&answer)), (401, "401"), "{what}: unknown key");
        let (status, answer) = at(Some(&matrix.revoked), &path).await;
        assert_eq!(
            (status, code(&answer)),
            (401, "api_key_revoked"),
            "{what}: revoked"
        );
        let (status, answer) = at(Some(&matrix.expired), &path).await;
        assert_eq!(
            (status, code(&answer)),
            (401, "api_key_expired"),
            "{what}: expired"
        );

        let (status, answer) = at(Some(&unscoped), &path).await;
        let expected = match row {
            People => "service_key_not_allowed",
            Administrators => "403",
            For::Scope(_) => "insufficient_scope",
        };
        assert_eq!(
            (status, code(&answer)),
            (403, expected),
            "{what}: service key without the scope"
        );

        if let For::Scope(scope) = row {
            let scoped = matrix.service_key(&[scope.name()]).await;
            let (status, answer) = at(Some(&scoped), &path).await;
            assert!(
                !matches!(status, 401 | 403 | 500),
                "{what}: service key with the scope: {status} {answer}"
            );
            let (status, answer) = at(Some(&scoped), &matrix.path(pattern, &matrix.personal)).await;
            assert_eq!(
                (status, code(&answer)),
                (403, "cross_org_denied"),
                "{what}: wrong organisation"
            );
            let (status, answer) = at(Some(&scoped), &matrix.path(pattern, &matrix.unlisted)).await;
            assert_eq!(
                (status, code(&answer)),
                (403, "project_not_in_allowlist"),
                "{what}: not listed"
            );
            let (status, _) = at(Some(&scoped), &matrix.path(pattern, "proj_0000000000000000")).await;
            assert_eq!(status, 404, "{what}: no such project");
        }
        let own_project = pattern.contains("/projects/{");
        if own_project || pattern.contains("{org_id}") || row == Administrators {
            let (status, answer) = at(Some(&matrix.foreigner), &path).await;
            assert!(
                matches!(status, 403 | 404),
                "{what}: foreign user: {status} {answer}"
            );
        }
        // What ends the project or the key that the next rows need is tried by its owner elsewhere.
        if method != "DELETE" && row != Administrators {
            let (status, answer) = at(Some(&matrix.founder), &path).await;
            assert!(
                !matches!(status, 401 | 403 | 405 | 500),
                "{what}: owner: {status} {answer}"
            );
        }
    }
}
