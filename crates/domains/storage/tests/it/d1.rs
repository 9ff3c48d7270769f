//! SQL databases.

use std::sync::Arc;

use pentad_storage::{Error, Limits, Namespace, SqlValue, Statement};
use pentad_store::both_engines;

use crate::world::{World, app, statement};

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

both_engines! {
    async fn values_come_back_as_they_went_in(db: pentad_store::Db) {
        let world = World::new(db).await;
        world.exec("CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, n)", &[]).await.unwrap();
        let row = [
            SqlValue::Integer(i64::MIN),
            SqlValue::Real(0.1),
            text("nul \0 and 'ä'; -- ?"),
            SqlValue::Blob(vec![0, 255]),
            SqlValue::Null,
        ];
        let inserted = world.exec("INSERT INTO t VALUES (?, ?, ?, ?, ?)", &row).await.unwrap();
        assert_eq!((inserted.changes, inserted.last_row_id), (1, 1));
        let read = world.query("SELECT * FROM t WHERE i = ?1", &row[..1]).await.unwrap();
        assert_eq!((read.columns.join(","), &read.rows), ("i,r,s,b,n".to_owned(), &vec![row.to_vec()]));
        let returned = world.exec("DELETE FROM t RETURNING b", &[]).await.unwrap();
        assert_eq!((returned.changes, &returned.rows[0]), (1, &vec![SqlValue::Blob(vec![0, 255])]));
        assert_eq!(world.number("SELECT count(*) FROM t").await, 0);
    }

    async fn a_namespace_has_a_database_of_its_own(db: pentad_store::Db) {
        let world = World::new(db).await;
        let none = world.query("SELECT * FROM t", &[]).await;
        assert!(matches!(none, Err(Error::Sql(message)) if message.contains("no such table")));
        assert_eq!(world.number("SELECT 1").await, 1);
        world.exec("CREATE TABLE t (x)", &[]).await.unwrap();
        let other = Namespace::parse("other").unwrap();
        for (actor, namespace) in [(&world.actor, &other), (&world.stranger, &app())] {
            let foreign = world.storage.d1_query(actor, namespace, Statement::of("SELECT * FROM t")).await;
            assert!(matches!(foreign, Err(Error::Sql(_))));
            world.storage.d1_exec(actor, namespace, Statement::of("CREATE TABLE t (y)")).await.unwrap();
        }
        assert_eq!(world.query("SELECT * FROM t", &[]).await.unwrap().columns, ["x"]);
    }

    async fn a_statement_happens_whole_or_not_at_all(db: pentad_store::Db) {
        let world = World::with(db, Limits { d1_rows: 3, ..Limits::default() }).await;
        world.exec("CREATE TABLE t (x INTEGER PRIMARY KEY)", &[]).await.unwrap();
        world.exec("CREATE TABLE u (x REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)", &[]).await.unwrap();
        for refused in [
            "INSERT INTO t VALUES (1), (2), (1)",
            "INSERT INTO u VALUES (7)",
            // Four rows are written before one of them is given.
            "INSERT INTO t VALUES (1), (2), (3), (4) RETURNING x",
        ] {
            world.exec(refused, &[]).await.unwrap_err();
        }
        assert_eq!(world.number("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)").await, 0);
        world.exec("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        assert_eq!(world.number("SELECT count(*) FROM t").await, 1);
    }

    async fn parameters_are_those_of_the_statement(db: pentad_store::Db) {
        let world = World::new(db).await;
        let wrong = world.query("SELECT ?", &[text("a"), text("b")]).await;
        assert!(matches!(wrong, Err(Error::SqlParameters { wanted: 1, given: 2 })));
        let wrong = world.query("SELECT ?, ?", &[text("a")]).await;
        assert!(matches!(wrong, Err(Error::SqlParameters { wanted: 2, given: 1 })));
        let many = vec![SqlValue::Null; 101];
        let too_many = world.query("SELECT 1", &many).await.unwrap_err();
        assert!(too_many.to_string().contains("100 (d1_parameters)"), "{too_many}");
    }

    async fn an_answer_has_its_bounds(db: pentad_store::Db) {
        let limits = Limits { d1_rows: 5, d1_answer_bytes: 1_000, d1_statement_bytes: 200, ..Limits::default() };
        let world = World::with(db, limits).await;
        let numbers = |last: usize| format!("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<{last}) SELECT x FROM c");
        assert_eq!(world.query(&numbers(5), &[]).await.unwrap().rows.len(), 5);
        for (sql, limit) in [
            (numbers(6), "5 (d1_rows)"),
            ("SELECT hex(zeroblob(600))".to_owned(), "1000 (d1_answer_bytes)"),
            ("SELECT zeroblob(300)".to_owned(), "1000 (d1_answer_bytes)"),
            (format!("SELECT '{}'", "x".repeat(200)), "200 (d1_statement_bytes)"),
        ] {
            let error = world.query(&sql, &[]).await.unwrap_err();
            assert!(error.to_string().contains(limit), "{sql}: {error}");
        }
    }

    async fn a_full_database_keeps_what_it_has(db: pentad_store::Db) {
        let world = World::with(db, Limits { d1_database_bytes: 1 << 20, ..Limits::default() }).await;
        world.exec("CREATE TABLE t (b)", &[]).await.unwrap();
        let fill = "INSERT INTO t VALUES (randomblob(300000))";
        for _ in 0..3 {
            world.exec(fill, &[]).await.unwrap();
        }
        let full = world.exec(fill, &[]).await.unwrap_err();
        assert!(full.to_string().contains("1048576 bytes (d1_database_bytes)"), "{full}");
        assert_eq!(world.number("SELECT count(*) FROM t").await, 3);
        world.exec("DELETE FROM t", &[]).await.unwrap();
        world.exec(fill, &[]).await.unwrap();
    }

    async fn writers_of_one_database_take_turns(db: pentad_store::Db) {
        let world = Arc::new(World::new(db).await);
        world.exec("CREATE TABLE t (n INTEGER)", &[]).await.unwrap();
        world.exec("INSERT INTO t VALUES (0)", &[]).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let world = Arc::clone(&world);
            writers.spawn(async move {
                for _ in 0..5 {
                    world.exec("UPDATE t SET n = n + 1", &[]).await.unwrap();
                    world.number("SELECT n FROM t").await;
                }
            });
        }
        writers.join_all().await;
        assert_eq!(world.number("SELECT n FROM t").await, 40);
    }

    async fn what_was_written_is_there_after_a_start(db: pentad_store::Db) {
        let world = World::new(db).await;
        world.exec("CREATE TABLE t (x)", &[]).await.unwrap();
        world.exec("INSERT INTO t VALUES (?)", &[text("kept")]).await.unwrap();
        let restarted = world.neighbour();
        let read = restarted.d1_query(&world.actor, &app(), statement("SELECT x FROM t", &[])).await.unwrap();
        assert_eq!(read.rows, [[text("kept")]]);
    }
}

