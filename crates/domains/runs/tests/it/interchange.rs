//! Runs that leave and come back.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use bytes::Bytes;
use pentad_kernel::{Actor, Timestamp};
use pentad_runs::{Error, Format, Imported, Json, RunId, Runs, Settings, Signatures, Span, SpanEvent, State};
use pentad_store::{Db, both_engines};

use crate::recording::{files, requests, run};
use crate::{actor, id, start};

async fn zip_of(runs: &Runs, actor: &Actor, run: &RunId) -> Bytes {
    let mut archive = runs.bundle_zip(actor, run).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = archive.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes.into()
}

fn zip(files: &BTreeMap<String, Vec<u8>>, folder: &str) -> Bytes {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(format!("{folder}{path}"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

async fn record_model_calls(runs: &Runs, actor: &Actor) {
    let settings = Settings {
        modelio_enabled: true,
        ..Settings::default()
    };
    runs.set_settings(actor, settings).await.unwrap();
}

async fn import(runs: &Runs, actor: &Actor, archive: Bytes) -> pentad_runs::Result<Imported> {
    runs.import(actor, &run(), archive, Signatures::Required).await
}

both_engines! {
    async fn a_bundle_that_leaves_comes_back_as_it_was(db: Db) {
        let runs = start(db);
        let (here, there) = (actor("acme"), actor("elsewhere"));
        for request in requests() {
            request.send(&runs, &here).await;
        }
        record_model_calls(&runs, &there).await;
        let left = zip_of(&runs, &here, &run()).await;
        let imported = import(&runs, &there, left.clone()).await.unwrap();
        assert!(imported.missing.is_empty() && imported.skipped.is_empty(), "{imported:?}");
        assert_eq!(zip_of(&runs, &there, &run()).await, left);
        // And once more: an import is no second recording.
        import(&runs, &there, left.clone()).await.unwrap();
        assert_eq!(zip_of(&runs, &there, &run()).await, left);
        runs.close().await;
    }

    async fn a_local_bundle_heals_what_was_lost_on_its_way(db: Db) {
        let runs = start(db);
        let acme = actor("acme");
        record_model_calls(&runs, &acme).await;
        // Every second post is lost.
        for request in requests().into_iter().step_by(2) {
            request.send(&runs, &acme).await;
        }
        let mut local = files();
        local.insert("crops/0001.png".to_owned(), b"not ours".to_vec());
        let imported = import(&runs, &acme, zip(&local, "full/")).await.unwrap();
        assert_eq!(imported.skipped, ["crops/0001.png"]);
        local.remove("crops/0001.png");
        for (path, content) in &local {
            let file = runs.file(&acme, &run(), path).await.unwrap();
            assert_eq!(file.content, content.as_slice(), "{path}");
        }
        let report = runs.integrity(&acme, &run()).await.unwrap();
        assert_eq!((report.verdict(), report.count(State::Missing)), ("verified", 0));
        runs.close().await;
    }

    async fn a_bundle_that_is_not_what_it_says_is_refused_and_leaves_nothing(db: Db) {
        let runs = start(db);
        let acme = actor("acme");
        let refused = |changed: BTreeMap<String, Vec<u8>>| zip(&changed, "");
        let with = |path: &str, content: Option<&[u8]>| {
            let mut files = files();
            match content {
                Some(content) => files.insert(path.to_owned(), content.to_vec()),
                None => files.remove(path),
            };
            refused(files)
        };
        let step = String::from_utf8(files()["steps/0002.json"].clone()).unwrap();
        for (archive, words) in [
            (Bytes::from_static(b"PK no"), "archive"),
            (with("manifest.json", None), "the bundle lacks this file"),
            (with("trace.json", None), "the bundle lacks this file"),
            (with("steps/0002.json", Some(step.replace("100", "101").as_bytes())), "not what the manifest signs"),
            (with("events/run.jsonl", Some(b"{")), "not what the manifest signs"),
            (with("replay/0002_fixture.json", Some(b"{")), "replay/0002_fixture.json"),
        ] {
            match import(&runs, &acme, archive).await.unwrap_err() {
                Error::Invalid(faults) => {
                    let text = format!("{faults:?}");
                    assert!(text.contains(words), "{text}");
                }
                other => panic!("{other}"),
            }
        }
        let other = runs.import(&acme, &id("another"), zip(&files(), ""), Signatures::Required).await;
        assert!(matches!(other, Err(Error::Invalid(_))), "{other:?}");
        assert!(matches!(runs.summary(&acme, &run()).await, Err(Error::RunNotFound)));
        // Whoever knows better may take it all the same.
        let archive = with("steps/0002.json", Some(step.replace("100", "101").as_bytes()));
        runs.import(&acme, &run(), archive, Signatures::Ignored).await.unwrap();
        runs.close().await;
    }

    async fn a_step_kept_for_a_replay_is_found(db: Db) {
        let runs = start(db);
        let acme = actor("acme");
        let mut files = files();
        files.insert("replay/0003_fixture.json".to_owned(), br#"{"fixture_id":"f"}"#.to_vec());
        let imported = import(&runs, &acme, zip(&files, "")).await.unwrap();
        assert_eq!(imported.skipped.len(), 5, "model calls are not recorded: {imported:?}");
        let rules = |packs: &'static [&'static str]| {
            let (runs, acme) = (runs.clone(), acme.clone());
            async move {
                let file = runs.findings_file(&acme, &run(), packs).await.unwrap();
                Json::parse(&file.content).unwrap().to_line()
            }
        };
        let both = rules(&["cua", "gw"]).await;
        assert!(both.contains("cua.replay_diff") && both.contains("replay/0003_fixture.json"), "{both}");
        assert!(both.contains("gw."), "{both}");
        assert!(!rules(&["cua"]).await.contains("gw."));
        assert!(!rules(&["gw"]).await.contains("cua."));
        runs.close().await;
    }

    async fn spans_become_a_run(db: Db) {
        let runs = start(db);
        let acme = actor("acme");
        record_model_calls(&runs, &acme).await;
        let tools = vec![span("b1", Some("a0"), "tool", 1), span("b2", Some("a0"), "tool", 3)];
        runs.ingest_spans(&acme, tools.clone()).await.unwrap();
        let rest = vec![span("c1", Some("a0"), "chat", 2), span("a0", None, "agent", 0), span("d1", Some("a0"), "http", 2)];
        runs.ingest_spans(&acme, rest).await.unwrap();
        // An exporter that lost the answer sends again.
        runs.ingest_spans(&acme, tools).await.unwrap();
        let run = id("conversation-7");
        let summary = runs.summary(&acme, &run).await.unwrap();
        assert_eq!((summary.status.as_str(), summary.sealed), ("failed", true));
        assert_eq!((summary.digest.step_count, summary.digest.iteration_count, summary.digest.event_count), (2, 2, 2));
        let step = Json::parse(&runs.file(&acme, &run, "steps/0001.json").await.unwrap().content).unwrap();
        assert_eq!(step.text_at("step_id"), Some("00000000000000b2"));
        assert_eq!(step.at(&["action", "params", "x"]).and_then(Json::whole), Some(3));
        let spans = runs.file(&acme, &run, "spans.jsonl").await.unwrap();
        assert_eq!(String::from_utf8_lossy(&spans.content).lines().count(), 5);
        let paths = runs.files(&acme, &run).await.unwrap();
        let call = paths.iter().find(|path| path.starts_with("modelio/run-model-")).unwrap();
        let call = Json::parse(&runs.file(&acme, &run, call).await.unwrap().content).unwrap();
        assert_eq!(call.at(&["response", "usage", "prompt_tokens"]).and_then(Json::whole), Some(12));
        // Out again in every form.
        for format in [Format::Atif, Format::Otlp, Format::OpenAi] {
            assert!(!runs.export(&acme, &run, format).await.unwrap().content.is_empty());
        }
        let left = zip_of(&runs, &acme, &run).await;
        runs.import(&acme, &run, left.clone(), Signatures::Required).await.unwrap();
        assert_eq!(zip_of(&runs, &acme, &run).await, left);
        runs.close().await;
    }

    async fn what_models_said_is_left_out_where_it_is_not_recorded(db: Db) {
        let runs = start(db);
        let acme = actor("acme");
        runs.ingest_spans(&acme, vec![span("c1", None, "chat", 0)]).await.unwrap();
        let spans = runs.file(&acme, &id("conversation-7"), "spans.jsonl").await.unwrap();
        let text = String::from_utf8_lossy(&spans.content).into_owned();
        assert!(text.contains("gen_ai.request.model") && !text.contains("a secret"), "{text}");
        runs.close().await;
    }
}

fn span(span_id: &str, parent: Option<&str>, kind: &str, second: i64) -> Span {
    let long = |id: &str| format!("{id:0>16}");
    let mut attributes =
        BTreeMap::from([("gen_ai.conversation.id".to_owned(), Json::from("conversation-7"))]);
    let mut set = |name: &str, value: Json| attributes.insert(name.to_owned(), value);
    match kind {
        "tool" => {
            set("gen_ai.operation.name", "execute_tool".into());
            set("gen_ai.tool.name", "click".into());
            set("gen_ai.tool.call.arguments", format!("{{\"x\":{second}}}").into());
        }
        "chat" => {
            set("openinference.span.kind", "LLM".into());
            set("gen_ai.request.model", "example-1".into());
            set("llm.token_count.prompt", 12_u64.into());
            set("input.value", "a secret".into());
        }
        "agent" => {
            set("gen_ai.operation.name", "invoke_agent".into());
            set("gen_ai.agent.name", "shopper".into());
        }
        _ => {}
    }
    let begin = Timestamp::parse("2026-05-19T00:00:00Z").unwrap();
    let at = |second: i64| Timestamp::from_micros(begin.as_micros() + second * 1_000_000);
    let pairs = attributes.iter().map(|(name, value)| {
        Json::parse(
            format!(
                r#"{{"key":"{name}","value":{{"stringValue":{}}}}}"#,
                Json::from(value.to_line())
            )
            .as_bytes(),
        )
        .unwrap()
    });
    let raw: Json = [
        ("spanId".to_owned(), Json::from(long(span_id))),
        (
            "startTimeUnixNano".to_owned(),
            Json::from(format!("{}000", at(second).as_micros())),
        ),
        ("attributes".to_owned(), Json::Array(pairs.collect())),
    ]
    .into_iter()
    .collect();
    Span {
        trace_id: "5b8efff798038103d269b633813fc60c".to_owned(),
        span_id: long(span_id),
        parent_id: parent.map(long),
        name: kind.to_owned(),
        from: at(second),
        to: at(second + 1),
        events: (kind == "tool")
            .then(|| SpanEvent {
                at: at(second),
                name: "dispatched".to_owned(),
                attributes: BTreeMap::new(),
            })
            .into_iter()
            .collect(),
        error: (kind == "agent").then(|| "it gave up".to_owned()),
        resource: BTreeMap::new(),
        attributes,
        raw,
    }
}
