//! Who reaches which operation: every operation has a row, and every row is tried by everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use pentad_http_kit::Access;
use pentad_identity::{KeyFamily, NewKey, PlanName};
use pentad_kernel::{Clock as _, OrganisationId, Scope, ScopeSet};
use pentad_testkit::TestGateway;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::scope_rows::For::{self, Administrators, Everybody, People};
use crate::scope_rows::ROWS;

/// A body with every field that any operation requires, so that none is refused before its boundary.
fn body() -> Value {
    json!({
        "name": "n-1", "slug": "s-1", "role": "member", "email": "somebody@example.com", "scopes": ["tickets:read"],
        "require_lease_epoch_on_ticket_writes": false, "git_remote": "acme/more", "git_remote_normalized": "acme/other",
        "context_document": "# D", "content": "something that has more than twenty characters", "title": "t",
        "notes": "n", "status": "passed", "persona_name": "atlas", "context_id": "ra_0", "tool_name": "t",
        "superseding_id": 1, "confidence": 0.5, "instance_url": "https://gitlab.com", "access_token": "t",
        "compilation_id": 1, "tier": "team", "session_id": "ses_0123456789abcdef",
        "recipient_email": "somebody@example.com", "reason": "r", "alias": "an-alias", "provider": "openai",
        "model": "m", "trigger": "manual", "mode": "off", "watchers": [], "total_size": 1, "sha256": "0".repeat(64),
    })
}

fn access_of(row: For) -> Access {
    match row {
        Everybody => Access::Public,
        People => Access::User,
        Administrators => Access::Admin,
        For::Scope(scope) => Access::Key(match scope {
            Scope::KnowledgeRead => &[Scope::KnowledgeRead],
            Scope::KnowledgeWrite => &[Scope::KnowledgeWrite],
            Scope::TicketsRead => &[Scope::TicketsRead],
            Scope::TicketsWrite => &[Scope::TicketsWrite],
            Scope::PersonasRead => &[Scope::PersonasRead],
            Scope::PersonasWrite => &[Scope::PersonasWrite],
            Scope::HandoffsRead => &[Scope::HandoffsRead],
            Scope::HandoffsWrite => &[Scope::HandoffsWrite],
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
    // Those that other surfaces have too are tried by themselves, with the other surfaces.
    let several = pentad_gateway::gateway_routes();
    let of_several: Vec<_> = several
        .endpoints()
        .iter()
        .map(|endpoint| (endpoint.method().clone(), endpoint.path()))
        .collect();
    let parts = [
        pentad_http_identity::routes(),
        pentad_http_sync::routes(),
        pentad_http_projects::routes(),
    ];
    let operations: BTreeMap<String, String> = parts
        .iter()
        .flat_map(pentad_http_kit::SurfaceRoutes::endpoints)
        .filter(|endpoint| !of_several.contains(&(endpoint.method().clone(), endpoint.path())))
        // What answers for paths that lead nowhere is no operation.
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
        if row == Everybody {
            let (status, answer) = at(None, &path).await;
            assert!(
                !matches!(status, 403 | 405 | 500),
                "{what}: anonymous: {status} {answer}"
            );
            continue;
        }

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
            People | Everybody => "service_key_not_allowed",
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
            if !pattern.contains("/projects/{") {
                continue;
            }
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

/// Pushes a session that was captured in a remote; its identifier.
async fn pushed(matrix: &Matrix, number: usize, remote: Option<&str>) -> String {
    let session = format!("ses_{number:016x}");
    let archive = crate::examples_of_sync::archive_of("Captured", remote);
    let form = Form::new().part("file", Part::bytes(archive).file_name("session.tar.gz"));
    let url = matrix.gateway.url(&format!("/api/v1/sessions/{session}/sync"));
    let request = matrix
        .gateway
        .client()
        .put(url)
        .bearer_auth(&matrix.founder)
        .multipart(form);
    assert_eq!(request.send().await.unwrap().status(), 201);
    session
}

#[tokio::test]
async fn a_service_key_hands_over_what_its_projects_hold_and_nothing_else() {
    let matrix = Matrix::new().await;
    let key = matrix.service_key(&["handoffs:write", "handoffs:read"]).await;
    let cases = [
        (Some("acme/widgets"), 201, "-"),
        (Some("acme/gadgets"), 403, "project_not_in_allowlist"),
        (Some("ada/mine"), 403, "cross_org_denied"),
        (Some("acme/unknown"), 403, "service_key_project_not_registered"),
        (None, 403, "service_key_project_not_registered"),
    ];
    for (number, (remote, expected, expected_code)) in cases.into_iter().enumerate() {
        let session = pushed(&matrix, number, remote).await;
        let body = json!({"session_id": session, "recipient_email": "grace@example.com"});
        let (status, answer) = matrix.call("POST", "/api/v1/handoffs", Some(&key), &body).await;
        assert_eq!(
            (status, code(&answer)),
            (expected, expected_code),
            "{remote:?}: {answer}"
        );
        // The same of a handoff that a person made.
        let (status, handoff) = matrix
            .call("POST", "/api/v1/handoffs", Some(&matrix.founder), &body)
            .await;
        assert_eq!(status, 201, "{handoff}");
        let handoff = format!("/api/v1/handoffs/{}", handoff["id"].as_str().unwrap());
        let comment = json!({"content": "on it"});
        for (method, path, body) in [
            ("GET", handoff.clone(), &comment),
            ("POST", format!("{handoff}/comments"), &comment),
            ("GET", format!("{handoff}/comments"), &comment),
            ("GET", format!("{handoff}/events"), &comment),
            ("POST", format!("{handoff}/revoke"), &json!({"reason": "mistake"})),
        ] {
            let (status, answer) = matrix.call(method, &path, Some(&key), body).await;
            if expected == 201 {
                assert!(matches!(status, 200 | 201), "{method} {path}: {status} {answer}");
            } else {
                assert_eq!(
                    (status, code(&answer)),
                    (expected, expected_code),
                    "{method} {path} {remote:?}"
                );
            }
        }
    }
    // One of its own and one of a person, both of its project; the person has made one of each.
    for (secret, total) in [(&key, 2), (&matrix.founder, 6)] {
        let (_, sent) = matrix
            .call("GET", "/api/v1/handoffs/sent", Some(secret), &json!({}))
            .await;
        assert_eq!(sent["total"], total, "{sent}");
    }
}
