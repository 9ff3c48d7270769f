//! Who gets how far.

use std::time::Duration;

use pentad_identity::{KeyFamily, NewKey, NewServiceKey, PlanName, Role, TeamError};
use pentad_projects::{Error, Level, NewPersona, NewProject, PersonaChange, ProjectDefaults, RulesChange};
use pentad_store::{Db, both_engines};

use crate::House;

both_engines! {
    async fn an_invite_is_answered_once_and_a_new_one_kills_the_old(db: Db) {
        let house = House::new(db);
        let (ada, grace, mallory) = (house.person("ada").await, house.person("grace").await, house.person("mallory").await);
        let identity = &house.identity;
        let team = identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let first = identity.invite(&ada, &team.id, " Grace@Example.com ", "member").await.unwrap();
        assert!(matches!(identity.invite(&ada, &team.id, &grace.email, "member").await, Err(TeamError::InvitePending(_))));
        assert!(matches!(identity.accept_invite(&mallory, &first.id).await, Err(TeamError::NotRecipient)));
        identity.decline_invite(&grace, &first.id, Some("later")).await.unwrap();
        assert!(matches!(identity.accept_invite(&grace, &first.id).await, Err(TeamError::InviteOver(_))));
        house.clock.advance(Duration::from_secs(60));
        let second = identity.invite(&ada, &team.id, &grace.email, "admin").await.unwrap();
        assert_ne!(second.id, first.id);
        assert_eq!(second.created_at, first.created_at);
        assert!(matches!(identity.accept_invite(&grace, &first.id).await, Err(TeamError::InviteNotFound)));
        identity.accept_invite(&grace, &second.id).await.unwrap();
        assert_eq!(identity.role_in(&team.id, &grace.user).await.unwrap(), Some(Role::Admin));
        assert!(matches!(identity.invite(&ada, &team.id, &grace.email, "member").await, Err(TeamError::AlreadyMember(_))));
        let stale = identity.invite(&ada, &team.id, &mallory.email, "member").await.unwrap();
        house.clock.advance(pentad_identity::INVITE_LIFETIME);
        assert!(matches!(identity.accept_invite(&mallory, &stale.id).await, Err(TeamError::InviteOver(_))));
        assert!(identity.my_invites(&mallory).await.unwrap().is_empty());
    }

    async fn nobody_joins_two_teams_at_once(db: Db) {
        let house = House::new(db);
        let grace = house.person("grace").await;
        let mut invited = Vec::new();
        for name in ["ada", "bea", "cleo", "dora"] {
            let founder = house.person(name).await;
            let team = house.identity.found_team(&founder, name, &format!("team-{name}")).await.unwrap();
            invited.push(house.identity.invite(&founder, &team.id, &grace.email, "member").await.unwrap());
        }
        let joining = invited.into_iter().map(|invite| {
            let (identity, grace) = (house.identity.clone(), grace.clone());
            tokio::spawn(async move { identity.accept_invite(&grace, &invite.id).await.map(|_| ()) })
        });
        let founding = (0..4).map(|number| {
            let (identity, grace) = (house.identity.clone(), grace.clone());
            tokio::spawn(async move { identity.found_team(&grace, "Mine", &format!("mine-{number}")).await.map(|_| ()) })
        });
        let mut joined = 0;
        for attempt in joining.chain(founding).collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(()) => joined += 1,
                Err(error) => assert!(matches!(error, TeamError::AlreadyInOrganisation), "{error:?}"),
            }
        }
        assert_eq!((joined, house.identity.teams(&grace.user).await.unwrap().len()), (1, 1));
    }

    async fn a_list_says_of_each_project_what_reading_it_says(db: Db) {
        let house = House::new(db);
        let (ada, grace) = (house.person("ada").await, house.person("grace").await);
        let team = house.identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let invite = house.identity.invite(&ada, &team.id, &grace.email, "member").await.unwrap();
        house.identity.accept_invite(&grace, &invite.id).await.unwrap();
        house.project(&ada, "ada/alone").await;
        let own = house.project(&grace, "grace/own").await;
        house.projects.link_repository(&grace, &own.id, "grace/more", true).await.unwrap();
        house.clock.advance(Duration::from_secs(1));
        let new = NewProject { name: "W".to_owned(), git_remote: "acme/widgets".to_owned(), organisation: Some(team.id.clone()) };
        house.projects.create(&ada, new).await.unwrap();
        let listed = house.projects.list(&grace).await.unwrap();
        assert_eq!(listed.iter().map(|view| view.project.git_remote.as_str()).collect::<Vec<_>>(), ["acme/widgets", "grace/more"]);
        assert_eq!((listed[0].level, listed[0].can_delete), (Level::Edit, false));
        assert_eq!((listed[1].level, listed[1].can_delete), (Level::Admin, true));
        for view in &listed {
            let read = house.projects.view(&grace, &view.project.id).await.unwrap();
            assert_eq!(format!("{view:?}"), format!("{read:?}"));
        }
    }

    async fn seats_are_counted_when_an_invite_is_accepted(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        house.identity.set_plan(&ada.organisation, PlanName::Team).await.unwrap();
        let team = house.identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let mut invited = Vec::new();
        for name in ["b", "c", "d", "e", "f"] {
            let person = house.person(name).await;
            let invite = house.identity.invite(&ada, &team.id, &person.email, "member").await.unwrap();
            invited.push((person, invite));
        }
        let mut refused = 0;
        for (person, invite) in &invited {
            match house.identity.accept_invite(person, &invite.id).await {
                Ok(_) => {}
                Err(TeamError::SeatLimit { used: 5, limit: 5 }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(refused, 1);
    }

    async fn a_removed_members_projects_pass_to_the_remover(db: Db) {
        let house = House::new(db);
        let (ada, grace) = (house.person("ada").await, house.person("grace").await);
        let team = house.identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let invite = house.identity.invite(&ada, &team.id, &grace.email, "member").await.unwrap();
        house.identity.accept_invite(&grace, &invite.id).await.unwrap();
        let new = NewProject { name: "G".to_owned(), git_remote: "acme/g".to_owned(), organisation: Some(team.id.clone()) };
        let project = house.projects.create(&grace, new).await.unwrap();
        house.identity.set_default_organisation(&grace.user, Some(&team.id)).await.unwrap();
        let outsider = house.person("mallory").await;
        for (remover, expected) in [(&outsider, "insufficient_role"), (&grace, "insufficient_role")] {
            let refused = house.projects.remove_member(remover, &team.id, &grace.user).await.unwrap_err();
            assert_eq!(pentad_kernel::Classify::code(&refused), Some(expected));
            assert_eq!(pentad_kernel::Classify::details(&refused).unwrap()["required_role"], "admin");
        }
        assert!(matches!(house.projects.remove_member(&ada, &team.id, &ada.user).await, Err(Error::Team(TeamError::OwnerRemoval))));
        house.identity.set_member_role(&ada, &team.id, &grace.user, "admin").await.unwrap();
        assert!(matches!(house.identity.set_member_role(&grace, &team.id, &ada.user, "member").await, Err(TeamError::OwnerRole)));
        assert!(matches!(house.identity.set_member_role(&ada, &team.id, &grace.user, "owner").await, Err(TeamError::OwnershipIsNoRole)));
        assert!(matches!(house.projects.remove_member(&grace, &team.id, &grace.user).await, Err(Error::Team(TeamError::SelfRemoval))));
        let removed = house.projects.remove_member(&ada, &team.id, &grace.user).await.unwrap();
        assert_eq!(house.identity.profile(&grace.user).await.unwrap().default_organisation, None);
        assert_eq!(removed.projects_transferred, 1);
        assert_eq!(house.projects.project(&project.id).await.unwrap().owner_id, ada.user.as_str());
        assert!(matches!(house.projects.open(&grace, &project.id, Level::Read).await, Err(Error::NoAccess)));
        house.identity.invite(&ada, &team.id, &grace.email, "member").await.unwrap();
    }

    async fn a_closed_account_opens_nothing(db: Db) {
        let house = House::new(db);
        let (ada, grace) = (house.person("ada").await, house.person("grace").await);
        let identity = &house.identity;
        let user = identity.user(&grace.user).await.unwrap();
        let minted = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::User)).await.unwrap();
        assert_eq!(house.projects.possessions(&user.id).await.unwrap().keys, 2);
        identity.vouch_for(&ada, &user).await.unwrap();
        assert!(identity.user(&user.id).await.unwrap().email_verified);
        assert!(identity.authenticate(minted.secret()).await.is_ok());
        identity.deactivate(&ada, &user).await.unwrap();
        assert!(identity.authenticate(minted.secret()).await.is_err());
        assert!(!identity.user(&user.id).await.unwrap().is_active);
        assert_eq!(house.projects.possessions(&user.id).await.unwrap().keys, 0);
    }

    async fn new_projects_begin_with_what_their_organisation_decided(db: Db) {
        let house = House::new(db);
        let (ada, grace) = (house.person("ada").await, house.person("grace").await);
        let team = house.identity.found_team(&ada, "Acme", "acme").await.unwrap().id;
        let projects = &house.projects;
        let defaults = ProjectDefaults { kb_retention_days: Some(90), kb_max_context_words: Some(4000), kb_section_page_limit: None };
        let set = projects.set_team_settings(&ada, &team, Some(true), defaults).await.unwrap();
        assert_eq!((set.require_lease_epoch, set.defaults), (true, defaults));
        let new = NewProject { name: "G".to_owned(), git_remote: "acme/g".to_owned(), organisation: Some(team.clone()) };
        let made = projects.create(&ada, new).await.unwrap();
        assert_eq!((made.kb_retention_days, made.kb_max_context_words, made.kb_section_page_limit), (90, 4000, 30));
        assert_eq!(projects.project(&made.id).await.unwrap(), made);
        assert_eq!(house.project(&ada, "acme/mine").await.kb_retention_days, 180);
        // The defaults are given together; what is said of tickets stays until it is said again.
        let less = ProjectDefaults { kb_section_page_limit: Some(200), ..ProjectDefaults::default() };
        projects.set_team_settings(&ada, &team, None, less).await.unwrap();
        let now = projects.team_settings(&ada, &team).await.unwrap();
        assert_eq!((now.require_lease_epoch, now.defaults), (true, less));
        let much = ProjectDefaults { kb_retention_days: Some(731), ..less };
        assert!(matches!(projects.set_team_settings(&ada, &team, None, much).await, Err(Error::Senseless(_))));
        assert!(projects.team_settings(&grace, &team).await.is_err());
        let invite = house.identity.invite(&ada, &team, &grace.email, "member").await.unwrap();
        house.identity.accept_invite(&grace, &invite.id).await.unwrap();
        assert_eq!(projects.team_settings(&grace, &team).await.unwrap(), now);
        assert!(projects.set_team_settings(&grace, &team, None, less).await.is_err());
    }

    async fn a_service_key_reaches_the_listed_projects_of_its_organisation(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let team = house.identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let in_team = |remote: &str| NewProject { name: "P".to_owned(), git_remote: remote.to_owned(), organisation: Some(team.id.clone()) };
        let listed = house.projects.create(&ada, in_team("acme/a")).await.unwrap().id;
        let other = house.projects.create(&ada, in_team("acme/b")).await.unwrap().id;
        let personal = house.project(&ada, "ada/mine").await.id;
        let key = house.service_key(&ada, &["tickets:read"], Some(vec![listed.clone()])).await;
        assert_eq!(house.projects.open(&key, &listed, Level::Admin).await.unwrap().level, Level::Admin);
        assert!(matches!(house.projects.open(&key, &other, Level::Read).await, Err(Error::NotInAllowList { .. })));
        assert!(matches!(house.projects.open(&key, &personal, Level::Read).await, Err(Error::CrossOrganisation { .. })));
        assert!(matches!(house.projects.open(&key, "proj_0000000000000000", Level::Read).await, Err(Error::ProjectNotFound)));
    }

    async fn rotation_gives_one_successor_of_the_same_length_of_life(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let identity = &house.identity;
        let team = identity.found_team(&ada, "Acme", "acme").await.unwrap();
        let month = Duration::from_secs(30 * 24 * 3600);
        let new = NewServiceKey {
            name: "ci".to_owned(), scopes: vec!["tickets:read".to_owned()], projects: Vec::new(),
            expires_at: Some(house.projects.now().plus(month)), family: pentad_identity::KeyFamily::Service,
        };
        let minted = identity.create_service_key(&ada, &team.id, new).await.unwrap();
        house.clock.advance(Duration::from_secs(3600));
        let next = identity.rotate_service_key(&ada, &team.id, &minted.key.id).await.unwrap();
        assert_eq!(next.key.scopes, minted.key.scopes);
        assert_eq!(next.key.expires_at, Some(house.projects.now().plus(month)));
        assert!(identity.authenticate(minted.secret()).await.is_err());
        assert!(identity.authenticate(next.secret()).await.is_ok());
        assert!(matches!(identity.rotate_service_key(&ada, &team.id, &minted.key.id).await, Err(TeamError::KeyAlreadyRevoked)));
        identity.revoke_service_key(&ada, &team.id, &minted.key.id, None).await.unwrap();
    }

    async fn a_remote_has_one_project_and_is_found_in_every_form(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "git@github.com:Acme/Tickets.git").await;
        assert_eq!(project.git_remote, "acme/tickets");
        for form in ["acme/tickets", "https://github.com/acme/tickets", "ssh://git@github.com/Acme/Tickets.git", &project.id] {
            assert_eq!(house.projects.resolve(form).await.unwrap(), project.id, "{form}");
        }
        let again = NewProject { name: "x".to_owned(), git_remote: "acme/tickets".to_owned(), organisation: None };
        assert!(matches!(house.projects.create(&ada, again).await, Err(Error::Taken(_))));
        house.projects.link_repository(&ada, &project.id, "acme/gadgets", false).await.unwrap();
        assert_eq!(house.projects.resolve("acme/gadgets").await.unwrap(), project.id);
        house.projects.delete(&ada, &project.id).await.unwrap();
        assert!(matches!(house.projects.resolve("acme/gadgets").await, Err(Error::RemoteNotFound)));
    }

    async fn a_plan_without_a_feature_says_what_it_would_take(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        house.identity.set_plan(&ada.organisation, PlanName::Pro).await.unwrap();
        let new = pentad_projects::NewTicket::titled("x");
        match house.projects.create_ticket(&ada, &project, new).await {
            Err(Error::UpgradeRequired { upgrade, project: of }) => {
                assert_eq!((upgrade.feature.name(), upgrade.plan), ("agent_tickets", PlanName::Pro));
                assert_eq!(of.as_deref(), Some(project.as_str()));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn a_personas_name_stays_taken_and_its_version_counts_changes(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let atlas = || NewPersona { name: "Atlas".to_owned(), role: "Backend".to_owned(), ..NewPersona::default() };
        projects.create_persona(&ada, &project, atlas()).await.unwrap();
        let same = PersonaChange { role: Some("Backend".to_owned()), ..PersonaChange::default() };
        assert_eq!(projects.change_persona(&ada, &project, "ATLAS", same).await.unwrap().version, 1);
        let other = PersonaChange { role: Some("Lead".to_owned()), ..PersonaChange::default() };
        assert_eq!(projects.change_persona(&ada, &project, "atlas", other).await.unwrap().version, 2);
        projects.delete_persona(&ada, &project, "atlas", false).await.unwrap();
        assert!(matches!(projects.persona(&ada, &project, "atlas").await, Err(Error::NotFound { .. })));
        assert!(matches!(projects.create_persona(&ada, &project, atlas()).await, Err(Error::Taken(_))));
    }

    async fn rules_are_changed_under_their_etag_and_compile_to_versions(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let etag = projects.rules(&ada, &project).await.unwrap().etag();
        let change = RulesChange { static_rules: Some("Write tests first.".to_owned()), enabled_tools: Some(vec!["codex".to_owned()]), ..RulesChange::default() };
        let changed = projects.change_rules(&ada, &project, Some(&etag), change.clone()).await.unwrap();
        assert_ne!(changed.etag(), etag);
        assert!(matches!(projects.change_rules(&ada, &project, Some(&etag), change).await, Err(Error::EtagMismatch { .. })));
        let first = projects.compile_rules(&ada, &project, None).await.unwrap();
        assert!(first.created_new_version && first.outputs[0].content.contains("Write tests first."));
        let second = projects.compile_rules(&ada, &project, None).await.unwrap();
        assert_eq!((second.version, second.created_new_version), (1, false));
        assert_eq!(second.outputs, first.outputs);
        // Trying another tool leaves no version behind.
        let tried = projects.compile_rules(&ada, &project, Some(vec!["cursor".to_owned()])).await.unwrap();
        assert_eq!((tried.outputs.len(), tried.created_new_version), (1, false));
    }

    async fn a_project_goes_by_the_oldest_repository_left_and_keeps_one(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let primary = projects.list_repositories(&ada, &project).await.unwrap().remove(0);
        let refused = projects.unlink_repository(&ada, &project, &primary.id).await.unwrap_err();
        assert!(matches!(refused, Error::LastRepository), "{refused:?}");
        house.clock.advance(Duration::from_secs(1));
        let second = projects.link_repository(&ada, &project, "https://github.com/acme/gadgets.git", false).await.unwrap();
        assert!(matches!(projects.link_repository(&ada, &project, "acme/gadgets", false).await, Err(Error::RepositoryLinked { .. })));
        assert!(matches!(projects.link_repository(&ada, &project, "", false).await, Err(Error::Senseless(_))));
        house.clock.advance(Duration::from_secs(1));
        let third = projects.link_repository(&ada, &project, "acme/tools", true).await.unwrap();
        projects.unlink_repository(&ada, &project, &third.id).await.unwrap();
        let view = projects.view(&ada, &project).await.unwrap();
        assert_eq!((view.project.git_remote.as_str(), view.repositories.len()), ("acme/widgets", 2));
        projects.unlink_repository(&ada, &project, &primary.id).await.unwrap();
        let view = projects.view(&ada, &project).await.unwrap();
        assert_eq!((view.project.git_remote.as_str(), view.repositories[0].id.as_str()), ("acme/gadgets", second.id.as_str()));
        assert!(view.repositories[0].is_primary);
    }
}
