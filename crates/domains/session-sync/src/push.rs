//! Push: an archive becomes a session, or a session's next state.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use pentad_identity::{Caller, Feature};
use pentad_kernel::{Timestamp, id, secret};
use pentad_store::{Tx, affected, with_tx};

use crate::edits::{plain_tags, plain_title};
use crate::ingest::{Extracted, Ingested, SecretsFound, ingest};
use crate::slots::{RELEASE, Slot};
use crate::title::smart_title;
use crate::{Error, Result, Session, SessionSync, frames, objects, require_feature, valid_session_id};

/// What the command line says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its version.
    pub version: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
    /// The device it runs on.
    pub device: Option<String>,
}

/// Which session is pushed, and on which condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// The session's identifier.
    pub session: String,
    /// The etag that the client last saw, unquoted; anything that is none never matches.
    pub if_match: Option<String>,
    /// Whether a session in the trash shall come back.
    pub undelete: bool,
    /// What the command line says of itself.
    pub client: Client,
}

/// What the sender of a new session says of it; it wins over the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSession {
    /// The tool it was recorded with: 1 to 50 of `a-z`, `0-9`, `_` and `-`.
    pub source_tool: String,
    /// Its title.
    pub title: Option<String>,
    /// Its tags.
    pub tags: Option<Vec<String>>,
}

/// What a push stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// The session.
    pub session_id: String,
    /// SHA-256 of the stored archive, hex.
    pub etag: String,
    /// Its length.
    pub blob_size_bytes: i64,
    /// When it was stored.
    pub synced_at: Timestamp,
    /// Whether the session is new.
    pub created: bool,
    /// How long each step took, in milliseconds: for the `Server-Timing` header.
    pub timing: Vec<(&'static str, f64)>,
}

const USED: &str = "
    SELECT CAST(COALESCE(SUM(blob_size_bytes), 0) AS BIGINT) FROM sync_sessions WHERE user_id = $1 AND id <> $2";
const INSERT: &str = "
    INSERT INTO sync_sessions (id, organisation_id, user_id, title, tags, source_tool, source_tool_version,
        original_session_id, model_provider, model_id, message_count, turn_count, tool_use_count,
        total_input_tokens, total_output_tokens, duration_ms, blob_size_bytes, etag, parent_session_id,
        git_remote, git_branch, git_commit, project_id, persona_name, ticket_id, retrieval_audit_id,
        dlp_scan_results, created_at, updated_at, uploaded_at, indexed_etag)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
        $23, $24, $25, $26, $27, $28, $28, $28, '')
    ON CONFLICT (id) DO NOTHING";
/// Written only over the state that the decision was made on: $29 is its etag, $30 whether it was deleted.
const UPDATE: &str = "
    UPDATE sync_sessions SET organisation_id = $2, title = $4, tags = $5, source_tool = $6,
        source_tool_version = $7, original_session_id = $8, model_provider = $9, model_id = $10,
        message_count = $11, turn_count = $12, tool_use_count = $13, total_input_tokens = $14,
        total_output_tokens = $15, duration_ms = $16, blob_size_bytes = $17, etag = $18, parent_session_id = $19,
        git_remote = $20, git_branch = $21, git_commit = $22, project_id = $23, persona_name = $24,
        ticket_id = $25, retrieval_audit_id = $26, dlp_scan_results = $27, updated_at = $28, uploaded_at = $28,
        indexed_etag = CASE WHEN etag = $18 AND title IS NOT DISTINCT FROM $4 THEN indexed_etag ELSE '' END,
        alias = CASE WHEN deleted_at IS NULL THEN alias ELSE NULL END,
        deleted_at = NULL, deleted_by = NULL, delete_scope = NULL, purge_after = NULL
    WHERE id = $1 AND user_id = $3 AND etag = $29 AND (deleted_at IS NULL) = $30";
