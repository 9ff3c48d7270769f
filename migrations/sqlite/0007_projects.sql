-- Teams and their agents: invites, projects, knowledge, wiki, personas, tickets, agent runs, rules.

-- One row for an address in an organisation; inviting it again gives the row a new identifier.
CREATE TABLE organisation_invites (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    invited_by TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    accepted_at INTEGER,
    declined_at INTEGER,
    decline_reason TEXT,
    last_emailed_at INTEGER,
    UNIQUE (organisation_id, email)
) STRICT;
CREATE INDEX organisation_invites_by_email ON organisation_invites (email);

CREATE TABLE organisation_settings (
    organisation_id TEXT NOT NULL PRIMARY KEY REFERENCES organisations (id),
    require_lease_epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    git_remote TEXT NOT NULL UNIQUE,
    context_document TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id),
    organisation_id TEXT REFERENCES organisations (id),
    auto_narrative INTEGER NOT NULL,
    kb_retention_days INTEGER NOT NULL,
    kb_max_context_words INTEGER NOT NULL,
    kb_section_page_limit INTEGER NOT NULL,
    compile_schedule TEXT NOT NULL,
    compile_after_claims INTEGER,
    last_scheduled_compile_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Raised first in every transaction that must not run beside another one of the same project.
    turn INTEGER NOT NULL
) STRICT;
CREATE INDEX projects_by_owner ON projects (owner_id, updated_at);
CREATE INDEX projects_by_organisation ON projects (organisation_id, updated_at);

CREATE TABLE project_repositories (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    git_remote TEXT NOT NULL,
    is_primary INTEGER NOT NULL,
    added_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, git_remote)
) STRICT;
CREATE INDEX project_repositories_by_remote ON project_repositories (git_remote, is_primary);

CREATE TABLE knowledge_entries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    entry_type TEXT NOT NULL,
    content TEXT NOT NULL,
    confidence REAL NOT NULL,
    source_context TEXT,
    persona_name TEXT,
    author_class TEXT NOT NULL,
    claim_class TEXT NOT NULL,
    entity_ref TEXT,
    entity_type TEXT,
    freshness_class TEXT NOT NULL,
    superseded_by INTEGER,
    supersession_reason TEXT,
    promoted_at INTEGER,
    promoted_by TEXT,
    retrieved_count INTEGER NOT NULL,
    used_in_answer_count INTEGER NOT NULL,
    compiled_count INTEGER NOT NULL,
    last_relevant_at INTEGER NOT NULL,
    decayed_at INTEGER,
    dismissed INTEGER NOT NULL,
    dismissed_at INTEGER,
    dismissed_by TEXT,
    dismissed_reason TEXT,
    compiled_at INTEGER,
    -- Whether whoever wrote it may change the project: evidence of others is not promoted by itself.
    by_editor INTEGER NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX knowledge_entries_by_project ON knowledge_entries (project_id, id);
CREATE INDEX knowledge_entries_pending ON knowledge_entries (project_id, claim_class, id)
    WHERE compiled_at IS NULL AND NOT dismissed;
CREATE INDEX knowledge_entries_by_entity ON knowledge_entries (project_id, entity_ref) WHERE entity_ref IS NOT NULL;
CREATE INDEX knowledge_entries_by_session ON knowledge_entries (project_id, session_id);
CREATE INDEX knowledge_entries_by_writer ON knowledge_entries (project_id, user_id, created_at);

CREATE TABLE knowledge_links (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    source_type TEXT NOT NULL,
    source_id TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT NOT NULL,
    link_type TEXT NOT NULL,
    confidence REAL NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, source_type, source_id, target_type, target_id, link_type)
) STRICT;
CREATE INDEX knowledge_links_by_target ON knowledge_links (project_id, target_type, target_id);

CREATE TABLE context_compilations (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    entries_compiled INTEGER NOT NULL,
    context_before TEXT NOT NULL,
    context_after TEXT NOT NULL,
    section_pages_updated INTEGER NOT NULL,
    concept_pages_updated INTEGER NOT NULL,
    -- JSON: the entries taken, those dropped and why.
    source_manifest TEXT NOT NULL,
    compiled_at INTEGER NOT NULL
) STRICT;
CREATE INDEX context_compilations_by_project ON context_compilations (project_id, id);

CREATE TABLE wiki_pages (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    page_type TEXT NOT NULL,
    word_count INTEGER NOT NULL,
    entry_count INTEGER NOT NULL,
    auto_generated INTEGER NOT NULL,
    publish INTEGER NOT NULL,
    parent_slug TEXT,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, slug)
) STRICT;

CREATE TABLE wiki_revisions (
    page_id TEXT NOT NULL REFERENCES wiki_pages (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    word_count INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    persona_name TEXT,
    ticket_id TEXT,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (page_id, revision)
) STRICT;

CREATE TABLE personas (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    specializations TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, folded_name)
) STRICT;

