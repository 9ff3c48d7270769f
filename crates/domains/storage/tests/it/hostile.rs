//! Statements that mean harm.

use std::time::{Duration, Instant};

use pentad_kernel::{Classify as _, ErrorKind};
use pentad_storage::{Answer, Error, Limits, SqlValue};
use pentad_store::testing::TestDb;

use crate::world::World;

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    NotReadOnly,
    SecondStatement,
    Timeout,
    TooLarge,
    Full,
    Fails,
    Works,
}

use Fate::*;

fn fate(outcome: &Result<Answer, Error>) -> Fate {
    match outcome {
        Ok(_) => Works,
        Err(Error::SqlForbidden(_)) => Refused,
        Err(Error::SqlNotReadOnly) => NotReadOnly,
        Err(Error::SqlMultipleStatements) => SecondStatement,
        Err(Error::SqlTimeout(_)) => Timeout,
        Err(Error::TooLarge { .. }) => TooLarge,
        Err(Error::DatabaseFull { .. }) => Full,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Internal, "{error:?}");
            Fails
        }
    }
}

const QUERIES: &[(&str, Fate)] = &[
    ("INSERT INTO users (name) VALUES ('x')", NotReadOnly),
    ("INSERT INTO users (name) VALUES ('x') RETURNING id", NotReadOnly),
    ("UPDATE users SET name = 'x'", NotReadOnly),
    ("DELETE FROM users", NotReadOnly),
    ("REPLACE INTO users VALUES (1, 'x')", NotReadOnly),
    ("WITH d AS (SELECT 1) DELETE FROM users", NotReadOnly),
    ("CREATE TABLE t (x)", NotReadOnly),
    ("DROP TABLE users", NotReadOnly),
    ("ALTER TABLE users RENAME TO people", NotReadOnly),
    ("CREATE INDEX i ON users (name)", NotReadOnly),
    ("REINDEX", NotReadOnly),
    ("ANALYZE", NotReadOnly),
    ("SELECT 1; DROP TABLE users", SecondStatement),
    ("SELECT 1; SELECT 2", SecondStatement),
    ("SELECT 1; nonsense", SecondStatement),
    ("SELECT 1;; -- the end", Works),
    ("SELECT 1 /* unfinished", Works),
    ("", Fails),
    (";", Fails),
    ("-- nothing", Fails),
    ("SELECT 'a\0b'", Fails),
    ("BEGIN", Refused),
    ("COMMIT", Refused),
    ("SAVEPOINT s", Refused),
    ("PRAGMA query_only = 0", Refused),
    ("PRAGMA writable_schema = 1", Refused),
    ("PRAGMA table_info(users)", Works),
    ("SELECT * FROM pragma_table_info('users')", Works),
    ("SELECT * FROM pragma_database_list", Refused),
    ("SELECT * FROM pragma_compile_options", Refused),
    ("SELECT name FROM sqlite_master", Works),
    ("SELECT * FROM dbstat", Refused),
    ("SELECT * FROM fts3tokenize", Refused),
    ("SELECT load_extension('x')", Refused),
    ("SELECT fts3_tokenizer('simple')", Refused),
    ("SELECT readfile('/etc/passwd')", Fails),
    ("ATTACH ':memory:' AS m", Refused),
    ("EXPLAIN SELECT 1", Works),
    ("EXPLAIN DELETE FROM users", NotReadOnly),
];

