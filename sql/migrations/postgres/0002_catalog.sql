-- Tariffs, exchange rates, plans and trunks.
-- Prices are nano-units, times are microseconds since the epoch. A version's rows never change and are never deleted.

-- One row: the last id that anything in the catalog was given. Its lock makes changes of the catalog follow one another.
CREATE TABLE catalog_head (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    last_id BIGINT NOT NULL
);
INSERT INTO catalog_head VALUES (1, 0);

-- What one unit of `base` costs in `quote`, in 1e-12. The newest line at or before a moment holds; lines are only added.
CREATE TABLE fx_rates (
    id         BIGINT NOT NULL PRIMARY KEY,
    base       TEXT    NOT NULL CHECK (length(base) = 3),
    quote      TEXT    NOT NULL CHECK (length(quote) = 3),
    rate_pico  BIGINT NOT NULL CHECK (rate_pico > 0),
    valid_from BIGINT NOT NULL,
    set_at     BIGINT NOT NULL
);
CREATE INDEX fx_rates_by_pair ON fx_rates (base, quote, valid_from, id);

-- An imported deck's text. Staged until it is whole; a staged one that nobody touches is swept by a later import.
CREATE TABLE decks (
    id         BIGINT NOT NULL PRIMARY KEY,
    staged     BOOLEAN NOT NULL,
    chunks     BIGINT NOT NULL,
    touched_at BIGINT NOT NULL
);

-- A few thousand rows of canonical CSV each, with the header, in the deck's order.
CREATE TABLE deck_chunks (
    deck_id BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (deck_id, seq)
);

CREATE TABLE tariffs (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    currency   TEXT    NOT NULL CHECK (length(currency) = 3),
    version_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A version is a deck at an exchange rate: the two together say every price.
CREATE TABLE tariff_versions (
    id         BIGINT NOT NULL PRIMARY KEY,
    tariff_id  BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    deck_id    BIGINT NOT NULL,
    -- Null where the deck is in the wallets' currency, or where no rate was known: such a deck prices nothing.
    fx_rate_id BIGINT,
    -- The currency of the wallets at that time.
    priced_in  TEXT    NOT NULL CHECK (length(priced_in) = 3),
    row_count    BIGINT NOT NULL,
    prefix_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tariff_id, number)
);

CREATE TABLE plans (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    owner_id   BIGINT,
    version_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX plans_by_owner ON plans (owner_id);

-- Null settings are those of the plan it derives from.
CREATE TABLE plan_versions (
    id                BIGINT NOT NULL PRIMARY KEY,
    plan_id           BIGINT NOT NULL,
    number            BIGINT NOT NULL,
    tariff_id         BIGINT,
    base_plan_id      BIGINT,
    markup_millionths BIGINT NOT NULL CHECK (markup_millionths >= 0),
    rounding          TEXT,
    decimals          BIGINT,
    duration_rounding TEXT,
    block_rounding    TEXT,
    zone              TEXT,
    max_call_seconds  BIGINT,
    signup            BOOLEAN NOT NULL,
    initial_credit    BIGINT NOT NULL CHECK (initial_credit >= 0),
    tariff_limit      BIGINT,
    created_at        BIGINT NOT NULL,
    UNIQUE (plan_id, number),
    CHECK ((tariff_id IS NULL) <> (base_plan_id IS NULL))
);

-- Prices of a plan's own, from one of its versions (a number) until another: a change writes one row, never the whole list.
CREATE TABLE plan_overrides (
    plan_id       BIGINT NOT NULL,
    prefix        TEXT    NOT NULL,
    from_version  BIGINT NOT NULL,
    until_version BIGINT,
    price         BIGINT NOT NULL CHECK (price >= 0),
    PRIMARY KEY (plan_id, prefix, from_version)
);

CREATE TABLE trunks (
    id             BIGINT NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL UNIQUE,
    endpoint       TEXT    NOT NULL,
    host           TEXT,
    tariff_id      BIGINT NOT NULL,
    priority       BIGINT NOT NULL,
    weight         BIGINT NOT NULL CHECK (weight > 0),
    zone           TEXT    NOT NULL,
    block_rounding TEXT    NOT NULL,
    max_calls      BIGINT,
    strip          TEXT    NOT NULL,
    prepend        TEXT    NOT NULL,
    active         BOOLEAN NOT NULL,
    created_at     BIGINT NOT NULL
);
