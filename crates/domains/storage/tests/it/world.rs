//! A storage with two organisations.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use pentad_blob::Blobs;
use pentad_identity::Identity;
use pentad_kernel::{Actor, Clock as _, ManualClock, SharedClock, SystemClock};
use pentad_storage::{
    Answer, Error, Key, Limits, ListRequest, Namespace, ObjectMetadata, Settings, SqlValue, Statement,
    Storage,
};
use pentad_store::{Db, Durability};

pub(crate) struct World {
    pub(crate) storage: Storage,
    pub(crate) db: Db,
    pub(crate) blobs: Blobs,
    pub(crate) clock: ManualClock,
    pub(crate) actor: Actor,
    pub(crate) stranger: Actor,
    pub(crate) directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(db: Db) -> Self {
        Self::with(db, Limits::default()).await
    }

    pub(crate) async fn with(db: Db, limits: Limits) -> Self {
        let clock = ManualClock::at(SystemClock.now());
        let shared: SharedClock = Arc::new(clock.clone());
        let identity = Identity::new(
            db.clone(),
            Arc::clone(&shared),
            pentad_identity::PlanTable::default(),
        );
        identity.bootstrap("admin@localhost", None).await.unwrap();
        let actor = identity.local_caller().await.unwrap().actor;
        let other = identity
            .create_user("other@example.com", None, false)
            .await
            .unwrap();
        let stranger = Actor {
            organisation: other.home_organisation,
            ..actor.clone()
        };
        let blobs = Blobs::open("memory:").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let storage = open(&db, &blobs, &clock, directory.path(), limits);
        Self {
            storage,
            db,
            blobs,
            clock,
            actor,
            stranger,
            directory,
        }
    }

    /// Another gateway on the same database and objects.
    pub(crate) fn neighbour(&self) -> Storage {
        let limits = self.storage.limits().clone();
        open(&self.db, &self.blobs, &self.clock, self.directory.path(), limits)
    }

    pub(crate) async fn exec(&self, sql: &str, parameters: &[SqlValue]) -> Result<Answer, Error> {
        let statement = statement(sql, parameters);
        self.storage.d1_exec(&self.actor, &app(), statement).await
    }

    pub(crate) async fn query(&self, sql: &str, parameters: &[SqlValue]) -> Result<Answer, Error> {
        let statement = statement(sql, parameters);
        self.storage.d1_query(&self.actor, &app(), statement).await
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        number(&self.query(sql, &[]).await.unwrap())
    }

    pub(crate) async fn put(&self, key: &str, content: &str) {
        let key = Key::parse(key).unwrap();
        let metadata = ObjectMetadata::default();
        self.storage
            .r2_put(&self.actor, &app(), &key, &metadata, body(content))
            .await
            .unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Result<String, Error> {
        let key = Key::parse(key).unwrap();
        let object = self.storage.r2_get(&self.actor, &app(), &key).await?;
        let bytes = object.content.bytes().await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

fn open(db: &Db, blobs: &Blobs, clock: &ManualClock, directory: &std::path::Path, limits: Limits) -> Storage {
    let settings = Settings {
        durability: Durability::Os,
        limits,
        ..Settings::in_directory(directory)
    };
    Storage::open(db.clone(), blobs.clone(), Arc::new(clock.clone()), settings).unwrap()
}

pub(crate) fn statement(sql: &str, parameters: &[SqlValue]) -> Statement {
    Statement {
        sql: sql.to_owned(),
        parameters: parameters.to_vec(),
    }
}

pub(crate) fn app() -> Namespace {
    Namespace::parse("app").unwrap()
}

pub(crate) fn body(text: &str) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + use<> {
    stream::iter([Ok(Bytes::from(text.to_owned()))])
}

pub(crate) fn number(answer: &Answer) -> i64 {
    match answer.rows[0][0] {
        SqlValue::Integer(number) => number,
        ref other => panic!("{other:?} is no number"),
    }
}

pub(crate) fn prefix(prefix: &str, limit: u32) -> ListRequest {
    ListRequest {
        prefix: prefix.to_owned(),
        limit,
        cursor: None,
    }
}