const EXECS: &[(&str, Fate)] = &[
    ("ATTACH '/tmp/pentad-hostile.db' AS e", Refused),
    ("ATTACH 'file:/tmp/pentad-hostile.db?mode=rwc' AS e", Refused),
    ("DETACH main", Refused),
    ("VACUUM", Fails),
    ("VACUUM INTO '/tmp/pentad-hostile.db'", Fails),
    ("PRAGMA writable_schema = 1", Refused),
    ("PRAGMA journal_mode = OFF", Refused),
    ("PRAGMA synchronous = OFF", Refused),
    ("PRAGMA temp_store_directory = '/etc'", Refused),
    ("PRAGMA max_page_count = 999999999", Refused),
    ("PRAGMA hard_heap_limit = 1", Refused),
    ("PRAGMA foreign_keys = OFF", Refused),
    ("PRAGMA trusted_schema = ON", Refused),
    ("PRAGMA user_version = 1", Refused),
    ("BEGIN", Refused),
    ("COMMIT", Refused),
    ("ROLLBACK", Refused),
    ("RELEASE s", Refused),
    ("CREATE TEMP TABLE t (x)", Refused),
    ("CREATE TEMP VIEW v AS SELECT 1", Refused),
    ("CREATE VIRTUAL TABLE d USING dbstat", Refused),
    ("CREATE VIRTUAL TABLE d USING fts3(x)", Refused),
    ("CREATE VIRTUAL TABLE d USING fts4aux(x)", Refused),
    ("CREATE VIRTUAL TABLE d USING sqlite_dbpage", Refused),
    ("UPDATE sqlite_master SET sql = 'x'", Fails),
    ("DELETE FROM sqlite_schema", Fails),
    (
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'x')",
        Fails,
    ),
    ("DROP TABLE sqlite_master", Fails),
    ("DELETE FROM notes_data", Fails),
    (
        "INSERT INTO notes(notes, rank) VALUES('rank', 'load_extension(1)')",
        Works,
    ),
    ("CREATE TABLE j (x CHECK (load_extension(x)))", Refused),
    ("CREATE VIEW v AS SELECT load_extension('x')", Works),
    ("SELECT * FROM v", Fails),
    (
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT load_extension('x'); END",
        Works,
    ),
    ("INSERT INTO users (name) VALUES ('fires')", Refused),
    ("DROP TRIGGER t", Works),
    ("CREATE TABLE a; CREATE TABLE b", Fails),
    ("CREATE TABLE a (x); CREATE TABLE b (x)", SecondStatement),
];

/// What would take all time or all memory. The bounds of the test are small, so that it is quick.
const HOGS: &[(&str, Fate)] = &[
    (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
        Timeout,
    ),
    (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) INSERT INTO users (name) SELECT hex(zeroblob(50000)) FROM c",
        Full,
    ),
    (
        "SELECT count(*) FROM notes a, notes b, sqlite_schema c, json_each('[' || replace(hex(zeroblob(20000)), '0', '1,') || '1]') d, json_each('[' || replace(hex(zeroblob(20000)), '0', '1,') || '1]') e",
        Timeout,
    ),
    ("SELECT randomblob(1000000000)", TooLarge),
    ("SELECT zeroblob(1000000000)", TooLarge),
    ("SELECT printf('%.*c', 100000000, 'x')", Works),
    ("SELECT hex(zeroblob(3000000))", TooLarge),
    (
        "SELECT group_concat(hex(zeroblob(100000))) FROM json_each('[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]')",
        TooLarge,
    ),
    (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x || zeroblob(1000000) AS b FROM c ORDER BY b",
        TooLarge,
    ),
    (
        "WITH RECURSIVE c(x) AS (SELECT zeroblob(1000000) UNION ALL SELECT x FROM c) SELECT json_group_array(hex(x)) FROM c",
        TooLarge,
    ),
    (
        "SELECT replace(hex(zeroblob(1900000)), hex(zeroblob(900000)) || '1', '')",
        Works,
    ),
    (
        "SELECT hex(zeroblob(1900000)) LIKE '%' || hex(zeroblob(49)) || '1'",
        Works,
    ),
    (
        "SELECT hex(zeroblob(1900000)) LIKE '%' || hex(zeroblob(490)) || '1'",
        Fails,
    ),
    (
        "SELECT hex(zeroblob(1900000)) GLOB '*' || hex(zeroblob(490)) || '1'",
        Fails,
    ),
    (
        "SELECT hex(zeroblob(1900000)) LIKE '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1'",
        Works,
    ),
    (
        "SELECT instr(hex(zeroblob(1900000)), hex(zeroblob(900000)) || '1')",
        Works,
    ),
    (
        "SELECT length(trim(hex(zeroblob(1900000)), printf('%.*c', 3000000, 'x') || '0'))",
        Works,
    ),
    (
        "SELECT replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000000)))",
        TooLarge,
    ),
    (
        "SELECT unhex(printf('%.*c', 1000000, '-'), printf('%.*c', 1000000, 'x') || '-')",
        Works,
    ),
    (
        "SELECT count(*) FROM notes WHERE notes MATCH replace(hex(zeroblob(1000000)), '00', 'a ')",
        TooLarge,
    ),
    (
        "SELECT count(*) FROM notes(replace(hex(zeroblob(1000000)), '00', 'a '))",
        TooLarge,
    ),
    (
        "SELECT path FROM json_tree('{\"a\": 1}', '$.\"' || replace(hex(zeroblob(900000)), '0', '.') || '\"')",
        TooLarge,
    ),
    ("SELECT highlight(notes, 0, 'a', 'b') FROM notes", Refused),
    ("SELECT snippet(notes, 0, 'a', 'b', '', 9) FROM notes", Works),
    (
        "SELECT rowid FROM notes WHERE text = 'x' AND notes = replace(hex(zeroblob(1000000)), '00', 'a OR ')",
        TooLarge,
    ),
    ("SELECT json_pretty('[1,2]', hex(zeroblob(1000000)))", Refused),
    ("SELECT json_patch('{}', '{}')", Refused),
    (
        "INSERT INTO users (name) SELECT hex(randomblob(500000)) FROM json_each('[1,2,3,4,5,6,7,8,9]'), json_each('[1,2,3]')",
        Full,
    ),
];

