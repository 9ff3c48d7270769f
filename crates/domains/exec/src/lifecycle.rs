//! Making, changing, copying and deleting sessions.

use pentad_kernel::{Actor, Timestamp, cursor};
use serde_json::json;

use crate::manifest;
use crate::session::{Code, NewSession, Object, Session, SessionId, SessionSettings};
use crate::workspace::check_object;
use crate::{Error, Exec, Result, repository};

/// Sessions of a page that does not ask for another number; also the most.
const PAGE: u32 = 1000;

/// One page of sessions.
#[derive(Clone, Debug)]
pub struct Page {
    /// The sessions, newest first.
    pub sessions: Vec<Session>,
    /// How many there are in all.
    pub total: u64,
    /// Where to go on, when there are more.
    pub next: Option<String>,
}

impl Exec {
    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::SessionExists`]; [`Error::TooLarge`] for data and metadata; [`Error::Invalid`] for settings.
    pub async fn create(&self, actor: &Actor, new: NewSession) -> Result<Session> {
        let most = self.settings().data_bytes;
        check_object("data", &new.data, most)?;
        check_object("metadata", &new.metadata, most)?;
        self.check_settings(&new.settings)?;
        let now = self.now();
        let setup = new.setup.map(|setup| {
            setup.check()?;
            Ok::<_, Error>(setup)
        });
        let setup = setup.transpose()?;
        let session = Session {
            id: new.id.unwrap_or_else(SessionId::random),
            key: pentad_kernel::id::ordered_uuid(),
            organisation: actor.organisation.clone(),
            language: new.language,
            persistent: new.persistent,
            created_at: now,
            updated_at: now,
            last_run_at: None,
            metadata: new.metadata,
            data: new.data,
            default_timeout: new.settings.default_timeout,
            allow_internet: new.settings.allow_internet.unwrap_or(false),
            allow_public: new.settings.allow_public.unwrap_or(false),
            setup_status: setup.as_ref().map(|_| "pending".to_owned()),
            setup: setup.as_ref().map(crate::Setup::as_object),
            setup_result: None,
            file_count: 0,
            total_bytes: 0,
            generation: 0,
        };
        let mut tx = self.db().begin().await?;
        repository::insert(&mut tx, &session).await?;
        tx.commit().await?;
        if let Some(setup) = setup {
            self.begin_setup(actor, &session, setup);
        }
        Ok(session)
    }

    /// A session of the actor's organisation.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn session(&self, actor: &Actor, id: &SessionId) -> Result<Session> {
        repository::find(self.db(), &actor.organisation, id).await
    }

    /// The sessions of the actor's organisation, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor that is none.
    pub async fn sessions(&self, actor: &Actor, limit: Option<u32>, after: Option<&str>) -> Result<Page> {
        let limit = limit.unwrap_or(PAGE).min(PAGE);
        let position: (i64, String) = match after {
            Some(text) => {
                cursor::decode(text).ok_or_else(|| Error::Invalid("the cursor is none of ours".to_owned()))?
            }
            None => (i64::MAX, String::new()),
        };
        let organisation = &actor.organisation;
        let mut sessions = repository::page(self.db(), organisation, &position, i64::from(limit) + 1).await?;
        let more = sessions.len() > limit as usize;
        sessions.truncate(limit as usize);
        let next = sessions
            .last()
            .filter(|_| more)
            .map(|last| cursor::encode(&(last.created_at.as_micros(), &last.key)));
        Ok(Page {
            total: repository::count(self.db(), organisation).await?,
            sessions,
            next,
        })
    }

    /// Changes settings.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Invalid`].
    pub async fn configure(&self, actor: &Actor, id: &SessionId, change: SessionSettings) -> Result<Session> {
        self.check_settings(&change)?;
        if let Some(metadata) = &change.metadata {
            check_object("metadata", metadata, self.settings().data_bytes)?;
        }
        let changed =
            repository::set_settings(self.db(), &actor.organisation, id, &change, self.now()).await?;
        changed.ok_or_else(|| Error::SessionNotFound(id.to_string()))
    }

    fn check_settings(&self, settings: &SessionSettings) -> Result<()> {
        match settings.default_timeout {
            Some(timeout) => self.timeout(Some(timeout), None).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Makes a session like another one: its files, data, settings and code, but none of its runs.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionExists`].
    pub async fn duplicate(
        &self,
        actor: &Actor,
        id: &SessionId,
        new_id: Option<SessionId>,
        data: Option<Object>,
    ) -> Result<Session> {
        if let Some(data) = &data {
            check_object("data", data, self.settings().data_bytes)?;
        }
        let source = self.session(actor, id).await?;
        let given = new_id.is_some();
        let mut number = 1;
        loop {
            let name = match &new_id {
                Some(name) => name.clone(),
                None => copy_name(id, number)?,
            };
            match self.copy(&source, name, data.clone()).await {
                Err(Error::SessionExists(_)) if !given && number < 1000 => number += 1,
                outcome => return outcome,
            }
        }
    }

    async fn copy(&self, source: &Session, id: SessionId, data: Option<Object>) -> Result<Session> {
        let now = self.now();
        let mut copy = Session {
            id,
            key: pentad_kernel::id::ordered_uuid(),
            created_at: now,
            updated_at: now,
            last_run_at: None,
            data: data.unwrap_or_else(|| source.data.clone()),
            generation: 0,
            ..source.clone()
        };
        // Nobody installs anything into the copy, and its packages may be half there.
        if copy.is_being_set_up() {
            copy.setup_status = Some("failed".to_owned());
            copy.setup_result = Some(json!({
                "success": false, "error": "the session was duplicated before its packages were installed",
            }));
        }
        let mut tx = self.db().begin().await?;
        repository::insert(&mut tx, &copy).await?;
        repository::copy_code(&mut tx, &source.key, &copy.key).await?;
        manifest::copy(&mut tx, &source.key, &copy.key).await?;
        (copy.file_count, copy.total_bytes) = repository::count_files(&mut tx, &copy.key).await?;
        tx.commit().await?;
        Ok(copy)
    }

    /// Deletes a session and everything in it; a run that is under way ends and leaves nothing.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn delete(&self, actor: &Actor, id: &SessionId) -> Result<Timestamp> {
        let session = self.session(actor, id).await?;
        if !repository::delete(self.db(), &actor.organisation, id).await? {
            return Err(Error::SessionNotFound(id.to_string()));
        }
        self.forget(&session.key);
        Ok(self.now())
    }

    /// Deletes every session of the actor's organisation, at once. Their ids.
    ///
    /// # Errors
    /// When the database fails; then none is deleted.
    pub async fn delete_all(&self, actor: &Actor) -> Result<Vec<String>> {
        let deleted = repository::delete_all(self.db(), &actor.organisation).await?;
        for (key, _) in &deleted {
            self.forget(key);
        }
        Ok(deleted.into_iter().map(|(_, name)| name).collect())
    }

    fn forget(&self, key: &str) {
        self.live().stop(key);
        if let Some(cache) = self.cache() {
            cache.forget(key);
        }
    }

    /// Stores code that runs when a request brings none. Without a description the last one stays; it is not in
    /// the answer then.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Invalid`], [`Error::TooLarge`].
    pub async fn set_code(
        &self,
        actor: &Actor,
        id: &SessionId,
        code: String,
        description: Option<String>,
    ) -> Result<Code> {
        self.check_code(&code)?;
        // PostgreSQL keeps no NUL in a text.
        if code.contains('\0') || description.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(Error::Invalid(
                "stored code and its description hold no NUL".to_owned(),
            ));
        }
        let stored = Code {
            code,
            description,
            updated_at: self.now(),
        };
        if repository::set_code(self.db(), &actor.organisation, id, &stored).await? {
            Ok(stored)
        } else {
            Err(Error::SessionNotFound(id.to_string()))
        }
    }

    /// The stored code.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::CodeNotFound`].
    pub async fn code(&self, actor: &Actor, id: &SessionId) -> Result<Code> {
        let session = self.session(actor, id).await?;
        let code = repository::code(self.db(), &session.key).await?;
        code.ok_or(Error::CodeNotFound)
    }
}

/// `{id}-copy-{n}`, shortened where it would be too long.
fn copy_name(id: &SessionId, number: u32) -> Result<SessionId> {
    let ending = format!("-copy-{number}");
    let room = SessionId::MAX_BYTES - ending.len();
    let front: String = id.as_str().chars().take(room).collect();
    SessionId::parse(&(front + &ending))
}
