-- What a language model told of a session, as JSON; it belongs to the archive that the row points to.
ALTER TABLE sync_contents ADD COLUMN narrative TEXT;

-- What the user's daemons last said of their watchers, as JSON.
ALTER TABLE users ADD COLUMN capture_health TEXT;
