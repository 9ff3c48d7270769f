//! What a person does with a run.

use reqwest::Method;
use serde_json::json;

use crate::reader::Reader;

#[tokio::test]
async fn a_person_signs_in_opens_a_run_and_understands_it() {
    let Some(mut reader) = Reader::new().await else {
        return;
    };
    let agent = reader.agent().await;
    agent.login("login-1", false).await;
    agent.end("login-1", "failed").await;
    agent.login("login-2", true).await;
    agent.end("login-2", "succeeded").await;
    agent.begin("login-3").await;

    reader.browser.open(&reader.gateway.url("/viewer/")).await;
    reader.look("login").await;
    reader.sign_in("wrong").await;
    let error = "document.querySelector('[data-error]').textContent";
    assert_eq!(reader.browser.evaluate(error).await, "Invalid email or password");
    reader.sign_in("administrator").await;
    reader
        .browser
        .wait_for("document.querySelectorAll('.run-row').length === 3")
        .await;
    reader.look("runs").await;
    reader.browser.prefer("prefers-color-scheme", "dark").await;
    reader.look("runs-dark").await;

    // The failed run, from its row in the list; it opens at what went wrong.
    reader.browser.click("a[href='/viewer/runs/login-1']").await;
    reader.at_step(2).await;
    reader.look("run-dark").await;
    reader.browser.prefer("prefers-color-scheme", "light").await;
    reader.look("run").await;
    let story = reader
        .browser
        .evaluate("document.querySelector('.story').innerText")
        .await;
    assert_eq!(
        story,
        "The run ended as failed, after 3 steps in 9 s. It first failed at step 2; most often as no_state_change."
    );
    let rules = reader
        .browser
        .evaluate(
            "[...document.querySelectorAll('#head .finding .evidence code')].map(rule => rule.textContent)",
        )
        .await;
    for rule in [
        "cua.verifier_disagrees",
        "cua.no_state_change",
        "gw.identical_frames",
        "gw.pending_side_effect",
    ] {
        assert!(rules.to_string().contains(rule), "{rule} in {rules}");
    }

    // Step by step, by keyboard, with an address for each place.
    reader.browser.press("Home").await;
    reader.at_step(0).await;
    reader.browser.press("ArrowRight").await;
    reader.at_step(1).await;
    assert_eq!(reader.browser.evaluate("location.hash").await, "#step=1");
    reader.browser.press("f").await;
    reader.at_step(2).await;
    for (key, tab, words) in [
        ("2", "events", "the form is still there"),
        ("3", "reasoning", "The green button below them"),
        ("4", "model", "You operate a browser."),
        ("5", "verdict", "The judges disagree."),
        ("6", "effects", "session_create"),
        ("7", "log", "<script>alert(1)</script>"),
        ("8", "raw", "\"step_id\": \"login-1/step/0002\""),
    ] {
        reader.browser.press(key).await;
        let panel = format!("document.getElementById('panel-{tab}')");
        reader
            .browser
            .wait_for(&format!(
                "!{panel}.hidden && {panel}.innerText.includes({})",
                json!(words)
            ))
            .await;
        assert_eq!(
            reader.browser.evaluate("location.hash").await,
            format!("#step=2&tab={tab}")
        );
        reader.look(&format!("step-{tab}")).await;
    }
    reader.browser.press("d").await;
    reader
        .browser
        .wait_for("document.querySelector('[data-stage-note]').textContent === 'No pixel changed.'")
        .await;
    reader.browser.press("k").await;
    reader.at_step(1).await;
    reader
        .browser
        .wait_for("/ % of the pixels changed/.test(document.querySelector('[data-stage-note]').textContent)")
        .await;
    reader.look("difference").await;
    reader.browser.press("s").await;
    reader
        .browser
        .wait_for("!document.querySelector('[data-slider]').hidden")
        .await;
    reader.browser.press("b").await;
    reader.browser.press("?").await;
    reader
        .browser
        .wait_for("document.querySelector('[data-help-dialog]').open")
        .await;
    reader.look("keys").await;
    reader.browser.press("Escape").await;

    // Evidence leads to its place.
    reader
        .browser
        .click("#head .finding a[href='#step=2&tab=events']")
        .await;
    reader.at_step(2).await;
    reader
        .browser
        .wait_for("!document.getElementById('panel-events').hidden")
        .await;
    reader.browser.click("#about > summary").await;
    reader
        .browser
        .wait_for("document.querySelector('#about-body').innerText.includes('auth.login')")
        .await;
    reader.look("about").await;

    // A link of somebody else opens the same place.
    reader.open("/viewer/runs/login-2#step=1&tab=events").await;
    reader.at_step(1).await;
    reader
        .browser
        .wait_for("!document.getElementById('panel-events').hidden")
        .await;
    reader.browser.click("[data-sign-out]").await;
    reader
        .browser
        .wait_for("location.pathname === '/viewer/login'")
        .await;
    reader.open("/viewer/runs/login-2").await;
    reader
        .browser
        .wait_for("location.pathname === '/viewer/runs/login-2'")
        .await;
    reader.at_step(0).await;
    // The refused password is noted on the console by the browser itself.
    reader.close(&["401"]).await;
}

