-- Settlements that were written without the call's ticket, and the ones with it that replace them.

-- 1: written without the call's ticket; a settlement with the ticket replaces its record.
ALTER TABLE call_keys ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0 CHECK (provisional IN (0, 1));

-- A record that was written without the ticket is replaced once, by the record of the settlement with the ticket.
CREATE TABLE call_corrections (
    server       TEXT    NOT NULL,
    unique_id    TEXT    NOT NULL,
    leg          INTEGER NOT NULL,
    -- The record that counts.
    cdr_id       INTEGER NOT NULL,
    -- The record that it replaces: in no list and no sum any more.
    replaced_cdr INTEGER NOT NULL UNIQUE,
    -- The transaction that cancels the replaced record's charges; none where it was free.
    reversal_tx  INTEGER,
    run          INTEGER NOT NULL,
    batch        INTEGER NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
) STRICT;
CREATE TRIGGER call_corrections_keep_update BEFORE UPDATE ON call_corrections BEGIN SELECT RAISE(ABORT, 'call_corrections are append-only'); END;
CREATE TRIGGER call_corrections_keep_delete BEFORE DELETE ON call_corrections BEGIN SELECT RAISE(ABORT, 'call_corrections are append-only'); END;
