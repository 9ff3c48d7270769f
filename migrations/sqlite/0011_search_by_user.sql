-- The tokens that are searched now begin with what stands for their user. What is stored becomes searchable again
-- without anybody's doing, as what is pushed does.
INSERT INTO sync_messages_fts (sync_messages_fts) VALUES ('delete-all');
DELETE FROM sync_search_rows;
UPDATE sync_sessions SET indexed_etag = '';
