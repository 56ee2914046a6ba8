-- The book: entries, CDRs, what makes them unique, and who may write.
-- Money is nano-units, times are microseconds since the epoch, ids come from ledger_head.
-- Transactions, entries, CDRs and their payers are partitioned by month, so what makes them unique has tables of its own;
-- the service makes the months ahead, and the default partitions take what comes outside of them.

-- One row, updated by every writing transaction before it writes: ids and feed positions follow the order of commits.
CREATE TABLE ledger_head (
    one              BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    transaction_id   BIGINT NOT NULL,
    entry_id         BIGINT NOT NULL,
    cdr_id           BIGINT NOT NULL,
    feed_position    BIGINT NOT NULL,
    -- Every account's checkpoint holds its balance after this entry.
    checkpoint_entry BIGINT NOT NULL,
    -- Starts of a ledger, so that a posting without a reference still has a name of its own.
    runs             BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger_head VALUES (1, 0, 0, 0, 0, 0, 0);

CREATE TABLE transactions (
    id     BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    kind   TEXT    NOT NULL,
    cdr_id BIGINT,
    note   TEXT,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE transactions_default PARTITION OF transactions DEFAULT;

CREATE TABLE entries (
    id           BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    tx_id        BIGINT NOT NULL,
    kind         TEXT    NOT NULL,
    account_id   BIGINT NOT NULL CHECK (account_id > 0),
    amount       BIGINT NOT NULL,
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    tax_amount   BIGINT NOT NULL DEFAULT 0,
    -- True: the amount includes the tax (gross); false: the tax comes on top (net).
    tax_included BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE entries_default PARTITION OF entries DEFAULT;
CREATE INDEX entries_by_account ON entries (account_id, id);
CREATE INDEX entries_by_tx ON entries (tx_id);

-- The latest known balance of each account: units * 1e9 + nanos, because an account of the house sums many wallets.
CREATE TABLE checkpoints (
    account_id BIGINT NOT NULL,
    currency   TEXT    NOT NULL,
    entry_id   BIGINT NOT NULL,
    units      BIGINT NOT NULL,
    nanos      BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (account_id, currency)
);

-- A posting's name, for ever: the same name with another body is refused.
CREATE TABLE posting_references (
    kind        TEXT    NOT NULL,
    scope       BIGINT NOT NULL,
    reference   TEXT    NOT NULL,
    tx_id       BIGINT NOT NULL,
    fingerprint TEXT    NOT NULL,
    run         BIGINT NOT NULL,
    batch       BIGINT NOT NULL,
    PRIMARY KEY (kind, scope, reference)
);

-- A call is settled once.
CREATE TABLE call_keys (
    server    TEXT    NOT NULL CHECK (server <> ''),
    unique_id TEXT    NOT NULL CHECK (unique_id <> ''),
    leg       BIGINT NOT NULL CHECK (leg > 0),
    cdr_id    BIGINT NOT NULL,
    -- The ledger's start and its batch that wrote it: a commit whose answer was lost recognises its own work.
    run       BIGINT NOT NULL,
    batch     BIGINT NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
);

CREATE TABLE cdrs (
    id                  BIGINT NOT NULL,
    settled_at          BIGINT NOT NULL,
    tx_id               BIGINT,
    server              TEXT    NOT NULL,
    unique_id           TEXT    NOT NULL,
    leg                 BIGINT NOT NULL,
    kind                TEXT    NOT NULL,
    direction           TEXT    NOT NULL,
    disposition         TEXT    NOT NULL,
    refused_reason      TEXT,
    account_id          BIGINT,
    endpoint            TEXT    NOT NULL,
    caller              TEXT    NOT NULL,
    dialled             TEXT    NOT NULL,
    number              TEXT,
    destination         TEXT,
    setup_at            BIGINT NOT NULL,
    answered_at         BIGINT,
    ended_at            BIGINT NOT NULL,
    answered_ms         BIGINT NOT NULL CHECK (answered_ms >= 0),
    charged_ms          BIGINT NOT NULL CHECK (charged_ms >= 0),
    overrun_ms          BIGINT NOT NULL CHECK (overrun_ms >= 0),
    pdd_ms              BIGINT,
    hangup_cause        BIGINT,
    sip_code            BIGINT,
    hung_up_by          TEXT,
    source_address      TEXT,
    sip_call_id         TEXT,
    duration_source     TEXT    NOT NULL,
    trunk_id            BIGINT,
    trunk_name          TEXT,
    route               BIGINT NOT NULL,
    attempts            TEXT    NOT NULL,
    currency            TEXT    NOT NULL,
    buy_tariff_version  BIGINT,
    buy_prefix          TEXT,
    buy_price           BIGINT,
    buy_currency        TEXT,
    buy_fx_rate         TEXT,
    buy_billed_seconds  BIGINT,
    buy_cost            BIGINT CHECK (buy_cost >= 0),
    buy_rate_json       TEXT,
    margin              BIGINT NOT NULL,
    PRIMARY KEY (id, settled_at)
) PARTITION BY RANGE (settled_at);
CREATE TABLE cdrs_default PARTITION OF cdrs DEFAULT;

CREATE TABLE cdr_payers (
    cdr_id          BIGINT NOT NULL,
    position        BIGINT NOT NULL,
    settled_at      BIGINT NOT NULL,
    account_id      BIGINT NOT NULL CHECK (account_id > 0),
    plan_versions   TEXT    NOT NULL,
    tariff_version  BIGINT,
    prefix          TEXT,
    price           BIGINT,
    billed_seconds  BIGINT NOT NULL CHECK (billed_seconds >= 0),
    charge          BIGINT NOT NULL CHECK (charge >= 0),
    rate_json       TEXT,
    PRIMARY KEY (cdr_id, position, settled_at)
) PARTITION BY RANGE (settled_at);
CREATE TABLE cdr_payers_default PARTITION OF cdr_payers DEFAULT;
-- An account's calls, newest first.
CREATE INDEX cdr_payers_by_account ON cdr_payers (account_id, cdr_id DESC);

-- Refusals beyond what is recorded one by one.
CREATE TABLE refusal_counts (
    source TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    minute BIGINT NOT NULL,
    count  BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (source, reason, minute)
);

-- Calls that hold credit: read at start, removed in the transaction that settles them.
CREATE TABLE open_calls (
    server     TEXT    NOT NULL,
    unique_id  TEXT    NOT NULL,
    leg        BIGINT NOT NULL,
    ticket     TEXT    NOT NULL,
    payers     TEXT    NOT NULL,
    granted_at BIGINT NOT NULL,
    hold_until BIGINT NOT NULL,
    epoch      BIGINT NOT NULL,
    PRIMARY KEY (server, unique_id, leg)
);
CREATE INDEX open_calls_by_end ON open_calls (hold_until);

-- Which process may admit calls and spend balances of an account tree (0: all of them), until when, in which epoch.
CREATE TABLE owners (
    tree        BIGINT NOT NULL PRIMARY KEY,
    epoch       BIGINT NOT NULL,
    node        TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    lease_until BIGINT NOT NULL
);

-- What changed, in the order of commits, for processes that hold it in memory.
CREATE TABLE feed (
    position BIGINT NOT NULL PRIMARY KEY,
    kind     TEXT    NOT NULL,
    item_id  BIGINT NOT NULL,
    at       BIGINT NOT NULL
);

-- The book is append-only: a correction is a new entry.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% are append-only', TG_ARGV[0]; END $$;
CREATE TRIGGER transactions_keep BEFORE UPDATE OR DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION refuse_change('transactions');
CREATE TRIGGER transactions_keep_all BEFORE TRUNCATE ON transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('transactions');
CREATE TRIGGER entries_keep BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION refuse_change('entries');
CREATE TRIGGER entries_keep_all BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('entries');
CREATE TRIGGER cdrs_keep BEFORE UPDATE OR DELETE ON cdrs FOR EACH ROW EXECUTE FUNCTION refuse_change('cdrs');
CREATE TRIGGER cdrs_keep_all BEFORE TRUNCATE ON cdrs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('cdrs');
CREATE TRIGGER cdr_payers_keep BEFORE UPDATE OR DELETE ON cdr_payers FOR EACH ROW EXECUTE FUNCTION refuse_change('cdr_payers');
CREATE TRIGGER cdr_payers_keep_all BEFORE TRUNCATE ON cdr_payers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('cdr_payers');
CREATE TRIGGER call_keys_keep BEFORE UPDATE OR DELETE ON call_keys FOR EACH ROW EXECUTE FUNCTION refuse_change('call_keys');
CREATE TRIGGER call_keys_keep_all BEFORE TRUNCATE ON call_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('call_keys');
CREATE TRIGGER posting_references_keep BEFORE UPDATE OR DELETE ON posting_references FOR EACH ROW EXECUTE FUNCTION refuse_change('posting_references');
CREATE TRIGGER posting_references_keep_all BEFORE TRUNCATE ON posting_references FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('posting_references');
