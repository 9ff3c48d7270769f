//! What is erased is not in the database's files either.

use pentad_memories::NewMemory;
use pentad_store::Db;
use pentad_store::testing::TestDb;

use crate::world::{World, fact, said, superseding, tenant};

/// How often a text is in the database file or in its write-ahead log.
fn occurrences(world: &World, text: &str) -> usize {
    let Db::Sqlite(sqlite) = &world.db else {
        panic!("only SQLite has files here")
    };
    let log = sqlite.path().with_extension("db-wal");
    let bytes = [sqlite.path(), &log].map(|path| std::fs::read(path).unwrap_or_default());
    let found = |bytes: &Vec<u8>| {
        let windows = bytes.windows(text.len());
        windows
            .filter(|window| window.eq_ignore_ascii_case(text.as_bytes()))
            .count()
    };
    bytes.iter().map(found).sum()
}

async fn filled(world: &World, from: usize) {
    for number in from..from + 150 {
        world
            .add_to(
                "kept",
                &format!("Number {number} likes the {number}th kind of tea."),
            )
            .await;
    }
}

#[tokio::test]
async fn no_byte_of_an_erased_memory_is_left() {
    let database = TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    filled(&world, 0).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let long = "and so on ".repeat(number * 60);
        let secret = format!("Remember this: the xylotrop of Alice is number {number}, {long}");
        ids.extend(world.write(said(&secret)).await.memory_ids);
        world.wait();
        ids.push(world.add(&format!("Xylotrop {number} is blue.")).await);
    }
    filled(&world, 150).await;
    assert!(
        occurrences(&world, "xylotrop") >= 80,
        "the search finds what is there"
    );
    for id in &ids {
        world.memories.erase(&world.actor, id).await.unwrap();
    }
    assert_eq!(occurrences(&world, "xylotrop"), 0);
    assert!(occurrences(&world, "149th kind of tea") > 0);
}

#[tokio::test]
async fn the_reason_for_retiring_another_goes_with_what_it_quotes() {
    let database = TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    let old = world.add("Alice's password is hunter22.").await;
    world.wait();
    let new = world
        .write(superseding(fact("Alice's password is now xylotrop7.")))
        .await;
    assert!(new.auto_supersede[0].supersession.is_some(), "{new:?}");
    assert!(occurrences(&world, "xylotrop7") > 1);
    world
        .memories
        .erase(&world.actor, &new.memory_ids[0])
        .await
        .unwrap();
    assert_eq!(occurrences(&world, "xylotrop7"), 0);
    let audit = world.memories.audit(&world.actor, &old).await.unwrap();
    let retired = audit.history.last().unwrap();
    assert_eq!(
        (retired.event.as_str(), &retired.details),
        ("memory.auto_superseded", &None)
    );
}

#[tokio::test]
async fn no_byte_of_an_erased_tenant_is_left() {
    let database = TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    filled(&world, 0).await;
    for number in 0..50 {
        let new = NewMemory {
            tenant: tenant("gone"),
            ..fact(&format!("Xylotrop {number} is blue."))
        };
        world.wait();
        world.write(new).await;
    }
    filled(&world, 150).await;
    world
        .memories
        .erase_tenant(&world.actor, &tenant("gone"))
        .await
        .unwrap();
    assert_eq!(occurrences(&world, "xylotrop"), 0);
}

#[tokio::test]
async fn a_read_in_the_way_only_delays_the_overwriting() {
    let database = TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    let id = world.add("The xylotrop of Alice is blue.").await;
    let Db::Sqlite(sqlite) = &world.db else {
        panic!("a SQLite database was made")
    };
    let mut connection = sqlite.reader().acquire().await.unwrap();
    let mut reading = sqlx::Connection::begin(&mut *connection).await.unwrap();
    let memories: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM memories")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    assert_eq!(memories, 1);
    world.memories.erase(&world.actor, &id).await.unwrap();
    assert!(occurrences(&world, "xylotrop") > 0, "the reader still sees it");
    reading.rollback().await.unwrap();
    world.memories.overwrite_erased().await.unwrap();
    assert_eq!(occurrences(&world, "xylotrop"), 0);
}
