//! The JSON of sessions.

use pentad_kernel::Timestamp;
use pentad_session_sync::{Page, Pushed, Session};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A session as lists show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SessionSummary)]
pub struct SessionSummary {
    pub id: String,
    pub title: Option<String>,
    pub alias: Option<String>,
    pub tags: Vec<String>,
    pub source_tool: String,
    pub model_id: Option<String>,
    pub message_count: i64,
    pub turn_count: i64,
    pub tool_use_count: i64,
    pub total_input_tokens: i64,
    pub total_output_tokens: i64,
    pub blob_size_bytes: i64,
    pub etag: String,
    pub parent_session_id: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub is_deleted: bool,
    pub deleted_at: Option<String>,
    pub deleted_by: Option<String>,
    pub delete_scope: Option<String>,
    pub purge_after: Option<String>,
}

impl From<Session> for SessionSummary {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            title: session.title,
            alias: session.alias,
            tags: session.tags,
            source_tool: session.source_tool,
            model_id: session.model_id,
            message_count: session.message_count,
            turn_count: session.turn_count,
            tool_use_count: session.tool_use_count,
            total_input_tokens: session.total_input_tokens,
            total_output_tokens: session.total_output_tokens,
            blob_size_bytes: session.blob_size_bytes,
            etag: session.etag,
            parent_session_id: session.parent_session_id,
            created_at: session.created_at.to_string(),
            updated_at: session.updated_at.to_string(),
            is_deleted: session.deleted_at.is_some(),
            deleted_at: time(session.deleted_at),
            deleted_by: session.deleted_by,
            delete_scope: session.delete_scope,
            purge_after: time(session.purge_after),
        }
    }
}

/// A session with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Session)]
#[expect(
    missing_docs,
    reason = "the fields are those of the format, named as the format names them"
)]
pub struct SessionAnswer {
    #[serde(flatten)]
    pub summary: SessionSummary,
    pub original_session_id: Option<String>,
    pub source_tool_version: Option<String>,
    pub model_provider: Option<String>,
    pub duration_ms: Option<i64>,
    pub uploaded_at: String,
    pub dlp_scan_results: Option<String>,
    pub retrieval_audit_id: Option<String>,
    pub project_id: Option<String>,
    pub git_remote_normalized: Option<String>,
    pub git_branch: Option<String>,
    pub git_commit: Option<String>,
    /// After a restore: where the session had been deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub restored_from_scope: Option<String>,
    /// After a restore: whether devices may have deleted their copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub local_copy_may_be_missing: Option<bool>,
}

impl From<Session> for SessionAnswer {
    fn from(mut session: Session) -> Self {
        Self {
            original_session_id: session.original_session_id.take(),
            source_tool_version: session.source_tool_version.take(),
            model_provider: session.model_provider.take(),
            duration_ms: session.duration_ms,
            uploaded_at: session.uploaded_at.to_string(),
            dlp_scan_results: session.dlp_scan_results.take(),
            retrieval_audit_id: session.retrieval_audit_id.take(),
            project_id: session.project_id.take(),
            git_remote_normalized: session.git_remote.take(),
            git_branch: session.git_branch.take(),
            git_commit: session.git_commit.take(),
            restored_from_scope: None,
            local_copy_may_be_missing: None,
            summary: session.into(),
        }
    }
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SessionList)]
pub struct SessionList {
    /// The sessions.
    sessions: Vec<SessionSummary>,
    /// Sessions on all pages.
    total: u64,
    /// Which page this is, from 1.
    page: u32,
    /// Sessions on a page.
    page_size: u32,
    /// Whether there is a next page.
    has_more: bool,
}

impl SessionList {
    pub(crate) fn of(page: Page<Session>, number: u32, page_size: u32) -> Self {
        Self {
            sessions: page.items.into_iter().map(SessionSummary::from).collect(),
            total: page.total,
            page: number,
            page_size,
            has_more: page.has_more,
        }
    }
}

/// What a push stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Pushed, example = json!({
    "session_id": "ses_0123456789abcdef", "blob_size_bytes": 20480, "synced_at": "2026-05-07T12:10:00Z",
    "etag": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
}))]
pub struct PushedAnswer {
    /// The session.
    session_id: String,
    /// SHA-256 of the stored archive, hex.
    etag: String,
    /// Its length.
    blob_size_bytes: i64,
    /// When it was stored.
    synced_at: String,
}

impl From<&Pushed> for PushedAnswer {
    fn from(pushed: &Pushed) -> Self {
        Self {
            session_id: pushed.session_id.clone(),
            etag: pushed.etag.clone(),
            blob_size_bytes: pushed.blob_size_bytes,
            synced_at: pushed.synced_at.to_string(),
        }
    }
}

/// What an upload stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Uploaded)]
pub struct UploadedAnswer {
    /// The new session.
    session_id: String,
    /// SHA-256 of the stored archive, hex.
    etag: String,
    /// Its length.
    blob_size_bytes: i64,
    /// When it was stored.
    uploaded_at: String,
}

impl From<&Pushed> for UploadedAnswer {
    fn from(pushed: &Pushed) -> Self {
        Self {
            session_id: pushed.session_id.clone(),
            etag: pushed.etag.clone(),
            blob_size_bytes: pushed.blob_size_bytes,
            uploaded_at: pushed.synced_at.to_string(),
        }
    }
}
