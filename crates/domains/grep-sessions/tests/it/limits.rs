//! What a plan and the machine allow.

use std::io::Write as _;
use std::time::Duration;

use pentad_grep_sessions::{Created, Error, NewSession, Settings, SkipReason, Storage, UploadError};
use pentad_identity::Plan;
use pentad_kernel::{Classify as _, ErrorKind};
use pentad_store::testing::TestDb;

use crate::{Fixture, settings, upload};

async fn fixture() -> (TestDb, Fixture) {
    let database = TestDb::sqlite().await;
    let fixture = Fixture::new(database.db()).await;
    (database, fixture)
}

#[tokio::test]
async fn a_session_holds_no_more_text_than_the_plan_says() {
    let (_database, fixture) = fixture().await;
    let plan = Plan {
        grep_session_bytes: Some(10),
        ..Plan::default()
    };
    let mut file = fixture.sessions.upload(&plan).file("a.txt").unwrap();
    let refused = file.write(b"12345678901").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(
        refused.to_string().contains("grep_session_bytes"),
        "the limit is named: {refused}"
    );

    let whole = upload(
        &fixture.sessions,
        &plan,
        &[("a.txt", "12345"), ("b.txt", "67890")],
    )
    .await;
    let created = fixture
        .sessions
        .create(&fixture.actor, &plan, whole, NewSession::default())
        .await
        .unwrap()
        .session;
    let more = upload(&fixture.sessions, &plan, &[("c.txt", "1")]).await;
    let refused = fixture
        .sessions
        .append(&fixture.actor, &plan, &created.id, more)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Error::Upload(UploadError::TooLarge { limit: 10 })),
        "{refused}"
    );
    let replacement = upload(&fixture.sessions, &plan, &[("a.txt", "54321")]).await;
    fixture
        .sessions
        .append(&fixture.actor, &plan, &created.id, replacement)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_upload_takes_memory_as_it_arrives() {
    let database = TestDb::sqlite().await;
    let little = Settings {
        memory_bytes: 8 << 20,
        ..settings()
    };
    let blobs = pentad_blob::Blobs::open("memory:").unwrap();
    let fixture = Fixture::with(database.db(), blobs, little).await;
    let upload = fixture.sessions.upload(&fixture.plan);
    let mut file = upload.file("a.txt").unwrap();
    let line = "x".repeat((1 << 20) - 1) + "\n";
    let mut written = 0;
    let refused = loop {
        match file.write(line.as_bytes()).await {
            Ok(()) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, UploadError::NoMemory), "{refused}");
    assert_eq!(written, 8, "megabytes of memory");
    drop((upload, file));

    // 80 MiB, more than a session may hold, in some kilobytes.
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file("b.txt", zip::write::SimpleFileOptions::default())
        .unwrap();
    for _ in 0..80 {
        archive.write_all(line.as_bytes()).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    let mut upload = fixture.sessions.upload(&fixture.plan);
    let mut file = upload.file("b.zip").unwrap();
    file.write(&archive).await.unwrap();
    let refused = upload.add(file).await.unwrap_err();
    assert!(
        matches!(refused, UploadError::NoMemory),
        "it ends where the memory does, before the session's limit: {refused}"
    );
}

fn two_live_sessions() -> Plan {
    Plan {
        grep_live_sessions: Some(2),
        ..Plan::default()
    }
}

async fn create_small(fixture: &Fixture, plan: &Plan) -> Result<Created, Error> {
    let upload = upload(&fixture.sessions, plan, &[("a.txt", "a")]).await;
    let new = NewSession::default();
    fixture.sessions.create(&fixture.actor, plan, upload, new).await
}

#[tokio::test]
async fn callers_who_race_open_as_many_sessions_as_the_plan_says() {
    let (_database, fixture) = fixture().await;
    let plan = two_live_sessions();
    let create = || create_small(&fixture, &plan);
    let outcomes = futures_util::future::join_all((0..8).map(|_| create())).await;
    let opened = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(opened, 2);
    let page = fixture.sessions.list(&fixture.actor, None, 10).await.unwrap();
    assert_eq!(page.0.len(), opened);
}

#[tokio::test]
async fn an_organisation_has_as_many_live_sessions_as_its_plan_says() {
    let (_database, fixture) = fixture().await;
    let plan = two_live_sessions();
    let create = || create_small(&fixture, &plan);
    let first = create().await.unwrap().session.id;
    create().await.unwrap();
    assert!(matches!(create().await, Err(Error::LiveSessions(2))));
    fixture
        .sessions
        .stop(&fixture.actor, &first, false)
        .await
        .unwrap();
    create().await.unwrap();
    assert!(matches!(create().await, Err(Error::LiveSessions(2))));
    fixture.clock.advance(Duration::from_secs(601));
    create().await.unwrap();
}

#[tokio::test]
async fn stored_bytes_are_bounded_and_a_refusal_leaves_nothing() {
    let (_database, fixture) = fixture().await;
    let plan = Plan {
        grep_stored_bytes: Some(10),
        ..Plan::default()
    };
    let upload = upload(
        &fixture.sessions,
        &plan,
        &[("a.txt", "some text that takes more than ten bytes")],
    )
    .await;
    let new = NewSession {
        storage: Storage::S3,
        ttl: None,
    };
    let refused = fixture
        .sessions
        .create(&fixture.actor, &plan, upload, new)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    let namespace = pentad_blob::Prefix::parse("grep").unwrap();
    assert!(
        fixture
            .blobs
            .list(&namespace, None, 10)
            .await
            .unwrap()
            .objects
            .is_empty()
    );
    assert!(
        fixture
            .sessions
            .list(&fixture.actor, None, 10)
            .await
            .unwrap()
            .0
            .is_empty()
    );
}

#[tokio::test]
async fn a_life_longer_than_the_plans_is_refused_and_means_nothing_for_s3() {
    let (_database, fixture) = fixture().await;
    let plan = Plan {
        grep_ttl_minutes: Some(60),
        ..Plan::default()
    };
    let create = async |storage, minutes: u64| {
        let upload = upload(&fixture.sessions, &plan, &[("a.txt", "a")]).await;
        let new = NewSession {
            storage,
            ttl: Some(Duration::from_secs(minutes * 60)),
        };
        fixture.sessions.create(&fixture.actor, &plan, upload, new).await
    };
    assert!(matches!(
        create(Storage::Memory, 61).await,
        Err(Error::TimeToLive(60))
    ));
    assert!(
        create(Storage::Memory, 60)
            .await
            .unwrap()
            .session
            .expires_at
            .is_some()
    );
    assert_eq!(create(Storage::S3, 61).await.unwrap().session.expires_at, None);
}

#[tokio::test]
async fn an_upload_without_text_is_refused_and_binary_files_are_named() {
    let (_database, fixture) = fixture().await;
    let mixed = upload(
        &fixture.sessions,
        &fixture.plan,
        &[("a.bin", "\0"), ("b.txt", "text")],
    )
    .await;
    let created = fixture
        .sessions
        .create(&fixture.actor, &fixture.plan, mixed, NewSession::default())
        .await
        .unwrap();
    assert_eq!(created.session.file_count, 1);
    assert_eq!(
        (created.skipped[0].path.as_str(), created.skipped[0].reason),
        ("a.bin", SkipReason::Binary)
    );
    for files in [&[("a.bin", "\0")][..], &[]] {
        let upload = upload(&fixture.sessions, &fixture.plan, files).await;
        let refused = fixture
            .sessions
            .create(&fixture.actor, &fixture.plan, upload, NewSession::default())
            .await;
        assert!(matches!(refused, Err(Error::Upload(UploadError::Empty))));
    }
}

#[tokio::test]
async fn memory_that_is_short_unloads_s3_sessions_and_never_memory_sessions() {
    let database = TestDb::sqlite().await;
    let blobs = pentad_blob::Blobs::open("memory:").unwrap();
    let settings = Settings {
        memory_bytes: 8 << 20,
        idle_after: Duration::ZERO,
        ..settings()
    };
    let fixture = Fixture::with(database.db(), blobs, settings).await;
    let text = text_that_hardly_compresses(600_000);
    let memory = fixture
        .create(Storage::Memory, &[("memory.txt", &format!("{text} needle"))])
        .await
        .session
        .id;
    let mut stored = Vec::new();
    for number in 0..8 {
        let content = format!("{text} needle {number}");
        stored.push(
            fixture
                .create(Storage::S3, &[("s3.txt", &content)])
                .await
                .session
                .id,
        );
    }
    assert_eq!(fixture.paths(&memory, "needle").await.unwrap(), ["memory.txt"]);
    for id in &stored {
        assert_eq!(fixture.paths(id, "needle").await.unwrap(), ["s3.txt"]);
    }
    let mut refused = None;
    for _ in 0..40 {
        match fixture.try_create(Storage::Memory, &[("more.txt", &text)]).await {
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.expect("memory has an end");
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert_eq!(
        fixture.paths(&memory, "needle").await.unwrap(),
        ["memory.txt"],
        "it has no other copy"
    );
}

fn text_that_hardly_compresses(bytes: usize) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let letters = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from((state >> 33) % 90).unwrap())
    });
    letters.take(bytes).collect()
}
