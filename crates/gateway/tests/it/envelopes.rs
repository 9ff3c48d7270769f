//! Failures, also those of the framework, in the envelope of their surface.

use pentad_http_kit::Surface;
use pentad_testkit::TestGateway;
use serde_json::Value;

use crate::Operation;
use crate::operation::is_envelope;

#[tokio::test]
async fn a_wrong_method_is_405_with_allow_on_every_path() {
    let gateway = TestGateway::start().await;
    for operation in Operation::all() {
        let answer = gateway
            .client()
            .request(reqwest::Method::TRACE, gateway.url(&operation.concrete_path()))
            .bearer_auth(gateway.key())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 405, "{}", operation.name());
        let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
        assert!(
            allow.contains(operation.method.as_str()),
            "{}: {allow}",
            operation.name()
        );
        assert!(answer.headers().contains_key("x-request-id"));
        let body: Value = answer.json().await.unwrap();
        // No operation is meant by a wrong method: the path alone says whose envelope it is.
        let surface = Surface::of_path(&operation.concrete_path()).unwrap_or(Surface::Sync);
        assert!(is_envelope(surface, &body), "{}: {body}", operation.name());
    }
}

#[tokio::test]
async fn an_unknown_path_takes_the_envelope_of_its_neighbours() {
    let gateway = TestGateway::start().await;
    for (path, key, surface) in [
        (
            "/api/v1/sessions/3fa85f64-5717-4562-b3fc-2c963f66afa6/nothing",
            None,
            Surface::Grep,
        ),
        ("/agent/nothing", None, Surface::Memory),
        ("/api/v1/runs/x/nothing/at/all", None, Surface::Ingest),
        ("/api/storage/nothing", None, Surface::Exec),
        ("/api/v1/nothing-here", None, Surface::Sync),
        ("/api/v1/nothing-here", Some("juras_live_x"), Surface::Grep),
        ("/nothing", Some("aurra_x"), Surface::Memory),
    ] {
        let mut request = gateway.client().get(gateway.url(path));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert!(is_envelope(surface, &body), "{path}: {body}");
    }
}

#[tokio::test]
async fn below_a_project_nothing_is_written_to_a_path_that_there_is_not() {
    let gateway = TestGateway::start().await;
    for path in [
        "proj_0123456789abcdef/nothing",
        "acme/widgets",
        "acme/widgets/contexts",
    ] {
        let answer = gateway
            .client()
            .put(gateway.url(&format!("/api/v1/projects/{path}")))
            .bearer_auth(gateway.key())
            .body("not even JSON")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(
            is_envelope(Surface::Sync, &answer.json().await.unwrap()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn paths_work_with_and_without_a_trailing_slash() {
    let gateway = TestGateway::start().await;
    for path in [
        "/health",
        "/health/",
        "/api/v1/sessions",
        "/api/v1/sessions/",
        "/readyz/",
    ] {
        let answer = gateway
            .client()
            .get(gateway.url(path))
            .bearer_auth(gateway.key())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.url().path(), path, "never by redirect");
    }
}

#[tokio::test]
async fn a_form_that_breaks_off_or_is_none_is_refused_in_words() {
    let gateway = TestGateway::start().await;
    for (content_type, body) in [
        ("multipart/form-data; boundary=b", "--b\r\nbroken"),
        ("multipart/form-data", "no boundary"),
        ("application/json", "{}"),
        ("multipart/form-data; boundary=b", ""),
    ] {
        let answer = gateway
            .client()
            .post(gateway.url("/api/v1/sessions"))
            .bearer_auth(gateway.key())
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{content_type} {body:?}");
        let answer: Value = answer.json().await.unwrap();
        assert!(is_envelope(Surface::Grep, &answer), "{answer}");
    }
}
