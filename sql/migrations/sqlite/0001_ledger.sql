-- The book: entries, CDRs, what makes them unique, and who may write.
-- Money is nano-units, times are microseconds since the epoch, ids come from ledger_head.

-- One row, updated by every writing transaction before it writes: ids and feed positions follow the order of commits.
CREATE TABLE ledger_head (
    one              INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    transaction_id   INTEGER NOT NULL,
    entry_id         INTEGER NOT NULL,
    cdr_id           INTEGER NOT NULL,
    feed_position    INTEGER NOT NULL,
    -- Every account's checkpoint holds its balance after this entry.
    checkpoint_entry INTEGER NOT NULL,
    -- Starts of a ledger, so that a posting without a reference still has a name of its own.
    runs             INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_head VALUES (1, 0, 0, 0, 0, 0, 0);

CREATE TABLE transactions (
    id     INTEGER NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    cdr_id INTEGER,
    note   TEXT
) STRICT;

CREATE TABLE entries (
    id           INTEGER NOT NULL PRIMARY KEY,
    at           INTEGER NOT NULL,
    tx_id        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    account_id   INTEGER NOT NULL CHECK (account_id > 0),
    amount       INTEGER NOT NULL,
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    tax_amount   INTEGER NOT NULL DEFAULT 0,
    -- 1: the amount includes the tax (gross); 0: the tax comes on top (net).
    tax_included INTEGER NOT NULL DEFAULT 0 CHECK (tax_included IN (0, 1))
) STRICT;
CREATE INDEX entries_by_account ON entries (account_id, id);
CREATE INDEX entries_by_tx ON entries (tx_id);

-- The latest known balance of each account: units * 1e9 + nanos, because an account of the house sums many wallets.
CREATE TABLE checkpoints (
    account_id INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    entry_id   INTEGER NOT NULL,
    units      INTEGER NOT NULL,
    nanos      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (account_id, currency)
) STRICT;

-- A posting's name, for ever: the same name with another body is refused.
CREATE TABLE posting_references (
    kind        TEXT    NOT NULL,
    scope       INTEGER NOT NULL,
    reference   TEXT    NOT NULL,
    tx_id       INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL,
    run         INTEGER NOT NULL,
    batch       INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, reference)
) STRICT;

-- A call is settled once.
CREATE TABLE call_keys (
    server    TEXT    NOT NULL CHECK (server <> ''),
    unique_id TEXT    NOT NULL CHECK (unique_id <> ''),
    leg       INTEGER NOT NULL CHECK (leg > 0),
    cdr_id    INTEGER NOT NULL,
    -- The ledger's start and its batch that wrote it: a commit whose answer was lost recognises its own work.
    run       INTEGER NOT NULL,
    batch     INTEGER NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
) STRICT;

CREATE TABLE cdrs (
    id                  INTEGER NOT NULL PRIMARY KEY,
    settled_at          INTEGER NOT NULL,
    tx_id               INTEGER,
    server              TEXT    NOT NULL,
    unique_id           TEXT    NOT NULL,
    leg                 INTEGER NOT NULL,
    kind                TEXT    NOT NULL,
    direction           TEXT    NOT NULL,
    disposition         TEXT    NOT NULL,
    refused_reason      TEXT,
    account_id          INTEGER,
    endpoint            TEXT    NOT NULL,
    caller              TEXT    NOT NULL,
    dialled             TEXT    NOT NULL,
    number              TEXT,
    destination         TEXT,
    setup_at            INTEGER NOT NULL,
    answered_at         INTEGER,
    ended_at            INTEGER NOT NULL,
    answered_ms         INTEGER NOT NULL CHECK (answered_ms >= 0),
    charged_ms          INTEGER NOT NULL CHECK (charged_ms >= 0),
    overrun_ms          INTEGER NOT NULL CHECK (overrun_ms >= 0),
    pdd_ms              INTEGER,
    hangup_cause        INTEGER,
    sip_code            INTEGER,
    hung_up_by          TEXT,
    source_address      TEXT,
    sip_call_id         TEXT,
    duration_source     TEXT    NOT NULL,
    trunk_id            INTEGER,
    trunk_name          TEXT,
    route               INTEGER NOT NULL,
    attempts            TEXT    NOT NULL,
    currency            TEXT    NOT NULL,
    buy_tariff_version  INTEGER,
    buy_prefix          TEXT,
    buy_price           INTEGER,
    buy_currency        TEXT,
    buy_fx_rate         TEXT,
    buy_billed_seconds  INTEGER,
    buy_cost            INTEGER CHECK (buy_cost >= 0),
    buy_rate_json       TEXT,
    margin              INTEGER NOT NULL
) STRICT;

