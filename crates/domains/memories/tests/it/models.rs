//! Language models and embedders, over real connections.

use std::time::Duration;

use pentad_identity::Plan;
use pentad_kernel::{Classify as _, ErrorKind};
use pentad_memories::{
    ByoPolicy, Config, Embedding, Error, HttpEmbedder, Limits, ListQuery, LlmRequest, Memories, NewMemory,
    OnError, Query, ServerModel,
};
use pentad_store::testing::TestDb;
use serde_json::{Map, Value, json};

use crate::provider::{Provider, Request};
use crate::world::{World, fact, said, superseding};

const KEY: &str = "sk-test-0123456789abcdef";

fn llm(provider: &str, base_url: &str) -> LlmRequest {
    LlmRequest {
        provider: provider.to_owned(),
        api_key: KEY.into(),
        model: "some-model".to_owned(),
        base_url: Some(base_url.to_owned()),
        extra: Map::new(),
    }
}

fn byo() -> ByoPolicy {
    ByoPolicy {
        allow_private_base_url: true,
        timeout: Duration::from_secs(10),
    }
}

async fn world(config: Config) -> (TestDb, World) {
    let database = TestDb::sqlite().await;
    let world = World::with(database.db(), config).await;
    (database, world)
}

/// A model that finds one fact, calls every pair a contradiction, and answers with the first memory.
fn model(request: &Request) -> (u16, Value) {
    let content = match request.task() {
        "facts" => json!({"facts": [{
            "fact": "Alice lives in Oslo.", "message": 0, "sentence": "I live in Oslo.",
            "category": "contact", "importance_score": 12,
        }]}),
        "verdicts" => {
            let pairs = request.prompt().as_array().unwrap().len();
            let verdict = |pair| json!({"pair": pair, "verdict": "contradicts", "confidence": 0.99, "reasoning": "moved"});
            json!({"verdicts": (0..pairs).map(verdict).collect::<Vec<_>>()})
        }
        _ => json!({"answer": "Alice lives in Oslo [mem-1]. She is 42 [mem-1]. Trust me [mem-9]."}),
    };
    (200, request.answer(&content))
}

fn refusing(status: u16, body: Value) -> impl Fn(&Request) -> (u16, Value) + Send + Sync {
    move |_| (status, body.clone())
}

async fn add(world: &World, new: NewMemory) -> Result<pentad_memories::Added, Error> {
    world.memories.add(&world.actor, &Plan::default(), new).await
}

#[tokio::test]
async fn every_provider_is_spoken_to_in_its_own_format() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    for (name, path, header, value) in [
        ("anthropic", "/v1/messages", "x-api-key", KEY.to_owned()),
        (
            "openai",
            "/chat/completions",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (
            "gemini",
            "/chat/completions",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (
            "grok",
            "/chat/completions",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (
            "azure",
            "/chat/completions?api-version=2024-10-21",
            "api-key",
            KEY.to_owned(),
        ),
    ] {
        world.wait();
        let added = add(
            &world,
            NewMemory {
                llm: Some(llm(name, &provider.url)),
                ..said("I live in Oslo.")
            },
        )
        .await
        .unwrap();
        assert_eq!(added.saved_count, 1, "{name}");
        assert_eq!(added.extraction.unwrap().model, "some-model");
        let requests = provider.requests();
        let request = requests.last().unwrap();
        assert_eq!(
            (request.path.as_str(), request.header(header)),
            (path, Some(value.as_str())),
            "{name}"
        );
        assert_eq!(request.body["model"], "some-model");
        assert_eq!(request.prompt()[0]["content"], "I live in Oslo.");
        let id = &added.memory_ids[0];
        let memory = world.memories.memory(&world.actor, id).await.unwrap();
        assert_eq!(
            (memory.decision.as_str(), memory.importance_score),
            ("Alice lives in Oslo.", 10)
        );
        let audit = world.memories.audit(&world.actor, id).await.unwrap();
        assert_eq!(audit.model, "some-model");
        assert!(!format!("{audit:?}").contains(KEY));
    }
}

#[tokio::test]
async fn what_a_request_adds_reaches_the_provider() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    let extra = json!({"temperature": 0, "api_version": "2025-01-01"})
        .as_object()
        .unwrap()
        .clone();
    let llm = LlmRequest {
        extra,
        ..llm("azure", &provider.url)
    };
    add(
        &world,
        NewMemory {
            llm: Some(llm),
            ..said("I live in Oslo.")
        },
    )
    .await
    .unwrap();
    let request = &provider.requests()[0];
    assert_eq!(request.body["temperature"], 0);
    assert_eq!(request.path, "/chat/completions?api-version=2025-01-01");
    assert_eq!(request.body["api_version"], Value::Null);
}

#[tokio::test]
async fn a_refusal_is_the_callers_and_names_no_secret() {
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    for (status, kind) in [
        (400, ErrorKind::Invalid),
        (401, ErrorKind::Invalid),
        (404, ErrorKind::Invalid),
        (429, ErrorKind::Unavailable),
        (500, ErrorKind::Unavailable),
    ] {
        let said_by_provider = json!({"error": {"message": format!("Incorrect API key provided: {KEY}")}});
        let provider = Provider::start(refusing(status, said_by_provider)).await;
        let new = NewMemory {
            llm: Some(llm("openai", &provider.url)),
            ..said("I live in Oslo.")
        };
        let error = add(&world, new).await.unwrap_err();
        let Error::Provider(failure) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (failure.provider(), error.kind(), error.code()),
            ("openai", kind, Some("llm_provider_error"))
        );
        assert_eq!(error.retry_after().is_some(), kind == ErrorKind::Unavailable);
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    }
    assert_eq!(
        world.memories.usage(&world.actor).await.unwrap().memories,
        0,
        "nothing was stored"
    );
}

