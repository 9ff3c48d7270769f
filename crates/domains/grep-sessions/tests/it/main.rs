//! Grep sessions on both databases and on both kinds of object store.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod lifecycle;
mod limits;
mod several;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use pentad_blob::Blobs;
use pentad_grep_engine::Query;
use pentad_grep_sessions::{
    Created, GrepSessions, NewSession, Result, SessionId, Settings, Storage, Upload, UploadError,
};
use pentad_identity::{Caller, Identity, KeyFamily, NewKey, Plan, PlanTable};
use pentad_kernel::{Actor, Clock as _, ManualClock, SystemClock};
use pentad_store::Db;

/// Sessions with what a test needs around them.
pub(crate) struct Fixture {
    pub(crate) sessions: GrepSessions,
    pub(crate) clock: ManualClock,
    pub(crate) db: Db,
    pub(crate) blobs: Blobs,
    pub(crate) identity: Identity,
    pub(crate) actor: Actor,
    pub(crate) plan: Plan,
}

impl Fixture {
    pub(crate) async fn new(db: Db) -> Self {
        Self::with(db, Blobs::open("memory:").unwrap(), settings()).await
    }

    pub(crate) async fn with(db: Db, blobs: Blobs, settings: Settings) -> Self {
        let clock = ManualClock::at(SystemClock.now());
        let shared = Arc::new(clock.clone());
        let identity = Identity::new(db.clone(), shared.clone(), PlanTable::default());
        let caller = caller(&identity).await;
        let sessions = GrepSessions::new(db.clone(), blobs.clone(), shared, settings);
        let (actor, plan) = (caller.actor.clone(), caller.plan.clone());
        Self {
            sessions,
            clock,
            db,
            blobs,
            identity,
            actor,
            plan,
        }
    }

    /// The same database and objects, as another process sees them.
    pub(crate) fn another_process(&self) -> GrepSessions {
        GrepSessions::new(
            self.db.clone(),
            self.blobs.clone(),
            Arc::new(self.clock.clone()),
            settings(),
        )
    }

    pub(crate) async fn create(&self, storage: Storage, files: &[(&str, &str)]) -> Created {
        self.try_create(storage, files).await.unwrap()
    }

    pub(crate) async fn try_create(&self, storage: Storage, files: &[(&str, &str)]) -> Result<Created> {
        let upload = try_upload(&self.sessions, &self.plan, files).await?;
        let new = NewSession {
            storage,
            ttl: Some(Duration::from_secs(600)),
        };
        self.sessions.create(&self.actor, &self.plan, upload, new).await
    }

    pub(crate) async fn append(&self, id: &SessionId, files: &[(&str, &str)]) -> Result<u64> {
        let upload = upload(&self.sessions, &self.plan, files).await;
        self.sessions
            .append(&self.actor, &self.plan, id, upload)
            .await
            .map(|appended| appended.added)
    }

    /// The paths with the word.
    pub(crate) async fn paths(&self, id: &SessionId, word: &str) -> Result<Vec<String>> {
        paths_in(&self.sessions, &self.actor, id, word).await
    }

    /// Somebody in another organisation.
    pub(crate) async fn stranger(&self) -> Actor {
        caller(&self.identity).await.actor.clone()
    }
}

pub(crate) async fn paths_in(
    sessions: &GrepSessions,
    actor: &Actor,
    id: &SessionId,
    word: &str,
) -> Result<Vec<String>> {
    let page = sessions
        .grep(actor, id, Query::plain(word).page_limit(1000))
        .await?;
    Ok(page.hits.into_iter().map(|hit| hit.path).collect())
}

async fn caller(identity: &Identity) -> Arc<Caller> {
    let email = format!("{}@example.com", pentad_kernel::secret::random_hex(6));
    let user = identity.create_user(&email, None, false).await.unwrap();
    let key = identity
        .mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Grep))
        .await
        .unwrap();
    identity.authenticate(key.secret()).await.unwrap()
}

pub(crate) async fn upload(sessions: &GrepSessions, plan: &Plan, files: &[(&str, &str)]) -> Upload {
    try_upload(sessions, plan, files).await.unwrap()
}

async fn try_upload(
    sessions: &GrepSessions,
    plan: &Plan,
    files: &[(&str, &str)],
) -> std::result::Result<Upload, UploadError> {
    let mut upload = sessions.upload(plan);
    for (name, text) in files {
        let mut file = upload.file(name)?;
        file.write(text.as_bytes()).await?;
        upload.add(file).await?;
    }
    Ok(upload)
}

pub(crate) fn settings() -> Settings {
    Settings {
        memory_bytes: 256 << 20,
        max_session_bytes: 64 << 20,
        segment_bytes: 1 << 10,
        ..Settings::default()
    }
}
