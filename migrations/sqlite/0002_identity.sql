-- Who may do what: organisations, users, keys, browser sessions, meters, and what was done.
CREATE TABLE organisations (
    id TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    personal INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    display_name TEXT,
    password_hash TEXT,
    is_admin INTEGER NOT NULL,
    is_active INTEGER NOT NULL,
    email_verified INTEGER NOT NULL,
    home_organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (organisation_id, user_id)
) STRICT;
CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    family TEXT NOT NULL,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT,
    scopes TEXT NOT NULL,
    project_ids TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    deleted_at INTEGER,
    revoked_at INTEGER,
    revoke_reason TEXT,
    last_used_at INTEGER,
    last_used_address TEXT
) STRICT;
CREATE INDEX api_keys_by_organisation ON api_keys (organisation_id, created_at);
CREATE INDEX api_keys_by_user ON api_keys (user_id, created_at);

CREATE TABLE web_sessions (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX web_sessions_by_expiry ON web_sessions (expires_at);

CREATE TABLE meters (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    meter TEXT NOT NULL,
    period TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (organisation_id, meter, period)
) STRICT;

CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    organisation_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_id TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_by_organisation ON audit_log (organisation_id, at);

-- One row that changes with every change of a key, a user, a membership or a plan: gateways watch it
-- to know when what they remember of credentials is out of date.
CREATE TABLE identity_version (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO identity_version (id, version) VALUES (1, 0);
