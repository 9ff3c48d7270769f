//! Language models: audits that follow a push, narratives, and models that fail.

use std::time::Duration;

use pentad_language_model::testing::ScriptedModel;
use pentad_session_sync::{AuditStatus, AuditTrigger, Dismissal, Error, NewJudge, Settings, UrlPolicy};
use pentad_store::{Db, both_engines};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::forge::{World, new_session, session};

fn judge(model: &ScriptedModel) -> NewJudge {
    NewJudge {
        provider: "openai".into(),
        model: "small".into(),
        api_key: Some("sk-test".to_owned().into()),
        base_url: Some(model.url().to_owned()),
    }
}

fn with_models(db: Db) -> World {
    World::with(
        db,
        Settings {
            judge_urls: UrlPolicy { allow_private: true },
            ..Settings::default()
        },
    )
}

/// A language model that answers when it is told to.
struct SlowModel(tokio::net::TcpListener);

impl SlowModel {
    async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        (Self(listener), url)
    }

    /// The next question.
    async fn asked(&mut self) -> tokio::net::TcpStream {
        let (mut question, _) = self.0.accept().await.unwrap();
        let _ = question.read(&mut vec![0; 64 << 10]).await.unwrap();
        question
    }

    async fn answer(mut question: tokio::net::TcpStream) {
        let body = r#"{"choices": [{"message": {"content": "[]"}}]}"#;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        question.write_all(answer.as_bytes()).await.unwrap();
    }
}

const NARRATIVE: &str = r#"{"what_happened": "A quokka was sought.", "key_decisions": ["Look in src/zoo.rs"],
    "outcome": "Found.", "open_issues": []}"#;

