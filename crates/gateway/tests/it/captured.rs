//! What projects know of the sessions that were captured in their repositories.

use pentad_identity::{KeyFamily, PlanName};
use pentad_testkit::TestGateway;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

async fn call(gateway: &TestGateway, key: &str, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = gateway
        .client()
        .request(method, gateway.url(path))
        .bearer_auth(key);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap().json().await.unwrap()
}

async fn push(gateway: &TestGateway, key: &str, session: &str, remote: &str) {
    let archive = crate::examples_of_sync::archive_of("Captured", Some(remote));
    let form = Form::new().part("file", Part::bytes(archive).file_name("session.tar.gz"));
    let url = gateway.url(&format!("/api/v1/sessions/{session}/sync"));
    let request = gateway.client().put(url).bearer_auth(key).multipart(form);
    assert_eq!(request.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_list_counts_the_sessions_of_each_project_once_and_has_those_that_readers_captured() {
    let gateway = TestGateway::start().await;
    let (_, owner) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    let (_, reader) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    for remote in ["acme/widgets", "acme/other"] {
        let body = json!({"name": remote, "git_remote_normalized": remote});
        call(&gateway, &owner, Method::POST, "/api/v1/projects", Some(body)).await;
    }
    let widgets = call(
        &gateway,
        &owner,
        Method::GET,
        "/api/v1/projects/acme/widgets",
        None,
    )
    .await;
    let repositories = format!("/api/v1/projects/{}/repos", widgets["id"].as_str().unwrap());
    let gadgets = Some(json!({"git_remote": "acme/gadgets"}));
    call(&gateway, &owner, Method::POST, &repositories, gadgets).await;
    // The owner's session is linked to the project and was captured in one of its repositories.
    push(&gateway, &owner, "ses_00000000000000a1", "acme/widgets").await;
    push(&gateway, &reader, "ses_00000000000000b1", "acme/gadgets").await;
    push(&gateway, &reader, "ses_00000000000000b2", "acme/nobodys").await;
    for (key, expected) in [
        (&owner, vec![("acme/other", 0, true), ("acme/widgets", 2, true)]),
        (&reader, vec![("acme/widgets", 2, false)]),
    ] {
        let listed = call(&gateway, key, Method::GET, "/api/v1/projects", None).await;
        let mut found: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|project| {
                let remote = project["git_remote_normalized"].as_str().unwrap();
                let sessions = project["session_count"].as_i64().unwrap();
                (remote, sessions, project["can_edit"].as_bool().unwrap())
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected);
        let read = call(&gateway, key, Method::GET, "/api/v1/projects/acme/widgets", None).await;
        assert_eq!(read["session_count"], 2);
    }
    gateway.stop().await;
}
