//! What becomes of sessions.

use std::time::Duration;

use pentad_grep_sessions::{Error, State, Storage};
use pentad_store::{Db, both_engines};

use crate::Fixture;

const FILES: &[(&str, &str)] = &[("src/a.rs", "fn alpha() {}\n"), ("README.md", "beta\n")];

both_engines! {
    async fn a_session_answers_until_its_time_and_not_after(db: Db) {
        let fixture = Fixture::new(db).await;
        let id = fixture.create(Storage::Memory, FILES).await.session.id;
        fixture.clock.advance(Duration::from_secs(599));
        assert_eq!(fixture.paths(&id, "alpha").await.unwrap(), ["src/a.rs"]);
        fixture.clock.advance(Duration::from_secs(1));
        assert!(matches!(fixture.paths(&id, "alpha").await, Err(Error::NotFound)), "ended before any sweep");
        assert!(matches!(fixture.append(&id, FILES).await, Err(Error::NotFound)));
        assert!(matches!(fixture.sessions.stop(&fixture.actor, &id, false).await, Err(Error::NotFound)));
        assert!(matches!(fixture.sessions.restart(&fixture.actor, &id).await, Err(Error::NotRestartable)));
        fixture.sessions.end_expired().await.unwrap();
        assert!(matches!(fixture.paths(&id, "alpha").await, Err(Error::NotFound)));
        assert!(matches!(fixture.sessions.restart(&fixture.actor, &id).await, Err(Error::NotRestartable)));
    }

    async fn an_append_adds_and_replaces(db: Db) {
        let fixture = Fixture::new(db).await;
        for storage in [Storage::Memory, Storage::S3] {
            let id = fixture.create(storage, FILES).await.session.id;
            assert_eq!(fixture.append(&id, &[("src/a.rs", "gamma\n"), ("new.txt", "alpha too\n")]).await.unwrap(), 2);
            assert_eq!(fixture.paths(&id, "alpha").await.unwrap(), ["new.txt"]);
            assert_eq!(fixture.paths(&id, "gamma").await.unwrap(), ["src/a.rs"]);
            assert_eq!(fixture.sessions.get(&fixture.actor, &id).await.unwrap().file_count, 3);
        }
    }

    async fn a_file_that_is_taken_out_stays_out(db: Db) {
        let fixture = Fixture::new(db).await;
        let id = fixture.create(Storage::S3, FILES).await.session.id;
        fixture.sessions.remove_file(&fixture.actor, &fixture.plan, &id, "src/a.rs").await.unwrap();
        let again = fixture.sessions.remove_file(&fixture.actor, &fixture.plan, &id, "src/a.rs").await;
        assert!(matches!(again, Err(Error::FileNotFound(_))));
        fixture.sessions.stop(&fixture.actor, &id, false).await.unwrap();
        assert!(fixture.paths(&id, "alpha").await.unwrap().is_empty());
        assert_eq!(fixture.paths(&id, "beta").await.unwrap(), ["README.md"]);
    }

    async fn stopping_means_the_end_of_a_memory_session_and_a_pause_for_s3(db: Db) {
        let fixture = Fixture::new(db).await;
        let memory = fixture.create(Storage::Memory, FILES).await.session.id;
        fixture.sessions.stop(&fixture.actor, &memory, false).await.unwrap();
        assert!(matches!(fixture.sessions.stop(&fixture.actor, &memory, false).await, Err(Error::NotFound)));
        assert!(matches!(fixture.paths(&memory, "alpha").await, Err(Error::NotFound)));

        let s3 = fixture.create(Storage::S3, FILES).await.session.id;
        for _ in 0..2 {
            fixture.sessions.stop(&fixture.actor, &s3, false).await.unwrap();
        }
        assert_eq!(fixture.sessions.get(&fixture.actor, &s3).await.unwrap().state, State::Stopped);
        assert_eq!(fixture.sessions.restart(&fixture.actor, &s3).await.unwrap().file_count, 2);
        fixture.sessions.stop(&fixture.actor, &s3, false).await.unwrap();
        assert_eq!(fixture.paths(&s3, "alpha").await.unwrap(), ["src/a.rs"], "a search loads it");
        fixture.sessions.stop(&fixture.actor, &s3, false).await.unwrap();
        fixture.append(&s3, &[("c.txt", "alpha\n")]).await.unwrap();
        assert_eq!(fixture.paths(&s3, "alpha").await.unwrap(), ["c.txt", "src/a.rs"], "an append loads it");
    }

    async fn a_permanent_stop_is_for_good(db: Db) {
        let fixture = Fixture::new(db).await;
        let id = fixture.create(Storage::S3, FILES).await.session.id;
        fixture.sessions.stop(&fixture.actor, &id, true).await.unwrap();
        assert!(matches!(fixture.paths(&id, "alpha").await, Err(Error::NotFound)));
        assert!(matches!(fixture.append(&id, FILES).await, Err(Error::NotFound)));
        assert!(matches!(fixture.sessions.restart(&fixture.actor, &id).await, Err(Error::NotFound)));
        assert!(matches!(fixture.sessions.stop(&fixture.actor, &id, true).await, Err(Error::NotFound)));
        let namespace = pentad_blob::Prefix::parse("grep").unwrap();
        assert!(fixture.blobs.list(&namespace, None, 10).await.unwrap().objects.is_empty(), "its objects are gone");
    }

    async fn a_session_of_somebody_else_is_as_good_as_none(db: Db) {
        let fixture = Fixture::new(db).await;
        let stranger = fixture.stranger().await;
        for storage in [Storage::Memory, Storage::S3] {
            let id = fixture.create(storage, FILES).await.session.id;
            let searched = crate::paths_in(&fixture.sessions, &stranger, &id, "alpha").await;
            assert!(matches!(searched, Err(Error::NotFound)));
            assert!(matches!(fixture.sessions.stop(&stranger, &id, true).await, Err(Error::NotFound)));
            assert!(matches!(fixture.sessions.restart(&stranger, &id).await, Err(Error::NotFound)));
            assert!(matches!(fixture.sessions.get(&stranger, &id).await, Err(Error::NotFound)));
            assert_eq!(fixture.paths(&id, "alpha").await.unwrap(), ["src/a.rs"], "and unharmed");
        }
        assert!(fixture.sessions.list(&stranger, None, 100).await.unwrap().0.is_empty());
    }

    async fn the_list_shows_what_can_answer_page_by_page(db: Db) {
        let fixture = Fixture::new(db).await;
        let mut ids = Vec::new();
        for number in 0..5 {
            let storage = if number % 2 == 0 { Storage::S3 } else { Storage::Memory };
            ids.push(fixture.create(storage, FILES).await.session.id);
            fixture.clock.advance_micros(1);
        }
        fixture.sessions.stop(&fixture.actor, &ids[1], false).await.unwrap();
        fixture.sessions.stop(&fixture.actor, &ids[2], true).await.unwrap();
        let mut listed = Vec::new();
        let mut cursor = None;
        loop {
            let (page, next) = fixture.sessions.list(&fixture.actor, cursor.as_deref(), 2).await.unwrap();
            listed.extend(page.into_iter().map(|session| session.id));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, [ids[4].clone(), ids[3].clone(), ids[0].clone()]);
        let foreign = fixture.sessions.list(&fixture.actor, Some("page two"), 2).await;
        assert!(matches!(foreign, Err(Error::Cursor)));
    }
}
