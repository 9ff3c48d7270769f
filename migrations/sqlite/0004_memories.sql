-- Memories: what was true when, and what was believed when. Times are microseconds since the epoch; all
-- intervals are half-open, and 9223372036854775807 is their open end.

-- The transaction clock and the hash chain of events of an organisation; its row is also the lock that
-- makes the order of clock readings the order of commits.
CREATE TABLE memory_accounts (
    organisation_id TEXT NOT NULL PRIMARY KEY REFERENCES organisations (id),
    tx_clock INTEGER NOT NULL,
    event_seq INTEGER NOT NULL,
    event_head TEXT NOT NULL,
    limit_reached_at INTEGER
) STRICT;

-- A tenant within an organisation; '' is the default tenant.
CREATE TABLE memory_scopes (
    scope INTEGER NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    tenant TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    -- Counts what a search index in memory cannot follow and has to start afresh for: erasures, new vectors.
    rebuilds INTEGER NOT NULL,
    memories INTEGER NOT NULL,
    UNIQUE (organisation_id, tenant)
) STRICT;

-- Conversations that facts were taken from.
CREATE TABLE memory_inputs (
    input INTEGER NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;

-- Content, which never changes.
CREATE TABLE memories (
    memory INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES memory_scopes (scope),
    decision TEXT NOT NULL,
    topic TEXT NOT NULL,
    category TEXT NOT NULL,
    importance INTEGER NOT NULL,
    source TEXT NOT NULL,
    channel TEXT NOT NULL,
    session_id TEXT,
    original_message TEXT,
    input INTEGER REFERENCES memory_inputs (input),
    metadata TEXT,
    engine TEXT NOT NULL,
    prompt_version TEXT,
    degraded INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    explicit_valid_from INTEGER NOT NULL,
    salt TEXT NOT NULL
) STRICT;
CREATE INDEX memories_by_source ON memories (scope, source, created_at DESC, memory DESC);
CREATE INDEX memories_by_input ON memories (input) WHERE input IS NOT NULL;

-- What was believed of a memory from tx_from until tx_to: that it holds from valid_from until valid_to, and
-- whether something took its place. A change ends one row and adds another; nothing else is updated.
CREATE TABLE memory_versions (
    version INTEGER NOT NULL PRIMARY KEY,
    memory INTEGER NOT NULL REFERENCES memories (memory),
    scope INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    tx_from INTEGER NOT NULL,
    tx_to INTEGER NOT NULL,
    superseded_by TEXT,
    cause TEXT NOT NULL
) STRICT;
-- What is known at an instant, newest first; with both axes the one to use when that instant is not later than the valid one.
CREATE INDEX memory_versions_by_creation ON memory_versions (scope, created_at DESC, memory DESC, tx_from, tx_to, valid_from, valid_to);
-- What holds at an instant; with both axes the one to use when the transaction instant is later.
CREATE INDEX memory_versions_by_validity ON memory_versions (scope, valid_from DESC, memory DESC, valid_to, tx_from, tx_to);
-- Current truth.
CREATE INDEX memory_versions_current ON memory_versions (scope, created_at DESC, memory DESC, valid_from, valid_to)
    WHERE tx_to = 9223372036854775807 AND superseded_by IS NULL;
-- A memory has one open version: of two that would supersede it, one loses.
CREATE UNIQUE INDEX memory_versions_open ON memory_versions (memory) WHERE tx_to = 9223372036854775807;
CREATE INDEX memory_versions_by_memory ON memory_versions (memory, tx_from);
-- What changed in a scope since a clock reading.
CREATE INDEX memory_versions_by_change ON memory_versions (scope, tx_from);

-- Who took whose place. Outlives both ends, so that a chain stays whole when a link is erased.
CREATE TABLE memory_links (
    predecessor TEXT NOT NULL PRIMARY KEY,
    successor TEXT NOT NULL,
    scope INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_links_by_successor ON memory_links (successor);

-- What search needs of a memory: its terms and its vector.
CREATE TABLE memory_index (
    scope INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    terms BLOB NOT NULL,
    embedder TEXT,
    vector BLOB,
    PRIMARY KEY (scope, memory)
) STRICT, WITHOUT ROWID;

-- What was done, chained by hashes. The hash binds details through a salted digest, so that erasing them
-- leaves the chain provable.
CREATE TABLE memory_events (
    organisation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    memory_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    details TEXT,
    digest TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (organisation_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_events_by_memory ON memory_events (memory_id, seq);

-- Preferences of a key, as JSON.
CREATE TABLE memory_settings (
    owner TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL,
    settings TEXT NOT NULL
) STRICT;

-- Answers to repeat for a repeated request.
CREATE TABLE memory_idempotency (
    organisation_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (organisation_id, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_idempotency_by_expiry ON memory_idempotency (expires_at);
