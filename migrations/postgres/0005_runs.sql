-- Recorded runs of agents.
CREATE TABLE runs (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id TEXT NOT NULL,
    -- The identifier that the client gave the run.
    run_id TEXT NOT NULL,
    -- Rises with every change of the run.
    rev BIGINT NOT NULL,
    -- Whether a heartbeat named the run: its records then come from the SDK, out of order.
    streamed BOOLEAN NOT NULL,
    -- When a trace with an end arrived.
    sealed_at BIGINT,
    created_at BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    client_id TEXT,
    client_name TEXT,
    client_version TEXT,
    capture_mode TEXT,
    debug_session_id TEXT,
    status TEXT NOT NULL,
    parent_run_id TEXT,
    -- The session's tags, one line of JSON: a filter looks for a part of it.
    tags TEXT NOT NULL,
    -- What a search looks in, in lower case.
    search TEXT NOT NULL,
    -- The session of the latest trace, one line of JSON.
    session TEXT,
    UNIQUE (organisation_id, run_id)
);
CREATE INDEX runs_by_activity ON runs (organisation_id, last_activity_at, id);
CREATE INDEX runs_by_parent ON runs (organisation_id, parent_run_id);

-- Everything that was recorded, one row a record; `key` tells the records of a kind apart.
CREATE TABLE run_records (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    step_index BIGINT,
    -- One line of JSON: what a client that sends in order last sent.
    body TEXT NOT NULL,
    -- What a client that sends out of order meant last, where it differs from `body`.
    merged TEXT,
    -- The content of a screenshot.
    object TEXT,
    -- How many events the record holds, or how many bytes of log.
    items BIGINT NOT NULL,
    -- The step's place in the trace, when the trace has it.
    trace_position BIGINT,
    failure_class TEXT,
    -- In which order records arrived.
    ordinal BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (run, kind, key)
);
CREATE INDEX run_records_by_object ON run_records (object) WHERE object IS NOT NULL;

-- The bytes of screenshots, once for each content in an organisation.
CREATE TABLE run_objects (
    organisation_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    -- NULL when the bytes lie in the object store.
    bytes BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organisation_id, sha256)
);

CREATE TABLE run_commands (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    type TEXT NOT NULL,
    payload TEXT,
    operator_id TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    delivered_at BIGINT,
    PRIMARY KEY (run, number)
);

CREATE TABLE run_connections (
    organisation_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_name TEXT,
    client_version TEXT,
    capture_mode TEXT,
    run_id TEXT,
    last_event TEXT,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (organisation_id, client_id)
);
CREATE INDEX run_connections_by_time ON run_connections (last_seen);

CREATE TABLE run_settings (
    organisation_id TEXT NOT NULL PRIMARY KEY,
    modelio_enabled BOOLEAN NOT NULL,
    log_scrub BOOLEAN NOT NULL,
    -- NULL keeps runs for ever.
    retention_days BIGINT
);