async fn world() -> (TestDb, World) {
    let database = TestDb::sqlite().await;
    let limits = Limits {
        d1_timeout_ms: 400,
        d1_memory_bytes: 32 << 20,
        d1_database_bytes: 8 << 20,
        ..Limits::default()
    };
    let world = World::with(database.db(), limits).await;
    for sql in [
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
        "INSERT INTO users (name) VALUES ('Bob')",
        "CREATE VIRTUAL TABLE notes USING fts5(text)",
        "INSERT INTO notes VALUES ('a note')",
    ] {
        world.exec(sql, &[]).await.unwrap();
    }
    (database, world)
}

fn note(wrong: &mut Vec<String>, sql: &str, expected: Fate, outcome: &Result<Answer, Error>) {
    if fate(outcome) != expected {
        wrong.push(format!(
            "{sql}: {:?}",
            outcome.as_ref().map(|answer| answer.rows.len())
        ));
    }
}

async fn is_unharmed(world: &World, after: &str) {
    let count = "SELECT count(*) FROM users JOIN notes WHERE name = 'Bob'";
    assert_eq!(world.number(count).await, 1, "after {after}");
    assert!(
        !std::path::Path::new("/tmp/pentad-hostile.db").exists(),
        "{after}"
    );
}

#[tokio::test]
async fn a_query_changes_nothing_and_reaches_nothing() {
    let (_database, world) = world().await;
    let mut wrong = Vec::new();
    for (sql, expected) in QUERIES {
        let outcome = world.query(sql, &[]).await;
        note(&mut wrong, sql, *expected, &outcome);
        is_unharmed(&world, sql).await;
    }
    assert_eq!(world.number("SELECT count(*) FROM users").await, 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_statement_stays_in_its_database() {
    let (_database, world) = world().await;
    let mut wrong = Vec::new();
    for (sql, expected) in EXECS {
        let outcome = world.exec(sql, &[]).await;
        note(&mut wrong, sql, *expected, &outcome);
        is_unharmed(&world, sql).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn nothing_takes_all_time_or_all_memory() {
    let (_database, world) = world().await;
    let mut wrong = Vec::new();
    for (sql, expected) in HOGS {
        let began = Instant::now();
        let outcome = world.exec(sql, &[]).await;
        note(&mut wrong, sql, *expected, &outcome);
        // Not a measurement: without a bound each of these runs for minutes.
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{sql}: {:?}",
            began.elapsed()
        );
        is_unharmed(&world, sql).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn views_upon_views_are_compiled_no_longer_than_a_statement_may_run() {
    let (_database, world) = world().await;
    world.exec("CREATE VIEW v0 AS SELECT 1 AS x", &[]).await.unwrap();
    for n in 1..40 {
        let below = n - 1;
        let sql = format!("CREATE VIEW v{n} AS SELECT a.x FROM v{below} a, v{below} b");
        let made = world.exec(&sql, &[]).await;
        assert!(made.is_ok(), "{made:?}");
    }
    let outcome = world.query("SELECT x FROM v39", &[]).await;
    assert!(outcome.is_err());
    is_unharmed(&world, "views").await;
}

#[tokio::test]
async fn parameters_are_never_read_as_sql() {
    let (_database, world) = world().await;
    for text in ["'); DROP TABLE users; --", "' OR 1=1 --", "\0", "\u{202e}"] {
        let parameter = SqlValue::Text(text.to_owned());
        let found = world
            .query("SELECT * FROM users WHERE name = ?", &[parameter])
            .await;
        assert_eq!(found.unwrap().rows.len(), 0, "{text:?}");
    }
    is_unharmed(&world, "parameters").await;
}
