//! The pages that show the documents, in a real Chromium.

use pentad_testkit::{Browser, TestGateway};

/// A gateway and a page that is open in a browser; `None`, said aloud, where there is no Chromium.
async fn opened(path: &str) -> Option<(TestGateway, Browser)> {
    let mut browser = Browser::start().await?;
    let gateway = TestGateway::start().await;
    browser.open(&gateway.url(path)).await;
    Some((gateway, browser))
}

/// The page asked this gateway alone, and nothing in it went wrong.
async fn closed(gateway: TestGateway, mut browser: Browser) {
    browser
        .evaluate("new Promise(idle => requestIdleCallback(idle))")
        .await;
    let own = gateway.url("/");
    let foreign: Vec<&String> = browser
        .requests()
        .iter()
        .filter(|url| !(url.starts_with(&own) || url.starts_with("data:") || url.starts_with("blob:")))
        .collect();
    assert!(foreign.is_empty(), "the page loads from elsewhere: {foreign:?}");
    assert_eq!(browser.errors(), &[] as &[String], "the page complains");
    browser.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn swagger_ui_lists_every_document_and_opens_the_chosen_one() {
    for path in ["/api/docs", "/api/v1/docs/"] {
        let Some((gateway, mut browser)) = opened(path).await else {
            return;
        };
        browser
            .wait_for("document.querySelector('.info .title').innerText.startsWith('Pentad')")
            .await;
        let listed = browser
            .evaluate(
                "[...document.querySelectorAll('.download-url-wrapper option')].map(option => option.text)",
            )
            .await;
        let documents = pentad_gateway::documents();
        let titles: Vec<&str> = documents.iter().map(|document| document.title).collect();
        assert_eq!(listed, serde_json::json!(titles));
        for document in documents.iter().rev() {
            browser
                .choose(".download-url-wrapper select", document.title)
                .await;
            browser
                .wait_for(&format!(
                    "document.querySelector('.info .title').firstChild.textContent === {}",
                    serde_json::json!(document.api.info.title)
                ))
                .await;
        }
        closed(gateway, browser).await;
    }
}

#[tokio::test]
async fn an_example_is_tried_from_swagger_ui() {
    let Some((gateway, mut browser)) = opened("/api/docs/").await else {
        return;
    };
    let operation = "#operations-gateway-health";
    browser
        .click(&format!("{operation} .opblock-summary-control"))
        .await;
    browser.click(&format!("{operation} .execute")).await;
    let shown = browser
        .wait_for(&format!(
            "document.querySelector('{operation} .live-responses-table tbody').innerText"
        ))
        .await;
    let shown = shown.as_str().unwrap_or_default();
    assert!(shown.starts_with("200"), "{shown}");
    assert!(shown.contains(r#""status": "healthy""#), "{shown}");
    closed(gateway, browser).await;
}

#[tokio::test]
async fn redoc_shows_the_whole_gateway() {
    for path in ["/api/redoc", "/api/v1/redoc"] {
        let Some((gateway, mut browser)) = opened(path).await else {
            return;
        };
        browser
            .wait_for("document.querySelector('.api-info h1').innerText.startsWith('Pentad')")
            .await;
        let sections = browser
            .wait_for(
                "[...document.querySelectorAll('.menu-content [role=menuitem]')].map(item => item.innerText)",
            )
            .await;
        for surface in pentad_gateway::surfaces() {
            let name = surface.surface().name();
            assert!(
                sections.to_string().contains(name),
                "{name} is missing in {sections}"
            );
        }
        closed(gateway, browser).await;
    }
}
