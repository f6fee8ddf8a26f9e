-- Times are milliseconds since 1970 in UTC unless a comment says otherwise.

-- Documents: an item is one JSON text and, apart, the numbers that are incremented.
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    tbl TEXT NOT NULL,
    key_attribute TEXT NOT NULL,
    key TEXT NOT NULL,
    attributes TEXT NOT NULL,
    UNIQUE (tbl, key_attribute, key)
) STRICT;
CREATE TABLE counters (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE counter_names (
    id INTEGER PRIMARY KEY,
    item INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    UNIQUE (item, attribute)
) STRICT;

-- Metrics: `width` and `start` in seconds; `data` is a distribution of samples.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    unit TEXT NOT NULL,
    UNIQUE (namespace, name, dimensions, unit)
) STRICT;
CREATE TABLE buckets (
    series INTEGER NOT NULL,
    width INTEGER NOT NULL,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (series, width, start)
) STRICT, WITHOUT ROWID;
-- Buckets of a width were rolled up from the next finer one only where they start before this.
CREATE TABLE rolled_up (width INTEGER PRIMARY KEY, before INTEGER NOT NULL) STRICT;

-- Logs.
CREATE TABLE log_groups (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE log_streams (
    id INTEGER PRIMARY KEY,
    log_group INTEGER NOT NULL,
    name TEXT NOT NULL,
    newest INTEGER NOT NULL,
    UNIQUE (log_group, name)
) STRICT;
CREATE TABLE log_events (
    id INTEGER PRIMARY KEY,
    log_group INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    at INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX log_events_by_time ON log_events (log_group, at, id);

-- Traces: one row each, kept up to date with its segments; times in seconds as in the documents.
CREATE TABLE traces (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start REAL NOT NULL,
    finish REAL,
    name TEXT NOT NULL,
    request TEXT,
    status INTEGER,
    fault INTEGER NOT NULL,
    error INTEGER NOT NULL,
    throttle INTEGER NOT NULL
) STRICT;
CREATE INDEX traces_by_start ON traces (start);
CREATE TABLE segments (
    trace INTEGER NOT NULL,
    id TEXT NOT NULL,
    start REAL NOT NULL,
    finish REAL,
    fault INTEGER NOT NULL,
    error INTEGER NOT NULL,
    throttle INTEGER NOT NULL,
    root INTEGER NOT NULL,
    names TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (trace, id)
) STRICT;

-- Alarms.
CREATE TABLE alarm_states (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    created INTEGER NOT NULL,
    reason TEXT NOT NULL,
    reason_data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE alarm_history (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm TEXT NOT NULL,
    at INTEGER NOT NULL,
    transition TEXT NOT NULL
) STRICT;
CREATE INDEX alarm_history_by_alarm ON alarm_history (alarm, at);
CREATE INDEX alarm_history_by_time ON alarm_history (at);

-- The journal is append-only. Retention may take away its oldest entries, and only after it has
-- raised the floor below which nothing is needed any more.
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    incident TEXT,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_incident ON journal (incident) WHERE incident IS NOT NULL;
CREATE INDEX journal_opened ON journal (at) WHERE kind = 'opened';
CREATE TABLE journal_floor (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL) STRICT;
INSERT INTO journal_floor VALUES (1, 0);
CREATE TRIGGER journal_is_not_edited BEFORE UPDATE ON journal
BEGIN
    SELECT raise(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER journal_is_not_shortened BEFORE DELETE ON journal
WHEN old.sequence > (SELECT sequence FROM journal_floor)
BEGIN
    SELECT raise(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER journal_floor_only_rises BEFORE UPDATE ON journal_floor
WHEN new.sequence < old.sequence
BEGIN
    SELECT raise(ABORT, 'the floor of the journal only rises');
END;

-- Mail: the row is the truth, the .eml file is made from it; `filed` says that it stands.
CREATE TABLE mail (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    thread TEXT NOT NULL,
    answers TEXT,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    filed INTEGER NOT NULL
) STRICT;
CREATE INDEX mail_by_thread ON mail (topic, thread, number);
CREATE INDEX mail_not_filed ON mail (number) WHERE filed = 0;

-- How many bytes the things with a limit of their own take.
CREATE TABLE usage (what TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO usage VALUES ('logs', 0), ('traces', 0);
CREATE TRIGGER log_events_come AFTER INSERT ON log_events
BEGIN
    UPDATE usage SET bytes = bytes + octet_length(new.message) + 64 WHERE what = 'logs';
END;
CREATE TRIGGER log_events_go AFTER DELETE ON log_events
BEGIN
    UPDATE usage SET bytes = bytes - octet_length(old.message) - 64 WHERE what = 'logs';
END;
CREATE TRIGGER segments_come AFTER INSERT ON segments
BEGIN
    UPDATE usage SET bytes = bytes + octet_length(new.document) + 256 WHERE what = 'traces';
END;
CREATE TRIGGER segments_go AFTER DELETE ON segments
BEGIN
    UPDATE usage SET bytes = bytes - octet_length(old.document) - 256 WHERE what = 'traces';
END;
