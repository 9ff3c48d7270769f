//! Objects.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream;
use pentad_blob::Prefix;
use pentad_storage::{Error, Key, Limits, ObjectMetadata};
use pentad_store::both_engines;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::world::{World, app, body, prefix};

async fn blobs(world: &World) -> usize {
    let root = Prefix::parse("storage/r2").unwrap();
    world.blobs.list(&root, None, 1_000).await.unwrap().objects.len()
}

/// After this, whatever was written before is old enough to be swept.
async fn sweep(world: &World) -> pentad_storage::Swept {
    world.clock.advance(std::time::Duration::from_secs(7_200));
    world.storage.sweep().await.unwrap()
}

both_engines! {
    async fn an_object_comes_back_with_what_is_known_of_it(db: pentad_store::Db) {
        let world = World::new(db).await;
        let key = Key::parse("../../dir/file \0.bin").unwrap();
        let metadata = ObjectMetadata {
            http: serde_json::Map::from_iter([("contentType".to_owned(), "image/png".into())]),
            custom: serde_json::Map::from_iter([("type".to_owned(), 1.into())]),
        };
        let (storage, actor) = (&world.storage, &world.actor);
        let stored = storage.r2_put(actor, &app(), &key, &metadata, body("content")).await.unwrap();
        let object = storage.r2_get(actor, &app(), &key).await.unwrap();
        assert_eq!((object.size, &object.etag, &object.metadata), (7, &stored.etag, &metadata));
        assert_eq!(object.content.bytes().await.unwrap(), "content");
        let foreign = storage.r2_get(&world.stranger, &app(), &key).await;
        assert!(matches!(foreign, Err(Error::ObjectNotFound)));

        storage.r2_delete(&world.stranger, &app(), &key).await.unwrap();
        assert!(storage.r2_get(actor, &app(), &key).await.is_ok());
        storage.r2_delete(actor, &app(), &key).await.unwrap();
        assert!(matches!(storage.r2_get(actor, &app(), &key).await, Err(Error::ObjectNotFound)));
    }

    async fn a_write_that_fails_leaves_what_was_there(db: pentad_store::Db) {
        let world = World::with(db, Limits { r2_object_bytes: 10, ..Limits::default() }).await;
        world.put("k", "old").await;
        let key = Key::parse("k").unwrap();
        let broken = stream::iter([Ok(Bytes::from("ne")), Err("the line went dead")]);
        let failed = world.storage.r2_put(&world.actor, &app(), &key, &ObjectMetadata::default(), broken).await;
        assert!(matches!(failed, Err(Error::Content(reason)) if reason.contains("dead")));
        let large = body("12345678901");
        let failed = world.storage.r2_put(&world.actor, &app(), &key, &ObjectMetadata::default(), large).await;
        assert!(failed.unwrap_err().to_string().contains("10 (r2_object_bytes)"));
        assert_eq!(world.get("k").await.unwrap(), "old");
        sweep(&world).await;
        assert_eq!(blobs(&world).await, 1);
    }

    async fn who_is_reading_an_object_reads_it_to_its_end(db: pentad_store::Db) {
        let world = World::new(db).await;
        world.put("k", "old").await;
        let reading = world.storage.r2_get(&world.actor, &app(), &Key::parse("k").unwrap()).await.unwrap();
        world.clock.advance(std::time::Duration::from_secs(7_200));
        world.put("k", "new").await;
        // The old bytes are older than the age of orphans, but were replaced just now.
        assert_eq!(world.storage.sweep().await.unwrap().replaced, 0);
        assert_eq!(reading.content.bytes().await.unwrap(), "old");
        assert_eq!(sweep(&world).await.replaced, 1);
        assert_eq!((blobs(&world).await, world.get("k").await.unwrap()), (1, "new".to_owned()));
    }

    async fn bytes_without_a_row_are_swept(db: pentad_store::Db) {
        let world = World::new(db).await;
        world.put("k", "kept").await;
        // What a gateway leaves that is killed between bytes and row.
        let orphan = Prefix::parse("storage/r2/00").unwrap().key(&pentad_kernel::id::random_uuid()).unwrap();
        world.blobs.put_stream(&orphan, 10, body("orphan")).await.unwrap();
        assert_eq!(world.storage.sweep().await.unwrap().orphans, 0, "it may still get its row");
        assert_eq!(sweep(&world).await.orphans, 1);
        assert_eq!(world.get("k").await.unwrap(), "kept");
    }

    async fn after_any_writes_and_a_sweep_the_bytes_are_those_of_the_keys(db: pentad_store::Db) {
        let world = World::new(db).await;
        let mut runner = TestRunner::deterministic();
        let operations = proptest::collection::vec(("[a-c/]{1,2}", proptest::option::of("[a-z]{0,8}")), 30);
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..3 {
            for (key, content) in operations.new_tree(&mut runner).unwrap().current() {
                match content {
                    Some(content) => {
                        world.put(&key, &content).await;
                        model.insert(key, content);
                    }
                    None => {
                        let parsed = Key::parse(key.as_str()).unwrap();
                        world.storage.r2_delete(&world.actor, &app(), &parsed).await.unwrap();
                        model.remove(&key);
                    }
                }
            }
            sweep(&world).await;
            assert_eq!(blobs(&world).await, model.len());
            for (key, content) in &model {
                assert_eq!(&world.get(key).await.unwrap(), content);
            }
            let listed = world.storage.r2_list(&world.actor, &app(), &prefix("", 1_000)).await.unwrap();
            let keys: Vec<_> = listed.objects.iter().map(|object| &object.key).collect();
            assert_eq!(keys, model.keys().collect::<Vec<_>>());
        }
    }
}
