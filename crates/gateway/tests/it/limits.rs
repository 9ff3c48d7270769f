//! Rates and sizes.

use std::time::Duration;

use pentad_identity::{KeyFamily, PlanName};
use pentad_testkit::{Setup, TestGateway, refusal_limit};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

#[tokio::test]
async fn an_organisation_asks_as_often_as_its_plan_says_with_however_many_keys() {
    let gateway = TestGateway::start().await;
    let (user, first) = gateway.tenant(KeyFamily::Grep, PlanName::Free).await;
    let second = gateway.key_with(&user, KeyFamily::Grep, &["grep:*"]).await;
    let mut limited = 0;
    for number in 0..40 {
        let key = if number % 2 == 0 { &first } else { &second };
        let answer = gateway
            .client()
            .get(gateway.url("/api/v1/sessions"))
            .bearer_auth(key)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["ratelimit-limit"], "10");
        if answer.status() == 429 {
            limited += 1;
            assert!(
                answer.headers()["retry-after"]
                    .to_str()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
                    >= 1
            );
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["code"], "rate_limited");
            assert!(body["error"].as_str().unwrap().contains("free"), "{body}");
        } else {
            assert_eq!(answer.status(), 200);
        }
    }
    assert!(limited > 0, "forty requests at once are more than ten a second");
    let answer = gateway
        .client()
        .get(gateway.url("/api/v1/sessions"))
        .bearer_auth(gateway.key())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "others are not affected");
}

#[tokio::test]
async fn a_member_asks_as_often_as_the_team_may() {
    let gateway = TestGateway::start().await;
    let (_, founder) = gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    let (member, key) = gateway.tenant(KeyFamily::User, PlanName::Free).await;
    let ask = async |key: &str, path: &str, body: Value| {
        let answer = gateway
            .client()
            .post(gateway.url(path))
            .bearer_auth(key)
            .json(&body);
        let answer = answer.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer
    };
    ask(&founder, "/api/v1/org", json!({"name": "Acme", "slug": "acme"})).await;
    let invite = json!({"email": member.email, "role": "member"});
    let invite: Value = ask(&founder, "/api/v1/org/invite", invite)
        .await
        .json()
        .await
        .unwrap();
    let path = format!(
        "/api/v1/org/invite/{}/accept",
        invite["invite_id"].as_str().unwrap()
    );
    let alone = ask(&key, &path, Value::Null).await;
    assert_eq!(alone.headers()["ratelimit-limit"], "10");
    for _ in 0..20 {
        let answer = gateway.client().get(gateway.url("/api/v1/org")).bearer_auth(&key);
        assert_eq!(answer.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_address_that_guesses_is_slowed_down() {
    let setup = Setup {
        refusals: Some(refusal_limit(1, 5)),
        ..Setup::default()
    };
    let gateway = TestGateway::with(setup).await;
    let mut statuses = Vec::new();
    for number in 0..8 {
        let guess = format!("juras_live_guess{number}");
        let request = gateway
            .client()
            .get(gateway.url("/api/v1/sessions"))
            .bearer_auth(guess);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(&statuses[..5], [401; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let answer = gateway
        .client()
        .get(gateway.url("/api/v1/sessions"))
        .bearer_auth(gateway.key())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "a key that works is not slowed down");
}

#[tokio::test]
async fn too_much_text_is_413_and_names_the_limit() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.tenant(KeyFamily::Grep, PlanName::Free).await;
    let text = "x".repeat((64 << 20) + 1);
    let form = Form::new().part("files", Part::text(text).file_name("big.txt"));
    let answer = gateway
        .client()
        .post(gateway.url("/api/v1/sessions"))
        .bearer_auth(&key)
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "payload_too_large");
    assert!(
        body["error"].as_str().unwrap().contains("grep_session_bytes"),
        "{body}"
    );
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_stops() {
    let gateway = TestGateway::start().await;
    let url = gateway.url("/health");
    assert_eq!(gateway.client().get(&url).send().await.unwrap().status(), 200);
    gateway.stop().await;
    assert!(reqwest::get(&url).await.is_err());
}

/// Where a new session with one file is searched.
async fn search_path(gateway: &TestGateway, text: Vec<u8>) -> String {
    let form = Form::new().part("files", Part::bytes(text).file_name("a.txt"));
    let opened = gateway
        .client()
        .post(gateway.url("/api/v1/sessions"))
        .bearer_auth(gateway.key())
        .multipart(form)
        .send()
        .await
        .unwrap();
    let opened: Value = opened.json().await.unwrap();
    format!("/api/v1/sessions/{}/grep", opened["id"].as_str().unwrap())
}

#[tokio::test]
async fn searches_in_one_request_answer_together_what_one_may() {
    let gateway = TestGateway::start().await;
    let line = format!("hit {}\n", "x".repeat(400));
    let text = line.repeat(4 << 10);
    let path = search_path(&gateway, text.into_bytes()).await;
    let queries = vec![json!({ "query": "hit" }); 16];
    let answer = gateway
        .client()
        .post(gateway.url(&path))
        .bearer_auth(gateway.key())
        .json(&json!({ "queries": queries }))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(answer.len() < 10 << 20, "{} bytes", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(
            (&result["total"], &result["truncated"]),
            (&json!(1), &json!(true))
        );
    }
}

#[tokio::test]
async fn a_search_ends_when_its_client_goes_away() {
    let gateway = TestGateway::start().await;
    // One line, of which the rest is looked at for every match.
    let path = search_path(&gateway, vec![b'a'; 3 << 20]).await;
    let search = |query: &str| {
        let url = gateway.url(&format!("{path}?mode=regex&{query}"));
        gateway.client().get(url).bearer_auth(gateway.key()).send()
    };
    let at_once = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let long = (0..at_once).map(|_| search("query=%5B%5Eq%5D*q%7Ca&ranges=true"));
    let patience = Duration::from_secs(1);
    let given_up = long.map(|answer| tokio::time::timeout(patience, answer));
    for answer in futures_util::future::join_all(given_up).await {
        assert!(answer.is_err(), "it takes much longer");
    }
    let answer = search("query=a%2B").await.unwrap();
    assert_eq!(answer.status(), 200, "others get their turn");
}