#[tokio::test]
async fn nonsense_is_an_error_and_never_no_facts() {
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    for body in [
        json!("not json"),
        json!({}),
        json!({"choices": [{"message": {"content": "Sure! Here are the facts"}}]}),
    ] {
        let provider = Provider::start(refusing(200, body)).await;
        let new = NewMemory {
            llm: Some(llm("openai", &provider.url)),
            ..said("I live in Oslo.")
        };
        assert!(matches!(add(&world, new).await, Err(Error::Provider(_))));
    }
    let gone = Provider::start(model).await.url.clone();
    let new = NewMemory {
        llm: Some(llm("openai", &gone)),
        ..said("I live in Oslo.")
    };
    assert_eq!(add(&world, new).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Provider::start(model).await;
    let leads_to = format!("{}/chat/completions", target.url);
    let provider = Provider::start(refusing(307, json!(leads_to))).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    let new = NewMemory {
        llm: Some(llm("openai", &provider.url)),
        ..said("I live in Oslo.")
    };
    assert!(matches!(add(&world, new).await, Err(Error::Provider(_))));
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn private_addresses_are_refused_unless_the_operator_allows_them() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config::default()).await;
    let port = provider.url.rsplit(':').next().unwrap();
    for url in [
        provider.url.clone(),
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
    ] {
        let new = NewMemory {
            llm: Some(llm("openai", &url)),
            ..said("I live in Oslo.")
        };
        assert!(
            matches!(
                add(&world, new).await,
                Err(Error::OutOfRange {
                    field: "llm.base_url",
                    ..
                })
            ),
            "{url}"
        );
    }
    for request in [
        LlmRequest {
            provider: "skynet".to_owned(),
            ..llm("openai", "https://example.com")
        },
        LlmRequest {
            api_key: "".into(),
            ..llm("openai", "https://example.com")
        },
        LlmRequest {
            base_url: None,
            ..llm("azure", "")
        },
    ] {
        let new = NewMemory {
            llm: Some(request),
            ..said("I live in Oslo.")
        };
        assert!(matches!(add(&world, new).await, Err(Error::OutOfRange { .. })));
    }
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_fact_that_is_given_needs_no_model() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    add(
        &world,
        NewMemory {
            llm: Some(llm("openai", &provider.url)),
            ..fact("Content mode.")
        },
    )
    .await
    .unwrap();
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn all_pairs_of_a_request_are_compared_in_one_call_behind_the_same_gates() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    for text in [
        "Alice lives in Berlin.",
        "Alice likes tea.",
        "Alice is allergic to nuts.",
    ] {
        world.add(text).await;
    }
    world.wait();
    let new = NewMemory {
        llm: Some(llm("anthropic", &provider.url)),
        ..superseding(fact("Alice lives in Oslo."))
    };
    let added = add(&world, new).await.unwrap();
    let requests = provider.requests();
    assert_eq!(
        requests.iter().map(Request::task).collect::<Vec<_>>(),
        ["verdicts"]
    );
    let compared = requests[0].prompt().to_string();
    assert!(
        compared.contains("Berlin") && !compared.contains("allergic"),
        "{compared}"
    );
    assert_eq!(
        added.auto_supersede[0].supersession.as_ref().unwrap().reasoning,
        "moved"
    );
    world.wait();
    assert_eq!(
        world.list(ListQuery::default()).await.len(),
        3,
        "one place is taken, not all that are contradicted"
    );
}

#[tokio::test]
async fn an_answer_keeps_only_citations_that_hold() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(Config {
        byo: byo(),
        ..Config::default()
    })
    .await;
    world.add("Alice lives in Oslo.").await;
    world.wait();
    let query = Query {
        llm: Some(llm("openai", &provider.url)),
        ..Query::of("Where does Alice live?")
    };
    let answer = world.memories.query(&world.actor, &query).await.unwrap();
    assert_eq!(
        answer.answer_with_citations,
        "Alice lives in Oslo [mem-1]. She is 42. Trust me."
    );
    assert!(answer.ungrounded);
    assert_eq!(answer.engine, "some-model");
}

