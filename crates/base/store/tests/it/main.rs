//! The handle on both engines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use pentad_kernel::{Classify as _, ErrorKind, Timestamp};
use pentad_store::testing::{TestDb, pretend_newer};
use pentad_store::{Db, Error, Lease, Options, affected, both_engines, with_reader, with_tx, with_writer};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

const TTL: Duration = Duration::from_secs(10);

both_engines! {
    async fn a_transaction_that_is_dropped_leaves_nothing(db: Db) {
        let mut tx = db.begin().await.unwrap();
        with_tx!(tx, |conn| sqlx::query("INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, $2, 1, 0)")
            .bind("gone").bind("me").execute(conn).await.map(affected)).unwrap();
        drop(tx);
        let count: i64 = with_reader!(db, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM leases").fetch_one(conn).await).unwrap();
        assert_eq!(count, 0);
    }

    async fn a_repeated_key_is_a_duplicate(db: Db) {
        const INSERT: &str = "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ('twice', 'me', 1, 0)";
        with_writer!(db, |conn| sqlx::query(INSERT).execute(conn).await.map(affected)).unwrap();
        let error = with_writer!(db, |conn| sqlx::query(INSERT).execute(conn).await.map(affected)).unwrap_err();
        assert!(error.is_duplicate(), "{error:?}");
    }

    async fn a_row_of_what_is_gone_and_a_text_that_cannot_be_kept_are_no_faults_of_ours(db: Db) {
        const INSERT: &str = "INSERT INTO memberships (organisation_id, user_id, role, joined_at) VALUES ('gone', 'gone', 'member', 0)";
        let orphan = with_writer!(db, |conn| sqlx::query(INSERT).execute(conn).await.map(affected)).unwrap_err();
        assert!(matches!(orphan, Error::Orphan(_)) && orphan.kind() == ErrorKind::Conflict, "{orphan:?}");
        let read: Result<Option<String>, Error> = with_reader!(db, |conn| sqlx::query_scalar("SELECT name FROM leases WHERE name = $1")
            .bind("a\0b").fetch_optional(conn).await);
        match read {
            Ok(found) => assert_eq!(found, None, "SQLite keeps any text"),
            Err(error) => assert!(matches!(error, Error::Text(_)) && error.kind() == ErrorKind::Unprocessable, "{error:?}"),
        }
    }

    async fn a_lease_has_one_holder_and_its_epoch_rises_with_each_change(db: Db) {
        let mine = Lease::acquire(&db, "sweep", "a", at(0), TTL).await.unwrap().unwrap();
        assert_eq!(mine.epoch, 1);
        assert_eq!(Lease::acquire(&db, "sweep", "b", at(5), TTL).await.unwrap(), None);
        assert_eq!(Lease::acquire(&db, "sweep", "a", at(5), TTL).await.unwrap().unwrap().epoch, 1, "a renewal");
        assert_eq!(Lease::acquire(&db, "sweep", "b", at(14), TTL).await.unwrap(), None, "it was renewed");
        assert_eq!(Lease::acquire(&db, "sweep", "b", at(15), TTL).await.unwrap().unwrap().epoch, 2);
        assert_eq!(Lease::acquire(&db, "sweep", "a", at(16), TTL).await.unwrap(), None);
    }

    async fn a_released_lease_is_free_at_once(db: Db) {
        let mine = Lease::acquire(&db, "sweep", "a", at(0), TTL).await.unwrap().unwrap();
        mine.release(&db).await.unwrap();
        assert!(Lease::acquire(&db, "sweep", "b", at(1), TTL).await.unwrap().is_some());
    }

    async fn many_writers_at_once_lose_nothing(db: Db) {
        let writers = (0..32).map(|number| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await?;
                let seen: i64 = with_tx!(tx, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM leases").fetch_one(conn).await)?;
                assert!(seen <= 32);
                with_tx!(tx, |conn| sqlx::query("INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, 'x', 1, 0)")
                    .bind(format!("writer-{number}")).execute(conn).await.map(affected))?;
                tx.commit().await
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap().unwrap();
        }
        let count: i64 = with_reader!(db, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM leases").fetch_one(conn).await).unwrap();
        assert_eq!(count, 32);
    }

    async fn migrating_again_changes_nothing_and_a_newer_schema_is_refused(db: Db) {
        db.migrate().await.unwrap();
        let newer = Db::known_schema_version() + 1;
        pretend_newer(&db).await;
        let error = db.migrate().await.unwrap_err();
        assert!(matches!(error, Error::SchemaTooNew { found, .. } if found == newer), "{error:?}");
    }
}

#[tokio::test]
async fn two_programs_may_migrate_the_same_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/new.db", directory.path().display());
    let programs = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { Db::open(&url, &Options::default()).await?.migrate().await })
    });
    for program in programs.collect::<Vec<_>>() {
        program.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_schemas_of_both_engines_have_the_same_tables_and_columns() {
    let sqlite = TestDb::sqlite().await;
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    let of_sqlite: Vec<(String, String)> = with_reader!(sqlite.db(), |conn| sqlx::query_as(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
         WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' AND tables.name NOT LIKE '%_fts%' ORDER BY 1, 2")
        .fetch_all(conn).await).unwrap();
    let of_postgres: Vec<(String, String)> = with_reader!(postgres.db(), |conn| sqlx::query_as(
        "SELECT CAST(table_name AS TEXT) COLLATE \"C\", CAST(column_name AS TEXT) COLLATE \"C\" FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '%\\_fts%' ORDER BY 1, 2")
        .fetch_all(conn).await).unwrap();
    assert_eq!(of_sqlite, of_postgres);
}

/// Ends every connection to the database but the one that does it.
async fn end_connections(database: &TestDb) {
    const END: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let other = Db::open(database.url(), &Options::default()).await.unwrap();
    let ended: i64 = with_reader!(other, |conn| sqlx::query_scalar(END).fetch_one(conn).await).unwrap();
    assert!(ended > 0);
}

#[tokio::test]
async fn a_transaction_begins_although_every_idle_connection_is_dead() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let db = database.db();
    let (one, other) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    drop((one, other));
    end_connections(&database).await;
    let tx = db.begin().await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn connections_outlive_the_runtime_that_asked_for_them() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let db = database.db();
    let theirs = db.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let transactions = (theirs.begin().await, theirs.begin().await, theirs.begin().await);
            assert!(transactions.0.is_ok() && transactions.1.is_ok() && transactions.2.is_ok());
        });
    });
    asked.await.unwrap();
    for _ in 0..8 {
        db.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_is_given_up_midway_leaves_its_connection_usable() {
    let Some(database) = TestDb::postgres().await else {
        return;
    };
    let options = Options {
        connections: 1,
        ..Options::default()
    };
    let db = Db::open(database.url(), &options).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let slow = async {
        with_tx!(tx, |conn| sqlx::query("SELECT pg_sleep(1)")
            .execute(conn)
            .await
            .map(affected))
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(50), slow)
            .await
            .is_err()
    );
    drop(tx);
    db.ping().await.unwrap();
}
/// How many rows a database has that the test below writes.
async fn rows(db: &Db) -> i64 {
    with_reader!(*db, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM leases")
        .fetch_one(conn)
        .await)
    .unwrap()
}

