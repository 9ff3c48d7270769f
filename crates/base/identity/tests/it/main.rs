//! Accounts on both engines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use pentad_identity::{
    Error, Feature, Identity, KeyFamily, Meter, NewKey, PlanName, PlanTable, Refusal, Role, SESSION_LIFETIME,
    UserQuery,
};
use pentad_kernel::{ActorKind, Clock as _, ManualClock, Scope, Timestamp};
use pentad_store::{Db, both_engines};

fn accounts(db: Db) -> (Identity, ManualClock) {
    let clock = ManualClock::at(Timestamp::parse("2026-05-07T12:00:00Z").unwrap());
    (
        Identity::new(db, Arc::new(clock.clone()), PlanTable::default()),
        clock,
    )
}

both_engines! {
    async fn a_first_start_makes_an_administrator_once(db: Db) {
        let (identity, _) = accounts(db);
        let made = identity.bootstrap("admin@localhost", None).await.unwrap().unwrap();
        assert!(made.admin.is_admin);
        let caller = identity.authenticate(made.key.secret()).await.unwrap();
        assert!(caller.actor.scopes.is_all());
        assert!(caller.actor.is_admin);
        let password = made.generated_password.unwrap();
        assert!(identity.user_by_password("ADMIN@localhost", &password).await.unwrap().is_some());
        assert!(identity.user_by_password("admin@localhost", &"another one".into()).await.unwrap().is_none());
        assert!(identity.user_by_password("admin\0@localhost", &password).await.unwrap().is_none());
        assert!(identity.bootstrap("admin@localhost", None).await.unwrap().is_none());
    }

    async fn an_address_belongs_to_one_user(db: Db) {
        let (identity, _) = accounts(db);
        identity.create_user("ada@example.com", None, false).await.unwrap();
        let error = identity.create_user(" Ada@Example.com", None, false).await.unwrap_err();
        assert!(matches!(error, Error::EmailTaken), "{error:?}");
        let error = identity.create_user("nobody", None, false).await.unwrap_err();
        assert!(matches!(error, Error::InvalidEmail(_)), "{error:?}");
    }

    async fn signing_up_makes_all_of_an_account_or_nothing(db: Db) {
        let (identity, _) = accounts(db);
        let made = identity.sign_up(" Ada@Example.com", true).await.unwrap();
        assert_eq!((made.user.email.as_str(), made.user.email_verified), ("ada@example.com", false));
        let caller = identity.authenticate(made.key.secret()).await.unwrap();
        assert!(!caller.email_verified, "nothing is proven yet");
        identity.verify_email(&made.verification.unwrap()).await.unwrap();
        assert!(identity.authenticate(made.key.secret()).await.unwrap().email_verified);

        assert!(matches!(identity.sign_up("ada@example.com", false).await, Err(Error::EmailTaken)));
        assert_eq!(identity.user_keys(&made.user.id).await.unwrap().len(), 1, "no key of an account that was refused");
        let bob = identity.sign_up("bob@example.com", false).await.unwrap();
        assert!(bob.verification.is_none() && bob.user.email_verified);
    }

    async fn administrators_find_users_by_a_part_of_the_address_and_by_their_own_plan(db: Db) {
        let (identity, clock) = accounts(db);
        identity.create_user("root@example.com", None, true).await.unwrap();
        for name in ["ada", "ad_a", "grace"] {
            clock.advance(Duration::from_secs(1));
            let user = identity.create_user(&format!("{name}@example.com"), None, false).await.unwrap();
            identity.set_plan(&user.home_organisation, if name == "ada" { PlanName::Pro } else { PlanName::Free }).await.unwrap();
        }
        let identity = &identity;
        let find = async |search: Option<&str>, tier: Option<&str>, offset| {
            let query = UserQuery { search: search.map(str::to_owned), tier: tier.map(str::to_owned), offset, limit: 2 };
            let page = identity.users(&query).await.unwrap();
            let names: Vec<String> = page.users.iter().map(|(user, _)| user.email.replace("@example.com", "")).collect();
            (page.total, names.join(" "))
        };
        assert_eq!(find(None, None, 0).await, (4, "grace ad_a".to_owned()), "the newest first");
        assert_eq!(find(None, None, 2).await, (4, "ada root".to_owned()));
        assert_eq!(find(Some(" AD_A@"), None, 0).await, (1, "ad_a".to_owned()), "in any case, and nothing stands for another letter");
        assert_eq!(find(Some(""), Some("pro"), 0).await, (1, "ada".to_owned()));
        assert_eq!(find(None, Some("admin"), 0).await, (1, "root".to_owned()));
        assert_eq!(find(Some("%"), Some("gold"), 0).await, (0, String::new()));
    }

    async fn a_key_opens_what_its_scopes_say_and_no_more(db: Db) {
        let (identity, _) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        for family in KeyFamily::ALL {
            let minted = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(family)).await.unwrap();
            let caller = identity.authenticate(minted.secret()).await.unwrap();
            assert_eq!(caller.family, Some(family));
            assert_eq!(caller.actor.kind == ActorKind::UserKey, family == KeyFamily::User);
            for &scope in Scope::ALL {
                assert_eq!(caller.actor.allows(scope), family.default_scopes().allows(scope), "{family:?} {scope}");
            }
            assert!(minted.secret().starts_with(&minted.key.prefix));
            assert!(!format!("{minted:?}").contains(minted.secret()), "a secret is not printed by accident");
        }
    }

    async fn a_key_that_was_revoked_deleted_or_has_ended_opens_nothing(db: Db) {
        let (identity, clock) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let mint = async |expires_at| {
            let new = NewKey { expires_at, ..NewKey::of(KeyFamily::User) };
            identity.mint_key(&user.home_organisation, &user.id, new).await.unwrap()
        };
        let (revoked, deleted) = (mint(None).await, mint(None).await);
        let ending = mint(Some(clock.now().plus(Duration::from_secs(60)))).await;
        for minted in [&revoked, &deleted, &ending] {
            identity.authenticate(minted.secret()).await.unwrap();
        }
        assert!(identity.revoke_key(&revoked.key.id, "lost").await.unwrap());
        assert!(!identity.revoke_key(&revoked.key.id, "again").await.unwrap());
        identity.delete_key(&deleted.key.id).await.unwrap();
        clock.advance(Duration::from_secs(60));
        assert!(matches!(identity.authenticate(revoked.secret()).await, Err(Refusal::Revoked)));
        assert!(matches!(identity.authenticate(deleted.secret()).await, Err(Refusal::Unknown)));
        assert!(matches!(identity.authenticate(ending.secret()).await, Err(Refusal::Expired)));
        assert!(matches!(identity.authenticate("sk_sfs_nobody").await, Err(Refusal::Unknown)));
        let listed = identity.user_keys(&user.id).await.unwrap();
        assert_eq!(listed.iter().find(|key| key.id == revoked.key.id).unwrap().revoke_reason.as_deref(), Some("lost"));
    }

    async fn a_revocation_by_another_process_is_followed(db: Db) {
        let (here, _) = accounts(db.clone());
        let (there, _) = accounts(db);
        let user = here.create_user("ada@example.com", None, false).await.unwrap();
        let minted = here.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Grep)).await.unwrap();
        there.follow_changes().await.unwrap();
        there.authenticate(minted.secret()).await.unwrap();
        here.revoke_key(&minted.key.id, "lost").await.unwrap();
        there.follow_changes().await.unwrap();
        assert!(matches!(there.authenticate(minted.secret()).await, Err(Refusal::Revoked)));
    }

    async fn a_plan_bounds_every_key_of_its_organisation(db: Db) {
        let (identity, _) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let minted = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Grep)).await.unwrap();
        assert_eq!(identity.authenticate(minted.secret()).await.unwrap().plan_name, PlanName::Unlimited);
        identity.set_plan(&user.home_organisation, PlanName::Free).await.unwrap();
        let caller = identity.authenticate(minted.secret()).await.unwrap();
        assert_eq!(caller.plan.requests_per_second, Some(10));
        assert!(caller.plan_name < Feature::CloudSync.from_plan());
    }

    async fn the_last_use_of_a_key_is_written_when_flushed(db: Db) {
        let (identity, clock) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let minted = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::User)).await.unwrap();
        identity.note_use(&minted.key.id, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(identity.key(&minted.key.id).await.unwrap().last_used_at, None);
        identity.flush_last_used().await.unwrap();
        let key = identity.key(&minted.key.id).await.unwrap();
        assert_eq!(key.last_used_at, Some(clock.now()));
        assert_eq!(key.last_used_address.as_deref(), Some("192.0.2.7"));
    }

    async fn a_browser_session_ends_by_time_or_by_logout(db: Db) {
        let (identity, clock) = accounts(db);
        let user = identity.create_user("ada@example.com", Some(&"correct horse".into()), false).await.unwrap();
        let left = identity.start_web_session(&user.id).await.unwrap();
        let kept = identity.start_web_session(&user.id).await.unwrap();
        identity.end_web_session(left.token()).await.unwrap();
        assert_eq!(identity.web_session_user(left.token()).await.unwrap(), None);
        // A session in use goes on; one left alone ends.
        for _ in 0..3 {
            clock.advance(SESSION_LIFETIME * 3 / 4);
            assert!(identity.web_session_user(kept.token()).await.unwrap().is_some());
        }
        clock.advance(SESSION_LIFETIME);
        assert_eq!(identity.web_session_user(kept.token()).await.unwrap(), None);
        assert_eq!(identity.sweep_web_sessions().await.unwrap(), 1);
    }

    async fn meters_count_by_calendar_month(db: Db) {
        let (identity, clock) = accounts(db.clone());
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let organisation = user.home_organisation;
        for amount in [2, 3] {
            let mut tx = db.begin().await.unwrap();
            identity.count(&mut tx, &organisation, Meter::MemoryWrites, amount).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(identity.counted(&organisation, Meter::MemoryWrites).await.unwrap(), 5);
        clock.advance(Duration::from_secs(31 * 24 * 3600));
        assert_eq!(identity.counted(&organisation, Meter::MemoryWrites).await.unwrap(), 0);
    }

    async fn what_is_done_to_accounts_is_written_down(db: Db) {
        let (identity, _) = accounts(db.clone());
        let made = identity.bootstrap("admin@localhost", Some("correct horse".into())).await.unwrap().unwrap();
        let caller = identity.authenticate(made.key.secret()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        identity.audit(&mut tx, &caller.actor, "key.revoke", "k1", &serde_json::json!({"why": "lost"})).await.unwrap();
        tx.commit().await.unwrap();
        let log = identity.recent_audit(&caller.actor.organisation, 10).await.unwrap();
        assert_eq!((log[0].action.as_str(), log[0].subject.as_str()), ("key.revoke", "k1"));
        assert_eq!(log[0].details["why"], "lost");
    }

    async fn members_have_a_role_in_the_organisations_they_joined(db: Db) {
        let (identity, _) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let acme = identity.create_organisation("acme", "Acme").await.unwrap();
        identity.add_member(&acme.id, &user.id, Role::Admin).await.unwrap();
        let memberships = identity.memberships(&user.id).await.unwrap();
        assert_eq!(memberships[0].organisation, acme);
        assert_eq!(memberships[0].role, Role::Admin);
        assert!(memberships[1].organisation.personal);
        assert!(matches!(identity.create_organisation("acme", "Acme").await, Err(Error::SlugTaken(_))));
        assert!(matches!(identity.create_organisation("-acme", "Acme").await, Err(Error::InvalidSlug(_))));
    }
}

both_engines! {
    async fn a_token_proves_the_address_it_was_sent_to_and_nothing_else(db: Db) {
        let (identity, clock) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let token = identity.require_verification(&user).await.unwrap();
        assert!(!identity.user(&user.id).await.unwrap().email_verified);
        assert!(matches!(identity.verify_email("other").await, Err(Error::InvalidVerification)));
        assert!(identity.verify_email(&token).await.unwrap().email_verified);
        assert!(identity.user(&user.id).await.unwrap().email_verified);
        clock.advance(std::time::Duration::from_secs(25 * 3600));
        assert!(matches!(identity.verify_email(&token).await, Err(Error::InvalidVerification)));
    }

    async fn only_an_organisation_of_the_users_can_be_the_default(db: Db) {
        let (identity, _) = accounts(db);
        let user = identity.create_user("ada@example.com", None, false).await.unwrap();
        let other = identity.create_organisation("other", "Other").await.unwrap();
        assert!(matches!(
            identity.set_default_organisation(&user.id, Some(&other.id)).await,
            Err(Error::NotAMember(_))
        ));
        identity.set_default_organisation(&user.id, Some(&user.home_organisation)).await.unwrap();
        let profile = identity.profile(&user.id).await.unwrap();
        assert_eq!(profile.default_organisation, Some(user.home_organisation));
    }
}
