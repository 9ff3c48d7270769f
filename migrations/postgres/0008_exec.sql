-- Code execution (seed 003): sessions, and the files of their workspaces.

-- The name is what the API calls the session's id; the id is never shown and never used again.
CREATE TABLE exec_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    name TEXT COLLATE "C" NOT NULL,
    language TEXT NOT NULL,
    persistent BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_run_at BIGINT,
    metadata TEXT NOT NULL,
    data TEXT NOT NULL,
    default_timeout_ms BIGINT,
    allow_internet BOOLEAN NOT NULL,
    allow_public BOOLEAN NOT NULL,
    code TEXT,
    code_description TEXT,
    code_updated_at BIGINT,
    setup TEXT,
    setup_status TEXT,
    setup_result TEXT,
    -- Rises with every change of the workspace.
    generation BIGINT NOT NULL,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    -- One run at a time: until when it is under way unless it is renewed, and its number, which the commit
    -- of the workspace compares.
    run_until BIGINT NOT NULL,
    run_epoch BIGINT NOT NULL,
    UNIQUE (organisation_id, name)
);
CREATE INDEX exec_sessions_by_organisation ON exec_sessions (organisation_id, created_at, id);

-- A regular file has its bytes here, when they are few, or under their hash in the object store; a link has
-- a target.
CREATE TABLE exec_files (
    session_id TEXT NOT NULL REFERENCES exec_sessions (id) ON DELETE CASCADE,
    path TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    executable BOOLEAN NOT NULL,
    content_type TEXT,
    bytes BYTEA,
    blob_id TEXT,
    target TEXT,
    PRIMARY KEY (session_id, path)
);
CREATE INDEX exec_files_by_blob ON exec_files (blob_id, session_id);
