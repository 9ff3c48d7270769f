//! Messages to people: verification of addresses, and invites.

use pentad_testkit::{Setup, SmtpServer, TestGateway};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

async fn gateway(server: &SmtpServer, verify_email: bool) -> TestGateway {
    TestGateway::with(Setup {
        smtp: Some(server.url()),
        verify_email,
        ..Setup::default()
    })
    .await
}

async fn post(gateway: &TestGateway, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = gateway.client().post(gateway.url(path)).json(body);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn push(gateway: &TestGateway, key: &str) -> (u16, Value) {
    let form = Form::new().part(
        "file",
        Part::bytes(crate::examples_of_sync::archive("t")).file_name("s.tar.gz"),
    );
    let url = gateway.url("/api/v1/sessions/ses_0123456789abcdef/sync");
    let request = gateway.client().put(url).bearer_auth(key).multipart(form);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn whoever_signs_up_proves_the_address_before_the_first_push() {
    let server = SmtpServer::start();
    let gateway = gateway(&server, true).await;
    let (status, made) = post(
        &gateway,
        "/api/v1/auth/signup",
        None,
        &json!({"email": "ada@example.com"}),
    )
    .await;
    assert_eq!(status, 201);
    assert!(
        made["message"].as_str().unwrap().contains("Verify your email"),
        "{made}"
    );
    let key = made["raw_key"].as_str().unwrap();
    let (status, refused) = push(&gateway, key).await;
    assert_eq!(status, 403, "{refused}");

    let mail = server.next().await;
    assert_eq!(mail.to, ["ada@example.com"]);
    let link = mail
        .text
        .split_whitespace()
        .find(|word| word.contains("/auth/verify/"))
        .unwrap();
    assert!(link.starts_with(&gateway.base()), "{link}");
    let page = gateway.client().get(link).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let (status, pushed) = push(&gateway, key).await;
    assert_eq!(status, 201, "{pushed}");
}

#[tokio::test]
async fn a_message_that_is_not_taken_costs_no_account() {
    let server = SmtpServer::start();
    let gateway = gateway(&server, true).await;
    let body = json!({"email": "refused@example.com"});
    let (status, made) = post(&gateway, "/api/v1/auth/signup", None, &body).await;
    assert_eq!(status, 201);
    assert!(
        made["message"].as_str().unwrap().contains("could not be sent"),
        "{made}"
    );
}

#[tokio::test]
async fn an_invite_is_sent_and_can_be_sent_again() {
    let server = SmtpServer::start();
    let gateway = gateway(&server, false).await;
    let (status, made) = post(
        &gateway,
        "/api/v1/auth/signup",
        None,
        &json!({"email": "ada@example.com"}),
    )
    .await;
    assert_eq!(
        (status, &made["message"]),
        (201, &json!("Account created and verified."))
    );
    let key = made["raw_key"].as_str().unwrap();
    let founding = json!({"name": "Acme", "slug": "acme"});
    let (_, team) = post(&gateway, "/api/v1/org", Some(key), &founding).await;
    let invite = json!({"email": "grace@example.com"});
    let (status, invite) = post(&gateway, "/api/v1/org/invite", Some(key), &invite).await;
    assert_eq!(status, 200, "{invite}");
    let mail = server.next().await;
    assert_eq!(mail.to, ["grace@example.com"]);
    let id = invite["invite_id"].as_str().unwrap();
    assert!(
        mail.text.contains(id) && mail.text.contains("Acme"),
        "{}",
        mail.text
    );

    let path = format!(
        "/api/v1/orgs/{}/invites/{id}/resend",
        team["org_id"].as_str().unwrap()
    );
    let (status, again) = post(&gateway, &path, Some(key), &json!({})).await;
    assert_eq!((status, &again["sent"]), (200, &json!(true)), "{again}");
    assert!(again["last_emailed_at"].is_string());
    assert_eq!(server.next().await.to, ["grace@example.com"]);
}
