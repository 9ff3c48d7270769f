//! Several at once: never two winners, never a lost update, never a fault of ours.

use std::sync::Arc;

use pentad_kernel::{Classify as _, ErrorKind};
use pentad_session_sync::handoffs::{NewHandoff, Status};
use pentad_session_sync::{DeleteScope, Error, Push, SessionRef};
use pentad_store::{Db, both_engines};
use tokio::task::JoinSet;

use crate::forge::{World, new_session, session, to};

both_engines! {
    async fn of_devices_that_push_over_the_same_state_one_wins(db: Db) {
        let world = Arc::new(World::new(db));
        let ada = Arc::new(world.person("ada").await);
        let id = new_session();
        let first = world.push(&ada, &id, &session("first", &["hello"])).await.unwrap();
        let mut devices = JoinSet::new();
        for device in 0..6 {
            let (world, ada, id, etag) = (Arc::clone(&world), Arc::clone(&ada), id.clone(), first.etag.clone());
            devices.spawn(async move {
                let archive = session(&format!("device {device}"), &["hello", "again"]);
                world.push_as(&ada, Push { if_match: Some(etag), ..to(&id) }, &archive).await
            });
        }
        let mut won = Vec::new();
        while let Some(outcome) = devices.join_next().await {
            match outcome.unwrap() {
                Ok(pushed) => won.push(pushed.etag),
                Err(Error::EtagMismatch { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(world.sync.session_by_id(&ada, &id).await.unwrap().etag, won[0]);
    }

    async fn of_two_people_who_create_one_identifier_one_owns_it(db: Db) {
        let world = Arc::new(World::new(db));
        let people = [Arc::new(world.person("ada").await), Arc::new(world.person("grace").await)];
        let id = new_session();
        let mut pushes = JoinSet::new();
        for number in 0..6_usize {
            let (world, who, id) = (Arc::clone(&world), Arc::clone(&people[number % 2]), id.clone());
            pushes.spawn(async move {
                let archive = session(&format!("push {number}"), &["hello"]);
                (number % 2, world.push(&who, &id, &archive).await)
            });
        }
        let mut owners = std::collections::BTreeSet::new();
        let mut created = 0;
        while let Some(outcome) = pushes.join_next().await {
            match outcome.unwrap() {
                (who, Ok(pushed)) => {
                    owners.insert(who);
                    created += u32::from(pushed.created);
                }
                (_, Err(Error::SessionClaimed)) => {}
                (_, Err(error)) => panic!("{error:?}"),
            }
        }
        assert_eq!((owners.len(), created), (1, 1));
    }

    async fn a_handoff_that_many_claim_and_its_sender_revokes_ends_once(db: Db) {
        let world = Arc::new(World::new(db));
        let ada = Arc::new(world.person("ada").await);
        let grace = Arc::new(world.person("grace").await);
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        for _ in 0..3 {
            let new = NewHandoff { session_id: id.clone(), recipient_email: Some("Grace@example.com".into()), ..NewHandoff::default() };
            let handoff = world.sync.create_handoff(&ada, new).await.unwrap();
            let mut racers = JoinSet::new();
            for number in 0..6 {
                let (world, ada, grace, handoff) = (Arc::clone(&world), Arc::clone(&ada), Arc::clone(&grace), handoff.id.clone());
                racers.spawn(async move {
                    if number == 3 {
                        world.sync.revoke_handoff(&ada, &handoff, "mistake").await.map(|_| "revoked")
                    } else {
                        world.sync.claim_handoff(&grace, &handoff).await.map(|_| "claimed")
                    }
                });
            }
            let mut ends = Vec::new();
            while let Some(outcome) = racers.join_next().await {
                match outcome.unwrap() {
                    Ok(end) => ends.push(end),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
            assert_eq!(ends.len(), 1, "{ends:?}");
            let detail = world.sync.handoff(&ada, &handoff.id).await.unwrap();
            assert_eq!(detail.handoff.status.name(), ends[0]);
            assert_eq!(detail.handoff.recipient_session_id.is_some(), detail.handoff.status == Status::Claimed);
        }
    }

    async fn an_undeleting_push_and_a_plain_push_end_in_one_live_session(db: Db) {
        let world = Arc::new(World::new(db));
        let ada = Arc::new(world.person("ada").await);
        let id = new_session();
        world.push(&ada, &id, &session("old", &["hello"])).await.unwrap();
        world.sync.delete(&ada.actor, &SessionRef::Id(id.clone()), DeleteScope::Cloud).await.unwrap();
        let mut pushes = JoinSet::new();
        for number in 0..6 {
            let (world, ada, id) = (Arc::clone(&world), Arc::clone(&ada), id.clone());
            pushes.spawn(async move {
                let archive = session(&format!("push {number}"), &["hello"]);
                world.push_as(&ada, Push { undelete: number % 2 == 0, ..to(&id) }, &archive).await
            });
        }
        let mut pushed = Vec::new();
        while let Some(outcome) = pushes.join_next().await {
            match outcome.unwrap() {
                Ok(done) => pushed.push(done.etag),
                Err(Error::SessionDeleted) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let live = world.sync.session_by_id(&ada, &id).await.unwrap();
        assert!(pushed.contains(&live.etag));
    }

    async fn one_person_pushes_only_so_much_at_once(db: Db) {
        let settings = pentad_session_sync::Settings {
            concurrent_pushes: 1,
            push_wait: std::time::Duration::ZERO,
            ..pentad_session_sync::Settings::default()
        };
        let world = World::with(db, settings);
        let ada = world.person("ada").await;
        let grace = world.person("grace").await;
        let archive = session("slow", &["hello"]);
        let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<bytes::Bytes>>(1);
        let body = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        let id = new_session();
        let slow = world.sync.push(&ada, to(&id), body);
        let others = async {
            // Once the first byte is taken, the slow push is under way.
            sender.send(Ok(bytes::Bytes::copy_from_slice(&archive[..1]))).await.unwrap();
            sender.send(Ok(bytes::Bytes::copy_from_slice(&archive[1..2]))).await.unwrap();
            let second = world.push(&ada, &new_session(), &archive).await;
            let elsewhere = world.push(&grace, &new_session(), &archive).await;
            sender.send(Ok(bytes::Bytes::copy_from_slice(&archive[2..]))).await.unwrap();
            drop(sender);
            (second, elsewhere)
        };
        let (slow, (second, elsewhere)) = tokio::join!(slow, others);
        slow.unwrap();
        elsewhere.unwrap();
        let error = second.unwrap_err();
        assert_eq!(error.code(), Some("sync_rate_limit"));
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(5)));
        world.push(&ada, &new_session(), &archive).await.unwrap();
    }
}
