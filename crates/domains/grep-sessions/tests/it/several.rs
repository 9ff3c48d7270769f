//! Two processes on one database and one object store.

use std::sync::Arc;
use std::time::Duration;

use pentad_blob::Prefix;
use pentad_grep_sessions::{Error, GrepSessions, Storage};
use pentad_store::testing::TestDb;

use crate::{Fixture, paths_in, upload};

/// A fixture and another process beside it, or `None`, said aloud, where there is no PostgreSQL.
async fn two() -> Option<(TestDb, Fixture, GrepSessions)> {
    let database = TestDb::postgres().await?;
    let fixture = Fixture::new(database.db()).await;
    let there = fixture.another_process();
    Some((database, fixture, there))
}

async fn append(there: &GrepSessions, fixture: &Fixture, id: &pentad_grep_sessions::SessionId, name: &str) {
    let upload = upload(there, &fixture.plan, &[(name, "word\n")]).await;
    there
        .append(&fixture.actor, &fixture.plan, id, upload)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_one_appends_or_removes_the_other_finds_at_once() {
    let Some((_database, here, there)) = two().await else {
        return;
    };
    for storage in [Storage::Memory, Storage::S3] {
        let id = here.create(storage, &[("a.txt", "word\n")]).await.session.id;
        assert_eq!(
            paths_in(&there, &here.actor, &id, "word").await.unwrap(),
            ["a.txt"]
        );
        append(&there, &here, &id, "b.txt").await;
        assert_eq!(here.paths(&id, "word").await.unwrap(), ["a.txt", "b.txt"]);
        here.append(&id, &[("c.txt", "word\n")]).await.unwrap();
        here.sessions
            .remove_file(&here.actor, &here.plan, &id, "a.txt")
            .await
            .unwrap();
        assert_eq!(
            paths_in(&there, &here.actor, &id, "word").await.unwrap(),
            ["b.txt", "c.txt"]
        );
        let seen = there.get(&here.actor, &id).await.unwrap();
        assert_eq!((seen.file_count, seen.text_bytes), (2, 10));
    }
}

#[tokio::test]
async fn appends_to_one_session_from_both_are_all_there_in_one_order() {
    let Some((_database, here, there)) = two().await else {
        return;
    };
    let here = Arc::new(here);
    let id = here
        .create(Storage::S3, &[("base.txt", "word\n")])
        .await
        .session
        .id;
    let appends = (0..16).map(|number| {
        let (here, there, id) = (Arc::clone(&here), there.clone(), id.clone());
        tokio::spawn(async move {
            let name = format!("file-{number:02}.txt");
            // The last word of one file decides which of two writers came later.
            let text = format!("word {number}\n");
            let files = [(name.as_str(), "word\n"), ("last.txt", text.as_str())];
            let sessions = if number % 2 == 0 { &here.sessions } else { &there };
            let upload = upload(sessions, &here.plan, &files).await;
            sessions
                .append(&here.actor, &here.plan, &id, upload)
                .await
                .unwrap();
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    let mut expected: Vec<String> = (0..16).map(|number| format!("file-{number:02}.txt")).collect();
    expected.extend(["base.txt".to_owned(), "last.txt".to_owned()]);
    expected.sort();
    let third = here.another_process();
    let mut answers = Vec::new();
    for sessions in [&here.sessions, &there, &third] {
        let mut paths = paths_in(sessions, &here.actor, &id, "word").await.unwrap();
        paths.sort();
        assert_eq!(paths, expected);
        answers.push(
            sessions
                .read(&here.actor, &id, "last.txt", 1, 1)
                .await
                .unwrap()
                .text,
        );
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(
        answers[0], answers[2],
        "a process that comes later replays the same order"
    );
}

#[tokio::test]
async fn a_memory_session_ends_everywhere_and_its_objects_with_it() {
    let Some((_database, here, there)) = two().await else {
        return;
    };
    let grep = Prefix::parse("grep").unwrap();
    let stopped = here
        .create(Storage::Memory, &[("a.txt", "word\n")])
        .await
        .session
        .id;
    let expired = here
        .create(Storage::Memory, &[("a.txt", "word\n")])
        .await
        .session
        .id;
    for id in [&stopped, &expired] {
        assert_eq!(
            paths_in(&there, &here.actor, id, "word").await.unwrap(),
            ["a.txt"]
        );
    }
    there.stop(&here.actor, &stopped, false).await.unwrap();
    assert!(matches!(here.paths(&stopped, "word").await, Err(Error::NotFound)));
    assert!(matches!(
        here.append(&stopped, &[("b.txt", "word\n")]).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        here.sessions.stop(&here.actor, &stopped, false).await,
        Err(Error::NotFound)
    ));
    here.clock.advance(Duration::from_secs(601));
    assert!(matches!(
        paths_in(&there, &here.actor, &expired, "word").await,
        Err(Error::NotFound)
    ));
    here.sessions.end_expired().await.unwrap();
    assert_eq!(here.blobs.list(&grep, None, 10).await.unwrap().objects, []);
}

#[tokio::test]
async fn a_session_deleted_for_good_by_one_answers_nowhere() {
    let Some((_database, here, there)) = two().await else {
        return;
    };
    let id = here.create(Storage::S3, &[("a.txt", "word\n")]).await.session.id;
    assert_eq!(
        paths_in(&there, &here.actor, &id, "word").await.unwrap(),
        ["a.txt"]
    );
    there.stop(&here.actor, &id, true).await.unwrap();
    assert!(matches!(here.paths(&id, "word").await, Err(Error::NotFound)));
    assert!(matches!(
        here.sessions.restart(&here.actor, &id).await,
        Err(Error::NotFound)
    ));
}
