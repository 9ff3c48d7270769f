//! Several gateways on one PostgreSQL and one object store.

use std::sync::Arc;

use pentad_blob::Prefix;
use pentad_storage::{Error, Limits, SqlValue, Storage};
use pentad_store::testing::TestDb;
use pentad_store::{Db, affected, with_writer};

use crate::world::{World, app, number, statement};

async fn chunks(world: &World) -> usize {
    let root = Prefix::parse("storage/d1").unwrap();
    world.blobs.list(&root, None, 10_000).await.unwrap().objects.len()
}

async fn read(storage: &Storage, world: &World, sql: &str) -> i64 {
    let answer = storage.d1_query(&world.actor, &app(), statement(sql, &[])).await;
    number(&answer.unwrap())
}

async fn run(db: &Db, sql: &'static str) {
    with_writer!(*db, |conn| sqlx::query(sql).execute(conn).await.map(affected)).unwrap();
}

#[tokio::test]
async fn writers_on_two_gateways_lose_nothing() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let world = Arc::new(World::new(database.db()).await);
    let neighbour = world.neighbour();
    world.exec("CREATE TABLE t (n INTEGER)", &[]).await.unwrap();
    world.exec("INSERT INTO t VALUES (0)", &[]).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for storage in [world.storage.clone(), neighbour.clone()] {
        for _ in 0..3 {
            let (world, storage) = (Arc::clone(&world), storage.clone());
            writers.spawn(async move {
                for _ in 0..8 {
                    let add = statement("UPDATE t SET n = n + 1", &[]);
                    storage.d1_exec(&world.actor, &app(), add).await.unwrap();
                    read(&storage, &world, "SELECT n FROM t").await;
                }
            });
        }
    }
    writers.join_all().await;
    for storage in [&world.storage, &neighbour] {
        assert_eq!(read(storage, &world, "SELECT n FROM t").await, 48);
    }
}

#[tokio::test]
async fn a_reader_sees_what_another_gateway_acknowledged() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let world = World::new(database.db()).await;
    let neighbour = world.neighbour();
    world.exec("CREATE TABLE t (n INTEGER)", &[]).await.unwrap();
    for n in 1..=10 {
        let (writer, reader) = if n % 2 == 0 {
            (&neighbour, &world.storage)
        } else {
            (&world.storage, &neighbour)
        };
        let insert = statement("INSERT INTO t VALUES (?)", &[SqlValue::Integer(n)]);
        writer.d1_exec(&world.actor, &app(), insert).await.unwrap();
        assert_eq!(read(reader, &world, "SELECT max(n) FROM t").await, n);
    }
}

#[tokio::test]
async fn chunks_without_a_row_are_as_if_they_had_never_been() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let world = World::new(database.db()).await;
    world.exec("CREATE TABLE t (n INTEGER)", &[]).await.unwrap();
    world.exec("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let before = chunks(&world).await;
    // From here on the row cannot be written: every write ends between the upload and the row.
    run(
        &world.db,
        "CREATE FUNCTION killed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'killed'; END $$",
    )
    .await;
    run(
        &world.db,
        "CREATE TRIGGER killed BEFORE UPDATE ON d1_databases FOR EACH ROW EXECUTE FUNCTION killed()",
    )
    .await;
    let killed = world.exec("UPDATE t SET n = 2", &[]).await;
    assert!(matches!(killed, Err(Error::Store(_))), "{killed:?}");
    assert!(chunks(&world).await > before, "the chunks were stored");
    for storage in [&world.storage, &world.neighbour()] {
        assert_eq!(read(storage, &world, "SELECT n FROM t").await, 1);
    }
    run(&world.db, "DROP TRIGGER killed ON d1_databases").await;
    world.exec("UPDATE t SET n = n + 10", &[]).await.unwrap();
    for storage in [&world.storage, &world.neighbour()] {
        assert_eq!(read(storage, &world, "SELECT n FROM t").await, 11);
    }
    world.clock.advance(std::time::Duration::from_secs(7_200));
    assert!(world.storage.sweep().await.unwrap().chunks > 0);
    assert_eq!(
        read(&world.neighbour(), &world, "SELECT n FROM t").await,
        11,
        "what the row lists was not swept"
    );
}

#[tokio::test]
async fn a_write_stores_the_chunks_that_it_changed() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let world = World::new(database.db()).await;
    world
        .exec("CREATE TABLE t (n INTEGER PRIMARY KEY, b)", &[])
        .await
        .unwrap();
    let fill = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<40)
                INSERT INTO t SELECT x, randomblob(100000) FROM c";
    world.exec(fill, &[]).await.unwrap();
    let before = chunks(&world).await;
    assert!(before > 60, "{before} chunks of four megabytes");
    world
        .exec("UPDATE t SET b = x'00' WHERE n = 20", &[])
        .await
        .unwrap();
    let after = chunks(&world).await;
    assert!(after - before <= 4, "{} chunks for one row", after - before);
}

#[tokio::test]
async fn copies_beyond_the_bound_are_removed_and_fetched_again() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let limits = Limits {
        d1_cache_bytes: 10_000,
        ..Limits::default()
    };
    let world = World::with(database.db(), limits).await;
    let namespaces: Vec<_> = (0..5)
        .map(|n| pentad_storage::Namespace::parse(&format!("n{n}")).unwrap())
        .collect();
    for namespace in &namespaces {
        let make = statement("CREATE TABLE t AS SELECT 1 AS x", &[]);
        world
            .storage
            .d1_exec(&world.actor, namespace, make)
            .await
            .unwrap();
    }
    let copies = || {
        let own = std::fs::read_dir(world.directory.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let is_copy = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".db");
        std::fs::read_dir(own.path())
            .unwrap()
            .filter(|file| is_copy(&file.as_ref().unwrap().file_name()))
            .count()
    };
    assert!(copies() < 5, "{} copies", copies());
    for namespace in &namespaces {
        let read = statement("SELECT x FROM t", &[]);
        let answer = world.storage.d1_query(&world.actor, namespace, read).await;
        assert_eq!(number(&answer.unwrap()), 1);
    }
}
