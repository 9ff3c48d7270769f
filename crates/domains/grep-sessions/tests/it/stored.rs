//! What of a session survives the process.

use std::time::Duration;

use pentad_blob::testing::S3Server;
use pentad_blob::{Blobs, Prefix};
use pentad_grep_sessions::{Error, Storage};
use pentad_store::testing::TestDb;
use pentad_store::{Db, affected, both_engines, with_writer};

use crate::{Fixture, paths_in, settings};

both_engines! {
    async fn another_process_answers_for_what_is_stored(db: Db) {
        let fixture = Fixture::new(db).await;
        let s3 = fixture.create(Storage::S3, &[("a.txt", "alpha\n"), ("b.txt", "beta\n")]).await.session.id;
        fixture.append(&s3, &[("a.txt", "gamma\n")]).await.unwrap();
        let memory = fixture.create(Storage::Memory, &[("a.txt", "alpha\n")]).await.session.id;
        let there = fixture.another_process();
        assert_eq!(paths_in(&there, &fixture.actor, &s3, "gamma").await.unwrap(), ["a.txt"]);
        assert!(paths_in(&there, &fixture.actor, &s3, "alpha").await.unwrap().is_empty());
        // SQLite has one gateway, whose memory sessions are in its memory alone.
        match paths_in(&there, &fixture.actor, &memory, "alpha").await {
            Ok(found) => assert!(fixture.db.is_shared() && found == ["a.txt"]),
            Err(error) => assert!(!fixture.db.is_shared() && matches!(error, Error::NotFound), "{error}"),
        }
        assert!(matches!(there.restart(&fixture.actor, &memory).await, Err(Error::NotRestartable)));
    }

    async fn many_callers_of_a_stopped_session_get_the_same_answer(db: Db) {
        let fixture = Fixture::new(db).await;
        let id = fixture.create(Storage::S3, &[("a.txt", "alpha\n")]).await.session.id;
        fixture.sessions.stop(&fixture.actor, &id, false).await.unwrap();
        let callers = (0..16).map(|_| {
            let (sessions, actor, id) = (fixture.sessions.clone(), fixture.actor.clone(), id.clone());
            tokio::spawn(async move { paths_in(&sessions, &actor, &id, "alpha").await.unwrap() })
        });
        for caller in callers.collect::<Vec<_>>() {
            assert_eq!(caller.await.unwrap(), ["a.txt"]);
        }
    }

    async fn appends_and_stops_at_once_lose_nothing(db: Db) {
        let fixture = Fixture::new(db).await;
        let id = fixture.create(Storage::S3, &[("base.txt", "word\n")]).await.session.id;
        let fixture = std::sync::Arc::new(fixture);
        let work = (0..12).map(|number| {
            let (fixture, id) = (fixture.clone(), id.clone());
            tokio::spawn(async move {
                if number % 3 == 0 {
                    fixture.sessions.stop(&fixture.actor, &id, false).await.unwrap();
                } else {
                    fixture.append(&id, &[(&format!("file-{number}.txt"), "word\n")]).await.unwrap();
                }
            })
        });
        for task in work.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(fixture.paths(&id, "word").await.unwrap().len(), 9);
        let there = fixture.another_process();
        assert_eq!(paths_in(&there, &fixture.actor, &id, "word").await.unwrap().len(), 9);
    }

    async fn a_sweep_takes_orphans_and_finishes_deletions_and_leaves_the_rest(db: Db) {
        let fixture = Fixture::new(db).await;
        let kept = fixture.create(Storage::S3, &[("a.txt", "alpha\n")]).await.session.id;
        let half_deleted = fixture.create(Storage::S3, &[("a.txt", "beta\n")]).await.session.id;
        // The gateway died between the tombstone and the objects.
        with_writer!(fixture.db, |conn| sqlx::query("UPDATE grep_sessions SET state = 'deleted' WHERE id = $1")
            .bind(half_deleted.as_str()).execute(conn).await.map(affected)).unwrap();
        // And once between an object and its row.
        let orphaned = Prefix::parse("grep/00000000-0000-4000-8000-000000000000").unwrap();
        fixture.blobs.put_addressed(&orphaned, "orphan".into()).await.unwrap();

        let early = fixture.sessions.sweep().await.unwrap();
        assert_eq!((early.deletions, early.orphans), (1, 0), "a young object may belong to a running request");
        fixture.clock.advance(Duration::from_secs(2 * 3600));
        assert_eq!(fixture.sessions.sweep().await.unwrap().orphans, 1);
        fixture.sessions.stop(&fixture.actor, &kept, false).await.unwrap();
        assert_eq!(fixture.paths(&kept, "alpha").await.unwrap(), ["a.txt"]);
        let namespace = Prefix::parse("grep").unwrap();
        assert_eq!(fixture.blobs.list(&namespace, None, 10).await.unwrap().objects.len(), 1);
    }
}

#[tokio::test]
async fn sessions_are_kept_on_a_real_s3_server() {
    let (database, server) = (TestDb::sqlite().await, S3Server::start().await);
    let blobs = Blobs::open_with(&server.url("sessions"), &server.options()).unwrap();
    let fixture = Fixture::with(database.db(), blobs, settings()).await;
    let text = "a line of text\n".repeat(1000);
    let id = fixture
        .create(Storage::S3, &[("a.txt", &text), ("b.txt", "beta\n")])
        .await
        .session
        .id;
    fixture.append(&id, &[("c.txt", "beta\n")]).await.unwrap();
    assert_eq!(
        paths_in(&fixture.another_process(), &fixture.actor, &id, "beta")
            .await
            .unwrap(),
        ["b.txt", "c.txt"]
    );
    fixture.sessions.stop(&fixture.actor, &id, true).await.unwrap();
    assert!(
        fixture
            .blobs
            .list(&Prefix::parse("grep").unwrap(), None, 10)
            .await
            .unwrap()
            .objects
            .is_empty()
    );
}
