//! Pushing in parts.

use futures_util::{FutureExt as _, stream};
use pentad_kernel::{Classify as _, ErrorKind, secret};
use pentad_session_sync::{Client, NewUpload};
use pentad_store::{Db, both_engines};

use crate::forge::{World, in_chunks, new_session, noise, session, tar_gz};

fn noisy() -> Vec<u8> {
    let noise = noise(7_000_000);
    tar_gz(&[
        ("manifest.json", br#"{"title":"In parts"}"#),
        ("context/noise", &noise),
    ])
}

both_engines! {
    async fn parts_make_up_the_archive_and_the_answer_can_be_had_again(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let archive = noisy();
        let new = NewUpload {
            session_id: new_session(),
            total_size: archive.len() as i64,
            sha256: secret::sha256_hex(&archive),
            part_size: Some(1),
        };
        let begun = world.sync.begin_upload(&ada, &new).await.unwrap();
        assert_eq!((begun.part_size, begun.part_count), (5 << 20, 2));
        let error = world.sync.complete_upload(&ada, &begun.id, None, false, Client::default()).await.unwrap_err();
        assert_eq!(error.code(), Some("missing_parts"));
        let parts: Vec<&[u8]> = archive.chunks(5 << 20).collect();
        for (number, wrong, code) in [(3, parts[0], "invalid_part_number"), (1, parts[1], "part_size_mismatch")] {
            let error = world.sync.put_part(&ada, &begun.id, number, None, in_chunks(wrong, 1 << 16)).await.unwrap_err();
            assert_eq!(error.code(), Some(code));
        }
        let error = world.sync.put_part(&ada, &begun.id, 1, Some("00"), in_chunks(parts[0], 1 << 16)).await.unwrap_err();
        assert_eq!(error.code(), Some("part_hash_mismatch"));
        for (number, part) in (1..).zip(&parts) {
            let hash = secret::sha256_hex(part);
            world.sync.put_part(&ada, &begun.id, number, Some(&hash), in_chunks(part, 1 << 16)).await.unwrap();
        }
        assert_eq!(world.sync.upload_progress(&ada, &begun.id).await.unwrap().received, [1, 2]);
        let pushed = world.sync.complete_upload(&ada, &begun.id, None, false, Client::default()).await.unwrap();
        assert_eq!((pushed.etag.as_str(), pushed.created), (new.sha256.as_str(), true));
        let again = world.sync.complete_upload(&ada, &begun.id, None, false, Client::default()).await.unwrap();
        assert_eq!((again.etag, again.created), (pushed.etag, true));
        let error = world.sync.put_part(&ada, &begun.id, 1, None, in_chunks(parts[0], 1 << 16)).await.unwrap_err();
        assert_eq!(error.code(), Some("upload_not_pending"));
    }

    async fn what_is_not_what_was_announced_is_refused(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let archive = session("other", &["hello"]);
        let new = NewUpload {
            session_id: new_session(),
            total_size: archive.len() as i64,
            sha256: "0".repeat(64),
            part_size: None,
        };
        let begun = world.sync.begin_upload(&ada, &new).await.unwrap();
        world.sync.put_part(&ada, &begun.id, 1, None, in_chunks(&archive, 999)).await.unwrap();
        let error = world.sync.complete_upload(&ada, &begun.id, None, false, Client::default()).await.unwrap_err();
        assert_eq!(error.code(), Some("sha256_mismatch"));
        assert!(world.sync.session_by_id(&ada, &new.session_id).await.is_err());
    }

    async fn only_so_many_parts_are_taken_at_once(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let begin = || NewUpload { session_id: new_session(), total_size: 9, sha256: "0".repeat(64), part_size: None };
        let mine = world.sync.begin_upload(&ada, &begin()).await.unwrap().id;
        let hers = world.sync.begin_upload(&eve, &begin()).await.unwrap().id;
        let send = |who, id| Box::pin(world.sync.put_part(who, id, 1, None, stream::pending()));
        let (mut first, mut second) = (send(&ada, &mine), send(&ada, &mine));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        let refused = send(&ada, &mine).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::RateLimited, Some("upload_busy")));
        assert!(refused.retry_after().is_some());
        assert!(send(&eve, &hers).now_or_never().is_none(), "another user's part is taken");
        drop(first);
        assert!(send(&ada, &mine).now_or_never().is_none(), "who hangs up makes room");
    }

    async fn only_so_many_are_pending_and_an_ended_one_counts_no_more(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let grace = world.person("grace").await;
        let new = NewUpload { session_id: new_session(), total_size: 10, sha256: "0".repeat(64), part_size: None };
        let first = world.sync.begin_upload(&ada, &new).await.unwrap();
        for _ in 0..2 {
            world.sync.begin_upload(&ada, &new).await.unwrap();
        }
        let error = world.sync.begin_upload(&ada, &new).await.unwrap_err();
        assert_eq!(error.code(), Some("too_many_pending_uploads"));
        assert!(world.sync.abort_upload(&grace, &first.id).await.is_err(), "it is another person's");
        world.sync.abort_upload(&ada, &first.id).await.unwrap();
        world.sync.begin_upload(&ada, &new).await.unwrap();
        world.clock.advance(std::time::Duration::from_secs(25 * 3600));
        assert_eq!(world.sync.sweep_uploads().await.unwrap(), 4);
    }
}
