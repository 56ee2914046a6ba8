-- Tariffs, exchange rates, plans and trunks.
-- Prices are nano-units, times are microseconds since the epoch. A version's rows never change and are never deleted.

-- One row: the last id that anything in the catalog was given. Its lock makes changes of the catalog follow one another.
CREATE TABLE catalog_head (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    last_id INTEGER NOT NULL
) STRICT;
INSERT INTO catalog_head VALUES (1, 0);

-- What one unit of `base` costs in `quote`, in 1e-12. The newest line at or before a moment holds; lines are only added.
CREATE TABLE fx_rates (
    id         INTEGER NOT NULL PRIMARY KEY,
    base       TEXT    NOT NULL CHECK (length(base) = 3),
    quote      TEXT    NOT NULL CHECK (length(quote) = 3),
    rate_pico  INTEGER NOT NULL CHECK (rate_pico > 0),
    valid_from INTEGER NOT NULL,
    set_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX fx_rates_by_pair ON fx_rates (base, quote, valid_from, id);

-- An imported deck's text. Staged until it is whole; a staged one that nobody touches is swept by a later import.
CREATE TABLE decks (
    id         INTEGER NOT NULL PRIMARY KEY,
    staged     INTEGER NOT NULL CHECK (staged IN (0, 1)),
    chunks     INTEGER NOT NULL,
    touched_at INTEGER NOT NULL
) STRICT;

-- A few thousand rows of canonical CSV each, with the header, in the deck's order.
CREATE TABLE deck_chunks (
    deck_id INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (deck_id, seq)
) STRICT;

CREATE TABLE tariffs (
    id         INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    currency   TEXT    NOT NULL CHECK (length(currency) = 3),
    version_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A version is a deck at an exchange rate: the two together say every price.
CREATE TABLE tariff_versions (
    id         INTEGER NOT NULL PRIMARY KEY,
    tariff_id  INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    deck_id    INTEGER NOT NULL,
    -- Null where the deck is in the wallets' currency, or where no rate was known: such a deck prices nothing.
    fx_rate_id INTEGER,
    -- The currency of the wallets at that time.
    priced_in  TEXT    NOT NULL CHECK (length(priced_in) = 3),
    row_count    INTEGER NOT NULL,
    prefix_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tariff_id, number)
) STRICT;

CREATE TABLE plans (
    id         INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    owner_id   INTEGER,
    version_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX plans_by_owner ON plans (owner_id);

-- Null settings are those of the plan it derives from.
CREATE TABLE plan_versions (
    id                INTEGER NOT NULL PRIMARY KEY,
    plan_id           INTEGER NOT NULL,
    number            INTEGER NOT NULL,
    tariff_id         INTEGER,
    base_plan_id      INTEGER,
    markup_millionths INTEGER NOT NULL CHECK (markup_millionths >= 0),
    rounding          TEXT,
    decimals          INTEGER,
    duration_rounding TEXT,
    block_rounding    TEXT,
    zone              TEXT,
    max_call_seconds  INTEGER,
    signup            INTEGER NOT NULL CHECK (signup IN (0, 1)),
    initial_credit    INTEGER NOT NULL CHECK (initial_credit >= 0),
    tariff_limit      INTEGER,
    created_at        INTEGER NOT NULL,
    UNIQUE (plan_id, number),
    CHECK ((tariff_id IS NULL) <> (base_plan_id IS NULL))
) STRICT;

-- Prices of a plan's own, from one of its versions (a number) until another: a change writes one row, never the whole list.
CREATE TABLE plan_overrides (
    plan_id       INTEGER NOT NULL,
    prefix        TEXT    NOT NULL,
    from_version  INTEGER NOT NULL,
    until_version INTEGER,
    price         INTEGER NOT NULL CHECK (price >= 0),
    PRIMARY KEY (plan_id, prefix, from_version)
) STRICT;

CREATE TABLE trunks (
    id             INTEGER NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL UNIQUE,
    endpoint       TEXT    NOT NULL,
    host           TEXT,
    tariff_id      INTEGER NOT NULL,
    priority       INTEGER NOT NULL,
    weight         INTEGER NOT NULL CHECK (weight > 0),
    zone           TEXT    NOT NULL,
    block_rounding TEXT    NOT NULL,
    max_calls      INTEGER,
    strip          TEXT    NOT NULL,
    prepend        TEXT    NOT NULL,
    active         INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at     INTEGER NOT NULL
) STRICT;