const PUT_CONTENT: &str = "
    INSERT INTO sync_contents (session_id, archive_object, messages_object, frames, visible_messages, workspace,
        tools, provenance, summary, summarised_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (session_id) DO UPDATE SET archive_object = excluded.archive_object,
        messages_object = excluded.messages_object, frames = excluded.frames,
        visible_messages = excluded.visible_messages, workspace = excluded.workspace, tools = excluded.tools,
        provenance = excluded.provenance, summary = excluded.summary, summarised_at = excluded.summarised_at, narrative = NULL";
const NOTE_CLIENT: &str = "
    UPDATE users SET client_version = COALESCE($2, client_version), client_platform = COALESCE($3, client_platform),
        client_device = COALESCE($4, client_device), last_sync_at = $5
    WHERE id = $1";
const EXPIRE_HANDOFFS: &str = "UPDATE handoffs SET status = 'expired' WHERE session_id = $1 AND sender_user_id = $2 AND status = 'pending'";
const NOTE_EXPIRED: &str = "
    INSERT INTO handoff_events (handoff_id, event_type, actor_user_id, payload, created_at)
    SELECT id, 'expired', NULL, '{}', $3 FROM handoffs
    WHERE session_id = $1 AND sender_user_id = $2 AND status = 'pending'";
const REVOKE_LINKS: &str =
    "UPDATE sync_share_links SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL";

/// How often a push that lost to another one looks again before it gives up.
const ATTEMPTS: usize = 5;

/// Everything about a pushed archive that goes into rows.
pub(crate) struct Stored {
    pub(crate) etag: String,
    pub(crate) size: i64,
    pub(crate) messages_object: Option<String>,
    pub(crate) extracted: Extracted,
}

impl Stored {
    /// How many messages the manifest says there are; where it says nothing, how many were found.
    pub(crate) fn message_count(&self) -> i64 {
        match self.extracted.metadata.message_count {
            0 => i64::try_from(self.extracted.facts.message_count).unwrap_or(i64::MAX),
            counted => counted,
        }
    }
}

struct Phases {
    last: Instant,
    started: Instant,
    steps: Vec<(&'static str, f64)>,
}

impl Phases {
    fn start() -> Self {
        let now = Instant::now();
        Self {
            last: now,
            started: now,
            steps: Vec::new(),
        }
    }

    fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.steps.push((name, (now - self.last).as_secs_f64() * 1e3));
        self.last = now;
    }

    fn finish(mut self) -> Vec<(&'static str, f64)> {
        self.steps
            .push(("total", self.started.elapsed().as_secs_f64() * 1e3));
        self.steps
    }
}

impl SessionSync {
    /// Pushes an archive to a session of the caller's, making the session where there is none.
    ///
    /// The answer leaves when archive and rows are durable; the text is made searchable after it.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`], [`Error::EmailNotVerified`], [`Error::InvalidSessionId`],
    /// [`Error::TooManyPushes`], [`Error::SessionClaimed`], [`Error::SessionDeleted`],
    /// [`Error::EtagMismatch`], what is wrong with the archive, [`Error::StorageLimit`].
    pub async fn push<S>(&self, caller: &Caller, push: Push, body: S) -> Result<Pushed>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let (mut phases, slot) = self.admit_push(caller, &push.session).await?;
        self.check_push(caller, &push).await?;
        phases.end("db_read");
        let ingested = self.read_archive(caller, body).await?;
        phases.end("read");
        let stored = self.store_archive(ingested, &mut phases).await?;
        self.commit_push(caller, &push, stored, None, slot, phases).await
    }

    /// The checks that come before anything is read of a push, and the slot it runs in.
    async fn admit_push(&self, caller: &Caller, session: &str) -> Result<(Phases, Slot)> {
        require_feature(caller, Feature::CloudSync)?;
        if !caller.email_verified {
            return Err(Error::EmailNotVerified);
        }
        if !valid_session_id(session) {
            return Err(Error::InvalidSessionId);
        }
        let mut phases = Phases::start();
        let slot = self.push_slot(&caller.actor.user).await?;
        phases.end("wait");
        Ok((phases, slot))
    }

    /// Stores an archive as a new session with an identifier of the server's.
    ///
    /// # Errors
    /// As [`SessionSync::push`]; [`Error::Field`] for what is wrong with tool, title and tags.
    pub async fn upload<S>(&self, caller: &Caller, new: NewSession, body: S) -> Result<Pushed>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let tool_ok = (1..=50).contains(&new.source_tool.len())
            && new.source_tool.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
            });
        if !tool_ok {
            return Err(Error::Field {
                field: "source_tool",
                message: "source_tool must be 1 to 50 of a-z, 0-9, _ and -".to_owned(),
            });
        }
        if new.title.as_deref().is_some_and(|title| title.contains('\0')) {
            return Err(Error::Invalid("title must not contain NUL".to_owned()));
        }
        let title = new.title.as_deref().map(plain_title).transpose()?;
        let tags = new.tags.as_deref().map(plain_tags).transpose();
        let new = NewSession {
            // Where nothing is left of it, the archive says what the session is called.
            title: title.filter(|title| !title.is_empty()),
            tags: tags.map_err(Error::Invalid)?,
            ..new
        };
        let push = Push {
            session: id::prefixed("ses_", 16),
            ..Push::default()
        };
        let (mut phases, slot) = self.admit_push(caller, &push.session).await?;
        let ingested = self.read_archive(caller, body).await?;
        phases.end("read");
        let stored = self.store_archive(ingested, &mut phases).await?;
        self.commit_push(caller, &push, stored, Some(&new), slot, phases)
            .await
    }

    /// Pushes an archive that lies in parts already, as [`SessionSync::push`] does.
    pub(crate) async fn push_assembled<S>(
        &self,
        caller: &Caller,
        push: &Push,
        sha256: &str,
        body: S,
    ) -> Result<Pushed>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let (mut phases, slot) = self.admit_push(caller, &push.session).await?;
        self.check_push(caller, push).await?;
        phases.end("db_read");
        let ingested = self.read_archive(caller, body).await?;
        phases.end("read");
        let found = secret::hex(&ingested.sent_sha256);
        if found != sha256 {
            return Err(crate::uploads::UploadError::Sha256Mismatch.into());
        }
        let stored = self.store_archive(ingested, &mut phases).await?;
        self.commit_push(caller, push, stored, None, slot, phases).await
    }

    async fn read_archive<S>(&self, caller: &Caller, body: S) -> Result<Ingested>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let mut limits = self.settings.archives;
        limits.archive_bytes = self.archive_limit(caller);
        ingest(body, limits, self.member_limit(caller), self.settings.secret_scan).await
    }

    async fn store_archive(&self, ingested: Ingested, phases: &mut Phases) -> Result<Stored> {
        let Ingested {
            archive,
            sha256,
            size,
            mut extracted,
            ..
        } = ingested;
        let etag = objects::put(&self.blobs, archive, Some(sha256)).await?;
        let messages_object = match extracted.messages.take() {
            Some(messages) => Some(objects::put(&self.blobs, messages, None).await?),
            None => None,
        };
        phases.end("blob_upload");
        Ok(Stored {
            etag,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            messages_object,
            extracted,
        })
    }

    /// Refuses what can be refused before the archive is read.
    async fn check_push(&self, caller: &Caller, push: &Push) -> Result<()> {
        let session = self.any_session(&push.session).await?;
        decide(caller, push, session.as_ref()).map(|_| ())
    }

    async fn commit_push(
        &self,
        caller: &Caller,
        push: &Push,
        mut stored: Stored,
        new: Option<&NewSession>,
        mut slot: Slot,
        mut phases: Phases,
    ) -> Result<Pushed> {
        let project = match &stored.extracted.git.remote {
            Some(remote) => self.projects.link(&caller.actor.user, remote).await?,
            None => None,
        };
        self.forget_foreign_retrievals(caller, project.as_deref(), &mut stored)
            .await?;
        for _ in 0..ATTEMPTS {
            let mut tx = self.db.begin().await?;
            let existing = self.any_session_in(&mut tx, &push.session).await?;
            let existing = decide(caller, push, existing.as_ref())?;
            self.check_storage(&mut tx, caller, &push.session, stored.size)
                .await?;
            let now = self.clock.now();
            let written = self
                .write_session(
                    &mut tx,
                    caller,
                    push,
                    &stored,
                    new,
                    project.as_deref(),
                    existing,
                    now,
                )
                .await?;
            if !written {
                // Another push was faster; what it wrote decides anew.
                continue;
            }
            self.write_content(&mut tx, PUT_CONTENT, &push.session, &stored, now)
                .await?;
            if existing.is_some_and(|session| session.deleted_at.is_some()) {
                self.forget_promises(&mut tx, caller, &push.session, now).await?;
            }
            self.note_client(&mut tx, caller, &push.client, now).await?;
            if existing.is_none_or(|session| session.etag != stored.etag) {
                self.audit_on_sync(&mut tx, caller, &push.session, now).await?;
            }
            with_tx!(tx, |conn| sqlx::query(RELEASE)
                .bind(&slot.user)
                .bind(slot.number)
                .bind(&slot.holder)
                .execute(conn)
                .await
                .map(affected))?;
            tx.commit().await?;
            slot.was_released();
            phases.end("db_write");
            return Ok(Pushed {
                session_id: push.session.clone(),
                etag: stored.etag,
                blob_size_bytes: stored.size,
                synced_at: now,
                created: existing.is_none(),
                timing: phases.finish(),
            });
        }
        Err(Error::ConcurrentUpdate)
    }

    /// A manifest may name anybody's work: only the caller's own in the session's project is believed.
    async fn forget_foreign_retrievals(
        &self,
        caller: &Caller,
        project: Option<&str>,
        stored: &mut Stored,
    ) -> Result<()> {
        let claimed = &mut stored.extracted.metadata.retrieval_audit_id;
        let own = match (project, claimed.as_deref()) {
            (Some(project), Some(context)) => {
                self.projects
                    .records_retrievals(&caller.actor.user, project, context)
                    .await?
            }
            _ => false,
        };
        if !own {
            *claimed = None;
        }
        Ok(())
    }

    pub(crate) async fn check_storage(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        session: &str,
        size: i64,
    ) -> Result<()> {
        let Some(limit) = self.storage_limit(caller) else {
            return Ok(());
        };
        let used: i64 = with_tx!(*tx, |conn| sqlx::query_scalar(USED)
            .bind(caller.actor.user.as_str())
            .bind(session)
            .fetch_one(conn)
            .await)?;
        let used = u64::try_from(used).unwrap_or(0);
        if used.saturating_add(u64::try_from(size).unwrap_or(0)) > limit {
            return Err(Error::StorageLimit { used, limit });
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one statement's values, each from elsewhere"
    )]
    async fn write_session(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        push: &Push,
        stored: &Stored,
        new: Option<&NewSession>,
        project: Option<&str>,
        existing: Option<&Session>,
        now: Timestamp,
    ) -> Result<bool> {
        let Extracted {
            metadata,
            git,
            first_user_text,
            secrets,
            ..
        } = &stored.extracted;
        let message_count = stored.message_count();
        let title = new.and_then(|new| new.title.clone()).unwrap_or_else(|| {
            smart_title(
                metadata.title.as_deref(),
                first_user_text.as_deref(),
                message_count,
            )
        });
        let tags = new.and_then(|new| new.tags.as_ref()).unwrap_or(&metadata.tags);
        let source_tool = new.map_or(&metadata.source_tool, |new| &new.source_tool);
        let tags = serde_json::to_string(tags).expect("a list of texts has a JSON form");
        let sql = if existing.is_some() { UPDATE } else { INSERT };
        let written = with_tx!(*tx, |conn| {
            let query = sqlx::query(sql)
                .bind(&push.session)
                .bind(caller.actor.organisation.as_str())
                .bind(caller.actor.user.as_str())
                .bind(&title)
                .bind(&tags)
                .bind(source_tool)
                .bind(&metadata.source_tool_version)
                .bind(&metadata.original_session_id)
                .bind(&metadata.model_provider)
                .bind(&metadata.model_id)
                .bind(message_count)
                .bind(metadata.turn_count)
                .bind(metadata.tool_use_count)
                .bind(metadata.total_input_tokens)
                .bind(metadata.total_output_tokens)
                .bind(metadata.duration_ms)
                .bind(stored.size)
                .bind(&stored.etag)
                .bind(&metadata.parent_session_id)
                .bind(&git.remote)
                .bind(&git.branch)
                .bind(&git.commit)
                .bind(project)
                .bind(&metadata.persona_name)
                .bind(&metadata.ticket_id)
                .bind(&metadata.retrieval_audit_id)
                .bind(secrets.as_ref().map(SecretsFound::to_json))
                .bind(now.as_micros());
            let query = match existing {
                Some(session) => query.bind(&session.etag).bind(session.deleted_at.is_none()),
                None => query,
            };
            query.execute(conn).await.map(affected)
        })?;
        Ok(written == 1)
    }

    pub(crate) async fn write_content(
        &self,
        tx: &mut Tx,
        sql: &'static str,
        session: &str,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<()> {
        let extracted = &stored.extracted;
        let visible: i64 = extracted
            .frames
            .iter()
            .map(|frame| i64::from(frame.visible))
            .sum();
        let json = |value: &serde_json::Value| value.to_string();
        let provenance = serde_json::to_string(&extracted.metadata.provenance);
        let summary = serde_json::to_string(&extracted.facts);
        with_tx!(*tx, |conn| sqlx::query(sql)
            .bind(session)
            .bind(&stored.etag)
            .bind(&stored.messages_object)
            .bind(frames::encode(&extracted.frames))
            .bind(visible)
            .bind(extracted.workspace.as_ref().map(json))
            .bind(extracted.tools.as_ref().map(json))
            .bind(provenance.expect("plain data has a JSON form"))
            .bind(summary.expect("plain data has a JSON form"))
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// A session that comes back from the trash by a push is no longer what was promised or shown.
    async fn forget_promises(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        session: &str,
        now: Timestamp,
    ) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(NOTE_EXPIRED)
            .bind(session)
            .bind(caller.actor.user.as_str())
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(EXPIRE_HANDOFFS)
            .bind(session)
            .bind(caller.actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(REVOKE_LINKS)
            .bind(session)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    async fn note_client(&self, tx: &mut Tx, caller: &Caller, client: &Client, now: Timestamp) -> Result<()> {
        let cut =
            |text: &Option<String>, chars| text.as_deref().map(|text| crate::summary::head(text, chars));
        with_tx!(*tx, |conn| sqlx::query(NOTE_CLIENT)
            .bind(caller.actor.user.as_str())
            .bind(cut(&client.version, 20))
            .bind(cut(&client.platform, 50))
            .bind(cut(&client.device, 100))
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// How much the caller may store; `None` for as much as there is room for.
    pub(crate) fn storage_limit(&self, caller: &Caller) -> Option<u64> {
        self.plan_of(caller).sync_storage_bytes
    }
}

/// What a push may do to what is there: `Ok` with the session it replaces, if any.
fn decide<'a>(caller: &Caller, push: &Push, existing: Option<&'a Session>) -> Result<Option<&'a Session>> {
    let Some(session) = existing else {
        return Ok(None);
    };
    if session.user != caller.actor.user {
        return Err(Error::SessionClaimed);
    }
    if session.deleted_at.is_some() && !push.undelete {
        return Err(Error::SessionDeleted);
    }
    match &push.if_match {
        Some(etag) if *etag != session.etag => Err(Error::EtagMismatch {
            current: session.etag.clone(),
        }),
        _ => Ok(Some(session)),
    }
}

impl SecretsFound {
    /// What is stored on the session of a scan.
    fn to_json(&self) -> String {
        let kinds: std::collections::BTreeSet<_> =
            self.messages.keys().chain(self.elsewhere.keys()).collect();
        let count = |found: &crate::redact::Kinds, kind| found.get(kind).copied().unwrap_or(0);
        let findings: Vec<_> = kinds
            .into_iter()
            .map(|kind| {
                let (messages, elsewhere) = (count(&self.messages, kind), count(&self.elsewhere, kind));
                serde_json::json!({"kind": kind, "messages": messages, "lines_of_other_files": elsewhere})
            })
            .collect();
        let mode = if self.redacted { "redact" } else { "warn" };
        serde_json::json!({"mode": mode, "complete": self.complete, "findings": findings}).to_string()
    }
}
