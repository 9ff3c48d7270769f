//! Keys and values.

use std::collections::BTreeMap;

use pentad_storage::{Error, Key, Limits, ListRequest, Metadata, Namespace, NewEntry};
use pentad_store::both_engines;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::world::{World, app};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

async fn set(world: &World, text: &str, value: &str) {
    let (storage, actor) = (&world.storage, &world.actor);
    storage
        .kv_set(actor, &app(), &key(text), NewEntry::of(value))
        .await
        .unwrap();
}

/// Every key of a list, page by page.
async fn all(world: &World, mut request: ListRequest) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let page = world
            .storage
            .kv_list(&world.actor, &app(), &request)
            .await
            .unwrap();
        assert!(page.entries.len() <= request.limit as usize);
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            return keys;
        }
    }
}

both_engines! {
    async fn what_is_set_is_read_until_it_is_deleted(db: pentad_store::Db) {
        let world = World::new(db).await;
        let (storage, actor) = (&world.storage, &world.actor);
        let entry = NewEntry {
            value: "nul \0 and ä".to_owned(),
            metadata: Metadata::from_iter([("custom".to_owned(), "\0".into())]),
        };
        storage.kv_set(actor, &app(), &key("a/b\0c"), entry.clone()).await.unwrap();
        let found = storage.kv_get(actor, &app(), &key("a/b\0c")).await.unwrap();
        assert_eq!((found.value, found.metadata), (entry.value, entry.metadata));

        set(&world, "a/b\0c", "second").await;
        let found = storage.kv_get(actor, &app(), &key("a/b\0c")).await.unwrap();
        assert_eq!((found.value.as_str(), found.metadata.len()), ("second", 0));

        for _ in 0..2 {
            storage.kv_delete(actor, &app(), &key("a/b\0c")).await.unwrap();
        }
        let gone = storage.kv_get(actor, &app(), &key("a/b\0c")).await;
        assert!(matches!(gone, Err(Error::KeyNotFound)));
    }

    async fn another_organisation_and_another_namespace_see_nothing(db: pentad_store::Db) {
        let world = World::new(db).await;
        let storage = &world.storage;
        set(&world, "secret", "value").await;
        let other = Namespace::parse("other").unwrap();
        for (actor, namespace) in [(&world.stranger, &app()), (&world.actor, &other)] {
            let found = storage.kv_get(actor, namespace, &key("secret")).await;
            assert!(matches!(found, Err(Error::KeyNotFound)));
            storage.kv_delete(actor, namespace, &key("secret")).await.unwrap();
            let page = storage.kv_list(actor, namespace, &ListRequest::default()).await.unwrap();
            assert!(page.entries.is_empty());
        }
        assert_eq!(storage.kv_get(&world.actor, &app(), &key("secret")).await.unwrap().value, "value");
    }

    async fn each_limit_is_named(db: pentad_store::Db) {
        let limits = Limits { kv_value_bytes: 10, ..Limits::default() };
        let world = World::with(db, limits).await;
        let set = async |text: &str, entry| world.storage.kv_set(&world.actor, &app(), &key(text), entry).await;
        let too_long = set(&"k".repeat(513), NewEntry::of("")).await.unwrap_err();
        assert!(too_long.to_string().contains("512 (key_bytes)"), "{too_long}");
        let too_large = set("k", NewEntry::of("12345678901")).await.unwrap_err();
        assert!(too_large.to_string().contains("10 (kv_value_bytes)"), "{too_large}");
        let metadata = Metadata::from_iter([("m".to_owned(), "x".repeat(1024).into())]);
        let too_much = set("k", NewEntry { value: String::new(), metadata }).await.unwrap_err();
        assert!(too_much.to_string().contains("1024 (kv_metadata_bytes)"), "{too_much}");
        assert!(all(&world, ListRequest::default()).await.is_empty());
        set(&"ä".repeat(256), NewEntry::of("1234567890")).await.unwrap();
    }

    async fn pages_together_are_the_sorted_keys_that_begin_with_the_prefix(db: pentad_store::Db) {
        let world = World::new(db).await;
        let keys = proptest::collection::vec("[aAbB/%_ä\u{10FFFF}~\0-]{1,4}", 1..40);
        let prefixes = "[aAbB/%_ä\u{10FFFF}]{0,2}";
        let mut runner = TestRunner::deterministic();
        let mut model = BTreeMap::new();
        for round in 0..12 {
            for text in keys.new_tree(&mut runner).unwrap().current() {
                set(&world, &text, &text).await;
                model.insert(text.clone().into_bytes(), text);
            }
            for text in model.values().step_by(5).cloned().collect::<Vec<_>>() {
                world.storage.kv_delete(&world.actor, &app(), &key(&text)).await.unwrap();
                model.remove(text.as_bytes());
            }
            for limit in [1, 3, 100] {
                let prefix = prefixes.new_tree(&mut runner).unwrap().current();
                let expected: Vec<_> = model.values().filter(|text| text.starts_with(&prefix)).cloned().collect();
                let request = ListRequest { prefix, limit, cursor: None };
                assert_eq!(all(&world, request.clone()).await, expected, "round {round}: {request:?}");
            }
        }
    }
}
