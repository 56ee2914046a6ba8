-- Settlements that were written without the call's ticket, and the ones with it that replace them.

-- Written without the call's ticket; a settlement with the ticket replaces its record.
ALTER TABLE call_keys ADD COLUMN provisional BOOLEAN NOT NULL DEFAULT FALSE;

-- A record that was written without the ticket is replaced once, by the record of the settlement with the ticket.
CREATE TABLE call_corrections (
    server       TEXT   NOT NULL,
    unique_id    TEXT   NOT NULL,
    leg          BIGINT NOT NULL,
    -- The record that counts.
    cdr_id       BIGINT NOT NULL,
    -- The record that it replaces: in no list and no sum any more.
    replaced_cdr BIGINT NOT NULL UNIQUE,
    -- The transaction that cancels the replaced record's charges; none where it was free.
    reversal_tx  BIGINT,
    run          BIGINT NOT NULL,
    batch        BIGINT NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
);
CREATE TRIGGER call_corrections_keep BEFORE UPDATE OR DELETE ON call_corrections FOR EACH ROW EXECUTE FUNCTION refuse_change('call_corrections');
CREATE TRIGGER call_corrections_keep_all BEFORE TRUNCATE ON call_corrections FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('call_corrections');
