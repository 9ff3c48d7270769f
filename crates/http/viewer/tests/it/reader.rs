//! A person with a browser.

use std::path::Path;

use pentad_testkit::{Browser, TestGateway};
use reqwest::Method;
use serde_json::json;

use crate::agent::Agent;

/// A gateway that records model calls, and a Chromium that is signed in to it.
pub(crate) struct Reader {
    pub(crate) gateway: TestGateway,
    pub(crate) browser: Browser,
}

impl Reader {
    /// `None`, said aloud, where there is no Chromium.
    pub(crate) async fn new() -> Option<Self> {
        let browser = Browser::start().await?;
        let gateway = TestGateway::start().await;
        let answer = gateway
            .client()
            .request(Method::PUT, gateway.url("/api/v1/tenant/settings"))
            .bearer_auth(gateway.key())
            .json(&json!({"modelio_enabled": true}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let mut reader = Self { gateway, browser };
        reader.browser.resize(1280, 900).await;
        Some(reader)
    }

    pub(crate) async fn agent(&self) -> Agent<'_> {
        Agent::new(&self.gateway).await
    }

    /// Opens a page, signing in on the way.
    pub(crate) async fn open(&mut self, path: &str) {
        let url = self.gateway.url(path);
        self.browser.open(&url).await;
        if self.browser.evaluate("location.pathname").await == "/viewer/login" {
            self.sign_in("administrator").await;
        }
    }

    pub(crate) async fn sign_in(&mut self, password: &str) {
        for (field, text) in [("#email", "admin@localhost"), ("#password", password)] {
            self.browser.click(field).await;
            self.browser
                .evaluate(&format!("document.querySelector('{field}').value = ''"))
                .await;
            self.browser.type_text(text).await;
        }
        self.browser.press("Enter").await;
        self.browser
            .wait_for(
                "document.querySelector('[data-error]')?.textContent || location.pathname !== '/viewer/login'",
            )
            .await;
    }

    /// Waits until a step is open, with everything about it.
    pub(crate) async fn at_step(&mut self, index: u64) {
        self.browser
            .wait_for(&format!(
                "document.querySelector('#detail article')?.dataset.index === '{index}'
                 && [...document.images].every(image => image.complete)"
            ))
            .await;
    }

    /// Keeps a picture of the page for people, at both sizes, and checks that nothing sticks out.
    pub(crate) async fn look(&mut self, name: &str) {
        for (width, height) in [(1280, 900), (390, 844)] {
            self.browser.resize(width, height).await;
            self.browser
                .evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                .await;
            let sticking_out = self
                .browser
                .evaluate(
                    "(() => {
                        const page = document.documentElement;
                        if (page.scrollWidth <= page.clientWidth) return [];
                        return [...document.body.querySelectorAll('*')]
                            .filter(each => each.getBoundingClientRect().right > page.clientWidth + 1)
                            .map(each => each.outerHTML.slice(0, 120));
                    })()",
                )
                .await;
            assert_eq!(sticking_out, json!([]), "{name} at {width} pixels");
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("viewer");
            std::fs::create_dir_all(&folder).unwrap();
            let picture = self.browser.picture().await;
            std::fs::write(folder.join(format!("{name}-{width}.png")), picture).unwrap();
        }
        self.browser.resize(1280, 900).await;
    }

    /// The pages asked this gateway alone, and nothing in them went wrong but for what is expected.
    pub(crate) async fn close(self, expected: &[&str]) {
        let own = self.gateway.url("/");
        let foreign: Vec<&String> = self
            .browser
            .requests()
            .iter()
            .filter(|url| !url.starts_with(&own))
            .collect();
        assert!(foreign.is_empty(), "a page loads from elsewhere: {foreign:?}");
        let unexpected: Vec<&String> = self
            .browser
            .errors()
            .iter()
            .filter(|error| !expected.iter().any(|words| error.contains(words)))
            .collect();
        assert!(unexpected.is_empty(), "a page complains: {unexpected:?}");
        self.browser.close().await;
        self.gateway.stop().await;
    }
}