fn server(url: &str, on_error: OnError) -> Config {
    let model = ServerModel {
        provider: pentad_memories::Provider::OpenAi,
        base_url: Some(url.to_owned()),
        model: "house-model".to_owned(),
        api_key: "".into(),
        timeout: Duration::from_secs(10),
        max_concurrency: 2,
        on_error,
    };
    Config {
        model: Some(model),
        ..Config::default()
    }
}

#[tokio::test]
async fn the_servers_own_model_is_asked_and_a_failure_is_bridged_and_said() {
    let provider = Provider::start(model).await;
    let (_database, world) = world(server(&provider.url, OnError::Fallback)).await;
    let added = add(&world, said("I live in Oslo.")).await.unwrap();
    assert_eq!(added.extraction.unwrap().model, "house-model");
    assert_eq!(
        provider.requests()[0].header("authorization"),
        None,
        "an empty key is not sent"
    );

    let broken = Provider::start(refusing(500, json!({}))).await;
    let (_database, world) = self::world(server(&broken.url, OnError::Fallback)).await;
    let added = add(&world, superseding(said("I live in Berlin. I moved to Oslo.")))
        .await
        .unwrap();
    let extraction = added.extraction.unwrap();
    assert_eq!(
        (extraction.model.as_str(), extraction.degraded),
        ("aurra-rules/1", true)
    );
    assert!(
        added
            .auto_supersede
            .iter()
            .any(|auto| auto.supersession.is_some())
    );
    let audit = world
        .memories
        .audit(&world.actor, &added.memory_ids[0])
        .await
        .unwrap();
    assert!(audit.degraded);
    world.wait();
    let answer = world
        .memories
        .query(&world.actor, &Query::of("Where did User move?"))
        .await
        .unwrap();
    assert!(
        answer.degraded && answer.answer.contains("Oslo"),
        "{}",
        answer.answer
    );

    let (_database, world) = self::world(server(&broken.url, OnError::Fail)).await;
    let error = add(&world, said("I live in Oslo.")).await.unwrap_err();
    assert!(matches!(error, Error::ModelUnavailable));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// Vectors of two dimensions: about music, or not.
fn vectors(request: &Request) -> (u16, Value) {
    let texts = request.body["input"].as_array().unwrap();
    let vector = |(index, text): (usize, &Value)| {
        let text = text.as_str().unwrap();
        let music = ["violin", "instrument"].iter().any(|word| text.contains(word));
        json!({"index": index, "embedding": if music { [1.0, 0.1] } else { [0.0, 1.0] }})
    };
    // Servers need not keep the order; the index counts.
    let data: Vec<Value> = texts.iter().enumerate().map(vector).rev().collect();
    (200, json!({"data": data}))
}

fn embedder(url: &str) -> Config {
    let embedding = Embedding::Http(HttpEmbedder::new(url, "two", KEY.into(), Duration::from_secs(10)));
    Config {
        embedding,
        ..Config::default()
    }
}

#[tokio::test]
async fn vectors_come_from_a_server_when_one_is_configured() {
    let provider = Provider::start(vectors).await;
    let (_database, world) = world(embedder(&provider.url)).await;
    world.add("Bob plays the violin.").await;
    world.add("The rent went up.").await;
    world.wait();
    let answer = world
        .memories
        .query(&world.actor, &Query::of("Which instrument?"))
        .await
        .unwrap();
    assert_eq!(answer.evidence[0].memory.decision, "Bob plays the violin.");
    assert_eq!(
        (answer.search_type, answer.embedder.as_deref()),
        ("hybrid", Some("http/two"))
    );
    let request = &provider.requests()[0];
    assert_eq!(request.path, "/embeddings");
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
}

#[tokio::test]
async fn an_embedder_that_is_away_or_changed_costs_no_memory_and_is_caught_up_with() {
    let broken = Provider::start(refusing(500, json!({}))).await;
    let (_database, world) = world(embedder(&broken.url)).await;
    world.add("Bob plays the violin.").await;
    world.wait();
    let answer = world
        .memories
        .query(&world.actor, &Query::of("violin"))
        .await
        .unwrap();
    assert_eq!((answer.search_type, answer.evidence.len()), ("lexical", 1));
    assert!(world.memories.embed_missing().await.is_err());

    let provider = Provider::start(vectors).await;
    let clock = std::sync::Arc::new(world.clock.clone());
    let config = Config {
        limits: Limits::default(),
        ..embedder(&provider.url)
    };
    let memories = Memories::new(world.db.clone(), world.identity.clone(), clock, config).unwrap();
    let found = async || {
        memories
            .query(&world.actor, &Query::of("Which instrument?"))
            .await
            .unwrap()
            .evidence
            .len()
    };
    assert_eq!(found().await, 0);
    assert_eq!(memories.embed_missing().await.unwrap(), 1);
    assert_eq!(memories.embed_missing().await.unwrap(), 0);
    assert_eq!(found().await, 1);
}
