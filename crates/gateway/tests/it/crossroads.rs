//! The one operation at `POST /api/v1/sessions` that two surfaces have: what the form says decides.

use pentad_testkit::TestGateway;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

async fn answer(gateway: &TestGateway, form: Form) -> (u16, Value) {
    let request = gateway
        .client()
        .post(gateway.url("/api/v1/sessions"))
        .bearer_auth(gateway.key())
        .multipart(form);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn text_file() -> Part {
    Part::bytes(b"needle\n".to_vec()).file_name("a.txt")
}

#[tokio::test]
async fn fields_and_other_files_may_come_before_the_part_that_decides() {
    let gateway = TestGateway::start().await;
    let grep = Form::new().text("ttl_minutes", "10").part("files", text_file());
    let (status, session) = answer(&gateway, grep).await;
    assert_eq!(
        (status, &session["file_count"]),
        (201, &Value::from(1)),
        "{session}"
    );

    let after_another_file = Form::new().part("note", text_file()).part("files", text_file());
    let (status, session) = answer(&gateway, after_another_file).await;
    assert_eq!(
        (status, &session["file_count"]),
        (201, &Value::from(1)),
        "{session}"
    );

    // Seed 002 answers, in its envelope, that its own parameter is missing.
    let sync = Form::new().text("note", "mine").part("file", text_file());
    let (status, refusal) = answer(&gateway, sync).await;
    assert_eq!(status, 422, "{refusal}");
    assert_eq!(
        refusal["error"]["details"]["errors"][0]["loc"],
        serde_json::json!(["query", "source_tool"])
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_form_of_neither_or_of_both_is_told_what_each_looks_like() {
    let gateway = TestGateway::start().await;
    let neither = Form::new()
        .text("storage", "memory")
        .part("document", text_file());
    let both = Form::new().part("files", text_file()).part("file", text_file());
    let only_fields = Form::new().text("storage", "memory");
    for form in [only_fields, neither, both] {
        let (status, refusal) = answer(&gateway, form).await;
        let message = refusal["error"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{refusal}");
        assert!(
            message.contains("files") && message.contains("source_tool"),
            "{message}"
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn fields_before_the_file_have_a_limit() {
    let gateway = TestGateway::start().await;
    let long = Form::new()
        .text("note", "x".repeat(1 << 20))
        .part("files", text_file());
    let many = (0..100).fold(Form::new(), |form, number| {
        form.text(format!("note{number}"), "x")
    });
    for form in [long, many.part("files", text_file())] {
        let (status, refusal) = answer(&gateway, form).await;
        assert_eq!(status, 413, "{refusal}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused_and_not_a_fault_of_the_server() {
    let gateway = TestGateway::start().await;
    for media in [
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
    ] {
        let request = gateway
            .client()
            .post(gateway.url("/api/v1/sessions"))
            .bearer_auth(gateway.key())
            .header("Content-Type", media)
            .body("--nothing of the kind");
        assert_eq!(request.send().await.unwrap().status(), 400, "{media}");
    }
    gateway.stop().await;
}
