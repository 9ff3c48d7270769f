-- Synced sessions of coding agents: their metadata, contents, links, handoffs, and how people sync them.

-- What the command line last said of itself, and where its user's new projects go.
ALTER TABLE users ADD COLUMN client_version TEXT;
ALTER TABLE users ADD COLUMN client_platform TEXT;
ALTER TABLE users ADD COLUMN client_device TEXT;
ALTER TABLE users ADD COLUMN last_sync_at INTEGER;
ALTER TABLE users ADD COLUMN default_organisation_id TEXT REFERENCES organisations (id);

-- E-mail addresses waiting to be proven.
CREATE TABLE email_verifications (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    email TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sync_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    title TEXT,
    alias TEXT,
    tags TEXT NOT NULL,
    source_tool TEXT NOT NULL,
    source_tool_version TEXT,
    original_session_id TEXT,
    model_provider TEXT,
    model_id TEXT,
    message_count INTEGER NOT NULL,
    turn_count INTEGER NOT NULL,
    tool_use_count INTEGER NOT NULL,
    total_input_tokens INTEGER NOT NULL,
    total_output_tokens INTEGER NOT NULL,
    duration_ms INTEGER,
    blob_size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    parent_session_id TEXT,
    git_remote TEXT,
    git_branch TEXT,
    git_commit TEXT,
    project_id TEXT,
    persona_name TEXT,
    ticket_id TEXT,
    retrieval_audit_id TEXT,
    dlp_scan_results TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    uploaded_at INTEGER NOT NULL,
    deleted_at INTEGER,
    deleted_by TEXT,
    delete_scope TEXT,
    purge_after INTEGER,
    -- The etag that the search index has; the session waits to be indexed while it is another.
    indexed_etag TEXT NOT NULL
) STRICT;
CREATE INDEX sync_sessions_by_user ON sync_sessions (user_id, updated_at DESC, id);
CREATE UNIQUE INDEX sync_sessions_by_alias ON sync_sessions (user_id, alias) WHERE deleted_at IS NULL;
CREATE INDEX sync_sessions_by_remote ON sync_sessions (git_remote, user_id);
CREATE INDEX sync_sessions_by_project ON sync_sessions (project_id);
CREATE INDEX sync_sessions_unindexed ON sync_sessions (user_id, updated_at) WHERE indexed_etag <> etag;
CREATE INDEX sync_sessions_by_purge ON sync_sessions (purge_after) WHERE purge_after IS NOT NULL;

