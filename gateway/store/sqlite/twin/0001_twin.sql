-- The twin: what is mirrored, what it is now, what it was, and what is not known. docs/store.md explains the layout.
-- Times are nanoseconds since the Unix epoch (UTC).

CREATE TABLE endpoint (
    number INTEGER PRIMARY KEY,
    key    TEXT NOT NULL UNIQUE,              -- site/endpoint
    heard  INTEGER,                           -- when it last spoke
    stored INTEGER NOT NULL DEFAULT 0         -- the account: values ever stored
) STRICT;

CREATE TABLE rejected (                       -- the account: values ever refused, by reason
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    reason   TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (endpoint, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    number          INTEGER PRIMARY KEY,
    path            TEXT NOT NULL UNIQUE,
    endpoint        INTEGER NOT NULL REFERENCES endpoint,
    node            TEXT NOT NULL,            -- nsu=<uri>;<id>
    equipment_class TEXT NOT NULL,
    type            TEXT NOT NULL,
    unit            TEXT,
    stepped         INTEGER NOT NULL,
    masked          INTEGER NOT NULL
) STRICT;
CREATE INDEX tag_of_endpoint ON tag (endpoint);

CREATE TABLE moved (                          -- values a tag had stored when it moved away from an endpoint
    tag      INTEGER NOT NULL REFERENCES tag,
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    rows     INTEGER NOT NULL,
    PRIMARY KEY (tag, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE current (                        -- the newest value of each tag as of the last sealing; the log holds what came since
    tag           INTEGER PRIMARY KEY REFERENCES tag,
    value         ANY,                        -- for people: the scalar, null where it is none
    encoded       BLOB NOT NULL,              -- the exact binary Variant
    status        INTEGER NOT NULL,
    source_time   INTEGER NOT NULL,
    server_time   INTEGER NOT NULL,
    received_time INTEGER NOT NULL,
    flags         INTEGER NOT NULL,
    sealed        INTEGER NOT NULL,           -- values of this tag ever sealed into blocks
    retired       INTEGER NOT NULL DEFAULT 0  -- of these, how many retention has deleted
) STRICT;

CREATE TABLE log (                            -- hot batches in order of commit, one row for each type of value in a commit
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    type     INTEGER NOT NULL,
    rows     INTEGER NOT NULL,
    min_time INTEGER NOT NULL,                -- by source time
    max_time INTEGER NOT NULL,
    received INTEGER NOT NULL,                -- earliest receive time
    crc      INTEGER NOT NULL,
    data     BLOB NOT NULL
) STRICT;

CREATE TABLE segment (                        -- one sealed stretch of the log
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    level     INTEGER NOT NULL,               -- 1: as sealed; higher: merged
    first_log INTEGER NOT NULL,
    last_log  INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    min_time  INTEGER NOT NULL,
    max_time  INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    received  BLOB NOT NULL                   -- the distinct receive times of its rows, ascending
) STRICT;
CREATE INDEX segment_by_time ON segment (max_time, min_time);

CREATE TABLE block (                          -- rows of a segment of one type, sorted by (tag, source time)
    id        INTEGER PRIMARY KEY,
    segment   INTEGER NOT NULL REFERENCES segment ON DELETE CASCADE,
    type      INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    first_tag INTEGER NOT NULL,
    last_tag  INTEGER NOT NULL,
    min_time  INTEGER NOT NULL,
    max_time  INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    data      BLOB NOT NULL
) STRICT;
CREATE INDEX block_in_segment ON block (segment, last_tag, first_tag, min_time, max_time);

CREATE TABLE gap (
    id       INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    tag      INTEGER REFERENCES tag,          -- null: every tag of the endpoint
    start    INTEGER NOT NULL,
    "end"    INTEGER,                         -- null while it lasts
    reason   TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;
CREATE INDEX gap_by_endpoint ON gap (endpoint, start);
CREATE INDEX gap_open ON gap (endpoint, tag) WHERE "end" IS NULL;

CREATE TABLE quarantine (                     -- values the twin refused as poison, the newest ten thousand
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint      INTEGER NOT NULL REFERENCES endpoint,
    tag           INTEGER NOT NULL,           -- as received: it may be no tag at all
    complaint     TEXT NOT NULL,
    source_time   INTEGER NOT NULL,
    server_time   INTEGER NOT NULL,
    received_time INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    encoded       BLOB NOT NULL
) STRICT;
