//! What an organisation has.

use pentad_storage::{Key, NewEntry, ResourceFilter, ResourceKind};
use pentad_store::both_engines;

use crate::world::{World, app};

both_engines! {
    async fn resources_are_what_the_tables_hold(db: pentad_store::Db) {
        let world = World::new(db).await;
        let (storage, actor) = (&world.storage, &world.actor);
        for (place, key) in ["user:1", "user:2", "zebra"].into_iter().enumerate() {
            world.clock.advance_micros(1_000);
            let value = "x".repeat(place + 1);
            storage.kv_set(actor, &app(), &Key::parse(key).unwrap(), NewEntry::of(value)).await.unwrap();
        }
        world.clock.advance_micros(1_000);
        world.put("object", "12345").await;
        world.clock.advance_micros(1_000);
        world.exec("CREATE TABLE users (name TEXT)", &[]).await.unwrap();
        world.exec("CREATE TABLE gone (name TEXT)", &[]).await.unwrap();
        world.exec("CREATE VIRTUAL TABLE notes USING fts5(text)", &[]).await.unwrap();
        world.exec("DROP TABLE gone", &[]).await.unwrap();

        let list = async |filter: ResourceFilter, limit, offset| {
            let page = storage.resources(actor, &filter, limit, offset).await.unwrap();
            let keys: Vec<String> = page.resources.into_iter().map(|resource| resource.key).collect();
            (keys, page.total)
        };
        let everything = ResourceFilter::default();
        let (keys, total) = list(everything.clone(), 100, 0).await;
        assert_eq!((keys.iter().map(String::as_str).collect::<Vec<_>>(), total),
                   (vec!["notes", "users", "object", "zebra", "user:2", "user:1"], 6));
        assert_eq!(list(everything, 2, 4).await, (vec!["user:2".to_owned(), "user:1".to_owned()], 6));
        let users = ResourceFilter { kind: Some(ResourceKind::Kv), key_prefix: "user:".to_owned(), ..Default::default() };
        assert_eq!(list(users, 100, 0).await.1, 2);
        let none = ResourceFilter { kind: Some(ResourceKind::Do), ..Default::default() };
        assert_eq!(list(none, 100, 0).await.1, 0);

        let statistics = storage.statistics(actor).await.unwrap();
        assert_eq!((statistics.total, statistics.by_namespace["app"]), (6, 6));
        assert_eq!(statistics.by_kind[&ResourceKind::D1], 2);
        assert!(statistics.total_size >= 11 + 4096, "{statistics:?}");
        assert_eq!(storage.statistics(&world.stranger).await.unwrap().total, 0);
        assert_eq!(storage.resources(&world.stranger, &ResourceFilter::default(), 100, 0).await.unwrap().total, 0);
    }

    async fn a_table_is_as_large_as_its_pages(db: pentad_store::Db) {
        let world = World::new(db).await;
        world.exec("CREATE TABLE big (b)", &[]).await.unwrap();
        world.exec("INSERT INTO big VALUES (randomblob(1000000))", &[]).await.unwrap();
        let page = world.storage.resources(&world.actor, &ResourceFilter::default(), 1, 0).await.unwrap();
        assert!((1_000_000..1_200_000).contains(&page.resources[0].size), "{page:?}");
    }
}
