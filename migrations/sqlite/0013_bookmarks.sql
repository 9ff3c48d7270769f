-- Folders in which people keep sessions they want to find again.
CREATE TABLE sync_bookmark_folders (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    color TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sync_bookmark_folders_by_user ON sync_bookmark_folders (user_id, created_at);

CREATE TABLE sync_bookmarks (
    id TEXT NOT NULL PRIMARY KEY,
    folder_id TEXT NOT NULL REFERENCES sync_bookmark_folders (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sync_sessions (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    UNIQUE (folder_id, session_id)
) STRICT;
CREATE INDEX sync_bookmarks_by_session ON sync_bookmarks (session_id);
