-- What the text of a row was made from: when a session comes again, its lines that are the same keep their rows.
ALTER TABLE sync_search_rows ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;