#[tokio::test]
async fn a_table_whose_row_was_lost_is_listed_after_the_next_statement() {
    let database = pentad_store::testing::TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    world.exec("CREATE TABLE t (x)", &[]).await.unwrap();
    // As if the program had been killed between the commit in the file and the row that tells of it.
    for sql in [
        "DELETE FROM d1_tables",
        "UPDATE d1_databases SET schema_version = 0",
    ] {
        pentad_store::with_writer!(world.db, |conn| sqlx::query(sql)
            .execute(conn)
            .await
            .map(pentad_store::affected))
        .unwrap();
    }
    assert_eq!(world.storage.statistics(&world.actor).await.unwrap().total, 0);
    world.query("SELECT * FROM t", &[]).await.unwrap();
    assert_eq!(world.storage.statistics(&world.actor).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_database_whose_file_is_gone_is_not_taken_for_an_empty_one() {
    let database = pentad_store::testing::TestDb::sqlite().await;
    let world = World::new(database.db()).await;
    world.exec("CREATE TABLE t (x)", &[]).await.unwrap();
    for file in std::fs::read_dir(world.directory.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(matches!(
        world.query("SELECT 1", &[]).await,
        Err(Error::Damaged(_))
    ));
    assert!(matches!(
        world.exec("CREATE TABLE t (x)", &[]).await,
        Err(Error::Damaged(_))
    ));
}