-- What is read of a session one at a time: kept out of the rows that lists go through.
CREATE TABLE sync_contents (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sync_sessions (id) ON DELETE CASCADE,
    -- Digests of the stored objects: the archive as pushed, and its messages in frames.
    archive_object TEXT NOT NULL,
    messages_object TEXT,
    frames BLOB NOT NULL,
    visible_messages INTEGER NOT NULL,
    workspace TEXT,
    tools TEXT,
    provenance TEXT NOT NULL,
    summary TEXT NOT NULL,
    summarised_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_contents_by_archive ON sync_contents (archive_object);
CREATE INDEX sync_contents_by_messages ON sync_contents (messages_object);

-- One row for each piece of text that can be found.
CREATE TABLE sync_search_rows (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL REFERENCES sync_sessions (id) ON DELETE CASCADE,
    -- The line of messages.jsonl, from 0; -1 for the title.
    message_index INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_search_rows_by_session ON sync_search_rows (session_id);
-- Holds the tokens only; texts are shown from the session's messages.
CREATE VIRTUAL TABLE sync_messages_fts USING fts5 (
    tokens, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);

-- Pushes under way, so that one person's devices do not crowd out everybody else, on any gateway.
CREATE TABLE sync_push_slots (
    user_id TEXT NOT NULL REFERENCES users (id),
    slot INTEGER NOT NULL,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, slot)
) STRICT;

CREATE TABLE sync_uploads (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    total_size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    part_size INTEGER NOT NULL,
    part_count INTEGER NOT NULL,
    status TEXT NOT NULL,
    answer TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_uploads_by_user ON sync_uploads (user_id, status, expires_at);

CREATE TABLE sync_upload_parts (
    upload_id TEXT NOT NULL REFERENCES sync_uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
) STRICT;
CREATE INDEX sync_upload_parts_by_object ON sync_upload_parts (object);

CREATE TABLE sync_share_links (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sync_sessions (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    token_hash TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX sync_share_links_by_session ON sync_share_links (session_id);

CREATE TABLE sync_settings (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    mode TEXT NOT NULL,
    debounce_seconds INTEGER NOT NULL,
    audit_trigger TEXT NOT NULL
) STRICT;

CREATE TABLE sync_watches (
    user_id TEXT NOT NULL REFERENCES users (id),
    session_id TEXT NOT NULL REFERENCES sync_sessions (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    last_synced_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, session_id)
) STRICT;

CREATE TABLE sync_judges (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    base_url TEXT,
    -- Encrypted: a random nonce and the sealed key.
    sealed_key BLOB
) STRICT;

CREATE TABLE sync_audit_reports (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sync_sessions (id) ON DELETE CASCADE,
    judge_model TEXT NOT NULL,
    judge_provider TEXT NOT NULL,
    trust_score INTEGER NOT NULL,
    total_claims INTEGER NOT NULL,
    contradiction_count INTEGER NOT NULL,
    execution_time_ms INTEGER NOT NULL,
    report TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_audit_reports_by_session ON sync_audit_reports (session_id, created_at);

-- The latest audit of a session that runs, ran or failed.
CREATE TABLE sync_audit_jobs (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sync_sessions (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    error TEXT,
    -- What to do, for whichever gateway takes it up; encrypted, because it holds a key.
    sealed_request BLOB,
    attempts INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    lease_expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_audit_jobs_by_status ON sync_audit_jobs (status, lease_expires_at);

CREATE TABLE handoffs (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL,
    recipient_session_id TEXT,
    sender_user_id TEXT NOT NULL REFERENCES users (id),
    sender_email TEXT NOT NULL,
    recipient_email TEXT,
    recipient_user_id TEXT,
    recipient_team_id TEXT,
    message TEXT,
    status TEXT NOT NULL,
    session_title TEXT,
    session_tool TEXT NOT NULL,
    session_model_id TEXT,
    session_message_count INTEGER NOT NULL,
    session_total_tokens INTEGER NOT NULL,
    ticket_id TEXT,
    persona_name TEXT,
    snapshot_persona_name TEXT,
    snapshot_ticket_title TEXT,
    sender_tier_snapshot TEXT NOT NULL,
    source_project_id TEXT,
    revoked_by_user_id TEXT,
    revoke_reason TEXT,
    revoked_at INTEGER,
    viewed_at INTEGER,
    claimed_at INTEGER,
    claimed_by_user_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT
) STRICT;
CREATE INDEX handoffs_by_sender ON handoffs (sender_user_id, created_at);
CREATE INDEX handoffs_by_recipient_email ON handoffs (recipient_email, created_at);
CREATE INDEX handoffs_by_recipient_user ON handoffs (recipient_user_id, created_at);
CREATE INDEX handoffs_by_recipient_team ON handoffs (recipient_team_id, created_at);
CREATE INDEX handoffs_by_session ON handoffs (session_id);

CREATE TABLE handoff_attachments (
    handoff_id TEXT NOT NULL REFERENCES handoffs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    ref_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (handoff_id, kind, ref_id)
) STRICT;

CREATE TABLE handoff_comments (
    id TEXT NOT NULL PRIMARY KEY,
    handoff_id TEXT NOT NULL REFERENCES handoffs (id) ON DELETE CASCADE,
    author_user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT
) STRICT;
CREATE INDEX handoff_comments_by_handoff ON handoff_comments (handoff_id, created_at);

CREATE TABLE handoff_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    handoff_id TEXT NOT NULL REFERENCES handoffs (id) ON DELETE CASCADE,
    event_type TEXT NOT NULL,
    actor_user_id TEXT,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX handoff_events_by_handoff ON handoff_events (handoff_id, id);
