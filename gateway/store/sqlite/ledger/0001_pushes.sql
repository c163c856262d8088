-- Pushes: what was asked for, what was about to be done (step by step, before it was done), and how it ended.

CREATE TABLE push (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    requested_by     TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    requested_at     INTEGER NOT NULL,              -- ns since the Unix epoch
    site             TEXT    NOT NULL,
    equipment        TEXT    NOT NULL,              -- site/area/line/equipment
    recipe           TEXT    NOT NULL,              -- id@version
    master_digest    TEXT    NOT NULL,
    rendered_digest  TEXT    NOT NULL,
    control_recipe   TEXT    NOT NULL,              -- JSON
    UNIQUE (requested_by, idempotency_key)
) STRICT;

-- Append-only: a push's state is its last step, its end is in push_end.
CREATE TABLE push_step (
    push    INTEGER NOT NULL REFERENCES push (id),
    number  INTEGER NOT NULL,
    time    INTEGER NOT NULL,                       -- ns since the Unix epoch
    epoch   INTEGER NOT NULL,                       -- of the lease
    state   TEXT    NOT NULL,
    tx_id   INTEGER,
    detail  TEXT    NOT NULL,                       -- JSON, without recipe values
    vals    TEXT    NOT NULL,                       -- JSON, may hold recipe values
    PRIMARY KEY (push, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE push_end (
    push     INTEGER PRIMARY KEY REFERENCES push (id),
    time     INTEGER NOT NULL,
    outcome  TEXT    NOT NULL,
    reason   TEXT    NOT NULL
) STRICT;

-- One row a piece of equipment: who may act on it. push is NULL while nobody may; the epoch only grows.
CREATE TABLE lease (
    equipment  TEXT PRIMARY KEY,
    push       INTEGER REFERENCES push (id),
    epoch      INTEGER NOT NULL,
    last_tx    INTEGER NOT NULL DEFAULT 0           -- highest TxId journaled for this equipment
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    equipment     TEXT    NOT NULL,
    push          INTEGER NOT NULL REFERENCES push (id),
    since         INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    released_at   INTEGER,
    released_by   TEXT,
    release_note  TEXT
) STRICT;

CREATE INDEX push_by_equipment ON push (equipment, id);
CREATE UNIQUE INDEX quarantine_open ON quarantine (equipment) WHERE released_at IS NULL;

CREATE TRIGGER push_step_is_never_changed BEFORE UPDATE ON push_step
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER push_step_is_never_deleted BEFORE DELETE ON push_step
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER push_end_is_never_changed BEFORE UPDATE ON push_end
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER push_end_is_never_deleted BEFORE DELETE ON push_end
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
