//! Handoffs, from one person to another.

use pentad_identity::{KeyFamily, NewKey, PlanName};
use pentad_kernel::{Classify as _, ScopeSet};
use pentad_session_sync::handoffs::{NewHandoff, Status};
use pentad_session_sync::{DeleteScope, Error, Push, SessionRef};
use pentad_store::{Db, both_engines};

use crate::forge::{World, new_session, session, to};

fn by_email(session: &str, email: &str) -> NewHandoff {
    NewHandoff {
        session_id: session.to_owned(),
        recipient_email: Some(email.to_owned()),
        message: Some("please finish".to_owned()),
        ..NewHandoff::default()
    }
}

both_engines! {
    async fn a_claim_gives_the_recipient_a_copy_of_the_same_bytes(db: Db) {
        let world = World::new(db);
        let (ada, grace, eve) = (world.person("ada").await, world.person("grace").await, world.person("eve").await);
        let id = new_session();
        let pushed = world.push(&ada, &id, &session("work", &["find the quokka"])).await.unwrap();
        let handoff = world.sync.create_handoff(&ada, by_email(&id, " Grace@Example.com ")).await.unwrap();
        assert_eq!(handoff.recipient_email.as_deref(), Some("grace@example.com"));
        assert!(matches!(world.sync.handoff(&eve, &handoff.id).await, Err(Error::HandoffNotFound)));
        assert!(matches!(world.sync.claim_handoff(&eve, &handoff.id).await, Err(Error::HandoffNotFound)));
        assert!(matches!(world.sync.claim_handoff(&ada, &handoff.id).await, Err(Error::HandoffNotFound)));
        assert_eq!(world.sync.handoff_inbox(&grace, true).await.unwrap().len(), 1);

        let claimed = world.sync.claim_handoff(&grace, &handoff.id).await.unwrap().handoff;
        let copy = claimed.recipient_session_id.unwrap();
        let copy = world.sync.session(&grace.actor, &SessionRef::Id(copy)).await.unwrap();
        assert_eq!((copy.etag, copy.parent_session_id), (pushed.etag, Some(id.clone())));
        assert!(matches!(
            world.sync.claim_handoff(&grace, &handoff.id).await,
            Err(Error::HandoffNotPending(Status::Claimed))
        ));
        let events = world.sync.handoff_events(&ada, &handoff.id).await.unwrap();
        let events: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(events, ["created", "claimed"]);
        // The sender goes on; the copy stays as it was.
        world.push(&ada, &id, &session("later", &["else"])).await.unwrap();
        assert!(world.sync.summary(&grace, &copy.id).await.is_ok());
    }

    async fn its_end_is_final_whoever_ends_it(db: Db) {
        let world = World::new(db);
        let (ada, grace) = (world.person("ada").await, world.person("grace").await);
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        let offer = || async { world.sync.create_handoff(&ada, by_email(&id, "grace@example.com")).await.unwrap().id };

        let revoked = offer().await;
        assert!(matches!(world.sync.revoke_handoff(&grace, &revoked, "x").await, Err(Error::HandoffNotFound)));
        world.sync.revoke_handoff(&ada, &revoked, "mistake").await.unwrap();
        let declined = offer().await;
        let ended = world.sync.decline_handoff(&grace, &declined, Some("busy")).await.unwrap();
        assert_eq!((ended.revoked_at, ended.revoked_by_user_id, ended.revoke_reason), (None, None, None));
        let events = world.sync.handoff_events(&ada, &declined).await.unwrap();
        assert_eq!(events.last().unwrap().payload["reason"], "busy", "only its event says why");
        let expired = offer().await;
        world.clock.advance(std::time::Duration::from_secs(169 * 3600));
        assert!(matches!(world.sync.claim_handoff(&grace, &expired).await, Err(Error::HandoffExpired)));
        assert!(matches!(world.sync.handoff(&ada, &expired).await, Err(Error::HandoffExpired)));
        let outdated = offer().await;
        world.sync.delete(&ada.actor, &SessionRef::Id(id.clone()), DeleteScope::Cloud).await.unwrap();
        world.push_as(&ada, Push { undelete: true, ..to(&id) }, &session("anew", &["hello"])).await.unwrap();
        let events = world.sync.handoff_events(&ada, &outdated).await.unwrap();
        assert_eq!(events.last().unwrap().event_type, "expired", "what came back from the trash is not what was offered");
        for ended in [&revoked, &declined, &expired, &outdated] {
            assert!(world.sync.claim_handoff(&grace, ended).await.is_err());
            assert!(world.sync.revoke_handoff(&ada, ended, "again").await.is_err());
            assert!(world.sync.decline_handoff(&grace, ended, None).await.is_err());
        }
        let statuses: Vec<Status> = world.sync.handoffs_sent(&ada).await.unwrap().iter().map(|handoff| handoff.status).collect();
        assert!(statuses.contains(&Status::Revoked) && statuses.contains(&Status::Declined) && statuses.contains(&Status::Expired));
    }

    async fn the_first_look_is_noted_and_strangers_are_told_little(db: Db) {
        let world = World::new(db);
        let (ada, grace) = (world.person("ada").await, world.person("grace").await);
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        let handoff = world.sync.create_handoff(&ada, by_email(&id, "grace@example.com")).await.unwrap();
        assert!(world.sync.handoff(&ada, &handoff.id).await.unwrap().handoff.viewed_at.is_none());
        assert!(world.sync.handoff(&grace, &handoff.id).await.unwrap().handoff.viewed_at.is_some());
        world.sync.handoff(&grace, &handoff.id).await.unwrap();
        let events = world.sync.handoff_events(&grace, &handoff.id).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.event_type == "viewed").count(), 1);
        let party = world.sync.handoff_summary(Some(&grace), &handoff.id).await.unwrap();
        assert!(!party.facts.last_assistant_messages.is_empty());
        let stranger = world.sync.handoff_summary(None, &handoff.id).await.unwrap();
        assert!(stranger.facts.last_assistant_messages.is_empty());
        world.sync.comment_handoff(&grace, &handoff.id, "on it").await.unwrap();
        assert_eq!(world.sync.handoff_comments(&ada, &handoff.id, 200).await.unwrap()[0].content, "on it");
    }

    async fn exactly_one_recipient_and_only_of_ones_own_sessions(db: Db) {
        let world = World::new(db);
        let (ada, grace) = (world.person("ada").await, world.person("grace").await);
        let poor = world.person_on("poor", PlanName::Starter).await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        let none = NewHandoff { session_id: id.clone(), ..NewHandoff::default() };
        let two = NewHandoff { recipient_user_id: Some(grace.actor.user.to_string()), ..by_email(&id, "grace@example.com") };
        for wrong in [none, two] {
            assert!(matches!(world.sync.create_handoff(&ada, wrong).await, Err(Error::Field { .. })));
        }
        let error = world.sync.create_handoff(&grace, by_email(&id, "ada@example.com")).await.unwrap_err();
        assert!(matches!(error, Error::SessionNotFound), "{error}");
        let error = world.sync.create_handoff(&poor, by_email(&id, "ada@example.com")).await.unwrap_err();
        assert_eq!(error.code(), Some("upgrade_required"));
        let blank = NewHandoff { recipient_user_id: Some("  ".into()), ..by_email(&id, "grace@example.com") };
        world.sync.create_handoff(&ada, blank).await.expect("what is blank is not given");
        let by_user = NewHandoff {
            recipient_email: None,
            recipient_user_id: Some(grace.actor.user.to_string()),
            ..by_email(&id, "")
        };
        let offered = world.sync.create_handoff(&ada, by_user).await.unwrap();
        assert_eq!(offered.recipient_email, None, "an identifier does not tell the address");
        assert!(world.sync.handoff_inbox(&grace, true).await.unwrap().iter().any(|seen| seen.id == offered.id));
        let nobody = NewHandoff { recipient_email: None, recipient_user_id: Some("nobody".into()), ..by_email(&id, "") };
        assert!(matches!(world.sync.create_handoff(&ada, nobody).await, Err(Error::RecipientNotFound("User"))));
    }

    async fn a_service_key_hands_over_nothing_outside_a_project(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let id = new_session();
        world.push(&ada, &id, &session("work", &["hello"])).await.unwrap();
        let new = NewKey::of(KeyFamily::Service).with_scopes(ScopeSet::parse(["handoffs:write"]).unwrap());
        let minted = world.identity.mint_key(&ada.actor.organisation, &ada.actor.user, new).await.unwrap();
        let key = world.identity.authenticate(minted.secret()).await.unwrap();
        let error = world.sync.create_handoff(&key, by_email(&id, "grace@example.com")).await.unwrap_err();
        assert_eq!(error.code(), Some("service_key_project_not_registered"));
    }
}
