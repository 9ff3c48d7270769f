//! Who gets in, by key and by cookie.

use std::time::Duration;

use pentad_testkit::TestGateway;
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, Browser, send};
use crate::{manifest, step};

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let gateway = TestGateway::start().await;
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.get("/auth/me").await.status, 401);
    let wrong = browser.login("admin@localhost", "nonsense").await;
    let unknown = browser.login("nobody@example.com", "nonsense").await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (401, unknown.json()),
        "neither says which of the two is wrong"
    );
    assert_eq!(
        browser
            .post("/auth/login", &json!({"email": "admin@localhost"}))
            .await
            .status,
        422
    );

    let answer = browser.login("admin@localhost", "administrator").await;
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let me = browser.get("/auth/me").await.json();
    assert_eq!(
        (&me["user"]["is_admin"], &me["impersonating"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(me["tenant"], me["home_tenant"]);

    let before = browser.cookies.clone();
    assert_eq!(browser.post("/auth/logout", &json!({})).await.status, 200);
    assert!(browser.cookies.is_empty());
    browser.cookies = before;
    assert_eq!(
        browser.get("/runs").await.status,
        401,
        "the old token is dead on the server too"
    );
    browser.cookies.clear();
    assert_eq!(
        browser.post("/auth/logout", &json!({})).await.status,
        200,
        "also without a session"
    );
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down() {
    let gateway = TestGateway::start().await;
    let mut browser = Browser::new(&gateway);
    for _ in 0..10 {
        assert_eq!(browser.login("ada@example.com", "nonsense").await.status, 401);
    }
    let refused = browser.login("Ada@example.com", "nonsense").await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn a_key_that_records_does_not_read() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    assert_eq!(agent.post("/runs", &manifest("run")).await.status, 201);
    for path in [
        "/runs",
        "/runs/run/manifest.json",
        "/connections",
        "/tenant/dsns",
        "/admin/tenants",
    ] {
        let status = send(agent.request(Method::GET, path)).await.status;
        assert!(matches!(status, 401 | 403), "{path}: {status}");
    }
    let mut browser = Browser::signed_in(&gateway).await;
    assert_eq!(browser.post("/runs", &manifest("by cookie")).await.status, 401);
    let unknown = Agent::with_key(&gateway, "f".repeat(48));
    assert_eq!(unknown.post("/runs", &manifest("run")).await.status, 403);
}

#[tokio::test]
async fn a_dsn_is_shown_once_and_dies_when_revoked() {
    let gateway = TestGateway::start().await;
    let mut browser = Browser::signed_in(&gateway).await;
    let minted = browser.post("/tenant/dsns", &json!({"label": "laptop"})).await;
    assert_eq!(minted.status, 201);
    let minted = minted.json();
    let (key, id) = (
        minted["api_key"].as_str().unwrap(),
        minted["id"].as_str().unwrap(),
    );
    let dsn = format!("{}/api/v1?token={key}&tenant=default", gateway.base());
    assert_eq!(minted["dsn"], dsn.as_str());
    let listed = browser.get("/tenant/dsns").await;
    let text = String::from_utf8(listed.body).unwrap();
    assert!(text.contains("laptop") && !text.contains(key));

    let agent = Agent::with_key(&gateway, key.to_owned());
    assert_eq!(
        agent.post("/heartbeat", &json!({"client_id": "c"})).await.status,
        202
    );
    let revoked = send(browser.request(Method::DELETE, &format!("/tenant/dsns/{id}"))).await;
    assert!(revoked.json()["revoked_at"].is_string());
    assert_eq!(
        agent.post("/heartbeat", &json!({"client_id": "c"})).await.status,
        403
    );
    assert_eq!(
        send(browser.request(Method::DELETE, "/tenant/dsns/nothing"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn an_administrator_looks_at_another_tenant_and_others_do_not() {
    let gateway = TestGateway::start().await;
    let mut admin = Browser::signed_in(&gateway).await;
    assert_eq!(
        admin
            .post("/admin/tenants", &json!({"slug": "acme", "name": "Acme"}))
            .await
            .status,
        201
    );
    let ada = json!({"email": "ada@example.com", "password": "correct horse", "tenant": "acme"});
    assert_eq!(admin.post("/admin/users", &ada).await.status, 201);

    assert_eq!(
        admin
            .post("/admin/impersonate", &json!({"tenant": "nobody"}))
            .await
            .status,
        404
    );
    assert_eq!(
        admin
            .post("/admin/impersonate", &json!({"tenant": "acme"}))
            .await
            .status,
        200
    );
    let me = admin.get("/auth/me").await.json();
    assert_eq!(
        (&me["impersonating"], &me["tenant"]["slug"]),
        (&json!(true), &json!("acme"))
    );
    let minted = admin.post("/tenant/dsns", &json!({})).await.json();
    assert_eq!(minted["tenant"], "acme");
    let agent = Agent::with_key(&gateway, minted["api_key"].as_str().unwrap().to_owned());
    agent.put("/runs/theirs/steps/0", &step(0, &json!({}))).await;
    assert_eq!(admin.runs().await, ["theirs"]);
    admin.post("/admin/impersonate", &json!({"tenant": null})).await;
    assert!(admin.runs().await.is_empty());
    let acme = gateway.identity().organisation_by_slug("acme").await.unwrap();
    let log = gateway.identity().recent_audit(&acme.id, 10).await.unwrap();
    assert!(
        log.iter().any(|event| event.action == "dsn.mint"),
        "what is done there is written down"
    );

    let mut ada = Browser::new(&gateway);
    assert_eq!(ada.login("ada@example.com", "correct horse").await.status, 200);
    assert_eq!(ada.runs().await, ["theirs"]);
    assert_eq!(ada.get("/admin/tenants").await.status, 403);
    assert_eq!(
        ada.post("/admin/impersonate", &json!({"tenant": "default"}))
            .await
            .status,
        403
    );
    ada.cookies
        .insert("augur_tenant_override".to_owned(), "default".to_owned());
    assert_eq!(
        ada.runs().await,
        ["theirs"],
        "a cookie made by hand means nothing"
    );
}

#[tokio::test]
async fn a_command_reaches_the_agent_that_waits() {
    let gateway = TestGateway::start().await;
    let agent = Agent::new(&gateway).await;
    let mut browser = Browser::signed_in(&gateway).await;
    let unknown = send(agent.request(Method::GET, "/runs/run/commands?wait=0")).await;
    assert_eq!((unknown.status, &unknown.json()["commands"]), (200, &json!([])));
    agent.put("/runs/run/steps/0", &step(0, &json!({}))).await;
    // The SDK asks again as soon as it is refused.
    let asked = std::time::Instant::now();
    let stranger = Agent::with_key(&gateway, "0".repeat(48));
    let refused = send(stranger.request(Method::GET, "/runs/run/commands")).await;
    assert_eq!(refused.status, 403);
    assert!(asked.elapsed() >= std::time::Duration::from_secs(1));

    let waiting = tokio::spawn(send(agent.request(Method::GET, "/runs/run/commands?wait=20")));
    let hint = json!({"type": "inject_hint", "payload": {"text": "log in first"}});
    assert_eq!(browser.post("/runs/run/commands", &hint).await.status, 201);
    let got = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap()
        .json();
    assert_eq!(got["commands"][0]["payload"]["text"], "log in first");
    assert_eq!(got["cursor"], "cmd_0000000001");
    assert_eq!(
        browser
            .post("/runs/run/commands", &json!({"type": "dance"}))
            .await
            .status,
        422
    );
    assert_eq!(browser.post("/runs/none/commands", &hint).await.status, 404);
}