CREATE TABLE tickets (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    priority TEXT NOT NULL,
    assigned_to TEXT,
    created_by_user_id TEXT NOT NULL,
    created_by_session_id TEXT,
    created_by_persona TEXT,
    status TEXT NOT NULL,
    kind TEXT NOT NULL,
    lease_epoch INTEGER NOT NULL,
    context_refs TEXT NOT NULL,
    file_refs TEXT NOT NULL,
    related_sessions TEXT NOT NULL,
    acceptance_criteria TEXT NOT NULL,
    resolver_session_id TEXT,
    resolver_user_id TEXT,
    completion_notes TEXT,
    changed_files TEXT NOT NULL,
    knowledge_entry_ids TEXT NOT NULL,
    parent_ticket_id TEXT,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;
CREATE INDEX tickets_by_project ON tickets (project_id, created_at, id);
CREATE INDEX tickets_by_parent ON tickets (parent_ticket_id) WHERE parent_ticket_id IS NOT NULL;
CREATE INDEX tickets_by_session ON tickets (created_by_session_id) WHERE created_by_session_id IS NOT NULL;

CREATE TABLE ticket_dependencies (
    ticket_id TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    depends_on_id TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (ticket_id, depends_on_id)
) STRICT;
CREATE INDEX ticket_dependencies_by_target ON ticket_dependencies (depends_on_id);

CREATE TABLE ticket_comments (
    id TEXT NOT NULL PRIMARY KEY,
    ticket_id TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    author_user_id TEXT NOT NULL,
    author_persona TEXT,
    content TEXT NOT NULL,
    session_id TEXT,
    source TEXT NOT NULL,
    -- Whether the writer may change the project: only such comments make a review.
    by_editor INTEGER NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ticket_comments_by_ticket ON ticket_comments (ticket_id, created_at, id);

CREATE TABLE ticket_edits (
    id TEXT NOT NULL PRIMARY KEY,
    ticket_id TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    old_value TEXT NOT NULL,
    new_value TEXT NOT NULL,
    user_id TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ticket_edits_by_ticket ON ticket_edits (ticket_id, created_at);

CREATE TABLE agent_runs (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    persona_name TEXT NOT NULL,
    tool TEXT NOT NULL,
    trigger_source TEXT NOT NULL,
    status TEXT NOT NULL,
    ticket_id TEXT,
    trigger_ref TEXT,
    ci_provider TEXT,
    ci_run_url TEXT,
    result_summary TEXT,
    severity TEXT,
    findings TEXT NOT NULL,
    fail_on TEXT,
    policy_result TEXT,
    exit_code INTEGER,
    session_id TEXT,
    triggered_by_user_id TEXT NOT NULL,
    triggered_by_persona TEXT,
    replayed_from TEXT,
    prompt TEXT,
    context_refs TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    service_key_id TEXT,
    service_key_name TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER
) STRICT;
CREATE INDEX agent_runs_by_project ON agent_runs (project_id, created_at, id);

CREATE TABLE retrieval_contexts (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    ticket_id TEXT,
    persona_name TEXT,
    lease_epoch INTEGER NOT NULL,
    created_by_user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at INTEGER
) STRICT;
CREATE INDEX retrieval_contexts_by_ticket ON retrieval_contexts (ticket_id) WHERE closed_at IS NULL;

CREATE TABLE retrieval_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    context_id TEXT NOT NULL REFERENCES retrieval_contexts (id) ON DELETE CASCADE,
    session_id TEXT,
    tool_name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    returned_refs TEXT NOT NULL,
    source TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX retrieval_events_by_context ON retrieval_events (context_id, id);
CREATE INDEX retrieval_events_by_session ON retrieval_events (session_id, id) WHERE session_id IS NOT NULL;

CREATE TABLE project_rules (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL UNIQUE REFERENCES projects (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    -- Rises with every change: what the ETag is made of.
    edition INTEGER NOT NULL,
    static_rules TEXT NOT NULL,
    include_knowledge INTEGER NOT NULL,
    knowledge_types TEXT NOT NULL,
    knowledge_max_tokens INTEGER NOT NULL,
    include_context INTEGER NOT NULL,
    context_sections TEXT NOT NULL,
    context_max_tokens INTEGER NOT NULL,
    tool_overrides TEXT NOT NULL,
    enabled_tools TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE rules_versions (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    static_rules TEXT NOT NULL,
    compiled_outputs TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    compiled_by TEXT NOT NULL,
    compiled_at INTEGER NOT NULL,
    UNIQUE (project_id, version)
) STRICT;

CREATE TABLE github_settings (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    auto_comment INTEGER NOT NULL,
    include_trust_score INTEGER NOT NULL,
    include_session_links INTEGER NOT NULL
) STRICT;

CREATE TABLE gitlab_settings (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    instance_url TEXT NOT NULL,
    -- Digests: what proves that a caller knows them; they are not to be had again.
    access_token_hash TEXT NOT NULL,
    webhook_secret_hash TEXT
) STRICT;
