-- The tokens that are searched now begin with what stands for their user. What is stored becomes searchable again
-- without anybody's doing, as what is pushed does.
DELETE FROM sync_messages_fts;
DELETE FROM sync_search_rows;
UPDATE sync_sessions SET indexed_etag = '';
