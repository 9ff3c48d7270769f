-- Storage for agents: key-value pairs, objects, SQL databases.

-- Keys are bytes, so that they sort by byte on every engine and hold any character. The value stands last: a
-- list reads the columns before it and none of its pages.
CREATE TABLE kv_entries (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (organisation_id, namespace, key)
) STRICT;

CREATE TABLE r2_objects (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    key BLOB NOT NULL,
    -- Names the bytes in the object store. Every write has a new one.
    blob_id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    uploaded_at INTEGER NOT NULL,
    http_metadata TEXT NOT NULL,
    custom_metadata TEXT NOT NULL,
    PRIMARY KEY (organisation_id, namespace, key)
) STRICT;

-- Bytes that were replaced or deleted: kept a while for those who are still reading them.
CREATE TABLE r2_retired (
    blob_id TEXT NOT NULL PRIMARY KEY,
    retired_at INTEGER NOT NULL
) STRICT;
CREATE INDEX r2_retired_by_time ON r2_retired (retired_at);

CREATE TABLE d1_databases (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    -- Names the database in the file system and in the object store.
    id TEXT NOT NULL UNIQUE,
    -- Rises with every change.
    version INTEGER NOT NULL,
    size INTEGER NOT NULL,
    -- The SHA-256 of each chunk in order, 32 bytes each. Empty where the file itself is the truth.
    chunks BLOB NOT NULL,
    -- Of the database when its tables were last written down.
    schema_version INTEGER NOT NULL,
    measured_size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organisation_id, namespace)
) STRICT;

CREATE TABLE d1_tables (
    database_id TEXT NOT NULL REFERENCES d1_databases (id) ON DELETE CASCADE,
    name BLOB NOT NULL,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (database_id, name)
) STRICT;
