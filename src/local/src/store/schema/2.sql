-- Tables with indexes, expiry and streams; objects; queues; subscriptions; what hosts remember.

-- What a table is, as JSON, so that every write keeps its indexes from the first moment on.
CREATE TABLE table_specs (name TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE item_indexes (
    tbl TEXT NOT NULL,
    idx TEXT NOT NULL,
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    item INTEGER NOT NULL,
    PRIMARY KEY (tbl, idx, partition, sort, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_indexes_by_item ON item_indexes (item);
-- `at` in seconds, as the attribute has it.
CREATE TABLE item_expiry (item INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE INDEX item_expiry_by_time ON item_expiry (at);
-- The stream of a table: what an item was and became.
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tbl TEXT NOT NULL,
    at INTEGER NOT NULL,
    key_attribute TEXT NOT NULL,
    key TEXT NOT NULL,
    old TEXT,
    new TEXT,
    expired INTEGER NOT NULL,
    trace TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_table ON changes (tbl, sequence);
CREATE INDEX changes_by_time ON changes (at);
CREATE TABLE checkpoints (
    mapping TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Objects: small bodies stand in a row, large ones in a file named by `file` under objects/.
CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    cache_control TEXT,
    metadata TEXT NOT NULL,
    etag TEXT NOT NULL,
    file TEXT UNIQUE,
    UNIQUE (bucket, key)
) STRICT;
CREATE TABLE object_bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
-- Signs addresses; made once.
CREATE TABLE signing_keys (name TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- Queues: a message can be received from `due` on; `nonce` names its latest receive.
CREATE TABLE queue_specs (name TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    sent INTEGER NOT NULL,
    due INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    nonce TEXT,
    source TEXT
) STRICT;
CREATE INDEX messages_by_due ON messages (queue, due, number);
CREATE INDEX messages_by_expiry ON messages (expires);

-- Schedules: the last due time that was acted on.
CREATE TABLE schedules (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Mail to single people keeps its whole message; mail of topics is made from its row.
ALTER TABLE mail ADD COLUMN eml BLOB;

CREATE TABLE subscriptions (
    arn TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    protocol TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    filter TEXT,
    token TEXT NOT NULL UNIQUE,
    confirmed INTEGER NOT NULL,
    UNIQUE (topic, protocol, endpoint)
) STRICT, WITHOUT ROWID;

INSERT INTO usage VALUES ('objects', 0), ('messages', 0);
CREATE TRIGGER objects_come AFTER INSERT ON objects
BEGIN
    UPDATE usage SET bytes = bytes + new.size + 512 WHERE what = 'objects';
END;
CREATE TRIGGER objects_go AFTER DELETE ON objects
BEGIN
    UPDATE usage SET bytes = bytes - old.size - 512 WHERE what = 'objects';
END;
CREATE TRIGGER messages_come AFTER INSERT ON messages
BEGIN
    UPDATE usage SET bytes = bytes + octet_length(new.body) + octet_length(new.attributes) + 256 WHERE what = 'messages';
END;
CREATE TRIGGER messages_go AFTER DELETE ON messages
BEGIN
    UPDATE usage SET bytes = bytes - octet_length(old.body) - octet_length(old.attributes) - 256 WHERE what = 'messages';
END;
