-- Grep sessions (seed 000). Text lives in memory; an s3 session's files are also objects, listed here.
CREATE TABLE grep_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    storage TEXT NOT NULL,
    state TEXT NOT NULL,
    file_count INTEGER NOT NULL,
    text_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX grep_sessions_by_organisation ON grep_sessions (organisation_id, created_at, id);
CREATE INDEX grep_sessions_by_state ON grep_sessions (state, expires_at);

-- The changes of an s3 session, to be replayed in their order.
CREATE TABLE grep_segments (
    session_id TEXT NOT NULL REFERENCES grep_sessions (id),
    sequence INTEGER NOT NULL,
    blob_id TEXT NOT NULL,
    text_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    PRIMARY KEY (session_id, sequence)
) STRICT;
CREATE INDEX grep_segments_by_blob ON grep_segments (session_id, blob_id);
