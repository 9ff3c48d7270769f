//! An agent that records.

use pentad_identity::{KeyFamily, NewKey};
use pentad_testkit::TestGateway;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::screens::{Screen, picture};

/// Records into the organisation `default`.
pub(crate) struct Agent<'a> {
    gateway: &'a TestGateway,
    key: String,
}

impl<'a> Agent<'a> {
    pub(crate) async fn new(gateway: &'a TestGateway) -> Self {
        let key = gateway.mint(gateway.admin(), NewKey::of(KeyFamily::Ingest)).await;
        Self { gateway, key }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) {
        let url = self.gateway.url(&format!("/api/v1{path}"));
        let request = self.gateway.client().request(method, url).bearer_auth(&self.key);
        let answer = request.json(body).send().await.unwrap();
        let status = answer.status();
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            answer.text().await.unwrap()
        );
    }

    pub(crate) async fn shot(&self, run: &str, index: u64, kind: &str, screen: Screen) {
        let mut body = b"--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"shot.png\"\r\n\
                         Content-Type: image/png\r\n\r\n"
            .to_vec();
        body.extend(picture(screen));
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let path = format!("/api/v1/runs/{run}/screenshots/{index}/{kind}");
        let answer = self
            .gateway
            .client()
            .post(self.gateway.url(&path))
            .bearer_auth(&self.key)
            .header(CONTENT_TYPE, "multipart/form-data; boundary=edge")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
    }

    pub(crate) async fn step(&self, run: &str, index: u64, more: &Value) {
        let mut step = json!({
            "step_id": format!("{run}/step/{index:04}"), "step_index": index, "step_type": "click",
            "status": "succeeded", "started_at": format!("2026-05-19T00:{:02}:{:02}Z", index / 60 % 60, index % 60),
            "duration_ms": 400 + index * 37 % 900, "action": {"type": "click"},
        });
        step.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.send(Method::PUT, &format!("/runs/{run}/steps/{index}"), &step)
            .await;
    }

    pub(crate) async fn end(&self, run: &str, status: &str) {
        let manifest = json!({
            "schema_version": "0.1", "bundle_format": "augur-bundle", "run_id": run, "debug_session_id": "dbg_1",
            "client": {"name": "shopper", "version": "2.1"}, "capture_mode": "full",
            "created_at": "2026-05-19T00:00:00Z", "trace": "trace.json", "step_count": 0,
            "paths": {"steps": "steps/", "screenshots": "screenshots/", "events": "events/", "logs": "logs/"},
        });
        self.send(Method::POST, "/runs", &manifest).await;
        let trace = self.session(run, status, Some("2026-05-19T00:00:09Z"));
        self.send(Method::PUT, &format!("/runs/{run}/trace"), &trace)
            .await;
    }

    pub(crate) async fn begin(&self, run: &str) {
        let trace = self.session(run, "running", None);
        self.send(Method::PUT, &format!("/runs/{run}/trace"), &trace)
            .await;
    }

    fn session(&self, run: &str, status: &str, ended_at: Option<&str>) -> Value {
        json!({"session": {
            "schema_version": "0.1", "debug_session_id": "dbg_1", "run_id": run,
            "client": {"name": "shopper", "version": "2.1"}, "capture_mode": "full",
            "started_at": "2026-05-19T00:00:00Z", "ended_at": ended_at, "status": status,
            "tags": {"env": "staging"}, "costs": {"total_usd": 0.042, "tokens_in": 5120, "tokens_out": 640},
            "task_spec": {"instruction": "Sign in to the shop and open the dashboard", "task_class": "auth.login"},
        }, "steps": []})
    }

    /// A run in which the last click does nothing, or the same one in which it works.
    pub(crate) async fn login(&self, run: &str, works: bool) {
        let at = |x: u32, y: u32, label: &str, confidence: f64| {
            json!({
                "action": {"type": "click", "params": {"x": x, "y": y}, "coordinate_space": "screenshot_px",
                           "dispatch_backend": "playwright"},
                "grounding": {"provider": "pixel-grounder", "provenance": "screenshot", "target_label": label,
                              "confidence": confidence, "coordinates": {"x": x, "y": y}},
                "captured_versions": {"model": "example-1"},
                "costs": {"total_usd": 0.0105, "tokens_in": 1280, "tokens_out": 160},
            })
        };
        let steps = [
            ("Find the e-mail field", 320, 167, "E-mail field", 0),
            ("Enter the password", 320, 227, "Password field", 1),
            ("Press Sign in", 320, 303, "Sign in button", 2),
        ];
        for (index, (intent, x, y, label, filled)) in steps.into_iter().enumerate() {
            let index = index as u64;
            let is_last = index == 2;
            let fails = is_last && !works;
            let mut step = at(x, y, label, 0.93 - 0.1 * index as f64);
            step["intent"] = json!(intent);
            step["verdict"] = if fails {
                json!({"status": "failed", "reason": "There was no visible state change after the click", "score": 0.1})
            } else {
                json!({"status": "passed", "reason": "as expected", "score": 0.97})
            };
            if fails {
                step["status"] = json!("failed");
                step["failure_class"] = json!("no_state_change");
                step["action"]["params"]["y"] = json!(330);
                step["judge_decisions"] = json!([
                    {"judge_id": "pixels", "judge_type": "rule", "verdict": {"status": "failed", "reason": "equal frames"}},
                    {"judge_id": "example-judge", "judge_type": "model", "verdict": {"status": "passed"}},
                ]);
            }
            self.shot(run, index, "pre", Screen::Form { filled }).await;
            let after = match (is_last, fails) {
                (true, false) => Screen::Welcome,
                (true, true) => Screen::Form { filled },
                _ => Screen::Form { filled: filled + 1 },
            };
            self.shot(run, index, "post", after).await;
            self.step(run, index, &step).await;
            let events = json!({"step_index": index, "events": [
                {"ts": format!("2026-05-19T00:00:0{index}.100Z"), "layer": "planner", "kind": "decision", "summary": intent,
                 "detail": {"alternatives": 2}},
                {"ts": format!("2026-05-19T00:00:0{index}.900Z"), "layer": "verifier",
                 "kind": if fails { "error" } else { "observation" },
                 "summary": if fails { "the form is still there" } else { "the screen changed" }},
            ]});
            self.send(Method::POST, &format!("/runs/{run}/events"), &events)
                .await;
            let log =
                json!({"step_index": index, "text": format!("step {index}\n<script>alert(1)</script>\n")});
            self.send(Method::POST, &format!("/runs/{run}/logs"), &log).await;
        }
        let effect = json!({
            "side_effect_id": "se_1", "step_index": 2, "resource": "shop:session", "action": "session_create",
            "status": if works { "committed" } else { "intent_only" }, "reversibility": "reversible",
        });
        self.send(Method::POST, &format!("/runs/{run}/side-effects"), &effect)
            .await;
        let thought = json!({
            "step_index": 2, "format": "adapter_inferred", "model": "example-1", "tokens": 41,
            "text": "Both fields are filled. The green button below them submits the form.",
        });
        self.send(Method::POST, &format!("/runs/{run}/reasoning"), &thought)
            .await;
        let call = json!({
            "schema_version": "0.1", "layer": "planner", "ts": "2026-05-19T00:00:02Z", "step_index": 2, "duration_ms": 812,
            "request": {"model": "example-1", "system": "You operate a browser.", "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Sign in to the shop"},
                                             {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]},
            "response": {"text": "Press the button.", "usage": {"prompt_tokens": 1280, "completion_tokens": 160},
                         "tool_calls": [{"function": {"name": "click", "arguments": "{\"x\":320,\"y\":303}"}}],
                         "logprobs": [{"token": "Press", "logprob": -0.01}, {"token": " the", "logprob": -0.4},
                                      {"token": " button", "logprob": -1.9}, {"token": ".", "logprob": -3.2}]},
        });
        self.send(
            Method::POST,
            &format!("/runs/{run}/modelio/0002-planner-0.json"),
            &call,
        )
        .await;
    }
}