#[tokio::test]
async fn two_runs_are_compared() {
    let Some(mut reader) = Reader::new().await else {
        return;
    };
    let agent = reader.agent().await;
    for (run, works) in [("bad", false), ("good", true)] {
        agent.login(run, works).await;
        agent.end(run, if works { "succeeded" } else { "failed" }).await;
    }
    reader.open("/viewer/").await;
    reader
        .browser
        .wait_for("document.querySelectorAll('.run-row').length === 2")
        .await;
    for run in ["bad", "good"] {
        reader
            .browser
            .click(&format!("input[name=run][value={run}]"))
            .await;
    }
    reader.browser.click("[data-compare]").await;
    let story = reader
        .browser
        .wait_for("location.pathname === '/viewer/compare' && document.querySelector('.story').innerText")
        .await;
    assert_eq!(story, "They agree for 2 steps, then part at row 3.");
    let parted = reader
        .browser
        .evaluate("document.querySelector('#divergence').innerText")
        .await;
    assert!(parted.to_string().contains("no_state_change"), "{parted}");
    reader
        .browser
        .wait_for("[...document.images].every(image => image.complete)")
        .await;
    reader.look("compare").await;
    reader.close(&[]).await;
}

#[tokio::test]
async fn a_live_run_is_followed_and_commanded() {
    let Some(mut reader) = Reader::new().await else {
        return;
    };
    let agent = reader.agent().await;
    agent.begin("live").await;
    agent.step("live", 0, &json!({"intent": "Open the shop"})).await;
    drop(agent);
    reader.open("/viewer/runs/live").await;
    reader.at_step(0).await;
    let agent = reader.agent().await;
    // The page follows from the moment its stream is open.
    let following = "performance.getEntriesByType('resource').some(each => each.name.endsWith('/steps?from=0&limit=1000'))";
    let key = agent;
    for index in 1..4 {
        key.shot("live", index, "post", crate::screens::Screen::Form { filled: 1 })
            .await;
        key.step("live", index, &json!({"intent": format!("Step number {index}")}))
            .await;
    }
    drop(key);
    reader.browser.wait_for(following).await;
    reader.at_step(3).await;
    reader
        .browser
        .wait_for("document.querySelector('[data-position]').textContent === '4 of 4'")
        .await;
    reader
        .browser
        .wait_for("document.querySelector('.story').innerText.includes('4 steps so far')")
        .await;
    reader.look("live").await;

    // Looking at another step ends the following.
    reader.browser.press("Home").await;
    reader.at_step(0).await;
    let agent = reader.agent().await;
    agent.step("live", 4, &json!({})).await;
    drop(agent);
    reader
        .browser
        .wait_for("document.querySelector('[data-position]').textContent === '1 of 5'")
        .await;

    reader.browser.click("#hint").await;
    reader.browser.type_text("the button is green").await;
    reader.browser.press("Enter").await;
    let told = "document.querySelector('[data-command-status]').textContent";
    reader
        .browser
        .wait_for(&format!("{told}.startsWith('Hint sent')"))
        .await;
    reader.browser.click("[data-command=pause]").await;
    reader
        .browser
        .wait_for(&format!("{told}.startsWith('Pause sent')"))
        .await;
    reader.browser.click("[data-command=kill]").await;
    reader
        .browser
        .click("[data-confirm-kill] button[value=kill]")
        .await;
    reader
        .browser
        .wait_for(&format!("{told}.startsWith('Kill sent')"))
        .await;
    let commands: serde_json::Value = reader
        .gateway
        .client()
        .request(
            Method::GET,
            reader.gateway.url("/api/v1/runs/live/commands/history"),
        )
        .bearer_auth(reader.gateway.key())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let kinds: Vec<_> = commands["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| {
            (
                command["type"].as_str().unwrap(),
                command["payload"]["text"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("inject_hint", Some("the button is green")),
            ("pause", None),
            ("kill", None)
        ]
    );
    reader.close(&[]).await;
}

#[tokio::test]
async fn words_without_an_end_stay_within_the_page() {
    let Some(mut reader) = Reader::new().await else {
        return;
    };
    let agent = reader.agent().await;
    let long = format!("\u{202e}{}", "W".repeat(3_000));
    let words = json!({"intent": long, "step_type": long, "status": "failed", "failure_class": long,
                       "action": {"type": long, "params": {"text": long, "x": 1e300, "y": -1}},
                       "grounding": {"provider": long, "provenance": "dom", "target_label": long,
                                     "coordinates": {"x": 320, "y": 200}},
                       "verdict": {"status": "failed", "reason": long}});
    agent
        .shot("endless", 0, "pre", crate::screens::Screen::Welcome)
        .await;
    agent
        .shot("endless", 0, "post", crate::screens::Screen::Welcome)
        .await;
    agent.step("endless", 0, &words).await;
    let events = json!({"step_index": 0, "events": [{"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "error",
                                                      "summary": long, "detail": {"text": long}}]});
    let of_run = json!({"events": events["events"].clone()});
    let thought = json!({"format": "adapter_inferred", "text": long, "model": long});
    let effect = json!({"side_effect_id": "se_1", "step_index": 0, "resource": long, "action": long, "status": "intent_only"});
    let outcome = json!({"scope": "session", "finalized_at": "2026-05-19T00:00:00Z",
                         "verdict": {"status": "failed", "reason": long}});
    let session = json!({"steps": [], "session": {
        "schema_version": "0.1", "debug_session_id": "dbg_1", "run_id": "endless", "client": {"name": long},
        "capture_mode": "full", "started_at": "2026-05-19T00:00:00Z", "status": "running", "tags": {"tag": long},
        "costs": {"total_usd": 1e308, "tokens_in": u64::MAX},
        "task_spec": {"instruction": long, "subgoals": [{"subgoal_id": "one", "description": long}]}}});
    for (method, path, body) in [
        (Method::POST, "events", &events),
        (Method::POST, "events", &of_run),
        (Method::POST, "reasoning", &thought),
        (Method::POST, "side-effects", &effect),
        (Method::POST, "outcomes", &outcome),
        (Method::PUT, "trace", &session),
    ] {
        agent.send(method, &format!("/runs/endless/{path}"), body).await;
    }
    drop(agent);
    reader.open("/viewer/").await;
    reader.look("endless-list").await;
    reader.open("/viewer/runs/endless").await;
    reader.at_step(0).await;
    let edge = |element: &str| format!("{element}.getBoundingClientRect().right");
    let within = format!(
        "[...document.querySelectorAll('.mark-plate')].filter(plate => {} <= {}).length === 2",
        edge("plate"),
        edge("plate.closest('.screen')"),
    );
    reader.browser.wait_for(&within).await;
    for key in ["1", "2", "5", "6", "8"] {
        reader.browser.press(key).await;
        reader.look(&format!("endless-{key}")).await;
    }
    reader.browser.click("#about > summary").await;
    reader
        .browser
        .wait_for("document.querySelector('#about-body').innerText.includes('Outcomes')")
        .await;
    reader.look("endless-about").await;
    reader.close(&[]).await;
}

#[tokio::test]
async fn ten_thousand_steps_are_as_easy_as_ten() {
    let Some(mut reader) = Reader::new().await else {
        return;
    };
    const STEPS: usize = 10_000;
    let agent = reader.agent().await;
    let steps: Vec<_> = (0..STEPS)
        .map(|index| {
            let failed = index == 7_777;
            json!({
                "step_id": format!("s{index}"), "step_index": index, "step_type": "click", "duration_ms": 50 + index % 90,
                "status": if failed { "failed" } else { "succeeded" }, "started_at": "2026-05-19T00:00:00Z",
                "failure_class": if failed { "model_timeout" } else { "" }, "intent": format!("Row {index}"),
                "action": {"type": "click"},
            })
        })
        .collect();
    let trace = json!({"session": {
        "schema_version": "0.1", "debug_session_id": "dbg_1", "run_id": "long", "client": {"name": "crawler"},
        "capture_mode": "trace", "started_at": "2026-05-19T00:00:00Z", "ended_at": "2026-05-19T00:20:00Z",
        "status": "failed"}, "steps": steps});
    agent.send(Method::PUT, "/runs/long/trace", &trace).await;
    drop(agent);
    reader.open("/viewer/runs/long").await;
    let position = "document.querySelector('[data-position]').textContent";
    reader
        .browser
        .wait_for("document.querySelector('[data-strip]').ariaBusy === 'false'")
        .await;
    reader.browser.press("End").await;
    reader
        .browser
        .wait_for(&format!("{position} === '10000 of 10000'"))
        .await;
    reader.browser.press("Home").await;
    reader.browser.press("f").await;
    reader.at_step(7_777).await;
    let frames = reader
        .browser
        .evaluate("document.querySelectorAll('.frame').length")
        .await;
    assert!(frames.as_u64().unwrap() < 60, "{frames} frames are elements");
    reader.look("long").await;
    // An address beyond the first page of steps, and one that leads nowhere.
    reader.open("/viewer/").await;
    reader.open("/viewer/runs/long#step=9000").await;
    reader.at_step(9_000).await;
    reader.open("/viewer/").await;
    reader.open("/viewer/runs/long#step=20000").await;
    reader.at_step(7_777).await;
    reader.close(&[]).await;
}