both_engines! {
    async fn a_push_is_audited_once_when_its_owner_wants_that(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let model = ScriptedModel::that_says(&["[]", "[]", "[]"]).await;
        world.sync.set_judge(&ada, judge(&model)).await.unwrap();
        world.sync.set_audit_trigger(&ada.actor, AuditTrigger::OnSync).await.unwrap();
        let id = new_session();
        let archive = session("work", &["find the quokka"]);
        world.push(&ada, &id, &archive).await.unwrap();
        assert_eq!(world.sync.run_audits().await.unwrap(), 0, "a device is given time to audit by itself");
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(world.sync.run_audits().await.unwrap(), 1);
        assert_eq!(world.sync.audit_status(&ada, &id).await.unwrap(), AuditStatus::Completed);
        assert_eq!(world.sync.past_audits(&ada, &id).await.unwrap().len(), 1);
        // The same archive again is nothing new.
        world.push(&ada, &id, &archive).await.unwrap();
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(world.sync.run_audits().await.unwrap(), 0);
        // A device that audits by itself leaves nothing to do.
        world.push(&ada, &id, &session("work", &["find the quokka", "again"])).await.unwrap();
        world.sync.audit(&ada, &id, NewJudge::default()).await.unwrap();
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(world.sync.run_audits().await.unwrap(), 0);
        assert_eq!(model.asked().len(), 2);
    }

    async fn an_audit_that_several_gateways_want_to_run_runs_once(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let model = ScriptedModel::that_says(&["[]", "[]", "[]"]).await;
        world.sync.set_judge(&ada, judge(&model)).await.unwrap();
        world.sync.set_audit_trigger(&ada.actor, AuditTrigger::OnSync).await.unwrap();
        let id = new_session();
        world.push(&ada, &id, &session("work", &["find the quokka"])).await.unwrap();
        world.clock.advance(Duration::from_secs(61));
        let gateways = tokio::join!(world.sync.run_audits(), world.sync.run_audits(), world.sync.run_audits());
        let ran = gateways.0.unwrap() + gateways.1.unwrap() + gateways.2.unwrap();
        assert_eq!((ran, model.asked().len()), (1, 1));
    }

    async fn an_audit_that_lost_its_lease_writes_nothing(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let (mut model, url) = SlowModel::start().await;
        let slow = NewJudge { base_url: Some(url), ..judge(&ScriptedModel::that_says(&[]).await) };
        world.sync.set_judge(&ada, slow).await.unwrap();
        world.sync.set_audit_trigger(&ada.actor, AuditTrigger::OnSync).await.unwrap();
        let id = new_session();
        world.push(&ada, &id, &session("work", &["find the quokka"])).await.unwrap();
        world.clock.advance(Duration::from_secs(61));
        let late = world.sync.clone();
        let late = tokio::spawn(async move { late.run_audits().await.unwrap() });
        let first = model.asked().await;
        // The gateway seems dead, and another one takes the audit up.
        world.clock.advance(Duration::from_secs(301));
        let other = world.sync.clone();
        let other = tokio::spawn(async move { other.run_audits().await.unwrap() });
        SlowModel::answer(model.asked().await).await;
        assert_eq!(other.await.unwrap(), 1);
        SlowModel::answer(first).await;
        late.await.unwrap();
        assert_eq!(world.sync.past_audits(&ada, &id).await.unwrap().len(), 1);
        assert_eq!(world.sync.audit_status(&ada, &id).await.unwrap(), AuditStatus::Completed);
    }

    async fn nothing_is_audited_by_itself_without_a_judge_or_the_wish(db: Db) {
        let world = with_models(db);
        let (ada, grace) = (world.person("ada").await, world.person("grace").await);
        world.sync.set_audit_trigger(&ada.actor, AuditTrigger::OnSync).await.unwrap();
        let model = ScriptedModel::that_says(&[]).await;
        world.sync.set_judge(&grace, judge(&model)).await.unwrap();
        for who in [&ada, &grace] {
            let id = new_session();
            world.push(who, &id, &session("work", &["hello"])).await.unwrap();
            world.clock.advance(Duration::from_secs(61));
            assert_eq!(world.sync.run_audits().await.unwrap(), 0);
            assert_eq!(world.sync.audit_status(who, &id).await.unwrap(), AuditStatus::NotStarted);
        }
    }

    async fn a_finding_is_dismissed_by_name_and_may_count_again(db: Db) {
        let world = with_models(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let found = r#"[{"claim": "tests pass", "verdict": "hallucination", "severity": "critical"},
            {"claim": "file written", "verdict": "verified"}]"#;
        let model = ScriptedModel::that_says(&[found]).await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["find the quokka"])).await.unwrap();
        let dismissal = |finding_index: i64, dismissed: bool| Dismissal {
            finding_index,
            dismissed,
            reason: "checked by hand".into(),
        };
        assert!(matches!(world.sync.dismiss_finding(&ada, &id, &dismissal(0, true)).await, Err(Error::NoReport)));
        world.sync.audit(&ada, &id, judge(&model)).await.unwrap();
        for nothing in [-1, 2, i64::MAX] {
            let error = world.sync.dismiss_finding(&ada, &id, &dismissal(nothing, true)).await.unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{nothing}: {error}");
        }
        assert!(matches!(world.sync.dismiss_finding(&eve, &id, &dismissal(0, true)).await, Err(Error::SessionNotFound)));
        let (first, second) = (dismissal(0, true), dismissal(1, true));
        let both = tokio::join!(
            world.sync.dismiss_finding(&ada, &id, &first),
            world.sync.dismiss_finding(&ada, &id, &second)
        );
        assert!(both.0.is_ok() && both.1.is_ok(), "neither undoes the other");
        let findings = world.sync.audit_report(&ada, &id).await.unwrap().findings;
        for finding in &findings {
            let said = (&finding["dismissed"], &finding["dismissed_by"], &finding["dismissed_reason"]);
            assert_eq!(said, (&json!(true), &json!("ada@example.com"), &json!("checked by hand")));
        }
        world.sync.dismiss_finding(&ada, &id, &dismissal(0, false)).await.unwrap();
        let findings = world.sync.audit_report(&ada, &id).await.unwrap().findings;
        assert_eq!((&findings[0]["dismissed"], &findings[0]["dismissed_by"]), (&json!(false), &json!("")));
        assert_eq!(findings[1]["dismissed"], json!(true));
    }

    async fn a_narrative_is_kept_until_the_next_push(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let model = ScriptedModel::that_says(&[NARRATIVE]).await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["find the quokka, key AKIAIOSFODNN7EXAMPLE"])).await.unwrap();
        let told = world.sync.narrate(&ada, &id, judge(&model)).await.unwrap().summary.narrative.unwrap();
        assert_eq!((told.model.as_str(), told.key_decisions.as_slice()), ("small", &["Look in src/zoo.rs".to_owned()][..]));
        assert!(!model.asked()[0].contains("AKIAIOSFODNN7EXAMPLE"), "no secret leaves");
        assert_eq!(world.sync.summary(&ada, &id).await.unwrap().narrative, Some(told));
        assert!(world.sync.summarise(&ada, &id).await.unwrap().narrative.is_some());
        world.push(&ada, &id, &session("work", &["something else"])).await.unwrap();
        assert_eq!(world.sync.summary(&ada, &id).await.unwrap().narrative, None);
    }

    async fn a_gateway_is_asked_in_the_common_form_whoever_and_whatever_model_is_named(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        let model = ScriptedModel::that_says(&["[]", "[]"]).await;
        let named = NewJudge { provider: "anthropic".into(), model: "claude-opus-5".into(), ..judge(&model) };
        world.sync.audit(&ada, &id, named).await.unwrap();
        let unnamed = NewJudge { provider: String::new(), model: String::new(), ..judge(&model) };
        world.sync.audit(&ada, &id, unnamed).await.unwrap();
        let asked = model.asked();
        assert!(asked.iter().all(|request| request.starts_with("POST /v1/chat/completions")), "{asked:?}");
        assert!(asked[1].contains("claude-"), "{}", asked[1]);
        let nothing = NewJudge { base_url: None, model: String::new(), ..judge(&model) };
        let error = world.sync.audit(&ada, &id, nothing).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "OpenAI has no model of that name: {error}");
    }

    async fn a_model_that_fails_leaves_the_facts(db: Db) {
        let world = with_models(db);
        let ada = world.person("ada").await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        for answers in [&[][..], &["no JSON"], &["7"], &["[]"], &["{}"], &[r#"{"what_happened": 7}"#]] {
            let model = ScriptedModel::that_says(answers).await;
            let narrated = world.sync.narrate(&ada, &id, judge(&model)).await.unwrap();
            assert!(matches!(narrated.failure, Some(Error::Judge(_))), "{answers:?}: {:?}", narrated.failure);
            assert_eq!((narrated.summary.facts.message_count, narrated.summary.narrative), (2, None));
        }
        let error = world.sync.narrate(&ada, &id, NewJudge::default()).await.unwrap_err();
        assert!(matches!(error, Error::NoJudge), "{error}");
        let inside = NewJudge { base_url: Some("file:///etc/passwd".into()), ..judge(&ScriptedModel::that_says(&[]).await) };
        let error = world.sync.narrate(&ada, &id, inside).await.unwrap_err();
        assert!(matches!(error, Error::UrlNotAllowed(_)), "{error}");
    }

    async fn a_project_has_its_sessions_told_by_the_model_their_owner_saved(db: Db) {
        let world = with_models(db);
        let (ada, grace) = (world.person("ada").await, world.person("grace").await);
        let model = ScriptedModel::that_says(&[NARRATIVE]).await;
        world.sync.set_judge(&ada, judge(&model)).await.unwrap();
        let (told, untold) = (new_session(), new_session());
        world.push(&ada, &told, &session("work", &["hello"])).await.unwrap();
        world.push(&grace, &untold, &session("work", &["hello"])).await.unwrap();
        assert!(world.sync.narrate_unasked(&ada.actor.user, &told).await.unwrap().is_some());
        assert!(world.sync.narrate_unasked(&ada.actor.user, &told).await.unwrap().is_none(), "once");
        assert!(world.sync.narrate_unasked(&grace.actor.user, &untold).await.unwrap().is_none());
        let learned = world.sync.recent_facts(&ada.actor.user, "acme/widgets", 5).await.unwrap();
        assert_eq!(learned[0].narrative.as_ref().unwrap().outcome, "Found.");
    }
}
