//! Sessions as they are stored.

use pentad_kernel::{Actor, Timestamp, UserId};
use pentad_store::{Tx, with_reader, with_tx};

use crate::{Error, Result, SessionSync};

/// A synced session: everything that lists and details show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the format, named as the format names them"
)]
pub struct Session {
    pub id: String,
    pub user: UserId,
    pub title: Option<String>,
    pub alias: Option<String>,
    pub tags: Vec<String>,
    pub source_tool: String,
    pub source_tool_version: Option<String>,
    pub original_session_id: Option<String>,
    pub model_provider: Option<String>,
    pub model_id: Option<String>,
    pub message_count: i64,
    pub turn_count: i64,
    pub tool_use_count: i64,
    pub total_input_tokens: i64,
    pub total_output_tokens: i64,
    pub duration_ms: Option<i64>,
    pub blob_size_bytes: i64,
    pub etag: String,
    pub parent_session_id: Option<String>,
    pub git_remote: Option<String>,
    pub git_branch: Option<String>,
    pub git_commit: Option<String>,
    pub project_id: Option<String>,
    pub persona_name: Option<String>,
    pub ticket_id: Option<String>,
    pub retrieval_audit_id: Option<String>,
    pub dlp_scan_results: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub uploaded_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub deleted_by: Option<String>,
    pub delete_scope: Option<String>,
    pub purge_after: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) user_id: String,
    title: Option<String>,
    alias: Option<String>,
    tags: String,
    source_tool: String,
    source_tool_version: Option<String>,
    original_session_id: Option<String>,
    model_provider: Option<String>,
    model_id: Option<String>,
    message_count: i64,
    turn_count: i64,
    tool_use_count: i64,
    total_input_tokens: i64,
    total_output_tokens: i64,
    duration_ms: Option<i64>,
    blob_size_bytes: i64,
    etag: String,
    parent_session_id: Option<String>,
    git_remote: Option<String>,
    git_branch: Option<String>,
    git_commit: Option<String>,
    project_id: Option<String>,
    persona_name: Option<String>,
    ticket_id: Option<String>,
    retrieval_audit_id: Option<String>,
    dlp_scan_results: Option<String>,
    created_at: i64,
    updated_at: i64,
    uploaded_at: i64,
    deleted_at: Option<i64>,
    deleted_by: Option<String>,
    delete_scope: Option<String>,
    purge_after: Option<i64>,
}

/// The columns of [`SessionRow`].
macro_rules! session_columns {
    () => {
        "sync_sessions.id, sync_sessions.user_id, title, alias, tags, source_tool, source_tool_version,
         original_session_id, model_provider, model_id, message_count, turn_count, tool_use_count,
         total_input_tokens, total_output_tokens, duration_ms, blob_size_bytes, etag, parent_session_id,
         git_remote, git_branch, git_commit, project_id, persona_name, ticket_id, retrieval_audit_id,
         dlp_scan_results, sync_sessions.created_at, updated_at, uploaded_at, deleted_at, deleted_by,
         delete_scope, purge_after"
    };
}
pub(crate) use session_columns;

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user: UserId::new(row.user_id),
            title: row.title,
            alias: row.alias,
            tags: serde_json::from_str(&row.tags).unwrap_or_default(),
            source_tool: row.source_tool,
            source_tool_version: row.source_tool_version,
            original_session_id: row.original_session_id,
            model_provider: row.model_provider,
            model_id: row.model_id,
            message_count: row.message_count,
            turn_count: row.turn_count,
            tool_use_count: row.tool_use_count,
            total_input_tokens: row.total_input_tokens,
            total_output_tokens: row.total_output_tokens,
            duration_ms: row.duration_ms,
            blob_size_bytes: row.blob_size_bytes,
            etag: row.etag,
            parent_session_id: row.parent_session_id,
            git_remote: row.git_remote,
            git_branch: row.git_branch,
            git_commit: row.git_commit,
            project_id: row.project_id,
            persona_name: row.persona_name,
            ticket_id: row.ticket_id,
            retrieval_audit_id: row.retrieval_audit_id,
            dlp_scan_results: row.dlp_scan_results,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
            uploaded_at: Timestamp::from_micros(row.uploaded_at),
            deleted_at: row.deleted_at.map(Timestamp::from_micros),
            deleted_by: row.deleted_by,
            delete_scope: row.delete_scope,
            purge_after: row.purge_after.map(Timestamp::from_micros),
        }
    }
}

/// How a request names a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRef {
    /// By its identifier.
    Id(String),
    /// By the alias its owner gave it.
    Alias(String),
}

/// Whether the text is a session's identifier: `ses_` and 8 to 40 of `a-z` and `0-9`.
pub fn valid_session_id(text: &str) -> bool {
    text.strip_prefix("ses_").is_some_and(|rest| {
        (8..=40).contains(&rest.len())
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Whether the text can be an alias: 3 to 100 of letters, digits, `_` and `-`, beginning with a letter or
/// digit.
pub fn valid_alias(text: &str) -> bool {
    (3..=100).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

impl SessionRef {
    /// Reads what stands in a path.
    ///
    /// # Errors
    /// [`Error::InvalidSessionId`] when it has the form of neither.
    pub fn parse(text: &str) -> Result<Self> {
        if valid_session_id(text) {
            Ok(Self::Id(text.to_owned()))
        } else if valid_alias(text) {
            Ok(Self::Alias(text.to_owned()))
        } else {
            Err(Error::InvalidSessionId)
        }
    }
}

const LIVE_BY_ID: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sync_sessions WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL"
);
const LIVE_BY_ALIAS: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sync_sessions WHERE alias = $1 AND user_id = $2 AND deleted_at IS NULL"
);
const BY_ID: &str = concat!("SELECT ", session_columns!(), " FROM sync_sessions WHERE id = $1");

impl SessionSync {
    /// The actor's live session of this name.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], also for a session of somebody else and one in the trash.
    pub async fn session(&self, actor: &Actor, name: &SessionRef) -> Result<Session> {
        let (sql, text) = match name {
            SessionRef::Id(id) => (LIVE_BY_ID, id),
            SessionRef::Alias(alias) => (LIVE_BY_ALIAS, alias),
        };
        let row: Option<SessionRow> = with_reader!(self.db, |conn| sqlx::query_as(sql)
            .bind(text)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        row.map(Session::from).ok_or(Error::SessionNotFound)
    }

    /// The session with this identifier, whoever owns it, in the trash or not.
    pub(crate) async fn any_session(&self, id: &str) -> Result<Option<Session>> {
        let row: Option<SessionRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        Ok(row.map(Session::from))
    }

    /// The same inside a transaction.
    pub(crate) async fn any_session_in(&self, tx: &mut Tx, id: &str) -> Result<Option<Session>> {
        let row: Option<SessionRow> = with_tx!(*tx, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .fetch_optional(conn)
            .await)?;
        Ok(row.map(Session::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_or_aliases_or_nothing() {
        assert_eq!(
            SessionRef::parse("ses_0123456789abcdef").ok(),
            Some(SessionRef::Id("ses_0123456789abcdef".into()))
        );
        assert_eq!(
            SessionRef::parse("my-session").ok(),
            Some(SessionRef::Alias("my-session".into()))
        );
        for wrong in ["", "ab", "bad id", "-abc", "ses/../x", &"a".repeat(101)] {
            assert!(SessionRef::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(!valid_session_id("ses_ABCDEF123456"));
        assert!(!valid_session_id("ses_1234567"));
    }
}