both_engines! {
    async fn a_snapshot_stands_still_while_the_database_goes_on(db: Db) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copy.sqlite");
        Lease::acquire(&db, "before", "a", at(0), TTL).await.unwrap();
        let mut half_way = db.begin().await.unwrap();
        with_tx!(half_way, |conn| sqlx::query("INSERT INTO leases (name, holder, epoch, expires_at) VALUES ('open', 'a', 1, 0)")
            .execute(conn).await.map(affected)).unwrap();
        let snapshot = db.snapshot(&file).await.unwrap();
        half_way.commit().await.unwrap();
        Lease::acquire(&db, "after", "a", at(0), TTL).await.unwrap();
        assert_eq!((rows(snapshot.db()).await, rows(&db).await), (1, 3));
        assert_eq!(snapshot.db().schema_version().await.unwrap(), Db::known_schema_version());
        let write = with_writer!(*snapshot.db(), |conn| sqlx::query("DELETE FROM leases").execute(conn).await.map(affected));
        assert!(write.is_err(), "it can only be read");
        assert_eq!(file.exists(), snapshot.name().is_none(), "SQLite copies, PostgreSQL names the instant");
        snapshot.close().await;
        if file.exists() {
            let copy = Db::open(&format!("sqlite:{}", file.display()), &Options::default()).await.unwrap();
            assert_eq!(rows(&copy).await, 1);
            copy.migrate().await.unwrap();
        }
    }
}
