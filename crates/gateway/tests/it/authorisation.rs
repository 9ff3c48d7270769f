//! Every operation of the document, asked by everybody who may not.

use pentad_identity::{KeyFamily, NewKey, PlanName};
use pentad_kernel::{Clock as _, Scope, ScopeSet};
use pentad_testkit::TestGateway;

use crate::Operation;
use crate::operation::is_envelope;

/// Operations that read which surface they are meant for before they know which scope they need.
const DECIDED_BY_THE_REQUEST: &[&str] = &["POST /api/v1/sessions"];

async fn ask(gateway: &TestGateway, operation: &Operation, key: Option<&str>) -> (u16, serde_json::Value) {
    let mut request = gateway
        .client()
        .request(operation.method.clone(), gateway.url(&operation.concrete_path()));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn nobody_gets_in_without_a_credential_that_works() {
    let gateway = TestGateway::start().await;
    let (user, revoked) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    let keys = gateway.identity().user_keys(&user.id).await.unwrap();
    gateway.identity().revoke_key(&keys[0].id, "lost").await.unwrap();
    let expired = {
        let expires_at = Some(gateway.clock().now());
        gateway
            .mint(
                &user,
                NewKey {
                    expires_at,
                    ..NewKey::of(KeyFamily::User)
                },
            )
            .await
    };
    let unknown = "sk_sfs_00000000000000000000000000000000".to_owned();
    for operation in Operation::all().iter().filter(|operation| !operation.is_open()) {
        for key in [None, Some(&unknown), Some(&revoked), Some(&expired)] {
            let (status, body) = ask(&gateway, operation, key.map(String::as_str)).await;
            // An unknown key on ingest is forbidden by its contract.
            assert!(
                matches!(status, 401 | 403),
                "{} with {key:?}: {status} {body}",
                operation.name()
            );
            assert!(status == 401 || key.is_some(), "{}", operation.name());
            assert!(
                is_envelope(operation.surface(), &body),
                "{}: {body}",
                operation.name()
            );
        }
    }
}

#[tokio::test]
async fn a_service_key_reaches_what_its_scopes_name_and_nothing_else() {
    let gateway = TestGateway::start().await;
    let (user, _) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    for operation in Operation::all().iter().filter(|operation| !operation.is_open()) {
        if DECIDED_BY_THE_REQUEST.contains(&operation.name().as_str()) {
            continue;
        }
        let wanted = operation.scopes();
        let others: Vec<&str> = Scope::ALL
            .iter()
            .map(|scope| scope.name())
            .filter(|name| !wanted.iter().any(|w| w == name))
            .collect();
        let shared = operation.path == "/api/v1/sessions" || operation.path == "/api/v1/sessions/{id}";
        let denied: &[&str] = if shared { &["tickets:read"] } else { &others };
        let without = gateway.key_with(&user, KeyFamily::Service, denied).await;
        let (status, body) = ask(&gateway, operation, Some(&without)).await;
        assert!(
            matches!(status, 401 | 403),
            "{} with the other scopes: {status} {body}",
            operation.name()
        );
        assert!(
            is_envelope(operation.surface(), &body),
            "{}: {body}",
            operation.name()
        );
        for scope in &wanted {
            let with = gateway.key_with(&user, KeyFamily::Service, &[scope]).await;
            let (status, body) = ask(&gateway, operation, Some(&with)).await;
            let refused_by_scope = body.to_string().contains("insufficient_scope");
            assert!(
                status != 401 && !refused_by_scope,
                "{} with {scope}: {status} {body}",
                operation.name()
            );
        }
    }
}

#[tokio::test]
async fn a_key_in_the_address_is_no_key() {
    let gateway = TestGateway::start().await;
    let key = gateway.key();
    let path = format!("/api/v1/sessions?key={key}&token={key}&access_token={key}");
    let answer = gateway.client().get(gateway.url(&path)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn scopes_survive_a_change_of_plan_and_a_revocation_is_followed_at_once() {
    let gateway = TestGateway::start().await;
    let (user, key) = gateway.tenant(KeyFamily::Grep, PlanName::Free).await;
    let list = async || {
        gateway
            .client()
            .get(gateway.url("/api/v1/sessions"))
            .bearer_auth(&key)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(list().await, 200);
    gateway
        .identity()
        .set_plan(&user.home_organisation, PlanName::Pro)
        .await
        .unwrap();
    assert_eq!(list().await, 200);
    let keys = gateway
        .identity()
        .organisation_keys(&user.home_organisation)
        .await
        .unwrap();
    assert_eq!(keys[0].scopes, ScopeSet::parse(["grep:*"]).unwrap());
    gateway.identity().revoke_key(&keys[0].id, "lost").await.unwrap();
    assert_eq!(list().await, 401);
}
