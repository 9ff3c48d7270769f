//! What becomes of single records.

use std::time::Duration;

use pentad_kernel::{Classify as _, ErrorKind};
use pentad_runs::{
    Error, Filter, Heartbeat, Json, Limits, Liveness, NewCommand, Png, Settings, ShotKind, Submission,
};
use pentad_store::{Db, both_engines};

use crate::{actor, clock, id, json, put_step, read, start, start_at, step};

fn session(run: &str, more: &str) -> Json {
    json(&format!(
        r#"{{"schema_version":"0.1","debug_session_id":"dbg_1","run_id":"{run}","client":{{"name":"test"}},
            "capture_mode":"trace","started_at":"2026-05-19T00:00:00Z","status":"succeeded"{more}}}"#
    ))
}

fn trace(run: &str, more: &str, steps: Vec<Json>) -> Submission {
    let members = [
        ("session".to_owned(), session(run, more)),
        ("steps".to_owned(), Json::Array(steps)),
    ];
    Submission::trace(id(run), members.into_iter().collect()).unwrap()
}

fn png(pixels: u32) -> Png {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(pixels.to_be_bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    // More than is kept in a row.
    bytes.resize(pixels as usize * 1_000, 7);
    Png::new(bytes.into(), &Limits::default()).unwrap()
}

async fn beat(runs: &pentad_runs::Runs, run: &str) {
    let heartbeat = Heartbeat {
        client_id: "sdk_1".to_owned(),
        client_name: Some("tester".to_owned()),
        run_id: Some(id(run)),
        ..Heartbeat::default()
    };
    runs.heartbeat(&actor("acme"), &heartbeat).await.unwrap();
}

const DONE: &str = r#","status":"succeeded""#;
const RUNNING: &str = r#","status":"running""#;

both_engines! {
    async fn a_plain_client_replaces_and_a_streaming_one_is_not_undone(db: Db) {
        let runs = start(db);
        for run in ["plain", "streamed"] {
            put_step(&runs, run, 0, DONE).await;
            put_step(&runs, run, 0, RUNNING).await;
        }
        // The heartbeat may come after the steps that it explains.
        beat(&runs, "streamed").await;
        assert_eq!(read(&runs, "plain", "steps/0000.json").await.text_at("status"), Some("running"));
        assert_eq!(read(&runs, "streamed", "steps/0000.json").await.text_at("status"), Some("succeeded"));
        assert!(!put_step(&runs, "streamed", 0, RUNNING).await, "an older version does not apply");
    }

    async fn a_sealed_step_stays_as_the_trace_has_it(db: Db) {
        let runs = start(db);
        beat(&runs, "run").await;
        put_step(&runs, "run", 0, DONE).await;
        let settled = step(0, r#","status":"failed","intent":"settled""#);
        runs.ingest(&actor("acme"), trace("run", r#","ended_at":"2026-05-19T00:01:00Z""#, vec![settled.clone()])).await.unwrap();
        assert!(!put_step(&runs, "run", 0, r#","status":"succeeded","intent":"late""#).await);
        assert_eq!(read(&runs, "run", "steps/0000.json").await, settled);
        put_step(&runs, "run", 1, DONE).await;
        assert_eq!(read(&runs, "run", "steps/0001.json").await, step(1, DONE), "other steps still arrive");
        let summary = runs.summary(&actor("acme"), &id("run")).await.unwrap();
        assert_eq!((summary.sealed, summary.liveness, summary.digest.step_count), (true, Liveness::Closed, 2));
        assert_eq!(summary.digest.first_failed_step, Some(0));
    }

    async fn costs_of_a_streamed_run_only_grow(db: Db) {
        let runs = start(db);
        for run in ["plain", "streamed"] {
            for costs in [r#"{"total_usd":2.0,"tokens_in":1}"#, r#"{"total_usd":1.0,"tokens_in":3}"#] {
                runs.ingest(&actor("acme"), Submission::costs(id(run), json(costs)).unwrap()).await.unwrap();
            }
        }
        beat(&runs, "streamed").await;
        let costs = async |run: &str| runs.summary(&actor("acme"), &id(run)).await.unwrap().costs.unwrap().to_line();
        assert_eq!(costs("plain").await, r#"{"tokens_in": 3, "total_usd": 1.0}"#);
        assert_eq!(costs("streamed").await, r#"{"tokens_in": 3, "total_usd": 2.0}"#);
    }

    async fn records_of_one_second_stand_as_the_client_signed_them(db: Db) {
        let runs = start(db);
        let thought = |step: &str, text: &str| {
            json(&format!(r#"{{"format":"adapter_inferred"{step},"text":"{text}","ts":"2026-05-19T00:00:00Z"}}"#))
        };
        let ended = |step: u64, verdict: &str| {
            json(&format!(
                r#"{{"scope":"step","run_id":"run","step_index":{step},"step_id":"s","finalized_at":"2026-05-19T00:00:00Z","verdict":{verdict}}}"#
            ))
        };
        let event = |detail: u64| {
            json(&format!(
                r#"{{"ts":"2026-05-19T00:00:00Z","layer":"planner","kind":"info","summary":"try","detail":{{"n":{detail}}}}}"#
            ))
        };
        let thoughts = [thought("", "plan"), thought(r#","step_index":1"#, "z"), thought(r#","step_index":0"#, "a")];
        // A step without a verdict has an empty one.
        let outcomes = [ended(3, "{}"), ended(0, r#"{"status":"passed"}"#), ended(2, "{}")];
        let events = [event(2), event(10), event(1)];
        let lines = |records: &[Json]| records.iter().map(|record| record.to_line() + "\n").collect::<String>();
        let list: Json = [("outcomes".to_owned(), Json::Array(outcomes.to_vec()))].into_iter().collect();
        let files = [
            ("events/reasoning.jsonl", lines(&thoughts)),
            ("events/run.jsonl", lines(&events)),
            ("outcomes.json", list.to_file()),
        ];
        let mut submissions = Vec::new();
        for (thought, (outcome, event)) in thoughts.iter().zip(outcomes.iter().zip(&events)).rev() {
            submissions.push(Submission::reasoning(id("run"), thought.clone()).unwrap());
            submissions.push(Submission::outcome(id("run"), outcome.clone()).unwrap());
            let batch = json(&format!(r#"{{"events":[{}]}}"#, event.to_line()));
            submissions.push(Submission::events(id("run"), &batch, None, &Limits::default()).unwrap());
        }
        // The thoughts come in the order of the file's end, so that neither arrival nor usage gives it.
        submissions.swap(0, 3);
        for submission in submissions {
            runs.ingest(&actor("acme"), submission).await.unwrap();
        }
        let content = async |path: &str| {
            let file = runs.file(&actor("acme"), &id("run"), path).await.unwrap();
            String::from_utf8(file.content.to_vec()).unwrap()
        };
        for (path, signed) in &files {
            assert_ne!(&content(path).await, signed, "{path}: nothing is signed yet");
        }
        let signatures: Json = files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), Json::from(pentad_kernel::secret::sha256_hex(content).as_str())))
            .collect();
        let manifest = json(&format!(
            r#"{{"schema_version":"0.1","bundle_format":"augur-bundle","run_id":"run","debug_session_id":"dbg_1","client":{{"name":"t"}},
                "capture_mode":"full","created_at":"2026-05-19T00:00:01Z","trace":"trace.json","step_count":0,
                "paths":{{"steps":"steps/","screenshots":"screenshots/","events":"events/","logs":"logs/"}},"signatures":{}}}"#,
            signatures.to_line()
        ));
        runs.ingest(&actor("acme"), Submission::manifest(manifest).unwrap()).await.unwrap();
        for (path, signed) in &files {
            assert_eq!(&content(path).await, signed, "{path}");
        }
        let report = runs.integrity(&actor("acme"), &id("run")).await.unwrap();
        assert_eq!(report.verdict(), "verified");
    }

    async fn a_log_keeps_its_head_up_to_the_bound(db: Db) {
        let runs = start(db);
        let text = "0123456789abcde\n".repeat(40_000);
        let body = json(&format!(r#"{{"text":{},"name":"big"}}"#, Json::from(text.as_str()).to_line()));
        let first = runs.ingest(&actor("acme"), Submission::log(id("run"), &body, true, &Limits::default()).unwrap()).await.unwrap();
        assert_eq!(first.log.unwrap().dropped, 0);
        let second = runs.ingest(&actor("acme"), Submission::log(id("run"), &body, true, &Limits::default()).unwrap()).await.unwrap();
        assert_eq!(second.log.unwrap().dropped, 2 * 640_000 - (1 << 20));
        let file = runs.file(&actor("acme"), &id("run"), "logs/big.log").await.unwrap();
        assert_eq!(file.content.len(), 1 << 20);
        assert!(file.content.starts_with(text.as_bytes()));
    }

    async fn log_text_is_scrubbed_and_keeps_nul(db: Db) {
        let runs = start(db);
        let body = json(r#"{"text":"mail a@b.co \u0000 end","step_index":7}"#);
        let receipt = runs.ingest(&actor("acme"), Submission::log(id("run"), &body, true, &Limits::default()).unwrap()).await.unwrap();
        assert_eq!(receipt.log.unwrap().scrubbed, 1);
        for name in ["logs/step-7.log", "logs/step-0007.log"] {
            let file = runs.file(&actor("acme"), &id("run"), name).await.unwrap();
            assert_eq!(&file.content[..], b"mail ***REDACTED:email*** \0 end");
        }
    }

    async fn the_same_screenshot_is_stored_once_and_large_ones_beside_the_database(db: Db) {
        let runs = start(db.clone());
        for (run, pixels) in [("a", 3), ("b", 3), ("c", 60)] {
            runs.ingest(&actor("acme"), Submission::screenshot(id(run), 0, ShotKind::Pre, png(pixels))).await.unwrap();
            let file = runs.file(&actor("acme"), &id(run), "screenshots/0000_pre.png").await.unwrap();
            assert_eq!(&file.content, png(pixels).bytes());
        }
        let rows: Vec<(i64, bool)> = pentad_store::with_reader!(db, |conn| sqlx::query_as(
            "SELECT size, bytes IS NULL FROM run_objects ORDER BY size").fetch_all(conn).await).unwrap();
        assert_eq!(rows, [(3_000, false), (60_000, true)]);
    }

    async fn nobody_sees_the_runs_of_another_organisation(db: Db) {
        let runs = start(db);
        put_step(&runs, "run", 0, DONE).await;
        let stranger = actor("other");
        assert!(matches!(runs.file(&stranger, &id("run"), "trace.json").await, Err(Error::RunNotFound)));
        assert!(matches!(runs.delete(&stranger, &id("run")).await, Err(Error::RunNotFound)));
        assert!(runs.list(&stranger, &Filter::default(), 50, None).await.unwrap().runs.is_empty());
        assert!(runs.connections(&stranger).await.unwrap().is_empty());
    }

    async fn events_with_an_idempotency_key_count_once(db: Db) {
        let runs = start(db);
        let body = json(r#"{"events":[{"ts":"2026-05-19T00:00:00Z","layer":"runner","kind":"info","summary":"x"}]}"#);
        let limits = Limits::default();
        for key in [None, None, Some("k"), Some("k")] {
            runs.ingest(&actor("acme"), Submission::events(id("run"), &body, key, &limits).unwrap()).await.unwrap();
        }
        let file = runs.file(&actor("acme"), &id("run"), "events/run.jsonl").await.unwrap();
        assert_eq!(file.content.split(|&byte| byte == b'\n').count() - 1, 3);
        assert_eq!(runs.summary(&actor("acme"), &id("run")).await.unwrap().digest.event_count, 3);
    }

    async fn the_list_filters_and_pages(db: Db) {
        let clock = clock();
        let runs = start_at(db, &clock);
        for (run, more) in [
            ("one", r#","tags":{"env":"test"},"task_spec":{"instruction":"Log in"}"#),
            ("two", r#","tags":{"env":"testing"}"#),
            ("branch", r#","branch_context":{"parent_run_id":"one","branch_point_step_index":0,"mutated_axis":"model"}"#),
        ] {
            clock.advance(Duration::from_secs(1));
            runs.ingest(&actor("acme"), trace(run, more, vec![step(0, r#","status":"failed","failure_class":"infra""#)])).await.unwrap();
        }
        let listed = async |filter: Filter| -> Vec<String> {
            let page = runs.list(&actor("acme"), &filter, 50, None).await.unwrap();
            page.runs.into_iter().map(|run| run.run_id).collect()
        };
        let all = Filter { include_branches: true, ..Filter::default() };
        assert_eq!(listed(all.clone()).await, ["branch", "two", "one"]);
        assert_eq!(listed(Filter::default()).await, ["two", "one"]);
        assert_eq!(listed(Filter { tags: vec![("env".to_owned(), "test".to_owned())], ..Filter::default() }).await, ["one"]);
        assert_eq!(listed(Filter { search: Some("LOG IN".to_owned()), ..Filter::default() }).await, ["one"]);
        assert_eq!(listed(Filter { parent: Some("one".to_owned()), ..Filter::default() }).await, ["branch"]);
        assert_eq!(listed(Filter { failure_class: Some("infra".to_owned()), ..all.clone() }).await.len(), 3);
        assert!(listed(Filter { status: Some("failed".to_owned()), ..all.clone() }).await.is_empty());
        let nul = || Some("\0".to_owned());
        for nonsense in [
            Filter { status: nul(), ..all.clone() },
            Filter { client: nul(), ..all.clone() },
            Filter { search: nul(), ..all.clone() },
            Filter { parent: nul(), ..all.clone() },
            Filter { failure_class: nul(), ..all.clone() },
            Filter { tags: vec![("\0".to_owned(), "\0".to_owned())], ..all.clone() },
        ] {
            assert!(listed(nonsense).await.is_empty());
        }
        let first = runs.list(&actor("acme"), &all, 2, None).await.unwrap();
        let second = runs.list(&actor("acme"), &all, 2, first.next_cursor.as_deref()).await.unwrap();
        assert_eq!(second.runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["one"]);
        assert_eq!((second.next_cursor, second.runs[0].child_count), (None, 1));
        assert!(matches!(runs.list(&actor("acme"), &all, 2, Some("?")).await, Err(Error::Cursor)));
        runs.delete(&actor("acme"), &id("one")).await.unwrap();
        assert_eq!(listed(Filter::default()).await, ["branch", "two"], "a branch outlives its parent in the list");
    }

    async fn a_client_is_listed_for_a_minute_and_once(db: Db) {
        let clock = clock();
        let runs = start_at(db.clone(), &clock);
        put_step(&runs, "run", 0, DONE).await;
        let listed = async |runs: &pentad_runs::Runs| -> Vec<String> {
            runs.connections(&actor("acme")).await.unwrap().into_iter().map(|client| client.client_id).collect()
        };
        assert_eq!(listed(&runs).await, ["run:run"]);
        runs.flush_connections().await.unwrap();
        beat(&runs, "run").await;
        assert_eq!(listed(&runs).await, ["sdk_1"]);
        runs.flush_connections().await.unwrap();
        let elsewhere = start_at(db, &clock);
        assert!(listed(&elsewhere).await.contains(&"sdk_1".to_owned()), "other gateways see it");
        clock.advance(Duration::from_secs(61));
        assert!(listed(&runs).await.is_empty());
        assert!(listed(&elsewhere).await.is_empty());
    }

    async fn a_waiting_agent_gets_its_command_at_once(db: Db) {
        let runs = start(db);
        put_step(&runs, "run", 0, DONE).await;
        let agent = {
            let runs = runs.clone();
            tokio::spawn(async move {
                runs.poll_commands(&actor("acme"), &id("run"), None, Duration::from_secs(20)).await.unwrap()
            })
        };
        let given = runs.command(&actor("acme"), &id("run"), NewCommand::read(&json(r#"{"type":"pause"}"#)).unwrap()).await.unwrap();
        let got = agent.await.unwrap();
        assert_eq!((got.len(), got[0].id()), (1, given.id()));
        let none = runs.poll_commands(&actor("acme"), &id("run"), Some(&given.id()), Duration::ZERO).await.unwrap();
        assert!(none.is_empty(), "a cursor is never behind");
        assert!(runs.commands(&actor("acme"), &id("run")).await.unwrap()[0].delivered_at.is_some());
        for _ in 0..120 {
            runs.command(&actor("acme"), &id("run"), NewCommand::read(&json(r#"{"type":"resume"}"#)).unwrap()).await.unwrap();
        }
        let told = runs.commands(&actor("acme"), &id("run")).await.unwrap();
        assert_eq!(told.len(), 121, "the history has them all");
        let page = runs.poll_commands(&actor("acme"), &id("run"), Some(&given.id()), Duration::ZERO).await.unwrap();
        assert_eq!(page.len(), 100, "an agent gets them by the hundred");
        let unknown = runs.poll_commands(&actor("acme"), &id("never"), None, Duration::ZERO).await.unwrap();
        assert!(unknown.is_empty(), "a run that is not known yet is waited for");
    }

    async fn a_follower_hears_of_changes(db: Db) {
        let runs = start(db);
        put_step(&runs, "run", 0, DONE).await;
        let mut follower = runs.follow(&actor("acme"), &id("run")).await.unwrap();
        put_step(&runs, "run", 1, DONE).await;
        assert_eq!(
            *follower.next().await.unwrap().unwrap().paths,
            ["steps/0001.json".to_owned()]
        );
    }

    async fn runs_are_forgotten_when_their_time_is_over(db: Db) {
        let clock = clock();
        let runs = start_at(db.clone(), &clock);
        runs.set_settings(&actor("acme"), Settings { retention_days: Some(1), ..Settings::default() }).await.unwrap();
        runs.ingest(&actor("acme"), Submission::screenshot(id("old"), 0, ShotKind::Pre, png(3))).await.unwrap();
        clock.advance(Duration::from_secs(24 * 3600 + 1));
        put_step(&runs, "new", 0, DONE).await;
        assert_eq!(runs.retain().await.unwrap(), 1);
        runs.sweep_objects(pentad_runs::ORPHAN_AGE).await.unwrap();
        let objects: i64 = pentad_store::with_reader!(db, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM run_objects").fetch_one(conn).await).unwrap();
        assert_eq!(objects, 0);
        assert!(matches!(runs.file(&actor("acme"), &id("old"), "trace.json").await, Err(Error::RunNotFound)));
        assert!(runs.file(&actor("acme"), &id("new"), "trace.json").await.is_ok());
    }

    async fn what_was_taken_is_written_before_the_end(db: Db) {
        let runs = start(db.clone());
        let posts: Vec<_> = (0..50)
            .map(|index| {
                let runs = runs.clone();
                tokio::spawn(async move { put_step(&runs, "run", index, DONE).await })
            })
            .collect();
        for post in posts {
            post.await.unwrap();
        }
        runs.close().await;
        let refused = runs.ingest(&actor("acme"), Submission::step(id("run"), 0, step(0, DONE)).unwrap()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        let again = start(db);
        assert_eq!(again.summary(&actor("acme"), &id("run")).await.unwrap().digest.step_count, 50);
    }
}

/// The columns of every table of this crate, by name, on both engines.
#[tokio::test]
async fn both_engines_have_the_same_columns() {
    let Some(postgres) = pentad_store::testing::TestDb::postgres().await else {
        return;
    };
    let sqlite = pentad_store::testing::TestDb::sqlite().await;
    let Db::Sqlite(file) = sqlite.db() else {
        panic!("a SQLite database")
    };
    let on_sqlite: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
         WHERE m.type = 'table' AND m.name LIKE 'run%' ORDER BY 1, 2",
    )
    .fetch_all(file.reader())
    .await
    .unwrap();
    let Db::Postgres(pool) = postgres.db() else {
        panic!("a PostgreSQL database")
    };
    let on_postgres: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name LIKE 'run%' ORDER BY 1, 2",
    )
    .fetch_all(pool.pool())
    .await
    .unwrap();
    assert!(on_sqlite.len() > 40);
    assert_eq!(on_sqlite, on_postgres);
}