CREATE TABLE cdr_payers (
    cdr_id          INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    settled_at      INTEGER NOT NULL,
    account_id      INTEGER NOT NULL CHECK (account_id > 0),
    plan_versions   TEXT    NOT NULL,
    tariff_version  INTEGER,
    prefix          TEXT,
    price           INTEGER,
    billed_seconds  INTEGER NOT NULL CHECK (billed_seconds >= 0),
    charge          INTEGER NOT NULL CHECK (charge >= 0),
    rate_json       TEXT,
    PRIMARY KEY (cdr_id, position)
) STRICT, WITHOUT ROWID;
-- An account's calls, newest first.
CREATE INDEX cdr_payers_by_account ON cdr_payers (account_id, cdr_id DESC);

-- Refusals beyond what is recorded one by one.
CREATE TABLE refusal_counts (
    source TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    minute INTEGER NOT NULL,
    count  INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (source, reason, minute)
) STRICT, WITHOUT ROWID;

-- Calls that hold credit: read at start, removed in the transaction that settles them.
CREATE TABLE open_calls (
    server     TEXT    NOT NULL,
    unique_id  TEXT    NOT NULL,
    leg        INTEGER NOT NULL,
    ticket     TEXT    NOT NULL,
    payers     TEXT    NOT NULL,
    granted_at INTEGER NOT NULL,
    hold_until INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
) STRICT, WITHOUT ROWID;
CREATE INDEX open_calls_by_end ON open_calls (hold_until);

-- Which process may admit calls and spend balances of an account tree (0: all of them), until when, in which epoch.
CREATE TABLE owners (
    tree        INTEGER NOT NULL PRIMARY KEY,
    epoch       INTEGER NOT NULL,
    node        TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;

-- What changed, in the order of commits, for processes that hold it in memory.
CREATE TABLE feed (
    position INTEGER NOT NULL PRIMARY KEY,
    kind     TEXT    NOT NULL,
    item_id  INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

-- The book is append-only: a correction is a new entry.
CREATE TRIGGER transactions_keep_update BEFORE UPDATE ON transactions BEGIN SELECT RAISE(ABORT, 'transactions are append-only'); END;
CREATE TRIGGER transactions_keep_delete BEFORE DELETE ON transactions BEGIN SELECT RAISE(ABORT, 'transactions are append-only'); END;
CREATE TRIGGER entries_keep_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_keep_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER cdrs_keep_update BEFORE UPDATE ON cdrs BEGIN SELECT RAISE(ABORT, 'cdrs are append-only'); END;
CREATE TRIGGER cdrs_keep_delete BEFORE DELETE ON cdrs BEGIN SELECT RAISE(ABORT, 'cdrs are append-only'); END;
CREATE TRIGGER cdr_payers_keep_update BEFORE UPDATE ON cdr_payers BEGIN SELECT RAISE(ABORT, 'cdr_payers are append-only'); END;
CREATE TRIGGER cdr_payers_keep_delete BEFORE DELETE ON cdr_payers BEGIN SELECT RAISE(ABORT, 'cdr_payers are append-only'); END;
CREATE TRIGGER call_keys_keep_update BEFORE UPDATE ON call_keys BEGIN SELECT RAISE(ABORT, 'call_keys are append-only'); END;
CREATE TRIGGER call_keys_keep_delete BEFORE DELETE ON call_keys BEGIN SELECT RAISE(ABORT, 'call_keys are append-only'); END;
CREATE TRIGGER posting_references_keep_update BEFORE UPDATE ON posting_references BEGIN SELECT RAISE(ABORT, 'posting_references are append-only'); END;
CREATE TRIGGER posting_references_keep_delete BEFORE DELETE ON posting_references BEGIN SELECT RAISE(ABORT, 'posting_references are append-only'); END;
