//! Reading stored archives again, for what is read from them by now.

use pentad_identity::Caller;
use pentad_kernel::{Classify as _, ErrorKind};
use pentad_store::{affected, with_reader, with_tx};

use crate::ingest::{SecretScan, ingest};
use crate::push::Stored;
use crate::{Error, Result, Session, SessionSync, objects};

/// What came of reading archives again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Archives that were looked at.
    pub sessions: u64,
    /// Those that their sessions now follow.
    pub updated: u64,
    /// Those that could not be read.
    pub failed: u64,
}

const LIVE: &str = "SELECT id FROM sync_sessions WHERE user_id = $1 AND deleted_at IS NULL ORDER BY id";
/// What its owner may have changed stays, and so does what is known of it from elsewhere.
const FOLLOW: &str = "
    UPDATE sync_sessions SET source_tool_version = $3, model_provider = $4, model_id = $5, message_count = $6,
        turn_count = $7, tool_use_count = $8, total_input_tokens = $9, total_output_tokens = $10,
        duration_ms = $11, git_remote = $12, git_branch = $13, git_commit = $14, project_id = $15,
        persona_name = $16, ticket_id = $17, indexed_etag = ''
    WHERE id = $1 AND etag = $2 AND deleted_at IS NULL";

impl SessionSync {
    /// Reads the archives of the caller's sessions again, and has the sessions follow what is found: counts,
    /// model, workspace, messages, facts, and the text that is searched. Titles, tags and aliases stay.
    ///
    /// # Errors
    /// [`Error::TooManyPushes`]; when database or object store fail.
    pub async fn reindex(&self, caller: &Caller) -> Result<Reindexed> {
        // It is as much work as a push, so it takes its turn among the user's.
        let _slot = self.push_slot(&caller.actor.user).await?;
        let ids: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(LIVE)
            .bind(caller.actor.user.as_str())
            .fetch_all(conn)
            .await)?;
        let mut done = Reindexed::default();
        for id in ids {
            let session = match self.session_by_id(caller, &id).await {
                Err(Error::SessionNotFound) => continue,
                session => session?,
            };
            done.sessions += 1;
            match self.read_again(caller, &session).await {
                Ok(()) => done.updated += 1,
                Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge) => {
                    tracing::warn!(session = %id, %error, "a stored archive cannot be read again");
                    done.failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    async fn read_again(&self, caller: &Caller, session: &Session) -> Result<()> {
        let archive = self.archive(session, None).await?;
        let mut limits = self.settings.archives;
        limits.archive_bytes = u64::MAX;
        limits.member_bytes = u64::MAX;
        let mut extracted = ingest(archive.bytes, limits, u64::MAX, SecretScan::Off)
            .await?
            .extracted;
        let messages_object = match extracted.messages.take() {
            Some(messages) => Some(objects::put(&self.blobs, messages, None).await?),
            None => None,
        };
        let project = match &extracted.git.remote {
            Some(remote) => self.projects.link(&caller.actor.user, remote).await?,
            None => None,
        };
        let stored = Stored {
            etag: session.etag.clone(),
            size: session.blob_size_bytes,
            messages_object,
            extracted,
        };
        let (metadata, git) = (&stored.extracted.metadata, &stored.extracted.git);
        let mut tx = self.db.begin().await?;
        let follows = with_tx!(tx, |conn| sqlx::query(FOLLOW)
            .bind(&session.id)
            .bind(&session.etag)
            .bind(&metadata.source_tool_version)
            .bind(&metadata.model_provider)
            .bind(&metadata.model_id)
            .bind(stored.message_count())
            .bind(metadata.turn_count)
            .bind(metadata.tool_use_count)
            .bind(metadata.total_input_tokens)
            .bind(metadata.total_output_tokens)
            .bind(metadata.duration_ms)
            .bind(&git.remote)
            .bind(&git.branch)
            .bind(&git.commit)
            .bind(&project)
            .bind(&metadata.persona_name)
            .bind(&metadata.ticket_id)
            .execute(conn)
            .await
            .map(affected))?;
        // A push meanwhile has read its own archive.
        if follows == 1 {
            let now = self.clock.now();
            self.write_content(&mut tx, REFRESH_CONTENT, &session.id, &stored, now)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// As a push writes it, but for the narrative: the archive is the one that it tells of.
const REFRESH_CONTENT: &str = "
    UPDATE sync_contents SET messages_object = $3, frames = $4, visible_messages = $5, workspace = $6, tools = $7,
        provenance = $8, summary = $9, summarised_at = $10
    WHERE session_id = $1 AND archive_object = $2";
