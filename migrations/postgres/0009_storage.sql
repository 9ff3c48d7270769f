-- Storage for agents: key-value pairs, objects, SQL databases.

-- Keys are bytes, so that they sort by byte on every engine and hold any character. The value stands last: a
-- list reads the columns before it and none of its pages.
CREATE TABLE kv_entries (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    key BYTEA NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (organisation_id, namespace, key)
);

CREATE TABLE r2_objects (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    key BYTEA NOT NULL,
    -- Names the bytes in the object store. Every write has a new one.
    blob_id TEXT NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    etag TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    http_metadata TEXT NOT NULL,
    custom_metadata TEXT NOT NULL,
    PRIMARY KEY (organisation_id, namespace, key)
);

-- Bytes that were replaced or deleted: kept a while for those who are still reading them.
CREATE TABLE r2_retired (
    blob_id TEXT NOT NULL PRIMARY KEY,
    retired_at BIGINT NOT NULL
);
CREATE INDEX r2_retired_by_time ON r2_retired (retired_at);

CREATE TABLE d1_databases (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    namespace TEXT NOT NULL,
    -- Names the database in the file system and in the object store.
    id TEXT NOT NULL UNIQUE,
    -- Rises with every change.
    version BIGINT NOT NULL,
    size BIGINT NOT NULL,
    -- The SHA-256 of each chunk in order, 32 bytes each. Empty where the file itself is the truth.
    chunks BYTEA NOT NULL,
    -- Of the database when its tables were last written down.
    schema_version BIGINT NOT NULL,
    measured_size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organisation_id, namespace)
);

CREATE TABLE d1_tables (
    database_id TEXT NOT NULL REFERENCES d1_databases (id) ON DELETE CASCADE,
    name BYTEA NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (database_id, name)
);
