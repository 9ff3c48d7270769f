-- What was said in a session, newest first.
CREATE INDEX memories_by_session ON memories (scope, session_id, created_at DESC, memory DESC)
    WHERE session_id IS NOT NULL;
