//! Projects on both engines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod knowledge;
mod team;
mod tickets;

use std::sync::Arc;

use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
use pentad_kernel::{Actor, ManualClock, ScopeSet, Timestamp};
use pentad_projects::{NewProject, NoSessions, Project, Projects};
use pentad_store::Db;

/// Projects in an empty database, at a time that stands still.
struct House {
    projects: Projects,
    identity: Identity,
    clock: ManualClock,
}

impl House {
    fn new(db: Db) -> Self {
        let clock = ManualClock::at(Timestamp::parse("2026-05-07T12:00:00Z").unwrap());
        let identity = Identity::new(db.clone(), Arc::new(clock.clone()), PlanTable::default());
        let projects = Projects::new(
            db,
            identity.clone(),
            Arc::new(clock.clone()),
            Arc::new(NoSessions),
        );
        Self {
            projects,
            identity,
            clock,
        }
    }

    /// Somebody with an account.
    async fn person(&self, name: &str) -> Actor {
        let email = format!("{name}@example.com");
        let user = self.identity.create_user(&email, None, false).await.unwrap();
        let minted = self
            .identity
            .mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::User))
            .await;
        let secret = minted.unwrap().secret().to_owned();
        self.identity.authenticate(&secret).await.unwrap().actor.clone()
    }

    /// A service key of the founder's team.
    async fn service_key(&self, founder: &Actor, scopes: &[&str], projects: Option<Vec<String>>) -> Actor {
        let team = self.identity.team(&founder.user).await.unwrap().unwrap();
        let new = NewKey {
            projects,
            ..NewKey::of(KeyFamily::Service).with_scopes(ScopeSet::parse(scopes).unwrap())
        };
        let minted = self
            .identity
            .mint_key(&team.organisation.id, &founder.user, new)
            .await;
        let secret = minted.unwrap().secret().to_owned();
        self.identity.authenticate(&secret).await.unwrap().actor.clone()
    }

    /// A personal project.
    async fn project(&self, owner: &Actor, remote: &str) -> Project {
        let new = NewProject {
            name: "Widgets".to_owned(),
            git_remote: remote.to_owned(),
            organisation: None,
        };
        self.projects.create(owner, new).await.unwrap()
    }
}
