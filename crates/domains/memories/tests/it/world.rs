//! An organisation with a clock that is set by hand.

use std::sync::Arc;
use std::time::Duration;

use pentad_identity::{Identity, KeyFamily, NewKey, Plan, PlanTable};
use pentad_kernel::{Actor, Clock as _, ManualClock, Timestamp};
use pentad_memories::{
    Added, Axes, Config, Input, Limits, ListQuery, Memories, Memory, Message, NewMemory, Tenant,
};
use pentad_store::Db;

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) identity: Identity,
    pub(crate) memories: Memories,
    pub(crate) actor: Actor,
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) async fn new(db: Db) -> Self {
        Self::with(db, Config::default()).await
    }

    pub(crate) async fn with(db: Db, config: Config) -> Self {
        let clock = ManualClock::at(Timestamp::parse("2026-05-07T12:00:00Z").unwrap());
        let identity = Identity::new(db.clone(), Arc::new(clock.clone()), PlanTable::default());
        let memories = Memories::new(db.clone(), identity.clone(), Arc::new(clock.clone()), config).unwrap();
        let actor = actor(&identity, "ada@example.com").await;
        Self {
            db,
            identity,
            memories,
            actor,
            clock,
        }
    }

    /// Another process over the same database.
    pub(crate) fn another_process(&self) -> Memories {
        let clock = Arc::new(self.clock.clone());
        Memories::new(self.db.clone(), self.identity.clone(), clock, Config::default()).unwrap()
    }

    pub(crate) async fn stranger(&self) -> Actor {
        actor(&self.identity, "eve@example.com").await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn wait(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    pub(crate) async fn write(&self, new: NewMemory) -> Added {
        self.memories
            .add(&self.actor, &Plan::default(), new)
            .await
            .unwrap()
    }

    /// Stores a fact a second after what came before, and answers its id.
    pub(crate) async fn add(&self, text: &str) -> String {
        self.wait();
        self.write(fact(text)).await.memory_ids.remove(0)
    }

    pub(crate) async fn add_to(&self, name: &str, text: &str) -> String {
        self.wait();
        let new = NewMemory {
            tenant: tenant(name),
            ..fact(text)
        };
        self.write(new).await.memory_ids.remove(0)
    }

    pub(crate) async fn list(&self, query: ListQuery) -> Vec<Memory> {
        let query = ListQuery {
            limit: 1_000,
            ..query
        };
        self.memories.list(&self.actor, &query).await.unwrap().memories
    }

    pub(crate) async fn decisions(&self, query: ListQuery) -> Vec<String> {
        self.list(query)
            .await
            .into_iter()
            .map(|memory| memory.decision)
            .collect()
    }
}

async fn actor(identity: &Identity, email: &str) -> Actor {
    let user = identity.create_user(email, None, false).await.unwrap();
    let new = NewKey::of(KeyFamily::Memory);
    let key = identity
        .mint_key(&user.home_organisation, &user.id, new)
        .await
        .unwrap();
    identity.authenticate(key.secret()).await.unwrap().actor.clone()
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::parse(Some(name), &Limits::default()).unwrap()
}

pub(crate) fn fact(text: &str) -> NewMemory {
    NewMemory::of(Input::Content {
        content: text.to_owned(),
        topic: None,
        importance_score: None,
    })
}

pub(crate) fn said(text: &str) -> NewMemory {
    let message = Message {
        role: "user".to_owned(),
        content: text.to_owned(),
    };
    NewMemory::of(Input::Messages(vec![message]))
}

pub(crate) fn superseding(new: NewMemory) -> NewMemory {
    NewMemory {
        auto_supersede: Some(true),
        ..new
    }
}

pub(crate) fn at(valid: Option<Timestamp>, transaction: Option<Timestamp>) -> ListQuery {
    ListQuery {
        axes: Axes { valid, transaction },
        ..ListQuery::default()
    }
}

pub(crate) fn history() -> ListQuery {
    ListQuery {
        include_superseded: true,
        ..ListQuery::default()
    }
}
